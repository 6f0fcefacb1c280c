"""A bundle is written whole or not at all, and never over somebody's edits."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor import documents
from deployadvisor.errors import RenderError
from deployadvisor.render.artefacts import dump
from deployadvisor.render.bundle import Bundle, RenderedFile, render
from deployadvisor.render.changes import WriteReport, compare, digest
from deployadvisor.render.record import RECORD
from tests.render.factory import hosted, served

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
    assert {"load-test.sh", "preflight.sh", "smoke-test.sh"} <= runnable
    assert runnable == {path for path in first if path.endswith(".sh")}


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


def test_files_that_are_no_longer_made_are_removed(first: Bundle, folder: Path) -> None:
    render(served("transformers")).write(folder)
    report = first.write(folder)
    assert report.removed == ("engine/Dockerfile",)
    assert snapshot(folder) == expected(first)


def test_a_folder_that_removed_files_leave_empty_goes_too(folder: Path) -> None:
    render(served("vllm")).write(folder)
    hosted_bundle = render(hosted("openai"))
    report = hosted_bundle.write(folder)
    assert "engine/fetch.py" in report.removed
    assert not (folder / "engine").exists()
    assert snapshot(folder) == expected(hosted_bundle)


def test_an_edited_file_that_is_no_longer_made_is_kept_and_named(first: Bundle, folder: Path) -> None:
    render(served("transformers")).write(folder)
    (folder / "engine" / "Dockerfile").write_text("mine\n", encoding="utf-8")
    report = first.write(folder, force=True)
    assert (report.kept, report.removed) == (("engine/Dockerfile",), ())
    assert snapshot(folder) == {**expected(first), "engine/Dockerfile": b"mine\n"}
    assert first.write(folder).kept == (), "from now on it is a file of the user's like any other"


def test_an_edit_alone_is_kept_and_the_rest_updated(first: Bundle, second: Bundle, folder: Path) -> None:
    first.write(folder)
    (folder / "smoke-test.sh").write_text("mine\n", encoding="utf-8")
    report = second.write(folder)
    assert report.edited == ("smoke-test.sh",)
    assert "compose.yaml" in report.updated
    assert snapshot(folder) == {**expected(second), "smoke-test.sh": b"mine\n"}


def test_force_takes_back_an_edit_that_is_no_conflict(first: Bundle, folder: Path) -> None:
    first.write(folder)
    (folder / "compose.yaml").write_text("mine\n", encoding="utf-8")
    assert first.write(folder, force=True).updated == ("compose.yaml",)
    assert snapshot(folder) == expected(first)


def test_a_kept_conflict_is_an_edit_from_then_on(first: Bundle, second: Bundle, folder: Path) -> None:
    first.write(folder)
    (folder / "compose.yaml").write_text("mine\n", encoding="utf-8")
    report = second.write(folder, keep_edits=True)
    assert (report.edited, report.conflicts) == (("compose.yaml",), ())
    assert snapshot(folder) == {**expected(second), "compose.yaml": b"mine\n"}
    assert second.write(folder).edited == ("compose.yaml",)


@pytest.mark.parametrize("name", ["../outside.txt", "/outside.txt"])
def test_a_record_cannot_name_files_outside(first: Bundle, folder: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("mine", encoding="utf-8")
    first.write(folder)
    name = name.replace("/outside", str(outside.parent / "outside")) if name.startswith("/") else name
    record = documents.read(folder / RECORD).value
    record["files"][name] = digest(b"mine")
    (folder / RECORD).write_text(dump(record, ".yaml"), encoding="utf-8")
    with pytest.raises(RenderError, match="leads out of the folder"):
        first.write(folder)
    assert outside.read_text(encoding="utf-8") == "mine"


def test_a_diff_says_what_writing_would_do_and_touches_nothing(first: Bundle, second: Bundle, folder: Path) -> None:
    render(served("transformers")).write(folder)
    before = {path: path.stat().st_mtime_ns for path in folder.parent.rglob("*")}
    found = second.diff(folder)
    assert {path: path.stat().st_mtime_ns for path in folder.parent.rglob("*")} == before
    assert found.report == second.write(folder)
    assert set(found.texts) == set(found.report.touched)
    assert first.diff(folder.parent / "new").report.created == tuple(first)
    assert not (folder.parent / "new").exists()


def test_a_diff_of_nothing_is_empty(first: Bundle, folder: Path) -> None:
    first.write(folder)
    found = first.diff(folder)
    assert (found.report.changes, dict(found.texts)) == (False, {})


def test_a_diff_lists_conflicts_and_shows_them(first: Bundle, second: Bundle, folder: Path) -> None:
    first.write(folder)
    (folder / "compose.yaml").write_text("mine", encoding="utf-8")
    found = second.diff(folder)
    assert found.report.conflicts == ("compose.yaml",)
    assert found.report.changes
    head = "--- a/compose.yaml\n+++ b/compose.yaml\n"
    assert found.texts["compose.yaml"].startswith(head)
    assert "-mine\n\\ No newline at end of file\n" in found.texts["compose.yaml"]
    assert second.diff(folder, force=True).report.conflicts == ()


def test_a_diff_survives_files_that_are_no_text(first: Bundle, second: Bundle, folder: Path) -> None:
    first.write(folder)
    (folder / "compose.yaml").write_bytes(b"\xff\x00")
    assert second.diff(folder).texts["compose.yaml"] == "compose.yaml is not text\n"


@pytest.mark.skipif(shutil.which("patch") is None, reason="patch is not installed")
def test_patch_makes_of_the_old_folder_the_new_one(first: Bundle, folder: Path) -> None:
    render(served("transformers")).write(folder)
    text = "".join(first.diff(folder).texts.values())
    subprocess.run(["patch", "-p1", "-s", "-E"], cwd=folder, input=text.encode(), check=True)
    assert snapshot(folder) == expected(first)


def test_a_diff_of_a_foreign_folder_is_refused_as_writing_is(first: Bundle, folder: Path) -> None:
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(RenderError, match="not empty and was not written by deployadvisor"):
        first.diff(folder)
    assert "README.md" in first.diff(folder, force=True).report.created


FILES = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("123"))


@given(base=FILES, mine=FILES, new=FILES)
def test_three_versions_of_a_file_lose_nobodys_work(
    base: dict[str, str], mine: dict[str, str], new: dict[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, text in mine.items():
            (folder / path).write_text(text)
        files = {path: RenderedFile(text) for path, text in new.items()}
        recorded = {path: digest(text.encode()) for path, text in base.items()}
        report = compare(files, folder, recorded)
    for path in "abcd":
        b, m, n = base.get(path), mine.get(path), new.get(path)
        destroyed = path in (*report.updated, *report.removed)
        assert not destroyed or m == b, "only what we wrote ourselves is replaced or removed"
        assert (path in report.conflicts) == (n is not None and m is not None and len({b, m, n}) == 3)
        assert (path in report.edited) == (n is not None and m is not None and m != b and n == b)
        assert (path in report.created) == (n is not None and m is None)
        assert (path in report.unchanged) == (n is not None and m == n)
        assert (path in report.kept) == (n is None and b is not None and m not in (None, b))


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
    shutil.rmtree(folder / "proxy")
    (folder / "proxy").symlink_to(outside)
    with pytest.raises(RenderError, match="leads out of the folder"):
        first.write(folder, force=True)
    assert list(outside.iterdir()) == []
