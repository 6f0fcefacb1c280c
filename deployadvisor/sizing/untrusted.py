"""Open files and parse JSON that somebody else made: bounded time and memory, and every refusal a ``ModelError``."""

from __future__ import annotations

import json
import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from deployadvisor.documents import quoted
from deployadvisor.errors import ModelError, Where

_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_MAX_WIDE_BYTES = 4 * 2**20
"""JSON outside ASCII: one character takes up to four times its bytes in memory."""


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Give a regular file and its size; anything else (a pipe would never end) or a failing read is refused."""
    where = Where(str(path))
    try:
        with os.fdopen(_descriptor(path), "rb") as file:
            yield file, os.fstat(file.fileno()).st_size
    except FileNotFoundError as error:
        raise ModelError("the file is missing", where=where) from error
    except OSError as error:
        raise ModelError(f"cannot read the file: {error.strerror or error}", where=where) from error


def _descriptor(path: Path) -> int:
    try:
        descriptor = os.open(path, _FLAGS)
    except ValueError as error:
        raise ModelError(f"{quoted(path)} cannot be the name of a file") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ModelError("is not a regular file", where=Where(str(path)))
    return descriptor


def json_object(content: bytes, path: Path, *, max_values: int, start: int = 0) -> dict[str, Any]:
    """Parse one JSON object without duplicate keys; ``start`` is the byte of ``path`` at which it begins."""
    where = Where(str(path))
    if content.count(b",") + content.count(b"[") + content.count(b"{") > max_values:
        raise ModelError(f"the JSON has more than {max_values:,} values", where=where)
    if len(content) > _MAX_WIDE_BYTES and not content.isascii():
        raise ModelError(f"more than {_MAX_WIDE_BYTES:,} bytes of JSON that is not ASCII", where=where)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"not UTF-8 text, at byte {start + error.start:,}", where=where) from error
    value = _parsed(text, where, start)
    if not isinstance(value, dict):
        raise ModelError(f"not a JSON object, at byte {start:,}", where=where)
    return value


def _parsed(text: str, where: Where, start: int) -> Any:
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse_constant)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        place = start + len(text[: error.pos].encode())
        raise ModelError(f"not valid JSON: {error.msg}, at byte {place:,}", where=where) from error
    except UnicodeEncodeError as error:
        raise ModelError("not valid JSON: half of a surrogate pair", where=where) from error
    except RecursionError as error:
        raise ModelError("the JSON is nested too deep", where=where) from error
    except ValueError as error:
        raise ModelError(f"not valid JSON: {error}", where=where) from error
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise ValueError(f"duplicate key {quoted(counts.most_common(1)[0][0])}")
    return values


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
