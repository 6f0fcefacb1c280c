"""Why a decision came out as it did: a smallest set of facts that forces the winner on its own.

Facts are let go one at a time; one stays when without it another winner would be possible. What remains is minimal:
none of it can be spared. Which of several minimal sets is found depends on the order in which facts are let go.

Darwiche, A. and Hirth, A. (2020), On the Reasons Behind Decisions, ECAI (sufficient reasons of decision diagrams).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from deployadvisor.decide.compiled import IMPOSSIBLE, Compiled
from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.diagram import Node, Value
from deployadvisor.decide.ruleset import Ruleset


def sufficient(compiled: Compiled, facts: Facts, drop_first: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of known facts that alone force the winner of all of them; those of ``drop_first`` are let go first.

    ValueError when the facts leave more than one winner possible.
    """
    return sufficient_for((compiled,), facts, drop_first)


def sufficient_for(decisions: Sequence[Compiled], facts: Facts, drop_first: Sequence[str] = ()) -> tuple[str, ...]:
    """The same for several decisions over the same facts: what is left forces the winner of each."""
    settled = [_Settled(compiled, facts) for compiled in decisions]
    kept = [name for name in facts if any(name in compiled.levels for compiled in decisions)]
    for name in dict.fromkeys((*drop_first, *kept)):
        if name in kept and all(each.holds_without(name) for each in settled):
            kept.remove(name)
            for each in settled:
                each.drop(name)
    return tuple(kept)


@lru_cache(maxsize=256)
def duel(ruleset: Ruleset, winner: str, rival: str) -> Compiled:
    """An election of two candidates. Who wins all of them wins the election, so that many can be judged by pairs."""
    pair = {name: candidate for name, candidate in ruleset.candidates.items() if name in (winner, rival)}
    return Compiled(replace(ruleset, candidates=pair))


def answers(compiled: Compiled, facts: Facts) -> Node:
    """The winner of every profile, IMPOSSIBLE for those that cannot be.

    Facts that contradict an assumption are judged as if there were none.
    """
    root = compiled.diagrams.combine(_where_possible, compiled.winner, compiled.possible)
    return root if _winners(compiled, root, facts) else compiled.winner


def _where_possible(winner: Value, possible: Value) -> Value:
    return winner if possible else IMPOSSIBLE


def _winners(compiled: Compiled, root: Node, facts: Facts) -> frozenset[Value]:
    diagrams = compiled.diagrams
    return diagrams.leaves(diagrams.restrict(root, compiled.known(facts))) - {IMPOSSIBLE}


class _Settled:
    """A decision that the kept facts settle: all nodes that can still be reached, and but one winner among them."""

    def __init__(self, compiled: Compiled, facts: Facts) -> None:
        self.diagrams = compiled.diagrams
        self.levels = compiled.levels
        self.cells = compiled.known(facts)
        root = answers(compiled, facts)
        (self.winner,) = _winners(compiled, root, facts)
        self.reached: set[Node] = set()
        self.fresh: set[Node] = set()
        self._opens([root], None)
        self.reached |= self.fresh

    def holds_without(self, name: str) -> bool:
        """Whether the winner is still forced when one more fact is let go; :meth:`drop` then lets it go."""
        level = self.levels.get(name, -1)
        there = (node for node in self.reached if self.diagrams.level[node] == level)
        return self._opens([kid for node in there for kid in self.diagrams.kids(node)], level)

    def drop(self, name: str) -> None:
        """Let a fact go that was just found to be spare."""
        self.cells.pop(self.levels.get(name, -1), None)
        self.reached |= self.fresh

    def _opens(self, nodes: list[Node], freed: int | None) -> bool:
        """Collect the nodes that come within reach when one level is freed; False when another winner does."""
        diagrams, self.fresh = self.diagrams, set()
        while nodes:
            node = nodes.pop()
            if node in self.reached or node in self.fresh:
                continue
            self.fresh.add(node)
            level = diagrams.level[node]
            if level != diagrams.bottom:
                cell = None if level == freed else self.cells.get(level)
                nodes += diagrams.kids(node) if cell is None else (diagrams.kids(node)[cell],)
            elif diagrams.value(node) not in (self.winner, IMPOSSIBLE):
                return False
        return True
