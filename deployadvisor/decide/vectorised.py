"""The winner for many profiles at once: the diagram as tables of numbers, one step a fact for all rows together.

What :meth:`Compiled.winner_for` does for one profile, a :class:`Table` does for a million in a tenth of a second. A
fact is one step: the state of a row and the cell of the fact give the next state. Importing this needs numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from deployadvisor.decide.cells import Cells
from deployadvisor.decide.compiled import Compiled, compiled
from deployadvisor.decide.diagram import Diagrams, Node
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.errors import DeployAdvisorError

try:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray
except ImportError:
    raise DeployAdvisorError(
        "deciding for many profiles at once needs numpy", remedy="pip install 'deployadvisor[sweep]'"
    ) from None

Codes = NDArray[np.int32]
"""A small number for each row: a cell, a state, or the place of a candidate."""


@dataclass(frozen=True, slots=True)
class Step:
    """Asks one fact: row ``state`` and column ``cell`` of ``next_state`` hold the state in which a row goes on."""

    fact: str
    next_state: Codes


@dataclass(frozen=True, slots=True)
class Table:
    """The winner of one ruleset as a chain of steps; the last state is a place in ``candidates``."""

    steps: tuple[Step, ...]
    candidates: tuple[str | None, ...]
    """What can win; None stands for "nothing is allowed"."""

    @property
    def facts(self) -> tuple[str, ...]:
        """The facts that can make a difference, in the order in which they are asked."""
        return tuple(step.fact for step in self.steps)

    def winners(self, cells: Mapping[str, Codes], rows: int) -> Codes:
        """The winner of each row, as a place in ``candidates``; ``cells`` has the cell of each fact in each row."""
        state = np.zeros(rows, np.int32)
        for step in self.steps:
            width = step.next_state.shape[1]
            state = step.next_state.ravel().take(state * width + cells[step.fact])
        return state


@lru_cache(maxsize=8)
def winner_table(ruleset: Ruleset) -> Table:
    """The table of a ruleset, built once."""
    return table_of(compiled(ruleset))


def table_of(decision: Compiled) -> Table:
    """Flatten the winner's diagram. States are the nodes that some row can have reached when a fact is asked."""
    diagrams, reached = decision.diagrams, [decision.winner]
    steps = []
    for level in sorted(diagrams.support(decision.winner)):
        next_states, reached = _step(diagrams, level, reached)
        steps.append(Step(decision.names[level], next_states))
    return Table(tuple(steps), tuple(diagrams.value(leaf) for leaf in reached))


def _step(diagrams: Diagrams, level: int, reached: list[Node]) -> tuple[Codes, list[Node]]:
    """Where each node goes for each cell of one fact, and the nodes that are reached so; the others wait."""
    number: dict[Node, int] = {}
    next_states = [[number.setdefault(kid, len(number)) for kid in _next(diagrams, level, node)] for node in reached]
    return np.array(next_states, np.int32), list(number)


def _next(diagrams: Diagrams, level: int, node: Node) -> Iterator[Node]:
    if diagrams.level[node] == level:
        yield from diagrams.kids(node)
    else:
        yield from [node] * diagrams.sizes[level]


def cell_indexes(cells: Cells, values: ArrayLike) -> Codes:
    """The cell of each value, as :meth:`Cells.index` finds it; KeyError for a word that the fact does not have."""
    if cells.fact.type == "number":
        # A cut just above a constant lies at the next number that a float can be.
        edges = [np.nextafter(constant, np.inf) if above else constant for constant, above in cells.cuts]
        return np.searchsorted(np.array(edges, float), np.asarray(values, float), side="right").astype(np.int32)
    return _places(np.array(cells.witnesses, str), np.asarray(values, str))


def _places(words: NDArray[np.str_], values: NDArray[np.str_]) -> Codes:
    order = np.argsort(words)
    found, after = (np.searchsorted(words[order], values, side=side) for side in ("left", "right"))
    strange = found == after
    if strange.any():
        raise KeyError(str(values[strange][0]))
    return order.astype(np.int32).take(found)
