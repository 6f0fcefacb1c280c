"""Which cards are equal, and over how many a model can be divided."""

from __future__ import annotations

import pytest

from deployadvisor.hardware.machine import Host, Machine, Unknown
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.parallel import card_groups, host_cards, tensor_parallel_options

from .builders import accelerator, geometry, gib, tiny

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
    return Machine(description="test", accelerators=accelerators, host=Host(**(fields | host)))  # type: ignore[arg-type]


def legal(name: str, cards: int) -> list[int]:
    return [option.size for option in tensor_parallel_options(geometry(name), cards) if option.legal]


@pytest.mark.parametrize(
    ("model", "cards", "sizes"),
    [
        ("Qwen/Qwen3-8B", 4, [1, 2, 4]),
        ("Qwen/Qwen2.5-7B-Instruct", 8, [1, 2, 4]),
        ("Qwen/Qwen2.5-14B-Instruct", 8, [1, 2, 4, 8]),
        ("deepseek-ai/DeepSeek-V3", 16, [1, 2, 4, 8, 16]),
        ("Qwen/Qwen3.5-35B-A3B", 8, [1, 2, 4, 8]),
    ],
)
def test_legal_sizes(model: str, cards: int, sizes: list[int]) -> None:
    assert legal(model, cards) == sizes


def test_a_refusal_names_the_heads() -> None:
    option = tensor_parallel_options(geometry("Qwen/Qwen3-8B"), 3)[2]
    assert option.reason == "tensor parallel 3 does not divide the 32 attention heads of Qwen/Qwen3-8B"


def test_kv_heads_must_divide_or_repeat() -> None:
    shape = geometry_of(tiny(num_attention_heads=12, num_key_value_heads=4, head_dim=8))
    options = tensor_parallel_options(shape, 12)
    assert [option.size for option in options if option.legal] == [1, 2, 4, 12]
    assert options[5].reason == "tensor parallel 6 neither divides nor repeats the 4 KV heads of test/tiny"
    assert options[11].reason == "4 KV heads repeated on 12 cards"


def test_unknown_heads_allow_one_card() -> None:
    options = tensor_parallel_options(geometry_of(tiny(num_attention_heads=None)), 2)
    assert [option.legal for option in options] == [True, False]


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
