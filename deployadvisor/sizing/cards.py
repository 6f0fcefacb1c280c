"""Equal accelerators that can work on one model together; unequal ones are never pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployadvisor.hardware.machine import Accelerator, Host, Machine, Number, Unknown, value_of


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
    shared: bool = False
    """The memory is also the system's: a host, or an accelerator that shares with it."""
    nodes: int = 1
    """Equal machines that hold ``count`` such cards each."""

    @property
    def all(self) -> int:
        """Cards over all nodes."""
        return self.count * self.nodes


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
    return Cards(name, None, "cpu", 1, host.memory_total_gib, host.memory_available_gib, shared=True)


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
        shared=first.unified_memory,
    )


def _least(readings: Sequence[Number]) -> Number:
    """The smallest reading, or the first that is unknown."""
    known = [reading for reading in readings if not isinstance(reading, Unknown)]
    if len(known) < len(readings):
        return next(reading for reading in readings if isinstance(reading, Unknown))
    return min(known, key=lambda reading: reading.value)
