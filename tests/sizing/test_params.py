"""Counted parameters against the exact counts that the catalogue holds, most of them made on the meta device."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.catalog.families import Family, families
from deployadvisor.catalog.models import Model, models
from deployadvisor.catalog.republished import padded
from deployadvisor.sizing.params import Counts, count_config, count_params
from deployadvisor.sizing.params.extras import BESIDE_LAYERS, IN_LAYER
from deployadvisor.sizing.params.mixers import MIXERS

from .builders import tiny

COUNTED = {model.id: counts for model in models().values() if (counts := count_params(model.model_dump()))}
ACTIVE_WITH_PROJECTOR = frozenset(("moonshotai/Kimi-K2.5", "moonshotai/Kimi-K2.6", "moonshotai/Kimi-K2.7-Code"))
"""The stated active parameters are not those of the text model."""
NOT_IN_CATALOGUE: dict[str, dict[str, Any]] = {
    "zai-org/GLM-4.5-Air": {"attention_bias": True},
    "zai-org/GLM-4.5": {"attention_bias": True, "use_qk_norm": True},
    "zai-org/GLM-4.6": {"attention_bias": True, "use_qk_norm": True},
    "zai-org/GLM-4.7": {"attention_bias": True, "use_qk_norm": True},
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": {"interleave_moe_layer_step": 1},
    "meta-llama/Llama-4-Maverick-17B-128E-Instruct": {"interleave_moe_layer_step": 2},
    "XiaomiMiMo/MiMo-V2-Flash": {"first_k_dense_replace": 1},
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": {
        "hybrid_override_pattern": "M" * 23 + "*" * 6 + "E" * 23,
        "moe_shared_expert_intermediate_size": 3712,
    },
    "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-BF16": {
        "hybrid_override_pattern": "M" * 40 + "*" * 8 + "E" * 40,
        "moe_latent_size": 1024,
        "moe_shared_expert_intermediate_size": 5376,
    },
    "nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16": {
        "hybrid_override_pattern": "M" * 48 + "*" * 12 + "E" * 48,
        "moe_latent_size": 2048,
        "moe_shared_expert_intermediate_size": 10240,
    },
    "nvidia/Nemotron-H-56B-Base-8K": {"hybrid_override_pattern": "M" * 54 + "*" * 10 + "-" * 54},
    "nvidia/Nemotron-H-8B-Base-8K": {"hybrid_override_pattern": "M" * 24 + "*" * 4 + "-" * 24},
    "nvidia/NVIDIA-Nemotron-Nano-9B-v2": {"hybrid_override_pattern": "M" * 27 + "*" * 4 + "-" * 25},
    "deepseek-ai/DeepSeek-V4-Flash": {"compress_ratios": [0, 0, *([4, 128] * 20), 4]},
    "deepseek-ai/DeepSeek-V4-Pro": {
        "compress_ratios": [128, 128, *([4, 128] * 29), 4],
        "q_lora_rank": 1536,
        "o_groups": 16,
    },
    "ibm-granite/granite-4.0-micro": {
        "num_local_experts": 0,
        "shared_intermediate_size": 8192,
        "layer_types": ["attention"] * 40,
    },
    "ibm-granite/granite-4.0-h-micro": {"num_local_experts": 0, "shared_intermediate_size": 8192},
}
"""Keys of ``config.json`` that the catalogue has no field for; the order of layers does not count."""


def as_config(model: Model) -> dict[str, Any]:
    """Fields of the catalogue have the names of ``config.json``, or names that are read as well."""
    fields = {name: value for name, value in model.model_dump().items() if value is not None}
    return fields | fields.pop("mla", {}) | fields.pop("linear", {})


def text_params(model: Model) -> int:
    return (model.total_params or 0) - (model.vision_params or 0)


@pytest.mark.parametrize("name", sorted(COUNTED))
def test_counts_are_exact(name: str) -> None:
    model, counts = models()[name], COUNTED[name]
    assert counts.total == text_params(model)
    if model.routed_expert_params is not None:
        assert counts.routed_experts == model.routed_expert_params


@pytest.mark.parametrize("name", sorted(COUNTED.keys() - ACTIVE_WITH_PROJECTOR))
def test_active_parameters_are_exact(name: str) -> None:
    assert COUNTED[name].active == models()[name].active_params


@pytest.mark.parametrize("name", sorted(padded()))
def test_padded_models_are_counted(name: str) -> None:
    entry, model = padded()[name], models()[name]
    counts = count_params(model.model_dump() | {"intermediate_size": entry.intermediate_size})
    assert counts is not None
    assert (counts.total + (model.vision_params or 0), counts.active) == (entry.total_params, entry.active_params)


@pytest.mark.parametrize("name", NOT_IN_CATALOGUE)
def test_what_the_catalogue_lacks_a_configuration_says(name: str) -> None:
    model = models()[name]
    counts = count_config(as_config(model) | NOT_IN_CATALOGUE[name], model.model_type)
    assert counts is not None
    assert (counts.total, counts.active) == (text_params(model), model.active_params)
    assert count_params(model.model_dump()) is None


@pytest.mark.parametrize(
    ("name", "total", "buffers"),
    [("google/gemma-4-26B-A4B", 25_233_141_760, 30), ("google/gemma-4-31B-it", 30_697_345_280, 60)],
)
def test_gemma_4_stores_one_scale_a_layer_that_is_no_parameter(name: str, total: int, buffers: int) -> None:
    model = models()[name]
    own = {"attention_k_eq_v": True, "hidden_size_per_layer_input": 0}
    counts = count_config(as_config(model) | own, model.model_type)
    assert counts is not None
    assert (counts.total, counts.total + buffers) == (total, text_params(model))


def test_most_of_the_catalogue_is_counted() -> None:
    assert len(COUNTED) > 0.85 * len(models())
    assert len({models()[name].model_type for name in COUNTED}) >= 25


# By hand


def test_a_small_model_by_hand() -> None:
    parts = {"embedding": 64_000, "lm_head": 64_000, "attention": 40_960, "dense_feed_forward": 98_304, "norms": 576}
    assert count_params(tiny(tie_word_embeddings=False).model_dump()) == Counts(267_840, 267_840, **parts)


def test_prediction_layers_are_named_but_not_counted() -> None:
    """DeepSeek-V3: a layer of 11.5 B, a projection of two hidden states to one, and three norms."""
    model = models()["deepseek-ai/DeepSeek-V3"]
    without, with_one = (
        count_config(as_config(model) | {"num_nextn_predict_layers": layers}, "deepseek_v3") for layers in (0, 1)
    )
    assert without is not None
    assert with_one is not None
    assert (without.mtp, with_one.mtp) == (0, 11_610_067_968)
    assert without.total == with_one.total == model.total_params


def test_prediction_layers_of_unknown_shape_are_unknown() -> None:
    config = {"num_nextn_predict_layers": 1, "hybrid_override_pattern": "M*-"}
    counts = count_config(config, "nemotron_h")
    assert counts is not None
    assert counts.mtp is None


# What cannot be counted


@pytest.mark.parametrize(
    "changes",
    [
        {"model_type": "unheard_of"},
        {"intermediate_size": None},
        {"tie_word_embeddings": None},
        {"num_experts": 8, "experts_per_token": None},
        {"model_type": "qwen3", "head_dim": None},
        {"model_type": "glm4_moe", "num_experts": 8, "experts_per_token": 2},
    ],
)
def test_what_has_no_formula_is_not_counted(changes: dict[str, Any]) -> None:
    assert count_params(tiny(**({"tie_word_embeddings": False} | changes)).model_dump()) is None


@pytest.mark.parametrize(
    ("model_type", "strange"),
    [
        ("llama", {"hidden_size": "4096"}),
        ("llama", {"hidden_size": True}),
        ("llama", {"hidden_size": -1}),
        ("llama", {"num_hidden_layers": 10**12}),
        ("llama", {"num_hidden_layers": 0}),
        ("llama", {"num_attention_heads": 0}),
        ("llama", {"attention_bias": "yes"}),
        ("llama", {"intermediate_size": [1, 2]}),
        ("llama", {"per_layer_config": [1]}),
        ("llama", {"per_layer_config": {"99": {"head_dim": 1}}}),
        ("mixtral", {"num_experts_per_tok": 9}),
        ("qwen3_moe", {"mlp_only_layers": 3}),
        ("qwen3_next", {"layer_types": ["full_attention"]}),
        ("qwen3_next", {"layer_types": ["unheard_of"] * 48}),
        ("qwen3_next", {"full_attention_interval": "4", "layer_types": None}),
        ("deepseek_v3", {"moe_layer_freq": 2}),
        ("gemma4_text", {"num_kv_shared_layers": 10**6}),
        ("nemotron_h", {"hybrid_override_pattern": "MX*"}),
        ("lfm2", {"block_ffn_dim_multiplier": "wide"}),
    ],
)
def test_strange_values_are_not_counted(model_type: str, strange: dict[str, Any]) -> None:
    usual = {"full_attn_idxs": [2]} if model_type == "lfm2" else {}
    assert count_config(usual | strange, model_type) is None


# Laws

TYPES = sorted(name for name in families() if count_config({}, name))
types = st.sampled_from(TYPES)
sizes = st.integers(1, 64)


def counted(model_type: str, **changes: Any) -> Counts:
    counts = count_config(changes, model_type)
    assert counts is not None
    return counts


def test_every_name_in_the_data_has_a_formula() -> None:
    for family in families().values():
        assert {family.mixer, *family.mixers.values()} <= MIXERS.keys()
        assert set(family.extras) <= IN_LAYER.keys() | BESIDE_LAYERS.keys() | {"adjusted_width"}


def test_a_switch_changes_only_what_there_is() -> None:
    with pytest.raises(ValueError, match="no such field: nroms"):
        Family.model_validate(families()["llama"].model_dump() | {"when": {"parallel": {"nroms": 1}}})


def test_most_families_count_an_empty_configuration() -> None:
    assert len(TYPES) > 60


@given(types)
def test_parts_add_up(model_type: str) -> None:
    counts = counted(model_type)
    parts = (getattr(counts, part) for part in Counts.__slots__ if part not in ("total", "active", "mtp"))
    assert sum(parts) == counts.total
    assert 0 < counts.active <= counts.total


@given(types, sizes)
def test_more_words_are_more_parameters(model_type: str, more: int) -> None:
    assert counted(model_type, vocab_size=1000 + more).total > counted(model_type, vocab_size=1000).total


@given(types)
def test_tied_embeddings_are_never_more(model_type: str) -> None:
    tied, untied = (counted(model_type, tie_word_embeddings=tied) for tied in (True, False))
    assert tied.total < untied.total
    assert untied.lm_head - tied.lm_head == untied.total - tied.total


@given(st.sampled_from(["llama", "qwen3", "gemma2", "cohere", "phi", "gpt_neox", "olmo2", "jamba"]), sizes, sizes)
def test_more_layers_and_width_are_more_parameters(model_type: str, layers: int, more: int) -> None:
    fewer = counted(model_type, num_hidden_layers=layers)
    assert counted(model_type, num_hidden_layers=layers + more).total > fewer.total
    wider = counted(model_type, num_hidden_layers=layers, intermediate_size=100_000 + more)
    assert wider.total > counted(model_type, num_hidden_layers=layers, intermediate_size=100_000).total


@given(st.sampled_from(["mixtral", "gpt_oss", "olmoe", "jamba", "granitemoe"]), st.integers(2, 64), sizes)
def test_more_experts_are_more_parameters_but_not_more_active_ones(model_type: str, experts: int, more: int) -> None:
    few, many = (counted(model_type, num_experts=count, num_experts_per_tok=2) for count in (experts, experts + more))
    assert many.routed_experts > few.routed_experts
    assert many.active - few.active == many.router - few.router
