"""Read Huawei Ascend NPUs: by ``npu-smi info``, else at least see that they are on the bus or among the device nodes.

A chip is a device: a card with two dies shows two. The driver's library (DCMI) is not asked: the program is built on
it and prints the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deployadvisor.hardware.answers import is_plain
from deployadvisor.hardware.ascend_smi import COMMAND, NAME, Chip, Holder, Table, read_table
from deployadvisor.hardware.ascend_versions import cann_version, driver_version
from deployadvisor.hardware.ascend_visible import none_given, visible_numbers
from deployadvisor.hardware.findings import device_problems, free_numbers, not_listed, printed
from deployadvisor.hardware.identity import entry_of, only_entry
from deployadvisor.hardware.machine import (
    Accelerator,
    Host,
    Ids,
    Known,
    Number,
    Problem,
    Text,
    Unknown,
    Use,
    value_of,
)
from deployadvisor.hardware.pci import FOLDER, PciDevice, bus_address, identity, numa_node, pci_devices
from deployadvisor.hardware.pci_link import pcie_link
from deployadvisor.hardware.reading import Patience, Reading
from deployadvisor.hardware.system import Output, System

PCI_VENDOR = "19e5"

_SMI_S = 3.3
_PROGRAM = COMMAND[0]
_MANAGER = "/dev/davinci_manager"
_MOST_NODES = 64
_ACCELERATOR = "0x12"  # PCI base class: the same vendor's server boards have a display controller
_TWO_DIES = "19e5:d803"
_NO_MODEL = "Ascend910"
"""PCI identity of the dies that come in pairs, and the name under which a table with a ``Phy-ID`` column has them."""
_MOST_DEVICES = 256
_INCOMPLETE = "The driver package may not be completely installed"
_WHAT = "Ascend NPUs"
_NEITHER = Unknown(unknown="Ascend NPUs have neither a compute capability nor a gfx target")
_NOT_SHOWN = Unknown(unknown=f"{NAME} does not show it")

_MOUNTS = (
    "in a container, mount /usr/local/bin/npu-smi, /usr/local/dcmi and /usr/local/Ascend/driver, "
    "and give it /dev/davinci<N>, /dev/davinci_manager, /dev/devmm_svm and /dev/hisi_hdc"
)
_INNER_ERROR = (
    "look whether another container holds these NPUs, and whether LD_LIBRARY_PATH has the driver's lib64; "
    "some hosts let only root ask"
)
_CODES: dict[int, tuple[str, str]] = {
    -8002: ("this user may not ask the driver", "run as root, or add the user to the group of /dev/davinci_manager"),
    -8005: ("the driver's management library does not start", _INNER_ERROR),
    -8006: ("the driver does not answer in time", "read dmesg; a chip that hangs needs a reset or a reboot"),
    -8009: ("the driver refuses a call", "look whether driver and firmware belong together, and read dmesg"),
    -8012: ("the driver is not ready", "wait until the NPUs have started, and read dmesg"),
    -8013: ("the driver does not answer inside a container", "probe on the host, or start the container privileged"),
    -8017: ("an upgrade is running", "wait until the upgrade of driver or firmware has ended"),
    -8020: ("the NPUs belong to another container", "stop the container that holds them"),
}
"""What the management library's errors mean: dcmi_interface_api.h, and what maintainers answered to reports."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What holds for all NPUs of the machine."""

    system: System
    on_bus: tuple[PciDevice, ...]
    nodes: tuple[int, ...]
    driver: Text
    runtime: Text

    def at(self, address: str | None) -> PciDevice | None:
        """The device at an address of the bus."""
        return next((device for device in self.on_bus if device.address == address), None)


def read_ascend(system: System, host: Host, patience: Patience) -> Reading:
    """Every Ascend NPU; those that only bus or device nodes show have a memory that nobody knows."""
    on_bus = tuple(device for device in pci_devices(system, PCI_VENDOR) if _computes(system, device))
    if not (on_bus or system.access(_MANAGER) != "absent" or system.has_program(_PROGRAM)):
        return Reading()
    nodes = _nodes(system)
    output = system.run(*COMMAND, timeout_s=patience.at_most(_SMI_S))
    if output.missing and on_bus and not nodes and value_of(host.container) is True:
        return Reading(problems=(_not_given(system, len(on_bus)),))
    table = read_table(output.text)
    found = _Found(system, on_bus, nodes, driver_version(system, table.version), cann_version(system))
    devices = _chips(found, table)
    if output.succeeded and devices:
        inside = value_of(host.container) is True
        expected = len(nodes) if nodes or inside else len(on_bus)
        fewer = not_listed(_WHAT, NAME, len(devices), expected)
        return _visible(system, devices, [*_table_problems(output, table), *fewer])
    failure = _failure(output, system, host)
    devices += _unread(found, table, failure, in_container=value_of(host.container) is True)
    return _visible(system, devices, [failure, *_table_problems(output, table)])


def _not_given(system: System, count: int) -> Problem:
    reason = f"{count} on the bus of the computer, none given to this container"
    return _problem(reason, none_given(system.env()) or _MOUNTS)


def _computes(system: System, device: PciDevice) -> bool:
    return (system.text(f"{FOLDER}/{device.address}/class") or "").startswith(_ACCELERATOR)


def _nodes(system: System) -> tuple[int, ...]:
    """Numbers of the device nodes: one a chip, and in a container only those that were given to it."""
    # asked one by one: the whole folder is nobody's business
    return tuple(node for node in range(_MOST_NODES) if system.access(f"/dev/davinci{node}") != "absent")


# Chips that the program tells of


def _chips(found: _Found, table: Table) -> list[Accelerator]:
    """The chips by the numbers that CANN gives them: the ``Device`` column, else the order of the rows."""
    chips = table.chips[:_MOST_DEVICES]
    numbers = [chip.device for chip in chips if chip.device is not None]
    numbered = table.has_logical_ids and len(set(numbers)) == len(chips)
    several = {chip.card for chip in chips if chip.chip > 0}
    return [
        _accelerator(found, table, chip, chip.device if numbered and chip.device is not None else position, several)
        for position, chip in enumerate(chips)
    ]


def _accelerator(found: _Found, table: Table, chip: Chip, index: int, several: set[int]) -> Accelerator:
    system, address = found.system, bus_address(chip.bus) if chip.bus else None
    device = found.at(address)
    total, free = _memory(chip)
    generation, width = pcie_link(system, address)
    total_gib = value_of(total)
    entry = entry_of("huawei", chip.name, device.pci_id if device else _usual_id(table, chip), total_gib)
    return Accelerator(
        index=index,
        vendor="huawei",
        name=chip.name if chip.name.startswith("Ascend") else f"Ascend {chip.name}",
        id=entry.id if entry else None,
        kind="npu",
        memory_total_gib=total,
        memory_free_gib=free,
        compute_capability=_NEITHER,
        gfx_target=_NEITHER,
        driver_version=found.driver,
        runtime_version=found.runtime,
        card=chip.card if chip.card in several else None,
        used_by=_users(table, chip, total, free),
        pcie_generation=generation,
        pcie_width=width,
        numa_node=numa_node(system, address),
        pci_id=identity(device),
        ids=_ids(address),
    )


def _usual_id(table: Table, chip: Chip) -> str | None:
    """Identity of a chip that is not seen on the bus."""
    return _TWO_DIES if table.has_physical_ids and chip.name == _NO_MODEL else None


def _ids(address: str | None) -> Ids:
    place = Known[str](value=address, source=NAME) if address else _NOT_SHOWN
    return Ids(uuid=_NOT_SHOWN, serial=_NOT_SHOWN, pci_address=place)


def _memory(chip: Chip) -> tuple[Number, Number]:
    if chip.total_mib is None:
        remedy = f"try {NAME} -t memory -i {chip.card}"
        reason = Unknown(unknown=f"{NAME} shows no memory of this chip", remedy=remedy)
        return reason, reason
    total = Known[float](value=chip.total_mib / 1024, source=NAME)
    if chip.used_mib is None or chip.used_mib > chip.total_mib:
        return total, Unknown(unknown=f"{NAME} does not show how much memory is in use")
    if chip.used_mib == chip.total_mib:
        return total, Unknown(unknown=f"{NAME} shows that all memory is in use", remedy="stop what uses this chip")
    return total, Known[float](value=(chip.total_mib - chip.used_mib) / 1024, source=f"{NAME}, total less used")


def _users(table: Table, chip: Chip, total: Number, free: Number) -> Known[tuple[Use, ...]] | Unknown:
    """Processes, and what is left over: a few GiB are the driver's and the firmware's, always."""
    if not table.lists_processes:
        return Unknown(unknown=f"{NAME} showed no list of processes")
    mine = [holder for holder in table.holders if (holder.card, holder.chip) == (chip.card, chip.chip)]
    uses = [_use(holder) for holder in mine]
    return Known[tuple[Use, ...]](value=(*uses, *_rest(uses, total, free)), source=NAME)


def _use(holder: Holder) -> Use:
    who = f"{holder.name} ({holder.pid})" if is_plain(holder.name) else f"process {holder.pid}"
    if holder.memory_mib is None:
        return Use(who=who, memory_gib=Unknown(unknown=f"{NAME} does not show how much it holds"))
    return Use(who=who, memory_gib=Known[float](value=holder.memory_mib / 1024, source=NAME))


def _rest(uses: Sequence[Use], total: Number, free: Number) -> Iterator[Use]:
    if isinstance(total, Unknown) or isinstance(free, Unknown):
        return
    rest = total.value - free.value - sum(value_of(use.memory_gib) or 0.0 for use in uses)
    if rest > 0.01:
        source = "total less free less processes"
        yield Use(who="driver and firmware", memory_gib=Known[float](value=rest, source=source))


# Chips that the program does not tell of


def _failure(output: Output, system: System, host: Host) -> Problem:
    """Why the program gave no table, or not all of it."""
    if output.missing:
        remedy = f"install the Ascend driver (its package brings npu-smi); {_MOUNTS}"
        return _problem("npu-smi is not installed here, or not on the path", remedy)
    if output.silence is not None:
        return _problem(f"{NAME}: {output.silence}", "read dmesg; a chip that hangs needs a reset or a reboot")
    said = f"{output.text}\n{output.errors}"
    code = re.search(r"ret is (-[0-9]{4})\b", said)
    known = _CODES.get(int(code[1])) if code else None
    if code and known:
        return _problem(f"{known[0]} ({NAME}: dcmi error {code[1]})", known[1])
    if "no NPU card" in said:
        return _problem("the driver sees no NPU", none_given(system.env()) or _seated(host))
    if system.access(_MANAGER) == "denied":
        remedy = f"add the user to its group, often HwHiAiUser; {_MOUNTS}"
        return _problem(f"this user may not open {_MANAGER}", remedy)
    return _problem(f"{NAME} gave no table that can be read: {printed(output)}", f"try {NAME}")


def _seated(host: Host) -> str:
    return _MOUNTS if value_of(host.container) else "look whether lspci -d 19e5: lists the cards, and read dmesg"


def _problem(reason: str, remedy: str | None, *, what: str = _WHAT) -> Problem:
    return Problem(what=what, reason=reason, remedy=remedy)


def _unread(found: _Found, table: Table, failure: Problem, *, in_container: bool) -> list[Accelerator]:
    """NPUs that are there and that the failed program did not reach."""
    reason = Unknown(unknown=failure.reason, remedy=failure.remedy)
    shown = _chips(found, table)
    missing = _by_node(found, len(shown)) if found.nodes or in_container else _by_bus(found, table)
    numbers = free_numbers((chip.index for chip in shown), len(missing))
    return [_nameless(found, index, device, reason) for index, device in zip(numbers, missing, strict=True)]


def _by_node(found: _Found, shown: int) -> list[PciDevice | None]:
    """One a device node: a container has those that were given to it, while the bus is its host's."""
    alike = len({device.pci_id for device in found.on_bus}) == 1
    return [found.on_bus[0] if alike else None] * max(0, len(found.nodes) - shown)


def _by_bus(found: _Found, table: Table) -> list[PciDevice | None]:
    shown = {bus_address(chip.bus) for chip in table.chips if chip.bus}
    return [device for device in found.on_bus if device.address not in shown]


def _nameless(found: _Found, index: int, device: PciDevice | None, reason: Unknown) -> Accelerator:
    """A chip of which only the kind is known; which device node is where on the bus is not."""
    entry = only_entry(device.pci_id) if device else None
    address = device.address if device and not found.nodes else None
    generation, width = pcie_link(found.system, address)
    unnamed = f"Ascend NPU {device.pci_id}" if device else "Ascend NPU"
    return Accelerator(
        index=index,
        vendor="huawei",
        name=entry.name if entry else unnamed,
        id=entry.id if entry else None,
        kind="npu",
        memory_total_gib=reason,
        memory_free_gib=reason,
        compute_capability=_NEITHER,
        gfx_target=_NEITHER,
        driver_version=found.driver,
        runtime_version=found.runtime,
        pcie_generation=generation,
        pcie_width=width,
        numa_node=numa_node(found.system, address),
        pci_id=identity(device),
        ids=_ids(address),
    )


# What to say about them


def _table_problems(output: Output, table: Table) -> Iterator[Problem]:
    if _INCOMPLETE in output.text or _INCOMPLETE in output.errors:
        yield _problem("npu-smi warns that the driver package may not be completely installed", "install it again")
    for chip in table.chips:
        if chip.health.casefold() not in ("ok", ""):
            reason = f"chip {chip.chip} of NPU {chip.card} reports the health {chip.health}"
            yield _problem(reason, f"npu-smi info -t health -i {chip.card} says more")


def _visible(system: System, devices: Sequence[Accelerator], problems: Sequence[Problem]) -> Reading:
    """Apply ``ASCEND_RT_VISIBLE_DEVICES``, and say what is not known."""
    numbers, surprises = visible_numbers(system.env(), [device.index for device in devices])
    seen = tuple(device.model_copy(update={"visible": device.index in numbers}) for device in devices)
    said = (*problems, *device_problems(seen, problems), *surprises)
    return Reading(seen, tuple(dict.fromkeys(said)))
