"""The command line: what it prints, where errors go, exit codes, and that nothing is written on an error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployadvisor.surfaces.cli import COMMANDS, main

PUBLIC = ("--hardware", "none", "--set", "data_sensitivity=public")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_verdict_comes_first(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "recommend", *PUBLIC)
    assert (code, err) == (0, "")
    lines = [line for line in out.splitlines() if line.strip()]
    assert lines[0].startswith("  Use a hosted API with OpenAI")
    assert "Why" in lines[1]
    assert "\x1b" not in out


def test_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "recommend", *PUBLIC, "--lang", "zh")
    assert code == 0
    assert "理由" in out
    assert "已排除" in out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (PUBLIC, 0),
        (("--hardware", "none", "--set", "data_sensitivity=confidential", "--set", "peak_concurrency=64"), 3),
        (("--hardware", "none", "--strict"), 4),
        (("--hardware", "none", "--set", "data_sensitivity=unknown"), 4),
    ],
)
def test_exit_codes(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int) -> None:
    assert run(capsys, "recommend", *arguments, "--json")[0] == code


def test_json_is_all_that_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, err = run(capsys, "recommend", *PUBLIC, "--json")
    assert json.loads(out)["route"] == "hosted_api"
    assert err == ""


def test_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "recommend", *PUBLIC, "--markdown", "--set", "name=<b>x</b> | [y](z)")
    assert code == 0
    assert out.startswith(r"# \<b\>x\</b\> \| \[y\](z): Use a hosted API")


BAD_INPUT = [
    (("recommend", "--set", "purpos=personal"), 'unknown key "purpos"; did you mean "purpose"?'),
    (("recommend", "--set", "requests_per_day=50 per day"), "requests_per_day"),
    (("recommend", "--set", "requests_per_day=-1"), "requests_per_day: -1 is not valid"),
    (("recommend", "--set", "vendor_contract=no"), "vendor_contract"),
    (("recommend", "--set", "purpose"), "is not key=value"),
    (("recommend", "missing.yaml"), "missing.yaml: error: cannot read the file"),
    (("recommend", "--hardware", "3x Banana 9000"), "Banana"),
    (("recommend", "--hardware", "none", "--set", "model=./empty"), "is not a folder"),
    (("recommend", "--rules", "nowhere", "--hardware", "none"), "no such rules folder"),
    (("recommend", "--hardware", "none", "--lang", "fr"), "'fr' is not one of 'en', 'zh'"),
    (("recomend",), 'did you mean "recommend"'),
    (("recommend", "--nonsense"), "--nonsense"),
    (("catalog", "banana"), "banana"),
    (("render", "missing.json", "--out", "x"), "missing.json"),
    (("estimate", "--model", "qwen3-8", "--hardware", "1x H100"), "did you mean"),
    (("estimate", "--model", "qwen3-8b", "--engine", "lmdeploy", "--hardware", "none"), "needs an accelerator"),
    (("rules", "show", "hosted-by-defalt"), 'did you mean "hosted-by-default"'),
]


@pytest.mark.parametrize(("arguments", "text"), BAD_INPUT, ids=[" ".join(row[0])[:60] for row in BAD_INPUT])
def test_bad_input_is_one_line_on_standard_error_and_exit_2(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert text in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())
    code, out, err = run(capsys, *arguments, "--json")
    assert code == 2
    assert text in json.loads(out)["error"]["message"] or text in out or "did_you_mean" in out


def test_a_profile_error_names_its_place(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "project.yaml"
    path.write_text("name: x\n\ndata_sensitivity: confidental\n")
    code, _, err = run(capsys, "recommend", str(path), "--out", str(tmp_path / "out"))
    assert code == 2
    assert err == (
        f'{path}:3:19: error: data_sensitivity: "confidental" is not one of public, internal, confidential, '
        'restricted, unknown; did you mean "confidential"?\n'
    )
    assert not (tmp_path / "out").exists()


def test_a_model_folder_without_config_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "recommend", "--hardware", "1x H100", "--set", f"model={tmp_path}")
    assert code == 2
    assert "has no config.json" in err


def test_a_folder_is_written_and_rendered_again_from_its_answer(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "deploy"
    assert run(capsys, "recommend", *PUBLIC, "--out", str(out))[0] == 0
    written = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {"README.md", "CHECKLIST.md", "advice.json", "smoke-test.sh", ".deployadvisor.yaml"} <= written
    again = tmp_path / "again"
    code, listed, _ = run(capsys, "render", str(out / "advice.json"), "--out", str(again))
    assert code == 0
    assert {line.removeprefix(f"{again}/") for line in listed.split()} == written
    assert (again / "compose.yaml").read_text() == (out / "compose.yaml").read_text()


def test_a_blocked_answer_writes_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ("--hardware", "none", "--set", "data_sensitivity=confidential", "--set", "peak_concurrency=64")
    code, out, _ = run(capsys, "recommend", *arguments, "--out", str(tmp_path / "deploy"))
    assert code == 3
    assert "Missing" in out
    assert not (tmp_path / "deploy").exists()


def test_foreign_and_unwritable_folders_are_left_alone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    code, _, err = run(capsys, "recommend", *PUBLIC, "--out", str(tmp_path))
    assert (code, [path.name for path in tmp_path.iterdir()]) == (2, ["notes.txt"])
    assert "notes.txt" in err or "not empty" in err


def test_checklist(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, _ = run(capsys, "checklist", *PUBLIC)
    assert code == 0
    assert out.startswith("# ")
    assert "- [ ]" in out
    path = tmp_path / "CHECKLIST.md"
    assert run(capsys, "checklist", *PUBLIC, "--out", str(path))[0] == 0
    assert path.read_text() == out
    assert run(capsys, "checklist", *PUBLIC, "--out", str(path))[0] == 2


@pytest.mark.parametrize(("target", "serves"), [(None, True), ("tune", False)])
def test_what_to_do_with_a_folder_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, target: str | None, serves: bool
) -> None:
    out = tmp_path / "my deploy"
    wanted = ("docs/examples/lab-lora.yaml", "--out", str(out), *(("--target", target) if target else ()))
    _, shown, _ = run(capsys, "recommend", *wanted)
    assert f"Next: read {out}/README.md" in shown
    assert (f"then  deployadvisor checklist --run '{out}/'\n" in shown) is serves
    assert (f"and {out}/CHECKLIST.md\n" in shown) is not serves


def test_probe_prints_and_saves(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "machine.yaml"
    code, out, _ = run(capsys, "probe", "--save", str(path))
    assert code == 0
    assert out.startswith("Host\n")
    assert f"Wrote {path}" in out
    assert json.loads(run(capsys, "probe", "--json")[1])["schema"] == "deployadvisor/machine@1"
    assert run(capsys, "recommend", "--hardware", str(path), "--set", "data_sensitivity=public")[0] == 0


def test_estimate_prints_a_ledger(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("estimate", "--model", "Qwen/Qwen3-8B", "--hardware", "1x RTX 4090", "--concurrency", "4")
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert "weights" in out
    assert "fits" in out
    body = json.loads(run(capsys, *arguments, "--json")[1])
    assert body["kv_bytes_per_token"] == 147_456
    assert body["weights_gib"] == pytest.approx(8_190_735_360 * 2 / 2**30)


@pytest.mark.parametrize("kind", ["models", "gpus", "instances", "engines", "providers", "regulations"])
def test_catalog_lists_and_filters(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    code, out, _ = run(capsys, "catalog", kind)
    assert code == 0
    entries = json.loads(run(capsys, "catalog", kind, "--json")[1])
    assert len(out.splitlines()) == len(entries) + 1
    assert all(entry["source"] and entry["checked_on"] for entry in entries)
    assert len(run(capsys, "catalog", kind, "no such thing")[1].splitlines()) == 1


@pytest.mark.parametrize("name", ["profile", "recommendation", "machine"])
def test_schemas_are_json_schema(capsys: pytest.CaptureFixture[str], name: str) -> None:
    import jsonschema

    body = json.loads(run(capsys, "schema", name)[1])
    jsonschema.Draft202012Validator.check_schema(body)


def test_rules_are_shown_and_tested(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "rules", "show", "hosted-by-default", "--lang", "zh")
    assert code == 0
    assert "hosted-by-default   rules/route.yaml:" in out
    code, out, _ = run(capsys, "rules", "test")
    assert code == 0
    assert out.endswith("0 failed\n")


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
def test_help_has_an_example(capsys: pytest.CaptureFixture[str], command: tuple[str, ...]) -> None:
    code, out, _ = run(capsys, *command, "--help")
    assert code == 0
    assert "Example" in out


def test_a_profile_may_come_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("data_sensitivity: public\nhardware: none\n"))
    assert run(capsys, "recommend", "-")[0] == 0
