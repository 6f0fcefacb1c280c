"""``deployadvisor sweep``: what is written where, and that nothing is written when something is wrong."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from deployadvisor.surfaces import sweep_command
from deployadvisor.surfaces.cli import main

GRID = ("sweep", "--hardware", "none", "--vary", "data_sensitivity=public,unknown", "--vary", "internet=yes,no")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_row_for_every_combination(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, *GRID)
    assert code == 0
    assert out.splitlines() == [
        "data_sensitivity,internet,status,route,engine,provider",
        "public,yes,decided,hosted_api,,openai",
        "public,no,decided,cpu_small,llama_cpp,",
        "unknown,yes,open,,,",
        "unknown,no,decided,cpu_small,llama_cpp,",
    ]
    assert [line.split() for line in err.splitlines()] == [
        ["route", "rows", "share"],
        ["cpu_small", "2", "50.0%"],
        ["hosted_api", "1", "25.0%"],
        ["open", "1", "25.0%"],
        ["all", "4"],
    ]


def test_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, *GRID, "--json-lines")
    lines = [json.loads(line) for line in out.splitlines()]
    assert lines[2] == {
        "data_sensitivity": "unknown",
        "internet": "yes",
        "status": "open",
        "route": None,
        "engine": None,
        "provider": None,
    }
    assert len(lines) == 4


def test_all_fields(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (
        "sweep",
        "--fields",
        "all",
        "--set",
        "can_acquire_gpu=rent",
        "--set",
        "data_sensitivity=confidential",
    )
    _, out, _ = run(capsys, *arguments, "--vary", "hardware=none,1x H100", "--set", "requests_per_day=90000")
    rented, own = csv.DictReader(io.StringIO(out))
    assert (rented["route"], own["route"]) == ("acquire_gpu", "private_engine")
    assert float(rented["rented_per_month"]) > 0
    assert (rented["cost_currency"], own["cost_currency"]) == ("USD", "")
    assert own["engine"] == rented["engine"] == "vllm"
    assert own["gpus"] == "1"
    assert own["planned_model"]
    assert own["precision"]
    assert own["reason"]


def test_a_base_profile_and_a_table(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    base = write(tmp_path / "base.yaml", "hardware: none\nvendor_contract: dpa\n")
    table = write(tmp_path / "in.csv", "name,regulations,data_sensitivity\nA,gdpr;pipl,confidential\nB,,public\n")
    code, out, _ = run(capsys, "sweep", base, "--csv", table)
    assert code == 0
    assert [line.split(",")[:5] for line in out.splitlines()[1:]] == [
        ["A", "gdpr;pipl", "confidential", "decided", "managed_api"],
        ["B", "", "public", "decided", "hosted_api"],
    ]


def test_a_table_without_rows(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = write(tmp_path / "in.csv", "name\n")
    assert run(capsys, "sweep", "--csv", table)[:2] == (0, "name,status,route,engine,provider\n")


# Files


def test_a_file_is_written_whole_and_not_over_another(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    code, printed, _ = run(capsys, *GRID, "--out", str(out))
    assert (code, printed) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    assert out.read_text() == run(capsys, *GRID)[1]
    out.write_text("mine")
    code, _, err = run(capsys, *GRID, "--out", str(out))
    assert (code, err) == (2, f"error: {out} exists; pass --force to replace a file\n")
    assert out.read_text() == "mine"
    assert run(capsys, *GRID, "--out", str(out), "--force")[0] == 0
    assert out.read_text().startswith("data_sensitivity,")


def test_no_part_is_left_behind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        assert len(list(tmp_path.iterdir())) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(sweep_command, "_show_progress", interrupted)
    code, _, err = run(capsys, *GRID, "--out", str(tmp_path / "out.csv"))
    assert (code, err.strip()) == (130, "stopped")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["nowhere/out.csv", "."])
def test_a_place_that_cannot_be_written(capsys: pytest.CaptureFixture[str], tmp_path: Path, place: str) -> None:
    code, out, err = run(capsys, *GRID, "--force", "--out", str(tmp_path / place))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert list(tmp_path.iterdir()) == []


HOSTILE = ("=1+1", "+cmd|x", "-2+3", "@SUM(A1)", "＝1", "'=1", "-5", "plain")


def test_no_cell_is_a_formula(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = write(tmp_path / "in.csv", "name,hardware\n" + "".join(f"{name},none\n" for name in HOSTILE))
    _, out, _ = run(capsys, "sweep", "--csv", table)
    names = [row["name"] for row in csv.DictReader(io.StringIO(out))]
    assert names == ["'=1+1", "'+cmd|x", "'-2+3", "'@SUM(A1)", "'＝1", "'=1", "-5", "plain"]
    _, out, _ = run(capsys, "sweep", "--csv", table, "--json-lines")
    assert [json.loads(line)["name"] for line in out.splitlines()] == list(HOSTILE)


# What is wrong


def test_a_bad_row_stops_it_before_anything_is_written(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = write(tmp_path / "in.csv", "data_sensitivity,hardware\npublic,none\npubic,none\n")
    code, out, err = run(capsys, "sweep", "--csv", table, "--out", str(tmp_path / "out.csv"))
    assert (code, out) == (2, "")
    assert err.startswith(f'{table}:3:1: error: data_sensitivity: "pubic" is not one of')
    assert err.endswith('did you mean "public"?\n')
    assert err.count("\n") == 1
    assert not (tmp_path / "out.csv").exists()


def test_a_contradiction_in_a_grid_stops_it_too(capsys: pytest.CaptureFixture[str]) -> None:
    grid = ("--vary", "purpose=production,personal", "--vary", "audience=internal,public")
    code, out, err = run(capsys, "sweep", "--hardware", "none", *grid)
    assert (code, out) == (2, "")
    assert err == "--vary purpose: error: contradiction: purpose personal cannot have audience public\n"


def test_keep_going_writes_the_error_beside_the_row(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = "data_sensitivity,hardware\npubic,none\npublic,none\npublic\npublic,9x Banana\n"
    table = write(tmp_path / "in.csv", text)
    code, out, err = run(capsys, "sweep", "--csv", table, "--keep-going")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [row["status"] for row in rows] == ["", "decided", "", ""]
    assert rows[0]["error"].startswith(f"{table}:2:1: error: data_sensitivity")
    assert rows[1]["error"] == ""
    assert rows[2]["error"] == f"{table}:4:2: error: the row has 1 cells, the header has 2"
    assert rows[3]["error"].startswith(f"{table}:5:2: error: ")
    assert err.splitlines()[1].split() == ["error", "3", "75.0%"]


BAD_INPUT = [
    ((), "a sweep needs either --vary or --csv"),
    (("--vary", "internet=yes", "--csv", "in.csv"), "a sweep needs either --vary or --csv"),
    (("--csv", "in.csv"), "in.csv: error: cannot read the file"),
    (("--vary", "internet=yas"), 'did you mean "yes"?'),
    (("--vary", "hardware=none,1x H100"), "--hardware and a column hardware exclude each other"),
    (("--vary", "requests_per_day=1:9999:1", "--vary", "internet=yes,no", "--limit", "10000"), "has 19,998 rows"),
    (("--vary", "internet=yes", "--rules", "nowhere"), "no such rules folder"),
    (("--vary", "internet=yes", "--set", "purpose=persnal"), 'did you mean "personal"?'),
    (("--vary", "internet=yes", "--fields", "some"), "'some' is not one of 'route', 'all'"),
]


@pytest.mark.parametrize(("arguments", "text"), BAD_INPUT, ids=[" ".join(row[0])[:50] for row in BAD_INPUT])
def test_bad_input_is_one_line_and_exit_2(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    text: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "sweep", "--hardware", "none", *arguments, "--out", "out.csv")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert text in err
    assert list(tmp_path.iterdir()) == []


# How it runs


def test_rows_come_in_blocks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(capsys, *GRID)
    monkeypatch.setattr(sweep_command, "_ROWS_AT_ONCE", 3)
    shown: list[tuple[int, int | None]] = []
    monkeypatch.setattr(sweep_command, "_show_progress", lambda *numbers: shown.append(numbers))
    assert run(capsys, *GRID) == whole
    assert shown == [(3, 4), (4, 4)]
    shown.clear()
    run(capsys, *GRID, "--keep-going")
    assert shown == [(3, None), (4, None)]


def test_progress_is_for_terminals(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert "rows\n" not in run(capsys, *GRID)[2]
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(GRID) == 0
    assert terminal.getvalue().startswith("\r4 of 4 rows\nroute ")


def test_without_numpy_it_says_what_to_install_and_help_works() -> None:
    code = "import sys; sys.modules['numpy'] = None; from deployadvisor.surfaces.cli import run; run()"
    command = [sys.executable, "-c", code]
    done = subprocess.run([*command, *GRID], capture_output=True, text=True, check=False)
    message = "error: deciding for many profiles at once needs numpy; pip install 'deployadvisor[sweep]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", message)
    assert subprocess.run([*command, "sweep", "--help"], capture_output=True, check=False).returncode == 0
