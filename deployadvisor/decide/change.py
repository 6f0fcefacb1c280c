"""What would have to change for another winner: the cheapest set of changed facts, exact over all profiles.

A profile is a path through the diagram of the decision, and leaving the path at a fact costs what changing that fact
costs. So the cheapest way to another winner is a shortest path in a graph without cycles, found level by level, for
all winners in one pass.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deployadvisor.decide.cells import Cells
from deployadvisor.decide.compiled import IMPOSSIBLE, Compiled
from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.diagram import Diagrams, Node, Value
from deployadvisor.decide.sufficient import answers
from deployadvisor.decide.vocabulary import FactValue

Price = tuple[float, int, int]
"""Cost, number of changed facts, cells that they move: in this order what makes one way better than another."""
_FREE: Price = (0.0, 0, 0)


@dataclass(frozen=True, slots=True)
class Changes:
    """Facts to change, each with its new value, and what that costs in all."""

    cost: float
    facts: Mapping[str, FactValue]


@dataclass(frozen=True, slots=True)
class _Step:
    """The cheapest way to a node: its price and the last turn on it."""

    price: Price
    before: Node | None = None
    cell: int = 0


def cheapest_changes(compiled: Compiled, facts: Facts, cost: Mapping[str, float]) -> dict[str | None, Changes]:
    """For every other winner that can be reached the cheapest changes that surely lead to it.

    Only facts with a ``cost`` may change, or be answered at that cost when they are unknown. The winner None stands
    for "nothing is allowed".
    """
    root = answers(compiled, facts)
    turns = [tuple(_turns(cells, facts.get(name), cost.get(name))) for name, cells in compiled.facts.items()]
    steps, leaves = _walk(compiled.diagrams, root, turns)
    ends = {compiled.diagrams.value(leaf): leaf for leaf in leaves}
    return {
        winner: Changes(steps[leaf].price[0], _changed(compiled, facts, steps, leaf))
        for winner, leaf in ends.items()
        if winner not in (IMPOSSIBLE, _EITHER) and steps[leaf].price > _FREE
    }


class _Either:
    """The value of a profile whose winner depends on a fact that is left open."""


_EITHER = _Either()
_OPEN = -1
"""In place of a cell: the fact is left open."""
_Turns = tuple[tuple[int, Price], ...]


def _turns(cells: Cells, value: FactValue | None, cost: float | None) -> Iterator[tuple[int, Price]]:
    """The cells that a fact can take, each with its price; to leave it where it is costs nothing."""
    current = _OPEN if value is None else cells.index(value)
    yield current, _FREE
    if cost is None:
        return
    for cell in range(len(cells)):
        if cell != current:
            far = abs(cell - current) if value is not None and cells.fact.ordered else 1
            yield cell, (cost, 1, far)


def _walk(diagrams: Diagrams, root: Node, turns: Sequence[_Turns]) -> tuple[Mapping[Node, _Step], Sequence[Node]]:
    """The cheapest step to every node that can be reached, and the leaves among them."""
    steps = {root: _Step(_FREE)}
    waiting: list[list[Node]] = [[] for _ in range(diagrams.bottom + 1)]
    waiting[diagrams.level[root]].append(root)
    for level, nodes in enumerate(waiting[:-1]):
        for node in nodes:
            kids, so_far = diagrams.kids(node), steps[node].price
            for cell, price in turns[level]:
                kid = _in_any_case(diagrams, kids) if cell == _OPEN else kids[cell]
                total = (so_far[0] + price[0], so_far[1] + price[1], so_far[2] + price[2])
                if kid not in steps:
                    waiting[diagrams.level[kid]].append(kid)
                elif steps[kid].price <= total:
                    continue
                steps[kid] = _Step(total, node, cell)
    return steps, waiting[-1]


def _in_any_case(diagrams: Diagrams, kids: Sequence[Node]) -> Node:
    """The winner where it is the same whatever an open fact is."""
    return functools.reduce(functools.partial(diagrams.combine, _agreed), kids)


def _agreed(a: Value, b: Value) -> Value:
    if a == b or b is IMPOSSIBLE:
        return a
    return b if a is IMPOSSIBLE else _EITHER


def _changed(compiled: Compiled, facts: Facts, steps: Mapping[Node, _Step], leaf: Node) -> dict[str, FactValue]:
    """The facts that differ on the way to a leaf, in the order in which they are asked."""
    found: dict[str, FactValue] = {}
    step = steps[leaf]
    while step.before is not None:
        name = compiled.names[compiled.diagrams.level[step.before]]
        cells, value = compiled.facts[name], facts.get(name)
        if step.cell != (_OPEN if value is None else cells.index(value)):
            found[name] = nearest_in(cells, step.cell, value)
        step = steps[step.before]
    return dict(reversed(found.items()))


def nearest_in(cells: Cells, cell: int, value: FactValue | None) -> FactValue:
    """The value of another cell nearest to the current one: the threshold, or the first whole number past it."""
    witness = cells.witnesses[cell]
    if value is None or cells.fact.type != "number":
        return witness
    current = float(value)
    rising = current < float(witness)
    end, past = cells.cuts[cell - 1] if rising else cells.cuts[cell]
    if past != rising:
        return end
    beyond = math.floor(end) + 1.0 if rising else math.ceil(end) - 1.0
    inside = (number for number in (beyond, float(witness)) if cells.index(number) == cell)
    return min(inside, key=lambda number: abs(number - current))
