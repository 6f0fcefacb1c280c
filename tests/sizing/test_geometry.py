"""Catalogue models as geometry: which layers cache what, and which parameters are of which kind."""

from __future__ import annotations

from typing import Any

import pytest

from deployadvisor.sizing.cache_layers import KvRows
from deployadvisor.sizing.geometry import geometry_of

from .builders import geometry, tiny


def test_every_layer_of_a_plain_model_caches_keys_and_values() -> None:
    assert geometry_of(tiny()).rows == (KvRows(layers=4, heads=2, width=16),)


def test_a_missing_head_dim_is_the_width_over_the_heads() -> None:
    assert geometry_of(tiny(head_dim=None)).rows[0].width == 16


def test_values_may_be_narrower_than_keys() -> None:
    assert geometry_of(tiny(v_head_dim=4)).rows[0].width == 12


def test_a_window_without_layer_counts_bounds_every_layer() -> None:
    (windowed,) = geometry_of(tiny(attention="gqa_swa", sliding_window=32)).rows
    assert (windowed.layers, windowed.window) == (4, 32)


def test_gemma_4_has_its_own_heads_in_full_attention_layers() -> None:
    full, windowed = geometry("google/gemma-4-31B-it").rows
    assert (full.layers, full.heads, full.width) == (10, 4, 1024)
    assert (windowed.layers, windowed.heads, windowed.width, windowed.window) == (50, 16, 512, 1024)


def test_a_latent_row_has_no_heads_to_divide() -> None:
    assert geometry("deepseek-ai/DeepSeek-V3").rows == (KvRows(layers=61, heads=1, width=576, kind="latent"),)


def test_an_indexer_caches_in_its_own_layers() -> None:
    latent, index = geometry("zai-org/GLM-5.2").rows
    assert (latent.layers, latent.width) == (78, 576)
    assert (index.layers, index.width, index.kind) == (21, 128, "index")


def test_compressed_layers_keep_a_window_and_a_row_for_several_tokens() -> None:
    window, sparse, index, heavy = geometry("deepseek-ai/DeepSeek-V4-Flash").rows
    assert (window.layers, window.width, window.window) == (43, 512, 128)
    assert [(rows.layers, rows.width, rows.tokens_per_row) for rows in (sparse, index, heavy)] == [
        (21, 512, 4),
        (21, 128, 4),
        (20, 512, 128),
    ]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"num_hidden_layers": None}, "num_hidden_layers"),
        ({"num_key_value_heads": None}, "num_key_value_heads"),
        ({"num_key_value_heads": None, "attention": "unknown"}, "num_key_value_heads"),
        ({"attention": "gqa_swa"}, "sliding_window"),
    ],
)
def test_a_missing_field_is_a_reason_not_a_guess(changes: dict[str, Any], field: str) -> None:
    shape = geometry_of(tiny(**changes))
    assert (shape.rows, shape.why_bounds) == ((), None)
    assert shape.cache_unknown == f"{field} of test/tiny is not known"


def test_attention_of_no_known_kind_is_bounded_by_full_rows() -> None:
    shape = geometry_of(tiny(attention="unknown", attention_note="it has waves"))
    assert shape.rows == geometry_of(tiny()).rows
    assert shape.cache_unknown is None
    assert str(shape.why_bounds).startswith("how LlamaForCausalLM caches is not known (it has waves): at most every")


def test_embeddings_count_once_when_tied() -> None:
    assert geometry_of(tiny(tie_word_embeddings=True)).embedding_params == 64_000
    assert geometry_of(tiny(tie_word_embeddings=False)).embedding_params == 128_000


def test_embeddings_in_every_layer_are_counted() -> None:
    assert geometry_of(tiny(embedding_params=500_000)).embedding_params == 500_000


def test_routed_experts_follow_from_total_and_active_parameters() -> None:
    """gpt-oss-120b with and without the count stated; 128 experts of 4 used, biases not quantised."""
    stated = geometry("openai/gpt-oss-120b")
    assert stated.expert_params == 36 * 128 * 3 * 2880 * 2880
    derived = geometry_of(
        tiny(
            total_params=116_829_156_672,
            active_params=5_711_982_912,
            num_experts=128,
            experts_per_token=4,
            num_hidden_layers=36,
            hidden_size=2880,
            moe_intermediate_size=2880,
        )
    )
    assert derived.expert_params == stated.expert_params


def test_the_active_parameters_of_a_mixture_are_not_guessed() -> None:
    assert geometry_of(tiny(num_experts=8, experts_per_token=2)).active_params is None
    assert geometry_of(tiny()).active_params == 1_000_000
