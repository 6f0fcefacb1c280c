"""What writing would change in a folder: three versions of every file, and the difference as text.

The three are the file as it was rendered last (only its digest is known), as it stands in the folder, and as it is
rendered now.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

from deployadvisor.errors import RenderError
from deployadvisor.render.record import RECORD

Kind = Literal["created", "updated", "unchanged", "edited", "conflicts"]

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_NO_NEWLINE = "\n\\ No newline at end of file\n"


class Writable(Protocol):
    """What is written: text and whether it may be run."""

    @property
    def text(self) -> str:
        """Content, written as UTF-8 with ``\\n``."""

    @property
    def executable(self) -> bool:
        """Whether the file gets the execute bit."""


@dataclass(frozen=True, slots=True)
class WriteReport:
    """What happened, or would happen, to each file, as paths in the folder."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    """No longer rendered, and nobody had edited them."""
    edited: tuple[str, ...] = ()
    """Edited by the user, and left as they are."""
    conflicts: tuple[str, ...] = ()
    """Edited by the user, and rendered differently now."""
    kept: tuple[str, ...] = ()
    """No longer rendered, but edited by the user, and left there."""

    @property
    def paths(self) -> tuple[str, ...]:
        """All files of the bundle, in order."""
        return tuple(sorted((*self.created, *self.updated, *self.unchanged, *self.edited, *self.conflicts)))

    @property
    def touched(self) -> tuple[str, ...]:
        """Files that writing makes, replaces or removes, the record last."""
        return tuple(sorted((*self.created, *self.updated, *self.removed), key=lambda name: (name == RECORD, name)))

    @property
    def changes(self) -> bool:
        """Whether the folder is not what would be written."""
        return bool(self.touched or self.conflicts)


@dataclass(frozen=True, slots=True)
class FolderDiff:
    """What writing would do, and the unified diff of each file that it would touch or that is in conflict."""

    report: WriteReport
    texts: Mapping[str, str]


def digest(content: bytes) -> str:
    """SHA-256, as the record and ``sha256sum`` write it."""
    return hashlib.sha256(content).hexdigest()


def inside(folder: Path, name: str) -> Path:
    """The place of ``name``, which neither dots nor a symbolic link may lead out of the folder."""
    place = folder / name
    if not Path(os.path.realpath(place)).is_relative_to(folder):
        raise RenderError(f"{place} leads out of the folder")
    return place


def compare(
    files: Mapping[str, Writable],
    folder: Path,
    recorded: Mapping[str, str],
    carried: frozenset[str] = frozenset(),
) -> WriteReport:
    """Sort all files, rendered now or recorded, by what becomes of them.

    A file that is ``carried`` holds the user's changes, and replaces what is there.
    """
    ours = carried | {RECORD}
    kinds = {
        name: _kind(inside(folder, name), file, recorded.get(name), ours=name in ours) for name, file in files.items()
    }
    gone = {name: inside(folder, name) for name in recorded if name not in files}
    there = {name: place for name, place in gone.items() if os.path.lexists(place)}
    removed = tuple(name for name, place in there.items() if _digest_at(place) == recorded[name])
    by_kind = {kind: tuple(name for name, one in kinds.items() if one == kind) for kind in set(kinds.values())}
    return WriteReport(**by_kind, removed=removed, kept=tuple(name for name in there if name not in removed))


def _kind(place: Path, file: Writable, recorded: str | None, *, ours: bool) -> Kind:
    if not place.exists():
        return "created"
    if not place.is_file():
        raise RenderError(f"{place} is in the way: it is not a file")
    here, new = digest(place.read_bytes()), digest(file.text.encode())
    if here == new:
        return "unchanged"
    if here == recorded or ours:
        return "updated"
    return "edited" if new == recorded else "conflicts"


def _digest_at(place: Path) -> str | None:
    return digest(place.read_bytes()) if place.is_file() else None


def settled(report: WriteReport, *, force: bool, keep_edits: bool) -> WriteReport:
    """The report once the user has said whose version counts; with neither, conflicts stay."""
    if keep_edits:
        return replace(report, edited=(*report.edited, *report.conflicts), conflicts=())
    if force:
        return replace(report, updated=(*report.updated, *report.edited, *report.conflicts), edited=(), conflicts=())
    return report


def diff(files: Mapping[str, Writable], folder: Path, report: WriteReport) -> FolderDiff:
    """The report with the unified diff of every file that is not left as it is."""
    names = sorted((*report.created, *report.updated, *report.removed, *report.conflicts))
    return FolderDiff(report, {name: _unified(name, folder, files) for name in names})


def _unified(name: str, folder: Path, files: Mapping[str, Writable]) -> str:
    """A diff that ``patch -p1`` and ``git apply`` take."""
    place = folder / name
    old = place.read_bytes() if place.is_file() else None
    new = files[name].text if name in files else None
    try:
        before = "" if old is None else old.decode()
    except UnicodeDecodeError:
        return f"{name} is not text\n"
    labels = (f"a/{name}" if old is not None else os.devnull, f"b/{name}" if new is not None else os.devnull)
    return "".join(_whole(difflib.unified_diff(_lines(before), _lines(new or ""), *labels)))


def _lines(text: str) -> list[str]:
    """Lines as ``diff`` sees them, which only a line feed ends."""
    return _LINE.findall(text)


def _whole(lines: Iterable[str]) -> Iterator[str]:
    yield from (line if line.endswith("\n") else line + _NO_NEWLINE for line in lines)
