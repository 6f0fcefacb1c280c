"""The real tools accept what is rendered; each is one call over all bundles."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deployadvisor.catalog.providers import providers
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import available_targets, render
from tests.render.factory import ENGINES, hosted, served, tuned

pytestmark = [pytest.mark.slow, pytest.mark.tool]

ANSWERS: dict[str, Recommendation] = {
    **{engine: served(engine) for engine in ENGINES},
    **{f"tuned-{engine}": tuned(engine) for engine in ("vllm", "lmdeploy", "sglang", "transformers")},
    **{f"cpu-{engine}": served(engine, cards=0) for engine in ("ollama", "llama_cpp", "textgen")},
    **{f"amd-{engine}": served(engine, gpu="mi300x") for engine in ("vllm", "ollama", "llama_cpp", "textgen")},
    **{f"hosted-{provider}": hosted(provider, "deepseek") for provider in providers() if provider != "deepseek"},
    "mac": served("ollama", gpu="m3-max"),
    "local": served("vllm", model="/data/it's a $model"),
    "file": served("llama_cpp", model="/data/it's a $model.gguf"),
    "replicas": served("vllm", cards=4, tensor_parallel=2, replicas=2),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bundles")
    for name, advice in ANSWERS.items():
        for target in available_targets(advice):
            render(advice, [target]).write(root / name / target)
    for engine in ("vllm", "lmdeploy", "sglang", "transformers"):
        render(tuned(engine)).write(root / f"both-{engine}")
    return root


def tool(name: str) -> str:
    beside_python = Path(sys.executable).parent / name
    found = str(beside_python) if beside_python.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(*command: str | Path, **environment: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_files_meet_the_compose_schema(folders: Path) -> None:
    files = sorted(folders.rglob("compose*.yaml"))
    assert len(files) > 30
    run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", *files)


def test_shellcheck_finds_nothing(folders: Path) -> None:
    scripts = sorted(folders.rglob("*.sh"))
    assert len(scripts) > 30
    # SC2016 wonders whether a "$" in single quotes is meant: in a name of the user's it is.
    run(tool("shellcheck"), "--exclude", "SC2016", *scripts)


def test_python_files_compile(folders: Path, tmp_path: Path) -> None:
    files = sorted(folders.rglob("*.py"))
    assert len(files) > 20
    run(sys.executable, "-m", "py_compile", *files, PYTHONPYCACHEPREFIX=str(tmp_path))


def test_python_files_are_clean(folders: Path) -> None:
    rules = "E,F,I,UP,B"
    run(tool("ruff"), "check", "--isolated", "--select", rules, "--line-length", "120", folders)


def test_caddy_accepts_every_proxy(folders: Path) -> None:
    caddy = tool("caddy")
    different = {path.read_text(encoding="utf-8"): path for path in sorted(folders.rglob("Caddyfile"))}
    assert len(different) > 5
    for path in different.values():
        run(caddy, "validate", "--adapter", "caddyfile", "--config", path, API_KEY="x")


def test_yamllint_finds_no_duplicate_key(folders: Path) -> None:
    run(tool("yamllint"), "-s", "-d", "{rules: {key-duplicates: enable}}", *sorted(folders.rglob("*.yaml")))
