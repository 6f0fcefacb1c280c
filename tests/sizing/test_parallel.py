"""Which layouts are legal over equal cards, in which order they are tried, and why others are refused."""

from __future__ import annotations

import dataclasses

import pytest

from deployadvisor.catalog.engines import engines
from deployadvisor.sizing.cards import Cards
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.parallel import ANY, Layout, Setting, Wanted, candidates, interconnect_note, refusal
from deployadvisor.sizing.policy import EnginePolicy, engine_policy

from .builders import LLAMA_CPP, LMDEPLOY, VLLM, cards, geometry, tiny

OLLAMA = engine_policy(engines()["ollama"])


def setting(model: str, on: int = 8, policy: EnginePolicy = VLLM, precision: str = "bf16", nodes: int = 1) -> Setting:
    group = dataclasses.replace(cards(80.0, on), nodes=nodes)
    return Setting(geometry(model), policy, group, precision)


def legal(where: Setting, wanted: Wanted = ANY) -> list[str]:
    return [str(option.layout) for option in candidates(where, wanted) if not option.refusal]


def tensor_sizes(model: str, on: int) -> list[int]:
    where = setting(model, on)
    return [size for size in range(1, on + 1) if refusal(where, Layout(size)) is None]


@pytest.mark.parametrize(
    ("model", "on", "sizes"),
    [
        ("Qwen/Qwen3-8B", 4, [1, 2, 4]),
        ("Qwen/Qwen2.5-7B-Instruct", 8, [1, 2, 4]),
        ("Qwen/Qwen2.5-14B-Instruct", 8, [1, 2, 4, 8]),
        ("deepseek-ai/DeepSeek-V3", 16, [1, 2, 4, 8, 16]),
        ("Qwen/Qwen3.5-35B-A3B", 8, [1, 2, 4, 8]),
    ],
)
def test_legal_tensor_sizes(model: str, on: int, sizes: list[int]) -> None:
    assert tensor_sizes(model, on) == sizes


# Each refusal names what does not divide


def refused(layout: Layout, policy: EnginePolicy = VLLM, precision: str = "bf16", **shape: object) -> str | None:
    return refusal(Setting(geometry_of(tiny(**shape)), policy, cards(80.0, 16), precision), layout)


@pytest.mark.parametrize(
    ("shape", "layout", "reason"),
    [
        ({}, Layout(3), "tensor parallel 3 does not divide the 8 attention heads of test/tiny"),
        (
            {"num_attention_heads": 12, "num_key_value_heads": 4},
            Layout(6),
            "tensor parallel 6 neither divides nor repeats the 4 KV heads of test/tiny",
        ),
        (
            {"intermediate_size": 130},
            Layout(4),
            "tensor parallel 4 does not divide the feed-forward width 130 of test/tiny",
        ),
        ({}, Layout(pipeline=5), "pipeline parallel 5 has more stages than test/tiny layers"),
        ({}, Layout(2, expert=2), "there are no experts to deal out"),
        ({}, Layout(32), "tensor parallel 32 needs 32 equal cards, there are 16"),
        (
            {"num_experts": 6, "experts_per_token": 2, "moe_intermediate_size": 64},
            Layout(4, expert=4),
            "expert parallel 4 does not divide the 6 experts of test/tiny",
        ),
        (
            {"num_experts": 8, "experts_per_token": 2, "moe_intermediate_size": 64},
            Layout(4, expert=2),
            "expert parallel 2 must use the 4 cards of a stage",
        ),
        ({"num_attention_heads": None}, Layout(2), "the attention heads of test/tiny are not known"),
    ],
)
def test_a_refusal_says_what_does_not_divide(shape: dict[str, object], layout: Layout, reason: str) -> None:
    assert refused(layout, **shape) == reason


def test_kv_heads_divide_or_repeat() -> None:
    shape = {"num_attention_heads": 12, "num_key_value_heads": 4, "intermediate_size": 48}
    assert [size for size in range(1, 13) if refused(Layout(size), **shape) is None] == [1, 2, 4, 12]


def test_recurrent_heads_divide_and_are_never_repeated() -> None:
    """Qwen3-Next has 2 KV heads, which repeat, and 16 recurrent key heads, which do not."""
    assert tensor_sizes("Qwen/Qwen3-Next-80B-A3B-Instruct", 16) == [1, 2, 4, 8, 16]
    assert "recurrent heads" in (refusal(setting("Qwen/Qwen3-Next-80B-A3B-Instruct", 64), Layout(32)) or "") or (
        "attention heads" in (refusal(setting("Qwen/Qwen3-Next-80B-A3B-Instruct", 64), Layout(32)) or "")
    )


@pytest.mark.parametrize(
    ("policy", "layout", "reason"),
    [
        (LLAMA_CPP, Layout(2), "llama.cpp has no tensor parallelism: several cards hold different layers"),
        (LMDEPLOY, Layout(pipeline=2), "LMDeploy has no pipeline parallelism"),
        (OLLAMA, Layout(data=2), "Ollama has no data parallelism: run several of it"),
        (OLLAMA, Layout(expert=2), "Ollama has no expert parallelism"),
    ],
)
def test_engines_do_only_what_they_can(policy: EnginePolicy, layout: Layout, reason: str) -> None:
    assert refused(layout, policy) == reason


# Blocks of a quantised format: only of the checkpoint's own format, and only where the engine does not pad

INT4 = {"native_format": "int4", "intermediate_size": 1536}


def test_a_group_of_weights_cannot_be_divided() -> None:
    assert refused(Layout(2), precision="int4", **INT4) is None
    assert refused(Layout(8), precision="int4", **INT4) == (
        "tensor parallel 8 leaves 192 of the feed-forward width 1,536 a card, "
        "which is no multiple of the 128 weights of a block"
    )
    assert refused(Layout(8), precision="int4", intermediate_size=1536) is None, "another checkpoint may be padded"
    assert refused(Layout(8), LMDEPLOY, "int4", **INT4) is None, "LMDeploy pads"


EXPERTS = {"native_format": "int4", "num_experts": 8, "experts_per_token": 2, "moe_intermediate_size": 192}


def test_whole_experts_where_they_cannot_be_divided() -> None:
    where = Setting(geometry_of(tiny(**EXPERTS)), VLLM, cards(80.0, 8), "int4")
    assert refusal(where, Layout(2)) is not None
    assert "tensor parallel 2, expert parallel 2" in legal(where)


# The order


def test_few_cards_come_first_and_tensor_before_pipeline() -> None:
    assert legal(setting("Qwen/Qwen3-8B", 4)) == [
        "one card",
        "tensor parallel 2",
        "tensor parallel 4",
        "pipeline parallel 2",
        "pipeline parallel 3",
        "tensor parallel 2, pipeline parallel 2",
        "pipeline parallel 4",
    ]


def test_stages_cross_nodes_and_tensor_parallelism_does_not() -> None:
    found = legal(setting("Qwen/Qwen3-235B-A22B", 4, nodes=2))
    assert found.index("tensor parallel 4") < found.index("tensor parallel 4, pipeline parallel 2")
    assert not any("tensor parallel 8" in layout for layout in found)
    reason = refusal(setting("Qwen/Qwen3-235B-A22B", 4, nodes=2), Layout(8))
    assert reason == "tensor parallel 8 would cross nodes of 4 cards"


def test_each_node_gets_as_many_stages() -> None:
    where = setting("Qwen/Qwen3-235B-A22B", 4, nodes=2)
    refused = "the 3 groups of tensor parallel 2, pipeline parallel 3 cannot be dealt evenly to 2 nodes"
    assert refusal(where, Layout(2, 3)) == refused
    assert refusal(where, Layout(2, 4)) is None
    assert refusal(setting("Qwen/Qwen3-235B-A22B", 4, nodes=3), Layout(4, 3)) is None


def test_an_engine_of_one_node_stays_on_it() -> None:
    where = setting("Qwen/Qwen3-8B", 2, LLAMA_CPP, nodes=2)
    assert refusal(where, Layout(pipeline=4)) == "llama.cpp runs on one node"


def test_latent_attention_may_deal_out_requests() -> None:
    assert "data parallel 8, expert parallel 8" in legal(setting("deepseek-ai/DeepSeek-V3"))
    assert not any("data" in layout for layout in legal(setting("Qwen/Qwen3-235B-A22B")))


def test_only_what_was_asked_for_is_tried() -> None:
    where = setting("Qwen/Qwen3-8B")
    assert legal(where, Wanted(tensor=2, pipeline=1)) == ["tensor parallel 2"]
    assert legal(where, Wanted(data=4)) == [
        "data parallel 4",
        "tensor parallel 2, data parallel 4",
        "pipeline parallel 2, data parallel 4",
    ]


def test_a_desktop_runner_spreads_layers() -> None:
    assert legal(setting("Qwen/Qwen3-8B", 3, LLAMA_CPP)) == [
        "one card",
        "pipeline parallel 2",
        "pipeline parallel 3",
    ]


@pytest.mark.parametrize(
    ("card", "layout", "noted"),
    [
        ("l40s", Layout(2), True),
        ("l40s", Layout(), False),
        ("h100-sxm", Layout(2), False),
        ("card", Layout(2), False),
    ],
)
def test_slow_links_are_noted(card: str, layout: Layout, noted: bool) -> None:
    group: Cards = cards(48.0, 2, card_id=card)
    assert (interconnect_note(group, layout) is not None) is noted
