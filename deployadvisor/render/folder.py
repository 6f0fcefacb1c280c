"""Write a bundle into a folder: whole or not at all, and never over somebody's edits.

A new folder is built beside its place and moved there in one step. An existing one is updated by ``update.py``. What
was written is remembered in ``.deployadvisor.yaml``, by digest.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from deployadvisor.errors import DocumentError, RenderError
from deployadvisor.render import changes
from deployadvisor.render.changes import FolderDiff, Writable, WriteReport
from deployadvisor.render.record import RECORD, read_record
from deployadvisor.render.update import cut_short, locked, recover, stage, update


def write_folder(
    files: Mapping[str, Writable],
    folder: Path,
    *,
    force: bool = False,
    keep_edits: bool = False,
    carried: frozenset[str] = frozenset(),
) -> WriteReport:
    """Write ``files`` into ``folder``; raises RenderError and changes nothing when that would lose something.

    Where both the user and the new rendering changed a file, ``force`` takes the new one and ``keep_edits`` the
    user's. ``carried`` files hold the user's changes already.
    """
    folder = Path(os.path.realpath(folder))
    _refuse_unfit(folder)
    try:
        with locked(folder):
            recover(folder)
            report = _planned(files, folder, carried, force=force, keep_edits=keep_edits)
            _refuse_conflicts(report)
            _write(files, folder, report)
    except OSError as error:
        reason = error.strerror or str(error)
        state = "run it again to put the files back" if cut_short(folder) else "the previous state was kept"
        raise RenderError(f"cannot write {folder}: {reason}; {state}") from error
    return report


def diff_folder(
    files: Mapping[str, Writable],
    folder: Path,
    *,
    force: bool = False,
    keep_edits: bool = False,
    carried: frozenset[str] = frozenset(),
) -> FolderDiff:
    """What ``write_folder`` would do; touches nothing, and lists conflicts instead of refusing them."""
    folder = Path(os.path.realpath(folder))
    if folder.exists() and not folder.is_dir():
        raise RenderError(f"{folder} is a file, not a folder")
    if cut_short(folder):
        raise RenderError(f"an update of {folder} was cut short", remedy="render without --diff puts its files back")
    try:
        report = _planned(files, folder, carried, force=force, keep_edits=keep_edits)
        return changes.diff(files, folder, report)
    except OSError as error:
        raise RenderError(f"cannot read {folder}: {error.strerror or error}") from error


def _refuse_unfit(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RenderError(f"{folder} is a file, not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RenderError(f"{folder} is not writable")


def _planned(
    files: Mapping[str, Writable], folder: Path, carried: frozenset[str], *, force: bool, keep_edits: bool
) -> WriteReport:
    report = changes.compare(files, folder, _recorded(folder, force), carried)
    return changes.settled(report, force=force, keep_edits=keep_edits)


def _recorded(folder: Path, force: bool) -> Mapping[str, str]:
    """Digests of what was written last time; refuses folders that are not ours."""
    if not folder.exists():
        return {}
    if not (folder / RECORD).is_file():
        if any(folder.iterdir()) and not force:
            raise RenderError(
                f"{folder} is not empty and was not written by deployadvisor",
                remedy="choose another folder or use --force",
            )
        return {}
    try:
        return read_record(folder).files
    except (DocumentError, RenderError) as error:
        if force:
            return {}
        raise RenderError(
            f"{folder / RECORD} cannot be read", where=error.where, remedy="use --force to write the folder anew"
        ) from error


def _refuse_conflicts(report: WriteReport) -> None:
    if report.conflicts:
        raise RenderError(
            f"edited since they were written: {', '.join(sorted(report.conflicts))}",
            remedy="see --diff, then keep yours with --keep-edits or take the new ones with --force",
        )


def _write(files: Mapping[str, Writable], folder: Path, report: WriteReport) -> None:
    if not report.touched:
        return
    if not _can_be_put_whole(folder):
        update(files, folder, report)
        return
    with _parents(folder), _staging(folder.parent) as staging:
        for name, file in files.items():
            stage(staging / "new" / name, file)
        _put_whole(staging / "new", folder)


def _can_be_put_whole(folder: Path) -> bool:
    """A folder that holds nothing can be swapped in one step, unless it is a mount point or its parent is closed."""
    if not folder.exists():
        return True
    return not any(folder.iterdir()) and not folder.is_mount() and os.access(folder.parent, os.W_OK)


@contextmanager
def _parents(folder: Path) -> Iterator[None]:
    """The folders above, which go again when it is not made."""
    missing = [parent for parent in folder.parents if not parent.exists()]
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for parent in missing:
            with suppress(OSError):
                parent.rmdir()
        raise


@contextmanager
def _staging(parent: Path) -> Iterator[Path]:
    """A folder on the same file system as the place it is for, gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix=".deployadvisor-", dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _put_whole(new: Path, folder: Path) -> None:
    """An empty folder may be in the place; POSIX renames over it, Windows wants it gone."""
    existed = folder.exists() and os.name == "nt"
    if existed:
        folder.rmdir()
    try:
        new.rename(folder)
    except OSError:
        if existed:
            folder.mkdir()
        raise
