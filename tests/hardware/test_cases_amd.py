"""Cases that people reported against other tools, each with what that tool got wrong."""

from __future__ import annotations

from typing import Any

import pytest

from deployadvisor.hardware.machine import Accelerator, Known, Machine, Unknown, value_of
from deployadvisor.hardware.probe import probe
from deployadvisor.hardware.recording import RecordedSystem

from .replay import changed, recording, replay

GIB = pytest.approx
PCI = "/sys/bus/pci/devices"


def only(machine: Machine) -> Accelerator:
    (card,) = machine.accelerators
    return card


def reason(machine: Machine, what: str) -> str:
    return " | ".join(problem.reason for problem in machine.problems if what in problem.what)


def not_counted(machine: Machine) -> list[str]:
    return [problem.what for problem in machine.problems if "no memory of its own; not counted" in problem.reason]


def total_gib(name: str, **changes: Any) -> float | None:
    return value_of(only(probe(RecordedSystem(changed(name, **changes)))).memory_total_gib)


def test_case_15_32_bits_of_windows_are_not_4_gib():
    """A RX 9060 XT of 16 GB was given 8 GB: first the cap, then a guess from its name (llmfit#55)."""
    machine = replay("windows-adapter-ram-cap")
    card = only(machine)
    assert isinstance(card.memory_total_gib, Unknown)
    assert "its number has 32 bits" in card.memory_total_gib.unknown
    assert card.id is None, "it is sold with 8 and with 16 GB"
    assert "32 bits" in reason(machine, "memory of AMD Radeon RX 9060 XT")


def test_case_16_graphics_of_a_processor_do_not_have_the_computers_memory():
    """UHD 630 was given all 32 GB of the computer (llmfit#964)."""
    machine = replay("windows-uhd-630")
    assert machine.accelerators == ()
    assert not_counted(machine) == ["Intel(R) UHD Graphics 630 (8086:3e98)"]


def test_case_16_the_rest_of_the_system_is_not_the_graphics_memory():
    """A Strix Halo with 96 GiB set aside was given the 31 GiB that were left to the system (llmfit#964)."""
    machine = replay("strix-halo-96g")
    assert value_of(machine.host.memory_total_gib) == GIB(30.98, abs=0.01)
    assert value_of(only(machine).memory_total_gib) == GIB(96)


def test_case_17_a_name_that_says_nothing_is_no_card_of_8_gb():
    """ "AMD Radeon(TM) Graphics" was guessed at 8 GB, and ranked before a GTX 1650 that has 4 (llmfit#25)."""
    machine = replay("windows-igpu-and-gtx-1650")
    assert [(card.vendor, card.id) for card in machine.accelerators] == [("nvidia", "gtx-1650")]
    assert value_of(only(machine).memory_total_gib) == 4.0
    assert not_counted(machine) == ["AMD Radeon(TM) Graphics (1002:1636)"]


def test_case_18_the_processors_graphics_are_no_second_card():
    """A Ryzen 9800X3D with one RX 7900 XTX was given two of them, and 48 GB (llmfit#271)."""
    machine = replay("rx-7900xtx-and-igpu")
    assert [card.id for card in machine.accelerators] == ["rx-7900xtx"]
    assert value_of(only(machine).memory_total_gib) == GIB(23.984, abs=1e-3)
    assert not_counted(machine) == ["AMD Radeon Graphics of Granite Ridge (Ryzen 9000)"]
    assert "ROCm numbers it 1" in reason(machine, "Granite Ridge")


def test_case_18_numbers_are_those_of_rocm_whatever_the_kernel_calls_card0():
    """The graphics are card0 of the kernel, and number 1 of ROCm: HIP_VISIBLE_DEVICES=0 is the card (llmfit#271)."""
    machine = replay("rx-6600-and-raphael")
    (remedy,) = [problem.remedy for problem in machine.problems if "Raphael" in problem.what]
    assert only(machine).index == 0
    assert remedy == "export HIP_VISIBLE_DEVICES=0 (or ROCR_VISIBLE_DEVICES), so that programs leave it out"


def test_case_18_graphics_before_the_card_take_number_0():
    nodes = "/sys/class/kfd/kfd/topology/nodes"
    files = recording("rx-6600-and-raphael").files
    swapped = {
        f"{nodes}/{new}/{file}": files[f"{nodes}/{old}/{file}"]
        for old, new in ((1, 2), (2, 1))
        for file in ("properties", "gpu_id", "mem_banks/0/properties")
    }
    machine = probe(RecordedSystem(changed("rx-6600-and-raphael", files=swapped)))
    assert only(machine).index == 1
    assert any("HIP_VISIBLE_DEVICES=1" in (problem.remedy or "") for problem in machine.problems)
    hidden = probe(RecordedSystem(changed("rx-6600-and-raphael", files=swapped, env={"HIP_VISIBLE_DEVICES": "0"})))
    assert only(hidden).visible is False
    assert "hides 1 of 1" in reason(hidden, "HIP_VISIBLE_DEVICES")


def test_case_19_one_graphics_is_mentioned_once_and_counted_never():
    """Each line "Name:" of rocminfo was counted: six cards and 48 GB for one Radeon 680M (llm-checker#76)."""
    machine = replay("igpu-680m")
    assert machine.accelerators == ()
    assert not_counted(machine) == ["AMD Radeon 660M and 680M of Rembrandt"]


@pytest.mark.parametrize(
    ("name", "carved_gib", "lent_gib", "pool_gib"),
    [
        ("strix-halo-2g", 2.0, 112.0, None),
        ("strix-halo-32g", 32.0, 47.0, None),
        ("strix-halo-96g", 96.0, 15.489, 96.0),
        ("strix-halo-96g-old-kernel", 96.0, 15.489, 15.88),
        ("strix-halo-ollama", 2.0, 109.516, None),
        ("strix-halo-halved-by-hip", 0.5, 124.0, 124.0),
        ("strix-halo-busy-host", 2.0, 120.0, 120.0),
    ],
)
def test_case_20_what_is_set_aside_and_what_is_lent_count_together_where_one_pool_has_both(
    name: str, carved_gib: float, lent_gib: float, pool_gib: float | None
):
    """It was given 2, 31 or 96 GB, or called a discrete card.

    llmfit#194, llmfit#964, llm-checker#75, ollama#17350, ollama#13173.
    """
    machine = replay(name)
    card = only(machine)
    assert (card.id, card.kind, card.unified_memory) == ("strix-halo", "integrated", True)
    assert value_of(card.gfx_target) == "gfx1151"
    assert value_of(card.memory_total_gib) == GIB(pool_gib or carved_gib + lent_gib, abs=1e-2)
    assert isinstance(card.memory_total_gib, Known)
    assert card.memory_total_gib.source.startswith("/sys/class/kfd" if pool_gib else "set aside by the firmware")
    told = f"set aside {carved_gib:.1f} GiB of the computer's memory, and the kernel lends {lent_gib:.1f} GiB"
    assert told in reason(machine, f"memory of {card.name}")


def test_case_20_a_loan_is_never_more_than_there_is():
    machine = replay("strix-halo-gtt-over-ram")
    assert value_of(only(machine).memory_total_gib) == GIB(0.5 + 124.92, abs=0.01)


def test_case_20_a_container_borrows_only_within_its_limit():
    files = {"/sys/fs/cgroup/memory.max": str(64 << 30), "/sys/fs/cgroup/memory.current": "0"}
    assert total_gib("strix-halo-2g", files=files) == GIB(2 + 64)


def test_case_20_what_is_set_aside_alone_is_no_total():
    """Without the kernel's files rocm-smi shows 64 GiB set aside, and nothing of the loan."""
    gone = {path: "" for path in recording("strix-halo-96g").files if "mem_info" in path}
    machine = probe(RecordedSystem(changed("strix-halo-96g", files=gone)))
    assert isinstance(unknown := only(machine).memory_total_gib, Unknown)
    assert "that the kernel lends is not known" in unknown.unknown


def test_case_20_programs_of_rocm_get_one_of_the_two():
    machine = replay("strix-halo-96g-old-kernel")
    assert "programs of ROCm get 15.9 GiB in one pool" in reason(machine, "memory of AMD Radeon 8060S Graphics")


def test_case_20_on_windows_the_rest_is_not_the_total():
    """96 GiB were set aside, and the 31.65 GiB that Windows had left were shown as the graphics' (llmfit#194)."""
    card = only(replay("windows-strix-halo-96g"))
    assert (card.id, card.kind, card.unified_memory) == ("strix-halo", "integrated", True)
    assert value_of(card.memory_total_gib) == GIB(96 + 31.65 / 2, abs=0.01)
    assert value_of(card.memory_free_gib) == GIB(96 - 1.2 + 31.65 / 2, abs=0.01)


def test_case_21_the_kernel_is_asked_and_not_a_runtime_that_halves():
    """A nightly ROCm showed 62.6 GiB of 124 (rocm-systems#5167)."""
    assert total_gib("strix-halo-halved-by-hip") == GIB(124)


def test_case_21_what_the_host_has_left_bounds_the_loan_and_not_what_is_set_aside():
    """With 96 GiB set aside, the 27 GiB that the system had left were shown as free (llama.cpp#20472, #26932)."""
    busy = only(replay("strix-halo-busy-host"))
    assert value_of(busy.memory_free_gib) == GIB(1.86 + 90.0, abs=0.01)
    assert value_of(only(replay("strix-halo-96g")).memory_free_gib) == GIB(96)


def test_case_22_a_card_never_works_in_shared_memory():
    """Without rocm-smi it was called shared memory, and offered models of 120 billion parameters (whichllm#61)."""
    card = only(replay("rx-6750xt-without-tools"))
    assert (card.id, card.kind, card.unified_memory) == ("rx-6750xt", "gpu", False)
    assert value_of(card.memory_total_gib) == GIB(11.984, abs=1e-3)


def test_a_clone_of_the_tools_is_not_taken_for_amd():
    """Hygon's program prints the same document with other words in it."""
    clone = '{"card0": {"vram Total Memory (MiB)": "65520", "vram Total Used Memory (MiB)": "9703"}}'
    command = "rocm-smi --showproductname --showmeminfo vram gtt --showbus --showuniqueid --showdriverversion --json"
    machine = probe(RecordedSystem(changed("rocm-4-rocm-smi-only", commands={command: {"out": clone}})))
    assert machine.accelerators == ()
    assert "neither the kernel nor a tool shows a card" in reason(machine, "AMD GPUs")
