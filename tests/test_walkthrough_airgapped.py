"""The walk-through for a machine without internet is run: its commands, in its order, on two machines."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deployadvisor.surfaces.cli import main
from tests.render import pod_of_ours
from tests.render.stand_ins import FILES, install

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "deploy" / "airgapped.md"
STEP = re.compile(r"<!-- on: (?P<machine>\w+) -->\n```sh\n(?P<commands>.*?)^```", re.DOTALL | re.MULTILINE)

CURL = f"""\
#!{sys.executable} -IS
import pathlib, sys

words = sys.argv[1:]
if "--write-out" not in words:
    sys.exit(0)
header = pathlib.Path(words[words.index("--header") + 1].removeprefix("@")).read_text()
pathlib.Path(words[words.index("--output") + 1]).write_text('{{"choices": [{{"finish_reason": "stop"}}]}}')
print(401 if "wrong-key" in header else 200, end="")
"""
"""Answers as the running service would."""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")]


def run(commands: str, start: Path, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    given = dict(variables)
    path = f"{given.pop('programs')}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=start,
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(start), "PATH": path, **given},
    )


def steps_of_the_page() -> dict[str, str]:
    """Commands by the machine on which they run."""
    steps: dict[str, str] = {}
    for step in STEP.finditer(PAGE.read_text(encoding="utf-8")):
        steps[step["machine"]] = steps.get(step["machine"], "") + step["commands"]
    assert list(steps) == ["connected", "closed", "outside", "inside"]
    return steps


def write_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page renders."""
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "docs" / "examples")
    monkeypatch.chdir(tmp_path)
    written = re.findall(r"^\$ deployadvisor (render .+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert [main(line.split()) for line in written] == [0, 0]


def test_the_commands_of_the_page_bring_a_service_to_the_closed_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = steps_of_the_page()
    write_folders(tmp_path, monkeypatch)
    gathered = run(steps["connected"], tmp_path, install(tmp_path / "open"))
    assert gathered.returncode == 0, gathered.stdout + gathered.stderr
    there = {**install(tmp_path / "closed"), "OFFLINE": "1"}
    curl = Path(there["programs"]) / "curl"
    curl.write_text(CURL, encoding="utf-8")
    curl.chmod(0o755)
    served = run(steps["closed"], tmp_path / "disk", there)
    assert served.returncode == 0, served.stdout + served.stderr
    assert "PASS  a chat is answered" in served.stdout
    digest = re.findall(r"digest of the list, to compare.*: (\w{64})", gathered.stdout + served.stdout)
    assert len(digest) == 2
    assert digest[0] == digest[1]


def test_the_commands_of_the_page_bring_a_service_to_the_closed_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = steps_of_the_page()
    write_folders(tmp_path, monkeypatch)
    gathered = run(steps["outside"], tmp_path, install(tmp_path / "open"))
    assert gathered.returncode == 0, gathered.stdout + gathered.stderr
    there = {**install(tmp_path / "closed"), "OFFLINE": "1"}
    cluster = pod_of_ours.install(tmp_path / "cluster")
    programs = f"{there['programs']}:{cluster['programs']}"
    loaded = run(steps["inside"], tmp_path / "disk", {**there, **cluster, "programs": programs})
    assert loaded.returncode == 0, loaded.stdout + loaded.stderr
    volume = tmp_path / "cluster" / "volume" / "model"
    sent = {path.name: path.read_text() for path in volume.iterdir()}
    assert sent == {name: text for name, text in FILES.items() if "onnx" not in name}
    pushed = json.loads((tmp_path / "closed" / "registry.json").read_text())
    assert {name.partition("/")[0] for name in pushed if "/" in name} == {"registry.example:5000"}
    folder = tmp_path / "disk" / "works"
    component = (folder / "kubernetes" / "registry" / "kustomization.yaml").read_text(encoding="utf-8")
    assert "  - name: caddy\n    newName: registry.example:5000/caddy\n" in component

    again = run(steps["inside"].replace(" --push", ""), tmp_path / "disk", {**there, **cluster, "programs": programs})
    assert again.returncode == 0, again.stdout + again.stderr
    assert "comparing registry.example:5000/caddy" in again.stdout
    assert "the weights are there already" in again.stdout
