"""The probe as a whole: missing packages, hanging drivers, other operating systems."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace

import pytest

from deployadvisor.hardware.probe import probe

from .replay import ReplayedNvml, ReplayedSystem, recording


def system(name: str) -> ReplayedSystem:
    return ReplayedSystem(recording(name))


def test_without_nvidia_ml_py_it_says_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    machine = probe(host_reader=system("no-library"))
    (problem,) = machine.problems
    assert "nvidia-ml-py is not installed" in problem.reason
    assert problem.remedy == "pip install nvidia-ml-py"


def test_the_installed_package_is_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pynvml", ReplayedNvml(recording("h200-x1")["nvml"]))
    machine = probe(host_reader=system("h200-x1"))
    assert [card.id for card in machine.accelerators] == ["h200"]


def test_a_hanging_driver_does_not_hang_the_probe():
    released = threading.Event()
    nvml = SimpleNamespace(NVMLError=ReplayedNvml.NVMLError, nvmlInit=released.wait)
    try:
        machine = probe(nvml, system("no-library"), timeout_s=0.01)
    finally:
        released.set()
    (problem,) = machine.problems
    assert "did not answer within 0.01 seconds" in problem.reason


def test_a_bug_in_the_reader_is_not_hidden_as_a_hanging_driver():
    nvml = SimpleNamespace(NVMLError=ReplayedNvml.NVMLError, nvmlInit=lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        probe(nvml, system("no-library"))


def test_a_mac_is_not_asked_for_nvidia_cards():
    nvml = ReplayedNvml({"nvmlInit": {"error": 12}})
    machine = probe(nvml, system("mac-m3-max"))
    assert nvml.asked == []
    assert [card.vendor for card in machine.accelerators] == ["apple"]


def test_an_intel_mac_has_no_accelerator():
    content = recording("mac-m3-max")
    content["system"]["sysctl"] = {"machdep.cpu.brand_string": "Intel(R) Core(TM) i9-9980HK CPU @ 2.40GHz"}
    machine = probe(ReplayedNvml({}), ReplayedSystem(content))
    assert machine.accelerators == ()
    assert machine.problems == ()


def test_this_computer_can_be_probed():
    machine = probe()
    assert machine.description == "probe"
    assert machine.accelerators or machine.problems
