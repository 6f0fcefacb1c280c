"""Write a bundle into a folder: all of it or nothing, and never over a file that somebody edited.

A new folder is filled beside its place and renamed into it. An existing one is updated file by file from a
staging folder on the same file system; when a step fails, the files already replaced are put back.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deployadvisor import documents
from deployadvisor.errors import DocumentError, RenderError

RECORD = ".deployadvisor.yaml"
"""File in the folder that remembers what was written, so that edits are noticed."""


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
    """What happened to each file, as paths in the folder. ``kept`` were written before and are no longer made."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """All files of the bundle, in order."""
        return tuple(sorted((*self.created, *self.updated, *self.unchanged)))


def digest(content: bytes) -> str:
    """SHA-256, as the record and ``sha256sum`` write it."""
    return hashlib.sha256(content).hexdigest()


def write_folder(files: Mapping[str, Writable], folder: Path, *, force: bool) -> WriteReport:
    """Write ``files`` into ``folder``; raises RenderError and changes nothing when that would lose something."""
    folder = Path(os.path.realpath(folder))
    recorded = _recorded(folder, force)
    report = _compare(files, folder, recorded)
    if not force:
        _refuse_edited(report, folder, recorded)
    try:
        _replace(files, folder, report)
    except OSError as error:
        reason = error.strerror or str(error)
        raise RenderError(f"cannot write {folder}: {reason}; the previous state was kept") from error
    return report


def _recorded(folder: Path, force: bool) -> Mapping[str, str]:
    """Digests of what was written last time; refuses folders that are not ours."""
    if not folder.exists():
        return {}
    if not folder.is_dir():
        raise RenderError(f"{folder} is a file, not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RenderError(f"{folder} is not writable")
    if not (folder / RECORD).is_file():
        if any(folder.iterdir()) and not force:
            raise RenderError(
                f"{folder} is not empty and was not written by deployadvisor",
                remedy="choose another folder or use --force",
            )
        return {}
    return _read_record(folder / RECORD, force)


def _read_record(path: Path, force: bool) -> Mapping[str, str]:
    try:
        value = documents.read(path).value
        return {str(name): str(sha) for name, sha in value["files"].items()}
    except (DocumentError, TypeError, KeyError, AttributeError) as error:
        if force:
            return {}
        raise RenderError(f"{path} cannot be read", remedy="use --force to write the folder anew") from error


def _compare(files: Mapping[str, Writable], folder: Path, recorded: Mapping[str, str]) -> WriteReport:
    created, updated, unchanged = [], [], []
    for name, file in files.items():
        place = _inside(folder, name)
        if not place.exists():
            created.append(name)
        elif not place.is_file():
            raise RenderError(f"{place} is in the way: it is not a file")
        elif place.read_bytes() == file.text.encode():
            unchanged.append(name)
        else:
            updated.append(name)
    kept = [name for name in recorded if name not in files and (folder / name).exists()]
    return WriteReport(tuple(created), tuple(updated), tuple(unchanged), tuple(kept))


def _inside(folder: Path, name: str) -> Path:
    """The place of ``name``, which no symbolic link may lead out of the folder."""
    place = folder / name
    if not Path(os.path.realpath(place)).is_relative_to(folder):
        raise RenderError(f"{place} leads out of the folder")
    return place


def _refuse_edited(report: WriteReport, folder: Path, recorded: Mapping[str, str]) -> None:
    edited = [
        name
        for name in report.updated
        if name != RECORD and digest((folder / name).read_bytes()) != recorded.get(name)
    ]
    if edited:
        raise RenderError(
            f"edited since they were written: {', '.join(sorted(edited))}",
            remedy="keep your copy elsewhere and use --force, or write to another folder",
        )


def _replace(files: Mapping[str, Writable], folder: Path, report: WriteReport) -> None:
    whole = _can_be_put_whole(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _staging(folder.parent if whole else folder) as staging:
        for name, file in files.items():
            _stage(staging / "new" / name, file)
        if whole:
            _put_whole(staging / "new", folder)
        else:
            _update(folder, staging, sorted((*report.created, *report.updated), key=lambda name: name == RECORD))


def _can_be_put_whole(folder: Path) -> bool:
    """A folder that holds nothing can be swapped in one step, unless it is a mount point or its parent is closed."""
    if not folder.exists():
        return True
    return not any(folder.iterdir()) and not folder.is_mount() and os.access(folder.parent, os.W_OK)


@contextmanager
def _staging(parent: Path) -> Iterator[Path]:
    """A folder on the same file system as the place it is for, gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix=".deployadvisor-", dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _stage(path: Path, file: Writable) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.text.encode())
    path.chmod(0o755 if file.executable else 0o644)


def _put_whole(new: Path, folder: Path) -> None:
    """An empty folder may be in the place; POSIX renames over it, Windows wants it gone."""
    existed = folder.exists()
    if existed:
        folder.rmdir()
    try:
        new.rename(folder)
    except OSError:
        if existed:
            folder.mkdir()
        raise


def _update(folder: Path, staging: Path, names: list[str]) -> None:
    """Replace one file after the other, the record last; undo all of it when one step fails."""
    undo: list[tuple[Path, Path | None]] = []
    made: list[Path] = []
    try:
        for name in names:
            place, backup = folder / name, staging / "old" / name
            made.extend(_make_parents(place, folder))
            had = place.exists()
            if had:
                backup.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(place, backup)
            undo.append((place, backup if had else None))
            (staging / "new" / name).replace(place)
    except BaseException:
        _undo(undo, made)
        raise


def _make_parents(place: Path, folder: Path) -> list[Path]:
    missing = [parent for parent in place.parents if parent.is_relative_to(folder) and not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir()
    return missing


def _undo(undo: list[tuple[Path, Path | None]], made: list[Path]) -> None:
    for place, backup in reversed(undo):
        if backup is None:
            place.unlink(missing_ok=True)
        else:
            shutil.copy2(backup, place)
    for folder in sorted(made, key=lambda path: len(path.parts), reverse=True):
        folder.rmdir()
