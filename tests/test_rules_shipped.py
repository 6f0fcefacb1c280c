"""The shipped rules beyond what ``rules check`` proves: which have no condition, and about what promises are made."""

from __future__ import annotations

from deployadvisor.decide import conditions
from deployadvisor.decide.phrases import Interval
from deployadvisor.rulebook import load_rules
from deployadvisor.rulecheck import load_properties

RULES = tuple(load_rules().rules())
WITHOUT_CONDITION = {
    "provider-meets-the-conditions": "constraints have already sorted the providers",
    "engine-on-cards-at-hand": "whoever has cards and people to run them can serve",
}
"""Rules that always apply, and why."""


def test_few_rules_have_no_condition() -> None:
    assert {rule.id for rule in RULES if rule.when == conditions.ALWAYS} == set(WITHOUT_CONDITION)


def test_thresholds_reach_the_rules_through_their_terms() -> None:
    with_numbers = {
        rule.id
        for rule in RULES
        if any(isinstance(test.accepted, Interval) for test in conditions.tests_in(rule.when))
    }
    assert {"desktop-runner-is-for-light-load", "engine-for-high-volume"} <= with_numbers


def test_every_kind_of_promise_is_made() -> None:
    """Sensitive text, load, means and customisation: what must never get worse when one of them grows."""
    promises = load_properties(load_rules()).promises
    raised = {fact for promise in promises for fact in promise.raised}
    assert {"data_sensitivity", "tokens_per_day", "peak_concurrency", "ops_capacity", "customization"} <= raised
    assert {"can_serve", "can_run_desktop", "can_tune", "can_acquire_gpu", "internet", "hosted_choice"} <= raised
    assert {promise.ruleset for promise in promises} == {"route", "engine", "provider"}
    assert all(promise.because.endswith(".") for promise in promises)


def test_every_route_is_the_subject_of_a_promise() -> None:
    promises = load_properties(load_rules()).of("route")
    assert set(load_rules().route.candidates) <= {name for promise in promises for name in promise.target}
