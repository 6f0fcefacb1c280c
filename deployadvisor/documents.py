"""Read YAML and JSON as plain values that remember where each one stood.

A safe subset of YAML 1.1, built straight from the parser's events: no anchors, aliases or tags (so nothing
can be executed or blown up), no duplicate keys, bounded size and depth. Dates and clock times stay text.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from deployadvisor.errors import DocumentError, Where

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 40

Key = str | int
KeyPath = tuple[Key, ...]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+][0-9]+)?")
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[][{},:]|[^][{},:"\s]+')
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


def read(path: Path, source: str | None = None, *, max_bytes: int = MAX_BYTES) -> Document:
    """Read one ``.json``, ``.yaml`` or ``.yml`` file; ``source`` is its name in messages."""
    source = source or str(path)
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except OSError as error:
        raise DocumentError(f"cannot read the file: {error.strerror}", where=Where(source)) from error
    if len(content) > max_bytes:
        raise DocumentError(f"the file has more than {max_bytes:,} bytes", where=Where(source))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise DocumentError("the file is not UTF-8 text", where=Where(source, line)) from error
    return parse_json(text, source) if path.suffix == ".json" else parse(text, source)


def parse(text: str, source: str) -> Document:
    """Parse YAML text."""
    try:
        return _Builder(source).build(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = Where(source, mark.line + 1, mark.column + 1) if mark else Where(source)
        raise DocumentError(f"not valid YAML: {error.problem or error.context}", where=where) from error
    except yaml.YAMLError as error:
        raise DocumentError(f"not valid YAML: {' '.join(str(error).split())}", where=Where(source)) from error
    except ValueError as error:  # a lone surrogate, or a number of thousands of digits
        raise DocumentError(f"not valid YAML: {error}", where=Where(source)) from error


def parse_json(text: str, source: str) -> Document:
    """Parse JSON text: values are those of the standard library, places come from a second walk over the tokens."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
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
    return _JsonPlaces(text, source).document(value)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


class _JsonPlaces:
    """Walk over the tokens of JSON text that is known to be valid, and note where each value stands."""

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self.tokens = _JSON_TOKEN.finditer(text)
        self.line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
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
            message = f'duplicate key "{path[-1]}" (first on line {self.key_marks[path][0]})'
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
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            self._refuse(event, "anchors and aliases are not allowed")
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            self._refuse(event, f"YAML tags are not allowed ({tag})")
        if len(path) > MAX_DEPTH:
            self._refuse(event, f"nested deeper than {MAX_DEPTH} levels")
        self.marks[path] = _position(event)
        if isinstance(event, yaml.ScalarEvent):
            return event.value if event.style or event.tag == "!" else _plain(event.value)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, path)
        return self._mapping(events, path)

    def _sequence(self, events: Iterator[yaml.Event], path: KeyPath) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._value(event, events, (*path, len(items))))
        return items

    def _mapping(self, events: Iterator[yaml.Event], path: KeyPath) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self._key(event)
            if key in values:
                line = self.key_marks[(*path, key)][0]
                self._refuse(event, f'duplicate key "{key}" (first on line {line})')
            self.key_marks[(*path, key)] = _position(event)
            values[key] = self._value(next(events), events, (*path, key))
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
        return int(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    return text
