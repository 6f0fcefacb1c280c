"""AMD cards on Linux: one test a recorded machine, and laws that hold whatever files and tools say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.hardware.amd import read_amd
from deployadvisor.hardware.host import read_host
from deployadvisor.hardware.machine import Accelerator, Known, Machine, Unknown, value_of
from deployadvisor.hardware.probe import READERS_S, probe
from deployadvisor.hardware.reading import patience
from deployadvisor.hardware.recording import RecordedSystem, Recording

from .replay import changed, machine_names, probed, recording, replay
from .test_nvidia import NONSENSE, check_laws

GIB = pytest.approx
PCI = "/sys/bus/pci/devices"
NODES = "/sys/class/kfd/kfd/topology/nodes"
ROCM_SMI = "rocm-smi --showproductname --showmeminfo vram gtt --showbus --showuniqueid --showdriverversion --json"

LINUX = [name for name in machine_names() if recording(name).system.platform[0] == "Linux" and recording(name).files]
AMD = [name for name in LINUX if "amd" in name or any("kfd" in path for path in recording(name).files)]


def only(machine: Machine) -> Accelerator:
    (card,) = machine.accelerators
    return card


def reason(machine: Machine, what: str) -> str:
    return " | ".join(problem.reason for problem in machine.problems if what in problem.what)


def remedy(machine: Machine, what: str) -> str:
    return " | ".join(problem.remedy or "" for problem in machine.problems if what in problem.what)


def source(reading: Any) -> str:
    assert isinstance(reading, Known)
    return reading.source


def without(name: str, *parts: str) -> Machine:
    """A machine without the files and links whose paths hold any of these parts."""
    content = recording(name).model_dump()
    for part in ("files", "links"):
        content[part] = {
            path: text for path, text in content[part].items() if not any(word in path for word in parts)
        }
    return probe(RecordedSystem(Recording.model_validate(content)))


# Cards


def test_rx_7900xtx():
    machine = probe(RecordedSystem(recording("rx-7900xtx")), include_ids=True)
    card = only(machine)
    assert (card.name, card.id, card.kind) == ("AMD Radeon RX 7900 XTX", "rx-7900xtx", "gpu")
    assert (card.index, card.visible, card.unified_memory) == (0, True, False)
    assert value_of(card.memory_total_gib) == GIB(23.984, abs=1e-3)
    assert value_of(card.memory_free_gib) == GIB(23.008, abs=1e-3)
    assert value_of(card.gfx_target) == "gfx1100"
    assert isinstance(card.compute_capability, Unknown)
    assert card.compute_capability.unknown == "AMD cards have a gfx target instead"
    assert (value_of(card.driver_version), value_of(card.runtime_version)) == ("6.14.0", "7.2.0")
    assert (value_of(card.power_cap_w), value_of(card.display_attached)) == (339.0, True)
    assert value_of(card.pci_id) == "1002:744c"
    assert card.ids is not None
    assert value_of(card.ids.uuid) == "GPU-123456789abcdef0"
    assert value_of(card.ids.pci_address) == "0000:86:00.0"
    assert [(use.who, round(value_of(use.memory_gib) or 0, 2)) for use in value_of(card.used_by) or ()] == [
        ("ollama (4242)", 0.88),
        ("driver, and what it shows to nobody", 0.1),
    ]


def test_the_slot_counts_and_not_the_switch_on_the_card():
    card = only(replay("rx-7900xtx"))
    assert (value_of(card.pcie_generation), value_of(card.pcie_width)) == (3.0, 16.0)
    assert "0000:84:00.0" in source(card.pcie_generation)


def test_a_process_of_the_host_is_not_named_inside_a_container():
    machine = probe(RecordedSystem(changed("rx-7900xtx", files={"/.dockerenv": ""})))
    assert (value_of(only(machine).used_by) or ())[0].who == "process 4242 of the host"


def test_mi300x_x8():
    machine = replay("mi300x-x8")
    assert [card.id for card in machine.accelerators] == ["mi300x"] * 8
    assert [card.index for card in machine.accelerators] == list(range(8))
    card = machine.accelerators[0]
    assert value_of(card.memory_total_gib) == GIB(191.984, abs=1e-3)
    assert value_of(card.memory_free_gib) == GIB(191.708, abs=1e-3)
    assert (value_of(card.gfx_target), value_of(card.driver_version)) == ("gfx942", "6.16.6")
    assert (value_of(card.runtime_version), value_of(card.ecc), value_of(card.power_cap_w)) == ("7.0.2", True, 750.0)
    assert (value_of(card.pcie_generation), value_of(card.pcie_width)) == (5.0, 16.0)
    assert [value_of(each.numa_node) for each in machine.accelerators] == [0.0] * 4 + [1.0] * 4
    assert [(link.to, link.kind) for link in value_of(card.links) or ()] == [(to, "xgmi") for to in range(1, 8)]
    assert reason(machine, "AMD") == ""


def test_mi300x_x8_without_its_tool_loses_only_what_the_tool_knows():
    machine = probe(RecordedSystem(changed("mi300x-x8", commands={"amd-smi static --json": {"silence": "gone"}})))
    card = machine.accelerators[0]
    assert (card.id, len(machine.accelerators)) == ("mi300x", 8)
    assert source(card.memory_total_gib) == f"{PCI}/0000:0c:00.0/mem_info_vram_total"
    assert isinstance(card.ecc, Unknown)
    assert reason(machine, "amd-smi") == "gone"


def test_mi210_x2_library():
    machine = probe(RecordedSystem(recording("mi210-x2-library")), include_ids=True)
    busy, idle = machine.accelerators
    assert (busy.id, idle.id) == ("mi210", "mi210")
    assert value_of(busy.memory_free_gib) == GIB(32.969, abs=1e-3)
    assert source(busy.memory_total_gib) == "amdsmi amdsmi_get_gpu_memory_total(VRAM)"
    assert [use.who for use in value_of(busy.used_by) or ()] == ["python3 (777)"]
    assert value_of(idle.used_by) == ()
    assert (value_of(busy.ecc), value_of(busy.power_cap_w), value_of(busy.gfx_target)) == (True, 300.0, "gfx90a")
    assert (value_of(busy.driver_version), value_of(busy.runtime_version)) == ("6.14.0", "6.4.1")
    assert [(link.to, link.kind) for link in value_of(busy.links) or ()] == [(1, "xgmi")]
    assert busy.ids is not None
    assert (value_of(busy.ids.uuid), value_of(busy.ids.serial)) == ("GPU-1122334455667788", "0x1122334455667788")


def test_cards_without_xgmi_meet_at_the_processors():
    files = {f"{NODES}/{node}/io_links/{link}/properties": "" for node in (2, 3) for link in range(2)}
    machine = probe(RecordedSystem(changed("mi210-x2-library", files=files)))
    assert [[(link.to, link.kind) for link in value_of(card.links) or ()] for card in machine.accelerators] == [
        [(1, "numa")],
        [(0, "numa")],
    ]


def test_a_library_that_stops_halfway_leaves_the_rest_to_the_kernel():
    library = {"devices": recording("mi210-x2-library").amdsmi["devices"][:1], "hangs": "amdsmi_get_gpu_asic_info"}
    machine = probe(RecordedSystem(changed("mi210-x2-library", amdsmi=library)))
    assert [card.id for card in machine.accelerators] == ["mi210", "mi210"]
    assert source(machine.accelerators[1].memory_total_gib) == f"{PCI}/0000:43:00.0/mem_info_vram_total"
    assert "did not answer within 2 s" in reason(machine, "amdsmi")


def test_rocm_4_rocm_smi_only():
    machine = replay("rocm-4-rocm-smi-only")
    card = only(machine)
    assert (card.name, card.id) == ("AMD GPU 1002:6861", None)
    assert value_of(card.memory_total_gib) == GIB(15.984, abs=1e-3)
    assert value_of(card.driver_version) == "5.9.25"
    assert "no entry" in reason(machine, "AMD GPU 1002:6861")


def test_amd_smi_is_asked_for_what_hidden_files_do_not_tell():
    """Only then: each command takes its time."""
    static = {"gpu": 0, "asic": {"market_name": "AMD Radeon RX 7900 XTX", "device_id": "0x744c"}}
    metric = {
        "gpu": 0,
        "mem_usage": {"total_vram": {"value": 24560, "unit": "MB"}, "used_vram": {"value": 24, "unit": "MB"}},
    }
    commands = {
        "amd-smi static --json": {"out": json.dumps({"gpu_data": [static]})},
        "amd-smi list --json": {"out": json.dumps([{"gpu": 0, "bdf": "0000:03:00.0"}])},
        "amd-smi metric --mem-usage --json": {"out": json.dumps({"gpu_data": [metric]})},
    }
    machine = probe(RecordedSystem(changed("rocm-4-rocm-smi-only", commands=commands)), include_ids=True)
    card = only(machine)
    assert (card.id, value_of(card.memory_total_gib)) == ("rx-7900xtx", 24560 / 1024)
    assert value_of(card.memory_free_gib) == 24536 / 1024
    assert card.ids is not None
    assert value_of(card.ids.pci_address) == "0000:03:00.0"


# One PCI id, several products


def test_two_products_with_one_id_and_one_size_are_not_guessed():
    machine = replay("rx-6600-and-raphael")
    card = only(machine)
    assert card.id is None
    assert "AMD Radeon RX 6600 and AMD Radeon RX 6600 XT look the same" in reason(machine, card.name)
    assert remedy(machine, card.name) == 'name the card, as in --hardware "Radeon RX 6600"'


def test_the_revision_tells_them_apart_where_the_graphics_libraries_are_installed():
    table = "73FF,\tC1,\tAMD Radeon RX 6600 XT\n73FF,\tC7,\tAMD Radeon RX 6600\n"
    machine = probe(RecordedSystem(changed("rx-6600-and-raphael", files={"/usr/share/libdrm/amdgpu.ids": table})))
    assert (only(machine).id, only(machine).name) == ("rx-6600", "AMD Radeon RX 6600")


def test_an_unlisted_product_is_not_taken_for_the_listed_one_of_its_id():
    table = {"/usr/share/libdrm/amdgpu.ids": "744C,\tC8,\tAMD Radeon RX 7900M\n"}
    files = {**table, f"{PCI}/0000:86:00.0/mem_info_vram_total": "17163091968"}
    card = only(probe(RecordedSystem(changed("rx-7900xtx", files=files))))
    assert (card.name, card.id) == ("AMD Radeon RX 7900M", None)


def test_memory_tells_products_of_one_id_apart_without_any_name():
    sizes = {"17163091968": "rx-7900gre", "21458059264": "rx-7900xt", "25753026560": "rx-7900xtx"}
    for size, entry in sizes.items():
        files = {f"{PCI}/0000:86:00.0/mem_info_vram_total": size, "/usr/share/libdrm/amdgpu.ids": ""}
        assert only(probe(RecordedSystem(changed("rx-7900xtx", files=files)))).id == entry


# Partitions


def test_mi300x_cpx_nps4():
    machine = replay("mi300x-cpx-nps4")
    cards = machine.accelerators
    assert [card.index for card in cards] == list(range(8))
    assert {card.card for card in cards} == {0}
    assert [value_of(card.memory_total_gib) for card in cards] == [24.0] * 7 + [GIB(23.984, abs=1e-3)]
    assert value_of(cards[0].memory_free_gib) == 21.0
    assert {card.id for card in cards} == {None}, "the catalogue's speed is the whole card's"
    assert value_of(cards[0].mig_profile) == "CPX/NPS4"
    assert "split into 8 devices" in reason(machine, "AMD Instinct MI300X")


def test_mi308x_cpx():
    cards = replay("mi308x-cpx").accelerators
    assert [value_of(card.memory_total_gib) for card in cards] == [48.0, 48.0, 48.0, GIB(47.984, abs=1e-3)]
    assert all(isinstance(card.memory_free_gib, Unknown) for card in cards)
    assert {link.kind for card in cards for link in value_of(card.links) or ()} == {"xgmi"}


def test_partitions_that_may_each_use_the_whole_memory_count_with_their_share():
    files = {
        f"{NODES}/{2 + part}/mem_banks/0/properties": "heap_type 1\nsize_in_bytes 206141652992" for part in range(8)
    }
    cards = probe(RecordedSystem(changed("mi300x-cpx-nps4", files=files))).accelerators
    assert [value_of(card.memory_total_gib) for card in cards] == [GIB(23.998, abs=1e-3)] * 8


def test_a_split_card_never_shows_its_whole_memory():
    machine = without("mi300x-cpx-nps4", "mem_banks")
    assert {value_of(card.memory_total_gib) for card in machine.accelerators} == {None}
    assert "split into 8 devices" in reason(machine, "memory of AMD Instinct MI300X")
    hidden = only(without("mi300x-cpx-nps4", "/sys/class/kfd"))
    assert isinstance(hidden.memory_total_gib, Unknown)
    assert "split (CPX)" in hidden.memory_total_gib.unknown


# What stands in the way


def test_amd_driver_not_loaded():
    machine = replay("amd-driver-not-loaded")
    card = only(machine)
    assert isinstance(card.memory_total_gib, Unknown)
    assert card.memory_total_gib.unknown == "the amdgpu kernel module is not loaded"
    assert "modprobe amdgpu" in remedy(machine, "memory of")


@pytest.mark.parametrize(
    ("driver", "expected"),
    [("vfio-pci", "kept for a virtual machine"), ("radeon", "the driver radeon does not say")],
)
def test_a_card_that_another_driver_holds(driver: str, expected: str):
    links = {f"{PCI}/0000:03:00.0/driver": driver}
    card = only(probe(RecordedSystem(changed("amd-driver-not-loaded", links=links))))
    assert isinstance(card.memory_total_gib, Unknown)
    assert expected in card.memory_total_gib.unknown


def test_amd_kfd_denied():
    machine = replay("amd-kfd-denied")
    card = only(machine)
    assert (card.id, card.visible) == ("rx-7800xt", True), "a container run by root may use it all the same"
    assert "this user may not open /dev/kfd and what it needs in /dev/dri" in reason(machine, "AMD GPUs")
    assert "usermod -a -G render,video" in remedy(machine, "AMD GPUs")


def test_amd_container_without_devices():
    machine = replay("amd-container-without-devices")
    assert machine.accelerators == ()
    assert reason(machine, "AMD GPUs") == "2 on the bus of the computer, not given to this container"
    assert "--device /dev/kfd --device /dev/dri" in remedy(machine, "AMD GPUs")


def test_a_container_with_one_of_two_cards_counts_from_its_own():
    given_one = {"/dev/kfd": "", "/dev/dri/renderD136": ""}
    machine = probe(RecordedSystem(changed("amd-container-without-devices", files=given_one)))
    card = only(machine)
    assert (card.index, card.id) == (0, "mi300x")
    assert reason(machine, "AMD GPUs") == "1 on the bus of the computer, not given to this container"


def test_a_container_that_was_given_no_compute_device_can_still_use_vulkan():
    files = {"/dev/dri/renderD128": "", "/dev/dri/renderD136": ""}
    machine = probe(RecordedSystem(changed("amd-container-without-devices", files=files)))
    assert len(machine.accelerators) == 2
    assert "there is no /dev/kfd" in reason(machine, "AMD GPUs")


def test_amd_smi_hangs():
    machine = replay("amd-smi-hangs")
    card = only(machine)
    assert (card.id, value_of(card.memory_total_gib)) == ("mi325x", GIB(255.984, abs=1e-3))
    assert "did not answer" in reason(machine, "amd-smi")
    assert reason(machine, "rocm-smi") == "it did not answer within 0.05 s"


def test_a_compute_driver_without_cards_is_no_card():
    machine = probed({"files": {"/dev/kfd": ""}, "system": {"platform": ["Linux", "x86_64"]}})
    assert machine.accelerators == ()
    assert "neither the kernel nor a tool shows a card" in reason(machine, "AMD GPUs")


def test_a_healthy_computer_without_amd_is_not_asked():
    hanging = {"hangs": "amdsmi_init"}
    bus = {"/sys/bus/pci/devices/0000:00:06.0/vendor": "0x10de"}
    commands = {"amd-smi static --json": {"hangs": True}}
    system = RecordedSystem(changed("h200-x1", amdsmi=hanging, commands=commands, files=bus))
    reading = read_amd(system, read_host(system), patience(system.clock, READERS_S))
    assert (reading.accelerators, reading.problems, system.clock()) == ((), (), 0.0)


def test_graphics_of_a_processor_are_not_worth_a_tool():
    hanging = {"hangs": "amdsmi_init"}
    system = RecordedSystem(changed("igpu-680m", amdsmi=hanging))
    reading = read_amd(system, read_host(system), patience(system.clock, READERS_S))
    assert (reading.accelerators, system.clock()) == ((), 0.0)


# Laws


def mutated(name: str, draw: st.DataObject) -> RecordedSystem:
    """A machine with some files, outputs and answers cut, replaced or gone."""
    content = recording(name).model_dump()
    for path in draw.draw(st.lists(st.sampled_from(sorted(content["files"])), max_size=6, unique=True)):
        content["files"][path] = broken(content["files"][path], draw)
    for command in sorted(content["commands"]):
        content["commands"][command]["out"] = broken(content["commands"][command]["out"], draw)
        content["commands"][command]["hangs"] = draw.draw(st.booleans())
    if content["amdsmi"] and draw.draw(st.booleans()):
        devices = content["amdsmi"].get("devices", [])
        for device in devices:
            for function in draw.draw(st.lists(st.sampled_from(sorted(device)), max_size=4)):
                device[function] = draw.draw(st.sampled_from(NONSENSE))
    return RecordedSystem(Recording.model_validate(content))


SWAPS = (('"', ""), ("1", "-7"), ("{", "["), (":", " "), ("0x", ""), (" ", "\t"))


def broken(text: str, draw: st.DataObject) -> str:
    how = draw.draw(st.sampled_from(("whole", "cut", "nonsense", "swapped")))
    if how == "cut":
        return text[: draw.draw(st.integers(0, len(text)))]
    if how == "nonsense":
        return draw.draw(st.one_of(st.text(max_size=40), st.sampled_from(("-1", "0", "9" * 30, "[]", "{}", "[[]]"))))
    if how == "swapped":
        return text.replace(*draw.draw(st.sampled_from(SWAPS)))
    return text


@given(st.sampled_from(AMD), st.data())
@settings(max_examples=300, deadline=None)
def test_broken_files_and_outputs_never_raise_and_never_give_zero(name: str, data: st.DataObject):
    check_laws(probe(mutated(name, data)))


@given(st.sampled_from(AMD), st.data())
@settings(max_examples=100, deadline=None)
def test_the_reader_keeps_its_time(name: str, data: st.DataObject):
    system = mutated(name, data)
    read_amd(system, read_host(system), patience(system.clock, READERS_S))
    assert system.clock() <= READERS_S + 0.1


@given(st.recursive(st.sampled_from(NONSENSE), lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts)))
@settings(max_examples=200, deadline=None)
def test_any_shape_of_the_librarys_answers_is_read(devices: Any):
    machine = probe(RecordedSystem(changed("mi210-x2-library", amdsmi={"devices": devices})))
    assert [card.id for card in machine.accelerators] == ["mi210", "mi210"], "the kernel's files are enough"
    check_laws(machine)


@pytest.mark.parametrize("name", AMD)
def test_no_card_is_lost_where_the_files_of_its_driver_are(name: str):
    silent = {command: {"silence": "gone"} for command in recording(name).commands}
    machine = probe(RecordedSystem(changed(name, commands=silent, amdsmi=None)))
    if name != "rocm-4-rocm-smi-only":
        assert len(machine.accelerators) == len(replay(name).accelerators)
    check_laws(machine)
