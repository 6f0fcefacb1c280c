"""A bundle is written whole or not at all, and never over somebody's edits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deployadvisor import documents
from deployadvisor.errors import RenderError
from deployadvisor.render.bundle import Bundle, render
from deployadvisor.render.folder import RECORD, WriteReport, digest
from tests.render.factory import served

Snapshot = dict[str, bytes]


@pytest.fixture(scope="module")
def first() -> Bundle:
    return render(served("vllm"))


@pytest.fixture(scope="module")
def second() -> Bundle:
    return render(served("vllm", max_model_len=4096, flags=("--max-model-len", "4096")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deploy"


def snapshot(folder: Path) -> Snapshot:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def expected(bundle: Bundle) -> Snapshot:
    return {path: file.text.encode() for path, file in bundle.items()}


def test_a_new_folder_holds_exactly_the_bundle(first: Bundle, folder: Path) -> None:
    report = first.write(folder / "below")
    assert snapshot(folder / "below") == expected(first)
    assert set(report.created) == set(first)
    assert report.paths == tuple(sorted(first))
    assert list(folder.iterdir()) == [folder / "below"]


def test_only_scripts_may_be_run(first: Bundle, folder: Path) -> None:
    first.write(folder)
    runnable = {path for path in first if (folder / path).stat().st_mode & 0o111}
    assert runnable == {"smoke-test.sh"}


def test_an_empty_folder_is_used(first: Bundle, folder: Path) -> None:
    folder.mkdir()
    first.write(folder)
    assert snapshot(folder) == expected(first)


def test_writing_again_changes_nothing(first: Bundle, folder: Path) -> None:
    first.write(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert first.write(folder) == WriteReport(unchanged=tuple(first))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path != folder} == {
        path: stamp for path, stamp in before.items() if path != folder
    }


def test_an_update_replaces_what_changed(first: Bundle, second: Bundle, folder: Path) -> None:
    first.write(folder)
    report = second.write(folder)
    assert snapshot(folder) == expected(second)
    assert "compose.yaml" in report.updated
    assert "smoke-test.sh" in report.unchanged


def test_the_record_names_versions_and_digests(first: Bundle, folder: Path) -> None:
    first.write(folder)
    record = documents.read(folder / RECORD).value
    assert record["schema"] == "deployadvisor/folder@1"
    assert record["targets"] == ["compose"]
    assert record["ruleset"] == {"version": "1.0.0", "digest": "0" * 64}
    assert record["files"] == {path: digest(text) for path, text in expected(first).items() if path != RECORD}


def test_an_edited_file_stops_the_whole_write(first: Bundle, second: Bundle, folder: Path) -> None:
    first.write(folder)
    (folder / "compose.yaml").write_text("mine\n", encoding="utf-8")
    before = snapshot(folder)
    with pytest.raises(RenderError, match=r"edited since they were written: compose\.yaml; .*--force"):
        second.write(folder)
    assert snapshot(folder) == before


def test_an_edit_that_the_update_also_makes_is_no_conflict(first: Bundle, second: Bundle, folder: Path) -> None:
    first.write(folder)
    (folder / "compose.yaml").write_text(second["compose.yaml"].text, encoding="utf-8")
    second.write(folder)
    assert snapshot(folder) == expected(second)


def test_force_overwrites_an_edited_file(first: Bundle, second: Bundle, folder: Path) -> None:
    first.write(folder)
    (folder / "compose.yaml").write_text("mine\n", encoding="utf-8")
    second.write(folder, force=True)
    assert snapshot(folder) == expected(second)


def test_a_deleted_file_comes_back(first: Bundle, folder: Path) -> None:
    first.write(folder)
    (folder / "compose.yaml").unlink()
    assert first.write(folder).created == ("compose.yaml",)


def test_files_of_the_user_stay(first: Bundle, second: Bundle, folder: Path) -> None:
    first.write(folder)
    (folder / ".env").write_text("API_KEY=x\n", encoding="utf-8")
    second.write(folder)
    assert (folder / ".env").read_text(encoding="utf-8") == "API_KEY=x\n"


def test_files_that_are_no_longer_made_are_named(first: Bundle, folder: Path) -> None:
    render(served("transformers")).write(folder)
    report = first.write(folder)
    assert report.kept == ("engine/Dockerfile",)
    assert (folder / "engine" / "Dockerfile").exists()


def test_a_foreign_folder_is_refused(first: Bundle, folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(RenderError, match="not empty and was not written by deployadvisor"):
        first.write(folder)
    assert snapshot(folder) == {"thesis.txt": b"years of work"}


def test_force_writes_beside_foreign_files(first: Bundle, folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work", encoding="utf-8")
    first.write(folder, force=True)
    assert snapshot(folder) == {**expected(first), "thesis.txt": b"years of work"}


def test_a_foreign_file_in_our_folder_is_not_overwritten(first: Bundle, folder: Path) -> None:
    render(served("transformers")).write(folder)
    record = folder / RECORD
    text = record.read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if not line.strip().startswith("compose.yaml:")]
    record.write_text("\n".join(kept) + "\n", encoding="utf-8")
    with pytest.raises(RenderError, match=r"edited .*compose\.yaml"):
        first.write(folder)


def test_a_broken_record_is_refused(first: Bundle, folder: Path) -> None:
    first.write(folder)
    (folder / RECORD).write_text("{", encoding="utf-8")
    with pytest.raises(RenderError, match="cannot be read"):
        first.write(folder)
    first.write(folder, force=True)
    assert snapshot(folder) == expected(first)


def test_a_file_in_the_place_of_the_folder_is_refused(first: Bundle, folder: Path) -> None:
    folder.write_text("x", encoding="utf-8")
    with pytest.raises(RenderError, match="is a file, not a folder"):
        first.write(folder)


def test_a_file_above_the_folder_is_refused(first: Bundle, folder: Path) -> None:
    folder.write_text("x", encoding="utf-8")
    with pytest.raises(RenderError, match="cannot write"):
        first.write(folder / "below")


def test_a_folder_in_the_place_of_a_file_is_refused(first: Bundle, folder: Path) -> None:
    first.write(folder)
    (folder / "compose.yaml").unlink()
    (folder / "compose.yaml").mkdir()
    with pytest.raises(RenderError, match="in the way"):
        first.write(folder, force=True)


def test_a_folder_without_write_permission_is_refused(
    first: Bundle, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(RenderError, match="is not writable"):
        first.write(folder)


def test_a_link_does_not_lead_out_of_the_folder(first: Bundle, folder: Path, tmp_path: Path) -> None:
    first.write(folder)
    outside = tmp_path / "outside"
    outside.mkdir()
    (folder / "proxy" / "Caddyfile").unlink()
    (folder / "proxy").rmdir()
    (folder / "proxy").symlink_to(outside)
    with pytest.raises(RenderError, match="leads out of the folder"):
        first.write(folder, force=True)
    assert list(outside.iterdir()) == []


def failing_after(allowed: int, real: Callable[..., object]) -> Callable[..., object]:
    """A file-system call that fails once it has worked ``allowed`` times."""
    calls = 0

    def call(*args: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls > allowed:
            raise OSError(28, "No space left on device")
        return real(*args, **options)

    return call


@pytest.mark.parametrize("allowed", range(4))
def test_an_update_that_fails_midway_restores_the_previous_state(
    first: Bundle, folder: Path, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    first.write(folder)
    before = snapshot(folder)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", failing_after(allowed, Path.replace))
        with pytest.raises(RenderError, match="No space left on device; the previous state was kept"):
            render(served("transformers")).write(folder)
    assert snapshot(folder) == before
    assert sorted(folder.iterdir()) == sorted(path for path in folder.iterdir() if not path.name.startswith(".dep-"))


@pytest.mark.parametrize("allowed", [0, 1, 5])
def test_staging_that_fails_leaves_nothing_behind(
    first: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, allowed: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", failing_after(allowed, Path.write_bytes))
        with pytest.raises(RenderError, match="No space left"):
            first.write(tmp_path / "deploy")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("exists", [False, True])
def test_a_failed_swap_leaves_the_place_as_it_was(
    first: Bundle, folder: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    if exists:
        folder.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", failing_after(0, Path.rename))
        with pytest.raises(RenderError):
            first.write(folder)
    assert folder.exists() is exists
    assert [path for path in folder.parent.iterdir() if path != folder] == []


def test_an_interrupt_restores_too(first: Bundle, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first.write(folder)
    before = snapshot(folder)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupted)
        with pytest.raises(KeyboardInterrupt):
            render(served("transformers")).write(folder)
    assert snapshot(folder) == before
