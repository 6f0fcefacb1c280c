"""Cells: together they hold every value, and no test can tell two values of one cell apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.decide.cells import Cells, cells_of
from deployadvisor.decide.phrases import Interval

from .examples import words

LOAD = words().facts["load"]
ENDS = st.one_of(st.integers(-3, 8).map(float), st.sampled_from([0.05, 0.1, 0.25, 2.5]))
INTERVALS = st.builds(
    lambda ends, low_counts, high_counts: Interval(min(ends), max(ends), low_counts, high_counts),
    st.tuples(ENDS | st.just(float("-inf")), ENDS | st.just(float("inf"))),
    st.booleans(),
    st.booleans(),
)
NUMBERS = ENDS | st.floats(-10, 10)


def cells(*intervals: Interval) -> Cells:
    return cells_of(LOAD, intervals)


@given(st.lists(INTERVALS, max_size=4), NUMBERS)
def test_a_value_passes_the_same_tests_as_its_cell(intervals: list[Interval], value: float) -> None:
    found = cells(*intervals)
    for interval in intervals:
        assert found.accepted(interval)[found.index(value)] is (value in interval)


@given(st.lists(INTERVALS, max_size=4))
def test_a_witness_lies_in_its_cell(intervals: list[Interval]) -> None:
    found = cells(*intervals)
    assert [found.index(witness) for witness in found.witnesses] == list(range(len(found)))


def test_words_are_their_own_cells() -> None:
    found = cells_of(words().facts["level"], [])
    assert found.witnesses == ("low", "mid", "high")
    assert [found.index(word) for word in found.witnesses] == [0, 1, 2]
    assert found.accepted(frozenset({"mid"})) == (False, True, False)


@pytest.mark.parametrize(
    ("intervals", "witnesses"),
    [
        ((), (0.0,)),
        ((Interval(low=5),), (4.0, 5.0)),
        ((Interval(high=5),), (5.0, 6.0)),
        ((Interval(low=0.1),), (0.05, 0.1)),
        ((Interval(2, 5),), (1.0, 2.0, 6.0)),
        ((Interval(2, 2),), (1.0, 2.0, 3.0)),
        ((Interval(high=5), Interval(low=6)), (5.0, 5.5, 6.0)),
    ],
)
def test_witnesses_are_round(intervals: tuple[Interval, ...], witnesses: tuple[float, ...]) -> None:
    assert cells(*intervals).witnesses == witnesses
