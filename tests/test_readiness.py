"""What the doctor says of engines: on the cards, on the processor alone, open, or not at all, with the reason."""

from __future__ import annotations

import pytest
from hardware.machines import machines
from hardware.replay import replay
from hypothesis import given, settings

from deployadvisor.catalog.engines import engines
from deployadvisor.compatibility import machine_answers
from deployadvisor.hardware.machine import Machine
from deployadvisor.hardware.spec import machine_from_phrase
from deployadvisor.readiness import Readiness, readiness
from deployadvisor.site import site_of


def ready(machine: Machine, engine: str) -> Readiness:
    return next(each for each in readiness(machine) if each.engine.id == engine)


@pytest.mark.parametrize(
    ("machine", "engine", "holds", "detail"),
    [
        ("h200-x2", "vllm", True, ""),
        ("h200-x2", "ollama", True, ""),
        ("old-k80", "ollama", True, "on the processor alone: starts at compute capability 5.0; Tesla K80 has 3.7"),
        ("old-k80", "vllm", False, "starts at compute capability 7.5; Tesla K80 has 3.7"),
        ("mac-m3-max", "vllm", False, "runs on linux, not on macos"),
        ("mac-m3-max", "llama_cpp", True, ""),
        ("driver-library-mismatch", "vllm", None, "the compute capability of NVIDIA GPU is not known"),
        ("driver-library-mismatch", "ollama", None, "the compute capability of NVIDIA GPU is not known"),
        ("no-library", "llama_cpp", True, "on the processor alone"),
        ("no-library", "vllm", False, "no accelerator here"),
    ],
)
def test_a_recorded_machine(machine: str, engine: str, holds: bool | None, detail: str) -> None:
    found = ready(replay(machine), engine)
    assert (found.holds, found.detail) == (holds, detail)


def test_every_engine_has_a_line() -> None:
    assert [each.engine.id for each in readiness(machine_from_phrase("8x H200"))] == list(engines())


@given(machine=machines())
@settings(max_examples=150, deadline=None)
def test_what_is_ready_has_no_objection_and_a_no_has_a_reason(machine: Machine) -> None:
    site = site_of(machine)
    for found in readiness(machine):
        roles = [machine_answers(found.engine, role, site) for role in found.engine.roles]
        if found.holds:
            assert any(all(holds for holds, _ in answers) for answers in roles)
        else:
            assert found.detail
