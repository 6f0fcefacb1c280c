"""Checks on the words that rules are made of: that every fact, value and threshold changes an answer.

Two cells of a fact are alike when every node that asks for it sends both the same way. That is exact, because a
diagram holds no node twice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from deployadvisor.decide.cells import cells_of
from deployadvisor.decide.compiled import Compiled
from deployadvisor.decide.conditions import tests_in
from deployadvisor.decide.diagram import Node
from deployadvisor.decide.evidence import where_possible
from deployadvisor.decide.findings import Issue
from deployadvisor.decide.phrases import Interval
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.decide.vocabulary import Fact, Vocabulary
from deployadvisor.errors import Where

VOCABULARY = "vocabulary"
"""What findings about shared facts name as their ruleset."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A ruleset as diagrams, with its answers."""

    compiled: Compiled
    answers: Node
    """The diagram of :func:`~deployadvisor.decide.leads.leaders`."""

    @property
    def ruleset(self) -> Ruleset:
        """The rules."""
        return self.compiled.ruleset


def check_words(vocabulary: Vocabulary, decisions: Sequence[Decided]) -> Iterator[Issue]:
    """DA012, but for terms: words that no answer depends on."""
    ways = [_ways(decided) for decided in decisions]
    yield from _check_heard(vocabulary, [decided.ruleset for decided in decisions])
    for decided, own in zip(decisions, ways, strict=True):
        yield from _check_thresholds(decided, own)
        for fact in decided.ruleset.attributes.values():
            yield from _check_values(fact, [own], decided.ruleset.name)
    feeding = _sources(vocabulary.facts.values(), decisions)
    for fact in vocabulary.facts.values():
        if fact.name not in feeding:
            yield from _check_values(fact, ways, VOCABULARY)


# Facts


def _check_heard(vocabulary: Vocabulary, rulesets: Sequence[Ruleset]) -> Iterator[Issue]:
    attributes = {name: (fact, one.name) for one in rulesets for name, fact in one.attributes.items()}
    shared = {name: (fact, VOCABULARY) for name, fact in vocabulary.facts.items()}
    facts = {**shared, **attributes}
    heard = [name for one in rulesets for name in one.tests_of]
    useful: set[str] = set()
    while heard:
        name = heard.pop()
        if name not in useful:
            useful.add(name)
            heard += facts[name][0].computed_from if name in facts else ()
    for name, (fact, ruleset) in facts.items():
        if name not in useful:
            yield Issue("DA012", fact.where, f"{name}: no rule depends on this fact", name, ruleset)
    for name, asked in vocabulary.inputs.items():
        if name not in useful:
            yield Issue("DA012", asked.where, f"{name}: no rule depends on this input", name, VOCABULARY)


def _sources(facts: Iterable[Fact], decisions: Sequence[Decided]) -> frozenset[str]:
    """Facts from which others are computed: Python may tell their values apart where no rule does."""
    attributes = (fact for decided in decisions for fact in decided.ruleset.attributes.values())
    return frozenset(name for fact in (*facts, *attributes) for name in fact.computed_from)


# Values and thresholds

_Ways = Mapping[str, list[tuple[Node, ...]]]
"""For each fact and each of its cells, where every node that asks for it sends that cell."""


def _ways(decided: Decided) -> _Ways:
    diagrams = decided.compiled.diagrams
    asking: dict[int, set[Node]] = {}
    for root in _roots(decided):
        for node in diagrams.nodes(root):
            asking.setdefault(diagrams.level[node], set()).add(node)
    ways: dict[str, list[tuple[Node, ...]]] = {}
    for name, level in decided.compiled.levels.items():
        fact = decided.compiled.facts[name].fact.name
        found = list(zip(*(diagrams.kids(node) for node in asking.get(level, ())), strict=True))
        known = ways.setdefault(fact, [()] * diagrams.sizes[level])
        ways[fact] = [a + b for a, b in zip(known, found or known, strict=True)]
    return ways


def _roots(decided: Decided) -> Iterator[Node]:
    """What an answer consists of: the winner with its fit and who ties with it, and what is allowed."""
    yield decided.answers
    for name in decided.compiled.candidates:
        yield where_possible(decided.compiled, decided.compiled.allowed(name))


def _check_values(fact: Fact, ways: Sequence[_Ways], ruleset: str) -> Iterator[Issue]:
    asked = [own[fact.name] for own in ways if fact.name in own]
    if fact.type == "number" or not asked:
        return
    alike: dict[tuple[tuple[Node, ...], ...], list[str]] = {}
    for value, found in zip(fact.values, zip(*asked, strict=True), strict=True):
        alike.setdefault(found, []).append(value)
    for values in alike.values():
        if len(values) > 1:
            words = f"{', '.join(values[:-1])} and {values[-1]}"
            message = f"{fact.name}: {words} are alike to every rule"
            yield Issue("DA012", fact.where, message, fact.name, ruleset)


def _check_thresholds(decided: Decided, ways: _Ways) -> Iterator[Issue]:
    ruleset = decided.ruleset
    numbers = {cells.fact.name: cells for cells in decided.compiled.facts.values() if cells.cuts}
    for name, cells in numbers.items():
        cut_by_rules = cells_of(cells.fact, [test.accepted for test in ruleset.tests_of.get(name, ())]).cuts
        for cut, (below, above) in zip(cells.cuts, itertools.pairwise(ways[name]), strict=True):
            if cut in cut_by_rules and below == above:
                step = f"from {cut[0]:g} to more" if cut[1] else f"from less than {cut[0]:g} to {cut[0]:g}"
                message = f"{name}: no answer changes {step}"
                yield Issue("DA012", _place(ruleset, name, cut[0]), message, name, ruleset.name)


def _place(ruleset: Ruleset, fact: str, constant: float) -> Where:
    """The first rule that states a threshold, or else the candidates, which state the others."""
    for rule in ruleset.mentioning.get(fact, ()):
        tests = (test.accepted for test in tests_in(rule.when) if test.fact == fact)
        if any(isinstance(accepted, Interval) and constant in accepted.constants for accepted in tests):
            return rule.where
    return next(iter(ruleset.candidates.values())).where
