"""How the chosen engine or provider is to be run: cards, precision, context, arguments, endpoint, what to rent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from deployadvisor.catalog.engines import Option, PlanField
from deployadvisor.catalog.models import Role
from deployadvisor.catalog.providers import Provider, providers
from deployadvisor.compatibility import Assessment, dtype
from deployadvisor.economics import hosted, rented
from deployadvisor.hardware.spec import machine_from_phrase
from deployadvisor.recommendation import Cost, Estimate, MemoryEstimate, MemoryTerm, Plan, Price
from deployadvisor.verdict import Bench, RoleChoice, Verdict, is_folder

ROUTE_ROLES: dict[str, Role] = {
    "private_engine": "serve",
    "tune_then_serve": "serve",
    "acquire_gpu": "serve",
    "local_runner": "desktop",
    "cpu_small": "cpu",
    "lab": "lab",
}
HOSTED_ROUTES = ("hosted_api", "managed_api")
_OFFERS_SHOWN = 3
_LORA_RANK = 16


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with its numbers and the engine decision it rests on."""

    plan: Plan
    engine: str | None = None
    provider: str | None = None
    role: RoleChoice | None = None
    estimate: Estimate = field(default_factory=Estimate)
    cost: Cost = field(default_factory=Cost)


def make_plan(verdict: Verdict, bench: Bench, *, strict: bool = False) -> Planned:
    """The plan of the winning route; an empty one when nothing won."""
    route = verdict.route.winner
    empty = Plan(hardware=verdict.machine.description, model=verdict.profile.model)
    if route in HOSTED_ROUTES:
        return _hosted(verdict, empty)
    if route == "acquire_gpu":
        return _acquired(verdict, bench, empty, strict=strict)
    if route in ROUTE_ROLES:
        return _own(verdict, verdict.roles[ROUTE_ROLES[route]], empty)
    return Planned(empty)


# Hosted


def _hosted(verdict: Verdict, empty: Plan) -> Planned:
    winner = verdict.provider.winner
    if winner is None:
        return Planned(empty)
    provider = providers()[winner]
    second = _second_provider(verdict)
    plan = empty.model_copy(
        update={
            "endpoint": _endpoint(provider, verdict),
            "hosted_model": provider.default_model,
            "fallback_provider": second,
            "max_model_len": None,
        }
    )
    return Planned(plan, provider=winner, cost=_hosted_cost(provider, verdict))


def _second_provider(verdict: Verdict) -> str | None:
    """Another provider behind the same gateway, where the service must outlive one."""
    dependence = verdict.situation.known.get("vendor_dependence")
    if dependence is None or dependence.value == "accepted":
        return None
    return next((standing.candidate.id for standing in verdict.provider.runners_up), None)


def _endpoint(provider: Provider, verdict: Verdict) -> str:
    fact = verdict.situation.known.get("data_region")
    by_region = {str(region): endpoint.base_url for region, endpoint in provider.endpoints.items()}
    fallback = by_region.get("global", next(iter(by_region.values())))
    return by_region.get(str(fact.value), fallback) if fact else fallback


def _hosted_cost(provider: Provider, verdict: Verdict) -> Cost:
    model = hosted.priced_model(provider)
    numbers = [verdict.situation.number(name) for name in ("requests_per_day", "input_tokens", "output_tokens")]
    if model is None or None in numbers:
        return Cost()
    priced = hosted.monthly_price(model, *(number or 0 for number in numbers))
    if priced is None:
        return Cost()
    price, currency = priced
    return Cost(hosted=price, currency=currency, as_of=price.as_of)


# Own machines


def _own(verdict: Verdict, choice: RoleChoice, empty: Plan) -> Planned:
    chosen = choice.chosen
    if chosen is None:
        return Planned(empty, role=choice)
    plan = empty.model_copy(update=dict(_machine_fields(chosen, verdict)))
    return Planned(plan, engine=chosen.engine.id, role=choice, estimate=Estimate(memory=_memory(chosen)))


def _machine_fields(chosen: Assessment, verdict: Verdict) -> Iterator[tuple[str, object]]:
    fit, cards = chosen.fit, chosen.cards
    named = verdict.profile.model
    yield "model", named if named and is_folder(named) else chosen.model.id
    earlier = chosen.engine.earlier_for(chosen.model.architecture)
    yield "engine_version", earlier.version if earlier else chosen.engine.version
    yield "backend", chosen.backend
    yield "trust_remote_code", chosen.model.trust_remote_code
    yield "dtype", dtype(chosen.engine, chosen.model, cards)
    if fit is None or cards is None:
        return
    yield "gpus", 0 if cards.vendor == "cpu" else fit.cards
    yield "gpu", cards.id
    yield "tensor_parallel", fit.tensor_parallel
    yield "precision", fit.load.precision
    yield "kv_dtype", fit.load.kv_dtype
    yield "max_model_len", fit.load.context_tokens
    concurrency = _concurrency(chosen, verdict)
    yield "max_concurrency", concurrency
    values = _values(chosen, verdict, concurrency)
    yield "flags", tuple(_arguments(chosen.engine.flags, values))
    yield "environment", dict(_environment(chosen.engine.environment, values))


def _concurrency(chosen: Assessment, verdict: Verdict) -> int:
    """Requests in flight the engine is set up for: the peak, within what the memory holds."""
    peak = int(verdict.situation.number("peak_concurrency") or 1)
    fit = chosen.fit
    if fit is None:
        return peak
    average = sum(verdict.situation.number(name) or 0 for name in ("input_tokens", "output_tokens"))
    share = max(1.0, fit.load.context_tokens / average) if average else 1.0
    return max(1, min(peak, math.floor(fit.max_concurrency * share)))


def _values(chosen: Assessment, verdict: Verdict, concurrency: int) -> dict[PlanField, object]:
    """Plan fields in our words; the engine's catalogue entry spells them as arguments or variables."""
    engine, fit = chosen.engine, chosen.fit
    assert fit is not None  # noqa: S101 - called with a memory plan only
    context = fit.load.context_tokens
    slots = engine.max_concurrency.batching == "slots"
    values: dict[PlanField, object] = {
        "backend": chosen.backend,
        "tensor_parallel": fit.tensor_parallel if fit.tensor_parallel > 1 else None,
        "max_model_len": context,
        "context": context * concurrency if slots else context,
        "max_concurrency": concurrency,
        "parallel_slots": concurrency if slots else None,
        "memory_share": None if fit.memory_share is None else f"{fit.memory_share:.2f}",
        "dtype": dtype(engine, chosen.model, chosen.cards),
        "quantization": chosen.online_option,
        "trust_remote_code": chosen.model.trust_remote_code or None,
        "enable_prefix_caching": True,
        "metrics": True,
        "continuous_batching": True,
        "gpu_layers": "all" if chosen.cards and chosen.cards.vendor != "cpu" else 0,
    }
    if verdict.route.winner == "tune_then_serve":
        values |= {"lora_enable": True, "lora_rank": _LORA_RANK if engine.lora.ranks else None}
    return {name: value for name, value in values.items() if value is not None}


def _arguments(options: Mapping[PlanField, Option], values: Mapping[PlanField, object]) -> Iterator[str]:
    """Command-line words in the catalogue's order."""
    for name, option in options.items():
        if name in values and option.kind != "positional":
            yield from option.arguments(values[name])


def _environment(
    options: Mapping[PlanField, Option], values: Mapping[PlanField, object]
) -> Iterator[tuple[str, str]]:
    for name, option in options.items():
        if name in values and option.names:
            variable, value = option.arguments(values[name])[:2]
            yield variable, value


def _memory(chosen: Assessment) -> MemoryEstimate | None:
    fit = chosen.fit
    if fit is None:
        return None
    return MemoryEstimate(
        fits=fit.fits,
        text=fit.reason,
        cards=fit.cards,
        available_gib=round(fit.available_gib, 2),
        terms=tuple(MemoryTerm(name=term.name, gib=round(term.gib, 3), basis=term.basis) for term in fit.terms),
        weights_gib=round(fit.weights_gib, 3),
        kv_gib=round(fit.kv_gib, 3),
        max_concurrency=fit.max_concurrency,
        kv_bytes_per_token=fit.kv_bytes_per_token,
        kv_fixed_bytes=fit.kv_fixed_bytes,
    )


# Cards that are not there yet


def _serves_privately(verdict: Verdict) -> bool:
    """Whether the rules would let this machine serve, after tuning where the task needs it."""
    return any(not verdict.route.standings[name].objections for name in ("private_engine", "tune_then_serve"))


def _acquired(verdict: Verdict, bench: Bench, empty: Plan, *, strict: bool) -> Planned:
    """The cheapest kind of instance in the catalogue on which the service would run."""
    for gpu, count, offers in rented.by_price():
        machine = machine_from_phrase(f"{count}x {gpu}")
        there = Bench(bench.rulebook, machine).verdict(verdict.profile, strict=strict)
        serve = there.roles["serve"]
        if serve.decision.status != "decided" or not _serves_privately(there):
            continue
        shown = tuple(rented.offer(rental) for rental in offers[:_OFFERS_SHOWN])
        planned = _own(there, serve, empty)
        plan = planned.plan.model_copy(update={"rent": shown, "hardware": machine.description})
        price: Price = rented.monthly_price(shown[0], verdict.situation.number("tokens_per_day"))
        cost = Cost(rented=price, as_of=price.as_of)
        return Planned(plan, planned.engine, None, serve, planned.estimate, cost)
    return Planned(empty, role=verdict.roles["serve"])
