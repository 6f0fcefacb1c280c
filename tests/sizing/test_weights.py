"""Bytes of weights against published file sizes and what engines report."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.catalog.precisions import Precision, precisions
from deployadvisor.hardware.machine import Unknown
from deployadvisor.sizing.geometry import Geometry, geometry_of
from deployadvisor.sizing.weights import Weights, weight_bytes

from .builders import geometries, geometry, tiny


def size(name: str, precision: str) -> int:
    weights = weight_bytes(geometry(name), precision)
    assert isinstance(weights, Weights)
    return weights.value


def test_gpt_oss_is_exact() -> None:
    """hf-mem issue 60: 65,248,815,744 bytes, experts in MXFP4, the rest bf16."""
    assert size("openai/gpt-oss-120b", "mxfp4") == 65_248_815_744


@pytest.mark.parametrize(
    ("model", "precision", "expected_gib"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "bf16", 14.96),
        ("meta-llama/Llama-3.1-8B-Instruct", "fp16", 14.96),
        ("Qwen/Qwen3-32B", "bf16", 61.02),
        ("Qwen/Qwen3-0.6B", "bf16", 1.11),
        ("meta-llama/Llama-3.3-70B-Instruct", "fp8", 67.67),
        ("openai/gpt-oss-20b", "mxfp4", 12.82),
        ("meta-llama/Llama-3.1-8B-Instruct", "q4_k_m", 4.58),
    ],
)
def test_published_sizes_in_gib(model: str, precision: str, expected_gib: float) -> None:
    assert size(model, precision) / 2**30 == pytest.approx(expected_gib, abs=0.005)


@pytest.mark.parametrize(
    ("model", "precision", "expected_gb", "tolerance"),
    [
        ("Qwen/Qwen2.5-7B-Instruct", "awq", 5.570, 0.001),
        ("meta-llama/Llama-3.3-70B-Instruct", "int4", 39.77, 0.005),
        ("meta-llama/Llama-3.3-70B-Instruct", "q4_k_m", 43.1, 0.1),
        ("meta-llama/Llama-3.1-405B-Instruct", "q4_k_m", 249.1, 1.0),
        ("moonshotai/Kimi-K2-Thinking", "int4_experts", 594, 1),
    ],
)
def test_published_sizes_in_gb(model: str, precision: str, expected_gb: float, tolerance: float) -> None:
    assert size(model, precision) / 1e9 == pytest.approx(expected_gb, abs=tolerance)


@pytest.mark.parametrize(
    ("precision", "bits"),
    [
        ("q2_k", 3.1593),
        ("q3_k_l", 4.2979),
        ("iq4_xs", 4.4597),
        ("q4_k_s", 4.6672),
        ("q4_k_m", 4.8944),
        ("q5_k_s", 5.5704),
        ("q5_k_m", 5.7036),
        ("q6_k", 6.5633),
        ("q8_0", 8.5008),
    ],
)
def test_gguf_mixes_have_the_measured_mean(precision: str, bits: float) -> None:
    """llama.cpp tools/quantize/README.md, Llama-3.1-8B."""
    model = "meta-llama/Llama-3.1-8B-Instruct"
    assert size(model, precision) * 8 / (geometry(model).total_params or 0) == pytest.approx(bits, abs=1e-6)


def test_a_tied_embedding_makes_a_small_gguf_larger() -> None:
    """A third of Qwen3-0.6B is its embedding, which is stored as q6_k: 5.33 bits a weight instead of 4.89."""
    model = "Qwen/Qwen3-0.6B"
    assert size(model, "q4_k_m") * 8 / (geometry(model).total_params or 0) == pytest.approx(5.33, abs=0.01)


def test_a_width_that_k_quants_cannot_block_falls_back() -> None:
    assert geometry("google/gemma-3-1b-it").hidden == 1152
    assert size("google/gemma-3-1b-it", "q4_k_m") * 8 / 999_885_952 > 6


def test_a_mixture_of_experts_is_stored_whole() -> None:
    assert size("Qwen/Qwen3-30B-A3B", "bf16") == 2 * 30_532_122_624


def test_experts_only_formats_quantise_dense_models_too() -> None:
    assert size("Qwen/Qwen3-32B", "mxfp4") < size("Qwen/Qwen3-32B", "nvfp4")


def test_unknown_parameters_make_unknown_weights() -> None:
    weights = weight_bytes(geometry_of(tiny(total_params=None)), "bf16")
    assert isinstance(weights, Unknown)
    assert "test/tiny" in weights.unknown


def test_an_own_format_that_nobody_knows_is_unknown() -> None:
    weights = weight_bytes(geometry_of(tiny(native_format="squeeze9000")), "squeeze9000")
    assert isinstance(weights, Unknown)
    assert '"squeeze9000" is not known' in weights.unknown


def test_16_bit_weights_need_no_embedding_set_apart() -> None:
    shape = geometry_of(tiny(vocab_size=None, total_params=1_000))
    assert isinstance(weight_bytes(shape, "bf16"), Weights)
    assert isinstance(weight_bytes(shape, "fp8"), Unknown)


def test_what_was_read_is_not_computed_again() -> None:
    stored = {"bytes": 5_000, "sure": "exact", "embeddings": 100, "experts": 20, "vision": 3}
    weights = weight_bytes(geometry_of(tiny(stored=stored)), "bf16")
    assert weights == Weights(5_000, "made up", "exact", 100, 20, 3)


def test_every_size_says_how_sure_it_is() -> None:
    shape = geometry("meta-llama/Llama-3.1-8B-Instruct")
    sure = {name: weight_bytes(shape, name) for name in ("bf16", "awq", "q4_k_m")}
    assert {name: weights.sure for name, weights in sure.items() if isinstance(weights, Weights)} == {
        "bf16": "computed",
        "awq": "computed",
        "q4_k_m": "measured",
    }


LIKE_LLAMA = "mean of 4.89 bits, as llama.cpp's Llama-3.1-8B file"


@pytest.mark.parametrize(
    ("model", "precision", "basis"),
    [
        ("Qwen/Qwen3-8B", "bf16", "8,190,735,360 parameters as bf16 (16 bits)"),
        ("Qwen/Qwen3-8B", "fp8", "8,190,735,360 parameters as fp8 (8 bits), 1,244,958,720 of them in 16"),
        ("meta-llama/Llama-3.1-8B-Instruct", "q4_k_m", f"8,030,261,248 parameters as q4_k_m ({LIKE_LLAMA})"),
        (
            "Qwen/Qwen3-0.6B",
            "q4_k_m",
            f"596,049,920 parameters as q4_k_m ({LIKE_LLAMA}), 155,582,464 of them in 6.5625",
        ),
    ],
)
def test_a_basis_multiplies_out(model: str, precision: str, basis: str) -> None:
    weights = weight_bytes(geometry(model), precision)
    assert isinstance(weights, Weights)
    assert weights.basis == basis


def never_more(one: Precision, other: Precision) -> bool:
    """Whether a format takes no more bits than another wherever the two differ."""
    fields = ("bits_per_weight", "embeddings_bits", "unaligned_bits", "unaligned_embeddings_bits")
    pairs = [(getattr(one, field), getattr(other, field)) for field in fields]
    return one.scope == other.scope and all(few is None or (more is not None and few <= more) for few, more in pairs)


@given(shape=geometries, names=st.lists(st.sampled_from(sorted(precisions())), min_size=2, max_size=2))
def test_fewer_bits_never_take_more_bytes(shape: Geometry, names: list[str]) -> None:
    one, other = (precisions()[name] for name in names)
    small, large = (weight_bytes(shape, name) for name in names)
    assert isinstance(small, Weights)
    assert isinstance(large, Weights)
    if (one.kind == "gguf") == (other.kind == "gguf") and never_more(one, other):
        assert small.value <= large.value


@given(shape=geometries, name=st.sampled_from(sorted(precisions())))
def test_no_size_is_below_the_quantised_floor_and_no_part_above_the_whole(shape: Geometry, name: str) -> None:
    weights = weight_bytes(shape, name)
    assert isinstance(weights, Weights)
    entry = precisions()[name]
    fewest = min(entry.bits_per_weight, entry.unaligned_bits or 16, entry.embeddings_bits)
    assert weights.value * 8 >= (shape.total_params or 0) * fewest
    parts = (weights.embeddings, weights.experts, weights.vision)
    assert min(parts) >= 0
    assert sum(parts) <= weights.value + len(parts)
