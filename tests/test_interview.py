"""The interview about a project: it asks what can matter, and ends where the whole profile would."""

from __future__ import annotations

import itertools
import random
import statistics
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor import load_rules, recommend
from deployadvisor.errors import CatalogError, HardwareError, ModelError, ProfileError
from deployadvisor.hardware.machine import Machine
from deployadvisor.hardware.spec import machine_from_phrase
from deployadvisor.interview import Interview, begin
from deployadvisor.profile import Profile, allowed_values, from_answers

RULEBOOK = load_rules()
VALUES: dict[str, list[Any]] = {
    **{
        key: [word for word in words if word != "unknown"]
        for key, words in allowed_values().items()
        if len(words) > 1 and key not in ("modalities", "currency")
    },
    "requests_per_day": [10, 300, 5_000, 50_000, 1_000_000],
    "input_tokens": [200, 1_000, 8_000],
    "output_tokens": [50, 256, 2_000],
    "context_tokens": [4_096, 12_000, 32_768, 131_072],
    "peak_concurrency": [1, 3, 8, 64, 300],
    "regulations": [[], ["gdpr"], ["hipaa"], ["pipl"], ["cloud_act"], ["itar"]],
    "languages": [["en"], ["zh", "en"]],
    "model": [None, None, "Qwen/Qwen3-8B", "Qwen/Qwen3-32B", "deepseek-v3"],
    "hardware": ["none", "1x H100", "2x RTX 4090", "M3 Max 64GB"],
}
"""Answers to every question; without a model its class decides."""
ANSWERS = st.fixed_dictionaries({key: st.sampled_from(values) for key, values in VALUES.items()})
QUESTIONS = len(RULEBOOK.vocabulary.inputs) + sum(not fact.derived for fact in RULEBOOK.vocabulary.facts.values())


def profile_of(answers: Mapping[str, Any]) -> Profile | None:
    """The profile; None where the answers contradict each other."""
    try:
        return from_answers({key: value for key, value in answers.items() if value is not None})
    except ProfileError:
        return None


PROFILES = ANSWERS.map(profile_of).filter(lambda profile: profile is not None)


def random_profiles(count: int) -> Iterator[Profile]:
    chance = random.Random(1)  # noqa: S311 - the same profiles every time
    drawn = (profile_of({key: chance.choice(values) for key, values in VALUES.items()}) for _ in itertools.count())
    return itertools.islice((profile for profile in drawn if profile is not None), count)


def answered(interview: Interview, profile: Profile, refused: Collection[str] = ()) -> Interview:
    """Answer from a whole profile, but for what is refused, to the end."""
    while question := interview.next:
        value = profile.answered(question.key)
        interview = interview.skip() if value is None or question.key in refused else interview.answer(value)
    return interview


def of(**answers: Any) -> Interview:
    return begin(from_answers(answers), RULEBOOK)


# Whole interviews


@settings(deadline=None, max_examples=30)
@given(PROFILES)
def test_it_ends_where_the_whole_profile_does(profile: Profile) -> None:
    end = answered(begin(Profile(), RULEBOOK), profile)
    wanted, found = recommend(profile), recommend(end.profile, hardware=end.machine or "none")
    assert (found.route, found.engine, found.provider) == (wanted.route, wanted.engine, wanted.provider)
    assert (end.outcome.status, end.outcome.route or "blocked") == (wanted.status, wanted.route)


@settings(deadline=None, max_examples=30)
@given(PROFILES)
def test_it_asks_nothing_twice_and_keeps_its_word_about_how_much_is_left(profile: Profile) -> None:
    interview = begin(Profile(), RULEBOOK)
    left = []
    while question := interview.next:
        left.append(interview.outcome.left_at_most)
        value = profile.answered(question.key)
        interview = interview.skip() if value is None else interview.answer(value)
    assert len(set(interview.history)) == len(interview.history) == len(left)
    assert all(later < earlier for earlier, later in itertools.pairwise(left))
    assert interview.outcome.left_at_most == 0


@settings(deadline=None, max_examples=30)
@given(
    PROFILES, st.frozensets(st.sampled_from(sorted(RULEBOOK.route.mentioning.keys() & Profile.model_fields.keys())))
)
def test_what_is_left_open_keeps_every_route_that_it_could_lead_to(profile: Profile, refused: frozenset[str]) -> None:
    end = answered(begin(Profile(), RULEBOOK), profile, refused)
    route = recommend(profile).route
    assert (None if route == "blocked" else route) in end.outcome.shares
    assert (end.outcome.status == "open") is (len(end.outcome.shares) > 1)


@pytest.mark.slow
def test_how_many_questions_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """``docs/interview.md`` states the figures."""
    asked, given = [], []
    for profile in random_profiles(200):
        asked.append(len(answered(begin(Profile(), RULEBOOK), profile).history))
        given.append(len(answered(begin(Profile(), RULEBOOK, profile.hardware), profile).history))
    with capsys.disabled():
        for hardware, numbers in (("asked for", asked), ("given", given)):
            shape = f"mean {statistics.mean(numbers):.1f}, median {statistics.median(numbers):g}, most {max(numbers)}"
            print(f"\n{QUESTIONS} questions, hardware {hardware}: {shape}")  # noqa: T201 - the figures are the point
    assert statistics.mean(given) < statistics.mean(asked) < 13


# What is asked


def keys_to_come(interview: Interview) -> set[str]:
    """Everything an interview asks when each question is left open."""
    asked = set()
    while interview.next:
        asked.add(interview.next.key)
        interview = interview.skip()
    return asked


def test_what_is_given_is_not_asked() -> None:
    assert "hardware" in keys_to_come(of())
    assert "hardware" not in keys_to_come(of(hardware="1x H100"))
    assert "hardware" not in keys_to_come(begin(Profile(), RULEBOOK, "1x H100"))
    assert "purpose" not in keys_to_come(of(purpose="production"))
    assert "purpose" not in keys_to_come(of(purpose="unknown"))


def test_a_named_model_answers_for_its_class() -> None:
    assert "quality" in keys_to_come(of(hardware="1x H100"))
    assert "quality" not in keys_to_come(of(hardware="1x H100", model="qwen3-8b"))


def test_a_budget_of_nothing_answers_for_buying() -> None:
    assert "can_acquire_gpu" in keys_to_come(of())
    assert "can_acquire_gpu" not in keys_to_come(of(budget_per_month=0))


def test_regulations_are_asked_where_the_law_can_matter() -> None:
    hosted = {"customization": "none", "peak_concurrency": 64, "purpose": "production", "hardware": "none"}
    assert "regulations" in keys_to_come(of(**hosted, internet="yes"))
    assert "regulations" not in keys_to_come(of(**hosted, internet="no"))


LOCAL = {
    "purpose": "personal",
    "data_sensitivity": "confidential",
    "peak_concurrency": 1,
    "input_tokens": 500,
    "output_tokens": 200,
    "context_tokens": 4_096,
    "customization": "none",
    "model": "qwen3-8b",
    "platform": "docker",
    "hardware": "2x RTX 4090",
    "internet": "no",
}


def test_the_engine_is_asked_for_once_the_route_is_certain() -> None:
    interview = of(**LOCAL)
    assert (interview.outcome.status, interview.outcome.route) == ("decided", "local_runner")
    assert interview.next is not None
    assert (interview.next.key, interview.outcome.left_at_most) == ("interface", 1)
    for value, engine in (("web_ui", "textgen"), ("api", "ollama")):
        end = interview.answer(value)
        assert end.next is None
        assert recommend(end.profile).engine == engine
    assert interview.skip().next is None


def test_a_question_says_what_it_needs() -> None:
    first = of().next
    assert first is not None
    fact = RULEBOOK.vocabulary.facts[first.key]
    assert (first.text, first.why, first.values, first.kind) == (fact.ask, fact.decides, fact.values, fact.type)
    chinese = begin(Profile(), RULEBOOK, lang="zh")
    assert chinese.next is not None
    assert chinese.next.text == RULEBOOK.chinese.ask(fact)
    assert chinese.title("hosted_api") != of().title("hosted_api")


# Moving


def test_going_back_loses_nothing() -> None:
    start = of()
    one = start.answer("none")
    assert one.back() is start
    assert start.back() is start
    assert start.answer("none").answer(3).back().history == one.history
    assert (start.history, len(one.history)) == ((), 1)


def test_an_answer_that_is_none_changes_nothing() -> None:
    start = of(hardware="none")
    assert start.next is not None
    with pytest.raises(ProfileError):
        start.answer("no such word")
    assert start.history == ()


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("regulations", ["gdrp"], CatalogError),
        ("model", "qwen3-99b", ModelError),
        ("hardware", "3x Banana", HardwareError),
        ("input_tokens", 1.5, ProfileError),
        ("context_tokens", 0, ProfileError),
    ],
)
def test_names_are_looked_up_at_once(key: str, value: Any, error: type[Exception]) -> None:
    interview = begin(Profile(), RULEBOOK)
    while interview.next and interview.next.key != key:
        interview = interview.skip()
    assert interview.next is not None
    with pytest.raises(error):
        interview.answer(value)


def test_names_given_at_the_start_are_looked_up() -> None:
    assert of(regulations=["GDPR"]).profile.regulations == ("gdpr",)
    with pytest.raises(CatalogError):
        of(regulations=["gdrp"])
    with pytest.raises(HardwareError):
        begin(Profile(), RULEBOOK, "3x Banana")


def test_an_answer_must_not_contradict_another() -> None:
    interview = of(requests_per_day=2)
    while interview.next and interview.next.key != "peak_concurrency":
        interview = interview.skip()
    with pytest.raises(ProfileError, match="contradiction"):
        interview.answer(64)


def test_after_the_end_there_is_nothing_to_answer() -> None:
    with pytest.raises(ValueError, match="ended"):
        of(**LOCAL, interface="api").answer("x")


# Leaving open


def test_not_knowing_is_recorded_where_the_profile_can_hold_it() -> None:
    interview = of()
    while interview.next:
        interview = interview.skip()
    assert interview.profile.purpose == "unknown"
    assert (interview.profile.model, interview.profile.hardware) == (None, None)
    assert interview.outcome.status == "open"
    assert interview.outcome.route is None
    assert set(interview.outcome.shares) >= {None, "private_engine", "hosted_api"}


def test_without_a_machine_nothing_is_said_about_cards() -> None:
    answers = {key: value for key, value in LOCAL.items() if key != "hardware"}
    interview = of(**answers)
    assert interview.next is not None
    assert interview.next.key == "hardware"
    assert "local_runner" in interview.skip().outcome.shares
    assert len(interview.skip().outcome.shares) > 1


def test_this_machine_is_probed_only_when_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Machine] = []

    def probe() -> Machine:
        found.append(machine_from_phrase("2x RTX 4090"))
        return found[-1]

    monkeypatch.setattr("deployadvisor.hardware.probe.probe", probe)
    interview = of(**{key: value for key, value in LOCAL.items() if key != "hardware"})
    assert found == []
    assert interview.answer("probe").machine is found[0]
    assert interview.answer("probe").profile.hardware == "probe"
