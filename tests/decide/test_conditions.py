"""Conditions: three-valued evaluation and its laws, and what is said of one that cannot be read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor import documents
from deployadvisor.decide import conditions
from deployadvisor.decide.conditions import ALWAYS, All, Any_, Facts, Not, in_words

from .examples import ANSWERS, CONDITIONS, FACTS, completions, condition, words


@pytest.mark.parametrize(
    ("body", "facts", "value"),
    [
        ({"level": "at least mid"}, {"level": "high"}, True),
        ({"level": "at least mid"}, {"level": "low"}, False),
        ({"level": "at least mid"}, {}, None),
        ({"level": "mid", "open": True}, {"level": "mid", "open": "yes"}, True),
        ({"level": "mid", "open": True}, {"level": "mid"}, None),
        ({"level": "mid", "open": True}, {"level": "low"}, False),
        ({"any": [{"level": "mid"}, {"open": True}]}, {"open": "yes"}, True),
        ({"any": [{"level": "mid"}, {"open": True}]}, {"open": "no"}, None),
        ({"any": [{"level": "mid"}, {"open": True}]}, {"open": "no", "level": "low"}, False),
        ({"all": [{"load": "above 2"}, {"load": "below 5"}]}, {"load": 3.0}, True),
        ({"not": {"load": "above 2"}}, {"load": 2}, True),
        ({"not": {"load": "above 2"}}, {}, None),
        ({"not": {"level": "mid", "open": True}}, {"open": "no"}, True),
    ],
)
def test_three_values(body: dict[str, Any], facts: Facts, value: bool | None) -> None:
    assert condition(body).evaluate(facts) is value


def test_always_holds_whatever_is_known() -> None:
    assert ALWAYS.evaluate({}) is True
    assert Not(ALWAYS).evaluate({}) is False
    assert list(conditions.tests_in(ALWAYS)) == []


def test_terms_are_replaced_by_what_they_mean() -> None:
    document = documents.parse("{is: [busy, warm], open: no}", "c.yaml")
    terms = {"busy": condition({"load": "above 5"}), "warm": condition({"colour": "red"})}
    parsed = conditions.parse(document.value, document, (), words(), terms)
    assert [test.fact for test in conditions.tests_in(parsed)] == ["load", "colour", "open"]
    assert parsed.evaluate({"load": 6.0, "colour": "red", "open": "no"}) is True


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"level": "at least mid"}, "level at least mid"),
        ({"open": True}, "open yes"),
        ({"level": "mid", "open": False}, "level mid and open no"),
        ({"any": [{"level": "mid"}, {"load": 5}]}, "level mid or load 5"),
        ({"colour": "red", "any": [{"level": "mid"}, {"open": True}]}, "colour red and (level mid or open yes)"),
        ({"not": {"open": True}}, "not (open yes)"),
    ],
)
def test_in_words(body: dict[str, Any], text: str) -> None:
    assert in_words(condition(body)) == text


def test_an_empty_condition_in_words() -> None:
    assert in_words(ALWAYS) == "always"


# Laws


@given(CONDITIONS, ANSWERS)
def test_nothing_is_open_when_everything_is_answered(body: dict[str, Any], answers: Facts) -> None:
    assert condition(body).evaluate(answers) is not None


@given(CONDITIONS, FACTS)
def test_more_facts_never_contradict_fewer(body: dict[str, Any], facts: Facts) -> None:
    parsed = condition(body)
    value = parsed.evaluate(facts)
    if value is not None:
        assert {parsed.evaluate(answers) for answers in completions(facts)} == {value}


@given(st.lists(CONDITIONS, min_size=1, max_size=3), FACTS)
def test_de_morgan(bodies: list[dict[str, Any]], facts: Facts) -> None:
    parts = tuple(condition(body) for body in bodies)
    opposites = tuple(Not(part) for part in parts)
    assert Not(All(parts)).evaluate(facts) is Any_(opposites).evaluate(facts)
    assert Not(Any_(parts)).evaluate(facts) is All(opposites).evaluate(facts)


@given(st.lists(CONDITIONS, min_size=1, max_size=3), FACTS)
def test_order_and_repetition_do_not_matter(bodies: list[dict[str, Any]], facts: Facts) -> None:
    parts = tuple(condition(body) for body in bodies)
    for joint in (All, Any_):
        assert joint(parts).evaluate(facts) is joint((*reversed(parts), *parts)).evaluate(facts)


@given(CONDITIONS, FACTS)
def test_twice_not_is_yes(body: dict[str, Any], facts: Facts) -> None:
    parsed = condition(body)
    assert Not(Not(parsed)).evaluate(facts) is parsed.evaluate(facts)


@given(CONDITIONS, FACTS)
def test_only_the_facts_it_tests_matter(body: dict[str, Any], facts: Facts) -> None:
    parsed = condition(body)
    tested = {test.fact for test in conditions.tests_in(parsed)}
    assert parsed.evaluate({name: facts[name] for name in tested & set(facts)}) is parsed.evaluate(facts)
