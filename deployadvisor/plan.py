"""How the chosen engine or provider is to be run: cards, precision, context, arguments, endpoint, what to rent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache

from deployadvisor.catalog.engines import Engine, Option, PlanField, engines
from deployadvisor.catalog.models import Role
from deployadvisor.catalog.parsers import parsers_for
from deployadvisor.catalog.precisions import precision_order, precisions
from deployadvisor.catalog.providers import Endpoint, Provider, providers
from deployadvisor.catalog.workload import planning
from deployadvisor.compatibility import Assessment, dtype
from deployadvisor.economics import hosted, rented
from deployadvisor.figures import Cost, Estimate, MemoryEstimate, MemoryTerm, Plan, RentalOffer
from deployadvisor.hardware.spec import machine_from_phrase
from deployadvisor.profile import Profile
from deployadvisor.sizing.parallel import Layout, nodes_of
from deployadvisor.sizing.policy import engine_policy
from deployadvisor.sizing.terms import Term
from deployadvisor.verdict import Bench, RoleChoice, Verdict, tuning_cards

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


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with its numbers and the engine decision it rests on."""

    plan: Plan
    engine: str | None = None
    provider: str | None = None
    role: RoleChoice | None = None
    estimate: Estimate = field(default_factory=Estimate)
    cost: Cost = field(default_factory=Cost)
    nothing_to_rent: bool = False
    """No machine in the catalogue would hold the model; the route has to be decided again."""


@cache
def routes_of() -> dict[str, tuple[str, ...]]:
    """Routes on which each engine and each provider would be used."""
    by_role = {
        name: tuple(route for route, role in ROUTE_ROLES.items() if role in engine.roles)
        for name, engine in engines().items()
    }
    return {**by_role, **dict.fromkeys(providers(), HOSTED_ROUTES)}


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
    winner = verdict.provider.leading
    if winner is None:
        return Planned(empty)
    provider = providers()[winner]
    endpoint, second = _endpoint(provider, verdict), _second_provider(verdict)
    plan = empty.model_copy(
        update={
            "endpoint": endpoint.base_url,
            "model": verdict.profile.model or provider.default_model,
            "hosted_model": provider.default_model,
            "fallback_provider": second,
        }
    )
    return Planned(plan, provider=winner, cost=_hosted_cost(provider, endpoint, verdict))


def _second_provider(verdict: Verdict) -> str | None:
    """Another provider behind the same gateway, where the service must outlive one."""
    dependence = verdict.situation.known.get("vendor_dependence")
    if dependence is None or dependence.value == "accepted":
        return None
    return next((standing.candidate.id for standing in verdict.provider.runners_up), None)


def _endpoint(provider: Provider, verdict: Verdict) -> Endpoint:
    fact = verdict.situation.known.get("data_region")
    by_region = {str(region): endpoint for region, endpoint in provider.endpoints.items()}
    fallback = by_region.get("global", next(iter(by_region.values())))
    return by_region.get(str(fact.value), fallback) if fact else fallback


def _hosted_cost(provider: Provider, endpoint: Endpoint, verdict: Verdict) -> Cost:
    model = hosted.priced_model(provider)
    numbers = [verdict.situation.number(name) for name in ("requests_per_day", "input_tokens", "output_tokens")]
    if model is None or None in numbers:
        return Cost()
    requests, prompt, answer = (number or 0.0 for number in numbers)
    priced = hosted.monthly_price(model, endpoint.price_factor or 1.0, requests, prompt, answer)
    if priced is None:
        return Cost()
    price, currency = priced
    return Cost(hosted=price, currency=currency, as_of=price.as_of)


# Own machines


def _own(verdict: Verdict, choice: RoleChoice, empty: Plan) -> Planned:
    chosen = choice.chosen
    if chosen is None and choice.role == "lab":
        return _tuned_only(verdict, choice, empty)
    if chosen is None:
        return Planned(empty, role=choice)
    plan = empty.model_copy(update=dict(_machine_fields(chosen, verdict)))
    return Planned(plan, engine=chosen.engine.id, role=choice, estimate=Estimate(memory=_memory(chosen)))


def _tuned_only(verdict: Verdict, choice: RoleChoice, empty: Plan) -> Planned:
    """The bench on cards that hold the tuning with quantised weights, but not the model in its own format."""
    bench = next(iter(choice.assessments.values()))
    used = tuning_cards(choice.model, verdict.site)
    fields = {**dict(_machine_fields(bench, verdict)), "gpus": used.count if used else 0}
    fields["cards"] = used.numbers(used.count) if used else ()
    note = verdict.situation.known["can_tune"].source
    plan = empty.model_copy(update=fields)
    return Planned(plan, engine=bench.engine.id, role=choice, estimate=Estimate(notes=(note,)))


def _machine_fields(chosen: Assessment, verdict: Verdict) -> Iterator[tuple[str, object]]:
    cards = chosen.cards
    named = verdict.profile.model
    setup = _setup(chosen)
    earlier = chosen.engine.earlier_for(chosen.model.architecture)
    forced = dtype(chosen.engine, chosen.model, cards)
    yield "model", named if named and _holds_the_weights(named, chosen) else chosen.model.id
    yield "engine_version", earlier.version if earlier else chosen.engine.version
    yield "backend", chosen.backend
    yield "trust_remote_code", chosen.model.trust_remote_code
    yield "dtype", forced
    yield "precision", "fp16" if forced else setup.precision
    yield "max_model_len", setup.context_tokens
    yield "max_concurrency", setup.concurrency
    if cards is not None and cards.vendor != "cpu":
        taken = chosen.fit.cards if chosen.fit else cards.count
        nodes = nodes_of(cards, chosen.fit.layout) if chosen.fit else 1
        yield "gpu", cards.id
        yield "gpus", taken
        yield "nodes", nodes
        yield "cards", cards.numbers(taken // nodes)
    if chosen.fit is not None:
        yield "tensor_parallel", chosen.fit.layout.tensor
        yield "pipeline_parallel", chosen.fit.layout.pipeline
        yield "kv_dtype", chosen.fit.load.kv_dtype
    values = _values(chosen, setup, tuned=verdict.route.winner == "tune_then_serve")
    yield "flags", tuple(_arguments(chosen.engine.flags, values))
    yield "environment", dict(_environment(chosen.engine.environment, values))


def _holds_the_weights(named: str, chosen: Assessment) -> bool:
    """Whether the engine gets what was named as it is: a folder, a file, or the GGUF repository it reads."""
    gguf = chosen.model.gguf
    reads_gguf = engine_policy(chosen.engine).overhead.files == "gguf"
    return chosen.model.on_disk or (reads_gguf and gguf is not None and gguf.repo == named)


@dataclass(frozen=True, slots=True)
class _Setup:
    """What the engine is told: from the memory plan, or as asked for where memory is not known."""

    precision: str
    context_tokens: int
    concurrency: int


def _setup(chosen: Assessment) -> _Setup:
    fit, demand = chosen.fit, chosen.demand
    if fit is None:
        order = precision_order(engine_policy(chosen.engine).overhead.files)
        wanted = next((name for name in order if name != "native"), chosen.model.native_format)
        remade = chosen.model.files != "gguf" and precisions()[wanted].kind == "gguf"
        precision = wanted if remade else chosen.model.native_format
        limit = chosen.model.max_position_embeddings or demand.context_tokens
        return _Setup(precision, min(demand.context_tokens, limit), demand.peak_concurrency)
    context = fit.load.context_tokens
    share = max(1.0, context / demand.average_tokens)
    holds = math.floor(fit.max_concurrency * share)
    return _Setup(fit.load.precision, context, max(1, min(demand.peak_concurrency, holds)))


def _values(chosen: Assessment, setup: _Setup, *, tuned: bool) -> dict[PlanField, object]:
    """Plan fields in our words; the engine's catalogue entry spells them as arguments or variables."""
    engine, fit = chosen.engine, chosen.fit
    layout = fit.layout if fit else Layout()
    slots = engine.max_concurrency.batching == "slots"
    values: dict[PlanField, object] = {
        "backend": chosen.backend,
        "tensor_parallel": layout.tensor if layout.tensor > 1 else None,
        "pipeline_parallel": layout.pipeline if layout.pipeline > 1 else None,
        "expert_parallel": layout.expert if layout.expert > 1 else None,
        "max_model_len": setup.context_tokens,
        "context": setup.context_tokens * setup.concurrency if slots else setup.context_tokens,
        "max_concurrency": setup.concurrency,
        "parallel_slots": setup.concurrency if slots else None,
        "memory_share": f"{fit.memory_share:.2f}" if fit and fit.memory_share is not None else None,
        "dtype": dtype(engine, chosen.model, chosen.cards),
        "quantization": chosen.online_option,
        "trust_remote_code": chosen.model.trust_remote_code or None,
        "enable_prefix_caching": True,
        "metrics": True,
        "continuous_batching": True,
        "gpu_layers": "all" if chosen.cards and chosen.cards.vendor != "cpu" else 0,
    }
    if tuned:
        values |= {"lora_enable": True, "lora_rank": _lora_rank(engine), "lora_targets": "all"}
    if engine.earlier_for(chosen.model.architecture) is None:
        values |= _parsers(engine.id, chosen.model.id)
    return {name: value for name, value in values.items() if value is not None}


def _lora_rank(engine: Engine) -> int:
    """The rank that adapters are planned with, or the next that the engine takes."""
    wanted = int(planning("lora_rank"))
    return min((rank for rank in engine.lora.ranks or () if rank >= wanted), default=wanted)


def _parsers(engine_id: str, model_id: str) -> dict[PlanField, object]:
    """What lets clients send tools and read reasoning apart from the answer, where it is known for the model."""
    found = parsers_for(engine_id, model_id)
    return {
        "tool_choice": True if found.tool_calls else None,
        "tool_parser": found.tool_calls,
        "reasoning_parser": found.reasoning,
    }


def _arguments(options: Mapping[PlanField, Option], values: Mapping[PlanField, object]) -> Iterator[str]:
    """Command-line words in the catalogue's order; an engine may have one flag for two of our fields."""
    written: set[tuple[str, ...]] = set()
    for name, option in options.items():
        if name in values and option.kind != "positional" and option.flags not in written:
            written.add(option.flags)
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
        reserved_gib=round(fit.reserved_gib, 2),
        held_back=_terms(fit.held_back),
        terms=_terms(fit.terms),
        weights_gib=round(fit.weights_gib, 3),
        kv_gib=round(fit.kv_gib, 3),
        max_concurrency=fit.max_concurrency,
        kv_bytes_per_token=fit.kv_bytes_per_token,
        kv_fixed_bytes=fit.kv_fixed_bytes,
    )


def _terms(terms: tuple[Term, ...]) -> tuple[MemoryTerm, ...]:
    return tuple(
        MemoryTerm(name=term.name, gib=round(term.gib, 3), basis=term.basis, sure=term.sure) for term in terms
    )


# Cards that are not there yet


def _acquired(verdict: Verdict, bench: Bench, empty: Plan, *, strict: bool) -> Planned:
    """The cheapest kind of instance in the catalogue on which the rules would let the service run."""
    project = _on_a_server(verdict.profile)
    for gpu, count, offers in rented.by_price():
        there = Bench(bench.rulebook, machine_from_phrase(f"{count}x {gpu}"))
        if there.serves(project) and _serves_privately(found := there.verdict(project, strict=strict)):
            shown = tuple(rented.offer(rental) for rental in offers[:_OFFERS_SHOWN])
            return _with_offers(_own(found, found.roles["serve"], empty), found, shown)
    return Planned(empty, role=verdict.roles["serve"], nothing_to_rent=True)


def _on_a_server(profile: Profile) -> Profile:
    """The same project on a machine that is not the laptop at hand."""
    return profile.model_copy(update={"platform": None}) if profile.platform == "laptop" else profile


def _serves_privately(verdict: Verdict) -> bool:
    """Whether the rules would let this machine serve, after tuning where the task needs it."""
    return any(not verdict.route.standings[name].objections for name in ("private_engine", "tune_then_serve"))


def _with_offers(planned: Planned, verdict: Verdict, shown: tuple[RentalOffer, ...]) -> Planned:
    plan = planned.plan.model_copy(update={"rent": shown, "hardware": verdict.machine.description})
    price = rented.monthly_price(shown[0], verdict.situation.number("tokens_per_day"))
    return replace(planned, plan=plan, cost=Cost(rented=price, as_of=price.as_of))
