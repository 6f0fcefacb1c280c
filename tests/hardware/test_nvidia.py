"""Laws of the NVIDIA reader: no failing call raises, gives 0, or shows a split card's whole memory."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.hardware.answers import FUNCTION_NOT_FOUND, Answers, memory
from deployadvisor.hardware.machine import Machine, Unknown, value_of
from deployadvisor.hardware.probe import probe
from deployadvisor.hardware.recording import RecordedSystem

from .replay import answering, changed, functions, machine_names, recording, replay

WITH_CARDS = [name for name in machine_names() if recording(name).nvml.get("devices")]
ONE_OF_A_KIND = (
    "h200-x2",
    "mig-container-slice",
    "mig-two-slices",
    "mig-mode-forbidden",
    "vgpu",
    "jetson-orin",
    "gb10-in-container",
    "lost-card",
    "old-k80",
    "visible-uuid",
    "wsl2",
)
"""Machines that the reader treats differently; that no tool of any machine may break it, test_any_failure.py says."""
FUNCTIONS = sorted({function for name in WITH_CARDS for function in functions(recording(name))} - {"nvmlInit"})
CODES = (3, 4, 6, 13, 15, 424242)


def check_laws(machine: Machine) -> None:
    for accelerator in machine.accelerators:
        for reading in (accelerator.memory_total_gib, accelerator.memory_free_gib):
            assert isinstance(reading, Unknown) or reading.value > 0
        if isinstance(accelerator.memory_total_gib, Unknown):
            assert accelerator.memory_total_gib.unknown
            told = [problem.what for problem in machine.problems]
            assert "NVIDIA GPUs" in told or any(accelerator.name in what for what in told)
    assert machine.accelerators or machine.problems, "no card and no reason"
    assert not [problem for problem in machine.problems if "the reader failed" in problem.reason]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", ONE_OF_A_KIND)
def test_one_failing_call_never_raises_and_never_gives_zero(name: str, function: str):
    for code in CODES:
        check_laws(replay(name, failing={function: code}))


@given(st.sampled_from(WITH_CARDS), st.dictionaries(st.sampled_from(FUNCTIONS), st.sampled_from(CODES)))
@settings(max_examples=150, deadline=None)
def test_any_failing_calls_never_raise_and_never_give_zero(name: str, failing: dict[str, int]):
    check_laws(replay(name, failing=failing))


@given(st.dictionaries(st.sampled_from(FUNCTIONS), st.sampled_from(CODES)))
@settings(max_examples=100, deadline=None)
def test_a_split_card_never_shows_its_whole_memory(failing: dict[str, int]):
    failing = {function: code for function, code in failing.items() if function != "nvmlDeviceGetMigMode"}
    totals = [value_of(card.memory_total_gib) for card in replay("mig-slice", failing=failing).accelerators]
    assert all(total is None or total <= 16 for total in totals)


@pytest.mark.parametrize("code", [code for code in CODES if code not in (3, FUNCTION_NOT_FOUND)])
def test_a_card_that_may_be_split_shows_no_memory(code: int):
    (card,) = replay("mig-slice", failing={"nvmlDeviceGetMigMode": code}).accelerators
    assert isinstance(card.memory_total_gib, Unknown)


@given(st.one_of(st.none(), st.text(max_size=30), st.from_regex(r"(-?[0-9]{1,3}|GPU-[0-9]?|,){0,6}", fullmatch=True)))
@settings(max_examples=150, deadline=None)
def test_any_visible_devices_value_is_read(value: str | None):
    env = {} if value is None else {"CUDA_VISIBLE_DEVICES": value}
    machine = replay("visible-uuid", **env)
    assert len(machine.accelerators) == 2


# Single answers


def test_a_driver_that_answers_zero_has_not_answered():
    total, free = memory(Answers("NVML", {"memory": {"total": 0, "free": 0}}), "memory")
    assert isinstance(total, Unknown)
    assert isinstance(free, Unknown)


def test_more_free_than_total_is_all_free():
    total, free = memory(Answers("NVML", {"memory": {"total": 2**30, "free": 2**40}}), "memory")
    assert value_of(total) == value_of(free) == 1.0


NONSENSE: tuple[Any, ...] = (
    *("", "N/A", "\0", "x" * 5000, -1, 0, 2**70, 1.5, float("nan"), float("inf"), True, None),
    *([], [[]], {}, {"total": -5}, {"total": "80 GB", "free": []}, [None], [1], ["9", "0"]),
    *({"pid": -1}, [{"pid": "a"}], {"error": "x"}, {"error": []}),
)


@pytest.mark.parametrize("name", ["h200-x2", "mig-two-slices", "busy-card", "vgpu", "jetson-orin"])
@pytest.mark.parametrize("function", [*FUNCTIONS, "nvmlInit"])
def test_nonsense_for_an_answer_is_unknown_with_a_reason(name: str, function: str):
    for answer in NONSENSE:
        nvml = answering(recording(name).nvml, {function: answer})
        check_laws(probe(RecordedSystem(changed(name, nvml=nvml))))


@given(
    st.recursive(
        st.sampled_from(NONSENSE), lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts), max_leaves=30
    )
)
@settings(max_examples=100, deadline=None)
def test_any_shape_of_answers_is_read(devices: Any):
    machine = probe(RecordedSystem(changed("h200-x1", nvml={"devices": devices})))
    assert not [problem for problem in machine.problems if "the reader failed" in problem.reason]
