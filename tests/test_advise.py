"""The main job end to end: the decision table, and what every answer must keep."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hardware.replay import replay
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deployadvisor import DeployAdvisorError, Profile, Recommendation, load_rules, recommend
from deployadvisor.catalog.engines import known_flags
from deployadvisor.documents import parse_json
from deployadvisor.errors import DocumentError, HardwareError, ModelError, ProfileError, RulesError
from deployadvisor.hardware.machine import Unknown
from deployadvisor.profile import allowed_values, from_answers
from deployadvisor.scenarios import Scenario, failing_rule_tests, load_scenarios, run

RULEBOOK = load_rules()
SCENARIOS = load_scenarios(RULEBOOK)
BY_ID = {scenario.id: scenario for scenario in SCENARIOS}
each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)


def ask(scenario: Scenario, **changed: Any) -> Recommendation:
    return recommend(**{**scenario.given, **changed})


@each_scenario
def test_the_decision_table(scenario: Scenario) -> None:
    outcome = run(scenario, RULEBOOK)
    assert outcome.passed, outcome.text


def test_the_table_has_every_row_of_the_promise() -> None:
    assert len(SCENARIOS) >= 15
    assert not list(failing_rule_tests(RULEBOOK))


@each_scenario
def test_what_is_said_to_change_the_answer_does(scenario: Scenario) -> None:
    advice = ask(scenario)
    for change in advice.changes:
        assert ask(scenario, **change.change).route == change.to, change
    answerable = [item for item in advice.assumed if item.fact in Profile.model_fields]
    for assumption in answerable:
        for value, route in assumption.would_change.items():
            number = assumption.fact in ("requests_per_day", "peak_concurrency")
            changed = ask(scenario, **{assumption.fact: float(value) if number else value})
            assert changed.route == route, (assumption.fact, value)


@each_scenario
def test_every_flag_is_one_of_the_pinned_version(scenario: Scenario) -> None:
    advice = ask(scenario)
    if advice.engine:
        flags = [word for word in advice.plan.flags if word.startswith("--")]
        assert set(flags) <= known_flags(advice.engine, advice.plan.engine_version)
        assert all(word and word != "None" for word in advice.plan.flags)


@each_scenario
def test_an_answer_explains_itself(scenario: Scenario) -> None:
    advice = ask(scenario)
    rules = {rule.id for rule in RULEBOOK.rules()}
    explained = {item.route for item in (*advice.rejected, *advice.runners_up) if item.route}
    assert explained | {advice.route} >= set(RULEBOOK.route.candidates)
    for rejected in advice.rejected:
        assert rejected.objections
        for objection in rejected.objections:
            assert objection.rule in rules
            assert (objection.because is None) != (objection.missing is None)
            assert objection.where.startswith("rules/")
    for reason in advice.reasons:
        assert (reason.rule in rules, bool(reason.text), reason.where.count(":")) == (True, True, 2)
    assert all(fact.source for fact in advice.facts.values())


@each_scenario
def test_the_answer_survives_json(scenario: Scenario) -> None:
    advice = ask(scenario)
    text = advice.to_json()
    assert Recommendation.model_validate_json(text) == advice
    assert json.loads(text)["schema"] == "deployadvisor/recommendation@1"


@each_scenario
def test_the_chinese_answer_is_the_same_decision_in_chinese(scenario: Scenario) -> None:
    english, chinese = ask(scenario), recommend(**scenario.given, lang="zh")
    assert (english.route, english.engine, english.provider) == (chinese.route, chinese.engine, chinese.provider)
    for text in (chinese.title, *(reason.text for reason in chinese.reasons), *chinese.missing):
        assert any("一" <= character <= "鿿" for character in text), text


def test_the_example_of_the_contract() -> None:
    advice = recommend(
        data_sensitivity="confidential",
        requests_per_day=50_000,
        customization="adapter",
        model="Qwen/Qwen3-8B",
        hardware="1x H100",
    )
    assert (advice.status, advice.route, advice.engine) == ("decided", "tune_then_serve", "vllm")
    assert [(stage.stage, stage.engine) for stage in advice.stages] == [("tune", "transformers"), ("serve", "vllm")]
    assert advice.estimate.memory is not None
    assert advice.estimate.memory.fits
    assert [reason.rule for reason in advice.reasons] == [
        "tune-then-serve-in-production",
        "tune-then-serve-in-private",
        "vllm-serves-most-models",
    ]


def test_assumptions_are_listed_with_their_switch() -> None:
    advice = recommend(data_sensitivity="public", hardware="none")
    assumed = {item.fact: item for item in advice.assumed}
    assert assumed["purpose"].value == "production"
    assert assumed["internet"].would_change
    assert assumed["traffic"].value == "business_hours"
    assert "quality" not in assumed
    private = {item.fact: item for item in recommend(data_sensitivity="confidential", hardware="1x H100").assumed}
    assert (private["quality"].value, private["context_tokens"].value) == ("small", "8192")
    assert "data_sensitivity" not in assumed


def test_strict_assumes_nothing_and_asks() -> None:
    advice = recommend(hardware="none", strict=True)
    assert advice.status == "open"
    assert advice.route is None
    assert len(advice.possible) > 1
    assert advice.next_question is not None
    assert advice.next_question.fact in {item.fact for item in advice.unknown}
    assert not [item for item in advice.assumed if item.fact in Profile.model_fields]


def test_unknown_keeps_a_question_open_and_an_answer_settles_it() -> None:
    question = recommend(data_sensitivity="unknown", peak_concurrency=2, hardware="none")
    assert question.status == "open"
    assert question.next_question is not None
    assert question.next_question.fact == "data_sensitivity"
    routes = {
        recommend(data_sensitivity=value, peak_concurrency=2, hardware="none").route
        for value in ("public", "confidential")
    }
    assert routes <= {*question.possible, "blocked"}


def test_blocked_lists_what_is_missing() -> None:
    advice = ask(BY_ID["confidential-busy-nothing"])
    assert advice.status == advice.route == "blocked"
    assert any("operates" in text for text in advice.missing)
    assert any("budget" in text for text in advice.missing)
    assert advice.engine is None
    assert advice.plan.gpus == 0


def test_a_saved_answer_can_be_read_again() -> None:
    from deployadvisor.advise import load_advice

    advice = ask(BY_ID["ad-copy"])
    assert load_advice(parse_json(advice.to_json(), "advice.json")) == advice
    with pytest.raises(ProfileError, match=r"advice\.json:1:13: error: not a saved answer"):
        load_advice(parse_json('{ "schema": "x"}', "advice.json"))


@pytest.mark.parametrize(
    ("answers", "error", "text"),
    [
        ({"model": "Qwen/Qwen3-8"}, ModelError, 'did you mean "Qwen/Qwen3-8B"'),
        ({"model": "./nowhere"}, ModelError, "is not a folder"),
        ({"model": "x.gguf"}, ModelError, "x.gguf"),
        ({"hardware": "3x Banana 9000"}, HardwareError, "Banana"),
        ({"regulations": ["gdrp"]}, ProfileError, 'did you mean "gdpr"'),
        ({"data_sensitivity": "secret"}, ProfileError, "is not one of public"),
        ({"lang": "fr"}, DeployAdvisorError, "not one of en, zh"),
        ({"overlay": "x.yaml"}, DocumentError, "cannot read the file"),
        ({"rules": "/nowhere/rules"}, RulesError, "no such rules folder"),
    ],
)
def test_bad_input_is_refused_in_one_line(answers: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text) as caught:
        recommend(**{"hardware": "none", **answers})
    assert "\n" not in str(caught.value)


def test_a_profile_may_be_a_mapping_a_path_or_a_value(tmp_path: Any) -> None:
    path = tmp_path / "project.yaml"
    path.write_text("data_sensitivity: public\nhardware: none\n")
    asked = [recommend(path), recommend(str(path)), recommend({"data_sensitivity": "public", "hardware": "none"})]
    asked.append(recommend(Profile(data_sensitivity="public"), hardware="none"))
    assert {advice.route for advice in asked} == {"hosted_api"}
    assert recommend(path, data_sensitivity="confidential").route != "hosted_api"


words = {
    key: st.sampled_from(list(values)) for key, values in allowed_values().items() if key in RULEBOOK.vocabulary.facts
}
profiles = st.fixed_dictionaries(
    {},
    optional={
        **words,
        "requests_per_day": st.integers(100, 10**7),
        "peak_concurrency": st.integers(1, 100),
        "hardware": st.sampled_from(["none", "1x RTX 4090", "8x H200", "M3 Max 64GB", "cpu 32GB", "2x V100 32GB"]),
    },
)


def contradictory(answers: dict[str, Any]) -> bool:
    try:
        from_answers({key: value for key, value in answers.items() if key != "hardware"})
    except ProfileError:
        return True
    return False


@settings(max_examples=150, deadline=None)
@given(answers=profiles)
def test_laws_of_every_answer(answers: dict[str, Any]) -> None:
    answers.setdefault("hardware", "none")
    assume(not contradictory(answers))
    advice = recommend(**answers)
    hosted = advice.route in ("hosted_api", "managed_api")
    if answers.get("internet") == "no":
        assert not hosted
    if (
        answers.get("data_sensitivity") in ("confidential", "restricted")
        and answers.get("vendor_contract", "none") == "none"
    ):
        assert not hosted
    if advice.status == "decided":
        assert (advice.engine is None) != (advice.provider is None)
        assert hosted == (advice.provider is not None)
        assert advice.reasons
    assert (advice.status == "blocked") == (advice.route == "blocked")
    if advice.estimate.memory is not None:
        assert advice.estimate.memory.fits


@pytest.mark.parametrize("name", ["driver-library-mismatch", "arc-b580-and-built-in", "everything-hangs"])
def test_a_card_that_nobody_could_read_leaves_the_answer_open_and_says_why(name: str) -> None:
    """A broken driver is not "no GPU": neither the processor nor a provider is taken for want of a reading."""
    machine = replay(name)
    reasons = {
        card.memory_free_gib.unknown for card in machine.accelerators if isinstance(card.memory_free_gib, Unknown)
    }
    advice = recommend(hardware=machine, purpose="personal", data_sensitivity="confidential")
    assert advice.status == "open"
    said = {fact.fact: fact.reason for fact in advice.unknown}
    assert {"can_run_desktop", "can_tune"} <= set(said)
    assert all(any(reason in said[fact] for reason in reasons) for fact in ("can_run_desktop", "can_tune"))
    assert "can_run_desktop" not in {item.fact for item in advice.assumed}
