"""Which rules have been seen both to apply and not to, by the examples beside them or in whole profiles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from deployadvisor.decide.conditions import Facts, tests_in
from deployadvisor.decide.findings import Issue
from deployadvisor.decide.ruleset import Ruleset

Seen = Mapping[str, frozenset[bool]]
"""Rule id -> whether it was seen to apply, not to, or both."""


def seen_in_examples(ruleset: Ruleset) -> Seen:
    """What the examples beside the rules show."""
    return {rule.id: frozenset(test.applies for test in rule.tests) for rule in ruleset.rules}


def seen_in(ruleset: Ruleset, profiles: Iterable[Facts]) -> Seen:
    """What profiles show, each with the attributes of one candidate among its facts; what stays open is not seen."""
    seen: dict[str, set[bool]] = {rule.id: set() for rule in ruleset.rules}
    for facts in profiles:
        for rule in ruleset.rules:
            if (outcome := rule.when.evaluate(facts)) is not None:
                seen[rule.id].add(outcome)
    return {name: frozenset(outcomes) for name, outcomes in seen.items()}


def check_coverage(ruleset: Ruleset, *sightings: Seen) -> Iterator[Issue]:
    """DA014: rules that were never seen to apply, or never seen not to; one without a condition always applies."""
    for rule in ruleset.rules:
        outcomes = frozenset[bool]().union(*(seen.get(rule.id, ()) for seen in sightings))
        if any(tests_in(rule.when)) and (lacking := _lacking(outcomes)):
            message = f"{rule.id}: no example and no scenario shows that it {lacking}"
            yield Issue("DA014", rule.where, message, rule.id, ruleset.name)


def _lacking(outcomes: frozenset[bool]) -> str:
    words = {True: "applies", False: "does not apply"}
    return " or ".join(text for outcome, text in words.items() if outcome not in outcomes)
