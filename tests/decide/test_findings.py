"""A finding as a line, as JSON, and in the order of the files."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given, settings

from deployadvisor.decide.compiled import Compiled
from deployadvisor.decide.evidence import ever, evidence
from deployadvisor.decide.findings import CODES, Issue, in_order, in_words
from deployadvisor.errors import Where

from .examples import BODIES, built, completions

PLACE = Where("rules/route.yaml", 41, 5)


@pytest.mark.parametrize(
    ("witness", "after", "expected"),
    [
        (None, None, "rules/route.yaml:41:5: DA004 error: never applies"),
        ({}, None, "rules/route.yaml:41:5: DA004 error: never applies; e.g. any profile"),
        ({"a": "x", "b": 4.0, "c": 0.5}, None,
         "rules/route.yaml:41:5: DA004 error: never applies; e.g. a=x, b=4, c=0.5"),
        ({"a": "x", "b": 4.0}, {"a": "y", "b": 4.0},
         "rules/route.yaml:41:5: DA004 error: never applies; e.g. a=x, b=4, then a=y"),
    ],
)  # fmt: skip
def test_one_line(witness: Any, after: Any, expected: str) -> None:
    assert str(Issue("DA004", PLACE, "never applies", "a-rule", "route", witness, after)) == expected


def test_as_json_shows_it() -> None:
    issue = Issue("DA008", PLACE, "moves", "p", "route", {"a": 1.0}, {"a": 2.0})
    assert issue.to_dict() == {
        "code": "DA008",
        "severity": "error",
        "where": "rules/route.yaml:41:5",
        "message": "moves",
        "about": "p",
        "ruleset": "route",
        "witness": {"a": 1.0},
        "after": {"a": 2.0},
    }
    assert Issue("DA002", PLACE, "ties", "a, b", "route").to_dict()["severity"] == "warning"


def test_codes_are_numbered_without_gaps() -> None:
    assert list(CODES) == [f"DA{number:03}" for number in range(1, len(CODES) + 1)]
    assert all(code.question.endswith("?") for code in CODES.values())


def test_in_the_order_of_the_files() -> None:
    made = [
        Issue(code, Where(source, line, 1), "m", "a", "r")
        for source, line, code in [("b", 1, "DA001"), ("a", None, "DA001"), ("a", 10, "DA005"), ("a", 9, "DA001"),
                                   ("a", 10, "DA004")]
    ]  # fmt: skip
    assert [(i.where.source, i.where.line, i.code) for i in in_order(made)] == [
        ("a", None, "DA001"),
        ("a", 9, "DA001"),
        ("a", 10, "DA004"),
        ("a", 10, "DA005"),
        ("b", 1, "DA001"),
    ]


def test_numbers_are_told_as_people_write_them() -> None:
    assert in_words({"volume": 10_000_000.0, "share": 0.05}) == "volume=10000000, share=0.05"


# Evidence


@settings(deadline=None, max_examples=60)
@given(BODIES)
def test_evidence_is_enough_and_none_of_it_can_be_spared(body: dict[str, Any]) -> None:
    compiled = Compiled(built(body))

    def winners(facts: Any) -> set[str | None]:
        return {compiled.winner_for(profile) for profile in completions(facts)}

    for winner in (None, *compiled.candidates):
        found = evidence(compiled, compiled.winner, lambda value, winner=winner: value == winner)
        assert (found is None) is (winner not in winners({}))
        if found is not None:
            assert winners(found) == {winner}
            for name in found:
                rest = {other: value for other, value in found.items() if other != name}
                assert winners(rest) != {winner}


@settings(deadline=None, max_examples=60)
@given(BODIES)
def test_some_profile_meets_all_conditions(body: dict[str, Any]) -> None:
    ruleset = built(body)
    compiled = Compiled(ruleset)
    nodes = {rule.id: compiled.condition(rule.when) for rule in ruleset.rules}
    for several in itertools.combinations(ruleset.rules, 3):
        together = any(all(rule.when.evaluate(facts) for rule in several) for facts in completions({}))
        assert ever(compiled.diagrams, *(nodes[rule.id] for rule in several)) is together
