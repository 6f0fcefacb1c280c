"""Regulations a project may fall under, and what each asks of a deployment, in English and Chinese.

Engineering guidance with citations, not legal advice. A selector that is None is not known: a trigger on it
may hold, so the obligation counts. A condition in words (``when``) never blocks; it is shown as a question.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal, Self

from pydantic import Field, model_validator

from deployadvisor.catalog.gpus import Vendor
from deployadvisor.catalog.lookup import Names, load_entries
from deployadvisor.catalog.provenance import Frozen, Sourced
from deployadvisor.profile import Audience, DataRegion, DataSensitivity

Effect = Literal["exclude", "require_region", "require_contract", "require_control", "warn", "log", "minimise_log"]
Contract = Literal["none", "dpa", "baa"]
Parameter = bool | int | float | str | tuple[str | int, ...]

_CONTRACTS: tuple[Contract, ...] = ("none", "dpa", "baa")


class Implied(Frozen):
    """When a regulation binds although nobody named it; every key must hold."""

    data_region: tuple[DataRegion, ...]
    audience: tuple[Audience, ...]


class Regulation(Sourced):
    """One law, standard or supervisory regime, by the id that profiles use."""

    id: str
    name: str
    name_zh: str
    aliases: tuple[str, ...] = ()
    jurisdiction: str
    implied_when: Implied | None = None


@dataclass(frozen=True, slots=True)
class _Situation:
    """What is known of a project; None where it is not."""

    regulations: frozenset[str]
    data_region: DataRegion | None = None
    audience: Audience | None = None
    data_sensitivity: DataSensitivity | None = None
    hosted: bool | None = None
    vendors: frozenset[str] | None = None


class Trigger(Frozen):
    """When an obligation counts: every key that is present must hold; in a list one match is enough."""

    regulations: tuple[str, ...] = ()
    match: Literal["any", "all"] = "any"
    """``all`` needs every one of ``regulations``."""
    data_region: tuple[DataRegion, ...] = ()
    audience: tuple[Audience, ...] = ()
    data_sensitivity: tuple[DataSensitivity, ...] = ()
    hosted: Literal[True] | None = None
    """Counts only where a provider hosts the model behind an API."""
    accelerator_vendors: tuple[Vendor, ...] = ()
    when: str | None = None
    """A further condition in words that only a person can answer."""
    when_zh: str | None = None

    @model_validator(mode="after")
    def question_is_bilingual(self) -> Self:
        """A question that half the readers cannot read is no question."""
        if (self.when is None) != (self.when_zh is None):
            raise ValueError("when and when_zh go together")
        return self

    def may_hold(self, situation: _Situation) -> bool:
        """Whether nothing known speaks against it."""
        return (
            self._names_regulation(situation.regulations)
            and _matches(self.data_region, situation.data_region)
            and _matches(self.audience, situation.audience)
            and _matches(self.data_sensitivity, situation.data_sensitivity)
            and not (self.hosted and situation.hosted is False)
            and _overlaps(self.accelerator_vendors, situation.vendors)
        )

    def _names_regulation(self, regulation_ids: frozenset[str]) -> bool:
        if not self.regulations:
            return True
        quantifier = all if self.match == "all" else any
        return quantifier(name in regulation_ids for name in self.regulations)


def _matches(allowed: tuple[str, ...], value: str | None) -> bool:
    return not allowed or value is None or value in allowed


def _overlaps(allowed: tuple[str, ...], values: frozenset[str] | None) -> bool:
    return not allowed or values is None or not values.isdisjoint(allowed)


class Obligation(Sourced):
    """What one article asks, when it asks it, and what that means for a deployment."""

    id: str
    name: str
    name_zh: str
    jurisdiction: str
    trigger: Trigger
    text: str = Field(min_length=1)
    text_zh: str = Field(min_length=1)
    effect: Effect
    params: Mapping[str, Parameter] = Field(default_factory=dict)
    """Details of the effect: the contract, region, control, retention or threshold."""
    citation: str
    reservation: str | None = None
    """What was not read, or is our reading rather than the text."""
    verified: Literal[True]
    """Read in the article itself or in a good secondary text; other rows are not shipped."""
    expires_on: datetime.date

    def expired(self, today: datetime.date) -> bool:
        """Whether the row must be checked again before it is relied on."""
        return today > self.expires_on


@cache
def regulations() -> Mapping[str, Regulation]:
    """All regulations by id, in catalogue order."""
    return load_entries("regulations", Regulation)


@cache
def obligations() -> tuple[Obligation, ...]:
    """All verified obligations, in catalogue order."""
    return tuple(load_entries("obligations", Obligation).values())


def find_regulation(text: str) -> Regulation:
    """Find the regulation that an id, alias or name means; case, spaces and hyphens do not count.

    >>> find_regulation("EU AI Act").id
    'eu_ai_act'
    """
    return regulations()[_names().find(text)]


@cache
def _names() -> Names:
    entries = regulations().values()
    names = {entry.id: (entry.name, entry.name_zh, *entry.aliases) for entry in entries}
    return Names(names, what="a regulation")


def implied_regulations(data_region: DataRegion | None, audience: Audience | None) -> tuple[str, ...]:
    """Regulations that bind because of where the data is and who is served, named by the user or not.

    >>> implied_regulations("cn", "public")
    ('cn_genai',)
    """
    return tuple(
        entry.id
        for entry in regulations().values()
        if (implied := entry.implied_when) and data_region in implied.data_region and audience in implied.audience
    )


def applying(
    regulation_ids: Iterable[str],
    data_region: DataRegion | None = None,
    audience: Audience | None = None,
    data_sensitivity: DataSensitivity | None = None,
    hosted: bool | None = None,
    accelerator_vendors: Iterable[str] | None = (),
) -> tuple[Obligation, ...]:
    """Obligations that count for a project, those of implied regulations included."""
    named = _known(regulation_ids).union(implied_regulations(data_region, audience))
    vendors = None if accelerator_vendors is None else frozenset(accelerator_vendors)
    return _holding(_Situation(named, data_region, audience, data_sensitivity, hosted, vendors))


def contract_required(regulation_ids: Iterable[str]) -> Contract:
    """The strongest contract that the regulations ask of a hosted provider.

    >>> contract_required(["gdpr", "hipaa"])
    'baa'
    """
    rows = _holding(_Situation(_known(regulation_ids)))
    asked = {row.params.get("contract") for row in rows if row.effect == "require_contract"}
    return max((name for name in _CONTRACTS if name in {"none", *asked}), key=_CONTRACTS.index)


def excludes_hosted(
    regulation_ids: Iterable[str],
    data_region: DataRegion | None = None,
    data_sensitivity: DataSensitivity | None = None,
) -> bool:
    """Whether a regulation rules hosted providers out without a question that must be asked first."""
    rows = _holding(_Situation(_known(regulation_ids), data_region, data_sensitivity=data_sensitivity))
    return any(_excludes(row, "hosted") and row.trigger.when is None for row in rows)


def excluded_jurisdictions(regulation_ids: Iterable[str], data_region: DataRegion | None = None) -> frozenset[str]:
    """Countries whose authorities must not be able to compel the provider.

    >>> excluded_jurisdictions(["cloud_act"], "eu")
    frozenset({'us'})
    """
    rows = _holding(_Situation(_known(regulation_ids), data_region))
    return frozenset(str(row.params["jurisdiction"]) for row in rows if _excludes(row, "jurisdiction"))


def _known(regulation_ids: Iterable[str]) -> frozenset[str]:
    return frozenset(find_regulation(text).id for text in regulation_ids)


@lru_cache(maxsize=256)
def _holding(situation: _Situation) -> tuple[Obligation, ...]:
    return tuple(row for row in obligations() if row.trigger.may_hold(situation))


def _excludes(row: Obligation, what: str) -> bool:
    return row.effect == "exclude" and row.params.get("exclude") == what
