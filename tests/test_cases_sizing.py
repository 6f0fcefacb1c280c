"""Reported cases 42 to 54: models on machines. Each replays a recorded machine and sizes a model on it.

Each test is named after its case and says in its first line what went wrong elsewhere, and where it was reported.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deployadvisor import recommend
from deployadvisor.catalog.gpus import find_gpu
from deployadvisor.catalog.overheads import overheads
from deployadvisor.estimation import Estimate, Work, estimate
from deployadvisor.hardware.machine import Known, Unknown
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.kv_cache import KvCache, kv_cache
from deployadvisor.sizing.memory import Fit
from deployadvisor.sizing.parallel import Wanted
from deployadvisor.sizing.speed import busy_share
from deployadvisor.verdict import named_model
from tests.hardware.replay import replay

GIB, MIB = 2**30, 2**20
EIGHT_H100 = "h100-x8"
ONE_3090 = "rtx-3090-headless"
ONE_4090 = "rtx-4090-with-display"
ONE_5090 = "wsl2-library-off-the-path"


def sized(machine: str, model: str, **how: Any) -> Estimate:
    return estimate(model, replay(machine), **how)


def placed(machine: str, model: str, **how: Any) -> Fit:
    found = sized(machine, model, **how)
    assert found.fit is not None, found.reason
    return found.fit


def terms(fit: Fit) -> dict[str, float]:
    return {term.name: term.gib for term in fit.terms}


def cache_of(model: str) -> KvCache:
    cache = kv_cache(geometry_of(named_model(model)))
    assert isinstance(cache, KvCache)
    return cache


def kept_gib(engine: str, model: str, tokens: int) -> float:
    """Cache of one sequence as the engine stores it, at its default batch."""
    batch = 8192 if engine == "vllm" else 512
    return cache_of(model).card_bytes(tokens, window=overheads()[engine].window, batch_tokens=batch) / GIB


def test_case_42_a_mixture_needs_memory_for_all_of_its_experts():
    """Memory was counted for the active parameters: 6 GiB for a model of 57 (llmfit#230)."""
    fit = placed(ONE_4090, "Qwen/Qwen3-30B-A3B", precision="bf16")
    assert fit.weights_gib == pytest.approx(30_532_122_624 * 2 / GIB, rel=1e-3)
    assert not fit.fits
    assert placed(EIGHT_H100, "Qwen/Qwen3-30B-A3B", precision="bf16").cards == 1


def test_case_43_the_cache_is_that_of_the_text_and_not_of_the_longest_text():
    """The cache of the advertised 262,144 tokens was added to every estimate (llmfit#302)."""
    model = "Qwen/Qwen3-30B-A3B-Instruct-2507"
    assert named_model(model).max_position_embeddings == 262_144
    short = placed(EIGHT_H100, model, precision="bf16", work=Work(7_000, 1_000))
    assert short.kv_gib == pytest.approx(8_000 * 98_304 / GIB, rel=1e-3)
    assert short.cards == 1
    whole = placed(EIGHT_H100, model, precision="bf16", work=Work(261_144, 1_000))
    assert whole.kv_gib == pytest.approx(24.0, rel=1e-3)
    plan = recommend(
        data_sensitivity="confidential", model=model, hardware=replay(EIGHT_H100), peak_concurrency=4
    ).plan
    assert plan.max_model_len is not None
    assert plan.max_model_len < 262_144


@pytest.mark.parametrize(
    ("model", "layers", "with_cache", "mib_per_block"),
    [("Qwen/Qwen3.8-27B", 64, 16, 4.0), ("Qwen/Qwen3.6-35B-A3B", 40, 10, 1.25)],
)
def test_case_44_layers_without_attention_keep_no_rows(
    model: str, layers: int, with_cache: int, mib_per_block: float
):
    """All layers were counted, four times those that cache: 16.00 and 5.00 MiB a block of 64 tokens (omlx#2725)."""
    fit = placed(EIGHT_H100, model, precision="bf16", work=Work(7_000, 1_000))
    assert named_model(model).num_hidden_layers == layers
    assert fit.kv_bytes_per_token * 64 / MIB == mib_per_block
    assert fit.kv_bytes_per_token * 64 / MIB * layers / with_cache == pytest.approx(mib_per_block * 4)
    assert fit.kv_fixed_bytes > 0, "their states are not forgotten either (lmstudio-bug-tracker#1862)"


def test_case_45_layers_with_a_window_are_not_left_out():
    """Half of the layers counted as nothing: 36,864 for vLLM's 73,728 bytes a token (hf-mem#60, #61)."""
    found = sized(EIGHT_H100, "openai/gpt-oss-120b", work=Work(7_000, 1_000))
    assert found.fit is not None
    assert found.fit.kv_bytes_per_token == 36_864
    assert found.fit.kv_fixed_bytes == 18 * 2 * 8 * 64 * 2 * 128
    assert terms(found.fit)["kv_fixed"] > 0
    assert any("every layer keeps every token: 0.55 GiB" in note for note in found.notes)
    unbounded = cache_of("openai/gpt-oss-120b").card_bytes(78_384, window=overheads()["vllm"].window.unbounded())
    assert unbounded / GIB == pytest.approx(5.38, abs=0.01), "what vLLM's log says for 78,384 tokens"


def test_case_46_what_a_window_saves_depends_on_the_engine():
    """6.09 or 12.00 GiB for the same load, both right: of one engine each (hf-mem#70, configiq#112)."""
    each = {
        engine: 32 * kept_gib(engine, "openai/gpt-oss-20b", 8_192) for engine in ("transformers", "vllm", "lmdeploy")
    }
    assert each["transformers"] == pytest.approx(6.09, abs=0.005)
    assert each["vllm"] == pytest.approx(12.0, abs=0.02), "the window and a batch of 8,192 tokens are the whole text"
    assert each["lmdeploy"] == pytest.approx(12.0, abs=0.005)
    assert kept_gib("vllm", "openai/gpt-oss-20b", 65_536) < kept_gib("lmdeploy", "openai/gpt-oss-20b", 65_536)
    kib_per_token = kept_gib("vllm", "google/gemma-4-31B-it", 262_144) * GIB / 262_144 / 1024
    assert kib_per_token == pytest.approx(108.17, abs=0.01), "64.68 GiB for 626,949 tokens in vLLM's log"


def test_case_47_global_layers_have_heads_of_their_own():
    """Global layers were sized with the heads of the windowed ones, up to eight times off (Rapid-MLX#1423)."""
    fit = placed(EIGHT_H100, "google/gemma-4-31B-it", precision="bf16", work=Work(7_000, 1_000))
    assert fit.kv_bytes_per_token == 10 * 2 * 4 * 512 * 2
    assert fit.kv_fixed_bytes == 50 * 2 * 16 * 256 * 2 * 1024


def test_case_48_captured_graphs_share_their_memory():
    """Graphs were multiplied by their number, which left a third of the cache; or forgotten (vllm#45178, #57475)."""
    for model, machine in (("MiniMaxAI/MiniMax-M2.5", EIGHT_H100), ("Qwen/Qwen3-8B", ONE_4090)):
        fit = placed(machine, model)
        assert 0.3 < terms(fit)["cuda_graphs"] < 2.0
        assert fit.kv_room_gib > 3
    assert terms(placed(ONE_4090, "Qwen/Qwen3-8B", engine="llama_cpp"))["cuda_graphs"] == 0


def test_case_49_working_memory_is_that_of_a_full_batch():
    """An engine was accepted at its start and died at a prompt of 6,000 tokens (vllm#52872)."""
    short, long = (
        placed(ONE_5090, "Qwen/Qwen3.6-27B", precision="int4", work=Work(tokens, 200)) for tokens in (50, 6_000)
    )
    for name in ("activations", "logits", "cuda_graphs"):
        assert terms(short)[name] == terms(long)[name] > 0, name
    assert any("2,048 tokens a pass" in term.basis for term in long.terms), "the default of such a card, not 8,192"
    assert terms(long)["kv_cache"] > terms(short)["kv_cache"]


def test_case_50_what_the_engine_works_with_decides_too():
    """Weights and cache fitted, activations were missing, and the engine did not start (llm-d-benchmark#621)."""
    fit = placed(ONE_3090, "Qwen/Qwen3-8B", precision="bf16", work=Work(35_000, 1_000))
    found = terms(fit)
    assert found["weights"] + found["kv_cache"] < fit.available_gib < fit.used_gib
    assert not fit.fits
    assert fit.used_gib == pytest.approx(sum(found.values()))


def test_case_51_experts_are_dealt_out_over_the_cards():
    """Every card was charged for all experts, eight times too much (aiconfigurator#1390)."""
    dealt = placed(EIGHT_H100, "Qwen/Qwen3-235B-A22B", precision="fp8", wanted=Wanted(data=8, expert=8))
    divided = placed(EIGHT_H100, "Qwen/Qwen3-235B-A22B", precision="fp8", wanted=Wanted(tensor=8, expert=8))
    eighth = dealt.weights_gib / 8
    assert terms(divided)["weights"] == pytest.approx(eighth, rel=0.01)
    assert eighth < terms(dealt)["weights"] < 1.4 * eighth, "attention is copied, experts are not"
    assert dealt.fits


EMBEDDING = {  # the configuration of Qwen3-Embedding-0.6B
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 1024,
    "num_hidden_layers": 28,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 3072,
    "vocab_size": 151_669,
    "tie_word_embeddings": True,
    "max_position_embeddings": 32_768,
    "torch_dtype": "bfloat16",
}
ENCODER = {  # of the kind of bge-m3
    "architectures": ["XLMRobertaModel"],
    "model_type": "xlm-roberta",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "vocab_size": 250_002,
    "max_position_embeddings": 8194,
}


def test_case_52_embedding_models_are_small(tmp_path: Path):
    """A reranker of 1 GiB was claimed with 13.8 GiB (gpustack#2412)."""
    (tmp_path / "config.json").write_text(json.dumps(EMBEDDING))
    fit = placed(ONE_3090, str(tmp_path), engine="llama_cpp", precision="fp16", work=Work(512, 1))
    assert terms(fit)["weights"] == pytest.approx(1.11, abs=0.02)
    assert fit.used_gib < 2
    (tmp_path / "config.json").write_text(json.dumps(ENCODER))
    found = sized(ONE_3090, str(tmp_path), work=Work(512, 1))
    assert isinstance(found.choice, Unknown) or found.fit is None, "an encoder is not sized as a decoder"
    assert found.reason


def test_case_53_speed_stays_within_what_the_memory_can_deliver():
    """8.8 tokens a second for 270, and 472 for 150 to 180 (llmfit#88, #449, #544); here 40 are measured (#137)."""
    gpu = find_gpu("RTX 4090")
    geometry = geometry_of(named_model("Qwen/Qwen3.5-27B"))
    weights = round(placed(ONE_4090, "Qwen/Qwen3.5-27B", engine="llama_cpp", precision="q4_k_m").weights_gib * GIB)
    assert gpu.memory_bandwidth_gb_s is not None
    share = busy_share(geometry, weights, gpu.memory_bandwidth_gb_s, 1, 1000)
    assert isinstance(share, Known)
    tokens_per_s = 1000 / (share.value * 86_400)
    assert 40 / 3 < tokens_per_s < 40 * 3
    assert tokens_per_s < gpu.memory_bandwidth_gb_s * 1e9 / (weights * 0.98)


@pytest.mark.parametrize(
    ("model", "bytes_per_token", "by_division"),
    [("Qwen/Qwen3-4B", 36 * 2 * 8 * 128 * 2, 80), ("Qwen/Qwen3-32B", 64 * 2 * 8 * 128 * 2, 80)],
)
def test_case_54_a_heads_width_is_what_the_model_says(model: str, bytes_per_token: int, by_division: int):
    """The width of a head was taken as hidden size by heads, 80 instead of 128 (LMCache#694)."""
    named = named_model(model)
    assert named.hidden_size is not None
    assert named.num_attention_heads is not None
    assert named.hidden_size // named.num_attention_heads == by_division
    assert placed(EIGHT_H100, model, precision="bf16").kv_bytes_per_token == bytes_per_token


def test_case_54_a_latent_row_is_neither_doubled_nor_short_of_its_rotary_part():
    """The same table had "2 x 512" for latent attention; a row is 512 + 64 elements (LMCache#694)."""
    assert placed(EIGHT_H100, "deepseek-ai/DeepSeek-V3", wanted=Wanted(tensor=8)).kv_bytes_per_token == 61 * 576 * 2
