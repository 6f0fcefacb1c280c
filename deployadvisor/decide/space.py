"""The space of profiles: which facts there are, into which cells they fall, and whose attributes are told apart.

Rulesets that are compiled over one space can be compared profile by profile: it has the facts of all of them, cut at
the constants of all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from deployadvisor.decide.cells import Cells, cells_of
from deployadvisor.decide.conditions import ALWAYS, Condition, tests_in
from deployadvisor.decide.diagram import Diagrams
from deployadvisor.decide.phrases import Accepted
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.decide.vocabulary import Fact
from deployadvisor.errors import RulesError

_STAND_INS = 2
"""Candidates that stand for all those that are alike; two, so that a tie among them is still seen."""


@dataclass(frozen=True, slots=True)
class Space:
    """Profiles as the rules see them. Nodes of all rulesets compiled over a space belong to its ``diagrams``."""

    candidates: tuple[str, ...]
    """All candidates; of those that no rule tells apart, the first two."""
    facts: Mapping[str, Cells]
    """Cells by fact, in the order in which they are asked; an attribute has a copy for each candidate."""
    diagrams: Diagrams


def attribute_of(candidate: str, attribute: str) -> str:
    """The name of one candidate's own copy of an attribute."""
    return f"{attribute} of {candidate}"


def space_of(rulesets: Sequence[Ruleset], also: Iterable[Condition] = ()) -> Space:
    """The space in which rulesets can be compared; the constants of ``also`` cut cells too.

    What is impossible is taken from the last ruleset. RulesError where a fact has no value that all of them know.
    """
    candidates = _told_apart(rulesets)
    facts = dict(_cells(rulesets, _tests_by_fact(rulesets, also), candidates))
    return Space(candidates, facts, Diagrams([len(cells) for cells in facts.values()]))


def _told_apart(rulesets: Sequence[Ruleset]) -> tuple[str, ...]:
    everyone = tuple(dict.fromkeys(name for ruleset in reversed(rulesets) for name in ruleset.candidates))
    same = all(tuple(ruleset.candidates) == everyone for ruleset in rulesets)
    if not same or not any(ruleset.attributes for ruleset in rulesets):
        return everyone
    named = {target for ruleset in rulesets for rule in ruleset.rules for target in rule.targets}
    named |= {one.id for ruleset in rulesets for one in ruleset.candidates.values() if one.stands != ALWAYS}
    alike = [name for name in everyone if name not in named]
    return tuple(name for name in everyone if name not in alike[_STAND_INS:])


def _cells(
    rulesets: Sequence[Ruleset], tests: Mapping[str, list[Accepted]], candidates: Iterable[str]
) -> Iterator[tuple[str, Cells]]:
    vocabularies = [ruleset.vocabulary.facts for ruleset in reversed(rulesets)]
    names = dict.fromkeys(name for facts in vocabularies for name in facts if name in tests)
    cells = {
        name: cells_of(_joint([facts[name] for facts in vocabularies if name in facts]), tests[name])
        for name in names
    }
    attributes = dict.fromkeys(name for ruleset in reversed(rulesets) for name in ruleset.attributes if name in cells)
    yield from ((name, one) for name, one in cells.items() if name not in attributes)
    for candidate in candidates:
        yield from ((attribute_of(candidate, name), cells[name]) for name in attributes)


def _joint(facts: Sequence[Fact]) -> Fact:
    """The fact with the values that every vocabulary knows."""
    first = facts[0]
    if all(fact.type == "number" for fact in facts):
        return first
    values = tuple(value for value in first.values if all(value in fact.values for fact in facts))
    if not values:
        raise RulesError(f"fact {first.name}: the versions have no value in common", where=first.where)
    return first if values == first.values else replace(first, values=values)


def _tests_by_fact(rulesets: Sequence[Ruleset], also: Iterable[Condition]) -> dict[str, list[Accepted]]:
    found: dict[str, list[Accepted]] = {}

    def note(condition: Condition) -> None:
        for test in tests_in(condition):
            found.setdefault(test.fact, []).append(test.accepted)

    for condition in (*(one for ruleset in rulesets for one in ruleset.conditions()), *also):
        note(condition)
    heard = frozenset(found)
    for assumption in rulesets[-1].assumptions:
        if any(test.fact in heard for test in tests_in(assumption.holds)):
            note(assumption.holds)
    return found
