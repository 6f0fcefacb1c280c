"""Proofs of what the rules promise, over all profiles at once.

A promise about a raised fact compares all pairs of its values, not only neighbours, while every other fact keeps its
value. Only a fact that an assumption ties to the raised one, and that is computed from it, may follow.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from deployadvisor.decide.compiled import Compiled
from deployadvisor.decide.conditions import Condition, Facts, tests_in
from deployadvisor.decide.diagram import Node, Value
from deployadvisor.decide.evidence import ever, evidence
from deployadvisor.decide.findings import Issue
from deployadvisor.decide.properties import BLOCKED, Property, Winners


def check_properties(compiled: Compiled, promises: Iterable[Property]) -> Iterator[Issue]:
    """DA008 and DA009: promises that are broken; DA012: those that say nothing about any possible profile."""
    for promise in promises:
        if promise.raised:
            for fact in promise.raised:
                yield from _check_raised(compiled, promise, fact)
        else:
            yield from _check_invariant(compiled, promise)


def _issue(
    code: str, promise: Property, message: str, witness: Facts | None = None, after: Facts | None = None
) -> Issue:
    return Issue(code, promise.where, f"{promise.id}: {message}", promise.id, promise.ruleset, witness, after)


# One profile


def _check_invariant(compiled: Compiled, promise: Property) -> Iterator[Issue]:
    diagrams, possible = compiled.diagrams, compiled.possible
    parts = [*_parts(compiled, promise.target, promise.when)]
    if any(ever(diagrams, elected, condition, possible) for elected, condition in parts):
        witness = evidence(compiled, _region(compiled, promise.target, promise.when), bool) or {}
        yield _issue("DA009", promise, f"{_winners(compiled, witness)} can win", witness)
    elif not any(ever(diagrams, condition, possible) for _, condition in parts):
        yield _issue("DA012", promise, "says nothing: no possible profile meets its condition")


# Two profiles


def _check_raised(compiled: Compiled, promise: Property, fact: str) -> Iterator[Issue]:
    if fact not in compiled.levels:
        yield _issue("DA012", promise, f"says nothing: no rule depends on {fact}")
        return
    regions = _region(compiled, promise.origin, promise.when), _region(compiled, promise.target, promise.when)
    before, after = (_by_cell(compiled, region, fact) for region in regions)
    for low, high in itertools.combinations(range(len(before)), 2):
        if ever(compiled.diagrams, before[low], after[high]):
            broken = compiled.diagrams.both(before[low], after[high])
            yield _moved(compiled, promise, fact, broken, ((low, regions[0]), (high, regions[1])))
            return
    if all(node == compiled.diagrams.false for node in before[:-1]):
        yield _issue("DA012", promise, f"says nothing: where it begins, {fact} cannot be raised")


def _moved(compiled: Compiled, promise: Property, fact: str, broken: Node, ends: Iterable[tuple[int, Node]]) -> Issue:
    """``ends`` holds the cell of the raised fact and the region, before and after."""
    shared, own = evidence(compiled, broken, bool) or {}, []
    following = _following(compiled, fact)
    for cell, region in ends:
        raised = {fact: compiled.facts[fact].witnesses[cell]}
        left = compiled.diagrams.restrict(region, compiled.known({**shared, **raised}))
        found = evidence(compiled, left, bool) or {}
        own.append({**raised, **{name: value for name, value in found.items() if name in following}})
        shared |= {name: value for name, value in found.items() if name not in following}
    before, after = ({**shared, **facts} for facts in own)
    message = f"raising {fact} moves it from {_winners(compiled, before)} to {_winners(compiled, after)}"
    return _issue("DA008", promise, message, before, after)


def _by_cell(compiled: Compiled, region: Node, fact: str) -> list[Node]:
    """Where the other facts admit the region, for each cell of the raised one."""
    diagrams, level = compiled.diagrams, compiled.levels[fact]
    follow = [compiled.levels[name] for name in _following(compiled, fact)]
    nodes = (diagrams.restrict(region, {level: cell}) for cell in range(diagrams.sizes[level]))
    return [_whatever(compiled, node, follow) for node in nodes]


def _whatever(compiled: Compiled, node: Node, levels: Iterable[int]) -> Node:
    """Where the function is true for some cell of the facts at these levels."""
    diagrams = compiled.diagrams
    for level in levels:
        some = diagrams.false
        for cell in range(diagrams.sizes[level]):
            some = diagrams.either(some, diagrams.restrict(node, {level: cell}))
        node = some
    return node


def _following(compiled: Compiled, fact: str) -> list[str]:
    facts = compiled.ruleset.vocabulary.facts
    tied = [{test.fact for test in tests_in(assumption.holds)} for assumption in compiled.ruleset.assumptions]
    beside = {name for names in tied if fact in names for name in names}
    return [name for name in compiled.levels if name in beside and fact in facts[name].computed_from]


# Regions


def _region(compiled: Compiled, winners: Winners, when: Condition) -> Node:
    """Possible profiles that meet a condition and have one of these winners."""
    diagrams = compiled.diagrams
    region = diagrams.false
    for elected, condition in _parts(compiled, winners, when):
        region = diagrams.either(region, diagrams.both(elected, condition))
    return diagrams.both(region, compiled.possible)


def _parts(compiled: Compiled, winners: Winners, when: Condition) -> Iterator[tuple[Node, Node]]:
    """Where some of these win and what they must meet: all at once, or each by its own attributes."""
    if not any(test.fact in compiled.ruleset.attributes for test in tests_in(when)):
        yield _elected(compiled, winners), compiled.condition(when)
        return
    for name in compiled.candidates:
        if name in winners:
            yield _elected(compiled, frozenset([name])), compiled.condition(when, name)


def _elected(compiled: Compiled, winners: Winners) -> Node:
    return compiled.diagrams.combine(_is_among, compiled.winner, compiled.diagrams.leaf(winners))


def _winners(compiled: Compiled, facts: Facts) -> str:
    """Who can win once these facts are known, in words."""
    found = compiled.diagrams.leaves(compiled.diagrams.restrict(compiled.winner, compiled.known(facts)))
    names = [name for name in compiled.candidates if name in found] + [BLOCKED] * (None in found)
    return " or ".join(names)


def _is_among(winner: Value, winners: Value) -> Value:
    return winner in winners
