"""Which engine can run which model on which machine, and why not: the attributes that the engine rules compare.

Each gate answers yes, no or open (None), with one sentence a person can act on. No gate prefers anything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType

from deployadvisor import driver_gate
from deployadvisor.catalog.drivers import capability
from deployadvisor.catalog.engines import Engine, engines
from deployadvisor.catalog.gpus import gpus
from deployadvisor.catalog.models import Gguf, Model, Role
from deployadvisor.catalog.precisions import precisions
from deployadvisor.decide.conditions import Facts
from deployadvisor.driver_gate import YES, Answer
from deployadvisor.hardware.machine import Unknown
from deployadvisor.site import Site
from deployadvisor.sizing.cards import Cards
from deployadvisor.sizing.choice import PrecisionChoice, best_precision
from deployadvisor.sizing.geometry import Geometry, geometry_of
from deployadvisor.sizing.memory import Fit, Load
from deployadvisor.sizing.parallel import Wanted
from deployadvisor.sizing.policy import engine_policy

_RUNTIMES = {"amd": "rocm", "intel": "xpu", "huawei": "ascend"}
"""Software stack that a maker's cards need; engines that serve come as an image for each."""
_KEPT = {(gate, "no") for gate in ("its_platform", "its_gpu", "its_driver", "its_model", "its_fit")}
"""What keeps an engine from a model and a machine, whoever uses it."""
_ONE_COPY = Wanted(data=1)
_SYSTEMS_OF_CARDS = {"linux", "windows"}
"""Where a card of its own can be; Apple's chips say that they run macOS."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What the engine must carry."""

    context_tokens: int
    """Longest prompt plus answer."""
    average_tokens: float
    """Prompt plus answer of an average request."""
    peak_concurrency: int
    """Requests in flight at the peak."""

    def full_sequences(self, context_tokens: int) -> int:
        """Sequences of full length that hold as many tokens as the peak's average requests; at least one."""
        return max(1, math.ceil(self.peak_concurrency * min(self.average_tokens, context_tokens) / context_tokens))


@dataclass(frozen=True, slots=True)
class Assessment:
    """One engine in one role: attributes for the rules, a sentence behind each, and the memory plan."""

    engine: Engine
    model: Model
    demand: Demand
    attributes: Facts
    details: Mapping[str, str]
    backend: str | None = None
    cards: Cards | None = None
    fit: Fit | None = None
    online_option: str | None = None
    """The engine's own name for the quantisation it does while loading."""

    def explain(self, attribute: str) -> str | None:
        """The sentence behind an attribute, with the engine's name."""
        text = self.details.get(attribute)
        return f"{self.engine.name}: {text}" if text else None


@dataclass(slots=True)
class _Findings:
    """Attributes and details, filled gate by gate."""

    attributes: dict[str, str] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)

    def note(self, attribute: str, answer: Answer) -> bool:
        """Record an answer; whether the way is still open."""
        holds, detail = answer
        if holds is not None:
            self.attributes[attribute] = "yes" if holds else "no"
        if detail:
            self.details[attribute] = detail
        return holds is not False


@lru_cache(maxsize=1024)
def assess_role(role: Role, model: Model, site: Site, demand: Demand) -> Mapping[str, Assessment]:
    """Every engine that is made for this role.

    Remembered: profiles that differ in anything but machine, model and load ask for the same assessments.
    """
    geometry = geometry_of(model)
    found = {
        name: assess(engine, role, model, geometry, site, demand)
        for name, engine in engines().items()
        if role in engine.roles
    }
    return MappingProxyType({name: _advised(assessment, found, site) for name, assessment in found.items()})


def _advised(assessment: Assessment, found: Mapping[str, Assessment], site: Site) -> Assessment:
    """With the engines that could stand in for one whose driver is missing."""
    if assessment.attributes.get("its_driver") != "no":
        return assessment
    others = (other.engine for other in found.values() if not _KEPT & set(other.attributes.items()))
    _, text = _driver(assessment.engine, site, others)
    return replace(assessment, details={**assessment.details, "its_driver": text or ""})


def assess(engine: Engine, role: Role, model: Model, geometry: Geometry, site: Site, demand: Demand) -> Assessment:
    """Pass the gates in order; the first no ends it, because what follows would be computed for nothing."""
    findings = _Findings()
    findings.note("its_adapters", (engine.lora.supported, engine.lora.note))
    backend = _backend(engine, model)
    cards = site.host if role == "cpu" else site.cards
    for attribute, answer in _gates_and_files(engine, role, model, site):
        if not findings.note(attribute, answer):
            return Assessment(engine, model, demand, findings.attributes, findings.details, backend, cards)
    choice = place(engine, geometry, cards, demand) if cards else Unknown(unknown="no accelerator here")
    findings.note("its_fit", _one_at_a_time(engine, model, demand) or _verdict(choice))
    found = PrecisionChoice(None, None) if isinstance(choice, Unknown) else choice
    return Assessment(
        engine, model, demand, findings.attributes, findings.details, backend, cards, found.fit, found.online_option
    )


def _one_at_a_time(engine: Engine, model: Model, demand: Demand) -> Answer | None:
    """A no where requests are in flight together that this engine serves one after the other."""
    if demand.peak_concurrency == 1 or not engine.max_concurrency.is_serial(model.model_type):
        return None
    return False, f"serves {model.family} one request at a time, {demand.peak_concurrency} are in flight"


def _verdict(choice: PrecisionChoice | Unknown) -> Answer:
    if isinstance(choice, Unknown):
        return None, choice.unknown
    if choice.fit is None:
        return False, "; ".join(reason for _, reason in choice.passed_over)
    form = "" if choice.obtained == "own" else f"as {choice.precision}: "
    hint = f"; {choice.hint}" if choice.hint else ""
    holds = choice.fit.fits or (None if choice.fit.may_fit else False)
    return holds, form + choice.fit.reason + hint


def obstacle(engine: Engine, role: Role, model: Model, site: Site) -> str | None:
    """The first thing known to keep the engine from this model on this machine; memory is not asked."""
    answers = (answer for _, answer in _gates(engine, role, model, site, _peers(engine, role, model, site)))
    return next((detail or "no" for holds, detail in answers if holds is False), None)


def machine_answers(engine: Engine, role: Role, site: Site) -> tuple[Answer, ...]:
    """What the machine alone says of an engine in a role: system, cards, driver; no model is asked about."""
    if role == "cpu" or site.cards is None:
        return (_platform(engine, role, site),)
    return (
        _platform(engine, role, site),
        driver_gate.kernels(engine, site.cards),
        _driver(engine, site, _machine_peers(engine, role, site)),
    )


def _machine_peers(engine: Engine, role: Role, site: Site) -> Iterator[Engine]:
    """Other engines made for the role that cards and driver here run."""
    for other in engines().values():
        if other.id != engine.id and role in other.roles and site.cards:
            gates = (
                _platform(other, role, site),
                driver_gate.kernels(other, site.cards),
                driver_gate.driver(other, site),
            )
            if all(holds is not False for holds, _ in gates):
                yield other


def conditions(engine: Engine, role: Role, model: Model, site: Site) -> Iterator[str]:
    """What must be minded although every gate holds here: how to start it, which build to take."""
    if driver_gate.installed(site):
        yield from (detail for _, (holds, detail) in _gates(engine, role, model, site) if holds and detail)


def _gates(
    engine: Engine, role: Role, model: Model, site: Site, others: Iterable[Engine] = ()
) -> Iterator[tuple[str, Answer]]:
    """Gate by gate; ``others`` are named where it is the driver that keeps the engine from running."""
    yield "its_platform", _platform(engine, role, site)
    if role != "cpu" and site.cards:
        yield "its_gpu", driver_gate.kernels(engine, site.cards)
        yield "its_driver", _driver(engine, site, others)
    else:
        yield "its_gpu", YES
        yield "its_driver", YES
    yield "its_model", _model(engine, model)


def _gates_and_files(engine: Engine, role: Role, model: Model, site: Site) -> Iterator[tuple[str, Answer]]:
    """The gates, and whether there are files: sizing asks for none, since a model can be converted."""
    yield from _gates(engine, role, model, site)
    if lacking := _lacking_files(engine, model):
        yield "its_model", (False, lacking)


def _platform(engine: Engine, role: Role, site: Site) -> Answer:
    gates = engine.gates
    if site.os is not None and site.os not in gates.os:
        return False, f"runs on {', '.join(gates.os)}, not on {site.os}"
    if role == "cpu":
        return (True, None) if gates.cpu else (False, "needs an accelerator")
    if site.cards is None:
        return False, "no accelerator here"
    if missing := _without_build(engine, role, site.cards):
        return False, missing
    possible = {site.os} if site.os else _SYSTEMS_OF_CARDS
    return YES if possible <= set(gates.os) else (None, "the operating system is not known")


def _without_build(engine: Engine, role: Role, cards: Cards) -> str | None:
    """Why no build of the engine is made for the maker of the cards, or for the software they need."""
    gates, entry = engine.gates, gpus().get(cards.id or "")
    if cards.vendor not in gates.vendors:
        return f"runs on {', '.join(gates.vendors)} accelerators, not on {cards.name}"
    if entry and entry.stack and entry.stack not in gates.stacks:
        return f"has no build for {entry.stack}, the software that {cards.name} needs"
    runtime = _RUNTIMES.get(cards.vendor)
    if role == "serve" and runtime and runtime not in engine.image_variants:
        return f"no {runtime} image of {engine.version} is in the catalogue for {cards.name}"
    return None


def _driver(engine: Engine, site: Site, others: Iterable[Engine]) -> Answer:
    """The driver's answer; a no comes with everything that is known to help, other engines included."""
    holds, detail = driver_gate.driver(engine, site)
    if holds is not False:
        return holds, detail
    own = list(driver_gate.ways_on(engine, site))
    instead = [f"take {driver_gate.pinned(other, site)}" for other in others]
    ways = [*own[:1], *instead, *own[1:]]
    return False, f"{detail}: {', or '.join(ways)}" if ways else detail


def _peers(engine: Engine, role: Role, model: Model, site: Site) -> Iterator[Engine]:
    """Engines made for a role of this one, that nothing known keeps from model, card and driver."""
    for other in engines().values():
        if other.id != engine.id and set(other.roles) & set(engine.roles) and site.cards:
            gates = (
                _platform(other, role, site),
                driver_gate.kernels(other, site.cards),
                driver_gate.driver(other, site),
                _model(other, model),
            )
            if all(holds is not False for holds, _ in gates):
                yield other


def _model(engine: Engine, model: Model) -> Answer:
    reads_gguf = engine_policy(engine).overhead.files == "gguf"
    if model.files == "gguf" and not reads_gguf:
        return False, "is planned with safetensors checkpoints, not with GGUF files"
    architectures = engine.architectures
    last = architectures.removed.get(model.architecture)
    if last is not None:
        earlier = engine.earlier_for(model.architecture)
        dropped = f"{model.architecture} was dropped after {last}"
        return (True, f"{dropped}, so {earlier.version} is pinned") if earlier else (False, dropped)
    if reads_gguf:
        return YES
    if architectures.serves(model.architecture) is False:
        return False, f"{model.architecture} is not among its architectures"
    return _own_format(engine, model)


def _lacking_files(engine: Engine, model: Model) -> str | None:
    """Engines that read GGUF files alone need a place where the model lies as such; Ollama also reads folders."""
    if engine_policy(engine).overhead.files != "gguf" or model.files == "gguf":
        return None
    published, ollama = model.gguf or Gguf(), engine.id == "ollama"
    if published.repo or (ollama and (published.ollama or model.on_disk)):
        return None
    lacking = f"{model.id} is a folder of safetensors" if model.on_disk else f"none are known of {model.id}"
    return f"needs GGUF files, and {lacking}; name a .gguf file or a GGUF repository as the model"


def _own_format(engine: Engine, model: Model) -> Answer:
    precision = precisions().get(model.native_format)
    if precision is None:
        return None, f"whether it loads {model.native_format} checkpoints is not known"
    if not any(name in engine.gates.formats for name in precision.formats):
        return False, f"does not load {model.native_format} checkpoints"
    return YES


def _backend(engine: Engine, model: Model) -> str | None:
    """The backend an engine of several must be told to use, such as LMDeploy's ``pytorch``."""
    if "backend" not in engine.flags:
        return None
    earlier = engine.earlier_for(model.architecture)
    return earlier.backend if earlier else engine.architectures.backend_for(model.architecture)


def dtype(engine: Engine, model: Model, cards: Cards | None) -> str | None:
    """``half`` where the card has no bf16 and the checkpoint needs it, else None: leave it to the engine."""
    floor = engine.gates.bf16_min_compute_capability
    has = cards.compute_capability if cards else None
    if floor and has and model.native_format == "bf16" and capability(has) < capability(floor):
        return "half"
    return None


def place(engine: Engine, geometry: Geometry, cards: Cards, demand: Demand) -> PrecisionChoice | Unknown:
    """The least harmful precision that holds the demand on these cards, with its memory ledger."""
    context = min(demand.context_tokens, geometry.context_limit or demand.context_tokens)
    load = Load(geometry.native_format, context, demand.full_sequences(context))
    return best_precision(geometry, engine, cards, load, wanted=_ONE_COPY)
