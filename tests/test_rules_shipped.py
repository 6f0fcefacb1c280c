"""The shipped rules: every example beside a rule, and what every rule owes its reader."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from deployadvisor.decide import conditions
from deployadvisor.decide.conditions import Condition
from deployadvisor.decide.phrases import Interval
from deployadvisor.decide.ruleset import Rule, RuleTest
from deployadvisor.decide.texts import missing_texts, stale_texts
from deployadvisor.documents import read
from deployadvisor.resources import rules_folder
from deployadvisor.rulebook import load_rules

RULES = tuple(load_rules().rules())
ALWAYS_APPLY = {"provider-meets-the-conditions": "has no condition: constraints have already sorted the providers"}
"""Rules without an example that does not apply, and why."""


def example(rule: Rule, test: RuleTest, position: int) -> object:
    return pytest.param(rule, test, id=f"{rule.id}-{position}")


EXAMPLES = [example(rule, test, position) for rule in RULES for position, test in enumerate(rule.tests, start=1)]


@pytest.mark.parametrize(("rule", "test"), EXAMPLES)
def test_example(rule: Rule, test: RuleTest) -> None:
    assert rule.when.evaluate(test.given) is test.applies, f"{test.where}: with {dict(test.given)}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_has_an_example_that_applies_and_one_that_does_not(rule: Rule) -> None:
    if rule.id in ALWAYS_APPLY:
        assert rule.when == conditions.ALWAYS, f"{rule.id} has a condition now; give it examples"
        return
    assert {test.applies for test in rule.tests} == {True, False}, rule.where


def test_rule_ids_are_unique_over_all_files() -> None:
    counted = Counter(rule.id for rule in RULES)
    assert [name for name, times in counted.items() if times > 1] == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_reads_well(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule.id), "ids are words with hyphens"
    assert len(rule.text) <= 200
    assert "\n" not in rule.text
    assert rule.text.endswith(".") is not rule.is_missing, "because is a sentence, missing names a thing to obtain"


def thresholds() -> Iterator[tuple[str, Condition, str | None]]:
    """Every condition in its own words: rules as written, and terms, which carry their own source."""
    for name in ("route", "engine", "provider"):
        document = read(rules_folder() / f"{name}.yaml")
        for term, entry in (document.value.get("terms") or {}).items():
            yield f"{name} term {term}", entry["means"], entry.get("source")
        for kind in ("constraints", "cases", "preferences"):
            for entry in document.value.get(kind) or []:
                yield entry["id"], entry.get("when", entry.get("unless", {})), entry.get("source")


NUMBERS = {fact.name for fact in load_rules().vocabulary.facts.values() if fact.type == "number"}


def test_every_threshold_has_a_dated_source() -> None:
    found = [
        (name, source) for name, body, source in thresholds() if any(f"'{fact}'" in str(body) for fact in NUMBERS)
    ]
    assert found, "the shipped rules compare numbers"
    assert [name for name, source in found if not source or not re.search(r"\b20\d\d-\d\d-\d\d\b", source)] == []


def test_thresholds_reach_the_rules_through_their_terms() -> None:
    with_numbers = {
        rule.id
        for rule in RULES
        if any(isinstance(test.accepted, Interval) for test in conditions.tests_in(rule.when))
    }
    assert {"desktop-runner-is-for-light-load", "engine-for-high-volume"} <= with_numbers


def test_every_candidate_is_argued_for() -> None:
    """A candidate no case speaks for could win only by the listed order."""
    rulebook = load_rules()
    for decision in rulebook.rulesets:
        argued = {name for rule in decision.of_kind("case") for name in decision.candidates if rule.points_for(name)}
        assert argued == set(decision.candidates), decision.name


def test_every_fact_matters() -> None:
    """A question that no rule hears is asked in vain."""
    rulebook = load_rules()
    heard = {name for decision in rulebook.rulesets for name in decision.mentioning}
    computed_from = {"requests_per_day", "input_tokens", "output_tokens"}  # tokens_per_day and the load on a card
    unheard = {fact.name for fact in rulebook.vocabulary.facts.values()} - heard - computed_from
    assert unheard == set()


def test_every_text_is_translated_and_none_is_left_over() -> None:
    rulebook = load_rules()
    assert missing_texts(rulebook.chinese, rulebook.rulesets, rulebook.vocabulary) == ()
    assert stale_texts(rulebook.chinese, rulebook.rulesets, rulebook.vocabulary) == ()
