"""AMD devices as accelerators: each value from the best source that knows it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from deployadvisor.catalog.gpus import Gpu
from deployadvisor.hardware.amd_devices import Found
from deployadvisor.hardware.amd_memory import Pool, one_pool, own_pool, partition_pool, unified_pool, unified_problem
from deployadvisor.hardware.amd_names import shown_name
from deployadvisor.hardware.amd_said import ASIC, UUID, said_driver, said_ecc, said_names, said_power_cap
from deployadvisor.hardware.amd_sysfs import (
    MODULE,
    display_attached,
    driver_version,
    ecc,
    line,
    power_cap_w,
    product_name,
    rocm_version,
)
from deployadvisor.hardware.amd_users import users, with_rest
from deployadvisor.hardware.answers import Answers, first_known
from deployadvisor.hardware.identity import entry_by_names
from deployadvisor.hardware.machine import Accelerator, Host, Ids, Known, Problem, Text, Unknown, value_of
from deployadvisor.hardware.pci import numa_node
from deployadvisor.hardware.pci_link import pcie_link
from deployadvisor.hardware.system import System

T = TypeVar("T")

_NO_CAPABILITY = Unknown(unknown="AMD cards have a gfx target instead")
_WHOLE = Unknown(unknown="the card is not split into partitions")
_NO_SLOT = Unknown(unknown="a part of the processor, in no slot")


@dataclass(frozen=True, slots=True)
class Card:
    """A device that counts, and what the user should know of its memory."""

    found: Found
    accelerator: Accelerator
    problems: tuple[Problem, ...] = ()


def read_cards(found: tuple[Found, ...], system: System, host: Host) -> tuple[Card, ...]:
    """The devices that count, in their order; a processor's other graphics are left out."""
    runtime = rocm_version(system)
    places = list(dict.fromkeys(device.address for device in found))
    return tuple(
        _read(device, places.index(device.address), runtime, system, host)
        for device in found
        if device.role != "integrated"
    )


def _read(found: Found, card: int, runtime: Text, system: System, host: Host) -> Card:
    unified = found.role == "unified"
    carved = own_pool(system, found.address, _said(found))
    lent = own_pool(system, found.address, _said(found), "gtt")
    whole = _pool(found, carved, lent, system, host)
    pool = one_pool(whole, found.node) if unified else whole
    names = tuple(_names(found, system))
    entry = entry_by_names(found.pci_id, value_of(found.target), names, value_of(carved.total))
    name = shown_name(names, entry, found.pci_id)
    split = found.parts > 1
    accelerator = Accelerator(
        index=found.index,
        vendor="amd",
        name=name,
        id=entry.id if entry and not split else None,
        kind="integrated" if unified else "gpu",
        memory_total_gib=pool.total,
        memory_free_gib=pool.free,
        unified_memory=unified,
        runtime_version=runtime,
        card=card if split else None,
        mig_profile=_shape(found, system) if split else _WHOLE,
        **_details(found, entry, pool, system, host),
    )
    about = unified_problem(name, carved, whole, found.node) if unified else _partition_problem(found, name)
    return Card(found, accelerator, tuple(about))


def _said(found: Found) -> tuple[Answers, ...]:
    return (found.said,) if found.said else ()


def _pool(found: Found, carved: Pool, lent: Pool, system: System, host: Host) -> Pool:
    if not found.is_driven:
        unread = undriven(found, system)
        return Pool(unread, unread)
    if found.role == "unified":
        return unified_pool(carved, lent, host)
    if found.node is not None and found.parts > 1:
        return partition_pool(found.node, carved, found.parts)
    mode = value_of(line(system, found.address, "current_compute_partition"))
    if found.node is None and mode not in (None, "SPX"):
        split = Unknown(unknown=f"the card is split ({mode}), so its own total says nothing", remedy="run rocminfo")
        return Pool(split, split)
    return carved


def undriven(found: Found, system: System) -> Unknown:
    """Why a card that is on the bus cannot be read."""
    driver = found.device.driver if found.device else None
    if driver == "vfio-pci":
        remedy = "run the probe in the virtual machine, or give the card back to amdgpu"
        return Unknown(unknown="the card is kept for a virtual machine (driver vfio-pci)", remedy=remedy)
    if driver is not None:
        return Unknown(unknown=f"the driver {driver} does not say", remedy="let the amdgpu driver take the card")
    remedy = "run sudo modprobe amdgpu and read dmesg; the kernel and its firmware files may be older than the card"
    if system.access(MODULE) == "absent":
        return Unknown(unknown="the amdgpu kernel module is not loaded", remedy=remedy)
    return Unknown(unknown="the amdgpu driver did not take the card", remedy=remedy)


def _names(found: Found, system: System) -> Iterator[str]:
    """What the product is called: by tools, by the tables of the graphics libraries, by the board."""
    if found.said:
        yield from said_names(found.said)
    revision = value_of(line(system, found.address, "revision"))
    if found.pci_id and revision and re.fullmatch(r"0x[0-9a-f]{2}", revision):
        listed = product_name(system, found.pci_id[-4:], revision)
        yield from (listed,) if listed else ()
    board = value_of(line(system, found.address, "product_name"))
    yield from (board,) if board else ()


def _details(found: Found, entry: Gpu | None, pool: Pool, system: System, host: Host) -> dict[str, Any]:
    """Everything that is read the same way for cards, partitions and graphics of processors."""
    generation, width = (_NO_SLOT, _NO_SLOT) if found.role == "unified" else pcie_link(system, found.address)
    used_by = users(system, host, found.node, _said(found) if found.parts == 1 else ())
    return {
        "compute_capability": _NO_CAPABILITY,
        "gfx_target": _target(found, entry),
        "driver_version": _first(driver_version(system), found, said_driver),
        "used_by": with_rest(used_by, pool.total, pool.free) if found.role == "card" else used_by,
        "ecc": _first(ecc(system, found.address), found, said_ecc),
        "power_cap_w": _first(power_cap_w(system, found.address), found, said_power_cap),
        "pcie_generation": generation,
        "pcie_width": width,
        "numa_node": numa_node(system, found.address),
        "display_attached": display_attached(system, found.address),
        "pci_id": _pci_id(found),
        "ids": _ids(found, system),
    }


def _first(
    of_kernel: Known[T] | Unknown, found: Found, ask: Callable[[Answers], Known[T] | Unknown]
) -> Known[T] | Unknown:
    """What the kernel says, else a tool."""
    return first_known(reading for reading in (of_kernel, *(ask(answers) for answers in _said(found))))


def _target(found: Found, entry: Gpu | None) -> Text:
    """A property of the product, which its entry gives away where no driver says it."""
    if isinstance(found.target, Unknown) and entry and entry.gfx_target:
        return Known[str](value=entry.gfx_target, source=f"catalogue, {entry.id}")
    return found.target


def _shape(found: Found, system: System) -> Text:
    """How the card is split, as ``CPX/NPS4``: its compute units and its memory."""
    modes = [line(system, found.address, f"current_{what}_partition") for what in ("compute", "memory")]
    known = [mode for mode in modes if isinstance(mode, Known)]
    if not known:
        return Unknown(unknown=f"one of {found.parts} devices of a card; the driver does not name the shape")
    return Known[str](value="/".join(mode.value for mode in known), source=known[0].source)


def _partition_problem(found: Found, name: str) -> Iterator[Problem]:
    if found.parts > 1 and found.part == 0:
        reason = f"the card is split into {found.parts} devices, and the catalogue describes whole cards only"
        remedy = "sudo amd-smi set --compute-partition SPX makes one device of it again"
        yield Problem(what=name, reason=reason, remedy=remedy)


def _pci_id(found: Found) -> Text:
    if found.pci_id is None:
        return Unknown(unknown="neither bus nor compute driver names the device")
    source = "PCI bus" if found.device else "compute driver" if found.node else "AMD's tools"
    return Known[str](value=found.pci_id, source=source)


def _ids(found: Found, system: System) -> Ids:
    tools = [(answers.text(UUID), answers.text(ASIC, name="asic_serial")) for answers in _said(found)]
    uuid = found.node.uuid if found.node else None
    named = Known[str](value=uuid, source="compute driver unique_id") if uuid else None
    no_name = Unknown(unknown="the device has no identity of its own")
    place = found.address
    return Ids(
        uuid=named or first_known(iter([*(each for each, _ in tools), no_name])),
        serial=first_known(iter([line(system, place, "serial_number"), *(each for _, each in tools)])),
        pci_address=Known[str](value=place, source="PCI bus") if place else Unknown(unknown="no tool names it"),
    )
