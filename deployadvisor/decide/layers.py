"""Rulesets under overlays: merged one after the other, each proven to allow nothing that a layer below forbids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from deployadvisor.decide.difference import weakened
from deployadvisor.decide.findings import in_words
from deployadvisor.decide.overlay import Change, Overlay, extended
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.documents import Document
from deployadvisor.errors import DeployAdvisorError, RulesError

Reader = Callable[[Document], Ruleset]


def layered(bases: Mapping[str, Document], overlays: Iterable[Overlay], read: Reader) -> Mapping[str, list[Ruleset]]:
    """For each base the ruleset as it stands and as it is after each of its overlays; the last one holds."""
    merged = dict(bases)
    layers = {name: [read(document)] for name, document in bases.items()}
    for one in overlays:
        below = dict(merged)
        merged[one.ruleset] = extended(below, one)
        effective = _read(merged[one.ruleset], one, read)
        for base in layers[one.ruleset]:
            _check_not_weaker(base, effective, below, one, read)
        layers[one.ruleset].append(effective)
    return layers


def _read(document: Document, overlay: Overlay, read: Reader) -> Ruleset:
    """The merged rules; what is wrong in a rule of the base, after the overlay changed a term, names the overlay."""
    try:
        return read(document)
    except DeployAdvisorError as error:
        if error.where and error.where.source != overlay.document.source:
            error.remedy = f"it loads without the overlay {overlay.document.source}"
        raise


def _check_not_weaker(
    base: Ruleset, effective: Ruleset, below: Mapping[str, Document], overlay: Overlay, read: Reader
) -> None:
    gap = weakened(base, effective)
    if gap is None:
        return
    change = _culprit(base, below, overlay, read)
    raise RulesError(
        f"{change.subject}: {gap.message} (DA010), for example with {in_words(gap.witness)}",
        where=change.where,
        remedy="a rule that is not marked overridable can only be made stricter",
    )


def _culprit(base: Ruleset, below: Mapping[str, Document], overlay: Overlay, read: Reader) -> Change:
    """The change with which an overlay begins to be weaker."""
    for count, change in enumerate(overlay.changes[:-1], start=1):
        try:
            partial = read(extended(below, replace(overlay, changes=overlay.changes[:count])))
        except DeployAdvisorError:
            continue  # it needs a change that comes later
        if weakened(base, partial):
            return change
    return overlay.changes[-1]
