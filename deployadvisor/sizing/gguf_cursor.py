"""Walk over the numbers and texts at the beginning of a GGUF file, never past its end or a limit."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NoReturn

from deployadvisor.errors import ModelError, Where

MAX_HEADER_BYTES = 64 * 2**20
"""Most of a header is the vocabulary, at most about 20 MiB in published files."""
_CHUNK_BYTES = 2**20
_LENGTH = struct.Struct("<Q")


class Cursor:
    """A place in a file that moves forward; a step beyond the end is refused with its byte offset."""

    def __init__(self, file: BinaryIO, size: int, path: Path) -> None:
        """``file`` stands at its first byte and has ``size`` bytes."""
        self.size = size
        self._file = file
        self._path = path
        self._chunk = b""
        self._at = 0
        self._chunk_start = 0

    @property
    def position(self) -> int:
        """Bytes passed so far."""
        return self._chunk_start + self._at

    def number(self, layout: struct.Struct) -> int | float | bool:
        """The next number, stored as ``layout``."""
        self._have(layout.size)
        value: int | float | bool = layout.unpack_from(self._chunk, self._at)[0]
        self._at += layout.size
        return value

    def length(self) -> int:
        """The next eight bytes, the length of what follows or a number of things."""
        return int(self.number(_LENGTH))

    def numbers(self, layout: struct.Struct, count: int) -> tuple[int | float | bool, ...]:
        """The next ``count`` numbers."""
        content = self.take(layout.size * count)
        return tuple(value for (value,) in layout.iter_unpack(content))

    def text(self, what: str) -> str:
        """The next text, with its length before it."""
        return self.decoded(self.length(), what)

    def decoded(self, length: int, what: str) -> str:
        """The next ``length`` bytes as a text."""
        start = self.position
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError as error:
            self.refuse(f"{what} is not UTF-8", start + error.start)

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        self._have(count)
        self._at += count
        return self._chunk[self._at - count : self._at]

    def skip(self, count: int) -> None:
        """Pass ``count`` bytes without reading them."""
        self._check_room(count)
        if self._at + count <= len(self._chunk):
            self._at += count
            return
        self._chunk_start = self.position + count
        self._chunk, self._at = b"", 0
        self._file.seek(self._chunk_start)

    def skip_texts(self, count: int) -> None:
        """Pass ``count`` texts; a loop of its own because a vocabulary has hundreds of thousands."""
        self._check_room(count * _LENGTH.size)
        for _ in range(count):
            if self._at + _LENGTH.size > len(self._chunk):
                self._have(_LENGTH.size)
            (length,) = _LENGTH.unpack_from(self._chunk, self._at)
            self._at += _LENGTH.size
            if self._at + length <= len(self._chunk):
                self._at += length
            else:
                self.skip(length)

    def refuse(self, message: str, position: int | None = None) -> NoReturn:
        """Raise a ``ModelError`` for this place."""
        place = self.position if position is None else position
        raise ModelError(f"{message}, at byte {place:,}", where=Where(str(self._path)))

    def _have(self, count: int) -> None:
        """Read on until the chunk holds the next ``count`` bytes."""
        if self._at + count <= len(self._chunk):
            return
        self._check_room(count)
        rest = self._chunk[self._at :]
        wanted = min(max(count, _CHUNK_BYTES), MAX_HEADER_BYTES - self.position)
        self._chunk_start, self._at = self.position, 0
        self._chunk = rest + self._file.read(wanted - len(rest))
        if len(self._chunk) < count:
            self.refuse("the file ends", self._chunk_start + len(self._chunk))

    def _check_room(self, count: int) -> None:
        if self.position + count > self.size:
            self.refuse(f"{count:,} bytes should follow, the file has {self.size - self.position:,} more")
        if self.position + count > MAX_HEADER_BYTES:
            self.refuse(f"the header goes on after {MAX_HEADER_BYTES:,} bytes, more than are read")
