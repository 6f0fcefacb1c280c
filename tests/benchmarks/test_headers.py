"""How long reading the headers of weight files takes; `make bench` prints it. Nothing here fails for being slow."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from deployadvisor.sizing.gguf_model import read_gguf_model
from deployadvisor.sizing.safetensors_header import read_header
from deployadvisor.sizing.shards import read_checkpoint
from tests.sizing.writers import array, text, write_checkpoint, write_gguf, write_safetensors

ROUNDS = 5
LLAMA = {
    "general.architecture": "llama",
    "llama.block_count": 32,
    "llama.embedding_length": 4096,
    "llama.attention.head_count": 32,
}
_TEXT = 8


@pytest.fixture
def many_shards(tmp_path: Path) -> Path:
    """300 files of 100 tensors."""
    names = ("self_attn.q_proj.weight", "mlp.experts.0.up_proj.weight", "input_layernorm.weight", "mlp.gate.weight")
    shards = [
        {f"model.layers.{number}.{name}{copy}": ("BF16", (8, 8)) for name in names for copy in range(25)}
        for number in range(300)
    ]
    return write_checkpoint(tmp_path / "model", shards)


def test_reading_an_index_of_300_shards(benchmark: BenchmarkFixture, many_shards: Path) -> None:
    checkpoint = benchmark.pedantic(read_checkpoint, (many_shards,), rounds=ROUNDS)
    assert checkpoint.bytes == 300 * 100 * 128


def test_reading_a_file_of_20_000_tensors(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    tensors = {f"model.layers.0.mlp.experts.{number}.down_proj.weight": ("BF16", (8, 8)) for number in range(20_000)}
    path = write_safetensors(tmp_path / "model.safetensors", tensors)
    assert benchmark.pedantic(read_header, (path,), rounds=ROUNDS).bytes == 20_000 * 128


def test_reading_a_gguf_file_with_the_largest_vocabulary(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    words = {"tokenizer.ggml.tokens": 262_144, "tokenizer.ggml.merges": 514_906}
    vocabulary = {key: array(_TEXT, [text(b"x" * 9)] * count) for key, count in words.items()}
    tensors = {"token_embd.weight": ("Q6_K", (4096, 262_144))}
    tensors |= {f"blk.{number}.attn_q.weight": ("Q4_K", (4096, 4096)) for number in range(32)}
    path = write_gguf(tmp_path / "model.gguf", LLAMA | vocabulary, tensors)
    assert benchmark.pedantic(read_gguf_model, (path,), rounds=ROUNDS).vocab_size == 262_144
