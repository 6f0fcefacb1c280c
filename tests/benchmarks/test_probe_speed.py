"""How long looking at a computer takes; `make bench` prints it. Nothing here fails for being slow."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from deployadvisor.hardware.host import read_host
from deployadvisor.hardware.local import LocalSystem
from deployadvisor.hardware.probe import probe
from deployadvisor.hardware.recording import RecordedSystem, read_recording

MACHINES = Path(__file__).parents[1] / "machines"


def test_probing_this_computer(benchmark: BenchmarkFixture) -> None:
    machine = benchmark(probe)
    assert machine.accelerators or machine.problems


def test_reading_this_host(benchmark: BenchmarkFixture) -> None:
    assert benchmark(lambda: read_host(LocalSystem())).cores


@pytest.mark.parametrize("name", ["h200-x2", "mac-m3-max", "driver-library-mismatch"])
def test_making_sense_of_recorded_answers(benchmark: BenchmarkFixture, name: str) -> None:
    system = RecordedSystem(read_recording(MACHINES / f"{name}.yaml"))
    assert benchmark(lambda: probe(system)).accelerators
