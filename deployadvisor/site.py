"""A machine as engines see it: the one group of equal cards that a plan may use, the host, system and driver."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from deployadvisor.figures import Plan
from deployadvisor.hardware.machine import Accelerator, Machine, numbers_text, value_of
from deployadvisor.sizing.cards import Cards, card_groups, host_cards


@dataclass(frozen=True, slots=True)
class Site:
    """Operating system, cards, driver and host memory; None is what is not known or not there."""

    os: str | None
    cards: Cards | None
    host: Cards
    driver: str | None
    """Version of the NVIDIA driver."""
    runtime: str | None = None
    """CUDA version that the driver supports."""


def site_of(machine: Machine, assumed_os: str | None = None) -> Site:
    """The machine with the group of cards to plan for; ``assumed_os`` stands in where the system is unknown."""
    cards = planned_group(machine)
    used = (
        next((card for card in numbered_with(machine, cards) if card.index in cards.indexes), None) if cards else None
    )
    return Site(
        os=value_of(machine.host.os) or assumed_os,
        cards=cards,
        host=host_cards(machine.host),
        driver=value_of(used.driver_version) if used else None,
        runtime=value_of(used.runtime_version) if used else None,
    )


def planned_group(machine: Machine) -> Cards | None:
    """The group of equal visible cards with the most free memory; None where there is no card.

    Free memory comes before size: a large card that somebody else has filled serves nobody. Total memory decides
    only between groups of which nobody knows what is free, or that have as much.
    """
    return max(card_groups(machine), key=lambda group: (group.most_free_gib, _total_gib(group)), default=None)


def numbered_with(machine: Machine, cards: Cards) -> tuple[Accelerator, ...]:
    """The accelerators that are counted with these: each maker's runtime numbers its own from 0."""
    return tuple(card for card in machine.accelerators if card.vendor == cards.vendor)


def _total_gib(group: Cards) -> float:
    return group.count * (value_of(group.total_gib) or 0.0)


def idle_groups(machine: Machine, cards: Cards) -> tuple[Cards, ...]:
    """Groups of other cards, which a plan for ``cards`` leaves alone."""
    its = (cards.vendor, cards.indexes)
    return tuple(group for group in card_groups(machine) if (group.vendor, group.indexes) != its)


_PART = {
    "en": "uses {noun} {used} of {there}",
    "zh": "使用 {used} 号卡（全部为 {there}）",
}


def cards_of_a_node(plan: Plan) -> int:
    """Cards that the plan uses on each machine."""
    return plan.gpus // plan.nodes


def part_of_the_cards(plan: Plan, machine: Machine, lang: str = "en") -> str | None:
    """Which of the cards there are the plan uses, in words; None where it uses all of them, or none."""
    there = range(plan.rent[0].gpus) if plan.rent else _numbers(machine)
    if not plan.cards or set(plan.cards) == set(there):
        return None
    noun = "card" if len(plan.cards) == 1 else "cards"
    return _PART[lang].format(noun=noun, used=numbers_text(plan.cards), there=numbers_text(there))


def _numbers(machine: Machine) -> tuple[int, ...]:
    group = planned_group(machine)
    return tuple(card.index for card in numbered_with(machine, group)) if group else ()


def left_alone(machine: Machine, cards: Cards, used: int, lang: str = "en") -> Iterator[str]:
    """One sentence on each kind of card that a plan for ``used`` of ``cards`` does not use, and why."""
    return _left_alone_zh(machine, cards, used) if lang == "zh" else _left_alone(machine, cards, used)


def _left_alone(machine: Machine, cards: Cards, used: int) -> Iterator[str]:
    for group in idle_groups(machine, cards):
        stay = "stays" if group.count == 1 else "stay"
        yield f"{group.count}x {group.name} {stay} idle: unequal cards are not pooled"
    if cards.unread:
        yield f"{_named(cards.unread)} left out: nobody could read what is free there"
    if used < cards.count and cards.each_free_gib:
        free = f"{cards.each_free_gib[used - 1]:.1f} GiB free or more, {cards.each_free_gib[used]:.1f} on the next"
        yield f"{_named(cards.numbers(used))} taken, the freest of {cards.count}: {free}"


def _left_alone_zh(machine: Machine, cards: Cards, used: int) -> Iterator[str]:
    for group in idle_groups(machine, cards):
        yield f"{group.count}x {group.name} 闲置：不同的卡不合在一起用"
    if cards.unread:
        yield f"未使用 {numbers_text(cards.unread)} 号卡：读不到它的空闲显存"
    if used < cards.count and cards.each_free_gib:
        free = f"空闲不少于 {cards.each_free_gib[used - 1]:.1f} GiB，下一张为 {cards.each_free_gib[used]:.1f}"
        yield f"使用 {numbers_text(cards.numbers(used))} 号卡，是 {cards.count} 张中最空闲的：{free}"


def _named(indexes: tuple[int, ...]) -> str:
    return f"card {indexes[0]} is" if len(indexes) == 1 else f"cards {numbers_text(indexes)} are"
