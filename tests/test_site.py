"""Which cards of a machine a plan may use: one group of equal ones, and why the others are left alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.figures import Plan, RentalOffer
from deployadvisor.hardware.machine import Accelerator, Known, Machine, Unknown, numbers_text
from deployadvisor.hardware.spec import machine_from_phrase
from deployadvisor.site import idle_groups, left_alone, part_of_the_cards, planned_group, site_of


def with_free(phrase: str, *free_gib: float | None) -> Machine:
    """The machine of a phrase with so much free on each card."""
    return with_free_of(machine_from_phrase(phrase), *free_gib)


def with_free_of(machine: Machine, *free_gib: float | None) -> Machine:
    """A machine with so much free on each card."""
    pairs = zip(machine.accelerators, free_gib, strict=True)
    return machine.model_copy(update={"accelerators": tuple(_with(card, free) for card, free in pairs)})


def _with(card: Accelerator, free_gib: float | None) -> Accelerator:
    free = Unknown(unknown="not read") if free_gib is None else Known[float](value=free_gib, source="test")
    return card.model_copy(update={"memory_free_gib": free})


def test_a_full_card_loses_against_idle_ones_that_are_smaller() -> None:
    group = planned_group(with_free("1x RTX 3090 + 2x RTX 3060", 0.5, 11.5, 11.5))
    assert group
    assert (group.id, group.indexes) == ("rtx-3060", (1, 2))
    idle = planned_group(with_free("1x RTX 3090 + 1x RTX 3060", 23.5, 11.5))
    assert idle
    assert idle.id == "rtx-3090"


def test_what_is_known_to_be_free_comes_before_what_nobody_read() -> None:
    group = planned_group(with_free("1x RTX 3090 + 1x RTX 3060", None, 11.5))
    assert group
    assert group.id == "rtx-3060"
    unread = planned_group(with_free("1x RTX 3060 + 1x RTX 3090", None, None))
    assert unread
    assert unread.id == "rtx-3090"


@given(st.lists(st.floats(0, 24), min_size=4, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4))
def test_unequal_and_hidden_cards_are_never_in_one_plan(free_gib: list[float], visible: list[bool]) -> None:
    machine = with_free("2x RTX 3090 + 2x RTX 3060", *free_gib)
    pairs = zip(machine.accelerators, visible, strict=True)
    machine = machine.model_copy(
        update={"accelerators": tuple(card.model_copy(update={"visible": seen}) for card, seen in pairs)}
    )
    group = site_of(machine).cards
    assert (group is None) == (not any(visible))
    if group:
        taken = [machine.accelerators[index] for index in group.indexes]
        assert len({card.id for card in taken}) == 1
        assert all(card.visible for card in taken)
        assert group.count == len(taken)


def test_the_driver_is_that_of_the_cards_in_use() -> None:
    machine = machine_from_phrase("1x H100")
    card = machine.accelerators[0].model_copy(
        update={
            "driver_version": Known[str](value="550.54.14", source="test"),
            "runtime_version": Known[str](value="12.4", source="test"),
        }
    )
    site = site_of(machine.model_copy(update={"accelerators": (card,)}))
    assert (site.driver, site.runtime) == ("550.54.14", "12.4")


def test_cards_left_alone_are_named_with_the_reason() -> None:
    machine = with_free("4x RTX 4090 + 1x RTX 3060", 23.0, 1.0, None, 23.5, 11.0)
    group = planned_group(machine)
    assert group
    assert [other.id for other in idle_groups(machine, group)] == ["rtx-3060"]
    assert list(left_alone(machine, group, 2)) == [
        "1x NVIDIA GeForce RTX 3060 stays idle: unequal cards are not pooled",
        "card 2 is left out: nobody could read what is free there",
        "cards 0, 3 are taken, the freest of 3: 23.0 GiB free or more, 1.0 on the next",
    ]


def test_numbers_are_put_in_words() -> None:
    assert numbers_text([]) == ""
    assert numbers_text([3]) == "3"
    assert numbers_text([7, 0, 1, 2, 5]) == "0-2, 5, 7"


def test_a_part_of_the_cards_is_said_and_all_of_them_are_not() -> None:
    machine = machine_from_phrase("4x H100")
    assert part_of_the_cards(Plan(hardware="", cards=(0, 2)), machine) == "uses cards 0, 2 of 0-3"
    assert part_of_the_cards(Plan(hardware="", cards=(2,)), machine, "en") == "uses card 2 of 0-3"
    assert part_of_the_cards(Plan(hardware="", cards=(2,)), machine, "zh") == "使用 2 号卡（全部为 0-3）"
    assert part_of_the_cards(Plan(hardware="", cards=(0, 1, 2, 3)), machine) is None
    assert part_of_the_cards(Plan(hardware=""), machine) is None


def test_each_maker_counts_its_own_cards() -> None:
    """Card 0 of one maker and card 0 of another are two cards, as a probe of both says."""
    machine = with_free("2x RTX 4090 + 2x RX 7900 XTX", 23.0, 23.5, 1.0, 20.0)
    numbered = (0, 1, 0, 1)
    pairs = zip(machine.accelerators, numbered, strict=True)
    machine = machine.model_copy(
        update={"accelerators": tuple(card.model_copy(update={"index": index}) for card, index in pairs)}
    )
    group = planned_group(machine)
    assert group
    assert (group.vendor, group.numbers(2)) == ("nvidia", (0, 1))
    assert [other.vendor for other in idle_groups(machine, group)] == ["amd"]
    assert part_of_the_cards(Plan(hardware="", cards=(0, 1)), machine) is None
    assert part_of_the_cards(Plan(hardware="", cards=(1,)), machine) == "uses card 1 of 0-1"


def test_the_driver_is_that_of_the_maker_in_use() -> None:
    """A ROCm version is no CUDA version."""
    machine = machine_from_phrase("1x RX 7900 XTX + 1x RTX 4090")
    amd, nvidia = machine.accelerators
    amd = amd.model_copy(update={"driver_version": Known[str](value="6.10.5", source="test")})
    nvidia = nvidia.model_copy(update={"index": 0, "driver_version": Known[str](value="580.65.06", source="test")})
    machine = with_free_of(machine.model_copy(update={"accelerators": (amd, nvidia)}), 1.0, 23.0)
    assert site_of(machine).driver == "580.65.06"


def test_cards_to_rent_are_compared_with_what_is_rented() -> None:
    offer = RentalOffer(
        provider="a", instance="b", gpu="h100-sxm", gpus=4, usd_per_hour=1, as_of="2026-11-22", source="c"
    )
    here = machine_from_phrase("none")
    assert part_of_the_cards(Plan(hardware="", cards=(0, 1), rent=(offer,)), here) == "uses cards 0-1 of 0-3"
    assert part_of_the_cards(Plan(hardware="", cards=(0, 1, 2, 3), rent=(offer,)), here) is None
