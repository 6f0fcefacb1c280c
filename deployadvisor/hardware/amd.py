"""Read AMD cards on Linux: by the kernel's files, AMD's library and programs, and say what is missing.

The kernel's files tell memory, order and links without any tool, so that a card is never lost because one is not
installed, hangs, or prints something new. Graphics inside a processor are not counted as cards, except those whose
memory is worth planning with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deployadvisor.catalog.integrated import integrated_by_pci, is_integrated
from deployadvisor.hardware.amd_cards import Card, read_cards
from deployadvisor.hardware.amd_devices import KFD, Found, closed_files, found_devices, given, with_said
from deployadvisor.hardware.amd_links import links
from deployadvisor.hardware.amd_sysfs import size_gib
from deployadvisor.hardware.amd_tools import Tools, ask_tools
from deployadvisor.hardware.identity import why_unlisted
from deployadvisor.hardware.kfd import Node, gpu_nodes
from deployadvisor.hardware.machine import Accelerator, Host, Problem, Unknown, value_of
from deployadvisor.hardware.pci import FOLDER, PciDevice, pci_devices
from deployadvisor.hardware.reading import Patience, Reading
from deployadvisor.hardware.system import System
from deployadvisor.hardware.visible_amd import HIP, ROCR, Device, choose_amd

PCI_VENDOR = "1002"

WHAT = "AMD GPUs"
_DRI = "/dev/dri"
_PROGRAMS = ("amd-smi", "rocm-smi", "rocminfo")
_GROUPS = "sudo usermod -a -G render,video $USER, then log in again"
_IN_CONTAINER = f"start the container with --device {KFD} --device {_DRI} --group-add video --group-add render"
_NO_TOOLS = Tools()


def read_amd(system: System, host: Host, patience: Patience) -> Reading:
    """Every AMD device; one that nothing can be read of has an unknown memory."""
    on_bus = pci_devices(system, PCI_VENDOR)
    if not on_bus and not _may_be_hidden(system):
        return Reading(problems=tuple(_wsl_problem(system, host)))
    inside = value_of(host.container) is True
    if inside and not _is_given_anything(system):
        return Reading(problems=tuple(_withheld(len(_cards_of(on_bus)))))
    all_nodes = gpu_nodes(system)
    nodes = given(system, all_nodes, inside=inside)
    found = found_devices(nodes, _given_on_bus(on_bus, all_nodes, nodes))
    tools = _ask(system, patience, found)
    found = with_said(found, tools.cards)
    cards = read_cards(found, system, host)
    problems = (*tools.problems, *_problems(system, found, cards, inside=inside))
    withheld = tuple(_withheld(len(all_nodes) - len(nodes))) if inside else ()
    return _with_visibility(system, host, found, cards, [*problems, *withheld])


# Whether there is anything to read


def _may_be_hidden(system: System) -> bool:
    """No AMD device on the bus; still the bus itself may be hidden from this process."""
    if system.access(KFD) != "absent" or gpu_nodes(system):
        return True
    return not system.names(FOLDER) and any(system.has_program(name) for name in _PROGRAMS)


def _is_given_anything(system: System) -> bool:
    return any(name.startswith("renderD") for name in system.names(_DRI))


def _cards_of(on_bus: Sequence[PciDevice]) -> list[PciDevice]:
    return [device for device in on_bus if not is_integrated(device.pci_id)]


def _given_on_bus(on_bus: Sequence[PciDevice], nodes: Sequence[Node], ours: Sequence[Node]) -> tuple[PciDevice, ...]:
    """Devices of the bus but for those whose files were not given to this container."""
    kept = {node.address for node in ours} | {node.card_address for node in ours}
    withheld = {place for node in nodes for place in (node.address, node.card_address)} - kept
    return tuple(device for device in on_bus if device.address not in withheld)


def _ask(system: System, patience: Patience, found: Sequence[Found]) -> Tools:
    """Tools are worth their time only where there is a card, or nothing can be seen without them."""
    counted = [device for device in found if device.role != "integrated" and device.is_driven]
    if found and not counted:
        return _NO_TOOLS
    sizes = [size_gib(system, device.address, "mem_info_vram_total") for device in counted]
    return ask_tools(system, patience, with_memory=not sizes or any(isinstance(size, Unknown) for size in sizes))


# What the user should know


def _problem(reason: str, remedy: str | None, *, what: str = WHAT) -> Problem:
    return Problem(what=what, reason=reason, remedy=remedy)


def _wsl_problem(system: System, host: Host) -> Iterator[Problem]:
    if value_of(host.wsl) is True and any(system.has_program(name) for name in _PROGRAMS):
        yield _problem("inside WSL the driver of Windows shows no AMD card to this probe", "run the probe on Windows")


def _withheld(count: int) -> Iterator[Problem]:
    if count:
        yield _problem(f"{count} on the bus of the computer, not given to this container", _IN_CONTAINER)


def _problems(system: System, found: Sequence[Found], cards: Sequence[Card], *, inside: bool) -> Iterator[Problem]:
    if not found and system.access(KFD) != "absent":
        yield _problem(f"{KFD} is there, but neither the kernel nor a tool shows a card", "read dmesg")
    yield from _file_problems(system, found, inside=inside)
    for card in cards:
        yield from card.problems
        yield from _card_problem(card)
    yield from _integrated_problems(system, found, cards)


def _file_problems(system: System, found: Sequence[Found], *, inside: bool) -> Iterator[Problem]:
    """Device files that are missing or closed: everything can be read without them, and nothing can run."""
    if closed := tuple(closed_files(system, found)):
        more = f" and what it needs in {_DRI}" if len(closed) > 1 else ""
        yield _problem(f"this user may not open {closed[0]}{more}", _IN_CONTAINER if inside else _GROUPS)
    driven = any(device.role != "integrated" and device.is_driven and device.device for device in found)
    if driven and system.access(KFD) == "absent":
        reason = f"there is no {KFD}: programs of ROCm cannot run here, those of Vulkan can"
        yield _problem(reason, _IN_CONTAINER if inside else "use a kernel that is built with CONFIG_HSA_AMD")


def _card_problem(card: Card) -> Iterator[Problem]:
    accelerator = card.accelerator
    total = accelerator.memory_total_gib
    if isinstance(total, Unknown):
        yield _problem(total.unknown, total.remedy, what=f"memory of {accelerator.name}")
    elif accelerator.id is None and card.found.parts == 1:
        reason, remedy = why_unlisted(card.found.pci_id, total.value)
        yield _problem(reason, remedy, what=accelerator.name)


def _integrated_problems(system: System, found: Sequence[Found], cards: Sequence[Card]) -> Iterator[Problem]:
    """Graphics of the processor are not counted, but ROCm numbers them: a card may not be number 0."""
    numbered = [device.index for device in found if device.node and device.role != "integrated"]
    env = system.env()
    for device in found:
        if device.role != "integrated":
            continue
        reason = "integrated graphics of the processor, no memory of its own; not counted"
        remedy = None
        if device.node is not None and cards:
            reason += f". ROCm numbers it {device.index}"
            hidden = HIP in env or ROCR in env
            names = ",".join(map(str, numbered))
            remedy = None if hidden else f"export {HIP}={names} (or {ROCR}), so that programs leave it out"
        yield _problem(reason, remedy, what=_integrated_name(device))


def _integrated_name(device: Found) -> str:
    listed = integrated_by_pci(device.pci_id) if device.pci_id else None
    return listed.name if listed else f"AMD graphics {device.pci_id or device.index}"


# Numbers and variables


def _with_visibility(
    system: System, host: Host, found: Sequence[Found], cards: Sequence[Card], problems: list[Problem]
) -> Reading:
    """Apply the variables to the devices of ROCm, and join the cards."""
    numbered = [device for device in found if device.node is not None or device.device is None]
    devices = [Device(device.node.uuid if device.node else None, device.role != "integrated") for device in numbered]
    choice = choose_amd(system.env(), devices) if any(device.counted for device in devices) else None
    hidden = {device.index for place, device in enumerate(numbered) if choice and place not in choice.positions}
    accelerators = tuple(_finished(card, cards, host, hidden) for card in cards)
    said = choice.problems if choice else ()
    return Reading(accelerators, tuple(dict.fromkeys((*problems, *said))))


def _finished(card: Card, cards: Sequence[Card], host: Host, hidden: set[int]) -> Accelerator:
    update = {"links": links(cards, card, host), "visible": card.accelerator.index not in hidden}
    return card.accelerator.model_copy(update=update)
