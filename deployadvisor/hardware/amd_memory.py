"""How much memory one AMD device gives to a process: a card's own, a partition's share, or a loan of the host's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deployadvisor.hardware.amd_said import said_memory
from deployadvisor.hardware.amd_sysfs import size_gib
from deployadvisor.hardware.answers import Answers, first_known
from deployadvisor.hardware.kfd import Node
from deployadvisor.hardware.machine import Host, Known, Number, Problem, Unknown
from deployadvisor.hardware.system import GIB, System

LENT = "ttm.pages_limit"
"""Parameter of the kernel that bounds what it lends, in pages of 4 KiB."""

_UNEVEN = 1.05  # partitions are cut at whole pages, and one of them holds what the driver keeps


@dataclass(frozen=True, slots=True)
class Pool:
    """One kind of memory: its size, and what is free of it."""

    total: Number
    free: Number


def own_pool(system: System, address: str | None, said: Sequence[Answers], kind: str = "vram") -> Pool:
    """A card's memory (``vram``), or what the kernel lends (``gtt``), from the first source that knows its size."""
    readings = list(_readings(system, address, said, kind))
    total = first_known(total for total, _ in readings)
    free = first_known(_left(total, used) for total, used in readings)
    if isinstance(free, Unknown):
        return Pool(total, _left(*readings[-1]))
    if isinstance(total, Known) and free.value > total.value:
        return Pool(total, Known[float](value=total.value, source=free.source))
    return Pool(total, free)


def _readings(
    system: System, address: str | None, said: Sequence[Answers], kind: str
) -> Iterator[tuple[Number, Number]]:
    """Total and used memory, source by source."""
    for answers in said:
        yield said_memory(answers, kind)
    total = size_gib(system, address, f"mem_info_{kind}_total")
    yield total, size_gib(system, address, f"mem_info_{kind}_used", lowest=0)


def _left(total: Number, used: Number) -> Number:
    """What is free; where nothing of it can be read, that is unknown, and never 0."""
    if isinstance(total, Unknown):
        return total
    if isinstance(used, Unknown):
        return used
    return _difference(total.value, used.value, f"{total.source} less what is used")


def _difference(total: float, used: float, source: str) -> Number:
    if used > total:
        return Unknown(unknown=f"{source}: more is used than there is")
    return Known[float](value=total - used, source=source)


def partition_pool(node: Node, card: Pool, parts: int) -> Pool:
    """One of several devices that a card is split into: its share, never the card's whole memory.

    Where the driver lets each use all of it, an equal share is what all of them together can count on.
    """
    if node.memory_bytes is None:
        reason = f"the card is split into {parts} devices, and {node.bank} does not say what each may use"
        unread = Unknown(unknown=reason, remedy="run rocminfo, which names the memory of each device")
        return Pool(unread, unread)
    own = node.memory_bytes / GIB
    share = card.total.value / parts if isinstance(card.total, Known) else own
    if own <= share * _UNEVEN:
        return Pool(Known[float](value=own, source=node.bank), _free_of_partition(node, own))
    source = f"1/{parts} of the card's memory, all of which {node.bank} offers to each"
    return Pool(Known[float](value=share, source=source), _free_of_partition(node, share))


def _free_of_partition(node: Node, own_gib: float) -> Number:
    if node.used_bytes is None:
        return Unknown(unknown="the driver says what is used of whole cards only")
    return _difference(own_gib, node.used_bytes / GIB, f"{node.bank} less used_memory")


def unified_pool(carved: Pool, lent: Pool, host: Host) -> Pool:
    """What a processor's graphics may use: what the firmware set aside for them, and what the kernel lends.

    The loan is never more than this process has of the host's memory, nor, of what is free, than is available.
    """
    return Pool(
        _sum(carved.total, lent.total, host.memory_total_gib, "memory that this process may use"),
        _sum(carved.free, lent.free, host.memory_available_gib, "memory that is available"),
    )


def one_pool(pool: Pool, node: Node | None) -> Pool:
    """What of it a program of ROCm gets: the kernel hands it out as one pool, which may be smaller than the sum."""
    if node is None or not node.memory_bytes:
        return pool
    most = Known[float](value=node.memory_bytes / GIB, source=node.bank)
    return Pool(_at_most(pool.total, most), _at_most(pool.free, most))


def _at_most(reading: Number, most: Known[float]) -> Number:
    return most if isinstance(reading, Known) and reading.value > most.value else reading


def _sum(carved: Number, lent: Number, bound: Number, words: str) -> Number:
    if isinstance(carved, Known) and isinstance(lent, Known) and isinstance(bound, Known):
        limited = f", at most the {words} ({bound.source})" if bound.value < lent.value else ""
        source = f"set aside by the firmware ({carved.source}) and lent by the kernel ({lent.source}{limited})"
        return Known[float](value=carved.value + min(lent.value, bound.value), source=source)
    parts = ((carved, "that the firmware set aside"), (lent, "that the kernel lends"), (bound, "of the host"))
    unread, which = next((reading, which) for reading, which in parts if isinstance(reading, Unknown))
    return Unknown(unknown=f"the memory {which} is not known: {unread.unknown}", remedy=unread.remedy)


def unified_problem(name: str, carved: Pool, whole: Pool, node: Node | None) -> Iterator[Problem]:
    """What the sum of a processor's graphics is made of, and what programs of ROCm get of it."""
    if isinstance(carved.total, Unknown) or isinstance(whole.total, Unknown):
        return
    set_aside = f"the firmware set aside {carved.total.value:.1f} GiB of the computer's memory"
    reason = f"{set_aside}, and the kernel lends {whole.total.value - carved.total.value:.1f} GiB"
    pool = node.memory_bytes / GIB if node and node.memory_bytes else None
    if pool is not None and pool < whole.total.value - 0.05:
        reason += f"; programs of ROCm get {pool:.1f} GiB in one pool, those of Vulkan all of it"
    remedy = f"let the firmware set aside as little as it can, and raise {LENT} to let the kernel lend more"
    yield Problem(what=f"memory of {name}", reason=reason, remedy=remedy)
