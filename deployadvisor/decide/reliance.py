"""Which promises rest on which rules: those that hold, and that would be broken if the rule were left out."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from functools import lru_cache

from deployadvisor.decide.compiled import IMPOSSIBLE, Compiled
from deployadvisor.decide.diagram import Value
from deployadvisor.decide.evidence import where_possible
from deployadvisor.decide.properties import Property
from deployadvisor.decide.ruleset import Rule, Ruleset
from deployadvisor.decide.verify_properties import check_properties

Move = tuple[str | None, str | None]
"""The winner of some profile with a rule, and without it."""


@lru_cache(maxsize=32)
def reliance(ruleset: Ruleset, promises: tuple[Property, ...]) -> Mapping[str, tuple[Property, ...]]:
    """For each rule the promises that hold with it and not without it; one that two rules keep rests on neither."""
    compiled = Compiled(ruleset, [promise.when for promise in promises])
    held = [promise for promise in promises if _holds(compiled, promise)]
    found = {}
    for rule in ruleset.rules if held else ():
        without = _without(compiled, rule)
        moves = _moves(compiled, without)
        doubtful = (promise for promise in held if _concern(moves, promise))
        found[rule.id] = tuple(promise for promise in doubtful if not _holds(without, promise))
    return found


def _holds(compiled: Compiled, promise: Property) -> bool:
    return not any(issue.severity == "error" for issue in check_properties(compiled, [promise]))


def _without(compiled: Compiled, rule: Rule) -> Compiled:
    """The same decision, with the winners there would be if the rule were left out."""
    scores = (
        compiled.score(name, rule.id) if rule.points_for(name) else compiled.scores[name]
        for name in compiled.candidates
    )
    other = copy.copy(compiled)
    other.winner = compiled.winner_of(compiled.highest(scores))
    return other


def _moves(compiled: Compiled, without: Compiled) -> frozenset[Move]:
    diagrams = compiled.diagrams
    pairs = where_possible(compiled, diagrams.combine(_pair, compiled.winner, without.winner))
    return frozenset(pair for pair in diagrams.leaves(pairs) if pair is not IMPOSSIBLE and pair[0] != pair[1])


def _concern(moves: Collection[Move], promise: Property) -> bool:
    """Whether a group that the promise is about gains somebody; where none does, it holds as before."""
    groups = (promise.origin, promise.target) if promise.raised else (promise.target,)
    return any(new in group and old not in group for old, new in moves for group in groups)


def _pair(a: Value, b: Value) -> Value:
    return a, b
