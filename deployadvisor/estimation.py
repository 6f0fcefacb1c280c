"""The memory of one model on one machine with one engine: the ledger, and what would make it fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from deployadvisor.catalog.engines import Engine, engines, find_engine
from deployadvisor.catalog.gpus import gpus
from deployadvisor.catalog.models import Model
from deployadvisor.catalog.overheads import card_overheads, overheads
from deployadvisor.catalog.precisions import find_precision, kv_element_bytes
from deployadvisor.compatibility import passes_gates, site_of
from deployadvisor.errors import HardwareError, ModelError, Where
from deployadvisor.hardware.machine import Known, Machine, Unknown, value_of
from deployadvisor.hardware.probe import probe
from deployadvisor.hardware.spec import resolve_hardware
from deployadvisor.sizing.cards import Cards, card_groups
from deployadvisor.sizing.choice import PrecisionChoice, best_precision
from deployadvisor.sizing.finetune import FinetuneMemory, finetune_memory
from deployadvisor.sizing.finetune_tuning import Tuning
from deployadvisor.sizing.geometry import Geometry, geometry_of
from deployadvisor.sizing.kv_cache import KvCache, kv_cache
from deployadvisor.sizing.memory import Fit, Load, fit
from deployadvisor.sizing.parallel import ANY, Wanted, interconnect_note
from deployadvisor.sizing.policy import GIB, engine_policy
from deployadvisor.sizing.remedies import Failed, Remedy, remedies
from deployadvisor.sizing.weights import Weights, weight_bytes
from deployadvisor.verdict import named_model


@dataclass(frozen=True, slots=True)
class Work:
    """What the model must do: tokens of an average request, and requests in flight over the whole deployment."""

    input_tokens: int = 1000
    output_tokens: int = 256
    concurrency: int = 1

    @property
    def context_tokens(self) -> int:
        """Tokens of one sequence at its end."""
        return self.input_tokens + self.output_tokens


@dataclass(frozen=True, slots=True)
class Estimate:
    """Memory of one model on one kind of card."""

    model: Model
    geometry: Geometry
    engine: Engine
    cards: Cards
    work: Work
    choice: PrecisionChoice | Unknown
    notes: tuple[str, ...] = ()
    failed: Failed | None = None
    """What did not fit all at once, and what could be changed about it."""

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """What would make it fit, the least harmful first; tried when asked for."""
        return remedies(self.failed) if self.failed else ()

    @property
    def fit(self) -> Fit | None:
        """The ledger; None where nothing could be placed."""
        return None if isinstance(self.choice, Unknown) else self.choice.fit

    @property
    def anywhere(self) -> Bytes:
        """Weights and cache as far as they are known whatever the engine and the cards."""
        load = self.fit.load if self.fit else None
        return bytes_of(
            self.geometry, load.precision if load else self.geometry.native_format, load.kv_dtype if load else "auto"
        )

    @property
    def reason(self) -> str:
        """One sentence: what it needs, what is missing, or what is not known."""
        if isinstance(self.choice, Unknown):
            return self.choice.unknown
        if self.choice.fit is None:
            return "; ".join(reason for _, reason in self.choice.passed_over)
        placed = self.choice.fit
        if placed.fits or not placed.runs:
            return placed.reason
        return f"{placed.reason}: {placed.max_concurrency:,} at once, the others wait"


@dataclass(frozen=True, slots=True)
class Bytes:
    """What a model holds on any engine and card."""

    weights: Weights | Unknown
    cache: KvCache | Unknown

    def kv_gib(self, work: Work) -> float | None:
        """Cache of all sequences in flight at their full length, as the architecture keeps it."""
        if isinstance(self.cache, Unknown):
            return None
        return self.cache.sequence_bytes(work.context_tokens) * work.concurrency / GIB


def bytes_of(geometry: Geometry, precision: str, kv_dtype: str = "auto") -> Bytes:
    """Weights and cache whatever the engine."""
    return Bytes(weight_bytes(geometry, precision), kv_cache(geometry, kv_dtype))


def estimate(
    model: str,
    hardware: str | Machine | None = None,
    *,
    engine: str = "vllm",
    precision: str | None = None,
    kv_dtype: str = "auto",
    work: Work | None = None,
    wanted: Wanted = ANY,
    nodes: int = 1,
) -> Estimate:
    """Size ``model`` on ``hardware``; without a precision the least harmful that fits is taken.

    ``nodes`` machines like ``hardware`` work together. Wrong names, formats and phrases raise
    DeployAdvisorError; what is not known is Unknown in ``choice``, never a guess.
    """
    found, named = find_engine(engine), named_model(model)
    kv_element_bytes(kv_dtype)
    machine = resolve_hardware(hardware, probe)
    cards = replace(_cards(machine, found), nodes=nodes)
    return size(named, found, cards, machine, precision, kv_dtype, work or Work(), wanted)


def size(
    model: Model,
    engine: Engine,
    cards: Cards,
    machine: Machine,
    precision: str | None,
    kv_dtype: str,
    work: Work,
    wanted: Wanted,
) -> Estimate:
    """Size a model that is found already on cards of ``machine``."""
    geometry = geometry_of(model)
    load = Load(precision or "", work.context_tokens, work.concurrency, kv_dtype)
    choice = _choose(geometry, engine, cards, load, wanted)
    placed = None if isinstance(choice, Unknown) else choice.fit
    notes = tuple(_notes(model, engine, machine, cards, placed))
    if placed is None or placed.fits or not placed.terms:
        return Estimate(model, geometry, engine, cards, work, choice, notes)
    failed = Failed(geometry, engine, cards, placed, wanted, tuple(_others(model, engine, machine)))
    return Estimate(model, geometry, engine, cards, work, choice, notes, failed)


def _cards(machine: Machine, engine: Engine) -> Cards:
    site = site_of(machine)
    if site.cards is not None:
        return site.cards
    if engine.gates.cpu:
        return site.host
    raise HardwareError(f"{engine.name} needs an accelerator, and there is none", where=Where("--hardware"))


def _choose(
    geometry: Geometry, engine: Engine, cards: Cards, load: Load, wanted: Wanted
) -> PrecisionChoice | Unknown:
    if not load.precision:
        return best_precision(geometry, engine, cards, load, wanted=wanted)
    load = replace(load, precision=find_precision(load.precision).id)
    placed = fit(geometry, engine_policy(engine), cards, load, wanted=wanted)
    return placed if isinstance(placed, Unknown) else PrecisionChoice(load.precision, placed)


def _others(model: Model, engine: Engine, machine: Machine) -> Iterator[Engine]:
    """Engines that answer people, which no gate keeps from this machine and model."""
    site = site_of(machine)
    for other in engines().values():
        role = next((role for role in other.roles if role in ("serve", "desktop")), None)
        if other.id != engine.id and role and passes_gates(other, role, model, site):
            yield other


def _notes(model: Model, engine: Engine, machine: Machine, cards: Cards, placed: Fit | None) -> Iterator[str]:
    """What the reader should know besides the ledger."""
    if model.trust_remote_code:
        yield f"{model.id} brings code of its own that the engine would have to run"
    if engine.max_concurrency.is_serial(model.model_type):
        yield f"{engine.name} serves {model.family} one request at a time, however much memory there is"
    idle = [group for group in card_groups(machine) if group.name != cards.name or group.count != cards.count]
    for group in idle if cards.vendor != "cpu" else ():
        yield f"{group.count}x {group.name} stay idle: unequal cards are not pooled"
    if placed is None:
        return
    yield from placed.warnings
    yield from _engine_notes(model, engine, cards, placed)
    if note := interconnect_note(cards, placed.layout):
        yield note


def _engine_notes(model: Model, engine: Engine, cards: Cards, placed: Fit) -> Iterator[str]:
    """Where the engine's own settings would change the ledger."""
    window, tokens = overheads()[engine.id].window, placed.load.context_tokens
    geometry = geometry_of(model)
    cache = kv_cache(geometry, placed.load.kv_dtype)
    if window.unbounded_when and isinstance(cache, KvCache) and any(rows.window for rows in cache.rows):
        stored = cache.card_bytes(tokens, tensor_parallel=placed.layout.tensor, window=window.unbounded())
        each = f"{stored / GIB:.2f} GiB a sequence and card"
        yield f"with {window.unbounded_when} every layer keeps every token: {each}"
    default = engine.context_for(value_of(cards.total_gib) or 0.0)
    if default and default < tokens:
        yield f"{engine.name} gives {default:,} tokens of context on such a card unless it is told otherwise"


def sources(found: Estimate) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Where the figures of an estimate were read: what they say, and the public sources."""
    yield "geometry and parameters", (*found.model.source, found.model.params_source)
    placed = found.fit
    if placed is None or not placed.terms:
        return
    yield f"bits of {placed.load.precision}", find_precision(placed.load.precision).source
    if entry := gpus().get(found.cards.id or ""):
        seen = tuple(read for read in (entry.memory_gib_source, entry.cuda_gib_source, entry.context_gib_source) if read)
        yield f"memory of {found.cards.name}", seen or entry.source
    if own := card_overheads().get(found.cards.vendor):
        yield "driver and context", own.source
    yield f"{found.engine.name}: share, batch, working memory, cache", overheads()[found.engine.id].source


# Fine-tuning


@dataclass(frozen=True, slots=True)
class TuningEstimate:
    """Memory of one fine-tuning job on one machine."""

    geometry: Geometry
    cards: Cards
    memory: FinetuneMemory | Unknown

    @property
    def fits(self) -> Known[bool] | Unknown:
        """Whether one card holds it, or all of them together with everything sharded."""
        return self.memory if isinstance(self.memory, Unknown) else self.memory.fits(self.cards)

    @property
    def cards_needed(self) -> Known[int] | Unknown:
        """The fewest cards like these."""
        return self.memory if isinstance(self.memory, Unknown) else self.memory.cards_needed(self.cards)


def estimate_tuning(model: str, hardware: str | Machine | None, tuning: Tuning) -> TuningEstimate:
    """Size a fine-tuning job of ``model`` on the largest group of equal cards of ``hardware``."""
    named = named_model(model)
    if named.files == "gguf":
        remedy = "name the model it was made from"
        raise ModelError("a GGUF file is not tuned", where=Where("--model"), remedy=remedy)
    cards = site_of(resolve_hardware(hardware, probe)).cards
    if cards is None:
        raise HardwareError("fine-tuning needs an accelerator, and there is none", where=Where("--hardware"))
    geometry = geometry_of(named)
    return TuningEstimate(geometry, cards, finetune_memory(geometry, tuning))
