"""Boxes never touch, lines only join neighbouring rows, and simple pictures come out simple."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.report import layout
from deployadvisor.report.layout import LANE_WIDTH, box, placed

Picture = tuple[list[list[int]], list[tuple[int, float, int]], dict[int, float]]


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    sizes = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    numbers = itertools.count()
    rows = [[next(numbers) for _ in range(size)] for size in sizes]
    widths = {number: draw(st.sampled_from([40.0, 90.0, 160.0])) for row in rows for number in row}
    lines = []
    for place, row in enumerate(rows[1:], 1):
        above = [number for earlier in rows[:place] for number in earlier]
        for number in row:
            starts = draw(st.lists(st.sampled_from(above), min_size=1, max_size=3, unique=True))
            lines += [(start, draw(st.floats(0, 1)) * widths[start], number) for start in starts]
    return rows, lines, widths


@settings(max_examples=60, deadline=None)
@given(pictures())
def test_every_box_has_a_place_of_its_own(picture: Picture):
    rows, lines, widths = picture
    plan = placed(rows, lines, widths)
    for row in plan.rows:
        for left, right in itertools.pairwise(row):
            assert plan.left[left] + plan.widths[left] < plan.left[right]
    assert min(plan.left.values()) == 0
    assert [{key[0] for key in row if not layout.is_lane(key)} for row in plan.rows] == [set(row) for row in rows]


@settings(max_examples=60, deadline=None)
@given(pictures())
def test_lines_step_from_row_to_row_and_arrive(picture: Picture):
    rows, lines, widths = picture
    plan = placed(rows, lines, widths)
    row_of = {key: place for place, row in enumerate(plan.rows) for key in row}
    assert all(row_of[line.end] == row_of[line.start] + 1 for line in plan.lines)
    after = {line.start: line.end for line in plan.lines if layout.is_lane(line.start)}
    for start, offset, end in lines:
        (at,) = {
            line.end
            for line in plan.lines
            if line.start == box(start) and line.offset == offset and line.end[0] == end
        }
        while at in after:
            at = after[at]
        assert at == box(end)


def test_a_ladder_is_straight():
    plan = placed([[0], [1], [2]], [(0, 50.0, 1), (1, 50.0, 2)], dict.fromkeys(range(3), 100.0))
    assert len({plan.left[box(number)] for number in range(3)}) == 1


def test_lines_that_would_cross_are_untangled():
    plan = placed([[0, 1], [2, 3]], [(0, 50.0, 3), (1, 50.0, 2)], dict.fromkeys(range(4), 100.0))
    assert (plan.left[box(0)] < plan.left[box(1)]) == (plan.left[box(3)] < plan.left[box(2)])


def test_lines_to_one_box_share_a_lane():
    plan = placed([[0, 1], [2], [3]], [(0, 9.0, 3), (1, 9.0, 3), (0, 50.0, 2)], dict.fromkeys(range(4), 100.0))
    lanes = [key for row in plan.rows for key in row if layout.is_lane(key)]
    assert lanes == [(3, 1)]
    assert plan.widths[3, 1] == LANE_WIDTH
