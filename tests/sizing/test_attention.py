"""What ``config.json`` of each family says about the cache, and that what it does not say is never guessed."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.catalog.models import models
from deployadvisor.errors import ModelError
from deployadvisor.sizing.attention import classify
from deployadvisor.sizing.attention.families import family_of
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.kv_cache import KvCache, kv_cache

from .builders import tiny

Config = dict[str, Any]

BASE: Config = {"num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 8}
KV = 2 * 8 * 128 * 2
"""Bytes of one token in one layer of ``BASE``."""
LATENT = {
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
}
INDEX = {"index_head_dim": 128, "index_n_heads": 32, "index_topk": 2048}
DELTA = {
    "linear_num_value_heads": 32,
    "linear_num_key_heads": 16,
    "linear_value_head_dim": 128,
    "linear_key_head_dim": 128,
    "linear_conv_kernel_dim": 4,
}
DELTA_STATE = 32 * 128 * 128 * 4 + (2 * 16 * 128 + 32 * 128) * 4 * 2
KIMI = {"num_heads": 32, "head_dim": 128, "short_conv_kernel_size": 4}
KIMI_STATE = 32 * 128 * 128 * 4 + 3 * 32 * 128 * 4 * 2
MAMBA2 = {"mamba_n_heads": 128, "mamba_n_groups": 1, "mamba_d_state": 128, "mamba_d_conv": 4, "mamba_expand": 2}
MAMBA2_STATE = 8192 * 128 * 4 + (8192 + 2 * 128) * 4 * 2
FULL, SLIDING = "full_attention", "sliding_attention"


def model_of(model_type: str, config: Config) -> Any:
    stated = BASE | config
    fields = {"head_dim": stated["hidden_size"] // stated["num_attention_heads"]}
    fields |= {key: stated[key] for key in (*BASE, "head_dim", "v_head_dim") if key in stated}
    return tiny(model_type=model_type, **(fields | classify(stated | fields, model_type)))


def cache_of(model_type: str, config: Config) -> KvCache:
    cache = kv_cache(geometry_of(model_of(model_type, config)))
    assert isinstance(cache, KvCache), cache.unknown
    return cache


@pytest.mark.parametrize(
    ("model_type", "config", "growing", "fixed"),
    [
        ("llama", {}, 32 * KV, 0),
        ("llama", {"layer_types": [FULL] * 32}, 32 * KV, 0),
        ("gpt_neox", {"num_key_value_heads": 32}, 32 * 4 * KV, 0),
        ("qwen3_vl_text", {}, 32 * KV, 0),
        # one head for all
        ("falcon", {"num_kv_heads": None}, 32 * KV // 8, 0),
        ("falcon", {"multi_query": False}, 32 * KV * 4, 0),
        ("falcon", {"new_decoder_architecture": True, "num_kv_heads": 16}, 32 * KV * 2, 0),
        ("RefinedWeb", {"new_decoder_architecture": True, "n_head_kv": 4}, 32 * KV // 2, 0),
        ("gpt_bigcode", {}, 32 * KV // 8, 0),
        ("gpt_bigcode", {"multi_query": False}, 32 * KV * 4, 0),
        ("chatglm", {"multi_query_attention": True, "multi_query_group_num": 2}, 32 * KV // 4, 0),
        ("chatglm", {"multi_query_attention": False, "multi_query_group_num": 2}, 32 * KV * 4, 0),
        ("minimax_m2", {"attn_type_list": [1] * 32}, 32 * KV, 0),
        ("mimo", {"sliding_window": 32768, "use_sliding_window": False}, 32 * KV, 0),
        # layers without attention, or with that of another layer
        ("hunyuan", {"use_cla": True, "cla_share_factor": 2}, 16 * KV, 0),
        ("hunyuan", {"use_cla": False, "cla_share_factor": 2}, 32 * KV, 0),
        (
            "nemotron-nas",
            {"block_configs": [{"attention": {"n_heads_in_group": 8}}, {"attention": {"no_op": True}}] * 16},
            16 * KV // 2,
            0,
        ),
        # windows
        ("mistral", {"sliding_window": 4096}, 0, 32 * KV * 4096),
        ("mistral", {"sliding_window": None}, 32 * KV, 0),
        ("mixtral", {"sliding_window": 4096}, 0, 32 * KV * 4096),
        ("starcoder2", {"sliding_window": 4096}, 0, 32 * KV * 4096),
        ("phi3", {"sliding_window": 2047, "max_position_embeddings": 4096}, 0, 32 * KV * 2047),
        ("phi3", {"sliding_window": 262144, "max_position_embeddings": 131072}, 32 * KV, 0),
        ("ministral3", {"sliding_window": None}, 32 * KV, 0),
        ("ministral", {"sliding_window": 8, "layer_types": [FULL, SLIDING] * 16}, 16 * KV, 16 * KV * 8),
        ("qwen2", {"sliding_window": 4096, "use_sliding_window": False, "max_window_layers": 28}, 32 * KV, 0),
        (
            "qwen2",
            {"sliding_window": 4096, "use_sliding_window": True, "max_window_layers": 28},
            28 * KV,
            4 * KV * 4096,
        ),
        ("qwen2_moe", {"sliding_window": 0, "use_sliding_window": False}, 32 * KV, 0),
        ("gemma2", {"sliding_window": 4096}, 16 * KV, 16 * KV * 4096),
        ("gemma3_text", {"sliding_window": 1024}, 5 * KV, 27 * KV * 1024),
        ("gemma3_text", {"sliding_window": 1024, "sliding_window_pattern": 8}, 4 * KV, 28 * KV * 1024),
        ("gpt_oss", {"sliding_window": 128}, 16 * KV, 16 * KV * 128),
        ("cohere2", {"sliding_window": 4096}, 8 * KV, 24 * KV * 4096),
        ("exaone4", {"sliding_window": 4096, "sliding_window_pattern": "LLLG"}, 8 * KV, 24 * KV * 4096),
        ("exaone4", {"sliding_window": None, "sliding_window_pattern": None}, 32 * KV, 0),
        ("olmo3", {"sliding_window": 4096}, 8 * KV, 24 * KV * 4096),
        ("cwm", {"sliding_window": 8192}, 8 * KV, 24 * KV * 8192),
        ("afmoe", {"sliding_window": 2048, "global_attn_every_n_layers": 2}, 16 * KV, 16 * KV * 2048),
        # windows and a cache that later layers share
        ("gemma3n_text", {"sliding_window": 512}, 3 * KV, 14 * KV * 512),
        ("gemma3n_text", {"sliding_window": 512, "num_kv_shared_layers": 22}, 2 * KV, 8 * KV * 512),
        ("gemma4_text", {"sliding_window": 512, "num_kv_shared_layers": 20}, 2 * 4 * KV, 10 * KV * 512),
        ("gemma4_text", {"sliding_window": 512, "global_head_dim": 256}, 6 * 2 * KV, 26 * KV * 512),
        (
            "gemma4_text",
            {
                "sliding_window": 512,
                "global_head_dim": 256,
                "num_global_key_value_heads": 4,
                "attention_k_eq_v": True,
            },
            6 * KV,
            26 * KV * 512,
        ),
        (
            "gemma4_text",
            {
                "sliding_window": 512,
                "global_head_dim": 256,
                "num_global_key_value_heads": 4,
                "attention_k_eq_v": False,
            },
            6 * 2 * KV,
            26 * KV * 512,
        ),
        (
            "gemma4_text",
            {"sliding_window": 512}
            | {
                "per_layer_config": {
                    str(n): {"head_dim": 64, "num_key_value_heads": 4} for n in (5, 11, 17, 23, 29, 31)
                }
            },
            6 * KV // 4,
            26 * KV * 512,
        ),
        # windowed layers with heads of their own
        (
            "mimo_v2_flash",
            {"sliding_window": 128, "hybrid_layer_pattern": [0, 1, 1, 1] * 8, "swa_num_key_value_heads": 16},
            8 * KV,
            24 * 2 * KV * 128,
        ),
        ("mimo_v2_flash", {"sliding_window_size": 128}, 6 * KV, 26 * 2 * KV * 128),
        (
            "step3p5",
            {
                "sliding_window": 512,
                "layer_types": [FULL, SLIDING, SLIDING, SLIDING] * 8,
                "attention_other_setting": {"attention_type": SLIDING, "num_attention_groups": 16},
            },
            8 * KV,
            24 * 2 * KV * 512,
        ),
        ("step3p7", {"num_attention_groups": 8}, 32 * KV, 0),
        # chunks
        ("llama4_text", {"attention_chunk_size": 8192, "no_rope_layers": [1, 1, 1, 0] * 8}, 8 * KV, 24 * KV * 8192),
        ("llama4_text", {"attention_chunk_size": 8192}, 8 * KV, 24 * KV * 8192),
        ("llama4_text", {"attention_chunk_size": None}, 32 * KV, 0),
        # latent attention
        ("deepseek_v3", LATENT, 32 * 576 * 2, 0),
        ("glm4_moe_lite", LATENT | {"q_lora_rank": None}, 32 * 576 * 2, 0),
        ("deepseek_v32", LATENT | INDEX, 32 * (576 + 128) * 2, 0),
        ("glm_moe_dsa", LATENT | INDEX, 32 * (576 + 128) * 2, 0),
        ("glm_moe_dsa", LATENT | INDEX | {"index_topk_freq": 4}, (32 * 576 + 9 * 128) * 2, 0),
        ("glm_moe_dsa", LATENT | INDEX | {"index_topk_pattern": "FSSF" * 8}, (32 * 576 + 16 * 128) * 2, 0),
        (
            "glm_moe_dsa",
            LATENT | INDEX | {"indexer_types": ["full", "shared", "shared", "shared"] * 8},
            (32 * 576 + 8 * 128) * 2,
            0,
        ),
        # gated delta rule
        ("qwen3_next", DELTA, 8 * KV, 24 * DELTA_STATE),
        ("qwen3_5_text", DELTA | {"full_attention_interval": 2}, 16 * KV, 16 * DELTA_STATE),
        ("olmo_hybrid", DELTA | {"layer_types": ["linear_attention", FULL] * 16}, 16 * KV, 16 * DELTA_STATE),
        # delta attention between latent layers
        (
            "kimi_linear",
            LATENT
            | {
                "linear_attn_config": KIMI
                | {"full_attn_layers": [*range(4, 33, 4)], "kda_layers": [n for n in range(1, 33) if n % 4]}
            },
            8 * 576 * 2,
            24 * KIMI_STATE,
        ),
        (
            "glm5_next_text",
            LATENT | INDEX | {"linear_attn_config": KIMI, "qk_rope_head_dim": 0, "index_kpool": 4},
            8 * (512 + 257) * 2,
            24 * KIMI_STATE,
        ),
        (
            "glm5_next",
            LATENT | INDEX | {"linear_attn_config": KIMI, "indexer_types": ["full"] * 8 + ["shared"] * 24},
            (8 * 576 + 2 * 257) * 2,
            24 * KIMI_STATE,
        ),
        # Mamba-2
        (
            "granitemoehybrid",
            MAMBA2 | {"layer_types": (["mamba"] * 7 + ["attention"]) * 4},
            4 * KV,
            28 * MAMBA2_STATE,
        ),
        ("bamba", MAMBA2 | {"attn_layer_indices": [9, 18, 27]}, 3 * KV, 29 * MAMBA2_STATE),
        ("falcon_h1", MAMBA2 | {"mamba_d_ssm": 8192, "mamba_d_head": 64}, 32 * KV, 32 * MAMBA2_STATE),
        (
            "zamba2",
            {
                "layers_block_type": (["mamba"] * 7 + ["hybrid"]) * 4,
                "n_mamba_heads": 128,
                "mamba_d_state": 128,
                "mamba_d_conv": 4,
                "mamba_expand": 2,
                "mamba_ngroups": 1,
            },
            4 * 2 * KV,
            32 * MAMBA2_STATE,
        ),
        (
            "nemotron_h",
            {
                "hybrid_override_pattern": "M-M*" * 8,
                "mamba_num_heads": 128,
                "mamba_head_dim": 64,
                "ssm_state_size": 128,
                "n_groups": 1,
                "conv_kernel": 4,
            },
            8 * KV,
            16 * MAMBA2_STATE,
        ),
        # Mamba-1
        (
            "jamba",
            {
                "attn_layer_period": 8,
                "attn_layer_offset": 4,
                "mamba_expand": 2,
                "mamba_d_state": 16,
                "mamba_d_conv": 4,
            },
            4 * KV,
            28 * (8192 * 16 * 4 + 8192 * 4 * 2),
        ),
        ("mamba2", {"state_size": 128, "num_heads": 128, "n_groups": 1, "conv_kernel": 4}, 0, 32 * MAMBA2_STATE),
        ("falcon_mamba", {"state_size": 16, "conv_kernel": 4}, 0, 32 * (8192 * 16 * 4 + 8192 * 4 * 2)),
        # short convolution, lightning attention
        ("lfm2", {"conv_L_cache": 3, "full_attn_idxs": [2, 5, 8, 10]}, 4 * KV, 28 * 4096 * 3 * 2),
        ("lfm2_moe", {"conv_L_cache": 3, "layer_types": ["conv", FULL] * 16}, 16 * KV, 16 * 4096 * 3 * 2),
        ("minimax_text_01", {"attn_type_list": ([0] * 7 + [1]) * 4}, 4 * KV, 28 * 32 * 128 * 128 * 2),
        # compressed rows, indexers beside plain rows
        (
            "minimax_m3",
            {"sparse_attention_config": {"sparse_index_dim": 128, "sparse_attention_freq": [0, 0] + [1] * 30}},
            32 * KV + 30 * 128 * 2,
            0,
        ),
        ("minimax_m3", {"sparse_attention_config": {"use_sparse_attention": False}}, 32 * KV, 0),
    ],
)
def test_every_kind_of_attention_is_read(model_type: str, config: Config, growing: int, fixed: int) -> None:
    cache = cache_of(model_type, config)
    assert cache.why_bounds is None
    assert (cache.growing_bytes_per_token, cache.fixed_bytes()) == (growing, fixed)


@pytest.mark.parametrize("name", ["deepseek-ai/DeepSeek-V4-Flash", "deepseek-ai/DeepSeek-V4-Pro"])
def test_compression_ratios_are_those_of_the_catalogue(name: str) -> None:
    known = models()[name]
    start = [0, 0] if name.endswith("Flash") else [128, 128]
    layers = known.num_hidden_layers or 0
    config = BASE | INDEX | {"num_hidden_layers": layers, "num_nextn_predict_layers": 1, "sliding_window": 128}
    config["compress_ratios"] = [*[*start, *([4, 128] * 30)][:layers], 0]
    read = known.model_copy(update={"compressed": ()}).model_dump() | classify(config, "deepseek_v4")
    assert geometry_of(type(known).model_validate(read)).rows == geometry_of(known).rows


@pytest.mark.parametrize(
    ("model_type", "config", "note"),
    [
        ("unheard_of", {}, '"unheard_of" is not known'),
        ("llama", {"layer_types": ["full_attention", "new_attention"] * 16}, 'layers of kind "new_attention"'),
        ("llama", {"layer_types": ["full_attention"]}, "layer_types lists 1 layers"),
        ("llama", {"layer_types": [["full_attention"]] * 32}, "layers of kind"),
        ("llama", {"sliding_window": 4096}, '"sliding_window" is not understood'),
        ("llama", {"mamba_d_state": 16}, '"mamba_d_state" is not understood'),
        ("llama", {"num_kv_shared_layers": 4}, '"num_kv_shared_layers" is not understood'),
        ("qwen3", {"index_topk": 2048}, '"index_topk" is not understood'),
        ("minimax_m2", {"attn_type_list": [1, 0] * 16}, 'layers of kind "linear_attention"'),
        ("qwen3", {"compress_ratio": 4}, '"compress_ratio" is not understood'),
        ("qwen3_moe", {"sliding_window": 4096, "use_sliding_window": True}, "sliding_window without layer_types"),
        ("gemma3_text", {}, "sliding_window is missing"),
        ("gemma3n_text", {"sliding_window": 512, "num_kv_shared_layers": 32}, "num_kv_shared_layers is 32 of 32"),
        ("gemma4", {"sliding_window": 512, "per_layer_config": {"5": {"head_dim": 64}}}, "per_layer_config differs"),
        ("llama", {"per_layer_config": {"5": {"head_dim": 64}}}, '"per_layer_config" is not understood'),
        ("mimo_v2_flash", {"sliding_window": 128, "swa_head_dim": 64}, "a head_dim of their own"),
        ("deepseek_v3", LATENT | INDEX, "is not understood"),
        ("deepseek_v3", {"kv_lora_rank": 512}, "qk_rope_head_dim is missing"),
        ("glm_moe_dsa", LATENT | INDEX | {"indexer_types": ["full", "shared"]}, "indexer_types lists 2 layers"),
        ("glm_moe_dsa", LATENT | INDEX | {"index_topk_pattern": "FX" * 16}, 'layers of kind "X"'),
        ("glm_moe_dsa", LATENT | INDEX | {"indexer_types": ["shared"] * 32}, "no layer has an indexer"),
        ("dots1", {"sliding_window": 4096}, "sliding_window without layer_types"),
        ("nemotron_h", {"hybrid_override_pattern": "M?"}, "one letter a layer"),
        ("qwen3_next", DELTA | {"layer_types": [FULL] * 32}, "no layer is recurrent"),
        ("qwen3_next", dict.fromkeys(DELTA), "is missing"),
        ("kimi_linear", LATENT | {"linear_attn_config": KIMI | {"kda_layers": [1]}}, "name each of 32 layers once"),
        ("falcon_h1", MAMBA2 | {"mamba_d_ssm": 100}, "does not divide into 128 heads"),
        ("minimax_text_01", {}, "attn_type_list is missing"),
        ("deepseek_v4", INDEX | {"sliding_window": 128, "compress_ratios": [8] * 32}, "layers of kind"),
        (
            "nemotron-nas",
            {"block_configs": [{"attention": {"n_heads_in_group": n}} for n in (4, 8)] * 16},
            "different",
        ),
    ],
)
def test_what_is_not_understood_has_bounds(model_type: str, config: Config, note: str) -> None:
    cache = cache_of(model_type, config)
    assert note in str(cache.why_bounds)
    assert cache.least is not None
    for tokens in (0, 1, 100_000):
        assert cache.least.sequence_bytes(tokens) <= cache.sequence_bytes(tokens)
    assert cache.growing_bytes_per_token >= 32 * KV


def test_latent_attention_is_bounded_by_its_expanded_heads() -> None:
    cache = cache_of("longcat_flash", LATENT)
    assert cache.growing_bytes_per_token == 32 * 32 * (128 + 64 + 128) * 2


@pytest.mark.parametrize(
    ("model_type", "changes"),
    [
        ("mistral", {"sliding_window": 0}),
        ("mistral", {"sliding_window": -1}),
        ("mistral", {"sliding_window": "4096"}),
        ("gemma3", {"sliding_window": 1024, "sliding_window_pattern": 0}),
        ("qwen3_next", DELTA | {"full_attention_interval": 0}),
        ("jamba", {"attn_layer_period": 0}),
        ("jamba", {"attn_layer_period": 4, "attn_layer_offset": 4}),
        ("hunyuan", {"use_cla": True, "cla_share_factor": 0}),
        ("deepseek_v3", LATENT | {"kv_lora_rank": True}),
        ("llama", {"layer_types": "full_attention"}),
        ("kimi_linear", LATENT | {"linear_attn_config": []} | {"linear_attn_config": [1]}),
    ],
)
def test_absurd_values_are_refused(model_type: str, changes: Config) -> None:
    with pytest.raises(ModelError, match="must be"):
        classify(BASE | changes, model_type)


def test_text_of_a_configuration_stays_quoted_and_short() -> None:
    note = classify(BASE, "a\n" * 500)["attention_note"]
    assert "\n" not in note
    assert len(note) < 200


@pytest.mark.parametrize("model_type", sorted({model.model_type for model in models().values()}))
def test_every_model_type_of_the_catalogue_is_read(model_type: str) -> None:
    assert family_of(model_type)


FAMILIES = sorted(
    {model.model_type for model in models().values()} | {"gemma3n", "zamba2", "lfm2", "minimax", "falcon"}
)
KEYS = sorted(
    {key for name in FAMILIES for key in getattr(family_of(name), "keys", ())}
    | {*BASE, *LATENT, "head_dim", "layer_types", "index_new", "num_nextn_predict_layers"}
)
WORDS = [FULL, SLIDING, "chunked_attention", "linear_attention", "mamba", "conv", "moe", "hybrid", "new"]
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.integers(-2, 64) | st.floats() | st.text() | st.sampled_from(WORDS)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(
    config=st.dictionaries(st.sampled_from(KEYS) | st.text(), VALUES, max_size=10),
    model_type=st.sampled_from(FAMILIES),
)
def test_any_object_is_classified_or_refused(config: Config, model_type: str) -> None:
    for stated in (config, BASE | config):
        with contextlib.suppress(ModelError):
            fields = classify(stated, model_type)
            assert (fields["attention"] == "unknown") == ("attention_note" in fields)


@given(config=st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6), model_type=st.text())
def test_an_unknown_model_type_never_has_an_exact_cache(config: Config, model_type: str) -> None:
    if family_of(model_type) is None:
        with contextlib.suppress(ModelError):
            assert classify(config, model_type)["attention"] == "unknown"
