"""One Intel GPU from what xpu-smi, the kernel driver, the bus and the catalogue say of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deployadvisor.catalog.gpus import Gpu, gpus_by_pci
from deployadvisor.hardware.answers import first_known
from deployadvisor.hardware.findings import version_in
from deployadvisor.hardware.identity import entry_of, only_entry
from deployadvisor.hardware.intel_smi import NAME, XpuDevice
from deployadvisor.hardware.machine import Accelerator, Flag, Ids, Known, Number, Problem, Text, Unknown, value_of
from deployadvisor.hardware.pci import FOLDER, PciDevice, identity, numa_node, window_bytes
from deployadvisor.hardware.system import GIB, System

MEMORY_REGION = 2
"""Which window of the card on the bus leads to its memory."""
SMALL_WINDOW_BYTES = 256 << 20
"""Size of that window where resizing is off; a larger one is the next power of two above the memory."""

_MOST_BYTES = 1 << 40
_ELSEWHERE = ("vfio-pci", "pci-stub", "xen-pciback")
"""Kernel drivers that hand a device to a virtual machine."""
_GENERIC_NAME = re.compile(r"\[0x[0-9a-f]{1,4}\]", re.IGNORECASE)
_ECC_SHARE = 8 / 7
"""Error correction takes an eighth of GDDR memory: 21,414 of 24,480 MiB (github.com/intel/xpumanager issue 169)."""
_NEITHER = Unknown(unknown="Intel GPUs have neither a compute capability nor a gfx target")
_NOT_SHOWN = Unknown(unknown=f"{NAME} does not show it")
_ONLY_PRIVILEGED = Unknown(
    unknown="the driver tells how much memory is in use only to privileged users, and calls all of it free to others",
    remedy="run the probe as root, or with the capability CAP_PERFMON",
)
"""Where free equals total. Source: include/uapi/drm/i915_drm.h, unallocated_size; xe_drm.h, used."""


@dataclass(frozen=True, slots=True)
class Card:
    """One card, as far as it is known."""

    device: PciDevice | None
    said: XpuDevice | None
    silence: Unknown
    """Why xpu-smi says nothing, where it does not."""

    @property
    def address(self) -> str | None:
        """Its place on the bus."""
        return self.device.address if self.device else self.said.address if self.said else None

    @property
    def pci_id(self) -> str | None:
        """Vendor and device."""
        return self.device.pci_id if self.device else self.said.pci_id if self.said else None


def card_devices(card: Card, system: System, runtime: Text, *, flat: bool) -> list[Accelerator]:
    """The card as one device; as one a tile where Level Zero counts those."""
    total = _total(card, system)
    whole = _accelerator(card, system, total, runtime)
    tiles = (card.said.tiles if card.said else None) or 1
    if not flat or tiles == 1:
        return [whole]
    number = card.said.number if card.said else 0
    shared = {name: _share(getattr(whole, name), tiles) for name in ("memory_total_gib", "memory_free_gib")}
    return [whole.model_copy(update={**shared, "card": number, "id": None})] * tiles


def _share(reading: Number, tiles: int) -> Number:
    if isinstance(reading, Unknown):
        return reading
    return Known[float](value=reading.value / tiles, source=f"{reading.source}, one of {tiles} tiles")


def _accelerator(card: Card, system: System, total: Number, runtime: Text) -> Accelerator:
    said = card.said or XpuDevice(0)
    name = _name(card)
    entry = _entry(card, name, total)
    return Accelerator(
        index=0,
        vendor="intel",
        name=name,
        id=entry.id if entry else None,
        memory_total_gib=total,
        memory_free_gib=_free(card, system, total),
        compute_capability=_NEITHER,
        gfx_target=_NEITHER,
        driver_version=_driver(card, system),
        runtime_version=runtime,
        visible=not any(faults_of(card)),
        used_by=Unknown(unknown=f"{NAME} lists no processes"),
        ecc=_NOT_SHOWN if said.ecc is None else Known[bool](value=said.ecc, source=f"{NAME} memory_ecc_state"),
        # not from the bus: behind a card's own bridge its link there is one inside the card
        pcie_generation=_shown(said.generation, "pcie_generation"),
        pcie_width=_shown(said.width, "pcie_max_link_width"),
        numa_node=numa_node(system, card.address),
        display_attached=_display(system, card.address),
        pci_id=_pci_id(card),
        ids=_ids(card, said),
    )


def _shown(value: int | None, key: str) -> Number:
    return _NOT_SHOWN if value is None else Known[float](value=float(value), source=f"{NAME} {key}")


def _pci_id(card: Card) -> Text:
    if card.device is None and card.pci_id is not None:
        return Known[str](value=card.pci_id, source=f"{NAME} pci_device_id")
    return identity(card.device)


def _ids(card: Card, said: XpuDevice) -> Ids:
    def shown(value: str | None, source: str) -> Text:
        return _NOT_SHOWN if value is None else Known[str](value=value, source=source)

    place = FOLDER if card.device else f"{NAME} pci_bdf_address"
    return Ids(
        uuid=shown(said.uuid, f"{NAME} uuid"),
        serial=shown(said.serial, f"{NAME} serial_number"),
        pci_address=shown(card.address, place),
    )


# What it is


def faults_of(card: Card) -> Iterator[Problem]:
    """Why Level Zero cannot use a card that is on the bus."""
    if card.said is not None or card.device is None:
        return
    if card.device.driver is None:
        remedy = "load i915 or xe (modprobe xe), or update the kernel; read dmesg"
        yield Problem(what=_name(card), reason="no kernel driver holds it", remedy=remedy)
    elif card.device.driver in _ELSEWHERE:
        reason = f"the driver {card.device.driver} keeps it for virtual machines"
        yield Problem(what=_name(card), reason=reason, remedy="probe inside the machine that it is given to")


def _name(card: Card) -> str:
    """What xpu-smi calls it, unless that is only a number; else the one product with its PCI id."""
    if card.said and card.said.name and not _GENERIC_NAME.search(card.said.name):
        return card.said.name
    entry = only_entry(card.pci_id)
    return entry.name if entry else f"Intel GPU {card.pci_id or 'without a PCI id'}"


def _entry(card: Card, name: str, total: Number) -> Gpu | None:
    measured = value_of(total)
    found = entry_of("intel", name, card.pci_id, measured)
    return found or (entry_of("intel", name, card.pci_id, measured * _ECC_SHARE) if measured else None)


def _driver(card: Card, system: System) -> Text:
    """A version where xpu-smi shows one; a driver of the kernel has the kernel's, and xpu-smi shows a checksum."""
    if card.said and (version := version_in(card.said.driver or "")):
        return Known[str](value=version, source=f"{NAME} driver_version")
    release = re.match(r"[0-9]{1,3}(?:\.[0-9]{1,5}){1,2}", system.kernel())
    if card.device and card.device.driver and release:
        return Known[str](value=release[0], source=f"{card.device.driver} of the kernel, platform.release")
    if card.device and card.device.driver:
        return Unknown(unknown=f"neither {card.device.driver} nor the kernel shows a version")
    return Unknown(unknown="no kernel driver holds the device", remedy="load i915 or xe, or update the kernel")


def _display(system: System, address: str | None) -> Flag:
    """Whether a screen is plugged in, which takes memory and time of the card."""
    folder = f"{FOLDER}/{address}/drm"
    names = [name for name in system.names(folder) if re.fullmatch(r"card[0-9]{1,3}", name)] if address else []
    if not names:
        return Unknown(unknown="the kernel shows no connectors of this device")
    files = [
        f"{folder}/{name}/{connector}/status"
        for name in names
        for connector in system.names(f"{folder}/{name}")
        if connector.startswith(f"{name}-")
    ]
    connected = any((system.text(file) or "").strip() == "connected" for file in files)
    return Known[bool](value=connected, source=folder)


# Memory


def _total(card: Card, system: System) -> Number:
    return first_known(iter((_by_program(card), *_by_driver(card, system), *_by_catalogue(card, system))))


def _by_program(card: Card) -> Number:
    if card.said is None:
        return card.silence
    if card.said.total_bytes is None:
        return Unknown(unknown=f"{NAME} says nothing of its memory", remedy=f"try {NAME} -d {card.said.number}")
    return Known[float](value=card.said.total_bytes / GIB, source=f"{NAME} memory_physical_size_byte")


def _by_driver(card: Card, system: System) -> Iterator[Number]:
    """Intel's own builds of i915 and early ones of xe have a file; those in the kernel have none."""
    if card.address is None:
        return
    for name in system.names(f"{FOLDER}/{card.address}/drm"):
        yield from _bytes(system, f"{FOLDER}/{card.address}/drm/{name}/lmem_total_bytes")
    tiles = [name for name in system.names(f"{FOLDER}/{card.address}") if re.fullmatch(r"tile[0-9]", name)]
    sizes = [
        size for tile in tiles for size in _bytes(system, f"{FOLDER}/{card.address}/{tile}/physical_vram_size_bytes")
    ]
    if sizes and len(sizes) == len(tiles):
        source = f"{FOLDER}/{card.address}/tile*/physical_vram_size_bytes"
        yield Known[float](value=sum(size.value for size in sizes), source=source)


def _bytes(system: System, file: str) -> Iterator[Known[float]]:
    word = (system.text(file) or "").strip()
    if re.fullmatch(r"[0-9]{1,16}", word) and 0 < int(word) <= _MOST_BYTES:
        yield Known[float](value=int(word) / GIB, source=file)


def _by_catalogue(card: Card, system: System) -> Iterator[Number]:
    """What the product with this PCI id is sold with, unless the window on the bus speaks against it."""
    entries = gpus_by_pci(card.pci_id) if card.pci_id else ()
    window = window_bytes(system, card.address, MEMORY_REGION) if card.address else None
    fitting = [entry for entry in entries if _fits_window(entry, window)]
    if len(fitting) == 1 and fitting[0].usable_memory_gib is not None:
        entry = fitting[0]
        source = f"not measured: catalogue, {entry.id}, by PCI id {card.pci_id}; {entry.memory_basis}"
        yield Known[float](value=fitting[0].usable_memory_gib, source=source)


def _fits_window(entry: Gpu, window: int | None) -> bool:
    """Products that share a PCI id differ in memory; a window that was resized leads to all of it."""
    if window is None or window <= SMALL_WINDOW_BYTES or entry.memory_gb is None:
        return True
    return window / 2 < entry.memory_gb * GIB <= window


def _free(card: Card, system: System, total: Number) -> Number:
    free = first_known(iter((_free_by_program(card), *_free_by_driver(card, system))))
    if isinstance(free, Known) and isinstance(total, Known) and free.value > total.value:
        return Unknown(unknown=f"{free.source} says more than there is in all")
    return free


def _free_by_program(card: Card) -> Number:
    if card.said is None:
        return card.silence
    total, free = card.said.total_bytes, card.said.free_bytes
    if total is None or free is None or not 0 < free <= total:
        return Unknown(unknown=f"{NAME} says nothing usable of its free memory")
    if free == total:
        return _ONLY_PRIVILEGED
    return Known[float](value=free / GIB, source=f"{NAME} memory_free_size_byte")


def _free_by_driver(card: Card, system: System) -> Iterator[Number]:
    if card.address is None:
        return
    for name in system.names(f"{FOLDER}/{card.address}/drm"):
        folder = f"{FOLDER}/{card.address}/drm/{name}"
        totals, free = (
            list(_bytes(system, f"{folder}/lmem_total_bytes")),
            _bytes(system, f"{folder}/lmem_avail_bytes"),
        )
        yield from (reading for reading in free if totals and reading.value < totals[0].value)
