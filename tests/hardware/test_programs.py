"""Vendors' programs: one that never ends, floods, fails or is missing costs an answer and nothing else."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from deployadvisor.hardware import programs
from deployadvisor.hardware.programs import find_program, run_program
from deployadvisor.hardware.system import NOT_INSTALLED

ENV = {"PATH": os.environ["PATH"]}


def python(code: str, timeout_s: float = 20.0) -> programs.Output:
    return run_program([sys.executable, "-I", "-S", "-c", code], ENV, timeout_s=timeout_s)


def test_output_errors_and_status_are_kept_apart():
    output = python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (output.text, output.errors, output.code, output.silence) == ("out\n", "err\n", 3, None)
    assert not output.succeeded


def test_a_program_that_never_ends_is_ended():
    output = python("import time; print('so far', flush=True); time.sleep(600)", timeout_s=0.5)
    assert output.silence == "it did not answer within 0.5 s"
    assert output.text == "so far\n"
    assert output.code is None


def test_what_it_started_is_ended_too(tmp_path: Path):
    mark = tmp_path / "pid"
    code = (
        "import subprocess, sys, pathlib, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"pathlib.Path({str(mark)!r}).write_text(str(child.pid)); time.sleep(600)\n"
    )
    python(code, timeout_s=2.0)
    state = Path(f"/proc/{mark.read_text()}/stat")
    for _ in range(100):  # a killed process is a zombie until its new parent collects it
        if not state.exists() or state.read_text().split()[2] == "Z":
            return
        threading.Event().wait(0.05)
    pytest.fail("the child lives on")


def test_a_flood_is_cut_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(programs, "MAX_OUTPUT_BYTES", 1 << 20)
    output = python("while True: print('x' * 10000)")
    assert output.silence == "it printed more than 1 MiB"
    assert len(output.text) == 1 << 20


def test_a_flood_of_errors_is_cut_off(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(programs, "MAX_OUTPUT_BYTES", 1 << 20)
    output = python("import sys\nwhile True: print('x' * 10000, file=sys.stderr)")
    assert output.silence == "it printed more than 1 MiB"


def test_a_missing_program_is_not_installed():
    assert run_program(["no-such-program-anywhere"], ENV, timeout_s=1).silence == NOT_INSTALLED
    assert run_program(["/no/such/program"], ENV, timeout_s=1).missing


def test_a_program_that_is_none_cannot_be_started(tmp_path: Path):
    file = tmp_path / "tool"
    file.write_bytes(b"\x7fELF nonsense")
    file.chmod(0o755)
    silence = run_program([str(file)], ENV, timeout_s=1).silence or ""
    assert silence.startswith("it cannot be started: ")


def test_the_current_folder_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    tool = tmp_path / "vendor-tool"
    tool.write_text("#!/bin/sh\necho hostile\n")
    tool.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    assert find_program("vendor-tool", os.pathsep.join((".", "", "relative"))) is None
    assert find_program("vendor-tool", str(tmp_path)) == str(tool)


def test_programs_speak_english_and_read_no_input():
    output = python("import os, sys; print(os.environ['LC_ALL'], repr(sys.stdin.read()))")
    assert output.text == "C ''\n"


def test_bytes_that_are_no_text_are_replaced():
    assert python(r"import sys; sys.stdout.buffer.write(b'\xff\xfe ok')").text.endswith(" ok")
