"""A GGUF file as the wanted model: sized by its own bytes, run by engines that read it, never tuned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployadvisor import recommend
from deployadvisor.recommendation import Recommendation
from deployadvisor.surfaces.cli import main
from tests.sizing.writers import Described, write_gguf

LAYERS = 32
METADATA = {
    "general.architecture": "llama",
    "general.file_type": 15,
    "llama.block_count": LAYERS,
    "llama.context_length": 131_072,
    "llama.embedding_length": 4096,
    "llama.feed_forward_length": 14_336,
    "llama.attention.head_count": 32,
    "llama.attention.head_count_kv": 8,
}
LAYER_BYTES = 4096 * 14_336 * 144 // 256
EMBEDDING_BYTES = 128_256 * 4096 * 210 // 256


@pytest.fixture
def gguf(tmp_path: Path) -> Path:
    layers: Described = {f"blk.{layer}.ffn_up.weight": ("Q4_K", (4096, 14_336)) for layer in range(LAYERS)}
    return write_gguf(tmp_path / "llama.gguf", METADATA, {"token_embd.weight": ("Q6_K", (4096, 128_256)), **layers})


def ask(gguf: Path, **answers: object) -> Recommendation:
    return recommend(model=str(gguf), **{"hardware": "1x RTX 4090", "purpose": "personal", **answers})


def test_its_weights_take_the_bytes_of_its_tensors(gguf: Path) -> None:
    advice = ask(gguf, peak_concurrency=1)
    assert (advice.route, advice.engine, advice.plan.precision) == ("local_runner", "ollama", "q4_k_m")
    assert advice.estimate.memory is not None
    assert advice.estimate.memory.weights_gib == round((LAYERS * LAYER_BYTES + EMBEDDING_BYTES) / 2**30, 3)


def test_engines_of_checkpoints_do_not_serve_it(gguf: Path) -> None:
    advice = ask(gguf, purpose="production", data_sensitivity="confidential", peak_concurrency=32)
    assert advice.engine is None
    details = [text for item in advice.rejected for objection in item.objections for text in objection.details]
    assert "vLLM: is planned with safetensors checkpoints, not with GGUF files" in details


def test_it_is_not_tuned(gguf: Path) -> None:
    advice = ask(gguf, purpose="evaluation", customization="adapter", hardware="1x A100 80GB")
    assert advice.facts["can_tune"].value == "nothing"
    assert "GGUF" in advice.facts["can_tune"].source


def test_the_folder_mounts_it(gguf: Path, tmp_path: Path) -> None:
    report = ask(gguf, peak_concurrency=1, platform="laptop").write(tmp_path / "deploy")
    written = {name: (tmp_path / "deploy" / name).read_text(encoding="utf-8") for name in report.created}
    assert any(str(gguf) in text for name, text in written.items() if name != "advice.json")


def test_estimate_reads_it(gguf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--hardware", "1x RTX 4090", "--engine", "llama_cpp", "--json"]
    assert main(["estimate", "--model", str(gguf), *arguments]) == 0
    estimate = json.loads(capsys.readouterr().out)
    assert estimate["fits"] is True
    assert estimate["kv_bytes_per_token"] == LAYERS * 8 * 2 * 128 * 2
    assert estimate["obtained"] == "own"
