"""The wheel, installed where nothing else is: it starts, brings its own rules and templates, and is small."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = [line for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if line[0] != "#"]
MAX_PACKAGES = 25
MAX_SIZE_MB = 60
TOOLS = {"pip", "setuptools", "wheel"}
"""What a fresh environment holds before anything is installed."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement_name(requirement: str) -> str:
    return normal(re.split(r"[<>=~!;\[ ]", requirement, maxsplit=1)[0])


REQUIREMENTS = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]


@pytest.mark.parametrize("requirement", REQUIREMENTS, ids=requirement_name)
def test_requirements_have_both_bounds_and_an_exact_version_to_test_with(requirement: str) -> None:
    assert re.search(r">=[\d.]+,<\d", requirement), "a fresh install a year from now must still work"
    assert requirement_name(requirement) in {normal(pin.split("==")[0]) for pin in PINS}


def test_constraints_are_names_with_exact_versions() -> None:
    assert [pin for pin in PINS if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", pin)] == []
    assert len({normal(pin.split("==")[0]) for pin in PINS}) == len(PINS)


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run without anything of this checkout on the path."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def succeed(*command: str | Path, cwd: Path) -> str:
    done = run(*command, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    succeed(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel and what it needs; the folder of its programs."""
    folder = tmp_path_factory.mktemp("installed")
    succeed(sys.executable, "-m", "venv", folder, cwd=folder)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    pip = (programs / "python", "-m", "pip", "--disable-pip-version-check", "-q")
    click = next(pin for pin in PINS if pin.startswith("click=="))
    if run(*pip, "download", "--no-deps", "--dest", folder / "downloads", click, cwd=folder).returncode != 0:
        pytest.skip("no package index can be reached from here")
    succeed(*pip, "install", "-c", ROOT / "constraints.txt", wheel, cwd=folder)
    return programs


@pytest.mark.slow
def test_the_wheel_holds_the_package_its_data_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for folder in ("rules", "templates"):
        kept = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()}
        packed = {name.removeprefix("deployadvisor/_data/") for name in names if f"_data/{folder}/" in name}
        assert packed == {name for name in kept if "__pycache__" not in name}
    data = {path.name for path in (ROOT / "deployadvisor/catalog/data").glob("*.yaml")}
    assert {f"deployadvisor/catalog/data/{name}" for name in data} <= set(names)
    assert [name for name in names if not re.match(r"deployadvisor(/|-[\w.]+\.dist-info/)", name)] == []
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
def test_the_wheel_recommends_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    command = ("recommend", "--json", "--hardware", "none", "--set", "data_sensitivity=public")
    answer: dict[str, Any] = json.loads(succeed(installed / "deployadvisor", *command, cwd=tmp_path))
    assert (answer["status"], answer["route"]) == ("decided", "hosted_api")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_wheel_writes_a_folder_from_its_own_templates(installed: Path, tmp_path: Path) -> None:
    command = ("recommend", "--hardware", "1x H100", "--set", "data_sensitivity=confidential", "--out", "deploy")
    succeed(installed / "deployadvisor", *command, cwd=tmp_path)
    assert {"README.md", "CHECKLIST.md", "advice.json"} <= {path.name for path in (tmp_path / "deploy").iterdir()}
    code = "from deployadvisor import resources as r; print(r.rules_folder(), r.templates_folder(), sep='\\n')"
    for folder in succeed(installed / "python", "-c", code, cwd=tmp_path).split():
        assert Path(folder).is_relative_to(installed.parent), "the wheel reads the data it brought"
    assert succeed(installed / "deployadvisor", "rules", "test", cwd=tmp_path).rstrip().endswith(" 0 failed")


@pytest.mark.slow
def test_a_fresh_install_is_small(installed: Path, tmp_path: Path, record_property: Any) -> None:
    listed = succeed(installed / "python", "-m", "pip", "list", "--format", "json", cwd=tmp_path)
    packages = {entry["name"] for entry in json.loads(listed)} - TOOLS
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(succeed(installed / "python", "-c", code, cwd=tmp_path).strip())
    tops = (path for path in site.iterdir() if normal(path.name.split("-")[0]) not in TOOLS)
    files = (path for top in tops for path in (top.rglob("*") if top.is_dir() else [top]))
    size_mb = sum(path.stat().st_size for path in files if path.is_file()) / 1e6
    record_property("packages", len(packages))
    record_property("size_mb", round(size_mb, 1))
    print(f"\nfresh install: {len(packages)} packages, {size_mb:.1f} MB")  # noqa: T201 - a figure for the docs
    assert len(packages) <= MAX_PACKAGES, sorted(packages)
    assert size_mb <= MAX_SIZE_MB
