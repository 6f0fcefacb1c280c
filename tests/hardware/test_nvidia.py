"""Laws of the NVIDIA reader: no failing call raises, gives 0, or shows a split card's whole memory."""
# ruff: noqa: N802 - the functions carry NVML's own names

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.hardware.host import read_host
from deployadvisor.hardware.machine import Machine, Unknown, value_of
from deployadvisor.hardware.nvidia import read_nvidia
from deployadvisor.hardware.nvml import FUNCTION_NOT_FOUND, Nvml, Refusal, ask, ask_memory, ask_text

from .replay import ReplayedNvml, ReplayedSystem, machine_names, recording, replay

FUNCTIONS = sorted(name for name in vars(Nvml) if name.startswith("nvml"))
CODES = (3, 4, 6, 13, 15, 424242)
WITH_CARDS = [name for name in machine_names() if recording(name).get("nvml", {}).get("devices")]


def check_laws(machine: Machine) -> None:
    for accelerator in machine.accelerators:
        for reading in (accelerator.memory_total_gib, accelerator.memory_free_gib):
            assert isinstance(reading, Unknown) or reading.value > 0
        if isinstance(accelerator.memory_total_gib, Unknown):
            assert accelerator.memory_total_gib.unknown
            assert any(accelerator.name in problem.what for problem in machine.problems)
    assert machine.accelerators or machine.problems, "no card and no reason"


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("name", WITH_CARDS)
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


@pytest.mark.parametrize("failing", [{}, {"nvmlDeviceGetCount": 999}, {"nvmlDeviceGetName": 3}])
def test_nvml_is_disconnected_again(failing: dict[str, int]):
    content = recording("h200-x2")
    nvml = ReplayedNvml(content["nvml"], failing)
    read_nvidia(nvml, {}, read_host(ReplayedSystem(content)))
    assert nvml.connected == 0
    assert "nvmlShutdown" in nvml.asked


def test_identities_are_asked_only_when_needed():
    content = recording("visible-uuid")
    for value, asked in (("0,1", False), ("GPU-1", True)):
        nvml = ReplayedNvml(content["nvml"])
        read_nvidia(nvml, {"CUDA_VISIBLE_DEVICES": value}, read_host(ReplayedSystem(content)))
        assert ("nvmlDeviceGetUUID" in nvml.asked) is asked


def test_a_replay_answers_the_protocol():
    assert set(FUNCTIONS) >= set(ReplayedNvml(recording("h200-x1")["nvml"]).driver) - {"devices"}


# Single answers


class OldNvml:
    """A ``pynvml`` that lacks functions, answers in bytes, and trips over its own answers."""

    NVMLError = ReplayedNvml.NVMLError

    def nvmlDeviceGetName(self, _handle):
        return b"Tesla T4"

    def nvmlDeviceGetUUID(self, _handle):
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    def nvmlDeviceGetMemoryInfo(self, _handle):
        return SimpleNamespace(total=0, free=0)


def test_names_in_bytes_are_decoded():
    assert value_of(ask_text(OldNvml(), "nvmlDeviceGetName", None)) == "Tesla T4"


@pytest.mark.parametrize("function", ["nvmlDeviceGetUUID", "nvmlDeviceGetMigMode"])
def test_what_pynvml_trips_over_is_a_refusal(function: str):
    answer = ask(OldNvml(), function, None)
    assert isinstance(answer, Refusal)
    assert function in answer.unknown().unknown


def test_a_driver_that_answers_zero_has_not_answered():
    total, free = ask_memory(OldNvml(), None)
    assert isinstance(total, Unknown)
    assert isinstance(free, Unknown)


def test_more_free_than_total_is_all_free():
    nvml = SimpleNamespace(
        NVMLError=ReplayedNvml.NVMLError,
        nvmlDeviceGetMemoryInfo=lambda _handle: SimpleNamespace(total=2**30, free=2**40),
    )
    total, free = ask_memory(nvml, None)
    assert value_of(total) == value_of(free) == 1.0
