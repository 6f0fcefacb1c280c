"""Which cards work together, and over how many of them one model can be spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployadvisor.hardware.machine import Accelerator, Host, Machine, Number, Unknown, value_of
from deployadvisor.sizing.geometry import Geometry


@dataclass(frozen=True, slots=True)
class Cards:
    """Equal accelerators, or the host as one; memory is that of one card, the least free one."""

    name: str
    id: str | None
    vendor: str
    """Maker of the accelerator, or ``cpu``."""
    count: int
    total_gib: Number
    free_gib: Number
    compute_capability: str | None = None
    indexes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Option:
    """One size of tensor parallelism, and why it is not possible when it is not."""

    size: int
    legal: bool
    reason: str


def tensor_parallel_options(geometry: Geometry, cards: int) -> tuple[Option, ...]:
    """Every size from 1 to ``cards``: attention heads must divide evenly; KV heads divide or repeat evenly."""
    return tuple(_option(geometry, size) for size in range(1, cards + 1))


def _option(geometry: Geometry, size: int) -> Option:
    if size == 1:
        return Option(1, legal=True, reason="one card")
    if geometry.heads is None:
        return Option(size, legal=False, reason=f"the attention heads of {geometry.name} are not known")
    if geometry.heads % size:
        message = f"tensor parallel {size} does not divide the {geometry.heads} attention heads of {geometry.name}"
        return Option(size, legal=False, reason=message)
    kv_heads = geometry.kv_heads or 1
    if kv_heads % size and size % kv_heads:
        message = f"tensor parallel {size} neither divides nor repeats the {kv_heads} KV heads of {geometry.name}"
        return Option(size, legal=False, reason=message)
    if size > kv_heads:
        return Option(size, legal=True, reason=f"{kv_heads} KV heads repeated on {size} cards")
    return Option(size, legal=True, reason=f"{kv_heads} KV heads divided over {size} cards")


def card_groups(machine: Machine) -> tuple[Cards, ...]:
    """The visible accelerators in groups of equal ones, by model and total memory, in the order of the machine."""
    groups: dict[tuple[str, float | None], list[Accelerator]] = {}
    for card in machine.accelerators:
        if card.visible:
            groups.setdefault(_kind_of(card), []).append(card)
    return tuple(_cards(group) for group in groups.values())


def host_cards(host: Host) -> Cards:
    """The host's memory as one card, for engines that run without an accelerator."""
    name = value_of(host.cpu_model) or "CPU"
    return Cards(name, None, "cpu", 1, host.memory_total_gib, host.memory_available_gib)


def _kind_of(card: Accelerator) -> tuple[str, float | None]:
    total = value_of(card.memory_total_gib)
    return card.id or card.name, None if total is None else round(total, 1)


def _cards(group: Sequence[Accelerator]) -> Cards:
    first = group[0]
    return Cards(
        name=first.name,
        id=first.id,
        vendor=first.vendor,
        count=len(group),
        total_gib=_least([card.memory_total_gib for card in group]),
        free_gib=_least([card.memory_free_gib for card in group]),
        compute_capability=value_of(first.compute_capability),
        indexes=tuple(card.index for card in group),
    )


def _least(readings: Sequence[Number]) -> Number:
    """The smallest reading, or the first that is unknown."""
    known = [reading for reading in readings if not isinstance(reading, Unknown)]
    if len(known) < len(readings):
        return next(reading for reading in readings if isinstance(reading, Unknown))
    return min(known, key=lambda reading: reading.value)
