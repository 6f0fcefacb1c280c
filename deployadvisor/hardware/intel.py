"""Read Intel's accelerators: Arc and data centre GPUs by xpu-smi, sysfs and the bus; Gaudi is read beside them.

A processor's own graphics have no memory of their own and are not counted. Level Zero itself is not asked: it would
take a binding of its own to learn what xpu-smi, which is built on it, prints.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deployadvisor.catalog.gpus import gpus_by_pci
from deployadvisor.catalog.integrated import integrated_by_pci, is_integrated
from deployadvisor.hardware.findings import device_problems
from deployadvisor.hardware.gaudi import read_gaudi
from deployadvisor.hardware.intel_cards import MEMORY_REGION, SMALL_WINDOW_BYTES, Card, card_devices, faults_of
from deployadvisor.hardware.intel_smi import LIST, NAME, Discovery, XpuDevice, details_command, read_discovery
from deployadvisor.hardware.intel_visible import ORDER, choose, is_flat
from deployadvisor.hardware.machine import Accelerator, Host, Known, Problem, Text, Unknown, value_of
from deployadvisor.hardware.pci import FOLDER, PciDevice, pci_devices, window_bytes
from deployadvisor.hardware.reading import Patience, Reading
from deployadvisor.hardware.system import System

PCI_VENDOR = "8086"

_LIST_S = 3.0
_DETAILS_S = 1.0
_LEAST_S = 0.1
_PROGRAM = LIST[0]
_DISPLAY = "0x03"  # PCI base class: the same vendor's processors also have an accelerator for small networks
_OWN_PLACE = "0000:00:02.0"  # where processors have their own graphics
_LIBRARY_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib")
_LIBRARY = "libze_intel_gpu.so.1"
_LIBRARY_FILE = re.compile(r"libze_intel_gpu\.so\.([0-9]{1,3}(?:\.[0-9]{1,6}){1,3})")
_WHAT = "Intel GPUs"
_IN_CONTAINER = "in a container, start it with --device /dev/dri"
_NO_RUNTIME = Unknown(
    unknown="no Level Zero driver (libze_intel_gpu) is installed here",
    remedy="install the package libze-intel-gpu1 (intel-level-zero-gpu), or run the engine in an image that has it",
)


def read_intel(system: System, host: Host, patience: Patience) -> Reading:
    """Every GPU and every Gaudi; where both are, Gaudi is numbered after the GPUs, since a number stands once."""
    gpus, gaudi = _gpus(system, host, patience), read_gaudi(system, host, patience)
    start = 1 + max((card.index for card in gpus.accelerators), default=-1)
    numbered = tuple(card.model_copy(update={"index": start + card.index}) for card in gaudi.accelerators)
    return gpus + Reading(numbered, gaudi.problems)


@dataclass(frozen=True, slots=True)
class _Bus:
    """Intel's graphics on the bus."""

    cards: tuple[PciDevice, ...] = ()
    built_in: tuple[PciDevice, ...] = ()


def _gpus(system: System, host: Host, patience: Patience) -> Reading:
    bus = _sorted(system)
    notes = tuple(map(_built_in, bus.built_in))
    given = tuple(device for device in bus.cards if _is_given(system, host, device))
    if not given and (bus.built_in or bus.cards or not system.has_program(_PROGRAM)):
        return Reading(problems=(*notes, *_of_container(bus.cards)))
    found = _discover(system, patience)
    cards = _merged(given, bus.built_in, found)
    problems = [*notes, *_of_container([device for device in bus.cards if device not in given])]
    problems += _program_problems(found, cards)
    return _numbered(system, cards, bus.built_in, problems)


def _sorted(system: System) -> _Bus:
    """Cards and built-in graphics, without the virtual functions of a card that is here itself."""
    graphics = [
        device
        for device in pci_devices(system, PCI_VENDOR)
        if (system.text(f"{FOLDER}/{device.address}/class") or "").startswith(_DISPLAY)
        and system.target(f"{FOLDER}/{device.address}/physfn") is None
    ]
    built_in = tuple(device for device in graphics if _is_built_in(system, device))
    return _Bus(tuple(device for device in graphics if device not in built_in), built_in)


def _is_built_in(system: System, device: PciDevice) -> bool:
    """By the catalogue, else by its place and a memory window that is too small for a card's memory."""
    if is_integrated(device.pci_id):
        return True
    if gpus_by_pci(device.pci_id) or device.address != _OWN_PLACE:
        return False
    return (window_bytes(system, device.address, MEMORY_REGION) or 0) <= SMALL_WINDOW_BYTES


def _built_in(device: PciDevice) -> Problem:
    entry = integrated_by_pci(device.pci_id)
    name = entry.name if entry else f"Intel graphics {device.pci_id}"
    reason = "it is part of the processor and works in the host's memory, so it is not counted as an accelerator"
    return Problem(what=name, reason=reason)


def _is_given(system: System, host: Host, device: PciDevice) -> bool:
    """A container shows the bus of its host, but only the device nodes that it was given."""
    names = system.names(f"{FOLDER}/{device.address}/drm")
    nodes = [name for name in names if name.startswith("renderD")]
    if not nodes or not value_of(host.container):
        return True
    return any(system.access(f"/dev/dri/{node}") != "absent" for node in nodes)


def _of_container(devices: Sequence[PciDevice]) -> Iterator[Problem]:
    if devices:
        reason = f"{len(devices)} on the bus of the computer, none of them given to this container"
        yield Problem(what=_WHAT, reason=reason, remedy=_IN_CONTAINER)


# What xpu-smi says


def _discover(system: System, patience: Patience) -> Discovery:
    listed = read_discovery(system.run(*LIST, timeout_s=patience.at_most(_LIST_S)))
    return Discovery(tuple(_detailed(system, device, patience) for device in listed.devices), listed.failure)


def _detailed(system: System, device: XpuDevice, patience: Patience) -> XpuDevice:
    """The device with what a second question tells, where the list was brief and time is left."""
    if device.total_bytes is not None or patience.left_s < _LEAST_S:
        return device
    answer = read_discovery(system.run(*details_command(device.number), timeout_s=patience.at_most(_DETAILS_S)))
    return next((device.filled(more) for more in answer.devices if more.number == device.number), device)


def _merged(on_bus: Sequence[PciDevice], built_in: Sequence[PciDevice], found: Discovery) -> list[Card]:
    """Cards of the bus with what the program says of them, then cards that only the program shows."""
    silence = _silence(found)
    by_place = {device.address: device for device in found.devices if device.address}
    cards = [Card(device, by_place.get(device.address), silence) for device in on_bus]
    known = {device.address for device in (*on_bus, *built_in)}
    rest = [device for device in found.devices if device.address not in known and not _says_built_in(device)]
    return [*cards, *(Card(None, device, silence) for device in rest)]


def _says_built_in(device: XpuDevice) -> bool:
    return device.address == _OWN_PLACE or (device.pci_id is not None and is_integrated(device.pci_id))


def _silence(found: Discovery) -> Unknown:
    if found.failure is None:
        return Unknown(unknown=f"{NAME} does not list this card", remedy="look whether this user may open /dev/dri")
    remedy = "install xpu-smi (github.com/intel/xpumanager)" if "not installed" in found.failure else f"try {NAME}"
    return Unknown(unknown=f"{NAME}: {found.failure}", remedy=remedy)


def _program_problems(found: Discovery, cards: Sequence[Card]) -> Iterator[Problem]:
    if found.failure is not None or any(card.said is None for card in cards):
        silence = _silence(found)
        yield Problem(what=_WHAT, reason=silence.unknown, remedy=silence.remedy)


# Numbers, visibility, and what to say


def _numbered(
    system: System, cards: Sequence[Card], built_in: Sequence[PciDevice], problems: Sequence[Problem]
) -> Reading:
    """Number as Level Zero does, and apply its variables."""
    devices = _in_order(system, cards, built_in)
    choice = choose(system.env(), len(devices))
    found = tuple(
        device.model_copy(update={"index": number, "visible": device.visible and number in choice.positions})
        for number, device in enumerate(devices)
        if device is not None
    )
    faults = [fault for card in cards for fault in (*faults_of(card), *_denied(system, card))]
    said = (*problems, *faults, *device_problems(found, problems), *choice.problems)
    return Reading(found, tuple(dict.fromkeys(said)))


def _in_order(system: System, cards: Sequence[Card], built_in: Sequence[PciDevice]) -> list[Accelerator | None]:
    """Cards before built-in graphics (None), or all by their place on the bus where a variable wants that."""
    runtime, flat = _runtime(system), is_flat(system.env())
    rows: list[tuple[str, Sequence[Accelerator | None]]] = [
        *((card.address or "", card_devices(card, system, runtime, flat=flat)) for card in cards),
        *((device.address, (None,)) for device in built_in),
    ]
    if system.env().get(ORDER) == "1":
        rows.sort(key=lambda row: row[0])
    return [device for _, devices in rows for device in devices]


def _runtime(system: System) -> Text:
    """Version of the Level Zero driver, from the name of its library's file."""
    for folder in _LIBRARY_FOLDERS:
        found = _LIBRARY_FILE.fullmatch(system.target(f"{folder}/{_LIBRARY}") or "")
        if found:
            return Known[str](value=found[1], source=f"{folder}/{found[0]} (Level Zero)")
    return _NO_RUNTIME


def _denied(system: System, card: Card) -> Iterator[Problem]:
    names = system.names(f"{FOLDER}/{card.address}/drm") if card.address else ()
    nodes = [f"/dev/dri/{name}" for name in names if name.startswith("renderD")]
    if any(system.access(node) == "denied" for node in nodes):
        reason = f"this user may not open {nodes[0]}"
        yield Problem(what=_WHAT, reason=reason, remedy="add the user to the group render, and log in again")
