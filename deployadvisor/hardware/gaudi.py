"""Read Intel Gaudi accelerators: by ``hl-smi``, else at least see that they are on the bus.

``HABANA_VISIBLE_MODULES`` names the modules that a process may use, by numbers that survive a reboot; indices do not.
``HABANA_VISIBLE_DEVICES`` tells the container runtime which ones to hand to a container, before anything runs in it.
Source: docs.habana.ai, "Multiple Workloads on a Single Docker" and "Multiple Dockers Each with a Single Workload".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from deployadvisor.catalog.gpus import Gpu
from deployadvisor.hardware.answers import is_plain
from deployadvisor.hardware.findings import device_problems, free_numbers, not_listed, printed, version_in
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
    value_of,
)
from deployadvisor.hardware.pci import PciDevice, bus_address, identity, numa_node, pci_devices
from deployadvisor.hardware.pci_link import pcie_link
from deployadvisor.hardware.reading import Patience, Reading
from deployadvisor.hardware.system import Output, System

PCI_VENDOR = "1da3"
MODULES = "HABANA_VISIBLE_MODULES"
OF_CONTAINERS = "HABANA_VISIBLE_DEVICES"
_FIELDS = ("index", "module_id", "uuid", "bus_id", "name", "driver_version", "memory.total", "memory.free")
COMMAND = ("hl-smi", "-Q", ",".join(_FIELDS), "-f", "csv,noheader")
NAME = "hl-smi -Q"

_SMI_S = 3.0
_DRIVER_FILE = "/sys/module/habanalabs/version"
_NODES = ("/dev/accel", "/dev/habanalabs")
_MOST_ROWS = 256
_MOST_MIB = 1 << 20
_WHAT = "Intel Gaudi accelerators"
_IN_CONTAINER = f"in a container, use --runtime=habana and {OF_CONTAINERS}=all"
_NEITHER = Unknown(unknown="Gaudi accelerators have neither a compute capability nor a gfx target")
_NO_RUNTIME = Unknown(unknown="the version of the Gaudi software (SynapseAI) is not read")
_NOT_SHOWN = Unknown(unknown=f"{NAME} does not show it")


@dataclass(frozen=True, slots=True)
class Row:
    """What ``hl-smi`` says of one accelerator."""

    index: int
    module: int | None
    uuid: str | None
    address: str | None
    name: str | None
    driver: str | None
    total_mib: int | None
    free_mib: int | None


def read_gaudi(system: System, host: Host, patience: Patience) -> Reading:
    """Every Gaudi; those that only the bus shows have at most the memory of their product."""
    on_bus = pci_devices(system, PCI_VENDOR)
    if not on_bus and not system.has_program(COMMAND[0]):
        return Reading()
    output = system.run(*COMMAND, timeout_s=patience.at_most(_SMI_S))
    rows = read_rows(output.text)
    places = {device.address: device for device in on_bus}
    found = [_read(system, row, places.get(row.address or "")) for row in rows]
    if output.succeeded and rows:
        there = len(rows) if value_of(host.container) else len(on_bus)
        return _visible(system, rows, found, list(not_listed(_WHAT, NAME, len(rows), there)))
    if not rows and on_bus and _has_none(system, host):
        return Reading(problems=(_not_given(system, len(on_bus)),))
    failure = _failure(output)
    missing = [device for device in on_bus if device.address not in {row.address for row in rows}]
    numbers = free_numbers((row.index for row in rows), len(missing))
    found += [_unread(system, index, device, failure) for index, device in zip(numbers, missing, strict=True)]
    return _visible(system, rows, found, [failure])


def read_rows(text: str) -> tuple[Row, ...]:
    """Each accelerator once, in the order of the lines; lines that are none are passed over."""
    rows = {row.index: row for line in text.splitlines()[:_MOST_ROWS] for row in _row(line)}
    return tuple(rows.values())


def _row(line: str) -> Iterator[Row]:
    words = [word.strip() for word in line.split(",")]
    if len(words) != len(_FIELDS) or not re.fullmatch(r"[0-9]{1,4}", words[0]):
        return
    index, module, uuid, address, name, driver, total, free = words
    yield Row(
        index=int(index),
        module=int(module) if re.fullmatch(r"[0-9]{1,4}", module) else None,
        uuid=_plain(uuid),
        address=bus_address(address),
        name=_plain(name),
        driver=_plain(driver),
        total_mib=_mib(total) or None,
        free_mib=_mib(free),
    )


def _plain(word: str) -> str | None:
    return word if is_plain(word) and word.strip("[]").casefold() not in ("n/a", "unknown") else None


def _mib(word: str) -> int | None:
    found = re.fullmatch(r"([0-9]{1,9}) MiB", word)  # without its unit the number may have been cut
    return int(found[1]) if found and int(found[1]) <= _MOST_MIB else None


# One accelerator


def _read(system: System, row: Row, device: PciDevice | None) -> Accelerator:
    total, free = _memory(row)
    pci_id = device.pci_id if device else None
    total_gib = value_of(total)
    entry = entry_of("intel", row.name or "", pci_id, total_gib)
    name = f"Intel Gaudi {row.name}" if row.name else _product(pci_id)
    return _accelerator(system, row, device, name, entry, (total, free))


def _memory(row: Row) -> tuple[Number, Number]:
    if row.total_mib is None:
        reason = Unknown(unknown=f"{NAME} shows no memory of this accelerator", remedy="try hl-smi")
        return reason, reason
    total = Known[float](value=row.total_mib / 1024, source=f"{NAME} memory.total")
    if row.free_mib is None or not 0 < row.free_mib <= row.total_mib:
        return total, Unknown(unknown=f"{NAME} shows no free memory of this accelerator", remedy="try hl-smi")
    return total, Known[float](value=row.free_mib / 1024, source=f"{NAME} memory.free")


def _product(pci_id: str | None) -> str:
    entry = only_entry(pci_id)
    return entry.name if entry else f"Intel Gaudi {pci_id or ''}".strip()


def _unread(system: System, index: int, device: PciDevice, failure: Problem) -> Accelerator:
    """By its PCI identity; what the product is sold with is said to be that."""
    reason = Unknown(unknown=failure.reason, remedy=failure.remedy)
    entry = only_entry(device.pci_id)
    total: Number = reason
    if entry is not None and entry.usable_memory_gib is not None:
        source = f"not measured: catalogue, {entry.id}, by PCI id {device.pci_id}; {entry.memory_basis}"
        total = Known[float](value=entry.usable_memory_gib, source=source)
    row = Row(index, None, None, device.address, None, None, None, None)
    return _accelerator(system, row, device, _product(device.pci_id), entry, (total, reason))


def _accelerator(
    system: System, row: Row, device: PciDevice | None, name: str, entry: Gpu | None, memory: tuple[Number, Number]
) -> Accelerator:
    total, free = memory
    generation, width = pcie_link(system, row.address)
    return Accelerator(
        index=row.index,
        vendor="intel",
        name=name,
        id=entry.id if entry else None,
        memory_total_gib=total,
        memory_free_gib=free,
        compute_capability=_NEITHER,
        gfx_target=_NEITHER,
        driver_version=_driver(system, row),
        runtime_version=_NO_RUNTIME,
        used_by=Unknown(unknown=f"{NAME} lists no processes"),
        pcie_generation=generation,
        pcie_width=width,
        numa_node=numa_node(system, row.address),
        pci_id=identity(device),
        ids=Ids(uuid=_text(row.uuid, "uuid"), serial=_NOT_SHOWN, pci_address=_text(row.address, "bus_id")),
    )


def _text(value: str | None, field: str) -> Text:
    return _NOT_SHOWN if value is None else Known[str](value=value, source=f"{NAME} {field}")


def _driver(system: System, row: Row) -> Text:
    """``1.22.1-97ec1a4`` without the revision it was built from."""
    for word, source in ((row.driver, f"{NAME} driver_version"), (system.text(_DRIVER_FILE), _DRIVER_FILE)):
        if version := version_in((word or "").partition("-")[0]):
            return Known[str](value=version, source=source)
    return Unknown(unknown="the kernel driver habanalabs is not loaded, or shows no version")


# Why some are not read, and which are left


def _failure(output: Output) -> Problem:
    if output.missing:
        remedy = f"install the Gaudi software, whose firmware tools bring hl-smi; {_IN_CONTAINER}"
        return _problem("hl-smi is not installed here, or not on the path", remedy)
    if output.silence is not None:
        return _problem(f"hl-smi: {output.silence}", "read dmesg; an accelerator that hangs needs a reset")
    reason = f"hl-smi does not tell of all accelerators: {printed(output)}"
    return _problem(reason, "try hl-smi; it must be able to write its log")


def _has_none(system: System, host: Host) -> bool:
    """Whether this is a container that shows the bus of its host and has no device node."""
    return value_of(host.container) is True and not any(system.names(folder) for folder in _NODES)


def _not_given(system: System, count: int) -> Problem:
    value = system.env().get(OF_CONTAINERS)
    asked = f' ({OF_CONTAINERS}="{value.strip()}")' if value is not None and is_plain(value) else ""
    reason = f"{count} on the bus of the computer, none given to this container{asked}"
    return _problem(reason, _IN_CONTAINER)


def _problem(reason: str, remedy: str | None, *, what: str = _WHAT) -> Problem:
    return Problem(what=what, reason=reason, remedy=remedy)


def _visible(
    system: System, rows: Sequence[Row], found: Sequence[Accelerator], problems: Sequence[Problem]
) -> Reading:
    modules = {row.index: row.module for row in rows if row.module is not None}
    named = _named_modules(system.env().get(MODULES, ""))
    ordered = sorted(found, key=lambda device: device.index)
    seen = tuple(_with_visibility(device, modules.get(device.index), named) for device in ordered)
    return Reading(seen, tuple(dict.fromkeys((*problems, *device_problems(seen, problems), *_hidden(seen)))))


def _named_modules(value: str) -> frozenset[int] | None:
    """Numbers in the list; None where the variable is not set, or empty."""
    words = [word.strip() for word in value.split(",")]
    numbers = frozenset(int(word) for word in words if re.fullmatch(r"[0-9]{1,4}", word))
    return numbers if value.strip() else None


def _with_visibility(device: Accelerator, module: int | None, named: Collection[int] | None) -> Accelerator:
    """One whose module nobody knows stays visible."""
    return device.model_copy(update={"visible": named is None or module is None or module in named})


def _hidden(devices: Sequence[Accelerator]) -> Iterator[Problem]:
    if hidden := sum(not device.visible for device in devices):
        yield _problem(f"it hides {hidden} of {len(devices)} accelerators", "unset it to use them all", what=MODULES)
