"""The memory of one model on one machine with one engine: the ledger, and what would make it fit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from deployadvisor.catalog.engines import Engine, engines, find_engine
from deployadvisor.catalog.gpus import gpus
from deployadvisor.catalog.models import Model, Role
from deployadvisor.catalog.overheads import card_overheads, overheads
from deployadvisor.catalog.precisions import KV_16_BIT, find_precision, kv_element_bytes, precisions
from deployadvisor.compatibility import conditions, obstacle
from deployadvisor.errors import CatalogError, HardwareError, ModelError, Where
from deployadvisor.hardware.machine import Known, Machine, Unknown, value_of
from deployadvisor.hardware.probe import probe
from deployadvisor.hardware.spec import resolve_hardware
from deployadvisor.site import left_alone, site_of
from deployadvisor.sizing.cards import Cards
from deployadvisor.sizing.choice import PrecisionChoice, best_precision, format_refusal
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

_HARDWARE = Where("--hardware")


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
class Asked:
    """What an estimate is about, all names found."""

    model: Model
    geometry: Geometry
    engine: Engine
    cards: Cards
    machine: Machine
    precision: str | None
    """None: the least harmful that fits."""
    kv_dtype: str
    work: Work
    wanted: Wanted


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


@dataclass(frozen=True, slots=True)
class Estimate:
    """Memory of one model on one kind of card."""

    asked: Asked
    choice: PrecisionChoice | Unknown

    @property
    def fit(self) -> Fit | None:
        """The ledger; None where nothing could be placed."""
        return None if isinstance(self.choice, Unknown) else self.choice.fit

    @property
    def reason(self) -> str:
        """One sentence: what it needs, what is missing, or what is not known."""
        if isinstance(self.choice, Unknown):
            return self.choice.unknown
        placed = self.choice.fit
        if placed is None:
            return "; ".join(dict.fromkeys(reason for _, reason in self.choice.passed_over))
        if placed.fits or not placed.runs:
            return placed.reason
        return f"{placed.reason}: {placed.max_concurrency:,} at once, the others wait"

    @property
    def anywhere(self) -> Bytes:
        """Weights and cache as far as they are known whatever the engine and the cards."""
        precision = self.fit.load.precision if self.fit else self.asked.precision
        return bytes_of(self.asked.geometry, precision or self.asked.geometry.native_format, self.asked.kv_dtype)

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """What would make it fit, the least harmful first; tried when asked for."""
        asked, placed = self.asked, self.fit
        if placed is None or placed.fits or not placed.terms or _is_serial(asked):
            return ()
        return remedies(
            Failed(asked.geometry, asked.engine, asked.cards, placed, asked.wanted, tuple(_others(asked)))
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader should know besides the ledger."""
        return tuple(_notes(self.asked, self.fit))


def estimate(
    model: str,
    hardware: str | Machine | None = None,
    *,
    engine: str = "vllm",
    precision: str | None = None,
    kv_dtype: str = "auto",
    work: Work | None = None,
    wanted: Wanted = ANY,
    nodes: int | None = None,
) -> Estimate:
    """Size ``model`` on ``hardware``; without a precision the least harmful that fits is taken.

    ``nodes`` machines like ``hardware`` work together, where given, whatever its phrase says. Wrong names, formats
    and phrases raise DeployAdvisorError; what is not known is Unknown in ``choice``, never a guess.
    """
    found, named = find_engine(engine), named_model(model)
    kv_dtype, machine = _kv_dtype(found, kv_dtype), resolve_hardware(hardware, probe)
    asked = Asked(
        model=named,
        geometry=geometry_of(named),
        engine=found,
        cards=_on_nodes(_cards(machine, found), nodes),
        machine=machine,
        precision=find_precision(precision).id if precision else None,
        kv_dtype=kv_dtype,
        work=work or Work(),
        wanted=wanted,
    )
    return Estimate(asked, _choose(asked))


def _kv_dtype(engine: Engine, name: str) -> str:
    """The format of the cache as the catalogue spells it, if the engine has it."""
    word = name.strip().casefold()
    kv_element_bytes(word)
    offered = overheads()[engine.id].kv_dtypes
    if word in KV_16_BIT or word in offered:
        return word
    message = f"{engine.name} does not keep its KV cache in {word}"
    raise CatalogError(message, where=Where("--kv-dtype"), allowed=("auto", *offered))


def _cards(machine: Machine, engine: Engine) -> Cards:
    site = site_of(machine)
    if site.cards is not None:
        return site.cards
    if not engine.gates.cpu:
        raise HardwareError(f"{engine.name} needs an accelerator, and there is none", where=_HARDWARE)
    if isinstance(site.host.total_gib, Unknown):
        message = "there is no accelerator, and the host's memory is not said"
        raise HardwareError(message, where=_HARDWARE, remedy="say it: cpu 64GB")
    return site.host


def _on_nodes(cards: Cards, nodes: int | None) -> Cards:
    return cards if nodes is None else replace(cards, nodes=nodes)


# The placement


def _choose(asked: Asked) -> PrecisionChoice | Unknown:
    """The load placed in the format asked for or the least harmful one, unless the engine would refuse it anyway."""
    refusal = _refusal(asked)
    if refusal:
        return PrecisionChoice(None, None, ((asked.precision or asked.model.native_format, refusal),))
    concurrency = 1 if _is_serial(asked) else asked.work.concurrency
    load = Load(asked.precision or "", asked.work.context_tokens, concurrency, asked.kv_dtype)
    if asked.precision is None:
        choice = best_precision(asked.geometry, asked.engine, asked.cards, load, wanted=asked.wanted)
    else:
        placed = fit(asked.geometry, engine_policy(asked.engine), asked.cards, load, wanted=asked.wanted)
        choice = placed if isinstance(placed, Unknown) else PrecisionChoice(asked.precision, placed)
    return _one_at_a_time(choice, asked.work) if _is_serial(asked) else choice


def _refusal(asked: Asked) -> str | None:
    """Why the engine would not start, however much memory there is."""
    engine = asked.engine
    if kept := obstacle(engine, _role(asked.cards), asked.model, site_of(asked.machine)):
        return f"{engine.name}: {kept}"
    if asked.precision is None or asked.geometry.files == "gguf":
        return None
    return format_refusal(asked.precision, engine, asked.cards)


def _role(cards: Cards) -> Role:
    """A role that asks nothing of an engine but to run on the cards."""
    return "cpu" if cards.vendor == "cpu" else "desktop"


def _is_serial(asked: Asked) -> bool:
    return asked.engine.max_concurrency.is_serial(asked.model.model_type)


def _one_at_a_time(choice: PrecisionChoice | Unknown, work: Work) -> PrecisionChoice | Unknown:
    """A placed load of an engine that serves this family one request after the other."""
    if isinstance(choice, Unknown) or choice.fit is None:
        return choice
    alone = replace(choice.fit, max_concurrency=min(choice.fit.max_concurrency, 1))
    return replace(choice, fit=replace(alone, fits=alone.fits and work.concurrency == 1))


def _others(asked: Asked) -> Iterator[Engine]:
    """Engines that answer people, which no gate keeps from this machine and model."""
    site = site_of(asked.machine)
    for other in engines().values():
        role = next((role for role in other.roles if role in ("serve", "desktop")), None)
        if other.id != asked.engine.id and role and obstacle(other, role, asked.model, site) is None:
            yield other


# What the reader should know


def _notes(asked: Asked, placed: Fit | None) -> Iterator[str]:
    model, engine, cards = asked.model, asked.engine, asked.cards
    if model.trust_remote_code:
        yield f"{model.id} brings code of its own that the engine would have to run"
    if _is_serial(asked):
        yield f"{engine.name} serves {model.family} one request at a time, however much memory there is"
    if placed is not None:
        yield from conditions(engine, _role(cards), model, site_of(asked.machine))
    if cards.vendor != "cpu":
        yield from left_alone(asked.machine, cards, placed.cards if placed and placed.terms else cards.count)
    if placed is not None:
        yield from _ledger_notes(asked, placed)
    elif able := [other.name for other in _others(asked)]:
        yield f"nothing known keeps {', '.join(able)} from it"


def _ledger_notes(asked: Asked, placed: Fit) -> Iterator[str]:
    """What would change the ledger, or makes it less than exact."""
    tokens, limit = placed.load.context_tokens, asked.geometry.context_limit
    yield from placed.warnings
    if limit and tokens > limit:
        own = f"the {limit:,} that {asked.model.id} was made for"
        yield f"{tokens:,} tokens are more than {own}: engines refuse them unless its positions are scaled"
    yield from _without_windows(asked, placed)
    default = asked.engine.context_for(value_of(asked.cards.total_gib) or 0.0)
    if default and default < tokens:
        yield f"{asked.engine.name} gives {default:,} tokens of context on such a card unless it is told otherwise"
    if note := interconnect_note(asked.cards, placed.layout):
        yield note


def _without_windows(asked: Asked, placed: Fit) -> Iterator[str]:
    """The upper of an engine's two bounds of a cache with windows."""
    window = overheads()[asked.engine.id].window
    cache = kv_cache(asked.geometry, placed.load.kv_dtype)
    if window.unbounded_when and isinstance(cache, KvCache) and any(rows.window for rows in cache.rows):
        tokens, split = placed.load.context_tokens, placed.layout.tensor
        each = cache.card_bytes(tokens, tensor_parallel=split, window=window.unbounded()) / GIB
        yield f"with {window.unbounded_when} every layer keeps every token: {each:.2f} GiB a sequence and card"


def sources(found: Estimate) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Where the figures of an estimate were read: what they say, and the public sources."""
    asked, placed = found.asked, found.fit
    yield "geometry and parameters", (*asked.model.source, asked.model.params_source)
    if placed is None or not placed.terms:
        return
    yield f"bits of {placed.load.precision}", find_precision(placed.load.precision).source
    if entry := gpus().get(asked.cards.id or ""):
        seen = (entry.memory_gib_source, entry.cuda_gib_source, entry.context_gib_source)
        yield f"memory of {asked.cards.name}", tuple(read for read in seen if read) or entry.source
    if own := card_overheads().get(asked.cards.vendor):
        yield "driver and context", own.source
    yield f"{asked.engine.name}: share, batch, working memory, cache", overheads()[asked.engine.id].source


# Fine-tuning


@dataclass(frozen=True, slots=True)
class TuningEstimate:
    """Memory of one fine-tuning job on one machine."""

    model: Model
    geometry: Geometry
    cards: Cards
    tuning: Tuning
    memory: FinetuneMemory | Unknown
    machine: Machine

    @property
    def shared(self) -> Cards:
        """The cards that would share the job: as many as hold it, or all of them; of slices one."""
        held = None if isinstance(self.memory, Unknown) else self.memory.held_by(self.cards)
        return held or self.cards.freest(1 if self.cards.slices else self.cards.count)

    @property
    def fits(self) -> Known[bool] | Unknown:
        """Whether one card holds it, or all of them together with everything sharded."""
        return self.memory if isinstance(self.memory, Unknown) else self.memory.fits(self.cards)

    @property
    def cards_needed(self) -> Known[int] | Unknown:
        """The fewest cards like these."""
        return self.memory if isinstance(self.memory, Unknown) else self.memory.cards_needed(self.cards)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader should know besides the ledger."""
        return tuple(_tuning_notes(self))


def estimate_tuning(model: str, hardware: str | Machine | None, tuning: Tuning) -> TuningEstimate:
    """Size a fine-tuning job of ``model`` on the largest group of equal cards of ``hardware``."""
    named = named_model(model)
    if named.files == "gguf":
        remedy = "name the model it was made from"
        raise ModelError("a GGUF file is not tuned", where=Where("--model"), remedy=remedy)
    machine = resolve_hardware(hardware, probe)
    cards = site_of(machine).cards
    if cards is None:
        raise HardwareError("fine-tuning needs an accelerator, and there is none", where=_HARDWARE)
    geometry = geometry_of(named)
    return TuningEstimate(named, geometry, cards, tuning, finetune_memory(geometry, tuning), machine)


def _tuning_notes(found: TuningEstimate) -> Iterator[str]:
    form = found.model.native_format
    own = precisions().get(form)
    if own is None or own.bits_per_weight != own.embeddings_bits:
        yield f"{found.model.id} is published in {form}; the figures are those of its 16-bit weights, which are tuned"
    if found.cards.vendor != "nvidia":
        library = " and whether bitsandbytes runs there was not checked" if found.tuning.method == "qlora" else ""
        yield f"context and allocator were measured on NVIDIA cards, not on {found.cards.name}{library}"
    yield from left_alone(found.machine, found.cards, found.shared.count)
