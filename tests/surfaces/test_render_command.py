"""``render`` with a profile, with a saved answer, and with the folder itself; and ``--diff``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployadvisor import documents
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.artefacts import dump
from deployadvisor.surfaces.cli import main

Run = Callable[..., tuple[int, str, str]]
PRIVATE = ("--set", "data_sensitivity=confidential", "--set", "model=Qwen/Qwen3-8B", "--hardware", "1x H100")
RECORD = ".deployadvisor.yaml"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(one) for one in arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def folder(run: Run, tmp_path: Path) -> Path:
    folder = tmp_path / "deploy"
    assert run("recommend", *PRIVATE, "--out", folder, "--lang", "zh")[0] == 0
    return folder


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def record(folder: Path) -> dict[str, Any]:
    value: dict[str, Any] = documents.read(folder / RECORD).value
    return value


def rewrite(folder: Path, **changes: Any) -> None:
    (folder / RECORD).write_text(dump({**record(folder), **changes}, ".yaml"), encoding="utf-8")


def test_the_record_keeps_the_question(folder: Path) -> None:
    assert record(folder)["question"] == {
        "profile": {"data_sensitivity": "confidential", "model": "Qwen/Qwen3-8B"},
        "hardware": "1x H100",
        "lang": "zh",
        "strict": False,
        "targets": [],
    }


@pytest.mark.parametrize("arguments", [("{folder}",), ("--out", "{folder}")])
def test_a_folder_renders_itself_again_and_nothing_changes(
    run: Run, folder: Path, arguments: tuple[str, ...]
) -> None:
    words = [word.format(folder=folder) for word in arguments]
    before = snapshot(folder)
    summary = f"{folder}: 0 created, 0 updated, 0 removed, {len(before)} unchanged\n"
    assert run("render", *words, "--diff") == (0, summary, "")
    assert run("render", *words)[0] == 0
    assert snapshot(folder) == before


def test_a_changed_answer_shows_its_changes_and_then_makes_them(run: Run, folder: Path) -> None:
    before = snapshot(folder)
    asked = ("render", folder, "--set", "peak_concurrency=64")
    code, out, _ = run(*asked, "--diff")
    assert code == 1
    assert "--- a/compose.yaml\n+++ b/compose.yaml\n" in out
    assert out.endswith(f"{folder}: 0 created, 7 updated, 0 removed, {len(before) - 7} unchanged\n")
    assert "\x1b" not in out
    assert snapshot(folder) == before
    assert run(*asked)[0] == 0
    assert record(folder)["question"]["profile"]["peak_concurrency"] == 64
    assert run(*asked, "--diff")[0] == 0


def test_a_diff_as_json_lists_changes(run: Run, folder: Path) -> None:
    (folder / "smoke-test.sh").write_text("mine\n", encoding="utf-8")
    (folder / "compose.yaml").write_text("mine\n", encoding="utf-8")
    code, out, _ = run("render", folder, "--set", "peak_concurrency=64", "--diff", "--json")
    found = json.loads(out)
    assert code == 1
    assert found["changes"] is True
    numbers = [RECORD, "CHECKLIST.md", "README.md", "advice.json", "monitoring/alerts.yaml", "verify/load-test.json"]
    assert found["updated"] == numbers
    assert (found["conflicts"], found["edited"]) == (["compose.yaml"], ["smoke-test.sh"])
    assert set(found["diff"]) == {*found["updated"], "compose.yaml"}
    assert "-mine\n" in found["diff"]["compose.yaml"]


def test_a_conflict_writes_nothing_until_somebody_decides(run: Run, folder: Path) -> None:
    (folder / "compose.yaml").write_text("mine\n", encoding="utf-8")
    before = snapshot(folder)
    asked = ("render", folder, "--set", "peak_concurrency=64")
    code, out, err = run(*asked)
    assert (code, out) == (2, "")
    assert err == (
        "error: edited since they were written: compose.yaml; see --diff, then keep yours with --keep-edits or take "
        "the new ones with --force\n"
    )
    assert snapshot(folder) == before
    code, out, err = run(*asked, "--keep-edits")
    assert code == 0
    assert f"{folder}/README.md" in out.split()
    assert err == f"edited by you, kept: {folder}/compose.yaml\n"
    assert (folder / "compose.yaml").read_text(encoding="utf-8") == "mine\n"
    assert run(*asked, "--force")[0] == 0
    assert (folder / "compose.yaml").read_text(encoding="utf-8") != "mine\n"


def test_recommend_says_what_it_kept(run: Run, folder: Path) -> None:
    (folder / "smoke-test.sh").write_text("mine\n", encoding="utf-8")
    code, _, err = run("recommend", *PRIVATE, "--out", folder, "--lang", "zh")
    assert (code, err) == (0, f"edited by you, kept: {folder}/smoke-test.sh\n")


def test_a_terminal_gets_colour_but_no_escape_sequences_of_a_file(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "compose.yaml").write_text("\x1b]0;mine\x07\n", encoding="utf-8")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    _, out, _ = run("render", folder, "--set", "peak_concurrency=64", "--diff")
    assert "\x1b[31m-\N{REPLACEMENT CHARACTER}]0;mine\N{REPLACEMENT CHARACTER}\x1b[0m" in out


def test_named_targets_and_another_language(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "deploy"
    run("recommend", *PRIVATE, "--set", "customization=adapter", "--out", folder, "--target", "tune")
    assert record(folder)["question"]["targets"] == ["tune"]
    assert run("render", folder, "--diff")[0] == 0
    assert run("render", folder, "--lang", "zh")[0] == 0
    assert record(folder)["targets"] == ["tune"]
    assert Recommendation.model_validate_json((folder / "advice.json").read_text(encoding="utf-8")).lang == "zh"
    assert record(folder)["question"]["lang"] == "zh"


def test_a_machine_that_was_probed_is_the_same_anywhere(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "deploy"
    machine = Path(__file__).parents[2] / "docs" / "examples" / "machines"
    saved = min(machine.glob("*.yaml"))
    assert run("recommend", *PRIVATE[:-1], saved, "--out", folder)[0] == 0
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("deployadvisor.hardware.saved.read_machine", lambda _: pytest.fail("read again"))
    assert run("render", folder, "--diff")[:1] == (0,)
    (folder / "advice.json").unlink()
    code, _, err = run("render", folder, "--diff")
    assert code == 2
    assert "does not tell it any more; name it with --hardware" in err
    assert run("render", folder, "--diff", "--hardware", "1x H100")[0] == 1


def test_hardware_of_an_answer_counts(run: Run, folder: Path) -> None:
    assert run("render", folder, "--set", "hardware=2x H200")[0] == 0
    assert record(folder)["question"]["hardware"] == "2x H200"
    assert run("render", folder, "--diff")[0] == 0


def test_rules_of_ones_own_are_not_replaced_by_the_shipped_ones(run: Run, tmp_path: Path) -> None:
    rules = Path(__file__).parents[2] / "rules"
    overlay = min((rules.parent / "docs" / "examples" / "overlays").glob("*.yaml"))
    folder = tmp_path / "own"
    assert run("recommend", *PRIVATE, "--rules", rules, "--out", folder)[0] == 0
    code, _, err = run("render", folder, "--diff")
    assert code == 2
    assert "decided by rules of your own; name their folder with --rules" in err
    assert run("render", folder, "--diff", "--rules", rules)[0] == 0
    folder = tmp_path / "laid-over"
    assert run("recommend", *PRIVATE, "--overlay", overlay, "--out", folder)[0] == 0
    code, _, err = run("render", folder, "--diff")
    assert code == 2
    assert "decided with overlays: " in err
    assert run("render", folder, "--diff", "--overlay", overlay)[0] == 0


def test_a_record_of_the_first_version_names_the_way(run: Run, folder: Path) -> None:
    old = record(folder)
    del old["question"]
    (folder / RECORD).write_text(dump(old, ".yaml"), encoding="utf-8")
    code, _, err = run("render", folder)
    assert code == 2
    assert f"holds no answers: deployadvisor {old['deployadvisor']} kept none" in err
    assert run("render", folder / "advice.json", "--out", folder)[0] == 0
    assert "question" in record(folder)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"question": {"profile": {}}}, "question.hardware: field required"),
        ({"schema": "deployadvisor/folder@2"}, "schema: input should be 'deployadvisor/folder@1'"),
        ({"surplus": 1}, "surplus: extra inputs are not permitted"),
    ],
)
def test_a_wrong_record_names_the_place(run: Run, folder: Path, changes: dict[str, Any], text: str) -> None:
    rewrite(folder, **changes)
    code, _, err = run("render", folder)
    assert code == 2
    assert err.startswith(f"{folder / RECORD}:")
    assert text in err


def test_a_wrong_answer_in_the_record_is_refused(run: Run, folder: Path) -> None:
    question = record(folder)["question"]
    rewrite(folder, question={**question, "profile": {"purpos": "personal"}})
    code, _, err = run("render", folder)
    assert code == 2
    assert 'unknown key "purpos"; did you mean "purpose"?' in err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("render",), "name a profile, a saved answer or a folder"),
        (("render", "profile.yaml"), "missing option '--out'"),
        (("render", "."), "was not written by deployadvisor: it has no .deployadvisor.yaml"),
        (("render", "--out", "nowhere"), "nowhere: error: cannot read the file"),
    ],
)
def test_what_is_missing_is_said(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("profile.yaml").write_text("data_sensitivity: public\n", encoding="utf-8")
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert text in err
    assert [path.name for path in tmp_path.iterdir()] == ["profile.yaml"]


@pytest.mark.parametrize(
    "option", [("--set", "purpose=personal"), ("--hardware", "none"), ("--lang", "zh"), ("--rules", "rules")]
)
def test_a_saved_answer_takes_no_other_question(run: Run, folder: Path, option: tuple[str, str]) -> None:
    code, _, err = run("render", folder / "advice.json", "--out", folder, *option)
    assert code == 2
    assert f"a saved answer has been decided; {option[0]} goes with a profile or a folder" in err


def test_no_secret_is_read_or_recorded(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    (folder / ".env").write_text("API_KEY=very-secret\n", encoding="utf-8")
    code, out, _ = run("render", folder, "--set", "peak_concurrency=64", "--diff")
    assert code == 1
    run("render", folder, "--set", "peak_concurrency=64")
    assert (folder / ".env").read_text(encoding="utf-8") == "API_KEY=very-secret\n"
    assert "very-secret" not in out
    assert not any(
        b"very-secret" in text or b"hf_secret" in text for name, text in snapshot(folder).items() if name != ".env"
    )
