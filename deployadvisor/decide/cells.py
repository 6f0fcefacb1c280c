"""Exact cells: the finitely many classes of values that the rules can tell apart.

Every test compares one fact with constants. So the numbers between two neighbouring constants are all alike, and a
ruleset over numbers, words and flags is a finite function. Nothing is sampled: a cell stands for each of its values.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from deployadvisor.decide.phrases import Accepted, Interval
from deployadvisor.decide.vocabulary import Fact, FactValue

Cut = tuple[float, bool]
"""A place between two numbers: just below the constant (False) or just above it (True)."""


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of one fact, in order. ``cuts`` is empty unless the fact is a number."""

    fact: Fact
    witnesses: tuple[FactValue, ...]
    """One value of each cell, as round as possible."""
    cuts: tuple[Cut, ...] = ()

    def __len__(self) -> int:
        """How many values the rules can tell apart."""
        return len(self.witnesses)

    def index(self, value: FactValue) -> int:
        """The cell that holds ``value``."""
        if self.fact.type == "number":
            return bisect_right(self.cuts, (float(value), False))
        return self.witnesses.index(value)

    def accepted(self, accepted: Accepted) -> tuple[bool, ...]:
        """Which cells a test accepts; exact as long as its constants are among the cuts."""
        return tuple(value in accepted for value in self.witnesses)


def cells_of(fact: Fact, tests: Iterable[Accepted]) -> Cells:
    """The cells that a set of tests on one fact can tell apart."""
    if fact.type != "number":
        return Cells(fact, fact.values)
    cuts = tuple(sorted({cut for test in tests if isinstance(test, Interval) for cut in _cuts(test)}))
    edges: list[Cut | None] = [None, *cuts, None]
    witnesses = tuple(_between(low, high) for low, high in itertools.pairwise(edges))
    return Cells(fact, witnesses, cuts)


def _cuts(interval: Interval) -> Iterable[Cut]:
    if math.isfinite(interval.low):
        yield interval.low, not interval.low_counts
    if math.isfinite(interval.high):
        yield interval.high, interval.high_counts


def _between(low: Cut | None, high: Cut | None) -> float:
    """A number between two cuts: the bound itself where it counts, a whole number where there is one."""
    if low is not None and not low[1]:
        return low[0]
    if high is not None and high[1]:
        return high[0]
    if low is None:
        return 0.0 if high is None else _just_below(high[0])
    above = math.floor(low[0]) + 1.0
    if high is None or above < high[0]:
        return above
    return (low[0] + high[0]) / 2


def _just_below(constant: float) -> float:
    """The nearest whole number below; half of a constant that is itself below one."""
    return constant / 2 if 0 < constant <= 1 else math.ceil(constant) - 1.0
