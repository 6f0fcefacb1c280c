"""CSV files that commands write: no half-written file, no cell that a spreadsheet runs."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO, TypeVar

from deployadvisor.errors import RenderError

T = TypeVar("T")

_FORMULA = tuple("=+-@\t\r＝＋－＠")
"""How a cell begins that a spreadsheet takes for a formula."""
_NUMBER = re.compile(r"[-+]?\d[\d_]*(\.\d+)?([eE][-+]?\d+)?")


def safe_cell(value: T) -> T | str:
    """A cell of CSV that no spreadsheet runs as a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """A file that appears only when all of it has been written."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with part.open("x", encoding="utf-8", newline="") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise RenderError(f"cannot write {path}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
