"""The pinned engines' own parsers take every command line that the answers to a thousand projects lead to.

`make parsers` installs the engines, without what they need to run; elsewhere the recorded lists of flags decide.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deployadvisor.catalog.engines import engines, known_flags
from deployadvisor.catalog.parsers import registries
from tests.parsers.commands import PARSED, Words, all_lines, commands

pytestmark = [pytest.mark.parsers, pytest.mark.tool]

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("PARSERS_PYTHON", ROOT / ".venv-parsers" / "bin" / "python"))
PROJECTS = 1000
WRONG: dict[str, tuple[Words, ...]] = {
    "transformers": (("m", "--continuous-batch"), ("m", "--max-model-len", "8192"), ("m", "--port", "many")),
    "lmdeploy": (("m", "--session-le", "8192"), ("m", "--quant-policy", "5"), ("m", "--tool-call-parser", "hermes")),
    "sglang": (("--model-path", "m", "--context-len", "8"), ("--model-path", "m", "--tool-call-parser", "llama4")),
    "vllm": (
        ("m", "--swap-space", "4"),
        ("m", "--enable-auto-tool-choice"),
        ("m", "--max-model-le", "8192"),
        ("m", "--reasoning-parser", "qwen"),
    ),
}
"""Abbreviations, flags of other versions and engines, and wrong values: what the parsers must refuse."""


def ask(engine: str, lines: list[Words], folder: Path, *more: str) -> dict[str, Any]:
    """What the engine's own parser says."""
    given, written = folder / f"{engine}.json", folder / f"{engine}-said.json"
    given.write_text(json.dumps(lines), encoding="utf-8")
    script = str(Path(__file__).with_name("parse.py"))
    done = subprocess.run(
        [str(PYTHON), script, engine, str(given), str(written), *more], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(written.read_text(encoding="utf-8")))


@pytest.fixture(scope="module", params=PARSED)
def engine(request: pytest.FixtureRequest) -> str:
    package = str(request.param)
    if not PYTHON.exists():
        pytest.skip("the engines are not installed; make parsers installs them")
    find = f"import importlib.util as u, sys; sys.exit(u.find_spec({package!r}) is None)"
    if subprocess.run([str(PYTHON), "-c", find], check=False).returncode:
        pytest.skip(f"{package} is not installed; its recorded list of flags decides")
    return package


@pytest.fixture(scope="module")
def said(engine: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Words], dict[str, Any]]:
    lines = [*WRONG[engine], *all_lines(engine, commands(PROJECTS)[engine])]
    return lines, ask(engine, lines, tmp_path_factory.mktemp(engine))


def test_every_command_line_is_accepted(engine: str, said: tuple[list[Words], dict[str, Any]]) -> None:
    lines, answer = said
    problems = {" ".join(lines[int(number)]): text for number, text in answer["problems"].items()}
    wrong = {" ".join(words) for words in WRONG[engine]}
    assert {line: text for line, text in problems.items() if line not in wrong} == {}
    assert len(lines) > {"transformers": 20}.get(engine, 100)


def test_what_is_wrong_is_refused(engine: str, said: tuple[list[Words], dict[str, Any]]) -> None:
    assert said[1]["problems"].keys() >= {str(number) for number in range(len(WRONG[engine]))}


def test_the_recorded_flags_are_those_of_the_parser(engine: str, said: tuple[list[Words], dict[str, Any]]) -> None:
    written = {flag for option in engines()[engine].flags.values() for flag in option.flags}
    assert written <= set(said[1]["options"])
    listed = {flag for flag in said[1]["options"] if flag.startswith("--") and flag != "--help"}
    recorded = {flag for flag in known_flags(engine) if flag.startswith("--")}
    assert recorded - listed == set()
    # A switch is recorded once; its --no- form is known by it.
    assert {flag for flag in listed - recorded if not flag.startswith("--no-")} == set()


def test_the_recorded_parsers_are_those_of_the_engine(engine: str, said: tuple[list[Words], dict[str, Any]]) -> None:
    registry = registries().get(engine)
    if registry is not None:
        assert set(said[1]["tool_calls"]) == registry.tool_calls
        assert set(said[1]["reasoning"]) == registry.reasoning
