"""The least harmful number format that fits, in the order the catalogue gives."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from deployadvisor.catalog.drivers import capability
from deployadvisor.catalog.engines import Engine
from deployadvisor.catalog.overheads import overheads
from deployadvisor.catalog.precisions import FileKind, Precision, precision_order, precisions
from deployadvisor.hardware.machine import Unknown
from deployadvisor.sizing.cards import Cards
from deployadvisor.sizing.geometry import Geometry
from deployadvisor.sizing.memory import Fit, Load, fit
from deployadvisor.sizing.parallel import ANY, Wanted
from deployadvisor.sizing.policy import engine_policy

_PLAIN_BITS = 16  # a GGUF file of 16-bit weights is read by everything that reads GGUF

Obtained = Literal["own", "online", "gguf"]
"""The checkpoint itself, quantised by the engine while loading, or a GGUF file."""


@dataclass(frozen=True, slots=True)
class PrecisionChoice:
    """The first format that fits; when none does, the last one tried, whose ``fit`` says what is missing."""

    precision: str | None
    """None: the engine loads no format of this model on these cards."""
    fit: Fit | None
    passed_over: tuple[tuple[str, str], ...] = ()
    """Formats that come before it and why each was not taken."""
    obtained: Obtained = "own"
    online_option: str | None = None
    """The engine's own name for quantising to it while loading."""
    hint: str | None = None
    """What would fit, were there a checkpoint that somebody has quantised."""


def best_precision(
    geometry: Geometry, engine: Engine, cards: Cards, load: Load, *, wanted: Wanted = ANY
) -> PrecisionChoice | Unknown:
    """Choose a precision for ``load``, whose own ``precision`` is ignored; Unknown when one cannot be sized.

    Only formats that can be had from this very checkpoint are chosen; another one is at most a hint.
    """
    policy = engine_policy(engine)
    if policy.overhead.files == "safetensors" and geometry.native_format not in precisions():
        return Unknown(unknown=f'whether {engine.name} loads "{geometry.native_format}" checkpoints is not known')
    passed_over: list[tuple[str, str]] = []
    last = PrecisionChoice(None, None)
    hint = None
    for name in _candidates(geometry, policy.overhead.files):
        refusal = None if geometry.files == "gguf" else format_refusal(name, engine, cards)
        if refusal:
            passed_over.append((name, refusal))
            continue
        placed = fit(geometry, policy, cards, dataclasses.replace(load, precision=name), wanted=wanted)
        if isinstance(placed, Unknown):
            return placed
        way = _way(geometry, name, engine)
        if way is None:
            hint = hint or (f"a checkpoint already quantised to {name} would fit" if placed.fits else None)
            continue
        last = PrecisionChoice(name, placed, tuple(passed_over), *way)
        if placed.fits:
            return last
        passed_over.append((name, placed.reason))
    return dataclasses.replace(last, passed_over=last.passed_over if last.fit else tuple(passed_over), hint=hint)


def _way(geometry: Geometry, name: str, engine: Engine) -> tuple[Obtained, str | None] | None:
    """How the format is had from this checkpoint, and the engine's word for it when it makes it itself."""
    if name == geometry.native_format:
        return "own", None
    entry = precisions()[name]
    if entry.kind == "gguf":
        return "gguf", None
    native = precisions().get(geometry.native_format)
    option = next((word for word in entry.online if word in engine.online_quantization), None)
    if option and native and native.bits_per_weight == native.embeddings_bits:
        return "online", option
    return None


def _candidates(geometry: Geometry, files: FileKind) -> Iterator[str]:
    """The order for this kind of files; of a quantised checkpoint only itself and formats of fewer whole bits.

    A GGUF file is what it is: nothing else is made of it.
    """
    if geometry.files == "gguf":
        yield geometry.native_format
        return
    native = precisions().get(geometry.native_format)
    for name in precision_order(files):
        if name != "native":
            if native is None or int(precisions()[name].bits_per_weight) < int(native.bits_per_weight):
                yield name
        elif files == "safetensors" or (native and "gguf" in native.formats):
            yield geometry.native_format


def formats_after(geometry: Geometry, engine: Engine, cards: Cards, precision: str) -> Iterator[str]:
    """Formats of fewer bits than ``precision`` that the engine loads on these cards, least harmful first."""
    names = list(_candidates(geometry, overheads()[engine.id].files))
    later = names[names.index(precision) + 1 :] if precision in names else names
    return (name for name in later if _fewer_bits(name, precision) and format_refusal(name, engine, cards) is None)


def _fewer_bits(name: str, precision: str) -> bool:
    known = precisions()
    return precision not in known or known[name].bits_per_weight < known[precision].bits_per_weight


def format_refusal(name: str, engine: Engine, cards: Cards) -> str | None:
    """Why the engine cannot load the format on these cards, or None."""
    entry = precisions()[name]
    if overheads()[engine.id].files == "gguf" and entry.bits_per_weight == _PLAIN_BITS:
        return None
    reasons = [_format_refusal(entry, form, engine, cards) for form in entry.formats if form in engine.gates.formats]
    if not reasons:
        return f"{engine.name} does not load {name}"
    return None if None in reasons else reasons[0]


def _format_refusal(entry: Precision, form: str, engine: Engine, cards: Cards) -> str | None:
    support = {str(key): value for key, value in engine.gates.formats.items()}[form]
    if support.needs:
        return f"{engine.name} loads {entry.id} only with {support.needs}"
    floor, has = support.compute_capability_min or support.native_from, cards.compute_capability
    if floor and has and capability(has) < capability(floor):
        return f"{engine.name} loads {entry.id} from compute capability {floor}; {cards.name} has {has}"
    return None
