"""Which cards are equal."""

from __future__ import annotations

from deployadvisor.hardware.machine import Host, Machine, Unknown
from deployadvisor.sizing.cards import card_groups, host_cards

from .builders import accelerator, gib

UNREAD = Unknown(unknown="not read")


def machine(*accelerators: object, **host: object) -> Machine:
    fields = dict.fromkeys(
        (
            "os",
            "arch",
            "cpu_model",
            "cores",
            "memory_total_gib",
            "memory_available_gib",
            "container",
            "disk_free_gib",
        ),
        UNREAD,
    )
    return Machine(description="test", accelerators=accelerators, host=Host(**(fields | host)))  # type: ignore[arg-type] - fields by name


def test_unequal_cards_are_groups_of_their_own() -> None:
    big = accelerator(index=0)
    small = [accelerator(index=i, id="rtx-3060", memory_total_gib=gib(12.0)) for i in (1, 2)]
    assert [(group.id, group.count) for group in card_groups(machine(big, *small))] == [
        ("h100-sxm", 1),
        ("rtx-3060", 2),
    ]


def test_one_model_with_two_sizes_makes_two_groups() -> None:
    pair = (accelerator(index=0), accelerator(index=1, memory_total_gib=gib(40.0)))
    assert [group.indexes for group in card_groups(machine(*pair))] == [(0,), (1,)]


def test_hidden_cards_do_not_count() -> None:
    pair = (accelerator(index=0), accelerator(index=1, visible=False))
    assert [group.indexes for group in card_groups(machine(*pair))] == [(0,)]


def test_the_fullest_card_sets_the_group() -> None:
    pair = (accelerator(index=0, memory_free_gib=gib(70.0)), accelerator(index=1, memory_free_gib=gib(10.0)))
    assert card_groups(machine(*pair))[0].free_gib == gib(10.0)


def test_one_unread_card_makes_the_group_unknown() -> None:
    pair = (accelerator(index=0), accelerator(index=1, memory_free_gib=UNREAD))
    assert card_groups(machine(*pair))[0].free_gib == UNREAD


def test_the_host_is_one_card_of_its_memory() -> None:
    host = machine(memory_total_gib=gib(64.0), memory_available_gib=gib(50.0)).host
    cards = host_cards(host)
    assert (cards.name, cards.vendor, cards.count, cards.free_gib) == ("CPU", "cpu", 1, gib(50.0))
