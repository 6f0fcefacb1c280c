"""Replace files of a folder all together or not at all, even when the program is killed on the way.

Everything that needs space happens first, in a folder beside the files: new files, hard links to the old ones, and
at last a journal. From then on files are only renamed and removed, which the journal can undo: at once when a step
fails, or at the next run when this one was killed. The new state holds as soon as the journal is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deployadvisor.errors import RenderError
from deployadvisor.render.changes import Writable, WriteReport, digest, inside

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows has no such locks
    fcntl = None  # type: ignore[assignment] # a module elsewhere; None says that nothing can be locked

STAGING = ".deployadvisor-update"
"""Folder, inside the one that is updated, for the time of the update."""

_JOURNAL = "journal.json"


@dataclass(frozen=True, slots=True)
class _Journal:
    new: Mapping[str, str]
    """Digests of the files that are put in place."""
    old: tuple[str, ...]
    """Files that are replaced or removed, each with a backup."""
    folders: tuple[str, ...]
    """Folders that are made, the outer ones first."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other updates of the folder out; the lock ends with the process, however that ends."""
    if fcntl is None or not folder.is_dir():
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise RenderError(f"{folder} is being written by another deployadvisor", remedy="try again") from None
    except OSError:
        # File systems without locks exist; they are written without one.
        return


def cut_short(folder: Path) -> bool:
    """Whether an earlier update was killed, and its files still have to be put back."""
    return (folder / STAGING / _JOURNAL).is_file()


def recover(folder: Path) -> None:
    """Undo what an update that was killed has left behind."""
    if cut_short(folder):
        _roll_back(folder)
    elif (folder / STAGING).is_dir():
        shutil.rmtree(folder / STAGING)


def update(files: Mapping[str, Writable], folder: Path, report: WriteReport) -> None:
    """Make, replace and remove the files that ``report`` names; OSError leaves the folder as it was."""
    staging = folder / STAGING
    try:
        staging.mkdir()
        journal = _prepare(files, folder, report)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    try:
        _apply(journal, folder, report)
        (staging / _JOURNAL).unlink()
    except BaseException:
        _roll_back(folder)
        raise
    shutil.rmtree(staging, ignore_errors=True)
    _prune(folder, report.removed)


def _prepare(files: Mapping[str, Writable], folder: Path, report: WriteReport) -> _Journal:
    staging = folder / STAGING
    new = [name for name in report.touched if name in files]
    old = [name for name in report.touched if os.path.lexists(folder / name)]
    for name in new:
        stage(staging / "new" / name, files[name])
    for name in old:
        _back_up(folder / name, staging / "old" / name)
    journal = _Journal(
        {name: digest(files[name].text.encode()) for name in new}, tuple(old), _missing_folders(folder, new)
    )
    _write_journal(staging, journal)
    return journal


def stage(path: Path, file: Writable) -> None:
    """Write one file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.text.encode())
    path.chmod(0o755 if file.executable else 0o644)


def _back_up(place: Path, backup: Path) -> None:
    """A hard link costs no space and keeps the very file; some file systems have none."""
    backup.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(place, backup, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(place, backup, follow_symlinks=False)


def _missing_folders(folder: Path, names: list[str]) -> tuple[str, ...]:
    parents = {parent for name in names for parent in (folder / name).parents if parent.is_relative_to(folder)}
    missing = [parent.relative_to(folder).as_posix() for parent in parents if not parent.exists()]
    return tuple(sorted(missing, key=lambda name: (name.count("/"), name)))


def _write_journal(staging: Path, journal: _Journal) -> None:
    draft = staging / f"{_JOURNAL}.new"
    content = {"new": dict(journal.new), "old": list(journal.old), "folders": list(journal.folders)}
    draft.write_bytes(json.dumps(content).encode())
    draft.replace(staging / _JOURNAL)


def _read_journal(folder: Path) -> _Journal:
    """The journal, whose names must not lead out of the folder: it may have come with the folder from elsewhere."""
    path = folder / STAGING / _JOURNAL
    try:
        content = json.loads(path.read_bytes())
        journal = _Journal(dict(content["new"]), tuple(content["old"]), tuple(content["folders"]))
        for name in (*journal.new, *journal.old, *journal.folders):
            inside(folder, name)
    except (ValueError, TypeError, KeyError) as error:
        raise RenderError(f"{path} cannot be read", remedy=f"look into {path.parent}, and remove it") from error
    return journal


def _apply(journal: _Journal, folder: Path, report: WriteReport) -> None:
    for name in journal.folders:
        (folder / name).mkdir()
    for name in report.touched:
        if name in journal.new:
            (folder / STAGING / "new" / name).replace(folder / name)
        else:
            (folder / name).unlink()


def _roll_back(folder: Path) -> None:
    """Put the old files back, except where somebody has edited the new ones since; may be done twice."""
    journal = _read_journal(folder)
    for name in reversed(journal.old):
        place, backup = folder / name, folder / STAGING / "old" / name
        if os.path.lexists(backup) and _is_ours(place, journal.new.get(name)):
            backup.replace(place)
    for name in journal.new:
        place = folder / name
        if name not in journal.old and os.path.lexists(place) and _is_ours(place, journal.new[name]):
            place.unlink()
    for name in reversed(journal.folders):
        with contextlib.suppress(OSError):
            (folder / name).rmdir()
    (folder / STAGING / _JOURNAL).unlink()
    shutil.rmtree(folder / STAGING, ignore_errors=True)


def _is_ours(place: Path, new: str | None) -> bool:
    """Whether the update has been here and nobody after it."""
    if not os.path.lexists(place):
        return True
    return new is not None and place.is_file() and digest(place.read_bytes()) == new


def _prune(folder: Path, removed: tuple[str, ...]) -> None:
    """Take away the folders that removed files leave empty."""
    for name in removed:
        for parent in (folder / name).parents:
            if parent == folder:
                break
            with contextlib.suppress(OSError):
                parent.rmdir()
