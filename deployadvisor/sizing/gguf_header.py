"""Read the header of a GGUF file, version 2 or 3: metadata, and type, shape and exact bytes of all tensors.

The layout and its rules: ggml d99724f, docs/gguf.md and src/gguf.cpp. Tensors themselves are never read, and of
long values (the vocabulary) only the length is kept.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from deployadvisor.documents import quoted
from deployadvisor.errors import ModelError, Where
from deployadvisor.sizing.gguf_cursor import Cursor
from deployadvisor.sizing.gguf_types import REMOVED_TYPES, TENSOR_TYPES, BlockType
from deployadvisor.sizing.tensors import Tensor
from deployadvisor.sizing.untrusted import opened

MAX_KEYS = 16_384
MAX_TENSORS = 65_536
MAX_TEXTS = 1_500_000
"""Texts in all arrays of a file; the largest vocabularies have 260,000 tokens and 520,000 merges."""
MAX_PARTS = 1_000
_KEPT_ITEMS = 4_096
_KEPT_TEXT_BYTES = 2**16
_KEPT_BYTES = 2**20

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_DEFAULT_ALIGNMENT = 32
_MAX_KEY_BYTES = 2**16 - 1
_MAX_NAME_BYTES = 64
_MAX_DIMENSIONS = 4
_MAX_COUNT = 2**63 - 1
_LEAST_KEY_BYTES = 8 + 1 + 4 + 1
_LEAST_TENSOR_BYTES = 8 + 4 + 4 + 8

_U32 = struct.Struct("<I")
_SCALARS = {kind: struct.Struct(f"<{layout}") for kind, layout in enumerate("BbHhIifB")}
_SCALARS |= {10: struct.Struct("<Q"), 11: struct.Struct("<q"), 12: struct.Struct("<d")}
_BOOL, _TEXT, _ARRAY = 7, 8, 9

_PART = re.compile(r"(?P<stem>.*)-(?P<number>[0-9]{5})-of-(?P<count>[0-9]{5})\.gguf")


@dataclass(frozen=True, slots=True)
class Omitted:
    """A value too long to keep."""

    kind: str
    length: int
    """Items of an array, bytes of a text."""


Item = bool | int | float | str
Value = Item | tuple[Item, ...] | Omitted


@dataclass(frozen=True, slots=True)
class Gguf:
    """The header of a model in llama.cpp's format; the tensors are those of all its parts."""

    version: int
    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    """Shapes begin with the dimension whose elements are neighbours."""
    alignment: int
    files: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Bytes of all tensors, without the padding between them."""
        return sum(tensor.bytes for tensor in self.tensors)


def read_gguf(path: Path) -> Gguf:
    """Read one GGUF file, or all parts of a split one when any of them is named.

    Whatever breaks a rule of the format, and a part that is missing, is a ``ModelError``.
    """
    named = _PART.fullmatch(path.name)
    part = _read_part(path)
    count = _split_number(part, "count", path) or 1
    if named is None:
        if count > 1:
            _refuse(path, f"is one of {count} parts, but its name does not end in -00001-of-{count:05}.gguf")
        return part
    if int(named["count"]) != count:
        _refuse(path, f"is named one of {int(named['count'])} parts, split.count says {count}")
    return part if count == 1 else _joined(part, path, named["stem"], count)


# Parts


def _joined(known: Gguf, path: Path, stem: str, count: int) -> Gguf:
    """All parts as one; ``known`` is the part at ``path``, which is not read again."""
    if count > MAX_PARTS:
        _refuse(path, f"{count} parts; at most {MAX_PARTS} are read")
    files = tuple(f"{stem}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1))
    tensors: list[Tensor] = []
    first = known
    for number, file in enumerate(files):
        place = path.with_name(file)
        part = known if file == path.name else _read_part(place)
        _check_part(part, number, count, place)
        first = first if number else part
        tensors += part.tensors
        if len(tensors) > MAX_TENSORS:
            _refuse(place, f"more than {MAX_TENSORS:,} tensors in the parts so far")
    _check_unique([tensor.name for tensor in tensors], "tensor", path)
    stated = _split_number(first, "tensors.count", path)
    if stated is not None and stated != len(tensors):
        _refuse(path, f"split.tensors.count says {stated:,}, the parts hold {len(tensors):,} tensors")
    return Gguf(first.version, first.metadata, tuple(tensors), first.alignment, files)


def _check_part(part: Gguf, number: int, count: int, path: Path) -> None:
    for key, expected in (("no", number), ("count", count)):
        stated = _split_number(part, key, path)
        if stated != expected:
            _refuse(path, f"split.{key} must be {expected} in this part, not {stated}")


def _split_number(part: Gguf, key: str, path: Path) -> int | None:
    value = part.metadata.get(f"split.{key}")
    if value is not None and (type(value) is not int or value < 0):
        _refuse(path, f"split.{key} must be a whole number")
    return value


def _check_unique(names: list[str], what: str, path: Path) -> None:
    if len(set(names)) < len(names):
        _refuse(path, f"{what} {quoted(Counter(names).most_common(1)[0][0])} stands twice")


def _refuse(path: Path, message: str) -> NoReturn:
    raise ModelError(message, where=Where(str(path)))


# One file


def _read_part(path: Path) -> Gguf:
    with opened(path) as (file, size):
        cursor = Cursor(file, size, path)
        version = _version(cursor)
        tensor_count = _count(cursor, "tensors", MAX_TENSORS, _LEAST_TENSOR_BYTES)
        key_count = _count(cursor, "metadata keys", MAX_KEYS, _LEAST_KEY_BYTES)
        metadata = _Metadata(cursor).read(key_count)
        alignment = _alignment(metadata, cursor)
        tensors, end = _tensors(cursor, tensor_count, alignment)
    _check_unique([tensor.name for tensor in tensors], "tensor", path)
    if tensors and end > size:
        _refuse(path, f"the file is cut off: its tensors end at byte {end:,}, the file at byte {size:,}")
    return Gguf(version, metadata, tensors, alignment, (path.name,))


def _version(cursor: Cursor) -> int:
    magic = cursor.take(len(_MAGIC))
    if magic != _MAGIC:
        cursor.refuse(f"not a GGUF file: it begins with {quoted(magic.decode('latin-1'))}", 0)
    version = int(cursor.number(_U32))
    if version & 0xFFFF == 0:
        cursor.refuse("big-endian GGUF files are not read", len(_MAGIC))
    if version not in _VERSIONS:
        cursor.refuse(f"version {version} of GGUF is not read, only 2 and 3", len(_MAGIC))
    return version


def _count(cursor: Cursor, what: str, most: int, least_bytes: int) -> int:
    start = cursor.position
    count = cursor.length()
    if count > most:
        cursor.refuse(f"the file says that it has {count:,} {what}; at most {most:,} are read", start)
    if count * least_bytes > cursor.size - cursor.position:
        cursor.refuse(f"the file says that it has {count:,} {what}, for which it is too short", start)
    return count


def _alignment(metadata: Mapping[str, Value], cursor: Cursor) -> int:
    value = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if type(value) is not int or value < 1 or value & (value - 1):
        cursor.refuse("general.alignment must be a power of two")
    return value


class _Metadata:
    """Reads the metadata, keeping what is short and no more than ``_KEPT_BYTES`` of it."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._room = _KEPT_BYTES
        self._texts = MAX_TEXTS

    def read(self, count: int) -> Mapping[str, Value]:
        """Read ``count`` keys with their values."""
        values: dict[str, Value] = {}
        for _ in range(count):
            start = self._cursor.position
            key = self._key()
            if key in values:
                self._cursor.refuse(f"key {quoted(key)} stands twice", start)
            values[key] = self._value(key)
        return values

    def _key(self) -> str:
        length = self._cursor.length()
        if not 0 < length <= _MAX_KEY_BYTES:
            self._cursor.refuse(f"a key of {length:,} bytes; the format allows 1 to {_MAX_KEY_BYTES:,}")
        self._spend(length)
        return self._cursor.decoded(length, "a key")

    def _value(self, key: str) -> Value:
        kind = int(self._cursor.number(_U32))
        if kind == _ARRAY:
            return self._array(key)
        if kind == _TEXT:
            return self._text(key)
        return self._scalars(kind, 1, key)[0]

    def _text(self, key: str) -> str | Omitted:
        length = self._cursor.length()
        if length > _KEPT_TEXT_BYTES:
            self._cursor.skip(length)
            return Omitted("text", length)
        self._spend(length)
        return self._cursor.decoded(length, f"the value of {quoted(key)}")

    def _array(self, key: str) -> Value:
        kind, count = int(self._cursor.number(_U32)), self._cursor.length()
        if kind == _TEXT:
            return self._text_array(key, count)
        if count > _KEPT_ITEMS:
            self._cursor.skip(self._layout(kind, key).size * count)
            return Omitted("array", count)
        return self._scalars(kind, count, key)

    def _text_array(self, key: str, count: int) -> Value:
        self._texts -= count
        if self._texts < 0:
            self._cursor.refuse(f"{quoted(key)} has {count:,} texts; at most {MAX_TEXTS:,} are read")
        if count > _KEPT_ITEMS:
            self._cursor.skip_texts(count)
            return Omitted("array", count)
        texts: list[str] = []
        for _ in range(count):
            length = self._cursor.length()
            self._spend(length + 8)
            texts.append(self._cursor.decoded(length, f"a text of {quoted(key)}"))
        return tuple(texts)

    def _scalars(self, kind: int, count: int, key: str) -> tuple[Item, ...]:
        layout = self._layout(kind, key)
        self._spend(layout.size * count)
        values = self._cursor.numbers(layout, count)
        if kind != _BOOL:
            return values
        if not set(values) <= {0, 1}:
            self._cursor.refuse(f"{quoted(key)} must be 0 or 1")
        return tuple(map(bool, values))

    def _layout(self, kind: int, key: str) -> struct.Struct:
        if kind == _ARRAY:
            self._cursor.refuse(f"{quoted(key)} is an array of arrays, which are not read")
        if kind not in _SCALARS:
            self._cursor.refuse(f"{quoted(key)} has a value of the unknown type {kind}")
        return _SCALARS[kind]

    def _spend(self, count: int) -> None:
        self._room -= count
        if self._room < 0:
            self._cursor.refuse(f"more than {_KEPT_BYTES:,} bytes of metadata beside the vocabulary")


# Tensors


def _tensors(cursor: Cursor, count: int, alignment: int) -> tuple[tuple[Tensor, ...], int]:
    """All tensors, and the byte of the file at which the last one ends."""
    tensors: list[Tensor] = []
    reached, end = 0, 0
    for _ in range(count):
        start = cursor.position
        tensor = _tensor(cursor)
        offset = cursor.length()
        if offset != reached:
            cursor.refuse(f"the data of tensor {quoted(tensor.name)} begin at {offset:,}, not {reached:,}", start)
        end = offset + tensor.bytes
        reached = _aligned(end, alignment)
        tensors.append(tensor)
    return tuple(tensors), _aligned(cursor.position, alignment) + end


def _tensor(cursor: Cursor) -> Tensor:
    start = cursor.position
    length = cursor.length()
    if length > _MAX_NAME_BYTES:
        cursor.refuse(f"a tensor name of {length:,} bytes; the format allows {_MAX_NAME_BYTES}", start)
    name = cursor.decoded(length, "a tensor name")
    dimensions = int(cursor.number(_U32))
    if dimensions > _MAX_DIMENSIONS:
        cursor.refuse(f"tensor {quoted(name)} has {dimensions:,} dimensions; the format allows 4", start)
    shape = tuple(cursor.length() for _ in range(dimensions))
    block = _block(cursor, name, start)
    return Tensor(name, block.name, shape, _stored_bytes(cursor, name, shape, block))


def _block(cursor: Cursor, name: str, start: int) -> BlockType:
    number = int(cursor.number(_U32))
    if number in REMOVED_TYPES:
        cursor.refuse(f"tensor {quoted(name)} has type {number}, which llama.cpp no longer reads", start)
    if number not in TENSOR_TYPES:
        cursor.refuse(f"tensor {quoted(name)} has the unknown type {number}", start)
    return TENSOR_TYPES[number]


def _stored_bytes(cursor: Cursor, name: str, shape: tuple[int, ...], block: BlockType) -> int:
    elements = 1
    for length in shape:
        elements *= length
    if max(shape, default=0) > _MAX_COUNT or elements > _MAX_COUNT:
        cursor.refuse(f"tensor {quoted(name)} is larger than any file")
    row = shape[0] if shape else 1
    if row % block.elements:
        cursor.refuse(f"tensor {quoted(name)} has rows of {row:,}, not whole blocks of {block.elements}")
    return elements // block.elements * block.bytes


def _aligned(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment
