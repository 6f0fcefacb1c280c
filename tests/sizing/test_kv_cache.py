"""The KV cache against stated and measured byte counts, and what engines and tensor parallelism make of it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.catalog.overheads import Window, overheads
from deployadvisor.documents import read
from deployadvisor.errors import CatalogError
from deployadvisor.hardware.machine import Unknown
from deployadvisor.sizing.geometry import Geometry, geometry_of
from deployadvisor.sizing.kv_cache import KvCache, kv_cache

from .builders import geometries, geometry, tiny

ROWS: list[dict[str, Any]] = read(Path(__file__).with_name("golden_kv.yaml")).value["rows"]
FIELDS = ("kv_bytes_per_token_bf16", "kv_fixed_bytes_per_seq")


def cache_of(shape: Geometry, kv_dtype: str = "auto") -> KvCache:
    cache = kv_cache(shape, kv_dtype)
    assert isinstance(cache, KvCache)
    return cache


def counted_by_transformers(shape: Geometry) -> set[int]:
    """Fixed bytes as transformers counts them: one row less than the window, perhaps a counter of 8 bytes a layer."""
    windowed = [rows for rows in shape.rows if rows.window]
    states = sum(state.layers * state.bytes_per_layer for state in shape.states)
    rows = sum(rows.elements * 2 * ((rows.window or 1) - 1) for rows in windowed)
    return {states + rows, states + rows + 8 * sum(rows.layers for rows in windowed)}


@pytest.mark.parametrize("row", ROWS, ids=[row["model"] for row in ROWS])
def test_stated_cache_sizes_are_reproduced(row: dict[str, Any]) -> None:
    growing, fixed = (row[field] for field in FIELDS)
    cache = kv_cache(geometry(row["model"]))
    if isinstance(cache, Unknown):
        assert cache.unknown.startswith("not supported yet")
        return
    assert cache.growing_bytes_per_token == growing
    if row["measured"]:
        assert fixed in counted_by_transformers(geometry(row["model"])) | {cache.fixed_bytes()}
    elif fixed is not None:
        assert cache.fixed_bytes() == fixed


def test_most_rows_are_supported() -> None:
    assert sum(isinstance(kv_cache(geometry(row["model"])), KvCache) for row in ROWS) >= 0.9 * len(ROWS)


def test_llama_cpp_and_transformers_agree_on_a_hybrid() -> None:
    """lmstudio-bug-tracker issue 1862: Qwen3.6-27B, 262,144 cells are 16,384 MiB."""
    cache = cache_of(geometry("Qwen/Qwen3.6-27B"))
    assert cache.growing_bytes_per_token * 262_144 / 2**20 == 16_384


def test_vllm_keeps_a_window_and_a_batch() -> None:
    """redhat-performance/configiq issue 112: Gemma-4-31B takes 108.2 KiB a token at 262,144 tokens."""
    cache = cache_of(geometry("google/gemma-4-31B-it"))
    stored = cache.card_bytes(262_144, window=overheads()["vllm"].window, batch_tokens=8192)
    assert stored / 262_144 / 1024 == pytest.approx(108.17, abs=0.01)


def test_an_engine_without_windows_keeps_everything() -> None:
    """hf-mem issue 61: 983,040 bytes a token when all 60 layers keep everything (heads of the sliding layers)."""
    shape = geometry_of(tiny(attention="gqa_swa", sliding_window=8, full_attention_layers=0))
    cache = cache_of(shape)
    assert cache.card_bytes(1000, window=Window(bounded=False)) == 1000 * 4 * 2 * 16 * 2
    assert cache.card_bytes(1000) == 8 * 4 * 2 * 16 * 2


def test_a_window_fills_before_it_stops() -> None:
    cache = cache_of(geometry("openai/gpt-oss-20b"))
    assert cache.fixed_bytes(64) * 2 == cache.fixed_bytes(128) == cache.fixed_bytes(100_000) == cache.fixed_bytes()


def test_a_latent_cache_lies_on_every_card() -> None:
    cache = cache_of(geometry("deepseek-ai/DeepSeek-V3"))
    assert cache.card_bytes(1000, tensor_parallel=8) == cache.card_bytes(1000)


def test_heads_divide_until_they_repeat() -> None:
    cache = cache_of(geometry("Qwen/Qwen2.5-7B-Instruct"))
    whole = cache.card_bytes(1000)
    assert [whole / cache.card_bytes(1000, tensor_parallel=cards) for cards in (1, 2, 4, 8)] == [1, 2, 4, 4]


def test_a_recurrent_state_divides() -> None:
    cache = cache_of(geometry("nvidia/Nemotron-H-56B-Base-8K"))
    assert cache.card_bytes(0, tensor_parallel=4) * 4 == cache.fixed_bytes()


@pytest.mark.parametrize(
    ("dtype", "share"), [("auto", 1), ("bf16", 1), ("fp16", 1), ("fp8", 0.5), ("int8", 0.5), ("int4", 0.25)]
)
def test_smaller_elements_shrink_rows_but_not_states(dtype: str, share: float) -> None:
    shape = geometry("Qwen/Qwen3.5-27B")
    assert cache_of(shape, dtype).growing_bytes_per_token == share * cache_of(shape).growing_bytes_per_token
    assert cache_of(shape, dtype).fixed_bytes() == cache_of(shape).fixed_bytes()


def test_an_unknown_element_type_names_the_nearest() -> None:
    with pytest.raises(CatalogError, match='did you mean "fp8"'):
        kv_cache(geometry("Qwen/Qwen3-8B"), "fp-8")


def test_an_unsupported_model_is_unknown() -> None:
    cache = kv_cache(geometry("moonshotai/Kimi-K3"))
    assert isinstance(cache, Unknown)
    assert "KimiK3" in cache.unknown


@given(
    shape=geometries, context=st.integers(0, 200_000), more=st.integers(0, 10_000), size=st.sampled_from([1, 2, 4, 8])
)
def test_a_longer_sequence_never_takes_less(shape: Geometry, context: int, more: int, size: int) -> None:
    cache = cache_of(shape)
    assert cache.sequence_bytes(context) <= cache.sequence_bytes(context + more)
    for window in (Window(bounded=True), overheads()["vllm"].window):
        shorter, longer = (
            cache.card_bytes(tokens, tensor_parallel=size, window=window, batch_tokens=2048)
            for tokens in (context, context + more)
        )
        assert shorter <= longer


@given(shape=geometries, context=st.integers(0, 200_000), size=st.integers(1, 16))
def test_dividing_never_saves_over_all_cards(shape: Geometry, context: int, size: int) -> None:
    cache = cache_of(shape)
    whole = cache.card_bytes(context)
    assert cache.card_bytes(context, tensor_parallel=size) * size >= whole or math.isclose(
        cache.card_bytes(context, tensor_parallel=size) * size, whole
    )
