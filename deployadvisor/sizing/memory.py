"""Does it fit: a load placed on the fewest cards that hold it, or what is missing on all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from deployadvisor.hardware.machine import Unknown
from deployadvisor.sizing.budget import budget
from deployadvisor.sizing.cards import Cards
from deployadvisor.sizing.geometry import Geometry
from deployadvisor.sizing.kv_cache import kv_cache
from deployadvisor.sizing.ledger import Job, Load, Placement, cache_terms, load_text, place
from deployadvisor.sizing.parallel import ANY, Candidate, Layout, Setting, Wanted, candidates, refusal
from deployadvisor.sizing.policy import GIB, EnginePolicy, batch_on
from deployadvisor.sizing.terms import Term
from deployadvisor.sizing.weights import weight_bytes

__all__ = ["Fit", "Load", "Tried", "fit", "longest_context"]

_SEARCH_LIMIT_TOKENS = 2**24


@dataclass(frozen=True, slots=True)
class Tried:
    """A layout that was not taken, and why."""

    layout: Layout
    reason: str


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a load fits, the ledger of the fullest card, and how much more would fit."""

    fits: bool
    """Whether all of the load fits at once."""
    reason: str
    load: Load
    layout: Layout
    may_fit: bool = False
    """Whether it could fit: of a cache of which only bounds are known, ``fits`` holds for the upper one."""
    terms: tuple[Term, ...] = ()
    """One card's memory, weights first and the cache last, as needed and not as reserved."""
    held_back: tuple[Term, ...] = ()
    """What the engine cannot use of the card: driver, in_use, context, left_free."""
    available_gib: float = 0.0
    """Memory of one card that the engine may use."""
    reserved_gib: float = 0.0
    """Memory of one card that the engine takes when it starts, whatever the load needs of it."""
    memory_share: float | None = None
    """The share to tell the engine, of the card or of what weights leave; lower than its default on a busy card."""
    weights_gib: float = 0.0
    """Weights of one copy of the model."""
    kv_gib: float = 0.0
    """KV cache that the load needs, over all cards."""
    kv_room_gib: float = 0.0
    """KV cache that there is room for, over all cards."""
    max_concurrency: int = 0
    """Sequences of ``load.context_tokens`` that fit at once, over all cards."""
    queues: bool = True
    """Whether sequences beyond ``max_concurrency`` wait instead of failing."""
    kv_bytes_per_token: int = 0
    kv_fixed_bytes: int = 0
    tried: tuple[Tried, ...] = ()
    """Smaller layouts, and why each was not taken."""
    warnings: tuple[str, ...] = ()
    """What makes the figures less than exact."""

    @property
    def cards(self) -> int:
        """Cards that the layout takes."""
        return self.layout.cards

    @property
    def tensor_parallel(self) -> int:
        """1 with several cards: they hold different layers."""
        return self.layout.tensor

    @property
    def runs(self) -> bool:
        """Whether the engine starts and serves, if need be with requests that wait for each other."""
        return self.fits or (self.queues and self.max_concurrency > 0)

    @property
    def verdict(self) -> bool | None:
        """Whether it runs; None where only the bounds of its cache are known, and it depends on them."""
        return True if self.runs else None if self.may_fit else False

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
    wanted: Wanted = ANY,
    memory_share: float | None = None,
) -> Fit | Unknown:
    """Place ``load`` on the fewest of ``cards`` that hold it, or say what is missing on all of them.

    ``wanted`` and ``memory_share`` override the search and the engine's default. Unknown, never "fits", when
    memory, parameters or the shape of the cache are not known; an architecture of which only bounds are known
    fits when the upper one does.
    """
    unread = next((name for name in ("hidden", "vocab") if getattr(geometry, name) is None), None)
    if unread:
        return Unknown(unknown=f"the {unread} size of {geometry.name} is not known")
    weights = weight_bytes(geometry, load.precision)
    if isinstance(weights, Unknown):
        return weights
    cache = kv_cache(geometry, load.kv_dtype)
    if isinstance(cache, Unknown):
        return cache
    memory = budget(policy, cards, memory_share)
    if isinstance(memory, Unknown):
        return memory
    batch = batch_on(policy.overhead, cards, memory.total_gib)
    job = Job(geometry, policy, cards, load, weights, cache, memory, batch)
    setting = Setting(geometry, policy, cards, load.precision)
    found = _smallest(partial(_on_the_freest, job, memory_share), candidates(setting, wanted))
    return _refused(setting, load, wanted) if found is None else found


def _on_the_freest(job: Job, memory_share: float | None, layout: Layout) -> Job:
    """The job with the budget of the fullest card that a layout takes, when it takes the freest there are."""
    if not job.cards.each_free_gib:
        return job
    memory = budget(job.policy, job.cards.freest(layout.cards), memory_share)
    return job if isinstance(memory, Unknown) else replace(job, budget=memory)


def _smallest(job_on: Callable[[Layout], Job], options: Iterable[Candidate]) -> Fit | None:
    """The first layout that holds the load; when none does, the one that comes closest; None: none is legal."""
    tried: list[Tried] = []
    closest: tuple[Job, Placement] | None = None
    for option in options:
        if option.refusal:
            tried.append(Tried(option.layout, option.refusal))
            continue
        job = job_on(option.layout)
        placed = place(job, option.layout)
        if placed.fits:
            return _fit(job, placed, tried)
        tried.append(Tried(option.layout, _reason(job, placed)))
        if closest is None or placed.free_gib > closest[1].free_gib:
            closest = job, placed
    if closest is None:
        return None
    return _fit(*closest, [item for item in tried if item.layout != closest[1].layout])


def _refused(setting: Setting, load: Load, wanted: Wanted) -> Fit:
    asked = wanted.layout
    reason = refusal(setting, asked) or f"no legal layout has {asked} on {setting.cards.all} cards"
    return Fit(fits=False, reason=reason, load=load, layout=asked)


def _fit(job: Job, placed: Placement, tried: list[Tried]) -> Fit:
    layout, most = placed.layout, placed.most_sequences
    return Fit(
        fits=placed.fits,
        reason=_reason(job, placed),
        load=job.load,
        layout=layout,
        may_fit=placed.fits or _at_least(job, layout),
        terms=(*placed.resident, *cache_terms(job, layout, placed.sequences)),
        held_back=job.budget.held_back,
        available_gib=job.budget.available_gib,
        reserved_gib=_reserved_gib(job, placed),
        memory_share=job.budget.share,
        weights_gib=job.weights.value / GIB,
        kv_gib=placed.needed_gib * layout.cards,
        kv_room_gib=max(placed.room_gib, 0.0) * layout.cards,
        max_concurrency=most * layout.data,
        queues=job.policy.overhead.queues,
        kv_bytes_per_token=job.cache.growing_bytes_per_token,
        kv_fixed_bytes=job.cache.fixed_bytes(),
        tried=tuple(tried),
        warnings=(job.cache.why_bounds,) if job.cache.why_bounds else (),
    )


def _reserved_gib(job: Job, placed: Placement) -> float:
    """What the engine takes of the card when it starts."""
    if job.policy.kind == "share_of_total":
        return job.budget.available_gib
    cache = max(placed.room_gib, 0.0) if job.policy.kind == "share_of_free" else placed.needed_gib
    return placed.resident_gib + cache


def _at_least(job: Job, layout: Layout) -> bool:
    least = job.cache.least
    return least is not None and place(replace(job, cache=least), layout).fits


def _reason(job: Job, placed: Placement) -> str:
    """One sentence, with the numbers of the fullest card."""
    available, weights = job.budget.available_gib, placed.loaded_gib
    each = " a card" if placed.layout.cards > 1 else ""
    if weights > available:
        return f"needs {weights:.1f} GiB of weights{each} on {available:.1f} GiB"
    if placed.room_gib <= 0:
        working = placed.resident_gib - weights
        return f"needs {weights:.1f} GiB of weights and {working:.1f} GiB to work in{each} on {available:.1f} GiB"
    most = "at most " if job.cache.least else ""
    cache = f"{most}{placed.needed_gib:.1f} GiB of KV cache{each} for {load_text(job.load)}"
    if not placed.fits:
        return f"needs {cache}; {placed.room_gib:.1f} GiB are left of {available:.1f} GiB beside the weights"
    return f"{weights:.1f} GiB of weights and {cache} in {available:.1f} GiB"


def longest_context(
    geometry: Geometry,
    policy: EnginePolicy,
    cards: Cards,
    load: Load,
    *,
    wanted: Wanted = ANY,
    concurrency: int = 1,
) -> int:
    """Tokens of the longest sequences of which ``concurrency`` fit, within the model's limit; 0 when none do.

    By bisection, since cache and working memory both grow with the context.
    """

    def holds(context_tokens: int) -> bool:
        wish = replace(load, concurrency=concurrency, context_tokens=context_tokens)
        placed = fit(geometry, policy, cards, wish, wanted=wanted)
        return isinstance(placed, Fit) and placed.fits

    shortest, longest = 0, geometry.context_limit or _SEARCH_LIMIT_TOKENS
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        shortest, longest = (middle, longest) if holds(middle) else (shortest, middle - 1)
    return shortest
