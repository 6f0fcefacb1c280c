"""Does it fit: a ledger of what one card holds, and what is left for the KV cache."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from deployadvisor.catalog.overheads import Batch
from deployadvisor.hardware.machine import Unknown, value_of
from deployadvisor.sizing.geometry import Geometry
from deployadvisor.sizing.kv_cache import KvCache, kv_cache
from deployadvisor.sizing.parallel import Cards, tensor_parallel_options
from deployadvisor.sizing.policy import GIB, EnginePolicy, activation_gib, batch_on
from deployadvisor.sizing.weights import Bytes, weight_bytes

_SEARCH_LIMIT_TOKENS = 2**24


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be served: number formats, tokens of one sequence (prompt and answer), sequences at once."""

    precision: str
    context_tokens: int
    concurrency: int = 1
    kv_dtype: str = "auto"


@dataclass(frozen=True, slots=True)
class Term:
    """One named part of a card's memory."""

    name: str
    gib: float
    basis: str


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a load fits, the ledger of one card, and how much more would fit."""

    fits: bool
    reason: str
    load: Load
    cards: int
    """Cards that one replica takes."""
    tensor_parallel: int
    """1 with several cards: they hold different layers."""
    terms: tuple[Term, ...] = ()
    """One card's memory: weights, activations, cuda_graphs, non_torch, kv_cache (as needed, not as reserved)."""
    available_gib: float = 0.0
    """Memory of one card that the engine may use."""
    memory_share: float | None = None
    """The share to tell the engine, of the card or of what weights leave; lower than its default on a busy card."""
    weights_gib: float = 0.0
    """Weights over all cards."""
    kv_gib: float = 0.0
    """KV cache that the load needs, over all cards."""
    kv_room_gib: float = 0.0
    """KV cache that there is room for, over all cards."""
    max_concurrency: int = 0
    """Sequences of ``load.context_tokens`` that fit at once."""
    kv_bytes_per_token: int = 0
    kv_fixed_bytes: int = 0

    @property
    def used_gib(self) -> float:
        """Sum of the ledger of one card."""
        return sum(term.gib for term in self.terms)


def fit(
    geometry: Geometry,
    policy: EnginePolicy,
    cards: Cards,
    load: Load,
    *,
    tensor_parallel: int | None = None,
    memory_share: float | None = None,
) -> Fit | Unknown:
    """Place ``load`` on the fewest of ``cards`` that hold it, or say what is missing on all of them.

    ``tensor_parallel`` and ``memory_share`` override the search and the engine's default. Unknown, never "fits",
    when memory, parameters or the shape of the cache are not known.
    """
    weights = weight_bytes(geometry, load.precision)
    if isinstance(weights, Unknown):
        return weights
    cache = kv_cache(geometry, load.kv_dtype)
    if isinstance(cache, Unknown):
        return cache
    memory = _usable(policy, cards, memory_share)
    if isinstance(memory, Unknown):
        return memory
    job = _Job(geometry, policy, load, weights, cache, memory, batch_on(policy.overhead, cards, memory.total_gib))
    spreads = _spreads(geometry, policy, cards, tensor_parallel)
    if isinstance(spreads, str):
        return Fit(
            fits=False, reason=spreads, load=load, cards=tensor_parallel or 1, tensor_parallel=tensor_parallel or 1
        )
    return _first_that_fits(job, spreads)


def longest_context(
    geometry: Geometry, policy: EnginePolicy, cards: Cards, load: Load, *, tensor_parallel: int | None = None
) -> int:
    """Tokens of the longest single sequence that fits, within the model's limit; 0 when none does.

    By bisection, since cache and working memory both grow with the context.
    """

    def holds(context_tokens: int) -> bool:
        wanted = replace(load, concurrency=1, context_tokens=context_tokens)
        placed = fit(geometry, policy, cards, wanted, tensor_parallel=tensor_parallel)
        return isinstance(placed, Fit) and placed.fits

    shortest, longest = 0, geometry.context_limit or _SEARCH_LIMIT_TOKENS
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        shortest, longest = (middle, longest) if holds(middle) else (shortest, middle - 1)
    return shortest


# Memory of one card that the engine may use


@dataclass(frozen=True, slots=True)
class _Usable:
    total_gib: float
    budget_gib: float
    share: float | None
    """Of the card, or of what the weights leave, by the engine's policy."""


def _usable(policy: EnginePolicy, cards: Cards, wanted_share: float | None) -> _Usable | Unknown:
    """The budget by the engine's policy; a share of the total must also be free, or the engine does not start."""
    for reading in (cards.total_gib, cards.free_gib):
        if isinstance(reading, Unknown):
            return Unknown(unknown=f"memory of {cards.name}: {reading.unknown}", remedy=reading.remedy)
    total, free = value_of(cards.total_gib) or 0.0, value_of(cards.free_gib) or 0.0
    if cards.vendor == "nvidia":
        total = max(total - policy.overhead.driver_gib, 0.0)
        free = min(free, total)
    if policy.kind != "share_of_total" or cards.vendor == "cpu":
        share_of_rest = (wanted_share or policy.share) if policy.kind == "share_of_free" else None
        return _Usable(total, max(free - policy.overhead.margin_gib, 0.0), share_of_rest)
    share = min(wanted_share or policy.share, math.floor(free / total * 100) / 100 if total else 0.0)
    return _Usable(total, share * total, share)


# How the model is spread


@dataclass(frozen=True, slots=True)
class _Spread:
    cards: int
    tensor_parallel: int
    share: float
    """Part of the model on the fullest card."""


def _spreads(
    geometry: Geometry, policy: EnginePolicy, cards: Cards, tensor_parallel: int | None
) -> tuple[_Spread, ...] | str:
    """Ways to use the cards, fewest first; a sentence when the demanded one is impossible."""
    if not policy.tensor_parallel:
        if (tensor_parallel or 1) > 1:
            return f"{policy.name} has no tensor parallelism: several cards hold different layers"
        layers = geometry.layers or 1
        return tuple(_Spread(n, 1, math.ceil(layers / n) / layers) for n in range(1, min(cards.count, layers) + 1))
    if tensor_parallel and tensor_parallel > cards.count:
        return f"tensor parallel {tensor_parallel} needs as many equal cards, there are {cards.count}"
    options = tensor_parallel_options(geometry, cards.count)
    if tensor_parallel:
        options = (options[tensor_parallel - 1],)
        if not options[0].legal:
            return options[0].reason
    return tuple(_Spread(option.size, option.size, 1 / option.size) for option in options if option.legal)


# The ledger


@dataclass(frozen=True, slots=True)
class _Job:
    """A load with everything that does not depend on how it is spread."""

    geometry: Geometry
    policy: EnginePolicy
    load: Load
    weights: Bytes
    cache: KvCache
    memory: _Usable
    batch: Batch

    def sequence_gib(self, spread: _Spread, context_tokens: int) -> float:
        """KV cache of one sequence on one card, as the engine stores it."""
        stored = self.cache.card_bytes(
            context_tokens,
            tensor_parallel=spread.tensor_parallel,
            window=self.policy.overhead.window,
            batch_tokens=self.batch.tokens or 0,
        )
        return stored * spread.share * spread.tensor_parallel / GIB

    def fixed_terms(self, spread: _Spread, context_tokens: int) -> tuple[Term, ...]:
        """Everything on one card but the KV cache."""
        overhead = self.policy.overhead
        padding = 1 + overhead.weight_padding.get(self.load.precision, 0.0)
        weights = self.weights.value / GIB * padding * spread.share
        tokens = self.batch.tokens or context_tokens
        activations = activation_gib(self.geometry, overhead, self.batch, tokens, spread.tensor_parallel)
        non_torch = overhead.non_torch_parallel_gib if spread.tensor_parallel > 1 else overhead.non_torch_gib
        return (
            Term("weights", weights, self.weights.basis),
            Term("activations", activations, f"{tokens:,} tokens a pass, {self.batch.sequences:,} sequences"),
            Term("cuda_graphs", self.batch.cuda_graphs_gib, "measured at the default batch"),
            Term("non_torch", non_torch, "measured, communication buffers included"),
        )

    def room_gib(self, terms: tuple[Term, ...]) -> float:
        """KV cache that one card has room for beside ``terms``; weights are the first of them."""
        room = self.memory.budget_gib - sum(term.gib for term in terms)
        if self.policy.kind == "share_of_free" and self.memory.share is not None:
            room = min(room, self.memory.share * (self.memory.budget_gib - terms[0].gib))
        return room


def _first_that_fits(job: _Job, spreads: tuple[_Spread, ...]) -> Fit:
    attempts = (_place(job, spread) for spread in spreads)
    last = next(attempts)
    for attempt in attempts:
        if last.fits:
            break
        last = attempt
    return last


def _place(job: _Job, spread: _Spread) -> Fit:
    load = job.load
    terms = job.fixed_terms(spread, load.context_tokens)
    room = job.room_gib(terms)
    sequence = job.sequence_gib(spread, load.context_tokens)
    needed = sequence * load.concurrency
    fits = needed <= room
    return Fit(
        fits=fits,
        reason=_reason(job, spread, terms, room, needed),
        load=load,
        cards=spread.cards,
        tensor_parallel=spread.tensor_parallel,
        terms=(*terms, Term("kv_cache", needed, _cache_basis(load))),
        available_gib=job.memory.budget_gib,
        memory_share=job.memory.share,
        weights_gib=job.weights.value / GIB,
        kv_gib=needed * spread.cards,
        kv_room_gib=max(room, 0.0) * spread.cards,
        max_concurrency=max(math.floor(room / sequence), 0) if sequence else 0,
        kv_bytes_per_token=job.cache.growing_bytes_per_token,
        kv_fixed_bytes=job.cache.fixed_bytes(),
    )


def _cache_basis(load: Load) -> str:
    sequences = "1 sequence" if load.concurrency == 1 else f"{load.concurrency:,} sequences"
    stored = "" if load.kv_dtype == "auto" else f" in {load.kv_dtype}"
    return f"{sequences} of {load.context_tokens:,} tokens{stored}"


def _reason(job: _Job, spread: _Spread, terms: tuple[Term, ...], room_gib: float, needed_gib: float) -> str:
    """One sentence, with the numbers of the fullest card."""
    available, weights = job.memory.budget_gib, terms[0].gib
    each = " a card" if spread.cards > 1 else ""
    if weights > available:
        return f"needs {weights:.1f} GiB of weights{each} on {available:.1f} GiB"
    if room_gib <= 0:
        working = sum(term.gib for term in terms[1:])
        return f"needs {weights:.1f} GiB of weights and {working:.1f} GiB to work in{each} on {available:.1f} GiB"
    cache = f"{needed_gib:.1f} GiB of KV cache{each} for {_cache_basis(job.load)}"
    if needed_gib > room_gib:
        return f"needs {cache}; {room_gib:.1f} GiB are left of {available:.1f} GiB beside the weights"
    return f"{weights:.1f} GiB of weights and {cache} in {available:.1f} GiB"
