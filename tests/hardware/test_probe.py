"""The probe as a whole: missing packages, hanging drivers, failing readers, other operating systems."""

from __future__ import annotations

import pytest

from deployadvisor.hardware import probe as module
from deployadvisor.hardware.machine import Unknown
from deployadvisor.hardware.probe import probe
from deployadvisor.hardware.recording import RecordedSystem

from .replay import changed, probed, recording, replay


def test_without_nvidia_ml_py_it_says_so():
    machine = probe(RecordedSystem(changed("no-library", nvml={"stopped": "the Python package is not installed"})))
    (problem,) = machine.problems
    assert "not installed" in problem.reason
    assert problem.remedy == "pip install nvidia-ml-py"
    assert machine.accelerators == ()


def test_a_hanging_driver_leaves_a_card_that_nobody_knows():
    machine = probe(RecordedSystem(changed("no-library", nvml={"hangs": "nvmlInit"})))
    (card,) = machine.accelerators
    assert isinstance(card.memory_total_gib, Unknown)
    assert "nvmlInit: it did not answer within 3 s" in card.memory_total_gib.unknown


def test_a_card_that_hangs_does_not_hide_the_ones_before_it():
    nvml = {**recording("h200-x2").nvml, "nvmlDeviceGetCount": 3, "hangs": "nvmlDeviceGetName of devices 2"}
    machine = probe(RecordedSystem(changed("h200-x2", nvml=nvml)))
    assert [card.id for card in machine.accelerators] == ["h200", "h200", None]
    assert isinstance(machine.accelerators[2].memory_total_gib, Unknown)
    assert any("stopped at nvmlDeviceGetName of devices 2" in problem.reason for problem in machine.problems)


def test_a_reader_that_fails_says_so_and_hides_no_other(monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    readers = {"Linux": {"broken cards": broken, **module.READERS["Linux"]}}
    monkeypatch.setattr(module, "READERS", readers)
    machine = replay("h200-x1")
    assert [card.id for card in machine.accelerators] == ["h200"]
    (problem,) = machine.problems
    assert (problem.what, problem.reason) == ("broken cards", "the reader failed (ZeroDivisionError: a bug)")


def test_a_mac_is_not_asked_for_nvidia_cards():
    machine = probe(RecordedSystem(changed("mac-m3-max", nvml=recording("h200-x1").nvml)))
    assert [card.vendor for card in machine.accelerators] == ["apple"]


def test_an_intel_mac_has_no_apple_gpu():
    name = "Intel(R) Core(TM) i9-9980HK CPU @ 2.40GHz"
    command = "/usr/sbin/sysctl machdep.cpu.brand_string hw.memsize iogpu.wired_limit_mb"
    machine = probe(
        RecordedSystem(changed("mac-m3-max", commands={command: {"out": f"machdep.cpu.brand_string: {name}\n"}}))
    )
    assert machine.accelerators == ()
    assert machine.problems == ()


def test_a_mac_with_another_chip_says_so():
    name = "A"
    command = "/usr/sbin/sysctl machdep.cpu.brand_string hw.memsize iogpu.wired_limit_mb"
    machine = probe(
        RecordedSystem(changed("mac-m3-max", commands={command: {"out": f"machdep.cpu.brand_string: {name}\n"}}))
    )
    (problem,) = machine.problems
    assert problem.reason == f"sysctl named the chip '{name}'"
    assert problem.remedy == "try sysctl machdep.cpu.brand_string"


def test_an_unknown_system_has_no_reader():
    machine = probed({"system": {"platform": ["Plan9", ""]}})
    assert machine.accelerators == ()


def test_identities_are_kept_only_when_asked_for():
    system = RecordedSystem(recording("visible-uuid"))
    assert [card.ids for card in probe(system).accelerators] == [None, None]
    assert all(card.ids is not None for card in probe(system, include_ids=True).accelerators)


def test_this_computer_can_be_probed():
    machine = probe()
    assert machine.description == "probe"
    assert machine.accelerators or machine.problems
