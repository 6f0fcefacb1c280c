"""Counted parameters against the counts of transformers on the meta device, which the catalogue holds."""

from __future__ import annotations

import pytest

from deployadvisor.catalog.models import Model, models
from deployadvisor.sizing.params import Counts, count_params

from .builders import tiny

COUNTED = {model.id: counts for model in models().values() if (counts := count_params(model.model_dump()))}


@pytest.mark.parametrize("name", COUNTED)
def test_counts_are_exact(name: str) -> None:
    model, counts = models()[name], COUNTED[name]
    assert (counts.total, counts.active) == (model.total_params, model.active_params)
    if model.routed_expert_params is not None:
        assert counts.routed_experts == model.routed_expert_params


def test_many_families_are_covered() -> None:
    families = {models()[name].model_type for name in COUNTED}
    assert families >= {
        "llama",
        "mistral",
        "mixtral",
        "qwen2",
        "qwen3",
        "qwen3_moe",
        "phi3",
        "gemma2",
        "gpt_oss",
        "glm4",
    }


def test_a_small_model_by_hand() -> None:
    """Embeddings twice 64,000; four layers of attention 10,240, feed-forward 24,576 and norms 128; a last norm."""
    assert count_params(tiny().model_dump()) == Counts(267_840, 0, 267_840)


@pytest.mark.parametrize(
    "model",
    [
        tiny(model_type="unheard_of"),
        tiny(shared_experts=1),
        tiny(intermediate_size=None),
        tiny(num_experts=8, experts_per_token=None),
    ],
)
def test_what_has_no_formula_is_not_counted(model: Model) -> None:
    assert count_params(model.model_dump()) is None
