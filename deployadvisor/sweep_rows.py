"""The rows of a sweep, in blocks of bounded size: a grid of values for some keys, or a CSV file of profiles."""

from __future__ import annotations

import csv
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from deployadvisor import profile as profiles
from deployadvisor.decide.vectorised import Codes
from deployadvisor.documents import Document, KeyPath
from deployadvisor.errors import DocumentError, ProfileError, Where
from deployadvisor.profile import Profile

MAX_VALUES = 100_000
"""Values that one key of a grid can take."""
_MAX_LINE = 100_000
"""Characters of one line of a CSV file."""
_NUMBER = r"(-?\d[\d_]*(?:\.\d+)?)"
_RANGE = re.compile(rf"{_NUMBER}:{_NUMBER}:(x?){_NUMBER}")


@dataclass(frozen=True, slots=True)
class Block:
    """Some rows: each key has its different texts, and each row the place of its text. Empty is a key left out."""

    keys: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    codes: tuple[Codes, ...]
    source: str
    lines: tuple[int, ...] = ()
    """Line of each row in its file; empty for a grid."""
    misfits: Mapping[int, int] = field(default_factory=dict)
    """Rows that have more or fewer cells than the header, and how many."""

    def __len__(self) -> int:
        """How many rows."""
        return len(self.codes[0])

    def different(self, key: str) -> tuple[str, ...]:
        """The different texts of a key."""
        return self.texts[self.keys.index(key)]

    def column(self, key: str) -> Codes:
        """For each row the place of its text among the different ones."""
        return self.codes[self.keys.index(key)]

    def text(self, row: int, key: str) -> str:
        """What one row says about a key."""
        return self.different(key)[int(self.column(key)[row])]

    def where(self, row: int, key: str) -> Where:
        """The place of a value, to be named in messages."""
        if not self.lines:
            return Where(f"{self.source} {key}")
        return Where(self.source, self.lines[row], self.keys.index(key) + 1)

    def profile(self, row: int, base: Mapping[str, Any], keys: Iterable[str]) -> Profile:
        """The profile of a row, for some of its keys, over the answers of ``base``; ProfileError with its place."""
        if row in self.misfits:
            raise self._misfit(row)
        texts = {key: self.text(row, key) for key in keys}
        answers = {key: value_of(key, text) for key, text in texts.items() if text}
        values = {**base, **answers}
        if not self.lines:
            return profiles.from_document(Document(self.source, values, {}), answers)
        line = self.lines[row]
        marks: dict[KeyPath, tuple[int, int]] = {(key,): (line, at) for at, key in enumerate(self.keys, 1)}
        marks[()] = (line, 1)
        return profiles.from_document(Document(self.source, values, marks, marks))

    def _misfit(self, row: int) -> ProfileError:
        cells, width = self.misfits[row], len(self.keys)
        where = Where(self.source, self.lines[row], min(cells, width) + 1)
        return ProfileError(f"the row has {cells} cells, the header has {width}", where=where)


def value_of(key: str, text: str) -> Any:
    """The answer that a text gives: words of a list are separated by ``;``."""
    return [word.strip() for word in text.split(";") if word.strip()] if key in _lists() and ";" in text else text


@cache
def _lists() -> frozenset[str]:
    properties = Profile.model_json_schema()["properties"]
    kinds = {key: entry.get("anyOf", [entry]) for key, entry in properties.items()}
    return frozenset(key for key, kind in kinds.items() if any(part.get("type") == "array" for part in kind))


# A grid


@dataclass(frozen=True, slots=True)
class Grid:
    """Every combination of the values of some keys; the last key changes fastest."""

    axes: Mapping[str, tuple[str, ...]]

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys, in the order given."""
        return tuple(self.axes)

    def __len__(self) -> int:
        """How many rows."""
        return math.prod(len(values) for values in self.axes.values())

    def blocks(self, size: int) -> Iterator[Block]:
        """The rows in order, at most ``size`` at a time."""
        texts = tuple(self.axes.values())
        for start in range(0, len(self), size):
            places = np.unravel_index(np.arange(start, min(start + size, len(self))), [len(text) for text in texts])
            yield Block(self.keys, texts, tuple(place.astype(np.int32) for place in places), "--vary")


def grid(settings: Iterable[str], limit: int) -> Grid:
    """The grid of ``key=a,b,c`` texts; a value ``from:to:step`` or ``from:to:xfactor`` is a range of numbers."""
    axes: dict[str, tuple[str, ...]] = {}
    for setting in settings:
        key, equals, text = (part.strip() for part in setting.partition("="))
        if not equals or not key:
            raise ProfileError(f'"{setting}" is not key=value,value', where=Where("--vary"))
        if key in axes:
            raise ProfileError("given twice", where=Where(f"--vary {key}"))
        axes[key] = _axis(key, text)
    made = Grid(axes)
    rows = math.prod(len(values) for values in axes.values())
    if rows > limit:
        message = f"the grid has {rows:,} rows; the limit is {limit:,}"
        raise ProfileError(message, where=Where("--vary"), remedy="vary fewer values, or raise --limit")
    return made


def _axis(key: str, text: str) -> tuple[str, ...]:
    parts = (_values(key, part.strip()) for part in text.split(","))
    values = list(itertools.islice(itertools.chain.from_iterable(parts), MAX_VALUES + 1))
    if len(values) > MAX_VALUES:
        raise ProfileError(f"more than {MAX_VALUES:,} values", where=Where(f"--vary {key}"))
    for value in values:
        profiles.from_document(Document("--vary", {}, {}), {key: value_of(key, value)})
    return tuple(dict.fromkeys(values))


def _values(key: str, text: str) -> Iterator[str]:
    where = Where(f"--vary {key}")
    if not text:
        raise ProfileError("a value is empty", where=where)
    match = _RANGE.fullmatch(text)
    if match is None:
        yield text
        return
    value, last, step = Decimal(match[1]), Decimal(match[2]), Decimal(match[4])
    grows = step > 1 and value > 0 if match[3] else step > 0
    if not grows or value > last:
        raise ProfileError(f'the range "{text}" does not grow towards its end', where=where)
    while value <= last:
        yield format(value.normalize(), "f")
        value = value * step if match[3] else value + step


# A file


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a CSV file whose first line names profile keys."""

    path: Path
    keys: tuple[str, ...]

    def blocks(self, size: int) -> Iterator[Block]:
        """The rows in order, at most ``size`` at a time."""
        records = _records(self.path)
        next(records)
        while part := list(itertools.islice(records, size)):
            yield self._block(part)

    def _block(self, records: Sequence[tuple[int, list[str]]]) -> Block:
        width = len(self.keys)
        misfits = {row: len(cells) for row, (_, cells) in enumerate(records) if len(cells) != width}
        rows = [
            [*cells, *[""] * width][:width] if row in misfits else cells for row, (_, cells) in enumerate(records)
        ]
        columns = [_coded(column) for column in zip(*rows, strict=True)]
        texts, codes = zip(*columns, strict=True)
        return Block(self.keys, texts, codes, str(self.path), tuple(line for line, _ in records), misfits)


def _coded(column: Sequence[str]) -> tuple[tuple[str, ...], Codes]:
    places: dict[str, int] = {}
    codes = [places.setdefault(text, len(places)) for text in column]
    return tuple(text.strip() for text in places), np.array(codes, np.int32)


def table(path: Path) -> Table:
    """A CSV file of profiles; DocumentError or ProfileError when its header does not name profile keys."""
    header = next(_records(path), None)
    if header is None:
        raise DocumentError("the file is empty; its first line names profile keys", where=Where(str(path)))
    line, cells = header
    keys = tuple(cell.strip() for cell in cells)
    places: dict[KeyPath, tuple[int, int]] = {}
    for column, key in enumerate(keys, 1):
        if places.setdefault((key,), (line, column)) != (line, column):
            raise ProfileError(f'the column "{key}" is there twice', where=Where(str(path), line, column))
    profiles.from_document(Document(str(path), dict.fromkeys(keys), {}, places))
    return Table(path, keys)


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The records of a CSV file, each with the line on which it begins; blank lines are passed over."""
    line = 1
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(_bounded(file), strict=True)
            for record in reader:
                if record:
                    yield line, record
                line = reader.line_num + 1
    except OSError as error:
        raise DocumentError(f"cannot read the file: {error.strerror}", where=Where(str(path))) from error
    except UnicodeDecodeError as error:
        raise DocumentError("the file is not UTF-8 text", where=Where(str(path), line)) from error
    except csv.Error as error:
        raise DocumentError(f"not valid CSV: {error}", where=Where(str(path), line)) from error


def _bounded(file: TextIO) -> Iterator[str]:
    while line := file.readline(_MAX_LINE + 1):
        if len(line) > _MAX_LINE:
            raise csv.Error(f"a line has more than {_MAX_LINE:,} characters")
        yield line
