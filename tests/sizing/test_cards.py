"""Which cards are equal."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.hardware.machine import Host, Machine, Unknown, value_of
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


def test_an_unread_card_is_left_out_where_others_were_read() -> None:
    pair = (accelerator(index=0), accelerator(index=1, memory_free_gib=UNREAD))
    (group,) = card_groups(machine(*pair))
    assert (group.indexes, group.unread, group.free_gib) == ((0,), (1,), gib(79.0))


def test_where_no_card_was_read_the_group_is_unknown() -> None:
    pair = tuple(accelerator(index=index, memory_free_gib=UNREAD) for index in (0, 1))
    (group,) = card_groups(machine(*pair))
    assert (group.count, group.unread, group.free_gib) == (2, (), UNREAD)


def test_the_freest_cards_come_first_and_equals_in_their_order() -> None:
    frees = (40.0, 79.0, 10.0, 79.0)
    (group,) = card_groups(machine(*(accelerator(index=i, memory_free_gib=gib(f)) for i, f in enumerate(frees))))
    assert (group.indexes, group.each_free_gib) == ((1, 3, 0, 2), (79.0, 79.0, 40.0, 10.0))
    three = group.freest(3)
    assert (three.count, three.free_gib, three.numbers(3)) == (3, gib(40.0), (0, 1, 3))
    assert group.freest(9) is group


@given(st.lists(st.floats(0, 79), min_size=1, max_size=8), st.integers(1, 8))
def test_a_selection_counts_the_fullest_card_that_it_takes(frees: list[float], count: int) -> None:
    """Never more memory than the least free of the used cards, times their number."""
    cards = tuple(accelerator(index=i, memory_free_gib=gib(free)) for i, free in enumerate(frees))
    (group,) = card_groups(machine(*cards))
    taken = group.freest(count)
    used = [frees[index] for index in taken.numbers(taken.count)]
    assert value_of(taken.free_gib) == min(used)
    assert len(used) == min(count, len(frees))
    assert sorted(used, reverse=True) == sorted(frees, reverse=True)[: len(used)]


def test_more_cards_of_the_kind_are_as_free_as_the_freest() -> None:
    pair = (accelerator(index=0, memory_free_gib=gib(10.0)), accelerator(index=1, memory_free_gib=gib(70.0)))
    (group,) = card_groups(machine(*pair))
    assert group.with_more(4).each_free_gib == (70.0, 70.0, 70.0, 10.0)
    assert group.with_more(4).freest(3).free_gib == gib(70.0)


def test_a_slice_is_no_equal_of_a_whole_card_nor_of_another_shape() -> None:
    whole = accelerator(index=0, memory_total_gib=gib(20.0))
    shapes = [
        accelerator(index=i, kind="mig", name=name, memory_total_gib=gib(20.0))
        for i, name in ((1, "MIG 1g.20gb"), (2, "MIG 2g.20gb"), (3, "MIG 2g.20gb"))
    ]
    groups = card_groups(machine(whole, *shapes))
    assert [(group.indexes, group.slices) for group in groups] == [((0,), False), ((1,), True), ((2, 3), True)]


def test_of_slices_only_one_counts() -> None:
    (whole,) = card_groups(machine(*(accelerator(index=i) for i in (0, 1))))
    (slices,) = card_groups(machine(*(accelerator(index=i, kind="mig") for i in (0, 1))))
    assert (whole.most_free_gib, slices.most_free_gib) == (158.0, 79.0)


def test_the_host_is_one_card_of_its_memory() -> None:
    host = machine(memory_total_gib=gib(64.0), memory_available_gib=gib(50.0)).host
    cards = host_cards(host)
    assert (cards.name, cards.vendor, cards.count, cards.free_gib) == ("CPU", "cpu", 1, gib(50.0))
