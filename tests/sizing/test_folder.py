"""Local model folders: what config.json and the weight files say, and errors that name file and field."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.catalog.models import Model, models
from deployadvisor.errors import DeployAdvisorError, ModelError
from deployadvisor.hardware.machine import Unknown
from deployadvisor.sizing.config_file import read_config
from deployadvisor.sizing.folder import read_folder
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.kv_cache import KvCache, kv_cache
from deployadvisor.sizing.shards import INDEX
from deployadvisor.sizing.weights import Weights, weight_bytes

from .writers import Described, shard_name, write_checkpoint, write_index, write_safetensors

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


QWEN3: dict[str, Any] = LLAMA | {
    "model_type": "qwen3",
    "num_hidden_layers": 28,
    "hidden_size": 1024,
    "num_attention_heads": 16,
    "head_dim": 128,
    "intermediate_size": 3072,
    "vocab_size": 151936,
    "tie_word_embeddings": True,
}
LLAMA_70B: dict[str, Any] = LLAMA | {
    "num_hidden_layers": 80,
    "hidden_size": 8192,
    "num_attention_heads": 64,
    "intermediate_size": 28672,
}
GPT_OSS: dict[str, Any] = {
    "architectures": ["GptOssForCausalLM"],
    "model_type": "gpt_oss",
    "num_hidden_layers": 36,
    "hidden_size": 2880,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "intermediate_size": 2880,
    "vocab_size": 201088,
    "sliding_window": 128,
    "layer_types": ["sliding_attention", "full_attention"] * 18,
    "num_local_experts": 128,
    "num_experts_per_tok": 4,
    "attention_bias": True,
    "tie_word_embeddings": False,
    "quantization_config": {
        "quant_method": "mxfp4",
        "modules_to_not_convert": [
            "model.layers.*.self_attn",
            "model.layers.*.mlp.router",
            "model.embed_tokens",
            "lm_head",
        ],
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "my-model"


def write(folder: Path, config: dict[str, Any], total_size: object = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    if total_size is not None:
        write_index(folder, {"model.embed_tokens.weight": shard_name(1, 2)}, total_size)
    return folder


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
        NEMOTRON | {"hybrid_override_pattern": "M?"},
    ],
)
def test_what_cannot_be_classified_is_unknown_not_guessed(folder: Path, config: dict[str, Any]) -> None:
    model = read_folder(write(folder, config))
    assert (model.attention, geometry_of(model).why_bounds is None) == ("unknown", False)


def test_half_precision_is_told_from_bf16(folder: Path) -> None:
    assert read_folder(write(folder, LLAMA | {"torch_dtype": "float16"})).native_format == "fp16"
    assert read_folder(write(folder, LLAMA | {"torch_dtype": None, "dtype": "float16"})).native_format == "fp16"


def test_code_of_a_repository_is_not_run_where_the_engines_have_their_own(folder: Path) -> None:
    config = read_folder(
        write(folder, DEEPSEEK | {"auto_map": {"AutoConfig": "configuration_deepseek.DeepseekV3Config"}})
    )
    assert config.model_type == "deepseek_v3"
    assert not config.trust_remote_code
    assert not models()["deepseek-ai/DeepSeek-R1"].trust_remote_code
    assert models()["moonshotai/Kimi-K2-Instruct"].trust_remote_code


def test_remote_code_and_pictures_are_noticed(folder: Path) -> None:
    model = read_folder(write(folder, LLAMA | {"auto_map": {"AutoModel": "modeling.Model"}, "vision_config": {}}))
    assert model.trust_remote_code
    assert model.modalities == ("text", "image")


TINY: dict[str, Any] = {
    "num_hidden_layers": 2,
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 100,
}


def unheard_of(**changes: Any) -> dict[str, Any]:
    """A model whose parameters no formula gives."""
    return LLAMA | TINY | {"model_type": "unheard_of"} | changes


def weights_of(model: Model) -> Weights:
    weights = weight_bytes(geometry_of(model), model.native_format)
    assert isinstance(weights, Weights), weights.unknown
    return weights


def test_an_index_without_its_files_is_a_bound(folder: Path) -> None:
    model = read_folder(write(folder, unheard_of(), total_size=16_060_522_496))
    assert model.total_params == 8_030_261_248
    assert model.params_source == "model.safetensors.index.json metadata.total_size, 16,060,522,496 bytes"
    assert (weights_of(model).value, weights_of(model).sure) == (16_060_522_496, "bound")


def test_some_files_of_an_index_are_not_taken_for_all(folder: Path) -> None:
    write(folder, unheard_of())
    shards: list[Described] = [{f"model.layers.{number}.mlp.up_proj.weight": ("BF16", (8, 8))} for number in range(4)]
    write_checkpoint(folder, shards)
    for number in (2, 4):
        (folder / shard_name(number, 4)).unlink()
    with pytest.raises(ModelError) as caught:
        read_folder(folder)
    assert caught.value.message == f'2 of 4 shards are missing: "{shard_name(2, 4)}", ...'
    assert str(caught.value).endswith("; finish the download")


# Files of another model, or not all of this one


def test_files_that_are_far_too_small_are_refused(folder: Path) -> None:
    write(folder, LLAMA)
    write_safetensors(folder / "model.safetensors", {"model.layers.0.mlp.up_proj.weight": ("BF16", (10, 10))})
    with pytest.raises(ModelError) as caught:
        read_folder(folder)
    assert caught.value.message == (
        "headers of 1 safetensors file, 200 bytes:"
        " config.json describes 8,030,261,248 parameters, 16,060,522,496 bytes at 16 bits"
    )
    assert "finish the download" in str(caught.value)


def llama_file(folder: Path, params: int, dtype: str = "BF16", **changes: Any) -> Path:
    """Llama-3.1-8B with so many elements in one tensor."""
    write(folder, LLAMA | changes)
    write_safetensors(folder / "model.safetensors", {"model.layers.0.mlp.up_proj.weight": (dtype, (params,))})
    return folder


@pytest.mark.parametrize(
    ("params", "dtype", "changes"),
    [
        (8_030_261_248, "BF16", {}),
        (8_030_261_248, "F32", {"torch_dtype": "float32"}),
        (7_504_924_672, "BF16", {}),
        (4_100_000_000, "BF16", {}),
        (8_030_261_248, "F8_E4M3", {}),
        (1_100_000_000, "U8", {"quantization_config": {"quant_method": "squeeze9000"}}),
        (2_100_000_000, "U8", {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128}}),
        (4_100_000_000, "F8_E4M3", {"quantization_config": {"quant_method": "fp8"}}),
        (12_000_000_000, "BF16", {}),
    ],
)
def test_what_checkpoints_may_leave_out_is_no_reason(
    folder: Path, params: int, dtype: str, changes: dict[str, Any]
) -> None:
    assert weights_of(read_folder(llama_file(folder, params, dtype, **changes))).sure == "exact"


@pytest.mark.parametrize(
    ("params", "dtype", "changes"),
    [
        (4_000_000_000, "BF16", {}),
        (4_000_000_000, "F32", {"torch_dtype": "float32"}),
        (500_000_000, "U8", {"quantization_config": {"quant_method": "squeeze9000"}}),
        (2_000_000_000, "U8", {"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128}}),
        (33_000_000_000, "BF16", {}),
    ],
)
def test_what_no_checkpoint_leaves_out_is_refused(
    folder: Path, params: int, dtype: str, changes: dict[str, Any]
) -> None:
    with pytest.raises(ModelError, match=r"config\.json describes 8,030,261,248 parameters"):
        read_folder(llama_file(folder, params, dtype, **changes))


@pytest.mark.parametrize("size", [200, 10**13])
@pytest.mark.parametrize("config", [LLAMA, DEEPSEEK | {"num_hidden_layers": 10}])
def test_an_absurd_total_size_is_refused(folder: Path, config: dict[str, Any], size: int) -> None:
    with pytest.raises(ModelError, match=f"metadata.total_size, {size:,} bytes: config.json describes"):
        read_folder(write(folder, config, total_size=size))


def test_16_bit_files_that_are_called_32_bit_are_whole(folder: Path) -> None:
    model = read_folder(write(folder, LLAMA | {"torch_dtype": "float32"}, total_size=16_060_522_496))
    assert model.total_params == 8_030_261_248


@pytest.mark.parametrize(
    ("shape", "field"), [((10, 8), None), ((1200, 8), "vocab_size"), ((100, 16), "hidden_size"), ((2, 8), None)]
)
def test_an_embedding_of_other_words_or_width_is_refused(
    folder: Path, shape: tuple[int, int], field: str | None
) -> None:
    write(folder, unheard_of())
    write_safetensors(folder / "model.safetensors", {"model.embed_tokens.weight": ("BF16", shape)})
    if field is None:
        assert read_folder(folder).total_params == shape[0] * shape[1]
        return
    with pytest.raises(ModelError) as caught:
        read_folder(folder)
    said = "config.json says vocab_size 100 and hidden_size 8"
    assert caught.value.message == f'"model.embed_tokens.weight" is {shape[0]:,} x {shape[1]:,}, {said}'
    assert caught.value.where == read_config(folder / "config.json").where(field)


def test_an_embedding_may_have_a_width_of_its_own(folder: Path) -> None:
    """OPT-350m: 512 wide in a model of 1,024."""
    write(folder, unheard_of(word_embed_proj_dim=4))
    write_safetensors(folder / "model.safetensors", {"model.decoder.embed_tokens.weight": ("BF16", (100, 4))})
    assert read_folder(folder).total_params == 400


def test_other_matrices_of_vectors_are_not_the_embedding(folder: Path) -> None:
    """Gemma 3n has one more of every layer, Qwen-Omni a second model for speech."""
    names = ("model.embed_tokens_per_layer", "model.embed_positions", "model.visual.embed_tokens")
    tensors: Described = {f"{name}.weight": ("BF16", (5000, 3)) for name in names}
    speech: Described = {"talker.model.embed_tokens.weight": ("BF16", (30, 4))}
    text: Described = {"thinker.model.embed_tokens.weight": ("BF16", (100, 8))}
    write(folder, unheard_of())
    write_safetensors(folder / "model.safetensors", {**tensors, **speech, **text})
    assert read_folder(folder).hidden_size == 8


def test_an_index_that_states_no_size_needs_its_files(folder: Path) -> None:
    with pytest.raises(ModelError, match="the file is missing"):
        read_folder(write_named(folder, {"weight_map": {"lm_head.weight": shard_name(1, 1)}}))


def write_named(folder: Path, index: object) -> Path:
    write(folder, unheard_of())
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")
    return folder


def test_a_formula_is_better_than_a_bound(folder: Path) -> None:
    """Qwen3-0.6B: the checkpoint counts 751,632,384 parameters, 596,049,920 of them its own."""
    model = read_folder(write(folder, QWEN3, total_size=2 * 751_632_384))
    assert model.total_params == 596_049_920
    assert (weights_of(model).value, weights_of(model).sure) == (2 * 596_049_920, "computed")


def test_headers_are_exact_and_tell_the_parts(folder: Path) -> None:
    tensors: Described = {
        "model.language_model.embed_tokens.weight": ("BF16", (100, 8)),
        "model.language_model.layers.0.mlp.experts.0.up_proj.weight": ("BF16", (16, 8)),
        "model.language_model.layers.0.mlp.gate.weight": ("BF16", (4, 8)),
        "model.visual.blocks.0.attn.qkv.weight": ("BF16", (24, 8)),
        "lm_head.weight": ("BF16", (100, 8)),
    }
    model = read_folder(write_checkpoint(write(folder, unheard_of()), [tensors]))
    weights = weights_of(model)
    assert (weights.value, weights.sure) == (2 * 8 * (100 + 16 + 4 + 24 + 100), "exact")
    assert (weights.embeddings, weights.experts, weights.vision) == (3200, 256, 384)
    assert (model.total_params, model.vision_params) == (1952, 192)
    assert weights.basis == "headers of 1 safetensors file, 3,904 bytes"


@pytest.mark.parametrize(
    "other",
    [
        "consolidated.safetensors",
        "consolidated-00001-of-00002.safetensors",
        "adapter_model.safetensors",
        "optimizer.safetensors",
    ],
)
@pytest.mark.parametrize("name", ["model.safetensors", "weights.safetensors"])
def test_what_engines_do_not_load_is_not_counted(folder: Path, name: str, other: str) -> None:
    write(folder, unheard_of())
    for file in (name, other):
        write_safetensors(folder / file, {"model.layers.0.mlp.up_proj.weight": ("BF16", (100, 5))})
    assert weights_of(read_folder(folder)).value == 1000


def test_a_repository_of_consolidated_files_alone_is_read(folder: Path) -> None:
    write(folder, unheard_of())
    write_safetensors(folder / "consolidated.safetensors", {"layers.0.attention.wq.weight": ("BF16", (100, 5))})
    assert weights_of(read_folder(folder)).value == 1000


def test_files_of_a_cache_are_links_to_blobs(folder: Path) -> None:
    write(folder, unheard_of())
    blob = write_safetensors(folder.parent / "blob", {"model.layers.0.mlp.up_proj.weight": ("BF16", (100, 5))})
    (folder / "model.safetensors").symlink_to(Path("..") / blob.name)
    assert weights_of(read_folder(folder)).value == 1000


def test_layers_that_only_predict_ahead_are_not_loaded(folder: Path) -> None:
    write(folder, unheard_of())
    layers: Described = {f"model.layers.{layer}.mlp.up_proj.weight": ("BF16", (100, 5)) for layer in range(3)}
    write_safetensors(folder / "model.safetensors", layers)
    assert read_folder(folder).total_params == 1000


@pytest.mark.parametrize("tied", [True, False])
def test_a_tied_head_stored_twice_is_counted_once(folder: Path, tied: bool) -> None:
    write(folder, unheard_of(tie_word_embeddings=tied))
    matrix = ("BF16", (100, 8))
    write_safetensors(folder / "model.safetensors", {"model.embed_tokens.weight": matrix, "lm_head.weight": matrix})
    assert weights_of(read_folder(folder)).value == (1600 if tied else 3200)


def test_a_head_that_is_not_stored_is_the_embedding(folder: Path) -> None:
    write(folder, unheard_of(tie_word_embeddings=None))
    write_safetensors(folder / "model.safetensors", {"model.embed_tokens.weight": ("BF16", (100, 8))})
    assert read_folder(folder).tie_word_embeddings is True


def test_weights_in_32_bit_are_loaded_in_16(folder: Path) -> None:
    write(folder, unheard_of(torch_dtype="float32"))
    write_safetensors(folder / "model.safetensors", {"model.layers.0.mlp.up_proj.weight": ("F32", (100, 5))})
    model = read_folder(folder)
    assert (model.total_params, weights_of(model).value) == (500, 1000)
    assert "stored in 32 bit" in model.params_source


@pytest.mark.parametrize("names", [("pytorch_model.bin",), ("consolidated.00.pth", "consolidated.01.pth")])
def test_pickled_files_are_weighed_and_never_opened(folder: Path, names: tuple[str, ...]) -> None:
    write(folder, unheard_of())
    for name in (*names, "optimizer.bin"):
        (folder / name).write_bytes(b"cos\nsystem\n" + b"\0" * 989)
    weights = weights_of(read_folder(folder))
    assert (weights.value, weights.sure) == (1000 * len(names), "bound")
    assert "which are not opened" in weights.basis


def test_a_broken_weight_file_is_refused(folder: Path) -> None:
    write(folder, unheard_of())
    (folder / "model.safetensors").write_bytes(b"\0" * 1000)
    with pytest.raises(ModelError, match=r"model\.safetensors: error: "):
        read_folder(folder)


def test_a_folder_of_more_files_than_any_model_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployadvisor.sizing.shards._MAX_ENTRIES", 3)
    write(folder, unheard_of())
    for number in range(3):
        (folder / f"{number}.txt").touch()
    with pytest.raises(ModelError, match="the folder has more than 3 files"):
        read_folder(folder)


# Quantised checkpoints


def test_a_quantised_size_is_read_back_as_it_was_stored(folder: Path) -> None:
    size = 688_586_727_753
    model = read_folder(write(folder, DEEPSEEK, total_size=size))
    assert (model.native_format, weights_of(model).value) == ("fp8_block", size)


def test_gpt_oss_is_exact_by_its_configuration_alone(folder: Path) -> None:
    """hf-mem issue 60: 65,248,815,744 bytes, experts in MXFP4, the rest bf16."""
    weights = weights_of(read_folder(write(folder, GPT_OSS)))
    assert (weights.value, weights.sure) == (65_248_815_744, "computed")


def test_a_quantised_part_keeps_the_rest_in_16_bit(folder: Path) -> None:
    """Llama-3.3-70B in FP8: 67.67 GiB; with its attention left alone, that much more."""
    whole = weights_of(read_folder(write(folder, LLAMA_70B | {"quantization_config": {"quant_method": "fp8"}})))
    assert whole.value / 2**30 == pytest.approx(67.67, abs=0.005)
    ignore = {"quant_method": "fp8", "modules_to_not_convert": ["self_attn", "lm_head"]}
    kept = weights_of(read_folder(write(folder, LLAMA_70B | {"quantization_config": ignore})))
    attention = 80 * (8192 * 8192 * 2 + 2 * 1024 * 8192)
    assert (kept.value - whole.value, kept.sure) == (attention, "computed")


def test_exceptions_of_single_layers_make_a_bound(folder: Path) -> None:
    ignore = {"quant_method": "fp8", "modules_to_not_convert": ["model.layers.0.mlp.down_proj"]}
    weights = weights_of(read_folder(write(folder, LLAMA_70B | {"quantization_config": ignore})))
    assert weights.sure == "bound"


def test_a_method_that_nobody_knows_is_unknown_without_files(folder: Path) -> None:
    config = LLAMA | {"quantization_config": {"quant_method": "squeeze9000"}}
    model = read_folder(write(folder, config))
    weights = weight_bytes(geometry_of(model), model.native_format)
    assert isinstance(weights, Unknown)
    assert "squeeze9000" in weights.unknown


def test_a_method_that_nobody_knows_is_exact_by_its_files(folder: Path) -> None:
    write(folder, unheard_of(quantization_config={"quant_method": "squeeze9000"}))
    write_safetensors(folder / "model.safetensors", {"model.layers.0.mlp.up_proj.qweight": ("I32", (100, 5))})
    model = read_folder(folder)
    assert (model.native_format, weights_of(model).value, weights_of(model).sure) == ("squeeze9000", 2000, "exact")


def test_packed_weights_that_no_configuration_explains_are_not_16_bit(folder: Path) -> None:
    write(folder, unheard_of())
    write_safetensors(folder / "model.safetensors", {"model.layers.0.mlp.up_proj.qweight": ("I32", (100, 5))})
    model = read_folder(folder)
    assert model.native_format == "a format that config.json does not name"
    assert weights_of(model).value == 2000


def test_without_files_and_formula_the_parameters_are_unknown(folder: Path) -> None:
    model = read_folder(write(folder, unheard_of()))
    assert model.total_params is None
    assert model.params_source.startswith("not known")


# Where multimodal models keep their text model


@pytest.mark.parametrize(
    "place",
    [("text_config",), ("llm_config",), ("language_config",), ("thinker_config", "text_config"), ("language_model",)],
)
def test_the_text_model_is_found_wherever_it_is_nested(folder: Path, place: tuple[str, ...]) -> None:
    config: dict[str, Any] = {"model_type": "composed", "architectures": ["ComposedModel"], "vision_config": {}}
    inner: Any = {key: value for key, value in LLAMA.items() if key != "architectures"}
    for key in reversed(place[1:]):
        inner = {key: inner}
    model = read_folder(write(folder, config | {place[0]: inner}))
    assert (model.num_hidden_layers, model.model_type, model.architecture) == (32, "llama", "ComposedModel")
    assert "without the part that reads images" in model.params_source


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
        "add_qkv_bias": True,
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
        ({"hidden_size": 16, "head_dim": 8}, "num_attention_heads 32 is more than hidden_size 16"),
        ({"hidden_size": 4097}, "hidden_size 4097 does not divide into 32 attention heads, and head_dim is missing"),
        ({"tie_word_embeddings": "yes"}, 'tie_word_embeddings must be true or false, not "yes"'),
        ({"model_type": None}, "model_type is missing"),
        ({"architectures": "LlamaForCausalLM"}, 'architectures must be a list of names, not "LlamaForCausalLM"'),
        ({"quantization_config": "awq"}, 'quantization_config must be an object, not "awq"'),
        ({"text_config": []}, "text_config must be an object, not []"),
        ({"num_key_value_heads": 5}, "32 attention heads do not divide into 5 key-value heads"),
        ({"layer_types": ["full_attention"]}, "layer_types lists 1 layers, num_hidden_layers says 32"),
        ({"model_type": "mistral", "sliding_window": -1}, "sliding_window must be a whole number from 1"),
        ({"model_type": "deepseek_v3", "kv_lora_rank": "many"}, "kv_lora_rank must be a whole number from 1"),
    ],
)
def test_an_error_names_the_file_and_the_field(folder: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_folder(write(folder, LLAMA | changes))
    assert message in caught.value.message
    assert "value error" not in caught.value.message.casefold()
    assert str(caught.value.where).startswith(f"{folder / 'config.json'}:")


def test_an_error_points_into_the_nested_part(folder: Path) -> None:
    config = {**LLAMA4, "text_config": LLAMA4["text_config"] | {"hidden_size": "wide"}}
    with pytest.raises(ModelError) as caught:
        read_folder(write(folder, config))
    line = json.dumps(config, indent=1).splitlines().index('  "hidden_size": "wide",') + 1
    assert caught.value.where is not None
    assert caught.value.where.line == line


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path)])
def test_what_is_no_file_is_no_config(folder: Path, make: Any) -> None:
    folder.mkdir()
    make(folder / "config.json")
    with pytest.raises(ModelError, match=r"has no config\.json"):
        read_folder(folder)


@pytest.mark.parametrize("file", ["../../etc/passwd", "/etc/passwd", "../model.safetensors"])
def test_an_index_that_leaves_the_folder_is_refused(folder: Path, file: str) -> None:
    write(folder, unheard_of())
    write_index(folder, {"lm_head.weight": file}, 1000)
    with pytest.raises(ModelError, match="which is no safetensors file in this folder"):
        read_folder(folder)


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
    with pytest.raises(ModelError, match=r"model\.safetensors\.index\.json: error: not valid JSON"):
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
_CONFIGS = [LLAMA, DEEPSEEK, QWEN35, NEMOTRON, JAMBA, LLAMA4, GRANITE, GEMMA3, QWEN3, GPT_OSS]
_FIELDS = sorted(
    {
        *(key for config in _CONFIGS for key in config),
        *QWEN35["text_config"],
        *LLAMA4["text_config"],
        "sliding_window",
    }
)
_MISSING = object()


def changed(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A configuration with fields replaced or dropped, in its nested part too."""
    nested = config.get("text_config")
    inner = {"text_config": changed(nested, changes)} if isinstance(nested, dict) else {}
    return {key: value for key, value in (config | inner | changes).items() if value is not _MISSING}


def sized_or_refused(folder: Path) -> None:
    with contextlib.suppress(DeployAdvisorError):
        model = read_folder(folder)
        weights, cache = weight_bytes(geometry_of(model), model.native_format), kv_cache(geometry_of(model))
        assert isinstance(weights, Unknown) or weights.value > 0
        assert isinstance(cache, Unknown) or cache.fixed_bytes() >= 0


@settings(max_examples=200, deadline=None)
@given(
    config=st.sampled_from(_CONFIGS),
    changes=st.dictionaries(st.sampled_from(_FIELDS), st.just(_MISSING) | _JSON, max_size=3),
)
def test_whatever_stands_in_config_json_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, config: dict[str, Any], changes: dict[str, Any]
) -> None:
    sized_or_refused(write(tmp_path_factory.getbasetemp() / "any-config", changed(config, changes)))


_INDEX = st.fixed_dictionaries(
    {},
    optional={
        "metadata": _JSON | st.fixed_dictionaries({"total_size": _JSON}),
        "weight_map": _JSON
        | st.dictionaries(st.text(max_size=8), st.sampled_from(["../../etc/passwd", shard_name(1, 1), "x", ".."])),
    },
)


@settings(max_examples=150, deadline=None)
@given(index=_JSON | _INDEX)
def test_whatever_stands_in_the_index_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, index: object
) -> None:
    folder = write(tmp_path_factory.getbasetemp() / "any-index", unheard_of())
    write_safetensors(folder / shard_name(1, 1), {"lm_head.weight": ("BF16", (8, 8))})
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")
    sized_or_refused(folder)
