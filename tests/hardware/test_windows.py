"""Cards on Windows: registry, what is plugged in, and laws that hold whatever either prints."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.hardware.host import read_host
from deployadvisor.hardware.machine import Accelerator, Known, Machine, Unknown, value_of
from deployadvisor.hardware.probe import READERS_S, probe
from deployadvisor.hardware.reading import patience
from deployadvisor.hardware.recording import RecordedSystem
from deployadvisor.hardware.windows import read_windows
from deployadvisor.hardware.windows_adapters import PRESENT, REGISTRY, registry_adapters

from .replay import changed, machine_names, recording, replay
from .test_nvidia import check_laws

GIB = pytest.approx
WINDOWS = [name for name in machine_names() if recording(name).system.platform[0] == "Windows"]
KEY = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
ASK_REGISTRY, ASK_PRESENT = " ".join(REGISTRY), " ".join(PRESENT)


def only(machine: Machine) -> Accelerator:
    (card,) = machine.accelerators
    return card


def reason(machine: Machine, what: str) -> str:
    return " | ".join(problem.reason for problem in machine.problems if what in problem.what)


def test_windows_rx_7900xt():
    folders = {"C:/Program Files/AMD/ROCm": ["6.4", "6.2", "notes"]}
    machine = probe(RecordedSystem(changed("windows-rx-7900xt", folders=folders)))
    card = only(machine)
    assert (card.id, card.kind, card.index) == ("rx-7900xt", "gpu", 0)
    assert value_of(card.memory_total_gib) == GIB(19.984, abs=1e-3)
    assert value_of(card.memory_free_gib) == GIB(19.984 - 1.2, abs=1e-3)
    assert (value_of(card.driver_version), value_of(card.runtime_version)) == ("32.0.21043.12001", "6.4")
    assert (value_of(card.pci_id), value_of(card.gfx_target)) == ("1002:744c", "gfx1100")
    assert reason(machine, "AMD") == ""


def test_windows_igpu_and_rx_9070():
    machine = replay("windows-igpu-and-rx-9070")
    card = only(machine)
    assert (card.id, value_of(card.memory_total_gib)) == ("rx-9070", GIB(15.922, abs=1e-3))
    assert "not counted" in reason(machine, "1002:164e")


def test_windows_arc_b60_and_rx_6800xt():
    machine = replay("windows-arc-b60-and-rx-6800xt")
    assert [(card.vendor, card.id, card.index) for card in machine.accelerators] == [
        ("intel", "arc-b60", 0),
        ("amd", "rx-6800xt", 0),
    ]
    assert [value_of(card.memory_total_gib) for card in machine.accelerators] == [24.0, 16.0]
    assert "cards that were removed may be among them" in reason(machine, "display adapters")


def test_windows_removed_card():
    machine = replay("windows-removed-card")
    assert [card.id for card in machine.accelerators] == ["rx-7900xtx"]


def test_two_equal_cards_that_are_present_are_two():
    rows = [{"Name": "a", "PNPDeviceID": f"PCI\\VEN_1002&DEV_744C&REV_C8\\6&{place}"} for place in (1, 2)]
    commands = {ASK_PRESENT: {"out": json.dumps({"adapters": rows})}}
    machine = probe(RecordedSystem(changed("windows-removed-card", commands=commands)))
    assert [(card.index, card.id) for card in machine.accelerators] == [(0, "rx-7900xtx"), (1, "rx-7900xtx")]


def test_one_entry_is_not_the_size_of_two_cards():
    rows = [{"Name": "a", "PNPDeviceID": f"PCI\\VEN_1002&DEV_744C&REV_CC\\6&{place}"} for place in (1, 2)]
    commands = {ASK_PRESENT: {"out": json.dumps({"adapters": rows})}}
    machine = probe(RecordedSystem(changed("windows-rx-7900xt", commands=commands)))
    assert [value_of(card.memory_total_gib) for card in machine.accelerators] == [GIB(19.984, abs=1e-3), None]


@pytest.mark.parametrize("used", [None, [], [{"DedicatedUsage": None}], [{"DedicatedUsage": -1}], [{}], "1.2 GB"])
def test_free_memory_is_unknown_where_the_counters_do_not_tell(used: Any):
    adapters = [{"Name": "a", "PNPDeviceID": "PCI\\VEN_1002&DEV_744C&REV_CC\\6&1"}]
    commands = {ASK_PRESENT: {"out": json.dumps({"adapters": adapters, "used": used})}}
    card = only(probe(RecordedSystem(changed("windows-rx-7900xt", commands=commands))))
    assert isinstance(card.memory_free_gib, Unknown)
    assert "in use" in card.memory_free_gib.unknown


def test_what_all_adapters_use_is_taken_off_each():
    adapters = [{"Name": "a", "PNPDeviceID": "PCI\\VEN_1002&DEV_744C&REV_CC\\6&1"}]
    used = [{"Name": "luid_1", "DedicatedUsage": 2 << 30}, {"Name": "luid_2", "DedicatedUsage": 1 << 30}]
    commands = {ASK_PRESENT: {"out": json.dumps({"adapters": adapters, "used": used})}}
    card = only(probe(RecordedSystem(changed("windows-rx-7900xt", commands=commands))))
    assert value_of(card.memory_free_gib) == GIB(16.984, abs=1e-3)
    used[0]["DedicatedUsage"] = 30 << 30
    commands = {ASK_PRESENT: {"out": json.dumps({"adapters": adapters, "used": used})}}
    full = only(probe(RecordedSystem(changed("windows-rx-7900xt", commands=commands))))
    assert isinstance(full.memory_free_gib, Unknown)


def test_a_card_without_its_key_has_only_32_bits():
    machine = probe(RecordedSystem(changed("windows-rx-7900xt", commands={ASK_REGISTRY: {"hangs": True}})))
    assert isinstance(only(machine).memory_total_gib, Unknown)
    assert "the registry names no display adapter" in reason(machine, "display adapters")


def test_nvidias_cards_are_left_to_their_reader():
    machine = replay("windows-igpu-and-gtx-1650")
    assert [card.vendor for card in machine.accelerators] == ["nvidia"]
    assert isinstance(machine.accelerators[0].memory_free_gib, Known)


def test_nvidias_cards_do_not_vanish_where_their_driver_is_missing():
    nothing = {"nvmlInit": {"error": 12}}
    machine = probe(RecordedSystem(changed("windows-igpu-and-gtx-1650", nvml=nothing, programs=[])))
    assert [(card.vendor, card.id) for card in machine.accelerators] == [("nvidia", "gtx-1650")]
    assert value_of(only(machine).memory_total_gib) == 4.0
    assert "only the registry tells of this card" in reason(machine, "NVIDIA GeForce GTX 1650")


def test_a_variable_that_cannot_be_applied_is_mentioned():
    assert "not applied here" in reason(replay("windows-rx-7900xt", HIP_VISIBLE_DEVICES="0"), "HIP_VISIBLE_DEVICES")


@pytest.mark.parametrize(
    ("line", "expected_gib"),
    [
        ("HardwareInformation.qwMemorySize    REG_QWORD    0x4ff000000", 19.984),
        ("HardwareInformation.qwMemorySize    REG_BINARY    0000000004000000", 16.0),
        ("HardwareInformation.MemorySize    REG_DWORD    0x20000000", 0.5),
        ("HardwareInformation.MemorySize    REG_BINARY    00F0FF7F", 2.0),
        ("HardwareInformation.MemorySize    REG_DWORD    0xfff00000", None),
        ("HardwareInformation.MemorySize    REG_DWORD    0xffffffff", None),
        ("HardwareInformation.qwMemorySize    REG_QWORD    0x0", None),
        ("HardwareInformation.qwMemorySize    REG_QWORD    0xffffffffffffffff", None),
        ("HardwareInformation.qwMemorySize    REG_SZ    16 GB", None),
        ("SomethingElse    REG_QWORD    0x4ff000000", None),
    ],
)
def test_sizes_in_every_form_that_the_registry_has(line: str, expected_gib: float | None):
    text = f"{KEY}\\0001\r\n    MatchingDeviceId    REG_SZ    PCI\\VEN_1002&DEV_744C\r\n    {line}\r\n"
    (adapter,) = registry_adapters(text)
    expected = None if expected_gib is None else GIB(expected_gib, abs=1e-3)
    assert value_of(adapter.memory) == expected


def test_values_of_keys_below_an_adapter_are_not_its_own():
    text = (
        f"{KEY}\\0001\r\n    MatchingDeviceId    REG_SZ    PCI\\VEN_1002&DEV_744C\r\n"
        f"{KEY}\\0001\\Settings\r\n    HardwareInformation.qwMemorySize    REG_QWORD    0x4ff000000\r\n"
    )
    (adapter,) = registry_adapters(text)
    assert isinstance(adapter.memory, Unknown)


@given(st.sampled_from(WINDOWS), st.data())
@settings(max_examples=200, deadline=None)
def test_cut_and_garbled_outputs_never_raise_and_never_give_zero(name: str, data: st.DataObject):
    content = recording(name).model_dump()["commands"]
    for answer in content.values():
        text = answer["out"]
        cut = data.draw(st.integers(0, len(text)))
        garbled = (text.replace("REG_", "REG"), text.replace('"', "'"), text.replace("0", "f"))
        answer["out"] = data.draw(
            st.sampled_from((text, text[:cut], text[cut:], *garbled, "[]", "{}", "null", "[[]]"))
        )
        answer["hangs"] = data.draw(st.booleans())
    system = RecordedSystem(changed(name, commands=content))
    machine = probe(system)
    check_laws(machine)
    read_windows(system, read_host(system), patience(system.clock, READERS_S))
    assert system.clock() <= READERS_S + 0.1
