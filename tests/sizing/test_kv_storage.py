"""How engines store a cache: blocks, windows with what is being computed, pages that hold states, packed rows."""

from __future__ import annotations

import pytest

from deployadvisor.catalog.overheads import Window, overheads
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.kv_cache import KvCache, kv_cache

from .builders import geometry, tiny

VLLM = overheads()["vllm"].window
LMDEPLOY = overheads()["lmdeploy"].window
LLAMA_CPP = overheads()["llama_cpp"].window
PLAIN_PAGES = VLLM.model_copy(update={"states_in_pages": False})


def cache_of(name: str, kv_dtype: str = "auto") -> KvCache:
    cache = kv_cache(geometry(name), kv_dtype)
    assert isinstance(cache, KvCache)
    return cache


def tiny_cache(**changes: object) -> KvCache:
    cache = kv_cache(geometry_of(tiny(**changes)))
    assert isinstance(cache, KvCache)
    return cache


# vLLM


def test_vllm_keeps_a_window_and_a_batch() -> None:
    """redhat-performance/configiq issue 112: Gemma-4-31B takes 108.2 KiB a token at 262,144 tokens."""
    stored = cache_of("google/gemma-4-31B-it").card_bytes(262_144, window=VLLM, batch_tokens=8192)
    assert stored / 262_144 / 1024 == pytest.approx(108.17, abs=0.01)


@pytest.mark.parametrize(
    ("context", "rows"), [(0, 16), (1, 32), (16, 32), (100, 128), (1000, 1024), (2000, 2016), (99_999, 2048)]
)
def test_vllm_has_a_block_to_spare_beside_a_window(context: int, rows: int) -> None:
    """``(ceil(min(1024 - 1 + 1000, context) / 16) + 1) * 16``."""
    cache = tiny_cache(attention="gqa_swa", sliding_window=1024)
    assert cache.card_bytes(context, window=VLLM, batch_tokens=1000) == rows * 4 * 2 * 16 * 2


@pytest.mark.parametrize(("context", "rows"), [(0, 0), (100, 112), (1500, 1504), (99_999, 1520)])
def test_vllm_keeps_a_chunk_and_a_batch(context: int, rows: int) -> None:
    """``ceil(min(512 + 1000, context) / 16) * 16`` in chunked layers."""
    counts = {"full_attention_layers": 0, "sliding_layers": 4}
    cache = tiny_cache(attention="chunked", attention_chunk_size=512, **counts)
    assert cache.card_bytes(context, window=VLLM, batch_tokens=1000) == rows * 4 * 2 * 16 * 2


@pytest.mark.parametrize(
    ("name", "bytes_per_token"),
    [("google/gemma-4-31B-it", 983_040), ("openai/gpt-oss-120b", 73_728)],
)
def test_vllm_without_its_hybrid_cache_manager_keeps_everything(name: str, bytes_per_token: int) -> None:
    """hf-mem issues 60 and 61: every layer full, and all rows as wide as the widest."""
    assert cache_of(name).card_bytes(160_000, window=VLLM.unbounded(), batch_tokens=8192) == 160_000 * bytes_per_token


@pytest.mark.parametrize(("name", "block"), [("Qwen/Qwen3.8-27B", 784), ("Qwen/Qwen3-Next-80B-A3B-Instruct", 1056)])
def test_a_page_of_vllm_holds_a_state(name: str, block: int) -> None:
    """vLLM lengthens blocks to 784 tokens for Qwen3.8-27B and, with states in 32 bit, 1,056 for Qwen3-Next."""
    cache = cache_of(name)
    (full,) = cache.rows
    (state,) = cache.states
    row = full.heads * full.width * 2
    one_page = cache.card_bytes(1, window=VLLM)
    assert one_page == (full.layers + state.layers) * block * row
    assert cache.card_bytes(block, window=VLLM) == one_page
    assert cache.card_bytes(block + 1, window=VLLM) == one_page + full.layers * block * row


def test_vllm_keeps_one_column_less_of_a_convolution() -> None:
    cache = cache_of("Qwen/Qwen3.8-27B")
    state = 48 * 128 * 128 * 4 + (2 * 16 * 128 + 48 * 128) * 3 * 2
    assert cache.card_bytes(0, window=PLAIN_PAGES) == 48 * state


def test_prefix_caching_holds_two_states() -> None:
    cache = cache_of("Qwen/Qwen3.8-27B")
    twice = PLAIN_PAGES.model_copy(update={"state_pages": 2})
    assert cache.card_bytes(0, window=twice) == 2 * cache.card_bytes(0, window=PLAIN_PAGES)


@pytest.mark.parametrize(
    ("name", "kv_dtype", "bytes_per_layer"),
    [
        ("deepseek-ai/DeepSeek-V3.2", "fp8", 656 + 132),
        ("deepseek-ai/DeepSeek-V3.2", "bf16", 576 * 2 + 132),
        ("deepseek-ai/DeepSeek-V3", "fp8", 576),
    ],
)
def test_vllm_packs_latent_rows_beside_an_indexer(name: str, kv_dtype: str, bytes_per_layer: int) -> None:
    cache = cache_of(name, kv_dtype)
    assert cache.card_bytes(1600, window=VLLM) == 1600 * 61 * bytes_per_layer
    assert cache.card_bytes(1600, window=VLLM, tensor_parallel=8) == cache.card_bytes(1600, window=VLLM)


def test_vllm_packs_the_rows_of_deepseek_v4() -> None:
    """584 bytes a row and 132 an indexer's key."""
    cache = cache_of("deepseek-ai/DeepSeek-V4-Flash", "fp8")
    grown = cache.card_bytes(2_048_000, window=VLLM) - cache.card_bytes(1_024_000, window=VLLM)
    assert grown / 1_024_000 == 21 * (584 + 132) / 4 + 20 * 584 / 128


# llama.cpp


def test_llama_cpp_holds_a_hybrid_exactly() -> None:
    """lmstudio-bug-tracker issue 1862: 262,144 cells are 16,384 MiB and four recurrent states 598.50 MiB."""
    cache = cache_of("Qwen/Qwen3.6-27B", "fp16")
    states = cache.card_bytes(0, window=LLAMA_CPP)
    assert 4 * states / 2**20 == 598.50
    assert (cache.card_bytes(262_144, window=LLAMA_CPP) - states) / 2**20 == 16_384
    slots = 4 * cache.card_bytes(262_144 // 4, window=LLAMA_CPP)
    assert slots / 2**20 == 16_384 + 598.50


@pytest.mark.parametrize(("context", "cells"), [(1, 256), (256, 256), (300, 512), (1536, 1536), (99_999, 1536)])
def test_llama_cpp_pads_a_window_and_a_micro_batch(context: int, cells: int) -> None:
    """``pad(min(context, window + micro-batch), 256)`` of llama-kv-cache-iswa.cpp."""
    cache = tiny_cache(attention="gqa_swa", sliding_window=1024)
    assert cache.card_bytes(context, window=LLAMA_CPP, batch_tokens=512) == cells * 4 * 2 * 16 * 2


# LMDeploy and transformers


def test_lmdeploy_has_no_windows_and_blocks_of_64() -> None:
    cache = tiny_cache(attention="gqa_swa", sliding_window=8)
    assert cache.card_bytes(1000, window=LMDEPLOY) == 1024 * 4 * 2 * 16 * 2


def test_transformers_keeps_the_window_and_no_more() -> None:
    cache = tiny_cache(attention="gqa_swa", sliding_window=8)
    assert cache.card_bytes(1000, window=overheads()["transformers"].window) == cache.sequence_bytes(1000)


def test_a_window_can_be_turned_off() -> None:
    assert Window(bounded=True, spare_blocks=1).unbounded() == Window(bounded=False, spare_blocks=1)
