"""Bytes of weights against published file sizes and what engines report."""

from __future__ import annotations

import pytest
from hypothesis import given

from deployadvisor.catalog.precisions import precisions
from deployadvisor.hardware.machine import Unknown
from deployadvisor.sizing.geometry import Geometry, geometry_of
from deployadvisor.sizing.weights import Bytes, weight_bytes

from .builders import geometries, geometry, tiny


def size(name: str, precision: str) -> int:
    weights = weight_bytes(geometry(name), precision)
    assert isinstance(weights, Bytes)
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
        ("Qwen/Qwen2.5-7B-Instruct", "int4", 5.570, 0.0005),
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


def test_an_unknown_own_format_is_unknown() -> None:
    weights = weight_bytes(geometry_of(tiny(native_format="bitsandbytes")), "bitsandbytes")
    assert isinstance(weights, Unknown)
    assert weights.unknown.startswith("not supported yet")


@given(shape=geometries)
def test_more_bits_never_take_fewer_bytes(shape: Geometry) -> None:
    """Within one kind of file: formats for experts only leave the rest 16 bit and compare with themselves."""
    for kind in (("native", "weight_only"), ("gguf",)):
        entries = [entry for entry in precisions().values() if entry.kind in kind and entry.scope == "linear"]
        ordered = [
            weight_bytes(shape, entry.id) for entry in sorted(entries, key=lambda entry: entry.bits_per_weight)
        ]
        values = [weights.value for weights in ordered if isinstance(weights, Bytes)]
        assert len(values) == len(entries)
        assert values == sorted(values)
