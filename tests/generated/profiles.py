"""Projects made from a seed: the same seed gives the same ones, so that a failure can be looked at again.

``profiles`` yields keyword answers for ``recommend``; ``decided`` keeps the decided answers. Each project aims at one
way to run a model, in turn, and draws everything else, so that rare routes, engines and cards come up as often as
common ones. ``ways`` says what an answer stands for, to count what was covered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from pydantic import ValidationError

from deployadvisor import recommend
from deployadvisor.catalog.gpus import gpus
from deployadvisor.catalog.models import models
from deployadvisor.catalog.providers import providers
from deployadvisor.catalog.regulations import regulations
from deployadvisor.changes import Alternatives
from deployadvisor.explanation import Explanation
from deployadvisor.profile import Profile
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.targets import card_vendor, serving_engine

ROOT = Path(__file__).parents[2]
LMDEPLOY_FIRST = str(ROOT / "docs" / "examples" / "overlays" / "lmdeploy-first.yaml")
SGLANG_FIRST = str(Path(__file__).parent / "overlays" / "sglang-first.yaml")

Choices = Mapping[str, Sequence[Any]]
"""Values for each key; a project takes one of them, and leaves the key out where it takes LEFT_OUT."""
LEFT_OUT = object()


def profiles(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """``count`` projects as keyword answers for ``recommend``: profile keys, and hardware, lang and overlay."""
    random = Random(seed)  # noqa: S311 - examples, no secrets
    aims = list(_aims())
    made = 0
    while made < count:
        turn, aim = divmod(made, len(aims))
        answers = _project(random, aims[aim], turn)
        if _holds_together(answers):
            made += 1
            yield {**answers, "name": f"project {seed}-{made}"}


@cache
def decided(count: int, seed: int = 1) -> tuple[Recommendation, ...]:
    """The answers to the first ``count`` projects that get one.

    What would change them is left out: it takes most of the time, and no plan depends on it.
    """
    found: list[Recommendation] = []
    for answers in profiles(50 * count, seed):
        advice = _answer(answers)
        if advice.status == "decided":
            found.append(advice)
        if len(found) == count:
            break
    assert len(found) == count, f"only {len(found)} of {50 * count} projects are decided"
    return tuple(found)


def _answer(answers: Mapping[str, Any]) -> Recommendation:
    with patch.object(Explanation, "changes", lambda _: ()), patch.object(Alternatives, "singles", ()):
        return recommend(**answers)


def ways(advice: Recommendation) -> dict[str, str]:
    """What an answer stands for, by dimension."""
    return {
        "route": advice.route or "none",
        "engine": serving_engine(advice) or "none",
        "provider": advice.provider or "none",
        "vendor": card_vendor(advice),
        "platform": str(advice.profile.get("platform")),
        "lang": advice.lang,
        "customization": str(advice.profile.get("customization")),
        "precision": advice.plan.precision or "none",
        "kv_dtype": advice.plan.kv_dtype or "none",
        "nodes": str(advice.plan.nodes),
    }


def _project(random: Random, aim: Choices, turn: int) -> dict[str, Any]:
    drawn = {key: random.choice(list(values)) for key, values in {**_common(), **aim}.items()}
    if "overlay" in aim:
        drawn["overlay"] = aim["overlay"][turn % len(aim["overlay"])]
    answers = {key: value for key, value in drawn.items() if value is not LEFT_OUT}
    if "peak_concurrency" in answers and "requests_per_day" in answers:
        answers["peak_concurrency"] = max(1, min(answers["peak_concurrency"], answers["requests_per_day"]))
    return answers


def _holds_together(answers: Mapping[str, Any]) -> bool:
    keys = {key: value for key, value in answers.items() if key in Profile.model_fields}
    try:
        Profile.model_validate(keys)
    except ValidationError:
        return False
    return True


def _or_nothing(*values: Any) -> list[Any]:
    """Each value, and as often nothing said."""
    return [*values, *[LEFT_OUT] * len(values)]


@cache
def _common() -> Choices:
    return {
        "lang": ["en", "zh"],
        "platform": ["docker", "kubernetes", "bare_metal", "slurm", LEFT_OUT],
        "model": _or_nothing(*models()),
        "quality": _or_nothing("small", "medium", "large", "frontier"),
        "customization": ["none", "prompting", "retrieval", "adapter", "full_tuning", LEFT_OUT],
        "input_tokens": _or_nothing(1, 200, 1500, 6000, 30_000),
        "output_tokens": _or_nothing(1, 100, 400, 2000, 8000),
        "context_tokens": _or_nothing(2048, 8192, 32_768, 131_072, 1_000_000),
        "traffic": _or_nothing("steady", "business_hours", "bursty"),
        "growth_per_year": _or_nothing(-0.2, 0, 0.5, 3),
        "ttft_ms": _or_nothing(300, 2000),
        "tpot_ms": _or_nothing(20, 80),
        "languages": _or_nothing(["zh"], ["en"], ["en", "zh"], ["de", "fr"]),
        "audience": _or_nothing("internal", "customers", "public"),
        "regulations": [LEFT_OUT] * 20 + [[name] for name in regulations()],
        "data_region": _or_nothing("cn", "eu", "us", "other", "any"),
        "vendor_dependence": _or_nothing("accepted", "limited", "unacceptable"),
        "currency": ["USD", "CNY", "EUR", LEFT_OUT],
        "ops_capacity": ["part_time", "on_call", LEFT_OUT],
    }


def _aims() -> Iterator[Choices]:
    """What each project in turn draws from, where that is not what all draw from."""
    orders = [LEFT_OUT, *map(_provider_first, providers())]
    yield from ({**aim, "overlay": orders} for aim in (_HOSTED, _MANAGED, _PUBLIC))
    yield from (_ACQUIRED, _ANYTHING)
    yield from ({**_PRIVATE, "hardware": _on("nvidia", _SERVER_GB), "overlay": [one]} for one in _ORDERS * 2)
    yield from ({**_PRIVATE, "hardware": _on(vendor)} for vendor in ("nvidia", "amd", "intel", "huawei"))
    yield {**_PRIVATE, "hardware": _CLUSTERS, "model": _LARGE, "platform": ["kubernetes", "slurm", LEFT_OUT]}
    yield from ({**_TUNED, "hardware": _on("nvidia", _SERVER_GB), "overlay": [one]} for one in _ORDERS)
    yield from ({**_DESKTOP, "hardware": hardware} for hardware in (_MACS, _on("nvidia"), _on("amd"), ["none"]))
    yield from (_CPU, {**_LAB, "hardware": _on("nvidia")}, {**_LAB, "hardware": [*_MACS, *_on("amd")]})


def _on(vendor: str, least_gb: float = 0) -> list[str]:
    """Machines with cards of one make: every card of the catalogue, in the counts that machines come with."""
    cards = [card.id for card in gpus().values() if card.vendor == vendor and (card.memory_gb or 0) >= least_gb]
    return [f"{count}x {card}" for card in cards for count in (1, 1, 2, 4, 8)]


@cache
def _provider_first(provider: str) -> str:
    """An overlay that puts a provider before the others, so that all of them come up."""
    path = Path(_folder().name) / f"{provider}-first.yaml"
    text = f"""\
schema: deployadvisor/overlay@1
name: {provider}-first
extends: {{ruleset: provider, version: ">=1.0,<2"}}
preferences:
  - id: our-provider
    add: yes
    prefer: {{{provider}: 15}}
    when: {{data_sensitivity: at least public}}
    because: We have a contract.
    tests:
      - {{given: {{data_sensitivity: public}}, applies: yes}}
"""
    path.write_text(text, encoding="utf-8")
    return str(path)


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory()


_MACS = [f"{card} {memory}" for card in ("M1 Max", "M3 Max", "M4 Pro", "M5 Max") for memory in ("32GB", "64GB")]
_ORDERS: Sequence[Any] = (LEFT_OUT, LMDEPLOY_FIRST, SGLANG_FIRST)
"""The shipped order of the engines, and those that put another first."""
_SERVER_GB = 20
"""Cards from here hold the models that are served most."""
_CLUSTERS = ["2 nodes of 8x H100", "2 nodes of 8x H200", "4 nodes of 8x A100 80GB", "2 nodes of 4x H100"]
_LARGE = [
    "deepseek-ai/DeepSeek-V3",
    "deepseek-ai/DeepSeek-R1",
    "meta-llama/Llama-3.1-405B-Instruct",
    "Qwen/Qwen3-235B-A22B",
]
"""Models that need more than one machine of most kinds."""
_SERVERS = ("8x H200", "2x A100 80GB", "1x H100", "4x L40S", "1x RTX 4090", "none", "cpu 64GB")

_HOSTED: Choices = {
    "purpose": ["production", "prototype"],
    "data_sensitivity": ["public", "internal"],
    "requests_per_day": [10, 300, 2000],
    "peak_concurrency": _or_nothing(1, 8),
    "customization": ["none", "prompting", "retrieval"],
    "vendor_contract": _or_nothing("none", "dpa"),
    "hardware": ["none", "1x L4"],
}
_MANAGED: Choices = {
    **_HOSTED,
    "data_sensitivity": ["confidential", "restricted"],
    "vendor_contract": ["dpa", "baa"],
    "data_region": ["cn", "eu", "us", "other", "any"],
    "ops_capacity": ["nobody", "part_time", LEFT_OUT],
}
_PUBLIC: Choices = {
    **_HOSTED,
    "data_sensitivity": ["public"],
    "regulations": [LEFT_OUT],
    "data_region": ["any", LEFT_OUT],
}
_ACQUIRED: Choices = {
    "purpose": ["production"],
    "data_sensitivity": ["confidential", "restricted"],
    "vendor_contract": ["none"],
    "requests_per_day": [20_000, 300_000],
    "peak_concurrency": [16, 128],
    "can_acquire_gpu": ["rent", "buy"],
    "budget_per_month": _or_nothing(2_000, 50_000),
    "ops_capacity": ["on_call"],
    "hardware": ["none", "cpu 64GB"],
}
_PRIVATE: Choices = {
    "purpose": ["production", "prototype", LEFT_OUT],
    "data_sensitivity": ["confidential", "restricted", "internal"],
    "vendor_contract": ["none"],
    "internet": ["yes", "no", LEFT_OUT, LEFT_OUT],
    "requests_per_day": [2_000, 50_000, 1_000_000],
    "peak_concurrency": _or_nothing(2, 16, 64, 500),
    "audience": _or_nothing("internal", "customers"),
}
_TUNED: Choices = {**_PRIVATE, "customization": ["adapter", "full_tuning"], "quality": ["small", "medium"]}
_DESKTOP: Choices = {
    "purpose": ["personal", "prototype"],
    "data_sensitivity": ["confidential", "internal"],
    "requests_per_day": [20, 100],
    "peak_concurrency": [1],
    "audience": ["internal"],
    "interface": ["api", "web_ui", LEFT_OUT],
    "platform": ["laptop", LEFT_OUT],
    "customization": ["none", "prompting", LEFT_OUT],
    "ops_capacity": ["nobody", LEFT_OUT],
    "quality": _or_nothing("small", "medium"),
}
_CPU: Choices = {
    **_DESKTOP,
    "purpose": ["prototype", "production"],
    "internet": ["no", LEFT_OUT],
    "platform": ["docker", "bare_metal", "kubernetes", "laptop"],
    "hardware": ["cpu 16GB", "cpu 32GB 8 cores", "cpu 256GB 64 cores"],
    "model": [LEFT_OUT, "Qwen/Qwen3-0.6B", "Qwen/Qwen3-4B", "Qwen/Qwen3-8B"],
}
_LAB: Choices = {
    "purpose": ["evaluation"],
    "data_sensitivity": ["public", "internal", "confidential"],
    "customization": ["adapter", "full_tuning", "none", LEFT_OUT],
    "audience": ["internal"],
    "requests_per_day": _or_nothing(20, 200),
}
_ANYTHING: Choices = {
    "purpose": ["personal", "prototype", "evaluation", "production", "unknown", LEFT_OUT],
    "data_sensitivity": ["public", "internal", "confidential", "restricted", LEFT_OUT],
    "vendor_contract": ["none", "dpa", "baa", "unknown", LEFT_OUT],
    "internet": ["yes", "no", LEFT_OUT],
    "requests_per_day": [0, 1, 500, 20_000, 3_000_000],
    "peak_concurrency": _or_nothing(1, 8, 500),
    "ops_capacity": ["nobody", "part_time", "on_call", LEFT_OUT],
    "can_acquire_gpu": ["cannot", "rent", "buy", LEFT_OUT],
    "budget_per_month": _or_nothing(0, 1000, 20_000),
    "platform": ["laptop", "docker", "kubernetes", "bare_metal", "slurm"],
    "hardware": _SERVERS,
}
