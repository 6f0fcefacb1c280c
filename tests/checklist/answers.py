"""Answers to make checklists of: the parts a test does not name are as bare as an answer can be."""

from __future__ import annotations

from typing import Any

from deployadvisor.figures import Estimate, MemoryEstimate, Plan
from deployadvisor.hardware.machine import Accelerator, Host, Known, Machine, Unknown
from deployadvisor.reasoning import FactValue
from deployadvisor.recommendation import Recommendation, RulesetRef

_UNSAID = Unknown(unknown="the test does not say")
HOST = Host(
    os=_UNSAID,
    arch=_UNSAID,
    cpu_model=_UNSAID,
    cores=_UNSAID,
    memory_total_gib=_UNSAID,
    memory_available_gib=_UNSAID,
    container=_UNSAID,
    disk_free_gib=_UNSAID,
)


def answer(
    *,
    answered: dict[str, Any] | None = None,
    assumed: dict[str, Any] | None = None,
    plan: dict[str, Any] | None = None,
    machine: Machine | None = None,
    **fields: Any,
) -> Recommendation:
    """An answer whose profile has ``answered`` and whose rules assumed ``assumed``."""
    facts = {
        name: FactValue(value=value, basis="assumed", source="vocabulary") for name, value in (assumed or {}).items()
    }
    facts |= {
        name: FactValue(value=value, basis="answered", source="profile") for name, value in (answered or {}).items()
    }
    given: dict[str, Any] = {
        "deployadvisor_version": "0",
        "name": "a project",
        "status": "decided",
        "title": "a title",
        "ruleset": RulesetRef(version="1", digest="0"),
        "facts": facts,
        "profile": answered or {},
        "plan": Plan(hardware="none", **(plan or {})),
        "machine": machine or Machine(description="none", host=HOST),
    }
    return Recommendation(**{**given, **fields})


def hosted(**parts: Any) -> Recommendation:
    """A production service on a hosted API under contract."""
    return answer(**{"route": "managed_api", "provider": "openai", **_production(parts)})


def private(**parts: Any) -> Recommendation:
    """A production service on two cards of its own."""
    return answer(**{"route": "private_engine", "engine": "vllm", **_production(parts)})


def _production(parts: dict[str, Any]) -> dict[str, Any]:
    return {**parts, "answered": {"purpose": "production", "platform": "docker", **parts.get("answered", {})}}


def memory(*, fits: bool = True, max_concurrency: int = 24) -> Estimate:
    """An estimate with room for ``max_concurrency`` sequences of full length."""
    return Estimate(
        memory=MemoryEstimate(
            fits=fits,
            text="fits",
            cards=2,
            available_gib=140.0,
            terms=(),
            weights_gib=28.0,
            kv_gib=60.0,
            max_concurrency=max_concurrency,
            kv_bytes_per_token=131_072,
            kv_fixed_bytes=0,
        )
    )


def card(*, driver: str | None = "580.159.04", **fields: Any) -> Accelerator:
    """A card as the probe reads it; without a driver, as a phrase describes it."""
    unread = Unknown(unknown="the phrase does not say")
    given: dict[str, Any] = {
        "index": 0,
        "vendor": "nvidia",
        "name": "NVIDIA H200",
        "id": "h200",
        "memory_total_gib": Known[float](value=140.4, source="NVML"),
        "memory_free_gib": Known[float](value=139.8, source="NVML"),
        "compute_capability": Known[str](value="9.0", source="NVML"),
        "driver_version": Known[str](value=driver, source="NVML") if driver else unread,
        "runtime_version": Known[str](value="13.0", source="NVML") if driver else unread,
    }
    return Accelerator(**{**given, **fields})


def machine(*cards: Accelerator) -> Machine:
    """A machine with these cards."""
    return Machine(description="probe", accelerators=cards, host=HOST)
