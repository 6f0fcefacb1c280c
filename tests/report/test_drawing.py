"""A drawing shows every question, answer, line and winner; nothing overlaps, and no text of a rule can escape."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import assume, given, settings

from deployadvisor.decide.compiled import Compiled, compiled
from deployadvisor.decide.outline import questions, winners
from deployadvisor.errors import RulesError
from deployadvisor.report import drawing
from deployadvisor.report.drawing import Legend, svg, wrapped
from deployadvisor.report.reference_words import voice
from deployadvisor.report.rule_drawings import DRAWINGS, Drawing, can_draw, draw
from deployadvisor.rulebook import load_rules

from decide.examples import BODIES, built, rules  # isort: skip

NAMESPACE = "{http://www.w3.org/2000/svg}"
CHARACTER_PX = 6.6
"""A rough width of a Latin character in a 12 px font."""


@dataclass(frozen=True)
class Shape:
    """A rectangle with what is written in it."""

    kind: str
    left: float
    top: float
    right: float
    bottom: float
    text: str = ""

    def overlaps(self, other: Shape) -> bool:
        apart = self.right <= other.left or other.right <= self.left or self.bottom <= other.top
        return not (apart or other.bottom <= self.top)

    def holds(self, other: Shape) -> bool:
        across = self.left <= other.left and other.right <= self.right
        return across and self.top <= other.top and other.bottom <= self.bottom


@dataclass(frozen=True)
class Path:
    """A line from below an answer, or from a lane, to the next row: straight down, then bent."""

    start: tuple[float, float]
    straight_to: float
    end: tuple[float, float]


class Picture:
    """An SVG taken apart again."""

    def __init__(self, text: str) -> None:
        self.root = ET.fromstring(text)  # noqa: S314 - what we have just written
        self.size = Shape("size", 0, 0, float(self.root.attrib["width"]), float(self.root.attrib["height"]))
        rects = [shape(element) for element in self.root.iter(NAMESPACE + "rect")]
        self.boxes = [rect for rect in rects if rect.kind == "box"]
        self.leaves = [rect for rect in rects if rect.kind.startswith("leaf")]
        self.texts = [text_box(element) for element in self.root.iter(NAMESPACE + "text")]
        self.paths = [path for element in self.root.iter(NAMESPACE + "path") for path in bent(element)]

    def inside(self, frame: Shape, kind: str) -> list[Shape]:
        return [text for text in self.texts if text.kind == kind and frame.holds(text)]

    def fact(self, frame: Shape) -> str:
        return "".join(text.text for text in self.inside(frame, "fact"))

    def answers(self, frame: Shape) -> dict[float, str]:
        """Words of the answers by their middle."""
        found: dict[float, list[str]] = {}
        for text in self.inside(frame, "answer"):
            found.setdefault(round((text.left + text.right) / 2, 1), []).append(text.text)
        return {middle: " ".join(lines) for middle, lines in found.items()}

    def edges(self) -> Iterator[tuple[str, str, str]]:
        """Fact, answer, and the fact or winner that it leads to."""
        for frame in self.boxes:
            for middle, words in self.answers(frame).items():
                yield self.fact(frame), words, self.behind(frame, middle)

    def behind(self, frame: Shape, middle: float) -> str:
        for leaf in self.leaves:
            if leaf.top > frame.bottom and near(leaf.top, frame.bottom, 12) and leaf.left < middle < leaf.right:
                return " ".join(text.text for text in self.inside(leaf, "winner"))
        place = (middle, frame.bottom)
        while True:
            (path,) = [path for path in self.paths if all(map(near, path.start, place))]
            place = path.end
            for box in self.boxes:
                if near(box.top, place[1]) and near((box.left + box.right) / 2, place[0]):
                    return self.fact(box)


def near(a: float, b: float, by: float = 0.21) -> bool:
    return abs(a - b) <= by


def shape(element: ET.Element) -> Shape:
    left, top, width, height = (float(element.attrib.get(key, 0)) for key in ("x", "y", "width", "height"))
    return Shape(element.attrib["class"], left, top, left + width, top + height)


def text_box(element: ET.Element) -> Shape:
    text = element.text or ""
    width = sum(CHARACTER_PX * (1 if ord(character) < 0x2E80 else 1.9) for character in text)
    left, base = float(element.attrib["x"]), float(element.attrib["y"])
    left -= 0 if element.attrib["class"] == "asked" else width / 2
    return Shape(element.attrib["class"], left, base - 11, left + width, base + 3, text)


def bent(element: ET.Element) -> Iterator[Path]:
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", element.attrib["d"])]
    if "C" in element.attrib["d"]:
        yield Path((numbers[0], numbers[1]), numbers[2], (numbers[-2], numbers[-1]))


def picture(decision: Compiled, legend: Legend | None = None) -> Picture:
    return Picture(svg(decision, winners(decision, {}), legend or plain(decision)))


def plain(decision: Compiled) -> Legend:
    titles: dict[str | None, str] = {None: "nobody"}
    titles |= {name: candidate.title for name, candidate in decision.ruleset.candidates.items()}
    return Legend("drawn", titles, {name: cells.fact.ask for name, cells in decision.facts.items()})


def expected(decision: Compiled, legend: Legend, known: Mapping[int, int]) -> Counter[tuple[str, str, str]]:
    diagrams = decision.diagrams
    found = questions(decision, winners(decision, known))
    facts = {question.node: question.fact for question in found}
    return Counter(
        (
            question.fact,
            answer.words,
            facts[answer.to] if answer.to in facts else legend.winners[diagrams.value(answer.to)],
        )
        for question in found
        for answer in question.answers
    )


def assert_clear(found: Picture) -> None:
    """Nothing overlaps, sticks out, or runs through something else."""
    solid = [*found.boxes, *found.leaves]
    assert not [pair for pair in combinations(solid, 2) if pair[0].overlaps(pair[1])]
    assert not [pair for pair in combinations(found.texts, 2) if pair[0].overlaps(pair[1])]
    assert not [one for one in (*solid, *found.texts) if not found.size.holds(one)]
    for text in found.texts:
        frames = found.leaves if text.kind == "winner" else found.boxes
        assert text.kind == "asked" or any(frame.holds(text) for frame in frames), text
    asked = [text for text in found.texts if text.kind == "asked"]
    assert not [text for text in asked for one in solid if text.overlaps(one)]
    for path in found.paths:
        (x, begin), end = path.start, path.straight_to
        down = Shape("down", x - 0.5, begin + 0.5, x + 0.5, end)
        bend = Shape("bend", min(x, path.end[0]), end, max(x, path.end[0]), path.end[1] - 0.5)
        assert not [one for one in (*solid, *found.texts) if one.overlaps(down) or one.overlaps(bend)]


# What is drawn


@settings(max_examples=40, deadline=None)
@given(BODIES)
def test_a_drawing_shows_exactly_the_decision(body: Mapping[str, Any]):
    decision = compiled(built(body))
    root = winners(decision, {})
    assume(not decision.diagrams.is_leaf(root))
    legend = plain(decision)
    found = Picture(svg(decision, root, legend))
    assert Counter(found.edges()) == expected(decision, legend, {})
    assert_clear(found)
    assert svg(decision, root, legend) == svg(decision, root, legend)


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("each", DRAWINGS, ids=lambda each: each.name)
def test_the_shipped_drawings_are_clear(each: Drawing, lang: str):
    rulebook = load_rules()
    ruleset = getattr(rulebook, each.decision)
    assert can_draw(ruleset, each.given)
    found = Picture(draw(ruleset, each.given, voice(rulebook, lang)))
    assert_clear(found)
    assert len(found.boxes) <= drawing.MAX_QUESTIONS
    assert found.size.right <= drawing.MAX_WIDTH_PX
    assert not [text.text for text in found.texts if text.text.endswith("…")]


def test_winners_are_told_apart_by_words_and_by_colour():
    text = """
constraints: [{id: a, forbid: [first, second, third], when: {level: high}, because: b}]
cases: [{id: c, recommend: second, fit: good, when: {open: yes}, because: b}]
"""
    decision = compiled(rules(text))
    found = picture(decision)
    fills = {element.attrib["style"] for element in found.root.iter(NAMESPACE + "rect") if "style" in element.attrib}
    names = {text.text for text in found.texts if text.kind == "winner"}
    assert len(fills) == len(names) == len(decision.diagrams.leaves(decision.winner)) == 3


def test_a_drawing_follows_the_readers_mode_without_a_script():
    found = picture(compiled(rules("cases: [{id: a, recommend: second, fit: good, when: {open: yes}, because: b}]")))
    assert {element.tag.removeprefix(NAMESPACE) for element in found.root.iter()} == {
        "svg", "title", "style", "rect", "path", "text",
    }  # fmt: skip
    style = found.root.findtext(NAMESPACE + "style") or ""
    assert "prefers-color-scheme: dark" in style
    assert not re.search(r"url\(|@import|@font-face", style)


# Text


@pytest.mark.parametrize(
    "title",
    [
        "</text><script>alert(1)</script>",
        "a & b < c > d",
        '"><rect onload="x"/>',
        "]]> <![CDATA[ <!-- x -->",
        "bell \x07 escape \x1b[31m null \x00",
        "right to left \u202e override",
        "word" * 100,
        "many words " * 60,
        "数据必须留在自己掌控的系统中，而且不能离开" * 5,
        "\U0001f600 beyond the plane",
    ],
)
def test_hostile_text_stays_text(title: str):
    decision = compiled(rules("cases: [{id: a, recommend: second, fit: good, when: {open: yes}, because: b}]"))
    titles: dict[str | None, str] = dict.fromkeys((None, *decision.ruleset.candidates), title)
    found = picture(decision, Legend(title, titles, dict.fromkeys(decision.facts, title)))
    assert {element.tag for element in found.root.iter()} <= {
        NAMESPACE + tag for tag in ("svg", "title", "style", "rect", "path", "text")
    }
    assert all(text.text.isprintable() for text in found.texts)
    assert_clear(found)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("short", ["short"]),
        ("", [""]),
        ("  two   spaces ", ["two spaces"]),
        ("a word or two more", ["a word or", "two more"]),
        ("unbreakableword", ["unbreakabl", "eword"]),
        ("数据不能离开本机", ["数据不能离", "开本机"]),
        ("one two three four five six seven eight nine", ["one two", "three four", "five six", "seven…"]),
    ],
)
def test_text_is_wrapped(text: str, lines: Sequence[str]):
    assert wrapped(text, 10) == lines


# Too much, or nothing


def test_a_drawing_that_is_too_large_says_so(monkeypatch: pytest.MonkeyPatch):
    rulebook = load_rules()
    pattern = r"would ask [\d,]+ questions \(at most 60\); state more facts, such as \w+, \w+, \w+$"
    with pytest.raises(RulesError, match=pattern):
        draw(rulebook.route, {}, voice(rulebook, "en"))
    monkeypatch.setattr(drawing, "MAX_WIDTH_PX", 300)
    with pytest.raises(
        RulesError, match=r"would be [\d,]+ px wide \(at most 300\); state more facts, such as role, .+$"
    ):
        draw(rulebook.engine, {"its_gpu": "yes", "its_platform": "yes", "its_driver": "yes"}, voice(rulebook, "en"))
