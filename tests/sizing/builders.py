"""Cards, policies and models that the sizing tests share."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.models import Model, models
from deployadvisor.hardware.machine import Accelerator, Known, Number, Unknown
from deployadvisor.sizing.cards import Cards
from deployadvisor.sizing.geometry import Geometry, geometry_of
from deployadvisor.sizing.memory import Fit, Load, fit
from deployadvisor.sizing.policy import EnginePolicy, engine_policy

VLLM, LMDEPLOY, LLAMA_CPP = (engine_policy(engines()[name]) for name in ("vllm", "lmdeploy", "llama_cpp"))
POLICIES = (VLLM, LMDEPLOY, LLAMA_CPP)

SUPPORTED = [
    model.id
    for model in models().values()
    if model.attention != "unsupported" and model.total_params and model.hidden_size and model.vocab_size
]
geometries = st.sampled_from(SUPPORTED).map(lambda name: geometry_of(models()[name]))
policies = st.sampled_from(POLICIES)


def geometry(name: str) -> Geometry:
    return geometry_of(models()[name])


def gib(value: float | None) -> Number:
    return Unknown(unknown="not read") if value is None else Known[float](value=value, source="test")


def cards(
    total_gib: float | None,
    count: int = 1,
    free_gib: float | None = None,
    *,
    card_id: str = "card",
    vendor: str = "nvidia",
) -> Cards:
    free = total_gib if free_gib is None else free_gib
    return Cards(card_id, card_id, vendor, count, gib(total_gib), gib(free), "9.0", tuple(range(count)))


def accelerator(**changes: Any) -> Accelerator:
    unread = Unknown(unknown="not read")
    fields: dict[str, Any] = {
        "index": 0,
        "vendor": "nvidia",
        "name": "NVIDIA H100 80GB HBM3",
        "id": "h100-sxm",
        "memory_total_gib": gib(79.65),
        "memory_free_gib": gib(79.0),
        "compute_capability": unread,
        "driver_version": unread,
        "runtime_version": unread,
    }
    return Accelerator(**(fields | changes))


def placed(name: str, policy: EnginePolicy, on: Cards, load: Load, **how: Any) -> Fit:
    result = fit(geometry(name), policy, on, load, **how)
    assert isinstance(result, Fit)
    return result


def tiny(**changes: Any) -> Model:
    """A Llama of four layers; ``changes`` make it another model."""
    fields: dict[str, Any] = {
        "id": "test/tiny",
        "family": "test",
        "architecture": "LlamaForCausalLM",
        "model_type": "llama",
        "attention": "gqa",
        "num_hidden_layers": 4,
        "hidden_size": 64,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "intermediate_size": 128,
        "vocab_size": 1000,
        "total_params": 1_000_000,
        "params_source": "made up",
        "source": ("test",),
        "checked_on": "2026-11-22",
    }
    return Model.model_validate(fields | changes)
