"""NVIDIA cards that no driver tells of: those that the bus knows, those that a silent driver hides, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from deployadvisor.catalog.gpus import Gpu, gpus_by_pci
from deployadvisor.hardware.answers import (
    DRIVER_NOT_LOADED,
    LIBRARY_NOT_FOUND,
    NO_PERMISSION,
    NOT_FOUND,
    UNKNOWN_ERROR,
    VERSION_MISMATCH,
    Answers,
    Refusal,
)
from deployadvisor.hardware.machine import Accelerator, Host, Ids, Known, Problem, Text, Unknown, value_of
from deployadvisor.hardware.nvidia_module import module_version
from deployadvisor.hardware.pci import FOLDER, PciDevice, bus_address, pci_devices
from deployadvisor.hardware.reading import Reading
from deployadvisor.hardware.system import System

PCI_VENDOR = "10de"
HANGS = "read dmesg; a card that hangs needs a reset or a reboot; with many cards, nvidia-smi -pm 1 speeds it up"

_OTHER_MAKERS = ("1002", "8086", "19e5", "1da3")
"""AMD, Intel, Huawei, Habana: their cards have readers of their own."""
_MARKS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/nvmap", "/proc/driver/nvidia/version")
_WITHOUT_CARDS = ("none", "void", "")
_NOT_GIVEN = (LIBRARY_NOT_FOUND, NOT_FOUND)
"""What a container is told that was given no card."""

_IN_CONTAINER = "in a container, start it with --gpus all and the NVIDIA container toolkit"
_STARTUP: dict[int | None, tuple[str, str]] = {
    LIBRARY_NOT_FOUND: (
        "no NVIDIA driver library (libnvidia-ml) is installed here",
        f"install the NVIDIA driver; {_IN_CONTAINER}",
    ),
    DRIVER_NOT_LOADED: (
        "the NVIDIA driver is installed but its kernel module is not loaded",
        "run modprobe nvidia and read dmesg; after a kernel update, reinstall the driver",
    ),
    VERSION_MISMATCH: (
        "the NVIDIA library and the loaded kernel module have different versions",
        "reboot, or reload the nvidia modules: the driver was updated while it was in use",
    ),
    NO_PERMISSION: (
        "this user may not open the NVIDIA devices",
        "give the user access to /dev/nvidia* (often the groups video and render)",
    ),
}
_IN_WINDOWS = "install NVIDIA's driver in Windows, which lends it to WSL; inside WSL none is installed"
_ACCESS_LOST = "restart the container: it loses its cards when systemd reloads its units on the host"
_HOLDERS: Mapping[str, tuple[str, str]] = {
    "nouveau": (
        "nouveau holds the card, a driver without CUDA",
        "install NVIDIA's driver, which replaces nouveau, and reboot",
    ),
    "vfio-pci": (
        "the card is set aside for virtual machines (vfio-pci)",
        "use it inside the virtual machine, or bind it to the nvidia driver again",
    ),
}


def nvidia_problem(reason: str, remedy: str | None, *, what: str = "NVIDIA GPUs") -> Problem:
    """A problem with one card, or with all of them."""
    return Problem(what=what, reason=reason, remedy=remedy)


def refusal_of(answers: Answers) -> Refusal:
    """Why there are no cards."""
    for function in ("nvmlInit", "nvmlDeviceGetCount"):
        refused = answers.ask(function)
        if isinstance(refused, Refusal) and (answers.stopped or answers.values.get(function) is not None):
            return refused
    return Refusal(answers.name, NOT_FOUND, "it shows no card")


def unread(answers: Answers, system: System, host: Host) -> Reading:
    """Why no card was read. Those that are on the bus all the same are there, with a memory that nobody knows."""
    refused, on_bus = refusal_of(answers), pci_devices(system, PCI_VENDOR)
    if not on_bus and _is_elsewhere(system, refused):
        return _none_here(system)
    why = _why(answers, refused, system, host)
    if _is_withheld(refused, host, system):
        held_back = tuple(_of_container(on_bus))
        return Reading(problems=(nvidia_problem(why.unknown, why.remedy), *held_back))
    cards = [_on_bus(device, index, why) for index, device in enumerate(on_bus)]
    if not cards and _hides_cards(answers, refused):
        cards = [_nameless("NVIDIA GPU", None, 0, why)]
    reasons = dict.fromkeys(_reason(card) for card in cards) or {why: None}
    return Reading(tuple(cards), tuple(nvidia_problem(reason.unknown, reason.remedy) for reason in reasons))


def off_the_bus(cards: Sequence[Answers], system: System, host: Host) -> Iterator[Problem]:
    """Cards of the computer that the driver does not list; a container is not given all of them anyway."""
    listed = {_address(card) for card in cards}
    if value_of(host.container) or None in listed:
        return
    for device in pci_devices(system, PCI_VENDOR):
        if device.address not in listed and not _is_virtual(device, system):
            why = _held(device) or Unknown(unknown="it is on the bus, but the driver does not list it", remedy=HANGS)
            yield nvidia_problem(why.unknown, why.remedy, what=_name(device))


# Why


def _is_elsewhere(system: System, refused: Refusal) -> bool:
    """Whether the bus was listed and nothing hints at NVIDIA; boards have their GPU beside the bus."""
    known = bool(system.names(FOLDER)) and refused.code in (LIBRARY_NOT_FOUND, None)
    return known and all(system.access(path) == "absent" for path in _MARKS) and not system.has_program("nvidia-smi")


def _none_here(system: System) -> Reading:
    if pci_devices(system, *_OTHER_MAKERS):
        return Reading()
    return Reading(problems=(nvidia_problem("no NVIDIA card is on the bus of this computer", None),))


def _why(answers: Answers, refused: Refusal, system: System, host: Host) -> Unknown:
    if answers.stopped is not None:
        remedy = "pip install nvidia-ml-py" if answers.is_absent else HANGS
        return Unknown(unknown=f"{answers.name}: {answers.stopped}", remedy=remedy)
    if refused.code in _STARTUP:
        reason, remedy = _STARTUP[refused.code]
        said = f"{reason} ({refused.source}: {refused.words}{_module(refused, system)})"
        return Unknown(unknown=said, remedy=_remedy(refused, system, host) or remedy)
    if refused.code == NOT_FOUND:
        reason = "the NVIDIA driver runs but shows no card to this process"
        return Unknown(unknown=reason, remedy=_withheld(system.env()) or "in a container, start it with --gpus all")
    lost = refused.code == UNKNOWN_ERROR and value_of(host.container)
    return Unknown(
        unknown=f"{answers.name} does not start: {refused.words}", remedy=_ACCESS_LOST if lost else "try nvidia-smi"
    )


def _module(refused: Refusal, system: System) -> str:
    """The kernel module's version, where it is the point."""
    version = module_version(system) if refused.code == VERSION_MISMATCH else None
    return f"; the module has {version}" if version else ""


def _remedy(refused: Refusal, system: System, host: Host) -> str | None:
    """What to do in this place; None where it is what one does everywhere."""
    if refused.code not in (LIBRARY_NOT_FOUND, DRIVER_NOT_LOADED):
        return None
    return _withheld(system.env()) or (_IN_WINDOWS if value_of(host.wsl) else None)


def _withheld(env: Mapping[str, str]) -> str | None:
    """Whether this container was started without cards on purpose."""
    value = env.get("NVIDIA_VISIBLE_DEVICES")
    if value is None or value.strip().casefold() not in _WITHOUT_CARDS:
        return None
    return f'this container was started without cards (NVIDIA_VISIBLE_DEVICES="{value.strip()}"): use --gpus all'


def _is_withheld(refused: Refusal, host: Host, system: System) -> bool:
    """Whether this is a container that was given no card; it sees the computer's bus all the same."""
    no_node = all(system.access(path) == "absent" for path in ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg"))
    return value_of(host.container) is True and refused.code in _NOT_GIVEN and no_node


def _of_container(on_bus: Sequence[PciDevice]) -> Iterator[Problem]:
    if on_bus:
        reason = f"{len(on_bus)} on the bus of the computer, none given to this container"
        yield nvidia_problem(reason, _IN_CONTAINER)


def _hides_cards(answers: Answers, refused: Refusal) -> bool:
    """Whether a driver is there that has cards, but does not tell of them."""
    hangs = answers.stopped is not None and not answers.is_absent
    return hangs or refused.code in (VERSION_MISMATCH, NO_PERMISSION, UNKNOWN_ERROR)


# Cards that the bus knows


def _on_bus(device: PciDevice, index: int, reason: Unknown) -> Accelerator:
    """A card by its PCI identity; where that means one product only, its name and id are known."""
    entry, held = _entry(device), _held(device)
    card = _nameless(_name(device), entry.id if entry else None, index, held or reason, device.address)
    return card.model_copy(update={"visible": device.driver != "vfio-pci"})


def _held(device: PciDevice) -> Unknown | None:
    """Why NVIDIA's driver cannot have the card: another one has it."""
    held = _HOLDERS.get(device.driver or "")
    return Unknown(unknown=held[0], remedy=held[1]) if held else None


def _entry(device: PciDevice) -> Gpu | None:
    entries = gpus_by_pci(device.pci_id)
    return entries[0] if len(entries) == 1 else None


def _name(device: PciDevice) -> str:
    entry = _entry(device)
    return entry.name if entry else f"NVIDIA GPU {device.pci_id}"


def _is_virtual(device: PciDevice, system: System) -> bool:
    """Whether it is a share of another device, made for a virtual machine."""
    return system.target(f"{FOLDER}/{device.address}/physfn") is not None


def _address(card: Answers) -> str | None:
    text = card.field("nvmlDeviceGetPciInfo", "busId")
    return bus_address(text) if isinstance(text, str) else None


def _reason(card: Accelerator) -> Unknown:
    return card.memory_total_gib if isinstance(card.memory_total_gib, Unknown) else Unknown(unknown="read")


def _nameless(
    name: str, entry_id: str | None, index: int, reason: Unknown, address: str | None = None
) -> Accelerator:
    place: Text = Known[str](value=address, source=FOLDER) if address else reason
    return Accelerator(
        index=index,
        vendor="nvidia",
        name=name,
        id=entry_id,
        memory_total_gib=reason,
        memory_free_gib=reason,
        compute_capability=reason,
        driver_version=reason,
        runtime_version=reason,
        ids=Ids(uuid=reason, serial=reason, pci_address=place),
    )
