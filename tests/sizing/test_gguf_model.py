"""GGUF files as models: what each layer caches, compared with the catalogue, and exact parameters."""

from __future__ import annotations

import contextlib
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.catalog.models import Model, models
from deployadvisor.errors import ModelError
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.gguf_attention import READERS
from deployadvisor.sizing.gguf_header import read_gguf
from deployadvisor.sizing.gguf_model import read_gguf_model
from tests.sizing.writers import Described, array, write_gguf, write_split_gguf

Metadata = dict[str, Any]

LLAMA: Metadata = {
    "block_count": 32,
    "context_length": 131_072,
    "embedding_length": 4096,
    "feed_forward_length": 14_336,
    "attention.head_count": 32,
    "attention.head_count_kv": 8,
}
GEMMA4_PATTERN = ([True] * 5 + [False]) * 10
DEEPSEEK: Metadata = {
    "block_count": 61,
    "embedding_length": 7168,
    "feed_forward_length": 18_432,
    "attention.head_count": 128,
    "attention.head_count_kv": 1,
    "attention.key_length": 576,
    "attention.value_length": 512,
    "attention.key_length_mla": 192,
    "attention.value_length_mla": 128,
    "attention.kv_lora_rank": 512,
    "attention.q_lora_rank": 1536,
    "rope.dimension_count": 64,
    "expert_count": 256,
    "expert_used_count": 8,
    "expert_shared_count": 1,
    "expert_feed_forward_length": 2048,
    "leading_dense_block_count": 3,
}
QWEN35: Metadata = {
    "block_count": 64,
    "embedding_length": 5120,
    "feed_forward_length": 17_408,
    "attention.head_count": 24,
    "attention.head_count_kv": 4,
    "attention.key_length": 256,
    "attention.value_length": 256,
    "full_attention_interval": 4,
    "ssm.conv_kernel": 4,
    "ssm.inner_size": 48 * 128,
    "ssm.state_size": 128,
    "ssm.time_step_rank": 48,
    "ssm.group_count": 16,
}
NEMOTRON_LAYERS = "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME"
NEMOTRON: Metadata = {
    "block_count": 52,
    "embedding_length": 2688,
    "feed_forward_length": [1856 if kind == "E" else 0 for kind in NEMOTRON_LAYERS],
    "attention.head_count": 32,
    "attention.head_count_kv": [2 if kind == "*" else 0 for kind in NEMOTRON_LAYERS],
    "attention.key_length": 128,
    "attention.value_length": 128,
    "ssm.conv_kernel": 4,
    "ssm.inner_size": 4096,
    "ssm.state_size": 128,
    "ssm.time_step_rank": 64,
    "ssm.group_count": 8,
}


def metadata_of(architecture: str, keys: Metadata) -> Metadata:
    return {"general.architecture": architecture} | {f"{architecture}.{key}": item for key, item in keys.items()}


def write(folder: Path, architecture: str, keys: Metadata, tensors: Described | None = None) -> Path:
    embedding = {"token_embd.weight": ("F16", (keys.get("embedding_length", 8), 1000))}
    return write_gguf(folder / "m.gguf", metadata_of(architecture, keys), tensors or embedding)


def read(folder: Path, architecture: str, keys: Metadata, tensors: Described | None = None) -> Model:
    return read_gguf_model(write(folder, architecture, keys, tensors))


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_gguf_model(path)
    assert str(path) in str(caught.value.where)
    return caught.value.message


@pytest.mark.parametrize(
    ("architecture", "keys", "same_as"),
    [
        ("llama", LLAMA, "meta-llama/Llama-3.1-8B-Instruct"),
        (
            "qwen3moe",
            LLAMA
            | {"block_count": 48, "embedding_length": 2048, "attention.head_count_kv": 4}
            | {"attention.key_length": 128, "attention.value_length": 128},
            "Qwen/Qwen3-30B-A3B",
        ),
        (
            "glm4moe",
            LLAMA
            | {"block_count": 47, "nextn_predict_layers": 1, "attention.head_count": 96}
            | {"attention.key_length": 128, "attention.value_length": 128},
            "zai-org/GLM-4.5-Air",
        ),
        (
            "deci",
            LLAMA
            | {"block_count": 80, "embedding_length": 8192}
            | {"attention.head_count": [64] * 49 + [0] * 31, "attention.head_count_kv": [8] * 49 + [0] * 31},
            "nvidia/Llama-3_3-Nemotron-Super-49B-v1",
        ),
        (
            "gemma2",
            LLAMA
            | {"block_count": 46, "embedding_length": 4608, "attention.head_count_kv": 16}
            | {"attention.key_length": 128, "attention.value_length": 128},
            "google/gemma-2-27b-it",
        ),
        (
            "gemma3",
            LLAMA
            | {"block_count": 62, "embedding_length": 5376, "attention.head_count_kv": 16}
            | {"attention.key_length": 128, "attention.value_length": 128, "attention.sliding_window": 1024},
            "google/gemma-3-27b-it",
        ),
        (
            "gemma4",
            LLAMA
            | {"block_count": 60, "embedding_length": 5376, "attention.sliding_window": 1024}
            | {"attention.head_count_kv": [16 if short else 4 for short in GEMMA4_PATTERN]}
            | {"attention.key_length": 512, "attention.value_length": 512}
            | {"attention.key_length_swa": 256, "attention.value_length_swa": 256}
            | {"attention.sliding_window_pattern": GEMMA4_PATTERN, "attention.shared_kv_layers": 0},
            "google/gemma-4-31B-it",
        ),
        (
            "gemma4",
            LLAMA
            | {"block_count": 42, "embedding_length": 2560, "attention.head_count": 8, "attention.head_count_kv": 2}
            | {"attention.key_length": 512, "attention.value_length": 512, "attention.sliding_window": 512}
            | {"attention.key_length_swa": 256, "attention.value_length_swa": 256}
            | {"attention.sliding_window_pattern": GEMMA4_PATTERN[:42], "attention.shared_kv_layers": 18},
            "google/gemma-4-E4B-it",
        ),
        (
            "gpt-oss",
            LLAMA
            | {"block_count": 24, "embedding_length": 2880, "attention.head_count": 64}
            | {"attention.key_length": 64, "attention.value_length": 64, "attention.sliding_window": 128},
            "openai/gpt-oss-20b",
        ),
        (
            "llama4",
            LLAMA
            | {"block_count": 48, "embedding_length": 5120, "attention.head_count": 40}
            | {"attention.key_length": 128, "attention.value_length": 128},
            "meta-llama/Llama-4-Scout-17B-16E-Instruct",
        ),
        ("deepseek2", DEEPSEEK, "deepseek-ai/DeepSeek-V3"),
        (
            "deepseek32",
            DEEPSEEK
            | {"block_count": 62, "nextn_predict_layers": 1}
            | {"attention.indexer.key_length": 128, "attention.indexer.head_count": 64},
            "deepseek-ai/DeepSeek-V3.2",
        ),
        ("qwen35", QWEN35, "Qwen/Qwen3.5-27B"),
        ("qwen35", QWEN35 | {"block_count": 65, "nextn_predict_layers": 1}, "Qwen/Qwen3.5-27B"),
        (
            "qwen35",
            QWEN35 | {"attention.recurrent_layers": [True, True, True, False] * 16, "full_attention_interval": 2},
            "Qwen/Qwen3.5-27B",
        ),
        ("nemotron_h_moe", NEMOTRON, "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"),
        (
            "jamba",
            LLAMA
            | {"attention.head_count_kv": [8 if layer % 8 == 4 else 0 for layer in range(32)]}
            | {"ssm.conv_kernel": 4, "ssm.inner_size": 8192, "ssm.state_size": 16, "ssm.time_step_rank": 256},
            "ai21labs/AI21-Jamba-1.5-Mini",
        ),
    ],
)
def test_the_cache_is_that_of_the_catalogue(tmp_path: Path, architecture: str, keys: Metadata, same_as: str) -> None:
    shape, known = geometry_of(read(tmp_path, architecture, keys)), geometry_of(models()[same_as])
    assert (shape.why_bounds, known.why_bounds) == (None, None)
    assert (shape.rows, shape.states, shape.layers) == (known.rows, known.states, known.layers)


def test_layers_of_granite(tmp_path: Path) -> None:
    heads = [8 if layer % 10 == 5 else 0 for layer in range(40)]
    ssm: Metadata = {"ssm.conv_kernel": 4, "ssm.inner_size": 8192, "ssm.state_size": 128, "ssm.group_count": 1}
    keys = LLAMA | ssm | {"block_count": 40, "attention.head_count_kv": heads, "ssm.time_step_rank": 128}
    model = read(tmp_path, "granitehybrid", keys)
    assert (model.full_attention_layers, model.linear_or_ssm_layers) == (4, 36)


def test_a_file_from_before_latent_caches_keeps_every_head(tmp_path: Path) -> None:
    old = {key: item for key, item in DEEPSEEK.items() if not key.endswith("_mla")}
    old |= {"attention.head_count_kv": 128, "attention.key_length": 192, "attention.value_length": 128}
    (rows,) = geometry_of(read(tmp_path, "deepseek2", old)).rows
    assert rows.elements == 61 * 128 * (192 + 128)


def test_a_window_that_the_file_does_not_state_is_none(tmp_path: Path) -> None:
    assert read(tmp_path, "exaone4", LLAMA).attention == "gqa"
    assert read(tmp_path, "gemma3", LLAMA | {"attention.head_count_kv": 32}).attention == "mha"
    pattern = {"attention.sliding_window": 64, "attention.sliding_window_pattern": [False] * 32}
    assert read(tmp_path, "gemma4", LLAMA | pattern).attention == "gqa"


@pytest.mark.parametrize(
    ("architecture", "keys"),
    [
        ("gemma3n", LLAMA),
        ("mamba", {"block_count": 2, "embedding_length": 8}),
        ("olmo2", LLAMA | {"attention.sliding_window": 4096}),
        ("llama", LLAMA | {"attention.head_count_kv": [8, 4] * 16}),
        ("llama4", LLAMA | {"attention.sliding_window": 0x2000}),
        ("jamba", LLAMA | {"ssm.conv_kernel": 4, "ssm.inner_size": 8192, "ssm.state_size": 16}),
        (
            "mimo2",
            LLAMA
            | {"attention.key_length": 192, "attention.value_length": 128, "attention.sliding_window": 128}
            | {"attention.head_count_kv": [8, 4] * 16, "attention.sliding_window_pattern": [True, False] * 16},
        ),
        ("gemma4", LLAMA | {"attention.sliding_window": 64, "attention.shared_kv_layers": 32}),
        (
            "gemma3",
            LLAMA | {"attention.sliding_window": 64, "attention.head_count_kv": [8, 8, 8, 8, 8, 8, 0, 8] * 4},
        ),
    ],
)
def test_a_cache_without_a_formula_is_unknown_not_guessed(tmp_path: Path, architecture: str, keys: Metadata) -> None:
    model = read(tmp_path, architecture, keys)
    assert model.attention == "unknown"
    assert geometry_of(model).why_bounds or geometry_of(model).cache_unknown
    assert model.total_params


def test_an_architecture_that_is_not_listed_has_bounds(tmp_path: Path) -> None:
    model = read(tmp_path, "llama9", LLAMA | {"attention.key_length_swa": 256})
    (rows,) = geometry_of(model).rows
    assert model.attention == "unknown"
    assert (rows.layers, rows.heads, rows.width) == (32, 8, 256 + 128)


def test_a_model_without_attention_has_no_heads(tmp_path: Path) -> None:
    keys: Metadata = {"block_count": 2, "embedding_length": 8, "attention.head_count": 0}
    assert read(tmp_path, "rwkv7", keys).num_attention_heads is None


# Parameters


def llama_tensors() -> Described:
    """Llama-3.1-8B as llama.cpp makes Q4_K_M of it: half of the layers get more bits for two of their matrices."""
    outer = {
        "rope_freqs.weight": ("F32", (64,)),
        "token_embd.weight": ("Q4_K", (4096, 128_256)),
        "output_norm.weight": ("F32", (4096,)),
        "output.weight": ("Q6_K", (4096, 128_256)),
    }
    layers = {f"blk.{number}.{name}": shape for number in range(32) for name, shape in llama_layer(number).items()}
    return outer | layers


def llama_layer(number: int) -> Described:
    better = "Q6_K" if number < 4 or number >= 28 or (number - 4) % 3 == 2 else "Q4_K"
    return {
        "attn_norm.weight": ("F32", (4096,)),
        "attn_q.weight": ("Q4_K", (4096, 4096)),
        "attn_k.weight": ("Q4_K", (4096, 1024)),
        "attn_v.weight": (better, (4096, 1024)),
        "attn_output.weight": ("Q4_K", (4096, 4096)),
        "ffn_norm.weight": ("F32", (4096,)),
        "ffn_gate.weight": ("Q4_K", (4096, 14_336)),
        "ffn_up.weight": ("Q4_K", (4096, 14_336)),
        "ffn_down.weight": (better, (14_336, 4096)),
    }


def test_the_bytes_are_those_that_llama_cpp_publishes(tmp_path: Path) -> None:
    """tools/quantize/README.md: Q4_K_M of Llama-3.1-8B has 4.8944 bits a weight and 4.58 GiB."""
    gguf = read_gguf(write(tmp_path, "llama", LLAMA, llama_tensors()))
    elements = sum(tensor.elements for tensor in gguf.tensors)
    assert round(8 * gguf.bytes / elements, 4) == 4.8944
    assert round(gguf.bytes / 2**30, 2) == 4.58


def test_the_parameters_are_those_of_the_tensors(tmp_path: Path) -> None:
    known = models()["meta-llama/Llama-3.1-8B-Instruct"]
    model = read(tmp_path, "llama", LLAMA, llama_tensors())
    assert (model.total_params, model.active_params) == (known.total_params, known.active_params)
    assert (model.embedding_params, model.vocab_size) == (128_256 * 4096, 128_256)
    assert (model.hidden_size, model.intermediate_size, model.max_position_embeddings) == (4096, 14_336, 131_072)
    assert (model.tie_word_embeddings, model.routed_expert_params, model.num_experts) == (False, 0, None)
    assert (model.id, model.architecture) == ("m", "llama")
    assert model.params_source == "292 tensors of the file, 4,912,898,304 bytes"


def test_experts_are_counted_whole_and_used_in_part(tmp_path: Path) -> None:
    """gpt-oss-20b: 24 layers of 32 experts, of which a token uses 4."""
    layer = {
        "ffn_gate_inp.weight": ("F32", (2880, 32)),
        "ffn_gate_exps.weight": ("MXFP4", (2880, 2880, 32)),
        "ffn_up_exps.weight": ("MXFP4", (2880, 2880, 32)),
        "ffn_down_exps.weight": ("MXFP4", (2880, 2880, 32)),
        "ffn_gate_exps.bias": ("F32", (2880, 32)),
        "ffn_up_exps.bias": ("F32", (2880, 32)),
        "ffn_down_exps.bias": ("F32", (2880, 32)),
    }
    tensors = {f"blk.{number}.{name}": shape for number in range(24) for name, shape in layer.items()}
    tensors["token_embd.weight"] = ("Q8_0", (2880, 201_088))
    keys = LLAMA | {"block_count": 24, "embedding_length": 2880, "attention.head_count": 64}
    keys |= {"attention.sliding_window": 128, "expert_count": 32, "expert_used_count": 4}
    keys |= {"expert_feed_forward_length": 2880, "attention.key_length": 64, "attention.value_length": 64}
    model = read(tmp_path, "gpt-oss", keys, tensors)
    known = models()["openai/gpt-oss-20b"]
    assert model.routed_expert_params == known.routed_expert_params
    assert model.total_params is not None
    assert model.active_params == model.total_params - 19_116_933_120 * 28 // 32
    assert (model.num_experts, model.experts_per_token, model.moe_intermediate_size) == (32, 4, 2880)
    assert model.native_format == "mxfp4"


def test_experts_in_one_tensor_each(tmp_path: Path) -> None:
    tensors = {f"blk.0.ffn_up.{expert}.weight": ("F16", (8, 4)) for expert in range(8)}
    tensors |= {"token_embd.weight": ("F16", (8, 10))}
    keys = LLAMA | {"block_count": 1, "expert_count": 8, "expert_used_count": 2}
    model = read(tmp_path, "llama", keys, tensors)
    assert (model.total_params, model.routed_expert_params, model.active_params) == (336, 256, 144)
    assert model.stored is not None
    assert (model.stored.bytes, model.stored.sure) == (672, "exact")
    assert (model.stored.experts, model.stored.embeddings) == (512, 160)


def test_prediction_layers_are_stored_but_not_counted(tmp_path: Path) -> None:
    tensors = {f"blk.{number}.attn_q.weight": ("F16", (8, 8)) for number in range(3)}
    tensors |= {"blk.2.nextn.eh_proj.weight": ("F16", (16, 8)), "token_embd.weight": ("F16", (8, 10))}
    keys = LLAMA | {"block_count": 3, "nextn_predict_layers": 1}
    path = write(tmp_path, "glm4moe", keys, tensors)
    model = read_gguf_model(path)
    assert (model.num_hidden_layers, model.total_params) == (2, 80 + 2 * 64)
    assert read_gguf(path).bytes == 160 + 256 + 384


@pytest.mark.parametrize(
    ("file_type", "dtype", "expected"),
    [(15, "F32", "q4_k_m"), (1, "F32", "fp16"), (32, "F16", "bf16"), (None, "Q8_0", "q8_0"), (999, "Q4_K", "q4_k")],
)
def test_the_number_format_of_the_file(tmp_path: Path, file_type: object, dtype: str, expected: str) -> None:
    metadata = metadata_of("llama", LLAMA) | ({} if file_type is None else {"general.file_type": file_type})
    tensors = {"token_embd.weight": (dtype, (256, 100)), "output_norm.weight": ("F32", (8,))}
    assert read_gguf_model(write_gguf(tmp_path / "m.gguf", metadata, tensors)).native_format == expected


def test_a_vocabulary_that_only_the_metadata_count(tmp_path: Path) -> None:
    tensors = {"blk.0.attn_q.weight": ("F16", (8, 8))}
    for tokens, expected in ((["a", "b"], 2), (["a"] * 5_000, 5_000)):
        metadata = metadata_of("llama", LLAMA) | {"tokenizer.ggml.tokens": tokens}
        assert read_gguf_model(write_gguf(tmp_path / "m.gguf", metadata, tensors)).vocab_size == expected
    assert read(tmp_path, "llama", LLAMA | {"vocab_size": 7}, tensors).vocab_size == 7
    assert read(tmp_path, "llama", LLAMA, tensors).vocab_size is None


def test_the_parts_of_a_split_file_are_one_model(tmp_path: Path) -> None:
    parts = ({"token_embd.weight": ("F16", (4096, 10))}, {"output.weight": ("F16", (4096, 10))})
    model = read_gguf_model(write_split_gguf(tmp_path, metadata_of("llama", LLAMA), parts))
    assert (model.id, model.total_params, model.tie_word_embeddings) == ("m", 81_920, False)
    assert [Path(file).name for file in model.source] == ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]


def test_a_file_of_any_age_has_a_day(tmp_path: Path) -> None:
    path = write(tmp_path, "llama", LLAMA)
    for seconds in (-(10**9), 0, 10**11):
        os.utime(path, (seconds, seconds))
        assert 1970 <= read_gguf_model(path).checked_on.year <= 3000


# Errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block_count": None}, '"llama.block_count" is missing'),
        ({"block_count": 0}, '"llama.block_count" must be a whole number from 1 to 1,000'),
        ({"block_count": 10**6}, '"llama.block_count" must be a whole number from 1 to 1,000'),
        ({"block_count": "32"}, '"llama.block_count" must be a whole number from 1 to 1,000'),
        ({"nextn_predict_layers": 32}, '"llama.nextn_predict_layers" leaves no layer'),
        ({"embedding_length": None}, '"llama.embedding_length" is missing'),
        ({"embedding_length": 4096.0}, '"llama.embedding_length" must be a whole number from 1 to 100,000,000'),
        ({"attention.head_count": None}, '"llama.attention.head_count" is missing'),
        ({"attention.head_count": 0}, '"llama.attention.head_count" is missing'),
        ({"attention.head_count_kv": True}, '"llama.attention.head_count_kv" must be a whole number from 0'),
        ({"attention.head_count_kv": [8]}, '"llama.attention.head_count_kv" lists 1 layers, block_count says 32'),
        ({"attention.head_count_kv": [-8] * 32}, '"llama.attention.head_count_kv" must be a whole number from 0'),
        ({"attention.head_count_kv": [8] * 5_000}, '"llama.attention.head_count_kv" must be a whole number'),
        ({"attention.head_count_kv": 5}, "32 attention heads do not divide into 5 key-value heads"),
        ({"attention.key_length": 0}, '"llama.attention.key_length" must be a whole number from 1'),
        ({"expert_count": 8}, '"llama.expert_used_count" is missing'),
        ({"expert_count": 8, "expert_used_count": 9}, '"llama.expert_used_count" must be a whole number from 1 to 8'),
    ],
)
def test_an_error_names_the_file_and_the_key(tmp_path: Path, changes: Metadata, message: str) -> None:
    keys = {key: item for key, item in (LLAMA | changes).items() if item is not None}
    tensors = {"token_embd.weight": ("F16", (8, 10))}
    assert message in refused(write(tmp_path, "llama", keys, tensors))


def test_errors_in_other_kinds_of_attention(tmp_path: Path) -> None:
    assert refused(write(tmp_path, "qwen35", QWEN35 | {"ssm.inner_size": 7})) == (
        '"qwen35.ssm.inner_size" is 7, which does not divide into 48 parts'
    )
    assert refused(write(tmp_path, "deepseek2", DEEPSEEK | {"rope.dimension_count": 192})).startswith(
        "mla.qk_nope_head_dim: input should be greater than 0"
    )
    pattern = {"attention.sliding_window": 64, "attention.sliding_window_pattern": [2] * 32}
    assert refused(write(tmp_path, "gemma4", LLAMA | pattern)) == (
        '"gemma4.attention.sliding_window_pattern" must list yes or no for each of 32 layers'
    )


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "general.architecture is missing"),
        ({"general.architecture": 1}, "general.architecture is missing"),
        ({"general.architecture": "clip"}, 'not a language model: type "model", architecture "clip"'),
        (
            {"general.architecture": "llama", "general.type": "adapter"},
            'not a language model: type "adapter", architecture "llama"',
        ),
        ({"general.architecture": "x\n" * 99}, '"x'),
    ],
)
def test_a_file_that_is_no_language_model(tmp_path: Path, metadata: Metadata, message: str) -> None:
    path = write_gguf(tmp_path / "m.gguf", metadata, {"w": ("F32", (1,))})
    assert refused(path).startswith(message)


def test_a_file_of_a_vocabulary_alone(tmp_path: Path) -> None:
    assert refused(write_gguf(tmp_path / "m.gguf", metadata_of("llama", LLAMA), {})) == "the file holds no tensors"


_SOURCES = (LLAMA, DEEPSEEK, QWEN35, NEMOTRON)
_KEYS = sorted({*(key for source in _SOURCES for key in source), "attention.sliding_window", "nextn_predict_layers"})
_ITEMS = (
    st.integers(0, 2**32 - 1)
    | st.sampled_from([0, 1, 3, 32, 2**63])
    | st.booleans()
    | st.text(max_size=3)
    | st.floats(width=32)
    | st.lists(st.integers(-1, 9), max_size=3)
    | st.lists(st.integers(-1, 9), min_size=32, max_size=32)
    | st.lists(st.booleans(), min_size=32, max_size=32)
    | st.just(array(12, [struct.pack("<d", float("nan"))] * 32))
)


@settings(max_examples=300, deadline=None)
@given(
    architecture=st.sampled_from(sorted(READERS)),
    source=st.sampled_from(_SOURCES),
    changes=st.dictionaries(st.sampled_from(_KEYS), _ITEMS, max_size=4),
)
def test_whatever_the_metadata_say_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, architecture: str, source: Metadata, changes: dict[str, Any]
) -> None:
    tensors = {"token_embd.weight": ("F16", (8, 10)), "blk.0.ffn_up_exps.weight": ("F16", (8, 10))}
    with contextlib.suppress(ModelError):
        geometry_of(read(tmp_path_factory.getbasetemp(), architecture, source | changes, tensors))
