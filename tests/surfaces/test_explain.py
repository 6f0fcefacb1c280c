"""``deployadvisor explain``: what it prints, in which order, and what it refuses."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from deployadvisor import load_rules, recommend
from deployadvisor.surfaces.cli import main

VERSION = load_rules().version
PUBLIC = ("--hardware", "none", "--set", "data_sensitivity=public")
BUSY = ("--hardware", "none", "--set", "data_sensitivity=confidential", "--set", "peak_concurrency=64")
BLOCKED = (*BUSY, "--set", "ops_capacity=nobody")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(("explain", *arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def headings(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.startswith("  ") and not line.startswith("   ")]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "advice.json"
    path.write_text(recommend(data_sensitivity="public", hardware="none", lang="zh").to_json(), encoding="utf-8")
    return path


def test_without_a_question_it_answers_all(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *PUBLIC)
    assert (code, err) == (0, "")
    assert headings(out) == [
        f"Use a hosted API with OpenAI    decided · rules {VERSION}",
        "These facts decide it, whatever the others are",
        "by these rules",
        "Why OpenAI",
        "by these rules",
        "Why not another",
        "It would change",
        "It hinges on what nobody can simply change",
    ]
    assert "    data_sensitivity public       answered\n" in out
    assert "    data_region any               assumed: rules/vocabulary.yaml\n" in out
    assert "rules/route.yaml:" in out
    assert "    · data_sensitivity confidential → Run a small quantised model on the CPU\n" in out
    assert "\x1b" not in out
    assert max(len(line) for line in out.splitlines()) < 130


def test_rivals_are_told_by_what_they_have_in_common(capsys: pytest.CaptureFixture[str]) -> None:
    contract = ("--set", "regulations=pipl", "--set", "data_region=cn", "--set", "vendor_contract=dpa")
    _, out, _ = run(capsys, *BUSY, *contract, "--why")
    assert "    its_region no                 openai, azure_openai, anthropic and 7 more\n" in out
    assert "    its_training trains           deepseek\n" in out


def test_why_alone(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, *PUBLIC, "--why")
    assert headings(out)[1:] == [
        "These facts decide it, whatever the others are",
        "by these rules",
        "Why OpenAI",
        "by these rules",
    ]


def test_why_not_with_all_that_stands_against_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, *PUBLIC, "--why-not", "vLLM")
    assert code == 0
    assert headings(out)[1:] == ["Why not vLLM"]
    assert "    · missing: a server whose GPUs hold the model" in out
    assert "        LMDeploy: no accelerator here\n" in out
    _, out, _ = run(capsys, *PUBLIC, "--why-not", "managed_api")
    assert "    · fits less well (acceptable): A hosted provider can carry it.\n" in out
    assert '    · "Use a hosted API" fits better (good): ' in out
    _, out, _ = run(capsys, *PUBLIC, "--why-not", "vllm", "--why-not", "lmdeploy")
    assert "    vllm, lmdeploy" in out


def test_to_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, *PUBLIC, "--to", "managed_api")
    assert headings(out)[1:] == ["It hinges on what nobody can simply change"]
    assert "    · data_region cn → Use a hosted API in the region and under contract\n" in out
    _, out, _ = run(capsys, *PUBLIC, "--to", "lmdeploy")
    assert headings(out)[1:] == ["What would lead to lmdeploy"]
    assert "    · no change of what people can change leads there\n" in out


def test_nothing_left_shows_the_ways_out(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, *BLOCKED)
    assert code == 3
    assert headings(out)[1:] == [
        "These facts decide it, whatever the others are",
        "Why not another",
        "Ways out",
        "It hinges on what nobody can simply change",
    ]
    assert "    · ops_capacity part_time, can_acquire_gpu rent → Rent or buy GPUs and serve privately\n" in out


def test_an_open_answer_says_what_is_possible(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--hardware", "none", "--strict")
    assert code == 4
    assert "Still possible   hosted_api · managed_api" in out
    assert "Nothing decides it yet" in out


def test_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, *BLOCKED, "--lang", "zh")
    assert headings(out)[1:] == [
        "以下事实足以决定，其余事实无论如何都不影响",
        "为何不选其他",
        "出路",
        "还取决于难以改变的事实",
    ]
    assert "    data_sensitivity confidential 已回答\n" in out


def test_json_has_the_documented_shape(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *PUBLIC, "--json", "--why-not", "vllm", "--to", "managed_api")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["schema"] == "deployadvisor/explanation@1"
    assert (found["route"], found["why"], found["to"]) == ("hosted_api", None, "managed_api")
    assert [against["name"] for against in found["why_not"]] == ["vllm"]
    assert found["why_not"][0]["objections"][0]["rule"] == "engine-needs-a-gpu-server"
    assert found["changes"][0]["change"] == {"data_region": "cn"}
    assert found["changes"][0]["actionable"] is False
    everything = json.loads(run(capsys, *PUBLIC, "--json")[1])
    assert {"fact", "candidate", "value", "basis", "source", "text"} == set(everything["why"]["facts"][0])
    assert everything["why"]["choice"]["provider"] == "openai"


def test_a_profile_may_come_from_a_file_or_standard_input(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "project.yaml"
    path.write_text("data_sensitivity: public\nhardware: none\n")
    expected = run(capsys, *PUBLIC)[1]
    assert run(capsys, str(path)) == (0, expected, "")
    monkeypatch.setattr("sys.stdin", io.StringIO(path.read_text()))
    assert run(capsys, "-") == (0, expected, "")


def test_a_saved_answer_is_explained_in_its_language(capsys: pytest.CaptureFixture[str], saved: Path) -> None:
    code, out, err = run(capsys, str(saved))
    assert (code, err) == (0, "")
    assert "为何选择 OpenAI" in out
    assert out == run(capsys, *PUBLIC, "--lang", "zh")[1]
    assert run(capsys, str(saved), "--lang", "en")[1] == run(capsys, *PUBLIC)[1]


def test_a_saved_answer_may_be_asked_otherwise(capsys: pytest.CaptureFixture[str], saved: Path) -> None:
    code, out, _ = run(capsys, str(saved), "--lang", "en", *BLOCKED[2:])
    assert code == 3
    assert "No route is left" in out
    assert run(capsys, str(saved), "--hardware", "8x H200", "--why-not", "hosted_api", "--set", "internet=no")[0] == 0


def test_other_rules_than_those_of_a_saved_answer_are_told_of(
    capsys: pytest.CaptureFixture[str], saved: Path
) -> None:
    stale = {**json.loads(saved.read_text(encoding="utf-8")), "ruleset": {"version": "0.1.0", "digest": "f" * 64}}
    saved.write_text(json.dumps({**stale, "route": "lab"}), encoding="utf-8")
    code, out, err = run(capsys, str(saved), "--lang", "en")
    assert (code, err) == (0, "")
    words = " ".join(out.split())
    assert f"Mind answered with rules 0.1.0 (ffffffffffff), explained with rules {VERSION} (" in words
    assert "; the answer would now be: Use a hosted API with OpenAI" in words
    assert json.loads(run(capsys, str(saved), "--json")[1])["difference"].startswith("回答所用规则为 0.1.0")


BAD_INPUT = [
    (("--why-not", "lmdeplo"), 'error: "lmdeplo" is not a route, engine or provider; did you mean "lmdeploy"?'),
    (("--to", "hosted_apj"), 'did you mean "hosted_api"?'),
    (("--why-not", "openai"), '"openai" was chosen'),
    (("--to", "\x1b[2J"), '"�[2J" is not a route'),
    (("--set", "purpos=personal"), 'unknown key "purpos"; did you mean "purpose"?'),
    (("--rules", "nowhere"), "no such rules folder"),
    (("--overlay", "nowhere.yaml"), "nowhere.yaml: error: cannot read the file"),
    (("nowhere.yaml",), "nowhere.yaml: error: cannot read the file"),
]


@pytest.mark.parametrize(("arguments", "text"), BAD_INPUT, ids=[" ".join(row[0])[:40] for row in BAD_INPUT])
def test_bad_input_is_one_line_on_standard_error(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], text: str
) -> None:
    code, out, err = run(capsys, *PUBLIC, *arguments)
    assert (code, out) == (2, "")
    assert text in err
    assert err.count("\n") == 1
    code, out, _ = run(capsys, *PUBLIC, *arguments, "--json")
    assert (code, set(json.loads(out))) == (2, {"error"})


def test_an_answer_that_is_none_names_its_place(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "advice.json"
    path.write_text('{"schema": "deployadvisor/recommendation@1"}')
    code, _, err = run(capsys, str(path))
    assert code == 2
    assert "error: not a saved answer" in err
