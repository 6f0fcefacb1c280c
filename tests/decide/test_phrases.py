"""Phrases: what each accepts, and what is said of one that cannot be read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.decide import phrases
from deployadvisor.decide.phrases import Interval
from deployadvisor.errors import Where

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
