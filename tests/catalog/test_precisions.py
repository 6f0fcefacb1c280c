"""Number formats: bits, names, and the order in which they are tried."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from deployadvisor.catalog.precisions import (
    Precision,
    find_precision,
    kv_element_bytes,
    precision_order,
    precisions,
)
from deployadvisor.errors import CatalogError


def test_integer_groups_carry_a_scale_and_a_zero() -> None:
    """4 bits, and 16 + 4 bits for each group of 128, 64 or 32 weights (the last two: AutoGPTQ, one 16-bit scale)."""
    assert precisions()["int4"].bits_per_weight == 4 + (16 + 4) / 128
    assert precisions()["int4_g64"].bits_per_weight == 4 + (16 + 4) / 64
    assert precisions()["int4_g32"].bits_per_weight == 4 + (16 + 4) / 32
    assert precisions()["int4_experts"].bits_per_weight == 4 + 16 / 32


def test_bitsandbytes_carries_a_maximum_a_block() -> None:
    """One fp32 for 64 weights; with double quantisation one byte for 64 and one fp32 for 256 blocks."""
    assert precisions()["bnb_nf4"].bits_per_weight == 4 + 32 / 64
    assert precisions()["bnb_nf4_double"].bits_per_weight == 4 + 8 / 64 + 32 / (64 * 256)


def test_block_formats_carry_one_scale_a_block() -> None:
    assert precisions()["mxfp4"].bits_per_weight == 4 + 8 / 32
    assert precisions()["nvfp4"].bits_per_weight == 4 + 8 / 16
    assert precisions()["mxfp8"].bits_per_weight == 8 + 8 / 32
    assert precisions()["fp8_block"].bits_per_weight == 8 + 32 / 128**2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("awq", "int4"),
        ("GPTQ", "int4"),
        ("w4a16", "int4"),
        ("int4-g128", "int4"),
        ("w8a8", "int8"),
        ("fp8 block", "fp8_block"),
        ("nf4", "bnb_nf4"),
        ("bfloat16", "bf16"),
        ("q4km", "q4_k_m"),
    ],
)
def test_words_of_other_tools_are_understood(text: str, expected: str) -> None:
    assert find_precision(text).id == expected


@pytest.mark.parametrize("text", ["q4_k_m", "Q4_K_M", "q4 k m", "Q4-K-M"])
def test_spelling_does_not_count(text: str) -> None:
    assert find_precision(text).id == "q4_k_m"


def test_a_wrong_name_gets_the_nearest() -> None:
    with pytest.raises(CatalogError, match='"q4_k_x" is not a precision in the catalogue; did you mean'):
        find_precision("q4_k_x")


def test_the_order_starts_with_the_checkpoint_and_never_rises() -> None:
    orders = (precision_order("safetensors"), precision_order("gguf"))
    for first, *others in orders:
        bits = [precisions()[name].bits_per_weight for name in others]
        assert first == "native"
        assert bits == sorted(bits, reverse=True)


@pytest.mark.parametrize(
    ("dtype", "size"), [("auto", 2), ("BF16", 2), ("fp8", 1), ("int8", 1), ("int4", 0.5), ("q8_0", 1.0625)]
)
def test_cache_elements(dtype: str, size: float) -> None:
    assert kv_element_bytes(dtype) == size


def test_a_gguf_mix_without_a_fallback_is_refused() -> None:
    fields = precisions()["q4_k_m"].model_dump() | {"unaligned_bits": None}
    with pytest.raises(ValidationError, match="unaligned_bits"):
        Precision.model_validate(fields)
