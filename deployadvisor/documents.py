"""Read YAML and JSON as plain values that remember where each one stood.

A safe subset of YAML 1.1, built straight from the parser's events: no anchors, aliases or tags (so nothing
can be executed or blown up), no duplicate keys, bounded size, depth and number of values. Dates and clock times
stay text.
"""

from __future__ import annotations

import json
import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

import yaml

from deployadvisor.errors import DocumentError, Where, nearest

MAX_BYTES = 1024 * 1024
MAX_VALUES = 50_000
"""About ten times the largest file that is shipped; reading as many takes a fraction of a second."""
MAX_DEPTH = 40
_MAX_DIGITS = 300
"""So that every whole number is also a floating-point number."""
_SHOWN = 60
"""Characters of a user's word that a message repeats."""

Key = str | int
KeyPath = tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a JSON file is read, and whether it may hold ``Infinity`` and ``NaN``, as Python writes them."""

    bytes: int = MAX_BYTES
    values: int = MAX_VALUES
    constants: bool = False


USUAL = Limits()

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+][0-9]+)?")
_JSON_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[][{},:]|[^][{},:"\s]+')
_UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What YAML does not allow in a file: control characters and halves of surrogate pairs."""
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}


@dataclass(frozen=True, slots=True)
class Document:
    """Plain values of one file and the line and column (from 1) of every value in it."""

    source: str
    value: Any
    marks: Mapping[KeyPath, tuple[int, int]] = field(repr=False)
    key_marks: Mapping[KeyPath, tuple[int, int]] = field(repr=False, default_factory=dict)

    def where(self, path: KeyPath = (), *, key: bool = False) -> Where:
        """Place of the value at ``path`` (of its key with ``key``), or of the nearest value around it."""
        marks = self.key_marks if key else self.marks
        while path and path not in marks:
            path = path[:-1]
        line, column = marks.get(path, self.marks.get((), (1, 1)))
        return Where(self.source, line, column)


def read(path: Path, source: str | None = None, limits: Limits = USUAL) -> Document:
    """Read one ``.json``, ``.yaml`` or ``.yml`` file; ``source`` is its name in messages."""
    source = source or str(path)
    try:
        with path.open("rb") as file:
            content = file.read(limits.bytes + 1)
    except OSError as error:
        raise DocumentError(f"cannot read the file: {error.strerror}", where=Where(source)) from error
    _check_size(content, source, limits)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        raise DocumentError("the file is not UTF-8 text", where=Where(source, *_place(before))) from error
    return parse_json(text, source, limits) if path.suffix == ".json" else parse(text, source)


def _check_size(content: str | bytes, source: str, limits: Limits = USUAL) -> None:
    if len(content) > limits.bytes:
        raise DocumentError(f"more than {limits.bytes:,} bytes", where=Where(source))


def _place(before: str) -> tuple[int, int]:
    """Line and column of what comes after this text."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def quoted(value: object) -> str:
    """A word of the user as messages repeat it: in quotes, on one line, cut where it is long."""
    said = str(value).lower() if isinstance(value, bool) else "null" if value is None else str(value)
    text = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in said[: _SHOWN + 1])
    return f'"{text}"' if len(text) <= _SHOWN else f'"{text[: _SHOWN - 1]}…"'


def expect_schema(document: Document, name: str) -> None:
    """Refuse a file whose ``schema`` says that it is something else than ``name``; without one it is believed."""
    expected = f"deployadvisor/{name}@1"
    stated = document.value.get("schema", expected) if isinstance(document.value, dict) else expected
    if stated != expected:
        raise DocumentError(
            f"schema: {quoted(stated)} is not {expected}",
            where=document.where(("schema",)),
            allowed=(expected,),
            suggestion=nearest(str(stated)[:_SHOWN], (expected,)),
        )


def stays_text(text: str) -> bool:
    """Whether ``text`` is still text when it stands in YAML without quotes."""
    return isinstance(_plain(text), str)


def parse(text: str, source: str) -> Document:
    """Parse YAML text."""
    _check_size(text, source)
    if unreadable := _UNREADABLE.search(text):
        message = f"not valid YAML: the character U+{ord(unreadable[0]):04X} is not allowed"
        raise DocumentError(message, where=Where(source, *_place(text[: unreadable.start()])))
    try:
        return _Builder(source).build(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Where(source, mark.line + 1, mark.column + 1) if mark else Where(source)
        raise DocumentError(f"not valid YAML: {error.problem or error.context}", where=where) from error


def parse_json(text: str, source: str, limits: Limits = USUAL) -> Document:
    """Parse JSON text: values are those of the standard library, places come from a second walk over the tokens."""
    _check_size(text, source, limits)
    if text.count(",") + text.count("[") + text.count("{") > MAX_BYTES:
        raise DocumentError(f"more than {limits.values:,} values", where=Where(source))
    try:
        value = json.loads(text, parse_constant=float if limits.constants else _refuse_constant)
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        where = Where(source, error.lineno, error.colno)
        raise DocumentError(f"not valid JSON: {error.msg}", where=where) from error
    except UnicodeEncodeError as error:
        raise DocumentError("not valid JSON: half of a surrogate pair", where=Where(source)) from error
    except RecursionError as error:
        raise DocumentError(f"nested deeper than {MAX_DEPTH} levels", where=Where(source)) from error
    except ValueError as error:
        raise DocumentError(f"not valid JSON: {error}", where=Where(source)) from error
    return _JsonPlaces(text, source, limits.values).document(value)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class _JsonPlaces:
    """Walk over the tokens of JSON text that is known to be valid, and note where each value stands."""

    def __init__(self, text: str, source: str, most: int) -> None:
        self.source = source
        self.most = most
        self.tokens = _JSON_TOKEN.finditer(text)
        self.line_starts = array("L", chain((0,), (match.end() for match in re.finditer("\n", text))))
        self.marks: dict[KeyPath, tuple[int, int]] = {}
        self.key_marks: dict[KeyPath, tuple[int, int]] = {}

    def document(self, value: Any) -> Document:
        self._value(next(self.tokens), ())
        return Document(self.source, value, self.marks, self.key_marks)

    def _position(self, token: re.Match[str]) -> tuple[int, int]:
        line = bisect_right(self.line_starts, token.start())
        return line, token.start() - self.line_starts[line - 1] + 1

    def _value(self, token: re.Match[str], path: KeyPath) -> None:
        position = self._position(token)
        if len(path) > MAX_DEPTH:
            raise DocumentError(f"nested deeper than {MAX_DEPTH} levels", where=Where(self.source, *position))
        if len(self.marks) >= self.most:
            raise DocumentError(f"more than {self.most:,} values", where=Where(self.source, *position))
        self.marks[path] = position
        if token[0] == "[":
            self._array(path)
        elif token[0] == "{":
            self._object(path)

    def _array(self, path: KeyPath) -> None:
        items = 0
        while (token := next(self.tokens))[0] != "]":
            if token[0] != ",":
                self._value(token, (*path, items))
                items += 1

    def _object(self, path: KeyPath) -> None:
        while (token := next(self.tokens))[0] != "}":
            if token[0] != ",":
                self._entry(token, (*path, json.loads(token[0])))

    def _entry(self, token: re.Match[str], path: KeyPath) -> None:
        position = self._position(token)
        if path in self.key_marks:
            message = f"duplicate key {quoted(path[-1])} (first on line {self.key_marks[path][0]})"
            raise DocumentError(message, where=Where(self.source, *position))
        self.key_marks[path] = position
        next(self.tokens)  # the colon
        self._value(next(self.tokens), path)


class _Builder:
    """Turn parser events into values; one instance a document."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.marks: dict[KeyPath, tuple[int, int]] = {}
        self.key_marks: dict[KeyPath, tuple[int, int]] = {}

    def build(self, events: Iterator[yaml.Event]) -> Document:
        value: Any = None
        self.marks[()] = (1, 1)
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._refuse(event, "only one YAML document a file is allowed")
                value = self._value(next(events), events, ())
        return Document(self.source, value, self.marks, self.key_marks)

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], path: KeyPath) -> Any:
        self._check(event, path)
        self.marks[path] = _position(event)
        if isinstance(event, yaml.ScalarEvent):
            return event.value if event.style or event.tag == "!" else self._plain(event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path)
        return self._mapping(events, path)

    def _check(self, event: yaml.Event, path: KeyPath) -> None:
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            self._refuse(event, "anchors and aliases are not allowed")
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            self._refuse(event, f"YAML tags are not allowed: {quoted(tag)}")
        if len(path) > MAX_DEPTH:
            self._refuse(event, f"nested deeper than {MAX_DEPTH} levels")
        if len(self.marks) > MAX_VALUES:
            self._refuse(event, f"more than {MAX_VALUES:,} values")

    def _plain(self, event: yaml.ScalarEvent) -> Any:
        value = _plain(event.value)
        if isinstance(value, (int, float)) and len(event.value) > _MAX_DIGITS:
            self._refuse(event, f"a number of more than {_MAX_DIGITS} digits")
        return value

    def _sequence(self, events: Iterator[yaml.Event], path: KeyPath) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._value(event, events, (*path, len(items))))
        return items

    def _mapping(self, events: Iterator[yaml.Event], path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._key(event)
            entry = (*path, key)
            if key in values:
                self._refuse(event, f"duplicate key {quoted(key)} (first on line {self.key_marks[entry][0]})")
            self.key_marks[entry] = _position(event)
            values[key] = self._value(next(events), events, entry)
        return values

    def _key(self, event: yaml.Event) -> str:
        if not isinstance(event, yaml.ScalarEvent) or event.anchor or event.tag not in (None, "!"):
            self._refuse(event, "keys must be plain words")
        return str(event.value)

    def _refuse(self, event: yaml.Event, message: str) -> NoReturn:
        raise DocumentError(message, where=Where(self.source, *_position(event)))


def _position(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text.replace("_", "")[: _MAX_DIGITS + 1])
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    return text
