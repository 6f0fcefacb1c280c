"""Laws of the house that no other tool holds: sizes, layout, one home for a name, nothing heavy on import."""

from __future__ import annotations

import ast
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from deployadvisor.catalog.gpus import gpus

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "deployadvisor"
MODULES = sorted(PACKAGE.rglob("*.py"))
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_MEDIAN_FUNCTION_LINES = 10
EXAMPLES = ("deployadvisor/hardware/phrase.py", "deployadvisor/hardware/probe.py", "deployadvisor/surfaces/")
"""Modules whose messages and help show a hardware phrase as an example."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and length in lines of every function of a module."""
    for node in ast.walk(tree(path)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield f"{name(path)}:{node.lineno} {node.name}", (node.end_lineno or node.lineno) - node.lineno + 1


def project_files() -> Iterator[Path]:
    """Files that make up the project: code, rules, templates, tests, docs and what stands beside them."""
    folders = ("deployadvisor", "rules", "templates", "tests", "docs")
    candidates = [
        *ROOT.iterdir(),
        ROOT / ".ci/run",
        *(path for folder in folders for path in (ROOT / folder).rglob("*")),
    ]
    return (path for path in candidates if path.is_file() and not re.search(r"_cache|__pycache__|\.cover", str(path)))


def test_modules_are_short() -> None:
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {module: lines for module, lines in lengths.items() if lines > MAX_MODULE_LINES} == {}


def test_functions_are_short() -> None:
    lengths = dict(entry for path in MODULES for entry in functions(path))
    assert {function: lines for function, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}
    assert statistics.median(lengths.values()) < MAX_MEDIAN_FUNCTION_LINES


def test_every_exception_to_a_check_is_argued_on_its_line() -> None:
    bare = re.compile(r"# (?:noqa|type: ignore)(?:: ?[A-Z0-9, ]+|\[[a-z, -]+\])?\s*$")
    files = [*MODULES, *(path for folder in ("tests", "docs") for path in (ROOT / folder).rglob("*.py"))]
    lines = ((path, line) for path in files for line in path.read_text(encoding="utf-8").splitlines())
    assert [f"{name(path)}: {line.strip()}" for path, line in lines if bare.search(line)] == []


def test_the_top_level_is_the_agreed_one() -> None:
    made = {"demo", "dist", "build", "site"}
    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith((".", "__"))}
    assert folders - made == {"deployadvisor", "rules", "templates", "tests", "docs"}
    for file in ("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "constraints.txt", ".ci/run"):
        assert (ROOT / file).is_file(), file


def test_no_file_names_this_machine() -> None:
    """A path of somebody's machine is no use to anybody else."""
    here = re.compile(rf"{re.escape(str(ROOT))}\b|{re.escape(str(Path.home()))}/\.(pyenv|local)|/Users/[a-z]")
    texts = ((name(path), path.read_text(encoding="utf-8", errors="replace")) for path in project_files())
    assert {file for file, text in texts if here.search(text)} - {"tests/test_house.py"} == set()


def literals(path: Path) -> Iterator[tuple[int, str]]:
    """Texts in a module that are not documentation."""
    documentation = {
        id(node.value)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.lineno, node.value


@cache
def card_names() -> re.Pattern[str]:
    """Names and aliases with a digit: ``A100`` and ``RTX 4090``, but not every ``pro``."""
    words = {word for gpu in gpus().values() for word in (gpu.id, gpu.name, *gpu.aliases)}
    distinct = "|".join(re.escape(word) for word in words if re.search(r"[A-Za-z]\W?\d{2}", word))
    return re.compile(rf"\b({distinct})\b", re.IGNORECASE)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_cards_are_named_in_the_catalogue_only(path: Path) -> None:
    found = [f"{name(path)}:{line}: {text[:60]}" for line, text in literals(path) if card_names().search(text)]
    assert found == [] or any(name(path).startswith(place) for place in EXAMPLES), found


def imported_by(statement: str) -> set[str]:
    code = f"import json, sys; {statement}; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_the_package_costs_nothing() -> None:
    heavy = {"jinja2", "pynvml", "psutil", "click", "pydantic", "yaml"}
    assert imported_by("import deployadvisor") & heavy == set()


def test_a_given_machine_is_not_probed_and_nothing_is_rendered() -> None:
    question = 'import deployadvisor; deployadvisor.recommend(data_sensitivity="public", hardware="none")'
    assert imported_by(question) & {"jinja2", "pynvml", "psutil", "click"} == set()
