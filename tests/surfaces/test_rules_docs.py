"""``rules docs``: pages are written, compared and refused; drawings go to standard output."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deployadvisor.resources import rules_folder
from deployadvisor.surfaces.cli import main

PAGES = {"route.md", "engine.md", "provider.md", "facts.md"}
DRAWINGS = {"route-without-gpu.svg", "route-with-gpu-server.svg", "engine-serve.svg"}


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The shipped rules without their promises, of which every page would be searched for what they rest on."""
    folder = tmp_path_factory.mktemp("copied") / "rules"
    shutil.copytree(rules_folder(), folder, ignore=shutil.ignore_patterns("properties.yaml"))
    return str(folder)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["rules", "docs", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def held(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


# Pages


def test_pages_are_written_once(capsys: pytest.CaptureFixture[str], rules: str, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "reference"
    code, out, err = run(capsys, "--rules", rules, "--out", str(folder))
    assert (code, err) == (0, "")
    assert held(folder).keys() == PAGES | DRAWINGS
    assert out.splitlines()[0] == f"wrote: {folder / 'route.md'}"
    assert out.splitlines()[-1] == "7 files, 7 written"
    assert run(capsys, "--rules", rules, "--out", str(folder))[1] == "7 files, 0 written\n"


def test_other_files_in_the_folder_stay(capsys: pytest.CaptureFixture[str], rules: str, tmp_path: Path) -> None:
    (tmp_path / "own.md").write_text("mine")
    run(capsys, "--rules", rules, "--out", str(tmp_path))
    assert held(tmp_path)["own.md"] == "mine"


def test_check_finds_what_is_not_current(capsys: pytest.CaptureFixture[str], rules: str, tmp_path: Path) -> None:
    arguments = ("--rules", rules, "--out", str(tmp_path))
    run(capsys, *arguments)
    assert run(capsys, *arguments, "--check") == (0, "7 files, 0 not current\n", "")
    (tmp_path / "route.md").write_text("changed")
    (tmp_path / "engine.md").write_bytes(b"\xff")
    (tmp_path / "facts.md").unlink()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    code, out, _ = run(capsys, *arguments, "--check")
    assert code == 1
    assert out.splitlines() == [
        *(f"not current: {tmp_path / name}.md" for name in ("route", "engine", "facts")),
        "7 files, 3 not current",
    ]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_check_of_another_language_differs(capsys: pytest.CaptureFixture[str], rules: str, tmp_path: Path) -> None:
    run(capsys, "--rules", rules, "--out", str(tmp_path), "--lang", "zh")
    assert "# 决策：route" in held(tmp_path)["route.md"]
    assert run(capsys, "--rules", rules, "--out", str(tmp_path), "--check")[0] == 1


def test_a_folder_that_cannot_be_written_is_refused(
    capsys: pytest.CaptureFixture[str], rules: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    code, out, err = run(capsys, "--rules", rules, "--out", str(tmp_path / "file"))
    assert (code, out) == (2, "")
    assert err == f"error: cannot write {tmp_path / 'file' / 'route.md'}: File exists\n"


def test_rules_that_do_not_load_write_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "--rules", str(tmp_path / "none"), "--out", str(tmp_path / "out"))
    assert code == 2
    assert "no such rules folder" in err
    assert not (tmp_path / "out").exists()


# Drawings

PLATFORM = "role=lab,its_platform=yes,its_gpu=yes,its_driver=yes"


def test_a_drawing_is_printed(capsys: pytest.CaptureFixture[str], rules: str, tmp_path: Path) -> None:
    given = [word for pair in PLATFORM.split(",") for word in ("--given", pair)]
    code, out, err = run(capsys, "--rules", rules, "--diagram", "engine", *given, "--out", str(tmp_path / "unused"))
    assert (code, err) == (0, "")
    assert out.startswith("<svg ")
    assert out.endswith("</svg>\n")
    assert '<text class="fact"' in out
    assert ">its_model of</text>" in out
    assert "its_gpu" not in out.partition("</title>")[2]
    assert not (tmp_path / "unused").exists()


def test_an_attribute_can_be_given_for_one_candidate(capsys: pytest.CaptureFixture[str], rules: str) -> None:
    arguments = ("--rules", rules, "--diagram", "engine", "--given", "role=cpu", "--given", "its_gpu of ollama=yes")
    code, out, _ = run(capsys, *arguments, "--given", "its_platform=yes")
    drawn = out.partition("</title>")[2]
    assert code == 0
    assert "its_gpu of ollama" not in drawn
    assert "its_gpu of" in drawn


def test_numbers_are_given_by_their_value(capsys: pytest.CaptureFixture[str], rules: str) -> None:
    code, _, err = run(capsys, "--rules", rules, "--diagram", "route", "--given", "tokens_per_day=1000")
    assert code == 2
    assert "tokens_per_day" not in err
    assert "questions (at most 60)" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--given", "role=lab"), "error: --given states facts of a drawing: name its decision with --diagram"),
        (("--diagram", "engine", "--given", "role"), '--given: error: "role" is not fact=value'),
        (("--diagram", "engine", "--given", "=lab"), '--given: error: "=lab" is not fact=value'),
        (
            ("--diagram", "engine", "--given", "role=lab", "--given", "role=cpu"),
            '--given: error: "role" is given twice',
        ),
        (
            ("--diagram", "engine", "--given", "rol=lab"),
            'error: the engine does not depend on "rol"; did you mean "role"?',
        ),
        (
            ("--diagram", "engine", "--given", "role=labs"),
            'error: role: "labs" is not one of serve, desktop, cpu, lab; did you mean "lab"?',
        ),
        (
            ("--diagram", "route", "--given", "tokens_per_day=many"),
            'error: tokens_per_day: "many" is not a number',
        ),
        (
            ("--diagram", "route", "--given", "tokens_per_day=nan"),
            'error: tokens_per_day: "nan" is not a finite number',
        ),
        (
            ("--diagram", "engine", "--given", "role=lab", "--given", "its_fit=no"),
            "error: nothing is left to ask, the engine is settled: Nothing is allowed; give fewer facts",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(
    capsys: pytest.CaptureFixture[str], rules: str, arguments: tuple[str, ...], message: str
) -> None:
    assert run(capsys, "--rules", rules, *arguments) == (2, "", f"{message}\n")
