"""Memory of one card that an engine may use, and what keeps the rest of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from deployadvisor.catalog.gpus import gpus
from deployadvisor.catalog.overheads import CardOverhead
from deployadvisor.hardware.machine import Known, Unknown, value_of
from deployadvisor.sizing.cards import Cards
from deployadvisor.sizing.policy import EnginePolicy
from deployadvisor.sizing.terms import Term

_SAME_GIB = 0.5


@dataclass(frozen=True, slots=True)
class Budget:
    """One card, from what the system tool counts down to what the engine may use."""

    total_gib: float
    """As the system tool counts: a slice's own memory, with error correction and display already taken."""
    held_back: tuple[Term, ...]
    """What others keep: driver, processes that run already, the CUDA context, and what the engine leaves free."""
    available_gib: float
    share: float | None
    """To tell the engine: of the card, or of what the weights leave; lower than its default on a busy card."""


def budget(policy: EnginePolicy, cards: Cards, wanted_share: float | None = None) -> Budget | Unknown:
    """The budget by the engine's own policy.

    A share of the total must also be free when the engine starts, its own context not counted, or it refuses to
    start (vLLM ``request_memory``). A share of the free memory is taken when the weights are in.
    """
    for reading in (cards.total_gib, cards.free_gib):
        if isinstance(reading, Unknown):
            return Unknown(unknown=f"memory of {cards.name}: {reading.unknown}", remedy=reading.remedy)
    total, free = value_of(cards.total_gib) or 0.0, value_of(cards.free_gib) or 0.0
    own = policy.cards.get(cards.vendor)
    driver = _driver(cards, total, own)
    usable = total - driver.gib
    in_use = _in_use(cards, usable, free, own)
    context = _context(cards, own, usable - in_use.gib)
    left = usable - in_use.gib - context.gib
    available, share = _available(policy, cards, usable, left, wanted_share)
    left_free = Term("left_free", max(left - available, 0.0), _left_basis(policy, share))
    return Budget(total, (driver, in_use, context, left_free), available, share)


def process_cards(cards: Cards, policy_cards: Mapping[str, CardOverhead]) -> Cards:
    """The same cards with what a process may really take as their free memory."""
    if isinstance(cards.total_gib, Unknown) or isinstance(cards.free_gib, Unknown):
        return cards
    most = cards.total_gib.value - _driver(cards, cards.total_gib.value, policy_cards.get(cards.vendor)).gib
    free = Known[float](value=min(cards.free_gib.value, most), source=cards.free_gib.source)
    return replace(cards, free_gib=free, each_free_gib=tuple(min(gib, most) for gib in cards.each_free_gib))


def _in_use(cards: Cards, usable_gib: float, free_gib: float, own: CardOverhead | None) -> Term:
    """What others have; of memory shared with the system that nobody measured, what the system is assumed to keep."""
    others = max(usable_gib - free_gib, 0.0)
    if cards.vendor == "apple":
        return Term("in_use", others, "what macOS does not let the GPU use, or others have", "computed")
    if cards.shared and own and others == 0.0:
        return Term("in_use", min(own.system_gib, usable_gib), "the operating system, which shares it", "assumed")
    return Term("in_use", min(others, usable_gib), "other processes, display", "measured")


def _driver(cards: Cards, total_gib: float, own: CardOverhead | None) -> Term:
    """What the driver keeps of a whole card, as read on such a card; of a slice or an unread card, the most seen."""
    entry = gpus().get(cards.id or "")
    text = "counted by the system tool, never handed out"
    if entry and entry.driver_gib and abs((entry.memory_gib or 0.0) - total_gib) < _SAME_GIB:
        return Term("driver", entry.driver_gib, text, "measured")
    return Term("driver", min(own.driver_gib if own else 0.0, total_gib), f"{text}; the most seen", "assumed")


def _context(cards: Cards, own: CardOverhead | None, free_gib: float) -> Term:
    """What the process itself takes, as read on such a card, else the most seen."""
    entry = gpus().get(cards.id or "")
    read = entry.context_gib if entry else None
    gib = read or (own.context_gib if own else 0.0)
    text = "kernels and page tables of the process"
    return Term("context", min(gib, free_gib), text, "measured" if read or not gib else "assumed")


def _available(
    policy: EnginePolicy, cards: Cards, usable_gib: float, left_gib: float, wanted_share: float | None
) -> tuple[float, float | None]:
    if policy.kind != "share_of_total" or cards.vendor == "cpu":
        share_of_rest = (wanted_share or policy.share) if policy.kind == "share_of_free" else None
        return max(left_gib - policy.overhead.margin_gib, 0.0), share_of_rest
    free_share = math.floor(left_gib / usable_gib * 100) / 100 if usable_gib else 0.0
    share = min(wanted_share or policy.share, free_share)
    return share * usable_gib, share


def _left_basis(policy: EnginePolicy, share: float | None) -> str:
    if policy.kind == "share_of_total" and share is not None:
        return f"{policy.name} takes {share:.2f} of the card"
    return f"{policy.name} keeps {policy.overhead.margin_gib:g} GiB free"
