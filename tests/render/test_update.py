"""An update that fails or is killed at any step leaves the folder as it was."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployadvisor.errors import RenderError
from deployadvisor.render.bundle import Bundle, render
from deployadvisor.render.update import STAGING, cut_short, locked, recover
from tests.render.factory import hosted, served

MUTATING = ("mkdir", "rmdir", "unlink", "replace", "rename", "link", "chmod")
"""Calls of ``os`` that change the disk; ``pathlib``, ``shutil`` and ``tempfile`` use them too."""
MOST_STEPS = 200

Snapshot = dict[str, tuple[bytes, int]]


class Killed(BaseException):
    """Stands for SIGKILL: no handler does anything useful after it."""


class Disk:
    """The file system, which works ``allowed`` times and then fails: once, for ever, or as a killed process does."""

    def __init__(self, allowed: int, error: BaseException, *, lasting: bool) -> None:
        self.allowed, self.error, self.lasting = allowed, error, lasting
        self.failures = 0

    def wrap(self, real: Callable[..., object]) -> Callable[..., object]:
        """``real`` while the disk works."""

        def call(*args: object, **options: object) -> object:
            self.allowed -= 1
            if self.allowed < 0 and (self.lasting or not self.failures):
                self.failures += 1
                raise self.error
            return real(*args, **options)

        return call

    def mount(self, patch: pytest.MonkeyPatch, *, also_frees: bool) -> None:
        """Let everything that writes go through it; without ``also_frees`` only what needs space."""
        freeing = ("rmdir", "unlink", "replace", "rename")
        for name in MUTATING:
            if also_frees or name not in freeing:
                patch.setattr(os, name, self.wrap(getattr(os, name)))
        patch.setattr(Path, "write_bytes", self.wrap(Path.write_bytes))
        patch.setattr(shutil, "copy2", self.wrap(shutil.copy2))


def full() -> OSError:
    return OSError(28, "No space left on device")


def snapshot(folder: Path) -> Snapshot:
    return {
        path.relative_to(folder).as_posix(): (b"" if path.is_dir() else path.read_bytes(), path.stat().st_mode)
        for path in folder.rglob("*")
    }


@pytest.fixture(scope="module")
def old() -> Bundle:
    return render(served("transformers"))


@pytest.fixture(scope="module")
def new() -> Bundle:
    """Makes, replaces and removes files and folders of ``old``."""
    return render(hosted("openai"))


@pytest.fixture
def folder(tmp_path: Path, old: Bundle) -> Path:
    folder = tmp_path / "deploy"
    old.write(folder)
    (folder / ".env").write_text("API_KEY=x\n", encoding="utf-8")
    return folder


def refusal(bundle: Bundle, folder: Path) -> str:
    """What writing says when it fails, or nothing."""
    try:
        bundle.write(folder)
    except RenderError as error:
        return str(error)
    return ""


def every_step() -> Iterator[int]:
    yield from range(MOST_STEPS)
    raise AssertionError("more steps than the test allows for")


@pytest.mark.parametrize("also_frees", [False, True], ids=["disk-full", "any-call-fails"])
def test_one_failure_at_any_step_restores_everything(
    old: Bundle, new: Bundle, folder: Path, monkeypatch: pytest.MonkeyPatch, also_frees: bool
) -> None:
    before = snapshot(folder)
    refused = 0
    for step in every_step():
        disk = Disk(step, full(), lasting=False)
        with monkeypatch.context() as patch:
            disk.mount(patch, also_frees=also_frees)
            said = refusal(new, folder)
        if said:
            refused += 1
            assert "No space left on device; the previous state was kept" in said
            assert snapshot(folder) == before, f"step {step}"
            continue
        assert new.diff(folder).report.changes is False, f"step {step} was done otherwise, or only tidying up"
        if not disk.failures:
            break
        recover(folder)
        old.write(folder)
        assert snapshot(folder) == before
    assert refused > len(new) * (2 if also_frees else 1)


def test_a_disk_that_stays_full_restores_everything(
    new: Bundle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(folder)
    for step in every_step():
        disk = Disk(step, full(), lasting=True)
        with monkeypatch.context() as patch:
            disk.mount(patch, also_frees=False)
            try:
                new.write(folder)
            except RenderError:
                pass
            else:
                break
        assert snapshot(folder) == before, f"step {step}"


def test_a_killed_update_is_undone_by_the_next_run(
    old: Bundle, new: Bundle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(folder)
    halfway = 0
    for step in every_step():
        disk = Disk(step, Killed(), lasting=True)
        with monkeypatch.context() as patch:
            disk.mount(patch, also_frees=True)
            with contextlib.suppress(Killed):
                new.write(folder)
            if not disk.failures:
                break
        if cut_short(folder):
            halfway += 1
            with pytest.raises(RenderError, match="was cut short; render without --diff"):
                new.diff(folder)
        recover(folder)
        after = snapshot(folder)
        if after != before:
            # The new state held already; only tidying up was left.
            assert new.diff(folder).report.changes is False
            break
        assert after == before, f"step {step}"
    touched = [path for path in new if path not in old or old[path].text != new[path].text]
    assert halfway > len(touched), "it was killed between all files"
    assert (folder / ".env").read_text(encoding="utf-8") == "API_KEY=x\n"


def test_an_interrupt_restores_too(new: Bundle, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(folder)
    for step in every_step():
        disk = Disk(step, KeyboardInterrupt(), lasting=False)
        with monkeypatch.context() as patch:
            disk.mount(patch, also_frees=True)
            with contextlib.suppress(KeyboardInterrupt):
                new.write(folder)
            if not disk.failures:
                break
        recover(folder)
        if snapshot(folder) != before:
            assert new.diff(folder).report.changes is False
            break


def cut(new: Bundle, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill an update in the middle of its files."""
    calls = 0
    real = os.replace

    def replace(*args: Any, **options: Any) -> None:
        nonlocal calls
        calls += 1
        if calls > 4:
            raise Killed
        real(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(Killed):
            new.write(folder)
    assert cut_short(folder)


def test_the_next_update_begins_where_the_killed_one_began(
    new: Bundle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(new, folder, monkeypatch)
    report = new.write(folder)
    assert not report.conflicts
    assert new.diff(folder).report.changes is False
    assert not (folder / STAGING).exists()


def test_putting_back_spares_what_was_edited_after_the_kill(
    new: Bundle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut(new, folder, monkeypatch)
    for name in new:
        if (folder / name).exists():
            (folder / name).write_text("mine\n", encoding="utf-8")
    recover(folder)
    assert all((folder / name).read_text(encoding="utf-8") == "mine\n" for name in new if (folder / name).exists())


@pytest.mark.parametrize(
    "journal",
    [
        "{",
        "[]",
        '{"new": {"../x": "0"}, "old": [], "folders": []}',
        '{"new": {}, "old": ["/x"], "folders": []}',
        '{"new": {}, "old": [1], "folders": []}',
        '{"new": 1, "old": [], "folders": []}',
    ],
)
def test_a_journal_from_elsewhere_is_not_believed(new: Bundle, folder: Path, journal: str) -> None:
    (folder / STAGING).mkdir()
    (folder / STAGING / "journal.json").write_text(journal, encoding="utf-8")
    before = snapshot(folder)
    with pytest.raises(RenderError, match=r"cannot be read|leads out"):
        new.write(folder)
    assert snapshot(folder) == before


def test_two_updates_at_a_time_are_refused(new: Bundle, folder: Path) -> None:
    pytest.importorskip("fcntl")
    before = snapshot(folder)
    with locked(folder), pytest.raises(RenderError, match="is being written by another deployadvisor"):
        new.write(folder)
    assert snapshot(folder) == before


def test_a_file_system_without_hard_links_is_copied_on(
    old: Bundle, new: Bundle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    before = snapshot(folder)
    monkeypatch.setattr(os, "link", refused)
    cut(new, folder, monkeypatch)
    recover(folder)
    assert snapshot(folder) == before


@pytest.mark.parametrize("exists", [False, True])
def test_a_new_folder_that_fails_leaves_nothing_behind(
    old: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    place = tmp_path / "above" / "deploy"
    if exists:
        place.mkdir(parents=True)
    before = snapshot(tmp_path)
    for step in every_step():
        disk = Disk(step, full(), lasting=False)
        with monkeypatch.context() as patch:
            disk.mount(patch, also_frees=True)
            with contextlib.suppress(RenderError):
                old.write(place)
            if not disk.failures or (place.exists() and any(place.iterdir())):
                break
        assert snapshot(tmp_path) == before, f"step {step}"
    assert old.diff(place).report.changes is False
