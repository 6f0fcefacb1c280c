"""Layouts of checkpoints whose weights are quantised in blocks: a block is never divided between cards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deployadvisor.sizing.folder import read_folder
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.parallel import Layout, Setting, refusal
from deployadvisor.sizing.policy import EnginePolicy

from .builders import LMDEPLOY, VLLM, cards
from .test_folder import write

# Qwen/Qwen3-235B-A22B-FP8: github.com/ai-dynamo/aiconfigurator@095f58a5 model_configs.
QWEN3_FP8: dict[str, Any] = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "num_hidden_layers": 94,
    "hidden_size": 4096,
    "num_attention_heads": 64,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "intermediate_size": 12288,
    "moe_intermediate_size": 1536,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "vocab_size": 151936,
    "tie_word_embeddings": False,
    "quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]},
}
PER_CHANNEL: dict[str, Any] = QWEN3_FP8 | {"quantization_config": {"quant_method": "fp8"}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "my-model"


def setting(folder: Path, config: dict[str, Any], policy: EnginePolicy = VLLM) -> Setting:
    shape = geometry_of(read_folder(write(folder, config)))
    return Setting(shape, policy, cards(141.0, 8), shape.native_format)


def test_experts_are_divided_at_whole_blocks_or_not_at_all(folder: Path) -> None:
    """vLLM refuses tensor parallel 8 for this checkpoint and serves it with expert parallelism."""
    where = setting(folder, QWEN3_FP8)
    assert where.precision == "fp8_block"
    assert refusal(where, Layout(4)) is None
    divided = "tensor parallel 8 leaves 192 of the expert width 1,536 a card"
    assert refusal(where, Layout(8)) == f"{divided}, which is no multiple of the 128 weights of a block"
    assert refusal(where, Layout(8, expert=8)) is None


def test_scales_of_whole_rows_divide_anywhere(folder: Path) -> None:
    assert refusal(setting(folder, PER_CHANNEL), Layout(8)) is None


def test_an_engine_that_pads_blocks_divides_them(folder: Path) -> None:
    assert refusal(setting(folder, QWEN3_FP8, LMDEPLOY), Layout(8)) is None
