"""From answers to facts: what is answered, assumed, computed, looked up or open."""

from __future__ import annotations

import pytest

from deployadvisor.catalog.providers import providers
from deployadvisor.facts import of_profile, provider_attributes
from deployadvisor.profile import Profile
from deployadvisor.rulebook import load_rules
from deployadvisor.sizing.capacity import context_tokens, peak_concurrency

VOCABULARY = load_rules().vocabulary


def test_an_answer_is_known_a_gap_is_assumed_unknown_stays_open() -> None:
    situation = of_profile(Profile(purpose="personal", ops_capacity="unknown"), VOCABULARY)
    assert (situation.known["purpose"].value, situation.known["purpose"].basis) == ("personal", "answered")
    assert (situation.known["internet"].value, situation.known["internet"].basis) == ("yes", "assumed")
    assert situation.unknown["ops_capacity"] == "answered unknown"
    assert "ops_capacity" not in situation.known


def test_strict_leaves_gaps_open() -> None:
    situation = of_profile(Profile(purpose="personal"), VOCABULARY, strict=True)
    assert set(situation.known) == {"purpose", "law_needs_contract", "law_excludes_hosted", "chinese"}
    assert {"internet", "peak_concurrency", "tokens_per_day"} <= set(situation.unknown)


def test_volume_becomes_tokens_and_requests_in_flight() -> None:
    profile = Profile(requests_per_day=36_000, input_tokens=900, output_tokens=100, traffic="steady", tpot_ms=20)
    situation = of_profile(profile, VOCABULARY)
    assert situation.number("tokens_per_day") == 36_000_000
    # 36,000 a day over 24 h is 0.417 a second, twice that at the peak, each 100 tokens * 20 ms = 2 s long
    assert situation.number("peak_concurrency") == 2
    assert situation.known["peak_concurrency"].basis == "assumed"


@pytest.mark.parametrize(("traffic", "expected"), [("steady", 6), ("business_hours", 15), ("bursty", 36)])
def test_bursts_need_more_in_flight(traffic: str, expected: int) -> None:
    assert peak_concurrency(36_000, 240, traffic) == pytest.approx(expected, abs=1)


def test_there_is_always_one_in_flight_and_context_has_headroom() -> None:
    assert peak_concurrency(0, 1) == 1
    assert context_tokens(10, 10) == 8192
    assert context_tokens(3000, 1000) == 16_384
    assert context_tokens(3000, 1000, limit=4096) == 4096


def test_no_budget_settles_that_nothing_can_be_had() -> None:
    situation = of_profile(Profile(budget_per_month=0), VOCABULARY)
    fact = situation.known["can_acquire_gpu"]
    assert (fact.value, fact.basis, fact.source) == ("cannot", "computed", "budget_per_month is 0")
    answered = of_profile(Profile(budget_per_month=0, can_acquire_gpu="buy"), VOCABULARY)
    assert answered.known["can_acquire_gpu"].value == "buy"


@pytest.mark.parametrize(
    ("regulations", "contract"),
    [((), "none"), (("gdpr",), "dpa"), (("pipl",), "dpa"), (("hipaa",), "baa"), (("gdpr", "hipaa"), "baa")],
)
def test_the_law_says_which_contract(regulations: tuple[str, ...], contract: str) -> None:
    assert of_profile(Profile(regulations=regulations), VOCABULARY).known["law_needs_contract"].value == contract


def test_itar_excludes_hosted_providers_for_restricted_text() -> None:
    restricted = of_profile(Profile(regulations=("itar",), data_sensitivity="restricted"), VOCABULARY)
    assert restricted.known["law_excludes_hosted"].value == "yes"
    public = of_profile(Profile(regulations=("itar",), data_sensitivity="public"), VOCABULARY)
    assert public.known["law_excludes_hosted"].value == "no"


def test_every_provider_is_judged_by_its_own_attributes() -> None:
    profile = Profile(data_region="cn", regulations=("cloud_act",))
    attributes = provider_attributes(profile, of_profile(profile, VOCABULARY))
    assert set(attributes) == set(providers())
    assert attributes["dashscope"]["its_region"] == "yes"
    assert attributes["openai"]["its_region"] == "no"
    assert attributes["openai"]["its_excluded"] == "yes"
    assert attributes["deepseek"]["its_training"] == "trains"
