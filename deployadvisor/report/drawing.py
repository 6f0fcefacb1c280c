"""A decision as a drawing: one row for each fact, a box for each question, its answers below, lines to what follows.

An answer that settles the decision has the winner right below it. Colours repeat what the words say. The SVG needs no
script and no other file, and follows the reader's light or dark mode.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from deployadvisor.decide.compiled import Compiled
from deployadvisor.decide.diagram import Node
from deployadvisor.decide.outline import Answer, Question, narrowing, questions
from deployadvisor.errors import RulesError
from deployadvisor.report import layout
from deployadvisor.report.layout import Layout

MAX_QUESTIONS = 60
"""Nobody reads a drawing of more."""
MAX_WIDTH_PX = 2_400

_FACTS_TO_NAME = 3
_LINE_PX = 16
_CHARACTER_PX = 7.4
"""Room for one character; more than most need, so that nothing is cut off in any font."""
_PAD = 8
_TO_LEAF = 10
_BETWEEN_ROWS = 46
_MARGIN = 16
_ASKED_CHARACTERS = 24
_ANSWER_CHARACTERS = 16
_MOST_LINES = 4
_SHADES = ("#cfe6fb", "#d6f0cd", "#fde7b0", "#f8d3e2", "#e2d8f6", "#cdeee9", "#fbd8c3", "#e6e3d3")
_NONE_SHADE = "#e7eaed"
_STYLE = """
text { font: 12px system-ui, "Segoe UI", "Helvetica Neue", Arial, "Noto Sans CJK SC", sans-serif; fill: #1f2328; }
.fact, .answer, .winner { text-anchor: middle; }
.fact { font-weight: 600; }
.asked { fill: #59636e; }
.paper { fill: #ffffff; }
.box { fill: #f6f8fa; stroke: #59636e; }
.line, .leaf { stroke: #59636e; fill: none; }
.none { stroke-dasharray: 4 3; }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc; } .winner { fill: #1f2328; } .asked { fill: #9198a1; }
.paper { fill: #0d1117; } .box { fill: #151b23; } .box, .line, .leaf { stroke: #9198a1; }
}
"""


@dataclass(frozen=True, slots=True)
class Legend:
    """The words beside the rules: a title, the name of each winner (None: nothing is allowed), what a fact asks."""

    title: str
    winners: Mapping[str | None, str]
    asked: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Column:
    """One answer of a box, from the box's left edge; where it settles the decision, ``leaf`` names the winner."""

    answer: Answer
    left: float
    width: float
    words: list[str]
    leaf: list[str]
    winner: str | None

    @property
    def middle(self) -> float:
        return self.left + self.width / 2


@dataclass(frozen=True, slots=True)
class _Box:
    question: Question
    columns: tuple[_Column, ...]
    width: float


@dataclass(frozen=True, slots=True)
class _Row:
    """The boxes of one fact, and how high each part of them is."""

    fact: list[str]
    asked: list[str]
    boxes: tuple[_Box, ...]
    top: float

    @property
    def answers(self) -> float:
        """Where the answers begin."""
        return self.top + _high(self.fact)

    @property
    def answered(self) -> float:
        """Where the boxes end."""
        return self.answers + max(_high(column.words) for box in self.boxes for column in box.columns)

    @property
    def bottom(self) -> float:
        """Where the winners end."""
        leaves = [_high(column.leaf) for box in self.boxes for column in box.columns if column.leaf]
        boxes = self.answered + (_TO_LEAF + max(leaves) if leaves else 0)
        return max(boxes, self.top + _high(self.asked))


def svg(compiled: Compiled, root: Node, legend: Legend) -> str:
    """The diagram below ``root``, which asks something, as one SVG file; RulesError when it is too large to read."""
    rows = _rows(compiled, root, legend)
    asked = sum(len(row.boxes) for row in rows)
    if asked > MAX_QUESTIONS:
        raise _too_large(f"ask {asked:,} questions (at most {MAX_QUESTIONS})", compiled, root)
    plan = _placed(rows)
    left = _MARGIN + _ASKED_CHARACTERS * _CHARACTER_PX + _MARGIN
    width = left + plan.width + _MARGIN
    if width > MAX_WIDTH_PX:
        raise _too_large(f"be {width:,.0f} px wide (at most {MAX_WIDTH_PX:,})", compiled, root)
    shades = _shades(compiled)
    boxes = (part for row in rows for part in _row(row, plan, left, shades))
    return _file(legend.title, (width, rows[-1].bottom + _MARGIN), [*_lines(rows, plan, left), *boxes])


def _too_large(what: str, compiled: Compiled, root: Node) -> RulesError:
    facts = narrowing(compiled, root)[:_FACTS_TO_NAME]
    return RulesError(f"the drawing would {what}", remedy=f"state more facts, such as {', '.join(facts)}")


def _placed(rows: Sequence[_Row]) -> Layout:
    boxes = [box for row in rows for box in row.boxes]
    lines = [
        (box.question.node, column.middle, column.answer.to)
        for box in boxes
        for column in box.columns
        if not column.leaf
    ]
    widths = {box.question.node: box.width for box in boxes}
    return layout.placed([[box.question.node for box in row.boxes] for row in rows], lines, widths)


# Measuring


def _rows(compiled: Compiled, root: Node, legend: Legend) -> list[_Row]:
    by_fact: dict[str, list[Question]] = {}
    for question in questions(compiled, root):
        by_fact.setdefault(question.fact, []).append(question)
    rows: list[_Row] = []
    for fact, asked in by_fact.items():
        name = wrapped(fact, _ASKED_CHARACTERS)
        boxes = tuple(_box(compiled, question, name, legend) for question in asked)
        top = rows[-1].bottom + _BETWEEN_ROWS if rows else _MARGIN
        rows.append(_Row(name, wrapped(legend.asked.get(fact, ""), _ASKED_CHARACTERS), boxes, top))
    return rows


def _box(compiled: Compiled, question: Question, name: Sequence[str], legend: Legend) -> _Box:
    columns: list[_Column] = []
    parts = [_texts(compiled, answer, legend) for answer in question.answers]
    needed = sum(_wide([*words, *leaf]) for words, leaf in parts)
    spare = max(_wide(name) - needed, 0.0) / len(parts)
    at = 0.0
    for answer, (words, leaf) in zip(question.answers, parts, strict=True):
        width = _wide([*words, *leaf]) + spare
        winner = compiled.diagrams.value(answer.to) if leaf else None
        columns.append(_Column(answer, at, width, words, leaf, winner))
        at += width
    return _Box(question, tuple(columns), at)


def _texts(compiled: Compiled, answer: Answer, legend: Legend) -> tuple[list[str], list[str]]:
    """The lines of an answer, and of the winner that it settles."""
    words = wrapped(answer.words, _ANSWER_CHARACTERS)
    if not compiled.diagrams.is_leaf(answer.to):
        return words, []
    return words, wrapped(legend.winners[compiled.diagrams.value(answer.to)], _ANSWER_CHARACTERS)


def _wide(lines: Sequence[str]) -> float:
    return max(_characters(line) for line in lines) * _CHARACTER_PX + 2 * _PAD


def _high(lines: Sequence[str]) -> float:
    return len(lines) * _LINE_PX + _PAD


def _characters(text: str) -> int:
    """Room that a text takes, in Latin characters; a Chinese one takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def wrapped(text: str, characters: int) -> list[str]:
    """Text in at most four lines of so many characters, at least one; broken at spaces where there are some."""
    lines = [""]
    for word in _words(_clean(text), characters):
        if _characters(lines[-1] + word.rstrip()) > characters:
            lines.append("")
        lines[-1] += word if lines[-1] else word.lstrip()
    lines = [line.rstrip() for line in lines]
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], lines[_MOST_LINES - 1][: characters // 2] + "…"]
    return lines


def _words(text: str, characters: int) -> Iterator[str]:
    """What may stand on a line of its own: a word, a Chinese character, a piece of a long word."""
    return (piece[0] for piece in re.finditer(rf"[\u2e80-\uffff]|[^\s\u2e80-\uffff]{{1,{characters}}}\s?|\s", text))


def _clean(text: str) -> str:
    """Text on one line, without characters that steer a terminal, a reader's direction or a parser."""
    return "".join(character if character.isprintable() else "\ufffd" for character in " ".join(text.split()))


# Writing


def _shades(compiled: Compiled) -> dict[str | None, str]:
    shades: dict[str | None, str] = {None: _NONE_SHADE}
    return shades | {name: _SHADES[at % len(_SHADES)] for at, name in enumerate(compiled.candidates)}


def _file(title: str, size: tuple[float, float], parts: Sequence[str]) -> str:
    width, height = (f"{side:.0f}" for side in size)
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title"',
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f'<title id="title">{escape(_clean(title))}</title>',
        f"<style>{_STYLE}</style>",
        f'<rect class="paper" width="{width}" height="{height}"/>',
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _lines(rows: Sequence[_Row], plan: Layout, left: float) -> Iterator[str]:
    """Lines from below an answer, through the lanes of the rows between, to the top of a box."""
    row_of = {key: place for place, row in enumerate(plan.rows) for key in row}
    for line in plan.lines:
        row, below = rows[row_of[line.start]], rows[row_of[line.end]]
        begin = row.top if layout.is_lane(line.start) else row.answered
        start, end = left + plan.left[line.start] + line.offset, left + plan.middle(line.end)
        bend = (row.bottom + below.top) / 2
        yield (
            f'<path class="line" d="M{start:.1f} {begin:.1f}V{row.bottom:.1f}'
            f'C{start:.1f} {bend:.1f} {end:.1f} {bend:.1f} {end:.1f} {below.top:.1f}"/>'
        )


def _row(row: _Row, plan: Layout, left: float, shades: Mapping[str | None, str]) -> Iterator[str]:
    yield from _text("asked", _MARGIN, row.top, row.asked)
    for box in row.boxes:
        at = left + plan.left[layout.box(box.question.node)]
        yield _rectangle("box", at, row.top, box.width, row.answered - row.top)
        yield from _text("fact", at + box.width / 2, row.top, row.fact)
        yield f'<path class="line" d="M{at:.1f} {row.answers:.1f}h{box.width:.1f}"/>'
        for column in box.columns:
            yield from _column(row, column, at, shades)


def _column(row: _Row, column: _Column, at: float, shades: Mapping[str | None, str]) -> Iterator[str]:
    middle = at + column.middle
    if column.left:
        yield f'<path class="line" d="M{at + column.left:.1f} {row.answers:.1f}V{row.answered:.1f}"/>'
    yield from _text("answer", middle, row.answers, column.words)
    if column.leaf:
        top = row.answered + _TO_LEAF
        kind = "leaf none" if column.winner is None else "leaf"
        yield f'<path class="line" d="M{middle:.1f} {row.answered:.1f}V{top:.1f}"/>'
        style = f' style="fill:{shades[column.winner]}"'
        yield _rectangle(kind, at + column.left + 2, top, column.width - 4, _high(column.leaf), style)
        yield from _text("winner", middle, top, column.leaf)


def _rectangle(kind: str, left: float, top: float, width: float, height: float, more: str = "") -> str:
    place = f'x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" {place} rx="4"{more}/>'


def _text(kind: str, at: float, top: float, lines: Sequence[str]) -> Iterator[str]:
    for place, line in enumerate(lines, 1):
        yield f'<text class="{kind}" x="{at:.1f}" y="{top + place * _LINE_PX:.1f}">{escape(line)}</text>'
