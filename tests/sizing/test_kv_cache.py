"""The KV cache against stated and measured byte counts, and what engines and tensor parallelism make of it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.catalog.models import Model, models
from deployadvisor.catalog.overheads import Window, overheads
from deployadvisor.documents import read
from deployadvisor.errors import CatalogError
from deployadvisor.hardware.machine import Unknown
from deployadvisor.sizing.geometry import Geometry, geometry_of
from deployadvisor.sizing.kv_cache import EXACT, KvCache, kv_cache

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
    cache = cache_of(geometry(row["model"]))
    assert cache.why_bounds is None
    assert cache.growing_bytes_per_token == growing
    if row["measured"]:
        assert fixed in counted_by_transformers(geometry(row["model"])) | {cache.fixed_bytes()}
    elif fixed is not None:
        assert cache.fixed_bytes() == fixed


@pytest.mark.parametrize("model", models().values(), ids=lambda model: model.id)
def test_every_catalogue_model_has_an_exact_cache(model: Model) -> None:
    assert cache_of(geometry_of(model)).why_bounds is None


def test_a_chunk_grows_until_it_is_full() -> None:
    """Llama 4 in transformers 5.23: 196,608 bytes a token up to 8,192 tokens."""
    cache = cache_of(geometry("meta-llama/Llama-4-Scout-17B-16E-Instruct"))
    assert cache.sequence_bytes(8192) == 8192 * 196_608
    assert cache.sequence_bytes(8193) - cache.sequence_bytes(8192) == 49_152


def test_deepseek_v4_keeps_key_and_value_in_one_row() -> None:
    """Measured with no token waiting, and keys and values counted apart: 11,399,512 bytes beside the growing part."""
    window, *_ = geometry("deepseek-ai/DeepSeek-V4-Flash").rows
    overlap = 21 * 2 * 4 * (512 + 128) * 2
    assert 2 * window.elements * 127 * 2 + overlap == pytest.approx(11_399_512, rel=2e-4)
    waiting = 21 * 2 * 2 * 3 * (512 + 128) * 2 + 20 * 2 * 127 * 512 * 2
    cache = cache_of(geometry("deepseek-ai/DeepSeek-V4-Flash"))
    assert cache.fixed_bytes() == window.elements * 128 * 2 + overlap + waiting


def test_mistral_small_holds_as_many_tokens_as_vllm_reports() -> None:
    """llm-d-planner docs/empirical-vllm-memory-results.md: 28.20 GiB are 184,832 tokens."""
    cache = cache_of(geometry("mistralai/Mistral-Small-3.2-24B-Instruct-2506"))
    assert cache.growing_bytes_per_token * 184_832 / 2**30 == pytest.approx(28.20, abs=0.01)


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


def test_an_indexer_and_a_compressed_row_lie_on_every_card() -> None:
    for name in ("MiniMaxAI/MiniMax-M3", "deepseek-ai/DeepSeek-V4-Flash"):
        cache = cache_of(geometry(name))
        kept = cache.card_bytes(1280, tensor_parallel=4)
        heads = sum(rows.elements for rows in cache.rows if rows.kind == "heads") * 1280 * 2
        assert kept == cache.card_bytes(1280) - heads * 3 / 4


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


def test_attention_of_no_known_kind_has_bounds() -> None:
    cache = cache_of(geometry_of(tiny(attention="unknown")))
    assert cache.least is not None
    assert (cache.least.sequence_bytes(1000), cache.sequence_bytes(1000)) == (0, 1000 * 4 * 2 * 16 * 2)
    assert "at most every layer" in str(cache.why_bounds)


def test_without_the_shape_not_even_bounds_are_known() -> None:
    cache = kv_cache(geometry_of(tiny(attention="unknown", num_hidden_layers=None)))
    assert isinstance(cache, Unknown)
    assert cache.unknown == "num_hidden_layers of test/tiny is not known"


WINDOWS = [EXACT, *(overhead.window for overhead in overheads().values())]
windows = st.sampled_from(WINDOWS)
tokens = st.integers(0, 200_000)
FORMATS = ("bf16", "fp8", "int4")


@given(
    shape=geometries, context=tokens, more=st.integers(0, 10_000), cards=st.sampled_from([1, 2, 4, 8]), window=windows
)
def test_a_longer_sequence_never_takes_less(
    shape: Geometry, context: int, more: int, cards: int, window: Window
) -> None:
    cache = cache_of(shape)
    assert cache.sequence_bytes(context) <= cache.sequence_bytes(context + more)
    shorter, longer = (
        cache.card_bytes(tokens, tensor_parallel=cards, window=window, batch_tokens=2048)
        for tokens in (context, context + more)
    )
    assert shorter <= longer


@given(shape=geometries, context=tokens, cards=st.integers(1, 16), window=windows)
def test_dividing_never_saves_over_all_cards(shape: Geometry, context: int, cards: int, window: Window) -> None:
    cache = cache_of(shape)
    if window.states_in_pages and cache.states:
        window = window.model_copy(update={"states_in_pages": False})  # whole pages round differently
    whole = cache.card_bytes(context, window=window)
    divided = cache.card_bytes(context, tensor_parallel=cards, window=window) * cards
    assert divided >= whole or math.isclose(divided, whole)


@given(shape=geometries, context=tokens, window=windows)
def test_smaller_elements_never_take_more(shape: Geometry, context: int, window: Window) -> None:
    kept = [cache_of(shape, name).card_bytes(context, window=window) for name in FORMATS]
    assert kept == sorted(kept, reverse=True)
    assert [cache_of(shape, name).sequence_bytes(context) for name in FORMATS] == sorted(
        (cache_of(shape, name).sequence_bytes(context) for name in FORMATS), reverse=True
    )


@given(shape=geometries, context=tokens, batch=st.sampled_from([512, 8192]))
def test_a_window_never_takes_more_than_full_layers(shape: Geometry, context: int, batch: int) -> None:
    for window in WINDOWS:
        bounded = cache_of(shape).card_bytes(context, window=window, batch_tokens=batch)
        full = cache_of(shape).card_bytes(context, window=window.unbounded(), batch_tokens=batch)
        spare = sum(
            rows.elements * 2 * (window.spare_blocks + 1) * window.block_tokens
            for rows in cache_of(shape).rows
            if rows.window
        )
        assert bounded <= full + spare


@given(shape=geometries.map(lambda shape: replace(shape, why_bounds="for a test")), context=tokens)
def test_bounds_enclose_each_other(shape: Geometry, context: int) -> None:
    cache = cache_of(shape)
    assert cache.least is not None
    assert cache.least.sequence_bytes(context) <= cache.sequence_bytes(context)
    assert cache.least.card_bytes(context) <= cache.card_bytes(context)
