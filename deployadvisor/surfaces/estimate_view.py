"""The ledger of an estimate on a terminal: what the card loses, what the model needs, what would make it fit."""

from __future__ import annotations

from collections.abc import Iterator

import click

from deployadvisor.estimation import Estimate, sources
from deployadvisor.hardware.machine import Unknown
from deployadvisor.sizing.cache_layers import KvRows
from deployadvisor.sizing.kv_cache import KvCache
from deployadvisor.sizing.memory import Fit
from deployadvisor.sizing.policy import GIB
from deployadvisor.sizing.terms import Term
from deployadvisor.sizing.weights import Weights

_OBTAINED = {"own": "", "online": " (quantised while loading)", "gguf": " (a GGUF file)"}
_BAR = 30
_SHOWN = 6

NAMES = {
    "driver": "driver",
    "in_use": "in use already",
    "context": "CUDA context",
    "left_free": "left free",
    "weights": "weights",
    "padding": "padding",
    "activations": "activations",
    "logits": "logits",
    "cuda_graphs": "CUDA graphs",
    "communicator": "communicator",
    "engine": "engine",
    "kv_cache": "KV cache",
    "kv_fixed": "KV windows, states",
}


def show(found: Estimate, *, bars: bool) -> Iterator[str]:
    """Lines of one estimate; ``bars`` adds a picture of each term."""
    yield _headline(found)
    yield f"  {found.reason}"
    placed = found.fit
    if placed is not None and placed.terms:
        yield ""
        yield from _ledger(placed, bars=bars)
        yield ""
        yield from _cache(placed, found.asked.geometry.rows)
    yield from _layouts(placed)
    yield from _formats(found)
    if placed is None or not placed.terms:
        yield from _known(found)
    yield from _remedies(found)
    for note in found.notes:
        yield f"  Mind           {note}"


def show_sources(found: Estimate) -> Iterator[str]:
    """Where each figure comes from."""
    yield ""
    yield "  Where the figures come from"
    for what, read in sources(found):
        yield f"    {what}"
        for source in read:
            yield f"      {source}"


def _headline(found: Estimate) -> str:
    where = f"{found.asked.cards.name} with {found.asked.engine.name} {found.asked.engine.version}"
    choice = found.choice
    if isinstance(choice, Unknown):
        return f"{found.asked.geometry.name} on {found.asked.cards.all}x {where}: not known"
    if choice.fit is None:
        return f"{found.asked.geometry.name} on {found.asked.cards.all}x {where}: does not load"
    if not choice.fit.terms:
        return f"{found.asked.geometry.name} on {found.asked.cards.all}x {where}: not possible"
    form = f"{choice.precision}{_OBTAINED[choice.obtained]}"
    verdict = click.style(_verdict(choice.fit), bold=True)
    return f"{found.asked.geometry.name} in {form} on {choice.fit.cards}x {where}: {verdict}"


def _verdict(placed: Fit) -> str:
    if placed.fits:
        return "fits"
    if placed.runs:
        return "fits, but not all at once"
    return "may fit" if placed.may_fit else "does not fit"


def _known(found: Estimate) -> Iterator[str]:
    """What can be said although nothing could be placed."""
    if isinstance(found.choice, Unknown) and found.choice.remedy:
        yield f"  {found.choice.remedy}"
    held = found.anywhere
    if isinstance(held.weights, Weights):
        yield f"  Weights        {held.weights.value / GIB:.2f} GiB  {held.weights.sure}  {held.weights.basis}"
    if isinstance(held.cache, KvCache):
        least = f"{held.cache.least.growing_bytes_per_token:,} to " if held.cache.least else ""
        yield f"  KV cache       {least}{held.cache.growing_bytes_per_token:,} bytes a token"
        if held.cache.why_bounds:
            yield f"  Mind           {held.cache.why_bounds}"


# The ledger


def _ledger(placed: Fit, *, bars: bool) -> Iterator[str]:
    """The card from its whole memory downwards; terms of nothing are left out."""
    whole = placed.available_gib + sum(term.gib for term in placed.held_back)
    picture = Picture(whole) if bars else None
    yield f"  One card            {whole:>8.2f} GiB"
    for term in placed.held_back:
        yield from ledger_line(term, "-", picture)
    yield f"  The engine may use  {placed.available_gib:>8.2f} GiB"
    for term in placed.terms:
        yield from ledger_line(term, " ", picture)
    free = placed.available_gib - placed.used_gib
    word = "remains" if free >= 0 else "missing"
    yield f"  Sum                 {placed.used_gib:>8.2f} GiB, {abs(free):.2f} GiB {word}"
    if placed.reserved_gib > placed.used_gib:
        yield f"  Taken on start      {placed.reserved_gib:>8.2f} GiB, whatever the load needs of it"


class Picture:
    """One bar for the whole card, drawn a term at a time, each where the one before it ended."""

    def __init__(self, whole_gib: float) -> None:
        """``whole_gib`` is as wide as the bar."""
        self._whole = whole_gib
        self._filled = 0.0

    def bar(self, gib: float) -> str:
        """The bar of the next term; what does not fit the card is cut off."""
        begin, self._filled = self._filled, self._filled + gib
        first, last = (
            min(_BAR, round(edge / self._whole * _BAR)) if self._whole else 0 for edge in (begin, self._filled)
        )
        drawn = max(last - first, 1 if first < _BAR else 0)
        return "·" * first + "█" * drawn + "·" * (_BAR - first - drawn)

    def _column(self, gib: float) -> int:
        return min(_BAR, round(gib / self._whole * _BAR)) if self._whole else 0


def ledger_line(term: Term, sign: str, picture: Picture | None) -> Iterator[str]:
    """One term, unless it is nothing."""
    if term.gib >= 0.005:
        name = NAMES.get(term.name, term.name.replace("_", " "))
        bar = f"  {picture.bar(term.gib)}" if picture else ""
        yield f"  {sign} {name:<18}{term.gib:>8.2f} GiB  {term.sure:<9}{bar}  {term.basis}"


def _cache(placed: Fit, rows: tuple[KvRows, ...]) -> Iterator[str]:
    """What a token and a sequence cost, and how many sequences there is room for."""
    counted = (each for each in rows if each.layers and not each.window)
    growing = " + ".join(f"{each.layers} layers x {each.heads} x {each.width}" for each in counted)
    formula = f" ({growing} elements)" if growing and not placed.warnings else ""
    bounded = f", and at most {placed.kv_fixed_bytes:,} bytes a sequence by the architecture"
    each = f"{placed.kv_bytes_per_token:,} bytes a token{formula}"
    yield f"  KV cache       {each}{bounded if placed.kv_fixed_bytes else ''}"
    each = " a card" if placed.cards > 1 else ""
    many = "sequence fits" if placed.max_concurrency == 1 else "sequences fit at once"
    most = f"{placed.max_concurrency:,} {many}, each of {placed.load.context_tokens:,} tokens"
    yield f"  Room for it    {placed.kv_room_gib / placed.cards:.2f} GiB{each}: {most}"


# Choices


def _layouts(placed: Fit | None) -> Iterator[str]:
    """The layout taken, and why smaller ones were not."""
    if placed is None or (placed.cards == 1 and not placed.tried):
        return
    yield f"  Layout         {placed.layout}"
    for tried in placed.tried[:_SHOWN]:
        yield f"    not {tried.layout}: {tried.reason}"
    if len(placed.tried) > _SHOWN:
        yield f"    and {len(placed.tried) - _SHOWN} more (--json lists all)"


def _formats(found: Estimate) -> Iterator[str]:
    """Formats that would harm less, and why they were not taken."""
    choice = found.choice
    if not isinstance(choice, Unknown) and choice.fit is not None and choice.fit.fits:
        for name, reason in choice.passed_over:
            yield f"  Not in {name:<8} {reason}"


def _remedies(found: Estimate) -> Iterator[str]:
    placed = found.fit
    if placed is None or placed.fits:
        return
    yield ""
    tried = found.remedies
    if not tried:
        yield "  No single change makes it fit: quantise, shorten and add cards together, or take a smaller model."
        return
    yield "  To make it all fit, the least harmful first"
    for remedy in tried:
        yield f"    · {remedy.text}: {remedy.harm}"
        yield f"      {remedy.fit.reason}"
