"""What would make a load fit: each change alone, tried on the same ledger, in the catalogue's order of harm."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from deployadvisor.catalog.engines import Engine
from deployadvisor.catalog.remedies import RemedyKind, remedy_entries
from deployadvisor.sizing.cards import Cards
from deployadvisor.sizing.choice import PrecisionChoice, best_precision, formats_after
from deployadvisor.sizing.geometry import Geometry
from deployadvisor.sizing.memory import Fit, Load, fit, longest_context
from deployadvisor.sizing.parallel import Wanted
from deployadvisor.sizing.policy import engine_policy

_MORE_CARDS = 16


@dataclass(frozen=True, slots=True)
class Remedy:
    """One change after which the load fits."""

    kind: RemedyKind
    text: str
    harm: str
    fit: Fit


@dataclass(frozen=True, slots=True)
class Failed:
    """A load that does not fit, with everything that could be changed."""

    geometry: Geometry
    engine: Engine
    cards: Cards
    fit: Fit
    wanted: Wanted
    others: tuple[Engine, ...] = ()
    """Engines that could serve the model on this machine instead."""

    @property
    def load(self) -> Load:
        """What did not fit."""
        return self.fit.load

    def retry(self, load: Load, *, cards: Cards | None = None, wanted: Wanted | None = None) -> Fit | None:
        """The load on the same engine, if it fits."""
        policy, asked = engine_policy(self.engine), self.wanted if wanted is None else wanted
        placed = fit(self.geometry, policy, cards or self.cards, load, wanted=asked)
        return placed if isinstance(placed, Fit) and placed.fits else None


Found = tuple[str, Fit]


def remedies(failed: Failed) -> tuple[Remedy, ...]:
    """Single changes that make it fit, the least harmful first; empty when none alone is enough."""
    return tuple(
        Remedy(entry.id, text, entry.harm, found)
        for entry in remedy_entries().values()
        for text, found in _TRIED[entry.id](failed)
    )


def _queue(failed: Failed) -> Iterator[Found]:
    most = failed.fit.max_concurrency
    if 1 <= most < failed.load.concurrency:
        found = failed.retry(replace(failed.load, concurrency=most))
        if found:
            yield f"serve {most:,} sequences at once instead of {failed.load.concurrency:,}", found


def _kv_dtype(failed: Failed) -> Iterator[Found]:
    """The first smaller format of the cache that is enough."""
    if failed.load.kv_dtype == "auto":
        for name in engine_policy(failed.engine).overhead.kv_dtypes:
            found = failed.retry(replace(failed.load, kv_dtype=name))
            if found:
                yield f"keep the KV cache in {name}", found
                return


def _precision(failed: Failed) -> Iterator[Found]:
    """The first smaller number format that is enough, made by the engine or already quantised by somebody."""
    for name in formats_after(failed.geometry, failed.engine, failed.cards, failed.load.precision):
        found = failed.retry(replace(failed.load, precision=name))
        if found:
            yield f"take the weights in {name}", found
            return


def _settings(failed: Failed) -> Iterator[Found]:
    """The engine's own settings that leave more to weights and cache."""
    policy = engine_policy(failed.engine)
    lean = policy.overhead.lean
    if lean is None:
        return
    told = {"batches": (lean.batch,), "activation_min_gib": lean.activation_min_gib}
    placed = fit(
        failed.geometry,
        replace(policy, overhead=policy.overhead.model_copy(update=told)),
        failed.cards,
        failed.load,
        wanted=failed.wanted,
        memory_share=lean.share,
    )
    if isinstance(placed, Fit) and placed.fits:
        yield f"start it with {lean.options}", placed


def _engine(failed: Failed) -> Iterator[Found]:
    """Other engines on the same cards, in the formats that they can load."""
    found: list[tuple[str, str, Fit]] = []
    for other in failed.others:
        choice = best_precision(failed.geometry, other, failed.cards, replace(failed.load, kv_dtype="auto"))
        if isinstance(choice, PrecisionChoice) and choice.precision and choice.fit and choice.fit.fits:
            found.append((other.name, choice.precision, choice.fit))
    for name, precision, placed in sorted(found, key=lambda each: -each[2].weights_gib):
        yield f"serve it with {name}, in {precision}", placed


def _cards(failed: Failed) -> Iterator[Found]:
    """The fewest cards of the same kind that hold it, up to a node of sixteen."""
    if failed.cards.vendor == "cpu" or failed.cards.nodes > 1 or failed.cards.slices:
        return
    for count in range(failed.cards.count + 1, _MORE_CARDS + 1):
        found = failed.retry(failed.load, cards=failed.cards.with_more(count), wanted=Wanted(data=1))
        if found:
            yield f"use {found.cards}x {failed.cards.name} ({found.layout})", found
            return


def _context(failed: Failed) -> Iterator[Found]:
    policy, load = engine_policy(failed.engine), failed.load
    longest = longest_context(
        failed.geometry, policy, failed.cards, load, wanted=failed.wanted, concurrency=load.concurrency
    )
    if 1 <= longest < load.context_tokens:
        found = failed.retry(replace(load, context_tokens=longest))
        if found:
            yield f"shorten the context to {longest:,} tokens", found


_TRIED: dict[RemedyKind, Callable[[Failed], Iterable[Found]]] = {
    "queue": _queue,
    "kv_dtype": _kv_dtype,
    "precision": _precision,
    "settings": _settings,
    "engine": _engine,
    "cards": _cards,
    "context": _context,
}
