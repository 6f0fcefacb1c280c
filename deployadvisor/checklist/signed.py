"""What people wrote into CHECKLIST.md, read back so that nothing is lost when it is written again.

These are ticks, signatures, notes and items of their own. A line that we wrote is known by its words, in either
language; every other line is somebody's. Whatever belongs to no item that applies is kept under a heading of its own
at the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

from deployadvisor.checklist.entries import Wording
from deployadvisor.checklist.items import load_items
from deployadvisor.checklist.markup import escape
from deployadvisor.recommendation import Duty

_BOX = re.compile(r"- \[([ xX])\] (.*)")
_MARK = re.compile(r"\s*<!-- ([a-z0-9][a-z0-9 _.-]*) -->")
_LINES_OF_AN_ITEM = ("facts", "checked", "depends_on", "condition", "citation", "conflict_failed", "conflict_proven")
_LINES_OF_THE_PAGE = ("use", "counted", "preflight", "preflight_old", "not_advice")
_HEADINGS = {"title": "# ", "duties": "## ", "added": "## "}
_SIGNATURE = re.compile(r"\s—\s.*$")


@dataclass(frozen=True, slots=True)
class Signed:
    """What people made of one item."""

    ticked: bool = False
    """Somebody ticked it."""
    unticked: bool = False
    """It was proven, and somebody took the tick away."""
    remark: str = ""
    """What stands behind its first line, such as ``— Jane Roe, 2026-11-30``."""
    notes: tuple[str, ...] = ()
    """Further lines, as they were written."""

    @property
    def empty(self) -> bool:
        """Whether nobody has touched the item."""
        return not (self.ticked or self.unticked or self.remark or self.notes)


@dataclass(frozen=True, slots=True)
class Signatures:
    """What people made of the whole document."""

    items: Mapping[str, Signed] = field(default_factory=lambda: MappingProxyType({}))
    """By the name that stands in the comment of the item."""
    added: tuple[str, ...] = ()
    """Lines that belong to no item."""


UNSIGNED = Signatures()

PROOF = "<!-- proven -->"
"""Stands behind every proof of ours: what people write about a proof looks alike."""


@dataclass
class _Open:
    """An item while its lines are read."""

    box: str
    remark: str
    marked: bool
    """Version 0.1 wrote no comments, and nothing that tells its proofs from other lines."""
    proven: bool = False
    by_hand: bool = False
    notes: list[str] = field(default_factory=list)

    def signed(self) -> Signed:
        ticked = self.box != " "
        return Signed(
            ticked=ticked and (self.by_hand or not self.proven),
            unticked=self.proven and not ticked,
            remark=self.remark,
            notes=tuple(self.notes),
        )


def read_signatures(text: str, duties: Sequence[Duty] = ()) -> Signatures:
    """Everything in a checklist that is not ours; ``duties`` are those whose words it may hold."""
    reader = _Reader({**_texts_of_items(), **{duty_name(duty): _texts_of_duty(duty) for duty in duties}})
    for line in text.replace("\r\n", "\n").split("\n"):
        reader.take(line.rstrip())
    return reader.signatures()


def duty_name(duty: Duty) -> str:
    """What the comment of an obligation says."""
    return f"duty {duty.id}"


def _texts_of_duty(duty: Duty) -> tuple[str, ...]:
    said = {"regulation": escape(duty.regulation), "text": escape(duty.text)}
    return tuple(text.format_map(said) for text in _both("duty"))


class _Reader:
    """Reads one document line by line."""

    def __init__(self, texts: Mapping[str, tuple[str, ...]]) -> None:
        self.texts = texts
        self.items: dict[str, _Open] = {}
        self.added: list[str] = []
        self.current: _Open | None = None

    def take(self, line: str) -> None:
        box = _BOX.fullmatch(line)
        if box:
            self.take_box(box[1], box[2], line)
        elif self.current is not None and line.startswith((" ", "\t")):
            self.take_line(self.current, line)
        elif line and not ours("page", line):
            self.current = None
            self.add(line)
        elif line:
            self.current = None
        elif self.added and self.added[-1] and self.current is None:
            self.added.append("")

    def take_box(self, tick: str, rest: str, line: str) -> None:
        name, remark, marked = self.identified(rest)
        self.current = None
        if name is None or name in self.items:
            self.add(line)
        else:
            self.current = self.items[name] = _Open(tick, remark, marked)

    def take_line(self, item: _Open, line: str) -> None:
        said = line.strip().removeprefix("- ")
        if said.endswith(PROOF) or (not item.marked and ours("old_proof", said)):
            item.proven = True
        elif said in _both("by_hand"):
            item.by_hand = True
        elif not ours("item", said):
            item.notes.append(line)

    def add(self, line: str) -> None:
        self.added.append(line)

    def signatures(self) -> Signatures:
        while self.added and not self.added[-1]:
            self.added.pop()
        return Signatures({name: one.signed() for name, one in self.items.items()}, tuple(self.added))

    def identified(self, rest: str) -> tuple[str | None, str, bool]:
        """The name of an item, what was written behind its text, and whether a comment tells the name."""
        mark = _MARK.search(rest)
        if mark is None:
            return *self.known_by_words(rest), False
        before, name, after = rest[: mark.start()], mark[1], rest[mark.end() :]
        known = next((text for text in self.texts.get(name, ()) if before.startswith(text)), None)
        if known is not None:
            extra = before.removeprefix(known)
        else:
            # The words have changed since: only what looks like a signature is taken for one.
            signature = _SIGNATURE.search(before) if name in _texts_of_items() else None
            extra = signature[0] if signature else ""
        return name, " ".join(part.strip() for part in (extra, after) if part.strip()), True

    def known_by_words(self, rest: str) -> tuple[str | None, str]:
        for name, texts in self.texts.items():
            for text in texts:
                if rest.startswith(text):
                    return name, rest.removeprefix(text).strip()
        return None, rest


def ours(kind: str, line: str) -> bool:
    """Whether a line is of our making: an ``old_proof``, another line of an ``item``, or one of the ``page``."""
    return _patterns()[kind].fullmatch(line) is not None


@cache
def _patterns() -> Mapping[str, re.Pattern[str]]:
    checklist = load_items()
    groups = [
        f"## {key}. {escape(title.say(lang))}" for key, title in checklist.groups.items() for lang in ("en", "zh")
    ]
    page = [re.escape(group) for group in groups]
    page += [pattern for name in _LINES_OF_THE_PAGE for pattern in _label(name)]
    page += [f"{sign}{pattern}" for name, sign in _HEADINGS.items() for pattern in _label(name)]
    fixed = [re.escape(line) for line in _fixed_lines()]
    item = [pattern for name in _LINES_OF_AN_ITEM for pattern in _label(name)]
    return {
        "old_proof": re.compile("|".join(_label("evidence"))),
        "item": re.compile("|".join([*fixed, *item])),
        "page": re.compile("|".join(page)),
    }


def _fixed_lines() -> Iterator[str]:
    """Why, how and owner of every item: lines that say more were edited."""
    checklist = load_items()
    for lang in ("en", "zh"):
        for item in checklist.items:
            for label, text in (("why", item.why), ("how", item.how), ("owner", item.owner)):
                yield checklist.labels[label].say(lang).format(text=escape(text.say(lang)))


def _label(name: str) -> list[str]:
    """A label in both languages, as a pattern with anything in its braces."""
    return [re.sub(r"\\\{\w+\\\}", ".*", re.escape(text)) for text in _both(name)]


def _both(name: str) -> tuple[str, str]:
    wording: Wording = load_items().labels[name]
    return wording.en, wording.zh


@cache
def _texts_of_items() -> Mapping[str, tuple[str, ...]]:
    return {item.id: (escape(item.text.en), escape(item.text.zh)) for item in load_items().items}
