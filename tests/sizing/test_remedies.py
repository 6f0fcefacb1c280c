"""What would make it fit: each remedy is true, and the least harmful stands first."""

from __future__ import annotations

import pytest

from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.remedies import remedy_entries
from deployadvisor.sizing.cards import Cards
from deployadvisor.sizing.memory import Fit, Load, fit
from deployadvisor.sizing.parallel import ANY
from deployadvisor.sizing.policy import engine_policy
from deployadvisor.sizing.remedies import Failed, Remedy, remedies

from .builders import cards, geometry

OTHERS = tuple(engines()[name] for name in ("lmdeploy", "llama_cpp"))


def failed(model: str, on: Cards, load: Load, engine: str = "vllm") -> Failed:
    found = fit(geometry(model), engine_policy(engines()[engine]), on, load)
    assert isinstance(found, Fit)
    assert not found.fits
    return Failed(geometry(model), engines()[engine], on, found, ANY, OTHERS)


def kinds(found: tuple[Remedy, ...]) -> list[str]:
    return [remedy.kind for remedy in found]


def test_too_many_sequences_can_wait_or_shrink() -> None:
    found = remedies(failed("Qwen/Qwen3-8B", cards(24.0), Load("bf16", 8192, concurrency=6)))
    assert [(remedy.kind, remedy.text) for remedy in found if remedy.kind in ("queue", "kv_dtype", "precision")] == [
        ("queue", "serve 3 sequences at once instead of 6"),
        ("kv_dtype", "keep the KV cache in fp8"),
        ("precision", "take the weights in fp8"),
    ]
    assert next(remedy for remedy in found if remedy.kind == "cards").text.startswith("use 2x card (tensor")


def test_a_long_context_can_be_shortened() -> None:
    found = remedies(failed("Qwen/Qwen3-8B", cards(24.0), Load("bf16", 40_960, concurrency=2)))
    shorter = next(remedy for remedy in found if remedy.kind == "context")
    assert shorter.fit.load.concurrency == 2
    assert shorter.fit.load.context_tokens < 40_960


def test_weights_that_are_too_large_take_another_engine_or_card() -> None:
    found = remedies(failed("Qwen/Qwen3-32B", cards(24.0), Load("bf16", 4096)))
    assert "queue" not in kinds(found)
    assert "context" not in kinds(found)
    assert {"engine", "cards"} <= set(kinds(found))


def test_nothing_helps_a_tiny_card() -> None:
    assert remedies(failed("deepseek-ai/DeepSeek-V3", cards(8.0), Load("fp8_block", 4096))) == ()


@pytest.mark.parametrize("concurrency", [2, 16, 300])
@pytest.mark.parametrize("model", ["Qwen/Qwen3-8B", "openai/gpt-oss-20b", "google/gemma-3-12b-it"])
def test_every_remedy_fits_and_they_stand_in_order(model: str, concurrency: int) -> None:
    own = geometry(model).native_format
    load = Load(own, 32_768, concurrency)
    for gib in (16.0, 24.0, 48.0):
        on = cards(gib)
        placed = fit(geometry(model), engine_policy(engines()["vllm"]), on, load)
        if isinstance(placed, Fit) and not placed.fits:
            found = remedies(failed(model, on, load))
            assert all(remedy.fit.fits for remedy in found)
            order = list(remedy_entries())
            assert kinds(found) == sorted(kinds(found), key=order.index)


def test_every_kind_has_a_source_and_says_what_it_costs() -> None:
    for entry in remedy_entries().values():
        assert entry.harm
        assert entry.source
