"""From answers to facts: what was answered, what is assumed and why, what stays open, and what the law adds.

Facts about engines and cards come from :mod:`deployadvisor.compatibility`; here are those of the profile alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from deployadvisor.catalog.providers import Provider, providers
from deployadvisor.catalog.regulations import contract_required, excluded_jurisdictions, excludes_hosted
from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.vocabulary import Fact, Vocabulary
from deployadvisor.profile import Profile
from deployadvisor.reasoning import FactValue
from deployadvisor.sizing import capacity

_VOCABULARY = "rules/vocabulary.yaml"
_LEFT_OUT = "left out of the profile"


@dataclass(frozen=True, slots=True)
class Situation:
    """Facts known so far and facts that stay open, each with its reason."""

    known: dict[str, FactValue] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)

    def values(self) -> Facts:
        """Fact values as the rules see them."""
        return {name: fact.value for name, fact in self.known.items()}

    def number(self, name: str) -> float | None:
        """A known number, else None."""
        fact = self.known.get(name)
        return float(fact.value) if fact else None

    def with_facts(self, known: dict[str, FactValue], unknown: dict[str, str] | None = None) -> Situation:
        """Add facts to this situation."""
        return replace(self, known={**self.known, **known}, unknown={**self.unknown, **(unknown or {})})


def of_profile(profile: Profile, vocabulary: Vocabulary, *, strict: bool = False) -> Situation:
    """Facts that follow from the answers alone. With ``strict`` nothing is assumed: what is left out stays open."""
    situation = Situation()
    for fact in vocabulary.facts.values():
        if not fact.derived:
            situation = _answered(situation, fact, getattr(profile, fact.name), strict=strict)
    situation = _budget(situation, profile)
    situation = _load(situation, profile, strict=strict)
    return situation.with_facts(dict(_of_law(profile)))


def _answered(situation: Situation, fact: Fact, answer: Any, *, strict: bool) -> Situation:
    if answer == "unknown":
        return situation.with_facts({}, {fact.name: "answered unknown"})
    if answer is not None:
        value = float(answer) if fact.type == "number" else answer
        return situation.with_facts({fact.name: FactValue(value=value, basis="answered", source="profile")})
    if strict or fact.assume is None:
        return situation.with_facts({}, {fact.name: _LEFT_OUT})
    source = fact.source or _VOCABULARY
    return situation.with_facts({fact.name: FactValue(value=fact.assume, basis="assumed", source=source)})


def _budget(situation: Situation, profile: Profile) -> Situation:
    """A budget of nothing settles whether cards can be had."""
    if profile.can_acquire_gpu is None and profile.budget_per_month == 0:
        cannot = FactValue(value="cannot", basis="computed", source="budget_per_month is 0")
        return replace(
            situation,
            known={**situation.known, "can_acquire_gpu": cannot},
            unknown={name: why for name, why in situation.unknown.items() if name != "can_acquire_gpu"},
        )
    return situation


def _load(situation: Situation, profile: Profile, *, strict: bool) -> Situation:
    """Tokens a day, and requests in flight where they were not answered."""
    requests, prompt, answer = (
        situation.number(name) for name in ("requests_per_day", "input_tokens", "output_tokens")
    )
    if requests is None or prompt is None or answer is None:
        return situation.with_facts({}, {"tokens_per_day": "follows from requests, prompt and answer length"})
    tokens = capacity.tokens_per_day(requests, prompt, answer)
    volume = FactValue(value=tokens, basis="computed", source="requests_per_day * (input_tokens + output_tokens)")
    situation = situation.with_facts({"tokens_per_day": volume})
    if strict or profile.peak_concurrency is not None:
        return situation
    peak = capacity.peak_concurrency(requests, answer, profile.answered("traffic"), profile.answered("tpot_ms"))
    known = dict(situation.known)
    known["peak_concurrency"] = FactValue(
        value=float(peak), basis="assumed", source="Little's law over the day's volume (catalog/data/workload.yaml)"
    )
    unknown = {name: why for name, why in situation.unknown.items() if name != "peak_concurrency"}
    return Situation(known, unknown)


def _of_law(profile: Profile) -> Iterator[tuple[str, FactValue]]:
    regulations = profile.answered("regulations") or ()
    sensitivity, region = profile.answered("data_sensitivity"), profile.answered("data_region")
    source = "regulation catalogue, obligations of " + (", ".join(regulations) or "no listed regulation")
    contract = contract_required(regulations)
    excluded = excludes_hosted(regulations, region, sensitivity)
    languages = profile.answered("languages") or ()
    yield "law_needs_contract", FactValue(value=contract, basis="looked up", source=source)
    yield "law_excludes_hosted", FactValue(value=_flag(excluded), basis="looked up", source=source)
    chinese = any(language.lower().startswith("zh") for language in languages)
    basis = "computed" if languages else "assumed"
    yield "chinese", FactValue(value=_flag(chinese), basis=basis, source="languages")


def _flag(value: bool) -> str:
    return "yes" if value else "no"


def provider_attributes(profile: Profile, situation: Situation) -> dict[str, Facts]:
    """The ``its_`` facts of every hosted provider for this profile."""
    region = situation.known["data_region"].value if "data_region" in situation.known else None
    excluded = excluded_jurisdictions(profile.answered("regulations") or (), region)
    return {name: dict(_attributes(provider, region, excluded)) for name, provider in providers().items()}


def _attributes(provider: Provider, region: str | None, excluded: frozenset[str]) -> Iterator[tuple[str, str]]:
    if region is not None:
        yield "its_region", _flag(region == "any" or region in provider.endpoints)
    yield "its_baa", {"yes": "offered", "no": "not_offered", "unknown": "unread"}[provider.baa]
    yield "its_training", provider.training_default
    yield "its_excluded", _flag("us" in excluded and provider.us_jurisdiction is not False)
    priced = any(model.priced and model.id == provider.default_model for model in provider.models)
    yield "its_price", "dated" if priced else "unread"
