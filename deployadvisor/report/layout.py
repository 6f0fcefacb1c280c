"""Places for boxes in rows, so that the lines between the rows are short and seldom cross.

The classic steps: lines that skip rows get a lane through each, rows are ordered by the mean place of their
neighbours, and places are the nearest ones to those means that keep the order and the gaps.

Sugiyama, K. et al. (1981), Methods for Visual Understanding of Hierarchical System Structures, IEEE Trans. SMC 11(2).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Key = tuple[int, int]
"""A box is ``(its number, -1)``; the lane of a line to a box through a row is ``(number of the box, row)``."""

LANE_WIDTH = 10.0
_GAP = 18.0
_SWEEPS = 8


@dataclass(frozen=True, slots=True)
class Line:
    """A line from a place in one box, counted from its left edge, to the middle of another box or of a lane."""

    start: Key
    offset: float
    end: Key


@dataclass(frozen=True, slots=True)
class Layout:
    """Rows of boxes and lanes, lines that only join neighbouring rows, and the left edge of each box and lane."""

    rows: tuple[tuple[Key, ...], ...]
    lines: tuple[Line, ...]
    widths: Mapping[Key, float]
    left: Mapping[Key, float]

    @property
    def width(self) -> float:
        """Width of everything; the leftmost edge is 0."""
        return max(self.left[key] + self.widths[key] for key in self.left)

    def middle(self, key: Key) -> float:
        """The middle of a box or lane."""
        return self.left[key] + self.widths[key] / 2


def box(number: int) -> Key:
    """The key of a box."""
    return number, -1


def is_lane(key: Key) -> bool:
    """Whether a key is that of a lane."""
    return key[1] >= 0


def placed(
    rows: Sequence[Sequence[int]], lines: Sequence[tuple[int, float, int]], widths: Mapping[int, float]
) -> Layout:
    """Place boxes, given row by row; a line is the box it leaves, where, and the box it reaches further down."""
    row_of = {number: place for place, row in enumerate(rows) for number in row}
    short = tuple(dict.fromkeys(part for start, at, end in lines for part in _short(start, at, end, row_of)))
    lanes = dict.fromkeys(line.end for line in short if is_lane(line.end))
    all_rows = [
        (*(box(number) for number in row), *(lane for lane in lanes if lane[1] == place))
        for place, row in enumerate(rows)
    ]
    all_widths = {box(number): width for number, width in widths.items()} | dict.fromkeys(lanes, LANE_WIDTH)
    first = Layout(tuple(all_rows), short, all_widths, _packed(all_rows, all_widths))
    layout = _moved(_ordered(first))
    edge = min(layout.left.values())
    return Layout(layout.rows, short, all_widths, {key: round(at - edge, 1) for key, at in layout.left.items()})


def _short(start: int, offset: float, end: int, row_of: Mapping[int, int]) -> list[Line]:
    """A line as parts between neighbouring rows; lines to one box share its lanes."""
    stops = [*((end, row) for row in range(row_of[start] + 1, row_of[end])), box(end)]
    first = Line(box(start), offset, stops[0])
    return [first, *(Line(a, LANE_WIDTH / 2, b) for a, b in itertools.pairwise(stops))]


def _packed(rows: Sequence[Sequence[Key]], widths: Mapping[Key, float]) -> dict[Key, float]:
    left: dict[Key, float] = {}
    for row in rows:
        at = 0.0
        for key in row:
            left[key] = at
            at += widths[key] + _GAP
    return left


# Order


def _ordered(layout: Layout) -> Layout:
    """The order with the fewest crossings that sweeping down and up finds."""
    best, fewest = layout, _crossings(layout)
    for sweep in range(_SWEEPS):
        layout = _swept(layout, down=sweep % 2 == 0)
        crossings = _crossings(layout)
        if crossings < fewest:
            best, fewest = layout, crossings
    return best


def _swept(layout: Layout, *, down: bool) -> Layout:
    rows = list(layout.rows)
    for place in range(len(rows)) if down else reversed(range(len(rows))):
        wishes = _wishes(layout, rows[place], down=down)
        rows[place] = tuple(sorted(rows[place], key=lambda key: wishes[key] + layout.widths[key] / 2))
        layout = Layout(tuple(rows), layout.lines, layout.widths, _packed(rows, layout.widths))
    return layout


def _wishes(layout: Layout, row: Sequence[Key], *, down: bool) -> dict[Key, float]:
    """Where the left edge of each would be if it stood right below (or above) the mean of its neighbours."""
    wishes = {}
    for key in row:
        half = layout.widths[key] / 2
        if down:
            found = [layout.left[line.start] + line.offset - half for line in layout.lines if line.end == key]
        else:
            found = [layout.middle(line.end) - line.offset for line in layout.lines if line.start == key]
        wishes[key] = sum(found) / len(found) if found else layout.left[key]
    return wishes


def _crossings(layout: Layout) -> int:
    by_row: dict[int, list[tuple[float, float]]] = {}
    row_of = {key: place for place, row in enumerate(layout.rows) for key in row}
    for line in layout.lines:
        ends = (layout.left[line.start] + line.offset, layout.middle(line.end))
        by_row.setdefault(row_of[line.start], []).append(ends)
    return sum(
        (a[0] - b[0]) * (a[1] - b[1]) < 0 for ends in by_row.values() for at, a in enumerate(ends) for b in ends[:at]
    )


# Places


def _moved(layout: Layout) -> Layout:
    for sweep in range(_SWEEPS):
        for row in layout.rows if sweep % 2 == 0 else reversed(layout.rows):
            wishes = _wishes(layout, row, down=sweep % 2 == 0)
            left = {**layout.left, **_apart(row, wishes, layout.widths)}
            layout = Layout(layout.rows, layout.lines, layout.widths, left)
    return layout


def _apart(row: Sequence[Key], wishes: Mapping[Key, float], widths: Mapping[Key, float]) -> dict[Key, float]:
    """The places nearest to the wishes that keep order and gaps: isotonic regression by pooling violators."""
    starts: list[float] = []
    blocks: list[tuple[float, int]] = []  # mean wish, less what stands to the left, and how many share it
    at = 0.0
    for key in row:
        starts.append(at)
        mean, size = wishes[key] - at, 1
        while blocks and blocks[-1][0] > mean:
            other, others = blocks.pop()
            mean, size = (mean * size + other * others) / (size + others), size + others
        blocks.append((mean, size))
        at += widths[key] + _GAP
    means = [mean for mean, size in blocks for _ in range(size)]
    return {key: start + mean for key, start, mean in zip(row, starts, means, strict=True)}
