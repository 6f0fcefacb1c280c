"""A machine on a terminal: what it has, in columns, and a doctor's section of what to mend."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deployadvisor.hardware.machine import Accelerator, Host, Known, Link, Machine, Unknown, Use, value_of
from deployadvisor.readiness import readiness
from deployadvisor.surfaces import options

_HEADINGS = ("#", "accelerator", "free / total GiB", "CC / gfx", "driver", "runtime", "PCIe", "NUMA", "joined to")
_LINKS = {"nvlink": "NVLink", "xgmi": "XGMI", "pcie": "PCIe", "hccs": "HCCS", "numa": "across processors"}
_MOST_PORTS = 12


def show(machine: Machine, *, unknown: bool = False) -> Iterator[str]:
    """Lines of a machine; ``unknown`` lists every value that could not be read, and why."""
    yield "Host"
    yield from (f"  {name:<15}{text}" for name, text in _host(machine.host) if text)
    yield ""
    yield "Accelerators"
    yield from _accelerators(machine)
    yield ""
    yield "Doctor"
    yield from _doctor(machine)
    yield ""
    yield "Engines"
    yield from (f"  {line}" for line in _engines(machine))
    if unknown:
        yield ""
        yield "Not known"
        yield from (f"  {path}: {_because(reading)}" for path, reading in unknowns(machine))


def unknowns(machine: Machine) -> Iterator[tuple[str, Unknown]]:
    """Every value that could not be read, under its name in the file."""
    parts = [("host", machine.host), *((f"accelerators.{card.index}", card) for card in machine.accelerators)]
    for prefix, part in parts:
        for name, reading in part:
            if isinstance(reading, Unknown):
                yield f"{prefix}.{name}", reading


# The host


def _host(host: Host) -> Iterator[tuple[str, str]]:
    kernel = _text(host.kernel)
    yield "system", f"{_required(host.os)} {_required(host.arch)}" + (f", kernel {kernel}" if kernel else "")
    yield "computer", _text(host.product)
    features = value_of(host.cpu_features)
    yield "processor", _joined(_required(host.cpu_model), f"{_required(host.cores)} cores", " ".join(features or ()))
    yield "memory", f"{_required(host.memory_available_gib)} GiB available of {_required(host.memory_total_gib)} GiB"
    yield "model cache", f"{_required(host.disk_free_gib)} GiB free"
    yield "shared memory", _with_unit(host.shared_memory_gib, "GiB")
    yield "containers", _containers(host)
    yield "limits", _limits(host)
    yield "ports in use", _ports(host)
    yield "Python", _text(host.python)
    yield "network", _network(host)


def _containers(host: Host) -> str:
    tools = value_of(host.container_tools)
    inside = "inside a container" if value_of(host.container) else ""
    wsl = "inside WSL" if value_of(host.wsl) else ""
    return _joined(", ".join(tools or ()), _text(host.gpu_toolkit), inside, wsl)


def _limits(host: Host) -> str:
    files, locked = _text(host.open_files_limit), _text(host.locked_memory_limit)
    return _joined(f"open files {files}" if files else "", f"locked memory {locked}" if locked else "")


def _ports(host: Host) -> str:
    ports = value_of(host.ports_in_use) or ()
    more = len(ports) - _MOST_PORTS
    return ", ".join(map(str, ports[:_MOST_PORTS])) + (f" and {more} more" if more > 0 else "")


def _network(host: Host) -> str:
    asked = (("model hub", host.hub_reachable), ("image registries", host.registry_reachable))
    return _joined(
        *(f"{name} {'reached' if flag.value else 'not reached'}" for name, flag in asked if isinstance(flag, Known))
    )


# Accelerators


def _accelerators(machine: Machine) -> Iterator[str]:
    if not machine.accelerators:
        yield "  none found"
        return
    rows = [_row(card) for card in machine.accelerators]
    used = [column for column in range(len(_HEADINGS)) if any(row[column] for row in rows)]
    shown = [tuple(row[column] for column in used) for row in rows]
    headings = tuple(_HEADINGS[column] for column in used)
    yield from (f"  {line}" for line in options.table(shown, headings).splitlines())
    for card in machine.accelerators:
        yield from _holders(card)


def _row(card: Accelerator) -> tuple[str, ...]:
    hidden = "" if card.visible else " (hidden)"
    profile = f" {_text(card.mig_profile)}" if card.kind == "mig" and _text(card.mig_profile) not in card.name else ""
    return (
        str(card.index),
        f"{card.name}{profile}{_identity(card)}{hidden}",
        f"{_amount(card.memory_free_gib)} / {_amount(card.memory_total_gib)}",
        _text(card.compute_capability) or _text(card.gfx_target),
        _text(card.driver_version),
        _text(card.runtime_version),
        _pcie(card),
        _text(card.numa_node, whole=True),
        _links(value_of(card.links) or ()),
    )


def _identity(card: Accelerator) -> str:
    """Catalogue id and kind; of a card that nobody could read, nothing."""
    if card.id is None and isinstance(card.memory_total_gib, Unknown):
        return ""
    kind = f", {card.kind}" if card.kind not in ("gpu", "mig") else ""
    return f" ({card.id or 'not in the catalogue'}{kind})"


def _pcie(card: Accelerator) -> str:
    generation, width = _text(card.pcie_generation, whole=True), _text(card.pcie_width, whole=True)
    return f"{generation or '?'} x{width or '?'}" if generation or width else ""


def _links(links: tuple[Link, ...]) -> str:
    """Cards that are reached the same way, together, such as ``1,2,3 by NVLink x18``."""
    groups: dict[str, list[str]] = {}
    for link in links:
        way = f"{_LINKS[link.kind]} x{link.lanes}" if link.lanes else _LINKS[link.kind]
        groups.setdefault(way, []).append(str(link.to))
    return "; ".join(f"{','.join(cards)} by {way}" for way, cards in groups.items())


def _holders(card: Accelerator) -> Iterator[str]:
    """Who holds memory; the driver's own share alone is not worth a line."""
    uses: tuple[Use, ...] = value_of(card.used_by) or ()
    if len(uses) > 1:
        held = ", ".join(f"{use.who} {_amount(use.memory_gib)} GiB" for use in uses)
        yield f"  {card.index}  held by {held}"


# The doctor


def _doctor(machine: Machine) -> Iterator[str]:
    for problem in machine.problems:
        yield f"  {problem.what}: {problem.reason}"
        if problem.remedy:
            yield f"    -> {problem.remedy}"
    said = {problem.reason for problem in machine.problems}
    for name, reading in unknowns(machine):
        if reading.remedy and reading.unknown not in said and not _is_moot(name, machine):
            said.add(reading.unknown)
            yield f"  {_because(reading)}"
    if not said:
        yield "  nothing to mend"


def _engines(machine: Machine) -> Iterator[str]:
    """What system, cards and driver allow; whether a model fits is another question."""
    for ready in readiness(machine):
        mark = {True: "yes", None: "?", False: "no"}[ready.holds]
        yield f"{mark:<5}{ready.name}" + (f": {ready.detail}" if ready.detail else "")


def _is_moot(name: str, machine: Machine) -> bool:
    """Cards are handed to containers where there are cards and a program that starts containers."""
    tools = value_of(machine.host.container_tools)
    return name == "host.gpu_toolkit" and not (machine.accelerators and tools)


def _because(reading: Unknown) -> str:
    return reading.unknown + (f"\n    -> {reading.remedy}" if reading.remedy else "")


# Values


def _text(reading: Known[Any] | Unknown, *, whole: bool = False) -> str:
    """A value, or nothing where it is not known."""
    if isinstance(reading, Unknown):
        return ""
    return f"{reading.value:.0f}" if whole else _shown(reading.value)


def _required(reading: Known[Any] | Unknown) -> str:
    """A value that every machine has; why it is not known, where it is not."""
    return f"unknown ({reading.unknown})" if isinstance(reading, Unknown) else _shown(reading.value)


def _amount(reading: Known[float] | Unknown) -> str:
    return "?" if isinstance(reading, Unknown) else f"{reading.value:.1f}"


def _with_unit(reading: Known[float] | Unknown, unit: str) -> str:
    text = _text(reading)
    return f"{text} {unit}" if text else ""


def _shown(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else str(value)


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)
