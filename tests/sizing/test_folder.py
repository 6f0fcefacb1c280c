"""Local model folders: what config.json and the weight files say, and errors that name file and field."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.catalog.models import Model, models
from deployadvisor.errors import DeployAdvisorError, ModelError
from deployadvisor.sizing.folder import read_folder
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.kv_cache import KvCache, kv_cache
from deployadvisor.sizing.weights import Bytes, weight_bytes

from .writers import shard_name, write_safetensors

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "num_hidden_layers": 32,
    "hidden_size": 4096,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}
GEMMA3: dict[str, Any] = LLAMA | {
    "model_type": "gemma3_text",
    "num_hidden_layers": 62,
    "hidden_size": 5376,
    "num_key_value_heads": 16,
    "head_dim": 128,
    "sliding_window": 1024,
}
GEMMA3_LAYERS = (["sliding_attention"] * 5 + ["full_attention"]) * 10 + ["sliding_attention"] * 2
INDEXER = {"index_head_dim": 128, "index_n_heads": 64, "index_topk": 2048}
DEEPSEEK: dict[str, Any] = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "model_type": "deepseek_v3",
    "num_hidden_layers": 61,
    "hidden_size": 7168,
    "num_attention_heads": 128,
    "num_key_value_heads": 128,
    "intermediate_size": 18432,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "num_experts_per_tok": 8,
    "n_shared_experts": 1,
    "first_k_dense_replace": 3,
    "vocab_size": 129280,
    "kv_lora_rank": 512,
    "q_lora_rank": 1536,
    "qk_rope_head_dim": 64,
    "qk_nope_head_dim": 128,
    "v_head_dim": 128,
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
}
QWEN35: dict[str, Any] = {
    "architectures": ["Qwen3_5ForConditionalGeneration"],
    "model_type": "qwen3_5",
    "vision_config": {"depth": 27},
    "text_config": {
        "model_type": "qwen3_5_text",
        "num_hidden_layers": 64,
        "hidden_size": 5120,
        "num_attention_heads": 24,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "intermediate_size": 17408,
        "vocab_size": 248320,
        "layer_types": (["linear_attention"] * 3 + ["full_attention"]) * 16,
        "linear_num_value_heads": 48,
        "linear_num_key_heads": 16,
        "linear_value_head_dim": 128,
        "linear_key_head_dim": 128,
        "linear_conv_kernel_dim": 4,
    },
}
NEMOTRON: dict[str, Any] = LLAMA | {
    "architectures": ["NemotronHForCausalLM"],
    "model_type": "nemotron_h",
    "num_hidden_layers": 52,
    "hidden_size": 2688,
    "num_attention_heads": 32,
    "num_key_value_heads": 2,
    "head_dim": 128,
    "hybrid_override_pattern": "M-" * 17 + "M*" * 6 + "EEEEEE",
    "mamba_num_heads": 64,
    "mamba_head_dim": 64,
    "ssm_state_size": 128,
    "n_groups": 8,
    "conv_kernel": 4,
}
JAMBA: dict[str, Any] = LLAMA | {
    "architectures": ["JambaForCausalLM"],
    "model_type": "jamba",
    "attn_layer_period": 8,
    "mamba_expand": 2,
    "mamba_d_state": 16,
    "mamba_d_conv": 4,
}
LLAMA4: dict[str, Any] = {
    "architectures": ["Llama4ForConditionalGeneration"],
    "model_type": "llama4",
    "text_config": {
        "model_type": "llama4_text",
        "num_hidden_layers": 48,
        "hidden_size": 5120,
        "num_attention_heads": 40,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "intermediate_size": 8192,
        "vocab_size": 202048,
        "attention_chunk_size": 8192,
        "no_rope_layers": [1, 1, 1, 0] * 12,
    },
}
GRANITE: dict[str, Any] = LLAMA | {
    "model_type": "granitemoehybrid",
    "num_hidden_layers": 40,
    "layer_types": (["mamba"] * 9 + ["attention"]) * 4,
    "mamba_n_heads": 128,
    "mamba_d_head": 64,
    "mamba_d_state": 128,
    "mamba_n_groups": 1,
    "mamba_d_conv": 4,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "my-model"


def write(folder: Path, config: dict[str, Any], total_size: object = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    if total_size is not None:
        index = {"metadata": {"total_size": total_size}, "weight_map": {}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def compressed(bits: int, kind: str) -> dict[str, Any]:
    weights = {"num_bits": bits, "type": kind, "group_size": 32}
    return {"quant_method": "compressed-tensors", "config_groups": {"group_0": {"weights": weights}}}


def cache_of(model: Model) -> KvCache:
    cache = kv_cache(geometry_of(model))
    assert isinstance(cache, KvCache), cache.unknown
    return cache


def test_a_folder_is_a_catalogue_model(folder: Path) -> None:
    read = read_folder(write(folder, LLAMA))
    known = models()["meta-llama/Llama-3.1-8B-Instruct"]
    assert read.id == "my-model"
    assert (read.architecture, read.attention, read.native_format) == ("LlamaForCausalLM", "gqa", "bf16")
    assert (read.total_params, read.active_params) == (known.total_params, known.total_params)
    assert geometry_of(read).rows == geometry_of(known).rows
    assert not read.trust_remote_code


@pytest.mark.parametrize(
    ("config", "growing", "fixed"),
    [
        (LLAMA, 131_072, 0),
        (LLAMA | {"num_key_value_heads": None}, 524_288, 0),
        (LLAMA | {"model_type": "mistral", "sliding_window": 4096}, 0, 536_870_912),
        (LLAMA | {"model_type": "mistral", "sliding_window": None}, 131_072, 0),
        (LLAMA | {"model_type": "qwen2", "sliding_window": 131072, "use_sliding_window": False}, 131_072, 0),
        (GEMMA3 | {"sliding_window_pattern": 6}, 81_920, 436_207_616),
        (GEMMA3 | {"layer_types": GEMMA3_LAYERS}, 81_920, 436_207_616),
        (DEEPSEEK, 70_272, 0),
        (DEEPSEEK | INDEXER | {"model_type": "deepseek_v32"}, 85_888, 0),
        (QWEN35, 65_536, 154_927_104),
        (NEMOTRON, 6_144, 49_364_992),
        (JAMBA, 16_384, 16_515_072),
        (LLAMA4, 49_152, 1_207_959_552),
        (GRANITE, 4 * 2 * 8 * 128 * 2, 36 * (128 * 64 * 128 * 4 + (128 * 64 + 2 * 128) * 4 * 2)),
    ],
)
def test_every_kind_of_attention_is_recognised(
    folder: Path, config: dict[str, Any], growing: int, fixed: int
) -> None:
    cache = cache_of(read_folder(write(folder, config)))
    assert (cache.growing_bytes_per_token, cache.fixed_bytes()) == (growing, fixed)


@pytest.mark.parametrize(
    "config",
    [
        LLAMA | {"model_type": "unheard_of"},
        LLAMA | {"model_type": "llama", "mamba_d_state": 16},
        DEEPSEEK | {"model_type": "deepseek_v4", "compress_ratios": [4]},
        DEEPSEEK | {"index_head_dim": 128},
        DEEPSEEK | {"model_type": "glm_moe_dsa", "index_head_dim": 128, "indexer_types": ["full", "shared"]},
        GEMMA3 | {"num_kv_shared_layers": 20, "sliding_window_pattern": 6},
        GEMMA3,
        NEMOTRON | {"hybrid_override_pattern": "M?"},
        JAMBA | {"attn_layer_period": "eight"},
        {**LLAMA4, "text_config": LLAMA4["text_config"] | {"no_rope_layers": None}},
    ],
)
def test_what_cannot_be_classified_is_unsupported_not_guessed(folder: Path, config: dict[str, Any]) -> None:
    shape = geometry_of(read_folder(write(folder, config)))
    assert shape.unsupported is not None
    assert shape.unsupported.startswith("not supported yet")


@pytest.mark.parametrize(
    ("quantization", "expected"),
    [
        ({"quant_method": "fp8"}, "fp8"),
        ({"quant_method": "mxfp4"}, "mxfp4"),
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, "int4"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 32}, "int4_g32"),
        ({"quant_method": "gptq", "bits": 8}, "int8"),
        ({"quant_method": "gptq", "bits": 3}, "int3"),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4"),
        (compressed(8, "float"), "fp8"),
        (compressed(8, "int"), "int8"),
        (compressed(4, "int"), "int4_g32"),
        (compressed(4, "float"), "nvfp4"),
        (compressed(4, "int") | {"ignore": ["re:.*self_attn.*", "lm_head"]}, "int4_experts"),
        ({"quant_method": "compressed-tensors"}, "compressed-tensors"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "bitsandbytes"),
        ({}, "unknown"),
    ],
)
def test_the_number_format_of_the_checkpoint(folder: Path, quantization: dict[str, Any], expected: str) -> None:
    config = LLAMA | {"quantization_config": quantization}
    assert read_folder(write(folder, config)).native_format == expected


def test_half_precision_is_told_from_bf16(folder: Path) -> None:
    assert read_folder(write(folder, LLAMA | {"torch_dtype": "float16"})).native_format == "fp16"
    assert read_folder(write(folder, LLAMA | {"torch_dtype": None, "dtype": "float16"})).native_format == "fp16"


def test_remote_code_and_pictures_are_noticed(folder: Path) -> None:
    model = read_folder(write(folder, LLAMA | {"auto_map": {"AutoModel": "modeling.Model"}, "vision_config": {}}))
    assert model.trust_remote_code
    assert model.modalities == ("text", "image")


def test_the_index_gives_the_parameters(folder: Path) -> None:
    model = read_folder(write(folder, LLAMA | {"model_type": "granite"}, total_size=16_060_522_496))
    assert model.total_params == 8_030_261_248
    assert model.params_source == "model.safetensors.index.json metadata.total_size, 16,060,522,496 bytes"


def test_the_files_give_the_parameters_without_an_index(folder: Path) -> None:
    write(folder, LLAMA | {"model_type": "granite"})
    for number in (1, 2):
        name = f"model.layers.{number}.mlp.up_proj.weight"
        write_safetensors(folder / shard_name(number, 2), {name: ("BF16", (100, 5))})
    (folder / "consolidated.safetensors").write_bytes(b"\0" * 5000)
    model = read_folder(folder)
    assert model.total_params == 1000
    assert model.params_source == "headers of 2 safetensors files, 2,000 bytes"


def test_layers_that_only_predict_ahead_are_not_loaded(folder: Path) -> None:
    write(folder, LLAMA | {"model_type": "granite", "num_hidden_layers": 2})
    layers = {f"model.layers.{layer}.mlp.up_proj.weight": ("BF16", (100, 5)) for layer in range(3)}
    write_safetensors(folder / "model.safetensors", layers)
    assert read_folder(folder).total_params == 1000


def test_a_broken_weight_file_is_refused(folder: Path) -> None:
    write(folder, LLAMA | {"model_type": "granite"})
    (folder / "model.safetensors").write_bytes(b"\0" * 1000)
    with pytest.raises(ModelError, match=r"model\.safetensors: error: "):
        read_folder(folder)


def test_a_quantised_size_is_read_back_as_it_was_stored(folder: Path) -> None:
    size = 688_586_727_753
    weights = weight_bytes(geometry_of(read_folder(write(folder, DEEPSEEK, total_size=size))), "fp8")
    assert isinstance(weights, Bytes)
    assert weights.value == pytest.approx(size, abs=2)


def test_a_tied_head_stored_twice_is_counted_once(folder: Path) -> None:
    """Qwen3-0.6B: the checkpoint counts 751,632,384 parameters, 596,049,920 of them its own."""
    config = LLAMA | {
        "model_type": "qwen3",
        "num_hidden_layers": 28,
        "hidden_size": 1024,
        "num_attention_heads": 16,
        "head_dim": 128,
        "intermediate_size": 3072,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
    }
    assert read_folder(write(folder, config, total_size=2 * 751_632_384)).total_params == 596_049_920


def test_without_files_and_formula_the_parameters_are_unknown(folder: Path) -> None:
    model = read_folder(write(folder, DEEPSEEK))
    assert model.total_params is None
    assert model.params_source.startswith("not known")


def test_other_names_of_the_fields(folder: Path) -> None:
    """chatglm3-6b."""
    config = {
        "architectures": ["ChatGLMModel"],
        "model_type": "chatglm",
        "num_layers": 28,
        "hidden_size": 4096,
        "num_attention_heads": 32,
        "multi_query_group_num": 2,
        "kv_channels": 128,
        "ffn_hidden_size": 13696,
        "padded_vocab_size": 65024,
        "seq_length": 8192,
    }
    model = read_folder(write(folder, config))
    assert model.total_params == 6_243_584_000
    assert (model.max_position_embeddings, cache_of(model).growing_bytes_per_token) == (8192, 28_672)


# Errors


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_hidden_layers": None}, "num_hidden_layers is missing"),
        ({"num_hidden_layers": "32"}, 'num_hidden_layers must be a whole number, not "32"'),
        ({"num_hidden_layers": True}, "num_hidden_layers must be a whole number, not true"),
        ({"num_hidden_layers": 1e2}, "num_hidden_layers must be a whole number, not 100.0"),
        ({"num_hidden_layers": 100_000}, "num_hidden_layers must be from 1 to 1,000, not 100000"),
        ({"hidden_size": 0}, "hidden_size must be from 1 to 100,000,000, not 0"),
        ({"hidden_size": -4096}, "hidden_size must be from 1 to 100,000,000, not -4096"),
        ({"vocab_size": 10**12}, "vocab_size must be from 1 to 100,000,000, not 1000000000000"),
        ({"hidden_size": 4097}, "hidden_size 4097 does not divide into 32 attention heads, and head_dim is missing"),
        ({"tie_word_embeddings": "yes"}, 'tie_word_embeddings must be true or false, not "yes"'),
        ({"model_type": None}, "model_type is missing"),
        ({"architectures": "LlamaForCausalLM"}, 'architectures must be a list of names, not "LlamaForCausalLM"'),
        ({"quantization_config": "awq"}, 'quantization_config must be an object, not "awq"'),
        ({"text_config": []}, "text_config must be an object, not []"),
        ({"num_key_value_heads": 5}, "32 attention heads do not divide into 5 key-value heads"),
        ({"layer_types": ["full_attention"]}, "layer_types lists 1 layers, num_hidden_layers says 32"),
        ({"model_type": "mistral", "sliding_window": -1}, "sliding_window: input should be greater than 0"),
        ({"model_type": "deepseek_v3", "kv_lora_rank": "many"}, "kv_lora_rank: input should be a valid integer"),
    ],
)
def test_an_error_names_the_file_and_the_field(folder: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_folder(write(folder, LLAMA | changes))
    assert message in caught.value.message
    assert str(caught.value.where).startswith(f"{folder / 'config.json'}:")


def test_an_error_points_into_the_nested_part(folder: Path) -> None:
    config = {**LLAMA4, "text_config": LLAMA4["text_config"] | {"hidden_size": "wide"}}
    with pytest.raises(ModelError) as caught:
        read_folder(write(folder, config))
    line = json.dumps(config, indent=1).splitlines().index('  "hidden_size": "wide",') + 1
    assert caught.value.where is not None
    assert caught.value.where.line == line


def test_a_folder_without_config_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"has no config\.json; name a Hugging Face folder"):
        read_folder(tmp_path)


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", '{"hidden_size": NaN}', "null", '"text"', "[" * 10_000])
def test_a_config_that_is_no_object_is_an_error_a_user_can_read(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(DeployAdvisorError):
        read_folder(folder)


@pytest.mark.parametrize("size", ["many", -1, 0, True, 1.5, [1]])
def test_a_wrong_total_size_names_the_index(folder: Path, size: object) -> None:
    with pytest.raises(ModelError, match=r"model\.safetensors\.index\.json: error: metadata\.total_size"):
        read_folder(write(folder, LLAMA, total_size=size))


def test_an_index_that_is_no_json_names_itself(folder: Path) -> None:
    write(folder, LLAMA)
    (folder / "model.safetensors.index.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match=r"metadata\.total_size cannot be read"):
        read_folder(folder)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_FIELDS = sorted(
    {*LLAMA, *DEEPSEEK, *QWEN35, *QWEN35["text_config"], *NEMOTRON, *JAMBA, *GRANITE, "sliding_window", "rope"}
)


@settings(max_examples=150, deadline=None)
@given(
    config=st.sampled_from([LLAMA, DEEPSEEK, QWEN35, NEMOTRON, JAMBA, LLAMA4, GRANITE, GEMMA3]),
    changes=st.dictionaries(st.sampled_from(_FIELDS), _JSON, max_size=3),
)
def test_whatever_stands_in_config_json_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, config: dict[str, Any], changes: dict[str, Any]
) -> None:
    folder = write(tmp_path_factory.mktemp("folder") / "m", config | changes)
    with contextlib.suppress(DeployAdvisorError):
        geometry_of(read_folder(folder))
