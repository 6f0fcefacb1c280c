"""One test a recorded machine with NVIDIA cards that no reported case stands for: healthy ones, and broken ones."""

from __future__ import annotations

import pytest

from deployadvisor.hardware.machine import Accelerator, Known, Machine, Unknown, value_of
from deployadvisor.hardware.nvidia_module import module_version
from deployadvisor.hardware.probe import probe
from deployadvisor.hardware.recording import RecordedSystem

from .replay import changed, probe_of, recording, replay

GIB = pytest.approx


def only(machine: Machine) -> Accelerator:
    (card,) = machine.accelerators
    return card


def names(machine: Machine) -> list[str]:
    return [card.name for card in machine.accelerators]


def said(machine: Machine) -> list[tuple[str, str | None]]:
    return [(problem.reason, problem.remedy) for problem in machine.problems]


def reasons(machine: Machine) -> str:
    return " | ".join(problem.reason for problem in machine.problems)


def linked(card: Accelerator) -> list[tuple[int, str, int | None]]:
    assert isinstance(card.links, Known)
    return [(link.to, link.kind, link.lanes) for link in card.links.value]


# Healthy


def test_h100_x8():
    machine = replay("h100-x8")
    assert [card.id for card in machine.accelerators] == ["h100-sxm"] * 8
    assert [value_of(card.numa_node) for card in machine.accelerators] == [0.0] * 4 + [1.0] * 4
    assert linked(machine.accelerators[3]) == [(to, "nvlink", 18) for to in (0, 1, 2, 4, 5, 6, 7)]
    card = machine.accelerators[0]
    assert (value_of(card.power_cap_w), value_of(card.pcie_generation), value_of(card.ecc)) == (700.0, 5.0, True)
    assert value_of(card.memory_free_gib) == GIB(79.18, abs=0.01)
    host = machine.host
    assert (value_of(host.numa_nodes), value_of(host.shared_memory_gib)) == (2.0, 1008.0)
    assert value_of(host.container_tools) == ("docker", "kubectl")
    assert value_of(host.gpu_toolkit) == "NVIDIA Container Toolkit 1.17.8"
    assert machine.problems == ()


def test_a100_pcie_x8():
    machine = replay("a100-pcie-x8")
    assert [card.id for card in machine.accelerators] == ["a100-80g-pcie"] * 8
    near, far = [(to, "pcie", None) for to in (0, 1, 3)], [(to, "numa", None) for to in (4, 5, 6, 7)]
    assert linked(machine.accelerators[2]) == [*near, *far]
    assert machine.problems == ()


def test_rtx_4090_with_display():
    card = only(replay("rtx-4090-with-display"))
    assert (card.id, value_of(card.display_attached), value_of(card.ecc)) == ("rtx-4090", True, False)
    assert value_of(card.memory_free_gib) == GIB(22.18, abs=0.01)
    assert linked(card) == []


def test_gh200():
    card = only(replay("gh200"))
    assert (card.kind, card.unified_memory) == ("gpu", False)
    assert value_of(card.memory_total_gib) == GIB(95.58, abs=0.01)


def test_k80_two_dies():
    machine = replay("k80-two-dies")
    assert names(machine) == ["Tesla K80", "Tesla K80"]
    assert [value_of(card.memory_total_gib) for card in machine.accelerators] == [GIB(11.17, abs=0.01)] * 2


def test_cpu_only():
    machine = replay("cpu-only")
    assert machine.accelerators == ()
    assert said(machine) == [("no NVIDIA card is on the bus of this computer", None)]
    assert value_of(machine.host.memory_available_gib) == GIB(243.19, abs=0.01)


def test_a_computer_with_another_makers_card_is_not_told_to_install_a_driver():
    files = {path.replace("04:00.0", "05:00.0"): text for path, text in recording("cpu-only").files.items()}
    amd = {path: "0x1002\n" if path.endswith("/vendor") else text for path, text in files.items()}
    machine = probe_of(changed("cpu-only", files=amd))
    assert not [problem for problem in machine.problems if "NVIDIA" in problem.what]


# nvidia-smi where the library cannot be asked


def test_only_nvidia_smi():
    machine = replay("only-nvidia-smi")
    card = only(machine)
    assert (card.id, value_of(card.compute_capability)) == ("a10g", "8.6")
    assert (value_of(card.driver_version), value_of(card.runtime_version)) == ("470.57.02", "11.4")
    assert (value_of(card.pci_id), value_of(card.power_cap_w)) == ("10de:2237", 300.0)
    assert card.memory_total_gib == Known[float](value=22731 / 1024, source="nvidia-smi -q -x total")
    assert machine.problems == ()


def test_wsl2_library_off_the_path():
    card = only(replay("wsl2-library-off-the-path"))
    assert (card.id, value_of(card.memory_free_gib)) == ("rtx-5090", GIB(29.61, abs=0.01))
    assert isinstance(card.used_by, Known)
    assert [(use.who, value_of(use.memory_gib)) for use in card.used_by.value] == [
        ("process 31, which is not seen from here", None),
        ("Windows and its programs, and the driver", GIB(2.24, abs=0.01)),
    ]


def test_inforom_corrupted():
    machine = replay("inforom-corrupted")
    assert (only(machine).id, value_of(only(machine).memory_free_gib)) == ("t4", GIB(14.56, abs=0.01))
    assert machine.problems == ()


def test_library_hangs():
    machine = replay("library-hangs")
    assert [card.id for card in machine.accelerators] == ["h100-sxm", "h100-sxm"]
    assert "nvmlInit: it did not answer within 3 s; nvidia-smi answered instead" in reasons(machine)


@pytest.mark.parametrize("name", ["lost-card-by-program", "lost-card-before-the-answer"])
def test_a_lost_card_keeps_its_number_and_the_others_theirs(name: str):
    machine = replay(name)
    assert [card.id for card in machine.accelerators] == ["rtx-3080", "rtx-3080", None, "rtx-3080"]
    assert [card.visible for card in machine.accelerators] == [True, True, False, True]
    ((reason, remedy),) = said(machine)
    assert "Unknown Error" in reason or "GPU is lost" in reason
    assert "until then CUDA may fail on the other cards too" in (remedy or "")


def test_a_lost_card_is_still_named_by_its_place_when_ids_are_asked_for():
    card = probe(RecordedSystem(recording("lost-card-by-program")), include_ids=True).accelerators[2]
    assert card.ids is not None
    assert value_of(card.ids.pci_address) == "0000:04:00.0"


# Cards that the driver does not tell of


def test_nouveau():
    machine = replay("nouveau")
    card = only(machine)
    assert isinstance(card.memory_total_gib, Unknown)
    assert card.id in (None, "rtx-3090")
    assert said(machine) == [
        (
            "nouveau holds the card, a driver without CUDA",
            "install NVIDIA's driver, which replaces nouveau, and reboot",
        )
    ]


def test_card_set_aside():
    machine = replay("card-set-aside")
    assert names(machine) == ["NVIDIA GeForce RTX 3090"]
    assert "set aside for virtual machines (vfio-pci)" in reasons(machine)


def test_every_card_set_aside():
    machine = probe_of(changed("card-set-aside", nvml={"nvmlInit": {"error": 12}}))
    assert [card.visible for card in machine.accelerators] == [False, True]
    assert "set aside" in reasons(machine)
    assert "no NVIDIA driver library" in reasons(machine)


def test_everything_hangs():
    machine = replay("everything-hangs")
    assert len(machine.accelerators) == 2
    ((reason, _),) = said(machine)
    assert reason == "NVML: nvmlInit: it did not answer within 3 s; nvidia-smi: it did not answer within 0.8 s"
    assert [card.memory_total_gib for card in machine.accelerators] == [
        Unknown(unknown=reason, remedy=machine.problems[0].remedy)
    ] * 2


def test_container_without_cards():
    machine = replay("container-without-cards")
    assert machine.accelerators == ()
    assert "2 on the bus of the computer, none given to this container" in reasons(machine)
    assert all("--gpus all" in (remedy or "") for _, remedy in said(machine))


@pytest.mark.parametrize("value", ["void", "none", ""])
def test_container_void(value: str):
    machine = replay("container-void", NVIDIA_VISIBLE_DEVICES=value)
    assert machine.accelerators == ()
    assert f'started without cards (NVIDIA_VISIBLE_DEVICES="{value}")' in (machine.problems[0].remedy or "")


def test_a_container_that_asked_for_no_cards_of_a_running_driver_has_none():
    asked = changed("container-void", env={"NVIDIA_VISIBLE_DEVICES": "none"}, nvml={"nvmlDeviceGetCount": 0})
    machine = probe_of(asked)
    assert machine.accelerators == ()
    assert "shows no card to this process" in reasons(machine)
    assert "none given to this container" in reasons(machine)


def test_access_lost_in_container():
    machine = replay("access-lost-in-container")
    assert isinstance(only(machine).memory_total_gib, Unknown)
    ((reason, remedy),) = said(machine)
    assert "Unknown Error" in reason
    assert remedy == "restart the container: it loses its cards when systemd reloads its units on the host"


def test_wsl2_without_driver():
    machine = replay("wsl2-without-driver")
    assert machine.accelerators == ()
    assert (
        said(machine)[0][1]
        == "install NVIDIA's driver in Windows, which lends it to WSL; inside WSL none is installed"
    )


def test_slices_that_the_driver_does_not_count_are_said():
    nvml = {**recording("mig-empty").nvml}
    nvml["devices"] = [{**nvml["devices"][0], "nvmlDeviceGetMaxMigDeviceCount": {"error": 4}}]
    machine = probe_of(changed("mig-empty", nvml=nvml))
    assert machine.accelerators == ()
    assert "the slices of card 0 are not told" in reasons(machine)
    assert "Insufficient Permissions" in reasons(machine)


def test_a_card_that_nvidia_smi_only_counts_is_there():
    answer = recording("only-nvidia-smi").commands["nvidia-smi -q -x"]
    counted = answer.out.replace("<attached_gpus>1<", "<attached_gpus>2<")
    machine = probe_of(changed("only-nvidia-smi", commands={"nvidia-smi -q -x": {"out": counted}}))
    assert names(machine) == ["NVIDIA A10G", "NVIDIA GPU 1"]
    assert "nvidia-smi -q -x: does not say" in reasons(machine)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.142  Release Build  (a@b)  Tue", "580.142"),
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.216.03  Thu Apr  3 01:14:19 UTC 2025", "535.216.03"),
        ("NVRM version: NVIDIA UNIX Kernel Module for aarch64  34.1.1  Release Build", "34.1.1"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for aarch64  540.4.0  Release Build", "540.4.0"),
        ("GCC version:  gcc version 13.3.0", None),
        ("", None),
    ],
)
def test_the_module_knows_its_version(line: str, expected: str | None):
    asked = changed("cpu-only", files={"/proc/driver/nvidia/version": f"{line}\nGCC version:  gcc version 13.3.0\n"})
    assert module_version(RecordedSystem(asked)) == expected
