"""Equal accelerators that can work on one model together; unequal ones are never pooled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    gfx_target: str | None = None
    indexes: tuple[int, ...] = ()
    """Their numbers on the machine, the freest card first."""
    shared: bool = False
    """The memory is also the system's: a host, or an accelerator that shares with it."""
    nodes: int = 1
    """Equal machines that hold ``count`` such cards each."""
    each_free_gib: tuple[float, ...] = ()
    """Free memory of each card, the freest first; empty where all have as much as ``free_gib``."""
    slices: bool = False
    """Parts of split cards: CUDA gives a process one, so they never work together."""
    unread: tuple[int, ...] = ()
    """Equal cards that are left out, because their free memory is not known and that of others is."""

    @property
    def all(self) -> int:
        """Cards over all nodes."""
        return self.count * self.nodes

    @property
    def most_free_gib(self) -> float:
        """Free memory that one process can have of them together; what is not known counts as nothing."""
        each = self.each_free_gib or (value_of(self.free_gib) or 0.0,) * self.count
        return max(each) if self.slices else sum(each)

    def freest(self, count: int) -> Cards:
        """The ``count`` freest of them; all where there are no more."""
        if count >= self.count:
            return self
        fewer = replace(self, count=count, indexes=self.indexes[:count], each_free_gib=self.each_free_gib[:count])
        if not self.each_free_gib or isinstance(self.free_gib, Unknown):
            return fewer
        return replace(fewer, free_gib=self.free_gib.model_copy(update={"value": self.each_free_gib[count - 1]}))

    def with_more(self, count: int) -> Cards:
        """As if there were ``count``: further cards are as free as the freest."""
        further = self.each_free_gib[:1] * (count - self.count)
        return replace(self, count=count, each_free_gib=(*further, *self.each_free_gib))

    def numbers(self, count: int) -> tuple[int, ...]:
        """Indexes of the ``count`` freest, in the order of the machine."""
        return tuple(sorted(self.indexes[:count]))


def card_groups(machine: Machine) -> tuple[Cards, ...]:
    """The visible accelerators in groups of equal ones, by model and total memory, in the order of the machine.

    Where there are several machines, each group is in all of them.
    """
    groups: dict[tuple[str, float | None, str], list[Accelerator]] = {}
    for card in machine.accelerators:
        if card.visible:
            groups.setdefault(_kind_of(card), []).append(card)
    return tuple(replace(_cards(group), nodes=machine.nodes) for group in groups.values())


def host_cards(host: Host) -> Cards:
    """The host's memory as one card, for engines that run without an accelerator."""
    name = value_of(host.cpu_model) or "CPU"
    return Cards(name, None, "cpu", 1, host.memory_total_gib, host.memory_available_gib, shared=True)


def _kind_of(card: Accelerator) -> tuple[str, float | None, str]:
    """Slices carry the id of the card that they are cut from, and of one size there are several shapes."""
    total = value_of(card.memory_total_gib)
    shape = card.name if card.kind == "mig" else card.kind
    return card.id or card.name, None if total is None else round(total, 1), shape


def _cards(group: Sequence[Accelerator]) -> Cards:
    """The group, without cards of which nobody knows what is free where it is known of others."""
    known = [card for card in group if not isinstance(card.memory_free_gib, Unknown)]
    members = sorted(known, key=lambda card: (-_free(card), card.index)) or group
    each = tuple(_free(card) for card in members)
    first = group[0]
    return Cards(
        name=first.name,
        id=first.id,
        vendor=first.vendor,
        count=len(members),
        total_gib=_least([card.memory_total_gib for card in members]),
        free_gib=members[-1].memory_free_gib,
        compute_capability=value_of(first.compute_capability),
        gfx_target=value_of(first.gfx_target),
        indexes=tuple(card.index for card in members),
        shared=first.unified_memory,
        each_free_gib=each if min(each) < max(each) else (),
        slices=first.kind == "mig",
        unread=tuple(card.index for card in group if card not in members),
    )


def _free(card: Accelerator) -> float:
    return value_of(card.memory_free_gib) or 0.0


def _least(readings: Sequence[Number]) -> Number:
    """The smallest reading, or the first that is unknown."""
    known = [reading for reading in readings if not isinstance(reading, Unknown)]
    if len(known) < len(readings):
        return next(reading for reading in readings if isinstance(reading, Unknown))
    return min(known, key=lambda reading: reading.value)
