"""One test a recorded machine: what users reported, and what other tools got wrong."""

from __future__ import annotations

import re

import pytest

from deployadvisor.hardware.machine import Accelerator, Known, Link, Machine, Unknown, value_of
from deployadvisor.hardware.saved import save_machine

from .replay import machine_names, replay

GIB = pytest.approx


def ids(machine: Machine) -> list[str | None]:
    return [accelerator.id for accelerator in machine.accelerators]


def totals(machine: Machine) -> list[float | None]:
    return [value_of(accelerator.memory_total_gib) for accelerator in machine.accelerators]


def visible(machine: Machine) -> list[int]:
    return [accelerator.index for accelerator in machine.accelerators if accelerator.visible]


def only(machine: Machine) -> Accelerator:
    (accelerator,) = machine.accelerators
    return accelerator


def reason(machine: Machine, what: str) -> str:
    return " | ".join(problem.reason for problem in machine.problems if what in problem.what)


def test_h200_x1():
    machine = replay("h200-x1")
    card = only(machine)
    assert (card.id, card.kind, card.index, card.visible) == ("h200", "gpu", 0, True)
    assert value_of(card.memory_total_gib) == GIB(140.4013, abs=1e-3)
    assert value_of(card.memory_free_gib) == GIB(139.8006, abs=1e-3)
    assert value_of(card.compute_capability) == "9.0"
    assert (value_of(card.driver_version), value_of(card.runtime_version)) == ("580.159.04", "13.0")
    assert value_of(machine.host.memory_total_gib) == GIB(125.867, abs=1e-2)
    assert value_of(machine.host.memory_available_gib) == GIB(125.345, abs=1e-2)
    assert value_of(machine.host.cores) == 16
    assert value_of(machine.host.container) is True
    assert value_of(machine.host.cpu_model) == "Intel(R) Xeon(R) Processor"
    assert machine.problems == ()


def test_h200_x1_in_detail():
    machine = replay("h200-x1")
    card, host = only(machine), machine.host
    assert (value_of(card.ecc), value_of(card.display_attached)) == (True, False)
    assert (value_of(card.pcie_generation), value_of(card.pcie_width)) == (5, 16)
    assert (value_of(card.power_cap_w), value_of(card.pci_id)) == (700, "10de:2335")
    assert value_of(card.links) == ()
    assert isinstance(card.numa_node, Unknown), "the kernel wrote -1"
    (use,) = value_of(card.used_by) or ()
    assert (use.who, value_of(use.memory_gib)) == ("driver, and what it shows to nobody", GIB(0.6006, abs=1e-3))
    assert "amx_tile" in (value_of(host.cpu_features) or ())
    assert (value_of(host.numa_nodes), value_of(host.shared_memory_gib)) == (1, 128)
    assert (value_of(host.open_files_limit), value_of(host.locked_memory_limit)) == ("20000", "unlimited")
    assert value_of(host.ports_in_use) == (2024,)
    assert (value_of(host.wsl), value_of(host.kernel), value_of(host.python)) == (False, "6.18.44", "3.12.3")


def test_h200_x2():
    machine = replay("h200-x2")
    assert ids(machine) == ["h200", "h200"]
    assert [card.index for card in machine.accelerators] == [0, 1]
    assert [value_of(card.links) for card in machine.accelerators] == [
        (Link(to=1, kind="nvlink", lanes=18),),
        (Link(to=0, kind="nvlink", lanes=18),),
    ]
    assert machine.problems == ()


def test_h200_x2_busy():
    first, second = replay("h200-x2-busy").accelerators
    assert value_of(first.memory_free_gib) == GIB(119.286, abs=1e-3)
    assert value_of(second.memory_free_gib) == GIB(139.798, abs=1e-3)
    process, rest = value_of(first.used_by) or ()
    assert (process.who, value_of(process.memory_gib)) == ("program (639)", GIB(20.506, abs=1e-3))
    assert value_of(rest.memory_gib) == GIB(0.609, abs=1e-3)


def test_mig_slice():
    card = only(replay("mig-slice"))
    assert (card.kind, card.id, card.name) == ("mig", "h200", "NVIDIA H200 MIG 1g.18gb")
    assert value_of(card.memory_total_gib) == 16.0
    assert value_of(card.compute_capability) == "9.0"


def test_mig_parent_forbidden():
    machine = replay("mig-parent-forbidden")
    assert totals(machine) == [16.0]
    assert machine.problems == ()


def test_mig_slice_forbidden():
    machine = replay("mig-slice-forbidden")
    card = only(machine)
    assert isinstance(card.memory_total_gib, Unknown)
    assert "Insufficient Permissions" in card.memory_total_gib.unknown
    assert card.memory_total_gib.remedy
    assert "Insufficient Permissions" in reason(machine, "memory of")


def test_mig_mode_forbidden():
    card = only(replay("mig-mode-forbidden"))
    assert isinstance(card.memory_total_gib, Unknown)
    assert "may be split by MIG" in card.memory_total_gib.unknown
    assert card.id == "h200"


def test_mig_two_slices():
    machine = replay("mig-two-slices")
    assert totals(machine) == [GIB(39.0, abs=0.01), GIB(19.5, abs=0.01)]
    assert [card.index for card in machine.accelerators] == [0, 1]
    assert visible(machine) == [1]
    assert "one MIG slice" in reason(machine, "NVIDIA GPUs")


@pytest.mark.parametrize("value", ["0", "GPU-00000000-0000-0000-0000-000000000001"])
def test_mig_two_slices_addressed_by_their_card(value: str):
    assert visible(replay("mig-two-slices", CUDA_VISIBLE_DEVICES=value)) == [0]


def test_mig_empty():
    machine = replay("mig-empty")
    assert machine.accelerators == ()
    assert "no slice" in reason(machine, "NVIDIA GPUs")


def test_gb10_not_supported():
    machine = replay("gb10-not-supported")
    card = only(machine)
    assert (card.id, card.kind, card.unified_memory) == ("gb10", "integrated", True)
    assert value_of(card.memory_total_gib) == value_of(machine.host.memory_total_gib) == GIB(119.7, abs=0.01)
    assert value_of(card.memory_free_gib) == value_of(machine.host.memory_available_gib)
    assert isinstance(card.memory_total_gib, Known)
    assert card.memory_total_gib.source == "unified with the host: /proc/meminfo MemTotal"
    assert value_of(machine.host.arch) == "arm64"


def test_gb10_in_container():
    card = only(replay("gb10-in-container"))
    assert card.id == "gb10"
    assert value_of(card.memory_total_gib) == 64.0
    assert value_of(card.memory_free_gib) == 60.0


def test_jetson_orin():
    card = only(replay("jetson-orin"))
    assert (card.id, card.unified_memory) == ("jetson-orin-32", True)
    assert value_of(card.memory_total_gib) == GIB(30.58, abs=0.01)


def test_jetson_orin_nano():
    machine = replay("jetson-orin-nano")
    card = only(machine)
    assert (card.id, card.unified_memory) == ("jetson-orin-nano", True)
    assert value_of(card.memory_total_gib) == GIB(7.44, abs=0.01)
    assert machine.problems == ()


@pytest.mark.parametrize(
    ("name", "expected_reason", "expected_remedy"),
    [
        ("driver-library-mismatch", "different versions", "reboot"),
        ("no-library", "no NVIDIA driver library", "install the NVIDIA driver"),
        ("no-driver", "kernel module is not loaded", "modprobe"),
        ("no-permission", "may not open", "/dev/nvidia"),
        ("no-devices", "shows no card", "--gpus all"),
    ],
)
def test_no_card_says_why(name: str, expected_reason: str, expected_remedy: str):
    machine = replay(name)
    (problem,) = machine.problems
    assert [value_of(card.memory_total_gib) for card in machine.accelerators] in ([], [None])
    assert problem.what == "NVIDIA GPUs"
    assert expected_reason in problem.reason
    assert expected_remedy in (problem.remedy or "")


def test_visible_subset():
    machine = replay("visible-subset")
    assert len(machine.accelerators) == 8
    assert visible(machine) == [0, 2]
    assert "hides 6 of 8" in reason(machine, "CUDA_VISIBLE_DEVICES")


def test_visible_uuid():
    assert visible(replay("visible-uuid")) == [1]


def test_visible_none():
    machine = replay("visible-none")
    assert ids(machine) == ["h100-sxm"]
    assert visible(machine) == []


def test_mixed_cards():
    machine = replay("mixed-cards")
    assert ids(machine) == ["rtx-3060", "rtx-3060", "rtx-3090"]
    assert totals(machine) == [12.0, 12.0, 24.0]
    assert "fastest first" in reason(machine, "CUDA_VISIBLE_DEVICES")
    ordered = replay("mixed-cards", CUDA_DEVICE_ORDER="PCI_BUS_ID")
    assert visible(ordered) == [0]
    assert "fastest first" not in reason(ordered, "CUDA_VISIBLE_DEVICES")


def test_busy_card():
    card = only(replay("busy-card"))
    assert value_of(card.memory_total_gib) == GIB(23.988, abs=1e-3)
    assert value_of(card.memory_free_gib) == GIB(1.039, abs=1e-3)


def test_old_k80():
    machine = replay("old-k80")
    card = only(machine)
    assert (card.id, value_of(card.compute_capability)) == ("k80", "3.7")
    assert (value_of(card.driver_version), value_of(card.runtime_version)) == ("470.256.02", "11.4")
    assert machine.problems == ()


def test_vgpu():
    card = only(replay("vgpu"))
    assert (card.kind, card.id) == ("vgpu", None)
    assert value_of(card.memory_total_gib) == 20.0


def test_same_name_other_memory():
    machine = replay("same-name-other-memory")
    card = only(machine)
    assert (card.name, card.id) == ("NVIDIA GeForce RTX 3060", None)
    assert value_of(card.memory_total_gib) == 8.0
    assert "no entry" in reason(machine, "NVIDIA GeForce RTX 3060")


def test_lost_card():
    machine = replay("lost-card")
    assert ids(machine) == ["h100-sxm", None]
    assert visible(machine) == [0]
    assert "GPU is lost" in reason(machine, "memory of NVIDIA GPU 1")


def test_cgroup_v1_limit():
    host = replay("cgroup-v1-limit").host
    assert value_of(host.memory_total_gib) == 4.0
    assert value_of(host.memory_available_gib) == 3.0
    assert value_of(host.cores) == 1.5
    assert value_of(host.container) is True


def test_cgroup_v2_limit():
    host = replay("cgroup-v2-limit").host
    assert value_of(host.memory_total_gib) == 32.0
    assert value_of(host.memory_available_gib) == 28.0
    assert value_of(host.cores) == 4.0
    assert value_of(host.container) is True


def test_cgroup_v2_max():
    host = replay("cgroup-v2-max").host
    assert value_of(host.memory_total_gib) == GIB(125.867, abs=1e-2)
    assert value_of(host.memory_available_gib) == GIB(124.889, abs=1e-2)
    assert value_of(host.cores) == 16


def test_mac_m3_max():
    machine = replay("mac-m3-max")
    card = only(machine)
    assert (card.id, card.vendor, card.kind, card.unified_memory) == ("m3-max", "apple", "integrated", True)
    assert value_of(card.memory_total_gib) == 64.0
    assert value_of(card.memory_free_gib) == 48.0
    assert value_of(machine.host.os) == "macos"
    assert value_of(machine.host.cpu_model) == "Apple M3 Max"
    assert "75%" in reason(machine, "memory of Apple M3 Max")


def test_mac_raised_limit():
    machine = replay("mac-raised-limit")
    assert value_of(only(machine).memory_free_gib) == 56.0, "the limit allows more than is available"
    assert machine.problems == ()


def test_mac_without_answers():
    machine = replay("mac-without-answers")
    assert machine.accelerators == ()
    assert "did not answer within 2 s" in reason(machine, "Apple GPU")
    assert value_of(machine.host.memory_total_gib) == 64.0
    assert isinstance(machine.host.disk_free_gib, Unknown)


@pytest.mark.parametrize("name", machine_names())
def test_a_saved_machine_names_no_identity(name: str, tmp_path):
    path = tmp_path / "machine.yaml"
    save_machine(replay(name), path)
    assert not re.search(r"(GPU|MIG)-[0-9a-f]{4}|serial|uuid", path.read_text(), re.IGNORECASE)
