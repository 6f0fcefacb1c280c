"""Macs: what the GPU may use and already holds, Rosetta, and Macs with an Intel processor."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.hardware.apple_registry import REGISTRY, Registry, read_registry
from deployadvisor.hardware.machine import Accelerator, Known, Machine, Unknown, value_of
from deployadvisor.hardware.probe import probe
from deployadvisor.hardware.recording import RecordedSystem
from deployadvisor.hardware.saved_checks import mistakes
from deployadvisor.hardware.system import Output

from .replay import changed, machine_names, recording, replay

IOREG = " ".join(REGISTRY)
SYSCTL = "/usr/sbin/sysctl machdep.cpu.brand_string hw.memsize iogpu.wired_limit_mb"
MACS = [name for name in machine_names() if name.startswith("mac-")]
WITH_REGISTRY = [name for name in MACS if IOREG in recording(name).commands]
GIB = 2**30


def only(machine: Machine) -> Accelerator:
    (card,) = machine.accelerators
    return card


def said(machine: Machine, what: str) -> list[str]:
    return [problem.reason for problem in machine.problems if what in problem.what]


def asked(name: str, **answers: object) -> Machine:
    return probe(RecordedSystem(changed(name, commands=answers)))


def test_m4():
    machine = replay("mac-m4")
    card = only(machine)
    assert (card.id, card.vendor, card.kind, card.unified_memory) == ("m4", "apple", "integrated", True)
    assert value_of(card.memory_total_gib) == 16
    assert value_of(card.memory_free_gib) == 9, "less is available than the limit leaves"
    assert isinstance(card.used_by, Known)
    (use,) = card.used_by.value
    assert use.who == "all programs together"
    assert use.memory_gib == Known[float](value=351141888 / GIB, source="ioreg IOAccelerator, In use system memory")


def test_what_the_gpu_holds_is_taken_off_its_limit():
    card = only(replay("mac-busy"))
    assert value_of(card.memory_total_gib) == 128
    assert isinstance(card.memory_free_gib, Known)
    assert card.memory_free_gib.value == pytest.approx(0.75 * 128 - 54969483264 / GIB)
    assert "less what programs hold" in card.memory_free_gib.source


def test_a_gpu_that_holds_all_it_may_has_no_free_memory():
    text = recording("mac-busy").commands[IOREG].out.replace("54969483264", str(100 * GIB))
    free = only(asked("mac-busy", **{IOREG: {"out": text}})).memory_free_gib
    assert isinstance(free, Unknown)
    assert "as much as macOS lets the GPU use" in free.unknown


def test_an_x86_python_sees_the_gpu_and_is_told_of():
    machine = replay("mac-rosetta")
    card = only(machine)
    assert (card.name, card.vendor, value_of(card.memory_total_gib)) == ("Apple M1", "apple", 16)
    assert "Rosetta translates" in said(machine, "Python")[0]
    nameless = asked("mac-rosetta", **{IOREG: {"out": "", "code": 1}})
    assert only(nameless).name == "Apple chip"
    assert said(replay("mac-m4"), "Python") == []


def test_a_radeon_in_an_intel_mac_is_a_note():
    machine = replay("mac-intel-amd")
    assert machine.accelerators == ()
    (problem,) = machine.problems
    assert problem.what == "GPU of this Mac (AMD, Intel)"
    assert "planned for Apple chips only" in problem.reason


def test_the_registry_names_the_chip_where_sysctl_hangs():
    card = only(replay("mac-sysctl-hangs"))
    assert (card.id, card.name) == ("m3-max", "Apple M3 Max")
    assert isinstance(card.memory_total_gib, Known)
    assert card.memory_total_gib.value == 64
    assert "sysctl" not in card.memory_total_gib.source


def test_a_line_that_was_cut_is_not_read():
    answer = {"out": "machdep.cpu.brand_string: Apple M4\nhw.memsize: 17179", "hangs": True}
    assert value_of(only(asked("mac-m4", **{SYSCTL: answer})).memory_total_gib) == 16


# Laws


@pytest.mark.parametrize(
    ("text", "registry"),
    [
        ("", Registry()),
        ("+-o IOAcceleratorES  <class IOAcceleratorES>\n", Registry()),
        ("+-o AGXAcceleratorG13G\n", Registry("Apple chip")),
        ('+-o AGXAcceleratorG13G\n "model" = "Apple M2"\n "In use system memory (driver)"=5\n', Registry("Apple M2")),
        ('+-o AGXAcceleratorG13G\n {"In use system memory"=0}', Registry("Apple chip")),
        ('+-o AGXAcceleratorG13G\n {"In use system memory"=7}', Registry("Apple chip", 7)),
        ("+-o NVDAgk100HAL\n+-o IntelAccelerator\n", Registry(others=("Intel", "NVDA"))),
    ],
)
def test_what_the_registry_shows(text: str, registry: Registry):
    assert read_registry(Output(text, code=0)) == registry
    assert read_registry(Output(text, silence="it did not answer within 1 s")) == Registry()


@given(st.sampled_from(MACS), st.sampled_from([IOREG, SYSCTL]), st.data())
@settings(max_examples=200, deadline=None)
def test_any_garbled_answer_is_read(name: str, command: str, data: st.DataObject):
    text = recording(name).commands[command].out if command in recording(name).commands else ""
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + data.draw(st.text(max_size=6)) + text[place + data.draw(st.integers(0, 40)) :]
    machine = asked(name, **{command: {"out": text, "hangs": data.draw(st.booleans())}})
    assert not [problem for problem in machine.problems if "the reader failed" in problem.reason]
    assert machine.accelerators or machine.problems or "Apple" not in text
    assert [mistake.message for mistake in mistakes(machine)] == []
    for card in machine.accelerators:
        for reading in (card.memory_total_gib, card.memory_free_gib):
            assert isinstance(reading, Unknown) or reading.value > 0


@given(st.sampled_from(WITH_REGISTRY))
def test_the_free_memory_is_never_more_than_the_whole(name: str):
    for card in replay(name).accelerators:
        assert (value_of(card.memory_free_gib) or 0) <= (value_of(card.memory_total_gib) or 0)
