"""What an answer shows: the facts that checklist conditions test, and the words that evidence is written with.

Three places are read: the facts as the rules saw them, the profile's own answers, and the plan with its machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from deployadvisor.catalog.engines import Engine, engines
from deployadvisor.catalog.models import Model, find_model
from deployadvisor.catalog.regulations import find_regulation, implied_regulations
from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.vocabulary import FLAG_VALUES, Vocabulary, admits, read_value
from deployadvisor.errors import CatalogError, ModelError
from deployadvisor.hardware.machine import Accelerator, Known, Unknown
from deployadvisor.reasoning import Basis, FactValue
from deployadvisor.recommendation import Recommendation

REGULATION_PREFIX = "under_"
WORDS = (
    "regulations",
    "gpus",
    "compute_capability",
    "driver",
    "cuda",
    "model",
    "parameters",
    "precision",
    "max_model_len",
    "max_concurrency",
    "sequences",
    "tensor_parallel",
    "pipeline_parallel",
    "replicas",
    "engine_name",
    "version",
    "fallback_provider",
    "weights_gib",
)
"""What evidence may name in braces beside the facts."""

_READ: tuple[Basis, ...] = ("answered", "probed", "looked up", "measured")
"""What proves a fact of the rules; one that they had computed may rest on an assumption."""
_LENGTH_OPTIONS = frozenset({"max_model_len", "context"})
_PARALLEL_OPTIONS = frozenset({"max_concurrency", "parallel_slots"})


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of an answer, what of that is proven, and how it is said."""

    known: Facts
    proven: Facts
    """Without what is assumed, or computed from what may be assumed."""
    words: Mapping[str, str]
    readings: Mapping[str, tuple[str, str]]
    """What may be shown beside an item: each fact of the decision, and word of the plan, with its basis."""


def gather(advice: Recommendation, vocabulary: Vocabulary) -> Evidence:
    """Everything that the conditions and evidence of a checklist may mention."""
    seen = {**_answers(advice), **advice.facts}
    shown = {**_decided(advice), **_shown(advice), **_regulations(advice, vocabulary)}
    known = _admitted({**seen, **shown}, vocabulary)
    certain = {name for name, reading in seen.items() if reading.basis in _READ}
    certain |= {name for name, reading in shown.items() if reading.basis in (*_READ, "computed")}
    proven = {name: value for name, value in known.items() if name in certain}
    said = {name: _say(value) for name, value in proven.items()}
    words = _words(advice)
    return Evidence(known, proven, {**said, **words}, {**_read(words), **_readings({**_decided(advice), **seen})})


def _read(words: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    return {name: (value, "plan") for name, value in words.items()}


def _readings(facts: Mapping[str, FactValue]) -> dict[str, tuple[str, str]]:
    """What somebody answered or the rules saw; a list is shown by its parts."""
    known = {name: fact for name, fact in facts.items() if fact.basis != "unknown" and fact.value not in (None, "")}
    return {name: (_say_all(fact.value), fact.basis) for name, fact in known.items()}


def _admitted(readings: Mapping[str, FactValue], vocabulary: Vocabulary) -> Facts:
    """The readings that are values of their fact; a condition never sees anything else."""
    values = {}
    for name, reading in readings.items():
        fact = vocabulary.facts.get(name)
        if fact is None or reading.basis == "unknown":
            continue
        value = read_value(reading.value, fact.type)
        if value is not None and admits(fact, value):
            values[name] = value
    return values


def _answers(advice: Recommendation) -> dict[str, FactValue]:
    return {name: _reading(value, "answered", "profile") for name, value in advice.profile.items()}


def _decided(advice: Recommendation) -> dict[str, FactValue]:
    """Route and engine; what is not decided stays unknown."""
    engine = advice.engine or ("none" if advice.provider else None)
    names = {"route": advice.route, "engine": engine}
    return {name: _reading(value, "computed", "rules") for name, value in names.items() if value}


def _shown(advice: Recommendation) -> dict[str, FactValue]:
    """What profile, machine and plan show; a fact that cannot be told is left out."""
    plan, memory = advice.plan, advice.estimate.memory
    found: dict[str, tuple[Any, Basis]] = {
        "regulations_listed": (_flag(bool(_listed(advice))), "answered"),
        "cards_documented": (_flag(_documented(advice)), "probed"),
        "engine_pinned": (_flag(_engine(advice) is not None), "looked up"),
        "cards": (plan.gpus or None, "computed"),
        "parallelism_settled": (_flag(_parallelism_settled(advice)), "computed"),
        "memory_fits": (_flag(memory.fits) if memory else None, "computed"),
        "spare_sequences": (_spare_sequences(advice), "computed"),
        "limits_set": (_flag(_limits_set(advice)), "computed"),
        "quantised": (_quantised(advice), "looked up"),
        "fallback_planned": (_flag(bool(plan.fallback_provider)), "computed"),
    }
    return {name: _reading(value, basis, "plan") for name, (value, basis) in found.items() if value is not None}


def _regulations(advice: Recommendation, vocabulary: Vocabulary) -> dict[str, FactValue]:
    """Whether each regulation that conditions ask about was named by the profile, or follows from it."""
    counting = _regulation_ids(advice)
    basis: Basis = "answered" if "regulations" in advice.profile else "assumed"
    return {
        name: _reading(_flag(name.removeprefix(REGULATION_PREFIX) in counting), basis, "profile")
        for name in vocabulary.facts
        if name.startswith(REGULATION_PREFIX)
    }


def _reading(value: Any, basis: Basis, source: str) -> FactValue:
    return FactValue(value=value, basis=basis, source=source)


def _flag(truth: bool) -> str:
    return FLAG_VALUES[truth]


# What the profile, the machine and the plan show


def _listed(advice: Recommendation) -> tuple[str, ...]:
    names = advice.profile.get("regulations")
    return tuple(str(name) for name in names) if isinstance(names, (list, tuple)) else ()


def _regulation_ids(advice: Recommendation) -> set[str]:
    ids = {*implied_regulations(advice.profile.get("data_region"), advice.profile.get("audience"))}
    for name in _listed(advice):
        with suppress(CatalogError):
            ids.add(find_regulation(name).id)
    return ids


def _cards(advice: Recommendation) -> tuple[Accelerator, ...]:
    return tuple(card for card in advice.machine.accelerators if card.visible)


def _documented(advice: Recommendation) -> bool:
    """Only a machine that was read, here or into a saved file, knows its driver; a phrase does not."""
    cards = _cards(advice)
    return bool(cards) and all(
        isinstance(reading, Known)
        for card in cards
        for reading in (
            card.memory_total_gib,
            card.compute_capability,
            card.driver_version,
            card.runtime_version,
        )
    )


def _engine(advice: Recommendation) -> Engine | None:
    return next((engine for name, engine in engines().items() if name == advice.engine), None)


def _model(advice: Recommendation) -> Model | None:
    try:
        return find_model(advice.plan.model) if advice.plan.model else None
    except ModelError:
        return None


def _parallelism_settled(advice: Recommendation) -> bool:
    plan = advice.plan
    replica = plan.tensor_parallel * plan.pipeline_parallel
    used = plan.gpus in (replica, replica * plan.replicas)
    return used and plan.gpu is not None and advice.estimate.memory is not None


def _spare_sequences(advice: Recommendation) -> float | None:
    """Sequences that fit beyond the peak, as a share of it; an estimated peak would prove nothing."""
    memory, peak = advice.estimate.memory, advice.profile.get("peak_concurrency")
    if memory is None or not isinstance(peak, (int, float)) or isinstance(peak, bool) or not peak >= 1:
        return None
    return (memory.max_concurrency - peak) / peak


def _limits_set(advice: Recommendation) -> bool:
    plan, engine = advice.plan, _engine(advice)
    if engine is None or not (plan.precision and plan.max_model_len and plan.max_concurrency):
        return False
    options = {*engine.flags, *engine.environment, *engine.modelfile}
    return not options.isdisjoint(_LENGTH_OPTIONS) and not options.isdisjoint(_PARALLEL_OPTIONS)


def _quantised(advice: Recommendation) -> str | None:
    """Whether the plan leaves the precision of the published weights; None when that cannot be told."""
    plan, model = advice.plan, _model(advice)
    if model is None or plan.precision is None:
        return None
    if plan.precision != model.native_format:
        return _flag(True)
    is_native = plan.dtype in (None, plan.precision) and plan.kv_dtype in (None, "auto", plan.precision)
    return _flag(False) if is_native else None


# Words


def _words(advice: Recommendation) -> dict[str, str]:
    plan, memory, engine, model = advice.plan, advice.estimate.memory, _engine(advice), _model(advice)
    found = {
        "regulations": ", ".join(_listed(advice)),
        "model": plan.model,
        "parameters": f"{model.total_params / 1e9:,.1f}B" if model and model.total_params else None,
        "precision": plan.precision,
        "max_model_len": plan.max_model_len,
        "max_concurrency": plan.max_concurrency,
        "sequences": memory.max_concurrency if memory else None,
        "tensor_parallel": plan.tensor_parallel,
        "pipeline_parallel": plan.pipeline_parallel,
        "replicas": plan.replicas,
        "engine_name": engine.name if engine else None,
        "version": engine.version if engine else None,
        "fallback_provider": plan.fallback_provider,
        "weights_gib": memory.weights_gib if memory else None,
        **_card_words(advice),
    }
    return {name: _say(value) for name, value in found.items() if value}


def _card_words(advice: Recommendation) -> dict[str, str]:
    cards = _cards(advice)
    names = [f"{card.name} ({_memory(card)})" for card in cards]
    return {
        "gpus": ", ".join(f"{names.count(name)}x {name}" for name in dict.fromkeys(names)),
        "compute_capability": _each(card.compute_capability for card in cards),
        "driver": _each(card.driver_version for card in cards),
        "cuda": _each(card.runtime_version for card in cards),
    }


def _memory(card: Accelerator) -> str:
    total = card.memory_total_gib
    return f"{total.value:.1f} GiB" if isinstance(total, Known) else "?"


def _each(readings: Iterable[Known[str] | Unknown]) -> str:
    known = (reading.value for reading in readings if isinstance(reading, Known))
    return ", ".join(dict.fromkeys(known))


def _say_all(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_say, value))
    return _say(round(value, 2) if isinstance(value, float) else value)


def _say(value: Any) -> str:
    return f"{value:,.10g}" if isinstance(value, (int, float)) else str(value)
