"""Every command of a walk-through is run, in its order, with stand-ins for Docker, a cluster and the network."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "deploy"
STAND_INS = Path(__file__).parent / "walkthroughs"
STEP = re.compile(r"^```sh\n(?P<commands>.*?)^```", re.DOTALL | re.MULTILINE)
ENDS = re.compile(r"^(deployadvisor .+?) +# exit (\d)$", re.MULTILINE)
"""A command that does not end with 0."""
WRITTEN = re.compile(r"^\$ (deployadvisor .+)$", re.MULTILINE)

pytestmark = [pytest.mark.slow, pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")]


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """Variables of a machine whose Docker, kubectl and curl are ours; it has the examples and deployadvisor."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for script in STAND_INS.glob("[a-z]*.py"):
        (programs / script.stem).write_text(
            f"#!{sys.executable} -B\n{script.read_text(encoding='utf-8')}", encoding="utf-8"
        )
    (programs / "deployadvisor").write_text(
        f"#!{sys.executable} -B\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from deployadvisor.surfaces.cli import run\nrun()\n",
        encoding="utf-8",
    )
    for program in programs.iterdir():
        program.chmod(0o755)
    shutil.copytree(ROOT / "docs" / "examples", tmp_path / "home" / "docs" / "examples")
    return {
        "HOME": str(tmp_path / "home"),
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SERVICE": str(tmp_path / "service"),
        "CLUSTER": str(tmp_path / "cluster.json"),
    }


def walk(page: str, machine: dict[str, str]) -> str:
    """Everything that the page's commands print."""
    text = (PAGES / page).read_text(encoding="utf-8")
    text = ENDS.sub(r"\1 || test $? -eq \2", text)
    commands = "\n".join([*WRITTEN.findall(text)[:1], *(step["commands"] for step in STEP.finditer(text))])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=machine["HOME"],
        env=machine,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_compose(machine: dict[str, str]) -> None:
    printed = walk("compose.md", machine)
    assert printed.count("PASS  a chat is answered") == 3
    assert not Path(machine["SERVICE"]).exists()
    settings = (Path(machine["HOME"]) / "deploy" / ".env").read_text(encoding="utf-8")
    assert settings.count("\nAPI_KEY=") == 1
    assert re.search(r"[1-9]\d* updated", printed)


def test_kubernetes(machine: dict[str, str]) -> None:
    printed = walk("kubernetes.md", machine)
    assert printed.count("PASS  a chat is answered") == 2
    left = json.loads(Path(machine["CLUSTER"]).read_text(encoding="utf-8"))
    assert not left, list(left)
