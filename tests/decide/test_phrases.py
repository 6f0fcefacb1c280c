"""Phrases: what each accepts, and what is said of one that cannot be read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.decide import phrases
from deployadvisor.decide.phrases import Interval
from deployadvisor.errors import RulesError, Where

from .examples import words

HERE = Where("r.yaml", 1, 1)


@pytest.mark.parametrize(
    ("fact", "phrase", "accepted"),
    [
        ("level", "mid", {"mid"}),
        ("level", " mid ", {"mid"}),
        ("level", "low or high", {"low", "high"}),
        ("level", "not low", {"mid", "high"}),
        ("level", "not low or mid", {"high"}),
        ("level", "at least mid", {"mid", "high"}),
        ("level", "at most mid", {"low", "mid"}),
        ("level", "above low", {"mid", "high"}),
        ("level", "below  high", {"low", "mid"}),
        ("level", "between low and mid", {"low", "mid"}),
        ("level", "between mid and mid", {"mid"}),
        ("colour", "red or blue", {"red", "blue"}),
        ("colour", "not red", {"green", "blue"}),
        ("open", True, {"yes"}),
        ("open", False, {"no"}),
        ("open", "yes", {"yes"}),
        ("open", "not yes", {"no"}),
        ("open", "at least no", {"no", "yes"}),
    ],
)
def test_words(fact: str, phrase: Any, accepted: set[str]) -> None:
    assert phrases.parse(phrase, words().facts[fact], HERE) == accepted


@pytest.mark.parametrize(
    ("phrase", "inside", "outside"),
    [
        ("at least 5", [5, 5.1, 1e9], [4.9]),
        ("at most 5", [5, -1], [5.1]),
        ("above 5", [5.1], [5, 4]),
        ("below 5", [4.9], [5, 6]),
        ("below 0.1", [0.05], [0.1]),
        ("between 2 and 5", [2, 3.5, 5], [1.9, 5.1]),
        ("at least 10_000_000", [1e7], [9_999_999]),
        ("above -3", [-2], [-3]),
        (5, [5, 5.0], [4, 6]),
        (0.5, [0.5], [0.4]),
        ("5", [5], [6]),
    ],
)
def test_numbers(phrase: Any, inside: list[float], outside: list[float]) -> None:
    accepted = phrases.parse(phrase, words().facts["load"], HERE)
    assert [value for value in inside if value not in accepted] == []
    assert [value for value in outside if value in accepted] == []


def test_an_interval_holds_numbers_only_and_names_its_constants() -> None:
    assert "5" not in Interval()
    assert Interval().constants == ()
    assert Interval(low=2).constants == (2,)
    assert Interval(2, 5).constants == (2, 5)


@pytest.mark.parametrize(
    ("fact", "phrase", "expected"),
    [
        ("level", "midd", 'level: "midd" is not one of low, mid, high; did you mean "mid"?'),
        ("level", "low or hihg", 'level: "hihg" is not one of low, mid, high; did you mean "high"?'),
        ("level", "at least hgh", 'level: "hgh" is not one of low, mid, high; did you mean "high"?'),
        ("level", "not at least mid", 'level: "at least mid" is not one of low, mid, high'),
        ("level", "", 'level: "" is not one of low, mid, high'),
        ("level", "below low", 'level: "below low" accepts nothing'),
        ("level", "above high", 'level: "above high" accepts nothing'),
        ("level", "between high and low", 'level: "between high and low" accepts nothing'),
        ("level", "not low or mid or high", 'level: "not low or mid or high" accepts nothing'),
        ("level", True, "level: YAML reads true here (from yes/no/on/off)"),
        ("level", None, "level: a test is a word or phrase"),
        ("level", ["low"], "level: a test is a word or phrase"),
        ("level", 3, 'level: "3" is not one of low, mid, high'),
        ("colour", "at least red", 'colour: "at least" needs an order, and a choice has none'),
        ("colour", "between red and blue", 'colour: "between" needs an order, and a choice has none'),
        ("open", "maybe", 'open: "maybe" is not one of no, yes'),
        ("load", "many", 'load: "many" is not a number (requests)'),
        ("load", "at least many", 'load: "many" is not a number (requests)'),
        ("load", ">= 5", 'load: ">= 5" is not a number (requests)'),
        ("load", "at least 10 000", 'load: "at least 10 000" is not a number (requests)'),
        ("load", "between 5 and 2", 'load: "between 5 and 2" accepts nothing'),
        ("load", "not 5", 'load: "not 5" is not a number (requests)'),
        ("load", True, "load: YAML reads true here (from yes/no/on/off)"),
    ],
)
def test_what_is_said_of_a_mistake(fact: str, phrase: Any, expected: str) -> None:
    with pytest.raises(RulesError) as caught:
        phrases.parse(phrase, words().facts[fact], HERE)
    assert str(caught.value) == f"r.yaml:1:1: error: {expected}"


NUMBERS = st.integers(-1000, 1000)


@given(NUMBERS, NUMBERS)
def test_below_is_the_opposite_of_at_least_and_above_of_at_most(constant: int, value: int) -> None:
    load = words().facts["load"]
    below, at_least, above, at_most = (
        value in phrases.parse(f"{operator} {constant}", load, HERE)
        for operator in ("below", "at least", "above", "at most")
    )
    assert below is not at_least
    assert above is not at_most
    assert (at_least and at_most) is (value == constant)


@given(NUMBERS, NUMBERS, st.floats(-1000, 1000))
def test_between_is_at_least_and_at_most(low: int, high: int, value: float) -> None:
    low, high = sorted((low, high))
    between = phrases.parse(f"between {low} and {high}", words().facts["load"], HERE)
    assert (value in between) is (low <= value <= high)
