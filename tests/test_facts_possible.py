"""What the program finds out about a project stays within the assumptions of the vocabulary, on which proofs rely."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from hardware.machines import machines
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from deployadvisor.catalog.regulations import regulations
from deployadvisor.decide.vocabulary import Fact
from deployadvisor.hardware.machine import Machine, Unknown
from deployadvisor.hardware.spec import machine_from_phrase
from deployadvisor.profile import Profile, allowed_values
from deployadvisor.rulebook import load_rules
from deployadvisor.verdict import Bench, Verdict

MACHINES = ("none", "1x H100", "2x RTX 4090", "M3 Max 64GB", "cpu 32GB", "1x V100 32GB")
ASSUMPTIONS = load_rules().route.assumptions
FACTS = load_rules().vocabulary.facts
INPUTS = load_rules().vocabulary.inputs

NUMBERS = {
    "requests_per_day": st.sampled_from([0, 1, 200, 20_000, 3_000_000]),
    "input_tokens": st.sampled_from([1, 500, 30_000]),
    "output_tokens": st.sampled_from([1, 300, 8_000]),
    "context_tokens": st.sampled_from([2_048, 32_768, 131_072]),
    "peak_concurrency": st.sampled_from([1, 4, 5, 64, 500]),
    "tpot_ms": st.sampled_from([1.0, 50.0]),
    "budget_per_month": st.sampled_from([0, 1_000]),
}
OTHERS = {
    "model": st.sampled_from(["qwen3-0.6b", "qwen3-8b", "llama-3.3-70b"]),
    "regulations": st.lists(st.sampled_from(sorted(regulations())), max_size=2, unique=True),
    "languages": st.sampled_from([["zh"], ["en"], ["en", "zh"]]),
}
WORDS = {key: st.sampled_from(words) for key, words in allowed_values().items() if words != ("unknown",)}
OPEN = st.just("unknown")
ANSWERS = st.fixed_dictionaries(
    {},
    optional={
        **{key: words for key, words in WORDS.items() if key not in {"modalities", "currency"}},
        **{key: numbers | OPEN for key, numbers in NUMBERS.items()},
        **OTHERS,
    },
)


@cache
def bench(machine: str) -> Bench:
    return Bench(load_rules(), machine_from_phrase(machine))


def verdict(machine: str, answers: dict[str, Any], *, strict: bool) -> Verdict | None:
    """None for answers that contradict each other."""
    try:
        profile = Profile.model_validate(answers)
    except ValidationError:
        return None
    return bench(machine).verdict(profile, strict=strict)


def test_there_are_assumptions_about_facts_that_exist() -> None:
    assert [assumption.id for assumption in ASSUMPTIONS] == ["one-request-is-in-flight"]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("strict", [False, True])
@given(answers=ANSWERS)
@settings(max_examples=25, deadline=None)
def test_facts_keep_to_the_assumptions(machine: str, strict: bool, answers: dict[str, Any]) -> None:
    found = verdict(machine, answers, strict=strict)
    if found is not None:
        facts = found.situation.values()
        assert [one.id for one in ASSUMPTIONS if one.holds.evaluate(facts) is False] == []


@given(machine=machines(), answers=ANSWERS, strict=st.booleans())
@settings(max_examples=300, deadline=None)
def test_facts_of_any_machine_keep_to_the_assumptions(
    machine: Machine, answers: dict[str, Any], strict: bool
) -> None:
    """The probe may find anything, in part: what it finds never leaves what the proofs are about."""
    try:
        profile = Profile.model_validate(answers)
    except ValidationError:
        return
    found = Bench(load_rules(), machine).verdict(profile, strict=strict)
    facts = found.situation.values()
    assert [one.id for one in ASSUMPTIONS if one.holds.evaluate(facts) is False] == []
    assert {name: value for name, value in facts.items() if not is_possible(FACTS[name], value)} == {}


@given(machine=machines())
@settings(max_examples=100, deadline=None)
def test_a_card_that_nobody_could_read_is_never_no_card(machine: Machine) -> None:
    """With a visible card of unknown memory the answer may be open, and it never says that there is none."""
    unread = [card for card in machine.accelerators if card.visible and isinstance(card.memory_total_gib, Unknown)]
    facts = Bench(load_rules(), machine).verdict(Profile.model_validate({})).situation
    if unread:
        texts = [fact.source or "" for fact in facts.known.values()] + list(facts.unknown.values())
        assert not [text for text in texts if "no accelerator here" in text]


def is_possible(fact: Fact, value: Any) -> bool:
    """Whether a value is one that the vocabulary lists, or a number."""
    if fact.type == "number":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return value in fact.values


# What derived facts are computed from


def sources(name: str) -> frozenset[str]:
    """All that a fact is computed from, directly or not."""
    own = FACTS[name].computed_from if name in FACTS else ()
    return frozenset(own).union(*(sources(each) for each in own))


@pytest.mark.parametrize("name", [name for name, fact in FACTS.items() if fact.derived and name != "role"])
def test_derived_facts_say_what_they_are_computed_from(name: str) -> None:
    asked = {each for each in sources(name) if each not in FACTS or not FACTS[each].derived}
    assert asked
    assert asked <= set(Profile.model_fields)


def test_every_input_is_asked_for_something() -> None:
    derived = [name for name, fact in FACTS.items() if fact.derived]
    assert set(INPUTS) == {each for name in derived for each in sources(name)} - set(FACTS)


@given(
    machine=st.sampled_from(MACHINES),
    answers=ANSWERS,
    key=st.sampled_from([*WORDS, *NUMBERS, *OTHERS]).filter(lambda key: key not in {"modalities", "currency"}),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_an_answer_moves_only_what_is_computed_from_it(
    machine: str, answers: dict[str, Any], key: str, data: st.DataObject
) -> None:
    """Nothing is estimated or assumed here (``strict``), so that only computation is seen."""
    other = data.draw({**WORDS, **NUMBERS, **OTHERS}[key], label=key)
    before, after = (verdict(machine, one, strict=True) for one in (answers, {**answers, key: other}))
    if before is None or after is None:
        return
    was, is_now = before.situation.values(), after.situation.values()
    moved = {name for name in {*was, *is_now} if was.get(name) != is_now.get(name)}
    derived = {name for name in moved if FACTS[name].derived}
    assert {name for name in derived if key not in sources(name)} == set()
    assert moved - derived <= {key, "can_acquire_gpu"}, "only a budget of nothing settles another answer"
