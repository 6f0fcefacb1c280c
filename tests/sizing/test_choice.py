"""Which number format is taken, why others are not, and how the taken one comes about."""

from __future__ import annotations

import dataclasses

import pytest

from deployadvisor.catalog.engines import Engine, engines
from deployadvisor.hardware.machine import Unknown
from deployadvisor.sizing.cards import Cards
from deployadvisor.sizing.choice import PrecisionChoice, best_precision
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.memory import Load

from .builders import cards, geometry, tiny

LOAD = Load("ignored", 4096)


def engine(name: str) -> Engine:
    return engines()[name]


def choice(model: str, engine_id: str, on: Cards) -> PrecisionChoice:
    chosen = best_precision(geometry(model), engine(engine_id), on, LOAD)
    assert isinstance(chosen, PrecisionChoice)
    return chosen


@pytest.mark.parametrize(
    ("model", "engine_id", "card_gib", "precision", "obtained", "option"),
    [
        ("Qwen/Qwen3-8B", "vllm", 80.0, "bf16", "own", None),
        ("Qwen/Qwen3-14B", "vllm", 24.0, "fp8", "online", "fp8_per_channel"),
        ("Qwen/Qwen3-14B", "sglang", 24.0, "fp8", "online", "fp8"),
        ("deepseek-ai/DeepSeek-V3", "vllm", 900.0, "fp8_block", "own", None),
        ("openai/gpt-oss-20b", "vllm", 24.0, "mxfp4", "own", None),
        ("openai/gpt-oss-20b", "ollama", 24.0, "mxfp4", "own", None),
        ("Qwen/Qwen3-8B", "ollama", 80.0, "q4_k_m", "gguf", None),
        ("Qwen/Qwen3-8B", "llama_cpp", 7.5, "q4_k_s", "gguf", None),
    ],
)
def test_the_least_harmful_that_fits(
    model: str, engine_id: str, card_gib: float, precision: str, obtained: str, option: str | None
) -> None:
    chosen = choice(model, engine_id, cards(card_gib))
    assert chosen.fit is not None
    assert chosen.fit.fits, chosen.fit.reason
    assert (chosen.precision, chosen.obtained, chosen.online_option) == (precision, obtained, option)
    assert chosen.fit.load.precision == precision


@pytest.mark.parametrize(
    ("model", "engine_id", "card_gib", "last", "hint"),
    [
        ("Qwen/Qwen3-14B", "vllm", 16.0, "fp8", "a checkpoint already quantised to int4 would fit"),
        ("Qwen/Qwen3-14B", "lmdeploy", 24.0, "bf16", "a checkpoint already quantised to fp8 would fit"),
        ("deepseek-ai/DeepSeek-V3", "vllm", 600.0, "fp8_block", "a checkpoint already quantised to int4 would fit"),
        ("Qwen/Qwen3-32B", "vllm", 12.0, "fp8", None),
    ],
)
def test_a_checkpoint_nobody_named_is_a_hint_and_never_a_fit(
    model: str, engine_id: str, card_gib: float, last: str, hint: str | None
) -> None:
    chosen = choice(model, engine_id, cards(card_gib))
    assert chosen.fit is not None
    assert (chosen.precision, chosen.fit.fits, chosen.hint) == (last, False, hint)


def test_when_nothing_fits_the_smallest_says_what_is_missing() -> None:
    chosen = choice("Qwen/Qwen3-32B", "llama_cpp", cards(12.0))
    assert chosen.fit is not None
    assert (chosen.precision, chosen.fit.fits) == ("q4_k_s", False)
    assert chosen.passed_over == (("q4_k_m", "needs 18.2 GiB of weights on 9.7 GiB"),)


def test_a_quantised_checkpoint_is_not_quantised_to_the_same_bits() -> None:
    chosen = choice("openai/gpt-oss-120b", "vllm", cards(24.0))
    assert (chosen.precision, chosen.passed_over) == ("mxfp4", ())


def test_an_old_card_refuses_a_format_by_its_compute_capability() -> None:
    old = dataclasses.replace(cards(24.0), compute_capability="7.5")
    chosen = choice("openai/gpt-oss-20b", "vllm", old)
    assert (chosen.precision, chosen.fit) == (None, None)
    assert chosen.passed_over[0] == ("mxfp4", "vLLM loads mxfp4 from compute capability 8.0; card has 7.5")


def test_a_card_without_bf16_serves_a_bf16_checkpoint_as_fp16() -> None:
    old = dataclasses.replace(cards(24.0), compute_capability="7.5")
    assert choice("Qwen/Qwen3-8B", "vllm", old).precision == "bf16"


def test_an_own_format_nobody_knows_is_unknown_never_no() -> None:
    chosen = best_precision(geometry_of(tiny(native_format="hqq")), engine("vllm"), cards(80.0), LOAD)
    assert isinstance(chosen, Unknown)
    assert chosen.unknown == 'whether vLLM loads "hqq" checkpoints is not known'


def test_unknown_stays_unknown() -> None:
    assert isinstance(
        best_precision(geometry_of(tiny(num_hidden_layers=None)), engine("vllm"), cards(80.0), LOAD), Unknown
    )
