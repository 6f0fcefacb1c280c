"""Findings about single rules: each on a small ruleset that has it, and against every profile of random rulesets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.decide.assumptions import Assumption
from deployadvisor.decide.compiled import Compiled
from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.findings import Issue
from deployadvisor.decide.ruleset import Rule, Ruleset, RuleTest
from deployadvisor.decide.verify_rules import check_example
from deployadvisor.errors import Where

from .examples import FACTS, built, completions, condition, rules
from .verifying import RANDOM, allowed, everywhere, found, issues, results, told, tops, without


def about_odd(text: str) -> list[Issue]:
    return [issue for issue in issues(text) if issue.code in {"DA004", "DA005"} and issue.about == "odd"]


START = "candidates: {first: {title: A}, second: {title: B, stands: {colour: not blue}}}\n"
CASES = """
cases:
  - {id: far, recommend: first, fit: good, because: Good.}
  - {id: near, recommend: second, fit: good, when: {level: high}, because: Fine.}
"""
ALIVE = START + "constraints:\n  - {id: shut, forbid: first, when: {open: no}, because: Shut.}" + CASES


def constraint(when: str) -> str:
    return START + f"constraints:\n  - {{id: odd, forbid: second, when: {when}, because: So.}}" + CASES


def case(fields: str) -> str:
    return START + CASES + f"  - {{id: odd, {fields}, because: So.}}\n"


def preference(fields: str) -> str:
    return START + CASES + f"preferences:\n  - {{id: odd, {fields}, because: So.}}\n"


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("DA004", constraint("{level: low, not: {level: at most mid}}"), "odd: applies to no possible profile"),
        ("DA004", constraint("{colour: blue}"), "odd: applies to no possible profile"),  # where it does not stand
        ("DA004", constraint("{any: [{open: yes}, {open: no}]}"), "odd: applies to every possible profile"),
        ("DA004", constraint("{colour: not blue}"), "odd: applies to every possible profile"),
        ("DA004", case("recommend: second, fit: ideal, when: {colour: blue}"), "odd: applies to no possible profile"),
        (
            "DA005",
            case("recommend: second, fit: ideal, when: {colour: not blue}"),
            "odd: applies to every possible profile, so its condition says nothing",
        ),
        (
            "DA005",
            case("recommend: first, fit: acceptable, when: {open: yes}"),
            "odd: without it every profile has the same winner, with the same fit",
        ),
        (
            "DA005",
            constraint("{level: low}").replace("because: So.}", "because: So.}\n  - {id: wide, forbid: second, "
                                                                "when: {level: at most mid}, because: Wide.}", 1),
            "odd: other constraints forbid the same wherever it applies",
        ),
        (
            "DA005",
            preference("prefer: {first: 2, second: 2}, when: {open: yes}"),
            "odd: without it every profile has the same winner",
        ),
        (
            "DA005",
            preference("prefer: {second: 2}, when: {level: low}"),
            "odd: without it every profile has the same winner",
        ),
    ],
)  # fmt: skip
def test_what_is_found(code: str, text: str, expected: str) -> None:
    (issue,) = about_odd(text)
    assert (issue.code, issue.message, issue.about) == (code, expected, "odd")
    assert issue.where == next(rule.where for rule in rules(text).rules if rule.id == "odd")


@pytest.mark.parametrize(
    "text",
    [
        constraint("{level: low}"),  # second loses there anyway; that it is forbidden is a promise
        case("recommend: second, fit: ideal, when: {level: low}"),
        case("recommend: first, fit: ideal, when: {level: low}"),  # the same winner with a better fit
        preference("prefer: {first: 2}, when: {level: high}"),  # breaks a tie that the list would break alike
        preference("prefer: {second: 2}, when: {level: high}"),
    ],
)
def test_what_has_an_effect(text: str) -> None:
    assert about_odd(text) == []


def test_an_assumption_can_kill_a_rule() -> None:
    ruleset = rules(ALIVE)
    assumed = with_assumption(ruleset, {"open": True})
    assert told("DA004", assumed) == ["r.yaml:3:5: shut: applies to no possible profile"]


def with_assumption(ruleset: Ruleset, body: Mapping[str, Any]) -> Ruleset:
    from dataclasses import replace

    where = Where("v.yaml", 9, 3)
    return replace(ruleset, assumptions=(Assumption("assumed", condition(body), "It is so.", where),))


@settings(deadline=None, max_examples=60)
@given(RANDOM)
def test_findings_are_those_of_every_profile(body: Mapping[str, Any]) -> None:
    ruleset = built(body)
    outcomes, reference = results(ruleset), everywhere(ruleset)
    made = issues(ruleset)
    dead = {issue.about for issue in made if issue.code == "DA004"}
    idle = {issue.about for issue in made if issue.code == "DA005"}
    for rule in ruleset.rules:
        applies = {outcome[rule.id] for outcome in outcomes}
        assert (rule.id in dead) is (applies == {False} or (applies == {True} and rule.kind == "constraint"))
        if rule.id not in dead:
            assert (rule.id in idle) is (applies == {True} or not has_effect(ruleset, rule, reference))


def has_effect(ruleset: Ruleset, rule: Rule, reference: list[Any]) -> bool:
    content = allowed if rule.kind == "constraint" else tops
    pairs = zip(reference, everywhere(without(ruleset, rule)), strict=True)
    return any(content(before) != content(after) for before, after in pairs)


# Examples beside rules


def example(given_: str, applies: str) -> str:
    return f"""
cases:
  - id: far
    recommend: first
    fit: good
    when: {{any: [{{open: yes, level: high}}, {{open: no, level: high}}, {{load: above 5}}]}}
    source: here
    because: Good.
    tests:
      - {{given: {given_}, applies: {applies}}}
"""


@pytest.mark.parametrize(
    ("given_", "applies", "expected"),
    [
        ("{level: high}", "yes", []),  # open or not: three-valued logic could not tell
        ("{level: high}", "no", ["r.yaml:10:9: far: expected that it does not apply, it does; e.g. level=high"]),
        ("{load: 6}", "yes", []),
        (
            "{level: low}",
            "no",
            ["r.yaml:10:9: far: expected that it does not apply, it does; e.g. level=low, load=6"],
        ),
        ("{load: 5}", "yes", ["r.yaml:10:9: far: expected that it applies, it does not; e.g. load=5, level=low"]),
        ("{level: low, load: 5}", "no", []),
        ("{level: low, load: 5, colour: red}", "no", []),  # a fact that no rule tests
    ],
)
def test_examples_are_proven_for_every_completion(given_: str, applies: str, expected: list[str]) -> None:
    assert told("DA011", example(given_, applies)) == expected


def test_an_example_must_be_possible() -> None:
    ruleset = with_assumption(rules(example("{level: high, open: no}", "yes")), {"open": True})
    assert told("DA011", ruleset) == [
        "r.yaml:10:9: far: expected that it applies, but no possible profile looks like this"
    ]


def test_an_example_holds_where_it_is_possible() -> None:
    text = example("{level: low}", "no").replace("{load: above 5}", "{open: no}").replace("source: here", "")
    assert len(found("DA011", text)) == 1
    assert found("DA011", with_assumption(rules(text), {"open": True})) == ()


@settings(deadline=None, max_examples=80)
@given(RANDOM, FACTS, st.booleans())
def test_an_example_is_met_when_every_completion_agrees(body: Mapping[str, Any], facts: Facts, applies: bool) -> None:
    ruleset = built(body)
    compiled = Compiled(ruleset)
    for rule in ruleset.rules:
        test = RuleTest(facts, applies, rule.where)
        unmet = [*check_example(compiled, rule, test)]
        outcomes = {rule.when.evaluate(profile) for profile in completions(facts)}
        assert (unmet == []) is (outcomes == {applies})
        for issue in unmet:
            assert issue.witness is not None
            assert {rule.when.evaluate(profile) for profile in completions(issue.witness)} == {not applies}
            assert facts.items() <= issue.witness.items()


def test_attributes_in_examples() -> None:
    text = """
candidates: {from: fruit}
attributes:
  its_taste: {type: flag, ask: Does it taste?}
constraints:
  - id: edible
    forbid: every
    unless: {its_taste: yes}
    missing: a taste
    tests:
      - {given: {its_taste: no}, applies: yes}
      - {given: {its_taste: yes}, applies: yes}
      - {given: {open: yes}, applies: no}
cases:
  - {id: anything, recommend: every, fit: good, because: It is fruit.}
"""
    assert told("DA011", text) == [
        "r.yaml:12:9: edible: expected that it applies, it does not; e.g. its_taste=yes",
        "r.yaml:13:9: edible: expected that it does not apply, it does; e.g. open=yes, its_taste of apple=no",
    ]
