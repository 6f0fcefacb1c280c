"""``config.json`` files as they are published, in every spelling: facts of them, not copies.

Sources: github.com/ai-dynamo/aiconfigurator@095f58a5 model_configs (Nemotron, DeepSeek-V4, MiniMax, Qwen), and the
configuration classes of transformers 5.23 with the sizes that the repositories publish (all others).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deployadvisor.catalog.models import models
from deployadvisor.errors import DeployAdvisorError
from deployadvisor.sizing.folder import read_folder
from deployadvisor.sizing.geometry import Geometry, geometry_of
from deployadvisor.sizing.kv_cache import KvCache, kv_cache

from .test_folder import LLAMA, LLAMA4, NEMOTRON, write

INFINITE = [0.0, float("inf")]
OLDER: dict[str, dict[str, Any]] = {
    "gpt2": {"n_layer": 12, "n_head": 12, "n_embd": 768, "n_ctx": 1024, "n_inner": None, "vocab_size": 50257},
    "gpt_neo": {
        "num_layers": 24,
        "num_heads": 16,
        "hidden_size": 2048,
        "intermediate_size": None,
        "max_position_embeddings": 2048,
        "vocab_size": 50257,
        "window_size": 256,
        "attention_types": [[["global", "local"], 12]],
    },
    "xglm": {
        "num_layers": 24,
        "attention_heads": 16,
        "d_model": 1024,
        "ffn_dim": 4096,
        "max_position_embeddings": 2048,
        "vocab_size": 256008,
    },
    "bloom": {"n_layer": 24, "num_attention_heads": 16, "n_embed": 1024, "seq_length": 2048, "vocab_size": 250880},
    "opt": {
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "hidden_size": 768,
        "ffn_dim": 3072,
        "max_position_embeddings": 2048,
        "vocab_size": 50272,
    },
    "mpt": {"n_layers": 32, "n_heads": 32, "d_model": 4096, "max_seq_len": 2048, "vocab_size": 50432},
    "falcon": {
        "num_hidden_layers": 32,
        "num_attention_heads": 71,
        "num_kv_heads": 71,
        "hidden_size": 4544,
        "multi_query": True,
        "new_decoder_architecture": False,
        "parallel_attn": True,
        "bias": False,
        "vocab_size": 65024,
    },
}
STATES: dict[str, dict[str, Any]] = {
    "mamba": {"hidden_size": 768, "num_hidden_layers": 24, "state_size": 16, "vocab_size": 50280},
    "falcon_mamba": {
        "hidden_size": 4096,
        "num_hidden_layers": 64,
        "state_size": 16,
        "vocab_size": 65024,
        "tie_word_embeddings": False,
    },
    "mamba2": {
        "hidden_size": 4096,
        "num_hidden_layers": 64,
        "state_size": 128,
        "num_heads": 128,
        "head_dim": 64,
        "n_groups": 8,
        "vocab_size": 32768,
    },
}
GEMMA3_4B: dict[str, Any] = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "model_type": "gemma3",
    "vision_config": {"hidden_size": 1152, "num_attention_heads": 16, "num_hidden_layers": 27},
    "text_config": {
        "model_type": "gemma3_text",
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "num_hidden_layers": 34,
        "sliding_window": 1024,
    },
}
LLAVA: dict[str, Any] = {
    "architectures": ["LlavaForConditionalGeneration"],
    "model_type": "llava",
    "vision_config": {"hidden_size": 1024},
    "text_config": {"model_type": "llama", "max_position_embeddings": 4096, "vocab_size": 32064},
}
ULTRA: dict[str, Any] = {
    "architectures": ["NemotronHForCausalLM"],
    "model_type": "nemotron_h",
    "hidden_size": 8192,
    "num_attention_heads": 64,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "intermediate_size": 5120,
    "vocab_size": 131072,
    "max_position_embeddings": 262144,
    "tie_word_embeddings": False,
    "mamba_num_heads": 256,
    "mamba_head_dim": 64,
    "ssm_state_size": 128,
    "n_groups": 8,
    "conv_kernel": 4,
    "n_routed_experts": 512,
    "num_experts_per_tok": 22,
    "n_shared_experts": 1,
    "moe_intermediate_size": 5120,
    "moe_latent_size": 2048,
    "moe_shared_expert_intermediate_size": 10240,
    "num_nextn_predict_layers": 1,
}
ULTRA_LAYERS = (
    "MEMEMEM*EMEMEM*EMEMEMEM*EMEMEMEM*EMEMEM*EMEMEMEM*EMEMEMEM*EMEMEM*EMEMEMEM*EMEMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME"
)
WORDS = {"M": "mamba", "E": "moe", "*": "attention"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "my-model"


def shape_of(folder: Path, config: dict[str, Any]) -> Geometry:
    return geometry_of(read_folder(write(folder, config)))


def cache_of(shape: Geometry) -> KvCache:
    cache = kv_cache(shape)
    assert isinstance(cache, KvCache), cache.unknown
    return cache


@pytest.mark.parametrize(
    ("model_type", "total", "growing", "context"),
    [
        ("gpt2", 124_439_808, 2 * 12 * 768 * 2, 1024),
        ("gpt_neo", 1_315_575_808, 2 * 24 * 2048 * 2, 2048),
        ("xglm", 564_463_616, 2 * 24 * 1024 * 2, 2048),
        ("bloom", 559_214_592, 2 * 24 * 1024 * 2, 2048),
        ("opt", 125_239_296, 2 * 12 * 768 * 2, 2048),
        ("mpt", None, 2 * 32 * 4096 * 2, 2048),
        ("falcon", 6_921_720_704, 2 * 32 * 64 * 2, None),
    ],
)
def test_older_models_spell_their_shapes_otherwise(
    folder: Path, model_type: str, total: int | None, growing: int, context: int | None
) -> None:
    shape = shape_of(folder, {"model_type": model_type, **OLDER[model_type]})
    assert (shape.total_params, shape.context_limit, shape.why_bounds) == (total, context, None)
    assert cache_of(shape).growing_bytes_per_token == growing


@pytest.mark.parametrize(
    ("attention", "heads"),
    [
        ({}, 32),
        ({"attn_type": "multihead_attention"}, 32),
        ({"attn_type": "multiquery_attention"}, 1),
        ({"attn_type": "grouped_query_attention", "kv_n_heads": 8}, 8),
    ],
)
def test_mpt_says_in_a_nested_part_which_heads_share(folder: Path, attention: dict[str, Any], heads: int) -> None:
    shape = shape_of(folder, {"model_type": "mpt", **OLDER["mpt"], "attn_config": attention})
    assert shape.kv_heads == heads
    assert cache_of(shape).growing_bytes_per_token == 2 * 32 * heads * 128 * 2


@pytest.mark.parametrize(
    ("model_type", "total", "state"),
    [
        ("mamba", 129_135_360, 24 * 1536 * (16 * 4 + 4 * 2)),
        ("falcon_mamba", 7_272_665_088, 64 * 8192 * (16 * 4 + 4 * 2)),
        ("mamba2", 7_285_403_648, 64 * (8192 * 128 * 4 + (8192 + 2 * 8 * 128) * 4 * 2)),
    ],
)
def test_a_model_without_attention_caches_nothing_that_grows(
    folder: Path, model_type: str, total: int, state: int
) -> None:
    config = {
        "model_type": model_type,
        "expand": 2,
        "conv_kernel": 4,
        "time_step_limit": INFINITE,
        **STATES[model_type],
    }
    shape = shape_of(folder, config)
    cache = cache_of(shape)
    assert (shape.heads, shape.kv_heads, shape.total_params) == (None, None, total)
    assert cache.growing_bytes_per_token == 0
    assert cache.fixed_bytes() == pytest.approx(state, rel=0.05)


# What a class sets and config.json leaves out


def test_a_nested_part_may_leave_fields_to_its_class(folder: Path) -> None:
    model = read_folder(write(folder, GEMMA3_4B))
    shape, known = geometry_of(model), geometry_of(models()["google/gemma-3-4b-it"])
    assert (shape.heads, shape.kv_heads, shape.head_dim, shape.vocab) == (8, 4, 256, 262208)
    assert shape.rows == known.rows
    assert known.total_params is not None
    assert shape.total_params == known.total_params - known.vision_params
    assert model.params_source.startswith("computed from config.json and defaults of its class")
    left_out = "num_attention_heads, num_key_value_heads, head_dim, vocab_size"
    assert model.source[1] == f"defaults of gemma3_text in transformers 5.23: {left_out}"


def test_a_nested_part_may_leave_nearly_everything_to_its_class(folder: Path) -> None:
    shape = shape_of(folder, LLAVA)
    assert (shape.layers, shape.hidden, shape.heads, shape.intermediate) == (32, 4096, 32, 11008)
    assert shape.total_params == 6_738_939_904


def test_experts_that_a_nested_part_leaves_out_are_those_that_were_counted(folder: Path) -> None:
    shape = shape_of(folder, LLAMA4)
    assert (shape.experts, shape.experts_per_token) == (16, 1)


def test_null_is_not_the_default_of_a_class(folder: Path) -> None:
    text = {**LLAVA["text_config"], "num_attention_heads": None}
    with pytest.raises(DeployAdvisorError, match="num_attention_heads is missing"):
        read_folder(write(folder, LLAVA | {"text_config": text}))


def test_a_configuration_of_its_own_leaves_nothing_out(folder: Path) -> None:
    config = {key: value for key, value in LLAMA.items() if key != "num_attention_heads"}
    with pytest.raises(DeployAdvisorError, match="num_attention_heads is missing"):
        read_folder(write(folder, config))


def test_a_width_for_each_layer_counts_as_the_largest(folder: Path) -> None:
    assert shape_of(folder, LLAMA | {"intermediate_size": [8192] * 31 + [14336]}).intermediate == 14336


@pytest.mark.parametrize("widths", [[], [8192, None], [8192, "wide"], [[8192]], [8192, 0]])
def test_a_list_of_something_else_is_refused(folder: Path, widths: list[Any]) -> None:
    with pytest.raises(DeployAdvisorError, match="intermediate_size must be"):
        read_folder(write(folder, LLAMA | {"intermediate_size": widths}))


# Layers


def test_a_list_of_layers_is_their_number(folder: Path) -> None:
    shape = shape_of(folder, ULTRA | {"layers_block_type": [WORDS[letter] for letter in ULTRA_LAYERS]})
    known = geometry_of(models()["nvidia/NVIDIA-Nemotron-3-Ultra-550B-A55B-BF16"])
    assert (shape.layers, shape.rows, shape.states) == (known.layers, known.rows, known.states)
    assert (shape.total_params, shape.active_params) == (known.total_params, known.active_params)


@pytest.mark.parametrize("field", ["layer_types", "layers_block_type"])
@pytest.mark.parametrize(("listed", "ahead", "read"), [(32, 0, True), (33, 1, True), (33, 0, False), (31, 1, False)])
def test_layers_may_go_on_only_for_those_that_predict_ahead(
    folder: Path, field: str, listed: int, ahead: int, read: bool
) -> None:
    write(folder, LLAMA | {field: ["full_attention"] * listed, "num_nextn_predict_layers": ahead})
    if read:
        assert read_folder(folder).num_hidden_layers == 32
    else:
        with pytest.raises(DeployAdvisorError, match=f"{field} lists {listed} layers, num_hidden_layers says 32"):
            read_folder(folder)


# Numbers that are none


def test_infinity_stands_in_fields_that_nothing_uses(folder: Path) -> None:
    assert read_folder(write(folder, NEMOTRON | {"time_step_limit": INFINITE})).attention == "hybrid_linear"


@pytest.mark.parametrize(("value", "said"), [("Infinity", "Infinity"), ("-Infinity", "-Infinity"), ("NaN", "NaN")])
@pytest.mark.parametrize("field", ["num_hidden_layers", "hidden_size", "vocab_size", "intermediate_size"])
def test_a_field_that_is_used_must_be_a_number(folder: Path, field: str, value: str, said: str) -> None:
    with pytest.raises(DeployAdvisorError, match=rf"{field} must be a whole number, not {said}$"):
        read_folder(write(folder, LLAMA | {field: float(value.replace("Infinity", "inf"))}))


# Formats of several parts


def test_experts_may_have_a_format_that_only_the_model_states(folder: Path) -> None:
    """DeepSeek-V4-Flash: FP8 in blocks, but four bits for the experts (vLLM ``DeepseekV4FP8Config``)."""
    section = {"quant_method": "fp8", "weight_block_size": [128, 128], "scale_fmt": "ue8m0"}
    config = ULTRA | {"layers_block_type": [WORDS[letter] for letter in ULTRA_LAYERS], "quantization_config": section}
    eight, four = (read_folder(write(folder, config | {"expert_dtype": kind})) for kind in ("fp8", "fp4"))
    assert (eight.native_format, four.native_format) == ("fp8_block", "mxfp4")
    assert eight.stored is not None
    assert four.stored is not None
    assert four.stored.sure == "computed"
    assert four.stored.bytes - four.stored.experts == pytest.approx(eight.stored.bytes - eight.stored.experts, abs=2)
    assert four.stored.experts == pytest.approx(eight.stored.experts * 4.25 / 8.001953125, abs=2)


def test_shapes_that_no_formula_knows_are_not_counted(folder: Path) -> None:
    """Kimi-K3 calls itself Kimi-Linear, and has experts of another width."""
    config = ULTRA | {"layers_block_type": [WORDS[letter] for letter in ULTRA_LAYERS]}
    assert shape_of(folder, config | {"routed_expert_hidden_size": 3584}).total_params is None


def test_a_long_list_of_modules_is_read(folder: Path) -> None:
    """MiniMax-M3-NVFP4 names 22,422 modules in 3 MB."""
    modules = {f"model.layers.{at % 32}.mlp.{at}.up_proj": {"quant_algo": "NVFP4"} for at in range(22_422)}
    section = {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": modules}
    write(folder, LLAMA)
    text = json.dumps(LLAMA | {"quantization_config": section}, indent=8)
    (folder / "config.json").write_text(text, encoding="utf-8")
    assert len(text) > 2**20
    assert read_folder(folder).native_format == "nvfp4"
