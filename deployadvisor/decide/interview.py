"""Which question to ask next: the one whose answer is expected to say most about the winner, per effort of asking.

The remaining profiles are those that agree with what is known. Each counts once, so a share is one of the profiles
that the rules can tell apart, not of users. A question's gain is the expected drop of the winner's entropy, exact:
one walk down the diagram counts the ways to each node, one walk up counts the profiles below it.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from deployadvisor.decide.compiled import IMPOSSIBLE, Compiled
from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.diagram import Diagrams, Node, Value
from deployadvisor.decide.vocabulary import Vocabulary

Packed = int
"""Counts of profiles by winner, packed into one number; see :class:`_Census`."""
_ROUNDING_BITS = 1e-12


@dataclass(frozen=True, slots=True)
class Outlook:
    """The winners that are still possible, each with its share of the remaining profiles, largest first.

    None stands for "nothing is allowed".
    """

    shares: Mapping[str | None, float]

    @property
    def certain(self) -> bool:
        """Whether no answer can change the winner any more."""
        return len(self.shares) == 1

    @property
    def leading(self) -> str | None:
        """The winner in most of the remaining profiles."""
        return next(iter(self.shares))


@dataclass(frozen=True, slots=True)
class Asking:
    """A question worth asking. ``worth`` is what it is expected to tell about the winner, in bits per effort."""

    name: str
    worth: float


def settled(compiled: Compiled, facts: Facts) -> Outlook:
    """What the known facts settle; exact."""
    census = _census(compiled.diagrams, _remaining(compiled, facts))
    counts = census.counts(census.total)
    shares = {winner: number / sum(counts) for winner, number in zip(census.winners, counts, strict=True)}
    return Outlook(dict(sorted(shares.items(), key=lambda item: -item[1])))


def questions(compiled: Compiled, facts: Facts, askable: Mapping[str, float]) -> tuple[Asking, ...]:
    """Questions that can still change the winner, best first. ``askable`` maps what may be asked to its effort.

    A computed fact is asked through what it is computed from. Knowing it takes all of its open sources, so their
    effort together is what its gain costs; the first one listed carries it, the others wait for their turn.
    """
    vocabulary = compiled.ruleset.vocabulary
    worth: dict[str, float] = {}
    for name, bits in _gains(compiled, facts):
        waiting = [source for source in sources(vocabulary, compiled.facts[name].fact.name) if source in askable]
        for source in waiting:
            worth.setdefault(source, 0.0)
        if waiting:
            worth[waiting[0]] += bits / sum(askable[source] for source in waiting)
    found = (Asking(name, worth[name]) for name in askable if name in worth)
    return tuple(sorted(found, key=lambda asking: -asking.worth))


def sources(vocabulary: Vocabulary, name: str) -> tuple[str, ...]:
    """What must be asked to know a fact: the fact itself, or all that it is computed from."""
    fact = vocabulary.facts.get(name)
    if fact is None or not fact.computed_from:
        return (name,)
    return tuple(dict.fromkeys(source for each in fact.computed_from for source in sources(vocabulary, each)))


def _gains(compiled: Compiled, facts: Facts) -> Iterator[tuple[str, float]]:
    """Open facts that can still change the winner, each with its gain in bits."""
    root = _remaining(compiled, facts)
    census = _census(compiled.diagrams, root)
    for level in sorted(census.asked):
        bits = census.gain_bits(level)
        if bits > _ROUNDING_BITS or _matters(compiled.diagrams, root, level):
            yield compiled.names[level], max(bits, 0.0)


def _matters(diagrams: Diagrams, root: Node, level: int) -> bool:
    """Whether two values of a fact lead to different winners, all else being equal."""
    parts = {diagrams.restrict(root, {level: cell}) for cell in range(diagrams.sizes[level])}
    pairs = (diagrams.combine(_differ, a, b) for a, b in itertools.combinations(sorted(parts), 2))
    return any(True in diagrams.leaves(pair) for pair in pairs)


def _differ(a: Value, b: Value) -> Value:
    return a != b and a is not IMPOSSIBLE and b is not IMPOSSIBLE


def _remaining(compiled: Compiled, facts: Facts) -> Node:
    """The winner as a function of the open facts. What is known is believed, even against the assumptions."""
    diagrams, known = compiled.diagrams, compiled.known(facts)
    impossible = diagrams.leaf(IMPOSSIBLE)
    root = diagrams.restrict(diagrams.where(compiled.possible, compiled.winner, impossible), known)
    return diagrams.restrict(compiled.winner, known) if root == impossible else root


@lru_cache(maxsize=64)
def _census(diagrams: Diagrams, root: Node) -> _Census:
    """The census of a diagram, kept for the questions that are asked about it right after each other."""
    return _Census(diagrams, root)


class _Census:
    """How many profiles lead to each winner: in all, below each node, and for each value of a fact.

    One number holds the counts of all winners, a digit each, in a base that no count reaches; so adding and scaling
    it adds and scales them all.
    """

    def __init__(self, diagrams: Diagrams, root: Node) -> None:
        self.diagrams = diagrams
        self.root = root
        self.top_down = sorted(diagrams.nodes(root), key=diagrams.level.__getitem__)
        values = (diagrams.value(node) for node in self.top_down if diagrams.is_leaf(node))
        self.winners: tuple[str | None, ...] = tuple(value for value in values if value is not IMPOSSIBLE)
        self.above = tuple(itertools.accumulate(diagrams.sizes, operator.mul, initial=1))
        """Combinations of the facts above each level."""
        self.base = self.above[-1] + 1
        self.below = self._count_below()

    def counts(self, packed: Packed) -> tuple[int, ...]:
        """Profiles of each winner."""
        digits = []
        for _ in self.winners:
            packed, digit = divmod(packed, self.base)
            digits.append(digit)
        return tuple(digits)

    @property
    def total(self) -> Packed:
        """All remaining profiles."""
        return self.below[self.root] * self.above[self.diagrams.level[self.root]]

    def _skipped(self, level: int, kid: Node) -> int:
        """Combinations of the facts between a level and a node below it."""
        return self.above[self.diagrams.level[kid]] // self.above[level + 1]

    def _count_below(self) -> dict[Node, Packed]:
        diagrams = self.diagrams
        digits = {winner: self.base**position for position, winner in enumerate(self.winners)}
        below: dict[Node, Packed] = {}
        for node in reversed(self.top_down):
            level = diagrams.level[node]
            if level == diagrams.bottom:
                below[node] = digits.get(diagrams.value(node), 0)
            else:
                below[node] = sum(below[kid] * self._skipped(level, kid) for kid in diagrams.kids(node))
        return below

    @cached_property
    def asked(self) -> Mapping[int, Sequence[Packed]]:
        """The profiles on whose path each fact is asked, by its cell."""
        diagrams = self.diagrams
        ways = Counter({self.root: self.above[diagrams.level[self.root]]})
        found: dict[int, list[Packed]] = {}
        for node in self.top_down:
            level = diagrams.level[node]
            if level == diagrams.bottom:
                break
            cells = found.setdefault(level, [0] * diagrams.sizes[level])
            for cell, kid in enumerate(diagrams.kids(node)):
                ways_here = ways[node] * self._skipped(level, kid)
                ways[kid] += ways_here
                cells[cell] += self.below[kid] * ways_here
        return found

    def gain_bits(self, level: int) -> float:
        """Expected drop of the winner's entropy once the fact is known."""
        asked, total = self.asked[level], self.total
        elsewhere = (total - sum(asked)) // len(asked)
        before, after = self.counts(total), [self.counts(cell + elsewhere) for cell in asked]
        return _entropy_bits(before) - sum(sum(cell) / sum(before) * _entropy_bits(cell) for cell in after)


def _entropy_bits(counts: Sequence[int]) -> float:
    whole = sum(counts)
    return -sum(number / whole * math.log2(number / whole) for number in counts if number)
