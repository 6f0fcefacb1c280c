"""``deployadvisor checklist --run``: a folder gains results and loses nothing that people wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deployadvisor.checklist.results import read_preflight
from deployadvisor.hardware.recording import RecordedSystem, Recording
from deployadvisor.render.preflight import requirements
from deployadvisor.surfaces.cli import main
from tests.render.factory import hosted, served, tuned

GIB = 2**30
SMI = "nvidia-smi --query-gpu=driver_version --format=csv,noheader"
CARD = {
    "nvmlDeviceGetName": "NVIDIA H100 80GB HBM3",
    "nvmlDeviceGetMemoryInfo": {"total": 80 * GIB, "free": 79 * GIB, "used": 0},
}
LS = "-rw------- 1 a a 9 Nov 28 .env"


def images() -> tuple[str, ...]:
    """Images that the files start."""
    needs = requirements(served("vllm"), ["compose"])
    assert needs is not None
    return needs.images


def ready(folder: Path) -> dict[str, Any]:
    """A machine on which everything passes for the folder."""
    run = {
        f"ls -ld -- {folder}/.env": LS,
        "docker version --format {{.Server.Version}}": "28.1.0\n",
        "docker compose version --short": "2.33.1\n",
        "docker info --format {{json .Runtimes}}": '{"nvidia":{}}',
        SMI: "580.95.05\n",
        "timedatectl show --property=NTPSynchronized --value": "yes\n",
        **{f"docker image inspect --format {{{{.Id}}}} {name}": "sha256:1" for name in images()},
    }
    return {
        "about": "t",
        "basis": "made up",
        "system": {"platform": ("Linux", "x86_64"), "disk_free_bytes": 900 * GIB},
        "commands": {line: {"out": answer} for line, answer in run.items()},
        "nvml": {"devices": [CARD, CARD]},
        "reached": ["registry-1.docker.io:443", "huggingface.co:443"],
        "files": {f"{folder}/.env": "API_KEY=0123456789abcdef\n"},
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "deploy"
    served("vllm").write(place, targets=["compose"])
    return place


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, folder: Path) -> dict[str, Any]:
    """The machine that the command looks at; a test may change it."""
    answers = ready(folder)
    made = lambda: RecordedSystem(Recording.model_validate(answers))  # noqa: E731 - read at each run
    monkeypatch.setattr("deployadvisor.checklist.preflight.LocalSystem", made)
    return answers


def test_a_machine_that_is_ready_ticks_its_items(
    folder: Path, machine: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["checklist", "--run", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "passed          NVIDIA driver             driver 580.95.05; 580 or newer is needed\n" in shown
    assert shown.endswith("13 passed, 0 failed, 0 unknown, 1 not applicable\n")
    assert "\x1b" not in shown
    text = (folder / "CHECKLIST.md").read_text(encoding="utf-8")
    for item in ("software-fits", "cards-are-free", "weights-have-room", "ports-are-free", "settings-are-filled-in"):
        assert "- [x] " in next(line for line in text.splitlines() if f"<!-- {item} -->" in line)
    assert "0123456789abcdef" not in text + (folder / "preflight.json").read_text(encoding="utf-8")


def test_a_failure_is_named_with_what_to_do_and_exit_code_1(
    folder: Path, machine: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    machine["files"] = {f"{folder}/.env": "API_KEY=\n"}
    assert main(["checklist", "--run", str(folder)]) == 1
    shown = capsys.readouterr().out
    assert ".env does not fill in API_KEY\n" in shown
    assert "→ fill them in; .env.example says what belongs there\n" in shown


def test_json_is_the_file(folder: Path, machine: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["checklist", "--run", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((folder / "preflight.json").read_text(encoding="utf-8"))


def sign(folder: Path, item: str, remark: str) -> None:
    path = folder / "CHECKLIST.md"
    lines = path.read_text(encoding="utf-8").splitlines()
    at = next(number for number, line in enumerate(lines) if f"<!-- {item} -->" in line)
    lines[at] = f"{lines[at].replace('[ ]', '[x]')} {remark}"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_sign_offs_outlive_every_run_and_every_rendering(folder: Path, machine: dict[str, Any]) -> None:
    sign(folder, "problem-is-measurable", "— Jane Roe, 2026-11-30")
    sign(folder, "software-fits", "— Max, 2026-12-01")
    machine["commands"].pop(SMI)
    for arguments in (
        ["checklist", "--run", str(folder)],
        ["checklist", "--run", str(folder), "--offline"],
        ["render", str(folder / "advice.json"), "--out", str(folder), "--target", "compose"],
        ["checklist", "--run", str(folder)],
    ):
        main(arguments)
        text = (folder / "CHECKLIST.md").read_text(encoding="utf-8")
        assert "<!-- problem-is-measurable --> — Jane Roe, 2026-11-30\n" in text
        assert "<!-- software-fits --> — Max, 2026-12-01\n" in text
        assert "  - Conflict: it was ticked by hand, and the preflight says otherwise.\n" in text


def test_the_checklist_and_the_results_are_never_in_conflict(folder: Path, machine: dict[str, Any]) -> None:
    sign(folder, "problem-is-measurable", "— Jane Roe")
    assert main(["checklist", "--run", str(folder)]) == 0
    again = served("vllm", max_model_len=4096)
    found = again.bundle(["compose"]).diff(folder)
    assert found.report.conflicts == ()
    assert "CHECKLIST.md" in found.report.updated
    again.bundle(["compose"]).write(folder)
    text = (folder / "CHECKLIST.md").read_text(encoding="utf-8")
    assert "— Jane Roe\n" in text
    assert (folder / "preflight.json").is_file()
    assert again.bundle(["compose"]).diff(folder).report.changes is False


def test_results_for_other_files_prove_nothing(folder: Path, machine: dict[str, Any]) -> None:
    assert main(["checklist", "--run", str(folder)]) == 0
    served("vllm", cards=1).write(folder, targets=["compose"])
    text = (folder / "CHECKLIST.md").read_text(encoding="utf-8")
    assert "A preflight was run for an earlier version of these files; run it again.\n" in text
    assert "- [ ] What the files need is installed" in text


def test_a_folder_without_run_prints_what_stands_there(
    folder: Path, machine: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["checklist", "--run", str(folder)]) == 0
    sign(folder, "problem-is-measurable", "— Jane Roe")
    capsys.readouterr()
    assert main(["checklist", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "<!-- problem-is-measurable --> — Jane Roe\n" in printed
    assert "- [x] What the files need is installed" in printed
    stored = (folder / "CHECKLIST.md").read_text(encoding="utf-8")
    # the count of ticks follows the signature
    assert printed.splitlines()[4:] == stored.splitlines()[4:]


def test_a_profile_can_be_checked_without_a_folder(
    tmp_path: Path, machine: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "LIST.md"
    arguments = ["--set", "data_sensitivity=public", "--hardware", "none", "--run", "--out", str(out)]
    assert main(["checklist", *arguments]) == 1
    assert "Settings" in capsys.readouterr().out
    assert "Preflight of " in out.read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "content", "message"), [
    ("preflight.json", b"{", "preflight.json"),
    ("preflight.json", b'{"schema": "deployadvisor/preflight@9"}', "run the preflight again"),
    ("preflight.json", b"[]", "run the preflight again"),
    ("CHECKLIST.md", b"\xff\xfe", "it is not UTF-8 text"),
    (".deployadvisor.yaml", b"files: 3", "field required"),
    ("advice.json", b"{}", "advice.json"),
])  # fmt: skip
@pytest.mark.parametrize("run", [True, False])
def test_what_cannot_be_read_is_an_error_and_nothing_is_lost(
    folder: Path,
    machine: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    name: str,
    content: bytes,
    message: str,
    run: bool,
) -> None:
    (folder / name).write_bytes(content)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert main(["checklist", str(folder), *(["--run"] if run else [])]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert told.out == ""
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_folder_of_somebody_else_and_no_folder_are_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["checklist", "--run", str(tmp_path)]) == 2
    assert "was not written by deployadvisor" in capsys.readouterr().err
    assert main(["checklist", "--run", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_answers_do_not_go_with_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["checklist", str(folder), "--set", "purpose=production"]) == 2
    assert "a folder holds its answers" in capsys.readouterr().err
    assert main(["checklist", str(folder), "--offline"]) == 2
    assert "--offline goes with --run" in capsys.readouterr().err


def test_a_bundle_that_starts_nothing_has_nothing_to_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tuned("vllm").write(tmp_path / "deploy", targets=["tune"])
    assert main(["checklist", "--run", str(tmp_path / "deploy")]) == 2
    assert "start nothing" in capsys.readouterr().err


def test_a_full_disk_leaves_the_old_files(
    folder: Path, machine: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["checklist", "--run", str(folder)]) == 0
    before = read_preflight(folder)

    def full(self: Path, content: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(["checklist", "--run", str(folder)]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert read_preflight(folder) == before
    assert not list(folder.glob(".*.json.*"))


def test_the_gateway_is_checked_for_its_providers(
    tmp_path: Path, machine: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    hosted("openai", "deepseek").write(tmp_path / "hosted")
    assert main(["checklist", "--run", str(tmp_path / "hosted")]) == 1
    shown = capsys.readouterr().out
    assert "OPENAI_API_KEY, DEEPSEEK_API_KEY" in shown
    assert "api.openai.com" in shown
