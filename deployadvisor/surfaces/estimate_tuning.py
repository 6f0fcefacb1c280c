"""The ledger of a fine-tuning job: on one card, and on each of several that share it."""

from __future__ import annotations

from collections.abc import Iterator

from deployadvisor.catalog.overheads import card_overheads
from deployadvisor.estimation import TuningEstimate
from deployadvisor.hardware.machine import Known, Unknown, value_of
from deployadvisor.sizing.budget import process_cards
from deployadvisor.sizing.cards import Cards
from deployadvisor.sizing.terms import Term
from deployadvisor.surfaces.estimate_view import Picture, ledger_line


def show_tuning(found: TuningEstimate, *, bars: bool) -> Iterator[str]:
    """Lines of one job; ``bars`` adds a picture of each term."""
    where = f"{found.geometry.name} on {found.cards.all}x {found.cards.name}"
    if isinstance(found.memory, Unknown):
        yield f"{where}: not known: {found.memory.unknown}"
        return
    yield f"{where}: {_verdict(found.fits)}"
    yield f"  {found.memory.basis}"
    yield ""
    one, shared = found.cards.freest(1), found.shared
    yield from _ledger("One card that holds everything", found.memory.terms, one, bars=bars)
    if shared.all > 1:
        yield ""
        title = f"Each of {shared.all} cards, everything sharded (ZeRO-3 or FSDP)"
        yield from _ledger(title, found.memory.on(shared.all), shared, bars=bars)
    yield ""
    for note in found.notes:
        yield f"  Mind  {note}"
    yield from _needed(found.cards_needed, found.cards.name)


def _verdict(fits: Known[bool] | Unknown) -> str:
    if isinstance(fits, Unknown):
        return f"not known: {fits.unknown}"
    return "fits" if fits.value else "does not fit"


def _ledger(title: str, terms: tuple[Term, ...], cards: Cards, *, bars: bool) -> Iterator[str]:
    free = value_of(process_cards(cards, card_overheads()).free_gib)
    yield f"  {title}"
    picture = Picture(free or sum(term.gib for term in terms)) if bars else None
    for term in terms:
        yield from ledger_line(term, " ", picture)
    of = "" if free is None else f" of {free:.2f} GiB free"
    yield f"  {'Sum':<20}{sum(term.gib for term in terms):>8.2f} GiB{of}"


def _needed(needed: Known[int] | Unknown, name: str) -> Iterator[str]:
    if isinstance(needed, Unknown):
        yield f"  {needed.unknown}{f'; {needed.remedy}' if needed.remedy else ''}"
    else:
        yield f"  {needed.value}x {name} {'holds' if needed.value == 1 else 'hold'} it"


def tuning_as_dict(found: TuningEstimate) -> dict[str, object]:
    """A job as JSON."""
    head: dict[str, object] = {
        "model": found.geometry.name,
        "hardware": found.cards.id or found.cards.name,
        "gpus": found.cards.all,
    }
    if isinstance(found.memory, Unknown):
        return {**head, "fits": None, "reason": found.memory.unknown}
    fits, needed = found.fits, found.cards_needed
    return {
        **head,
        "fits": fits.value if isinstance(fits, Known) else None,
        "cards_needed": needed.value if isinstance(needed, Known) else None,
        "reason": needed.unknown if isinstance(needed, Unknown) else needed.source,
        "notes": list(found.notes),
        "one_card": _as_dict(found.memory.terms),
        "shared_by": found.shared.all,
        "each_of_all": _as_dict(found.memory.on(found.shared.all)),
    }


def _as_dict(terms: tuple[Term, ...]) -> dict[str, object]:
    return {term.name: {"gib": term.gib, "sure": term.sure, "basis": term.basis} for term in terms}
