"""Who holds memory of an AMD device: what the library says, else what the compute driver writes down."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from deployadvisor.hardware.amd_said import PROCESSES
from deployadvisor.hardware.amd_sysfs import digits
from deployadvisor.hardware.answers import Answers, is_plain
from deployadvisor.hardware.kfd import PROCESSES as FOLDER
from deployadvisor.hardware.kfd import Node
from deployadvisor.hardware.machine import Host, Known, Number, Unknown, Use, value_of
from deployadvisor.hardware.system import GIB, System

Users = Known[tuple[Use, ...]] | Unknown

_MOST_PROCESSES = 64


def users(system: System, host: Host, node: Node | None, said: Sequence[Answers]) -> Users:
    """Processes with their memory."""
    inside = value_of(host.container) is not False
    for answers in said:
        found = answers.ask(PROCESSES)
        if isinstance(found, list):
            uses = tuple(_said_uses(found, system, inside=inside))
            return Known[tuple[Use, ...]](value=uses, source=answers.source(PROCESSES))
    return _written(system, node, inside=inside)


def with_rest(found: Users, total: Number, free: Number) -> Users:
    """Add what no process was named for: the driver's own share, and programs that draw on a screen."""
    if isinstance(found, Unknown) or isinstance(total, Unknown) or isinstance(free, Unknown):
        return found
    rest = total.value - free.value - sum(value_of(use.memory_gib) or 0.0 for use in found.value)
    if rest <= 0.01:
        return found
    source = "total less free less processes"
    left = Use(who="driver, and what it shows to nobody", memory_gib=Known[float](value=rest, source=source))
    return Known[tuple[Use, ...]](value=(*found.value, left), source=found.source)


def _said_uses(rows: Sequence[object], system: System, *, inside: bool) -> Iterator[Use]:
    for row in rows[:_MOST_PROCESSES]:
        if isinstance(row, dict) and type(row.get("pid")) is int and row["pid"] > 0:
            usage = row.get("memory_usage")
            held = usage.get("vram_mem") if isinstance(usage, dict) else None
            yield Use(who=_who(system, row["pid"], inside=inside), memory_gib=_held(held, "amdsmi"))


def _written(system: System, node: Node | None, *, inside: bool) -> Users:
    if node is None or node.gpu_id is None or system.access(FOLDER) == "absent":
        return Unknown(unknown="the compute driver lists no processes here")
    uses = tuple(_written_uses(system, node.gpu_id, inside=inside))
    return Known[tuple[Use, ...]](value=uses, source=FOLDER)


def _written_uses(system: System, gpu_id: int, *, inside: bool) -> Iterator[Use]:
    """Those that hold anything; a process of ROCm is written down for every device, used or not."""
    pids = [name for name in system.names(FOLDER) if re.fullmatch(r"[1-9][0-9]{0,8}", name, re.ASCII)]
    for pid in pids[:_MOST_PROCESSES]:
        if held := digits(system.text(f"{FOLDER}/{pid}/vram_{gpu_id}")):
            yield Use(who=_who(system, int(pid), inside=inside), memory_gib=_held(held, f"{FOLDER}/{pid}"))


def _who(system: System, pid: int, *, inside: bool) -> str:
    """A process of the host has another number inside a container, where its name would be somebody else's."""
    name = "" if inside else (system.text(f"/proc/{pid}/comm") or "").strip()
    return f"{name} ({pid})" if is_plain(name) else f"process {pid}{' of the host' if inside else ''}"


def _held(size: object, source: str) -> Number:
    if type(size) is int and 0 < size < 1 << 50:
        return Known[float](value=size / GIB, source=source)
    return Unknown(unknown="the driver does not say how much it holds")
