"""Why, why not and what would change it, for whole answers: every claim is asked again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from deployadvisor import DeployAdvisorError, Recommendation, load_rules, recommend
from deployadvisor.advise import load_advice
from deployadvisor.decide.compiled import compiled
from deployadvisor.decide.space import attribute_of
from deployadvisor.documents import parse_json
from deployadvisor.errors import ProfileError
from deployadvisor.explained import explained
from deployadvisor.plan import routes_of
from deployadvisor.profile import Profile, allowed_values, from_answers
from deployadvisor.reasoning import Objection, RunnerUp
from deployadvisor.reopen import OtherRulesWarning
from deployadvisor.resources import rules_folder
from deployadvisor.scenarios import Scenario, load_scenarios

RULEBOOK = load_rules()
FACTS = RULEBOOK.vocabulary.facts
SCENARIOS = load_scenarios(RULEBOOK)
BY_ID = {scenario.id: scenario for scenario in SCENARIOS}
each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.id)


def ask(scenario: Scenario | str, **changed: Any) -> Recommendation:
    given = BY_ID[scenario].given if isinstance(scenario, str) else scenario.given
    return recommend(**{**given, **changed})


def again(advice: Recommendation, **changed: Any) -> Recommendation:
    """The same question with some answers changed."""
    hardware = changed.pop("hardware", advice.machine)
    return recommend({**advice.profile, **changed}, hardware=hardware, strict=advice.strict)


# Why


@each_scenario
def test_the_facts_force_the_route_and_none_can_be_spared(scenario: Scenario) -> None:
    advice = ask(scenario)
    why, decision = advice.why(), compiled(RULEBOOK.route)
    facts = {fact.fact: fact.value for fact in why.facts}
    winner = None if advice.route == "blocked" else advice.route
    assert (why.route, decision.remaining(facts)) == (advice.route, {winner})
    for spared in facts:
        assert len(decision.remaining({name: value for name, value in facts.items() if name != spared})) > 1
    for fact in why.facts:
        known = advice.facts[fact.fact]
        assert (fact.value, fact.basis, fact.source) == (known.value, known.basis, known.source)
        assert fact.text == FACTS[fact.fact].ask


@each_scenario
def test_the_facts_force_the_engine(scenario: Scenario) -> None:
    choice = ask(scenario).why().choice
    if choice is None or choice.engine is None:
        return
    facts = {attribute_of(fact.candidate, fact.fact) if fact.candidate else fact.fact: fact for fact in choice.facts}
    decision = compiled(RULEBOOK.engine)
    values = {name: fact.value for name, fact in facts.items()}
    assert decision.remaining(values) == {choice.engine}
    for spared in values:
        assert len(decision.remaining({name: value for name, value in values.items() if name != spared})) > 1
    assert all(fact.source and fact.text for fact in choice.facts)


def test_what_was_said_is_told_rather_than_what_follows() -> None:
    advice = ask("confidential-busy-nothing")
    assert {fact.fact: fact.value for fact in advice.why().facts} == {
        "purpose": "production",
        "data_sensitivity": "confidential",
        "vendor_contract": "none",
        "peak_concurrency": 64,
        "ops_capacity": "nobody",
    }


def test_a_provider_is_explained_against_its_rivals() -> None:
    why = ask("china-public-product").why()
    assert why.choice is not None
    assert (why.choice.provider, why.choice.engine) == ("dashscope", None)
    by_candidate = {(fact.candidate, fact.fact): fact.value for fact in why.choice.facts}
    assert by_candidate[None, "data_region"] == "cn"
    assert by_candidate["openai", "its_region"] == "no"
    assert why.choice.reasons[0].rule == "provider-meets-the-conditions"


def test_an_engine_is_explained_by_what_the_better_one_lacks() -> None:
    choice = ask("v100-server").why().choice
    assert choice is not None
    (lacking,) = (fact for fact in choice.facts if fact.candidate == "vllm")
    assert (choice.title, lacking.fact, lacking.value) == ("LMDeploy", "its_gpu", "no")
    assert "compute capability 7.5" in lacking.source


def test_nothing_forces_an_open_answer() -> None:
    why = recommend(hardware="none", strict=True).why()
    assert (why.route, why.facts, why.reasons, why.choice) == (None, (), (), None)


# Why not


@each_scenario
def test_everything_that_was_not_chosen_has_its_reason(scenario: Scenario) -> None:
    advice = ask(scenario)
    taken = {advice.route, advice.engine, advice.provider, advice.plan.fallback_provider}
    taken |= {stage.engine for stage in advice.stages}
    for name in {*routes_of(), *RULEBOOK.route.candidates} - taken:
        against = advice.why_not(name)
        if isinstance(against, RunnerUp):
            assert against.lost_to
            assert (against.rule is None) == (against.where is None) == (against.lost_at == "listed order")
        else:
            assert against
            assert all(objection.where.startswith("rules/") for objection in against)
    for name in taken - {None, "blocked"}:
        with pytest.raises(DeployAdvisorError, match="was chosen"):
            advice.why_not(str(name))


def objections(advice: Recommendation, name: str) -> list[str]:
    against = advice.why_not(name)
    assert isinstance(against, tuple)
    return [objection.rule for objection in against]


def test_why_not_names_objections_of_routes_and_engines() -> None:
    advice = ask("customer-contracts-gdpr")
    assert objections(advice, "local_runner") == objections(advice, "ollama") == ["desktop-runner-is-for-light-load"]
    assert objections(advice, "openai") == ["sensitive-text-needs-a-covering-contract"]
    assert objections(advice, "moonshot")[1:] == ["training-terms-in-writing"]
    assert objections(ask("ad-copy"), "vllm") == ["engine-needs-a-gpu-server", "engine-runs-on-this-platform"]
    assert objections(ask("v100-server"), "vllm") == ["engine-has-kernels-for-this-gpu"]


def test_why_not_names_the_level_and_the_rule_of_the_winner() -> None:
    engine = ask("customer-contracts-gdpr").why_not("lmdeploy")
    assert isinstance(engine, RunnerUp)
    assert (engine.lost_at, engine.fit, engine.rule) == ("fit", "good", "vllm-serves-most-models")
    assert engine.lost_to.startswith('"vLLM" fits better (ideal): vLLM batches continuously')
    assert str(engine.where).startswith("rules/engine.yaml:")
    route = ask("idle-gpu-server").why_not("vllm")
    assert isinstance(route, RunnerUp)
    assert (route.route, route.lost_at, route.rule) == ("private_engine", "fit", "hosted-by-default")
    provider = ask("ad-copy").why_not("anthropic")
    assert isinstance(provider, RunnerUp)
    assert (provider.provider, provider.lost_at, provider.rule) == ("anthropic", "listed order", None)


@pytest.mark.parametrize("name", ["private_engine", "Private Engine", "private-engine", "Serve privately"])
def test_a_name_may_be_spelled_as_people_do(name: str) -> None:
    assert objections(ask("ad-copy"), name) == ["engine-needs-a-gpu-server"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lmdeplo", 'error: "lmdeplo" is not a route, engine or provider; did you mean "lmdeploy"?'),
        ("llama.ccp", 'error: "llama.ccp" is not a route, engine or provider; did you mean "llama_cpp"?'),
        ("blocked", 'error: "blocked" is not a route, engine or provider'),
        ("\x1b[31m\n", 'error: "�[31m�" is not a route, engine or provider'),
        ("OpenAI", 'error: "OpenAI" was chosen'),
    ],
)
def test_a_name_that_is_none_is_refused(name: str, text: str) -> None:
    advice = ask("ad-copy")
    with pytest.raises(DeployAdvisorError) as refused:
        advice.why_not(name)
    assert str(refused.value) == text
    if "chosen" not in text:
        with pytest.raises(DeployAdvisorError, match="is not a route"):
            advice.what_would_change(name)


def test_what_is_still_possible_has_nothing_against_it() -> None:
    advice = recommend(hardware="none", strict=True, data_sensitivity="confidential")
    with pytest.raises(DeployAdvisorError, match='"managed_api" is still possible; answer what is open first'):
        advice.why_not("managed_api")
    assert objections(advice, "hosted_api") == ["sensitive-text-not-on-a-plain-api"]


# What would change it


def check_changes(advice: Recommendation, to: str | None = None) -> None:
    """Every claim about a change is asked again, with all that it changes."""
    changes = advice.what_would_change(to)
    for change in changes:
        assert again(advice, **change.change).route == change.to, change
        assert change.to != advice.route
        changed = [FACTS[key] for key in change.change if key in FACTS]
        assert change.actionable == all(fact.changeable for fact in changed)
        assert all(f"{key} " in change.text for key in change.change)
    assert [change.actionable for change in changes] == sorted(
        (change.actionable for change in changes), reverse=True
    )
    assert len({json.dumps([change.to, change.change]) for change in changes}) == len(changes)


@each_scenario
def test_what_is_said_to_change_the_answer_does(scenario: Scenario) -> None:
    advice = ask(scenario)
    check_changes(advice)
    for change in advice.changes:
        assert ask(scenario, **change.change).route == change.to, change


@each_scenario
def test_costs_are_those_of_the_vocabulary(scenario: Scenario) -> None:
    for change in ask(scenario).what_would_change():
        facts = ["can_serve" if key == "hardware" else key for key in change.change]
        assert change.cost == sum(FACTS[name].change_cost for name in facts)


def test_ways_out_of_nothing_take_several_facts() -> None:
    advice = ask("confidential-busy-nothing")
    assert advice.status == "blocked"
    ways = {change.to: change.change for change in advice.changes if change.actionable}
    assert ways["cpu_small"] == {"peak_concurrency": 4}
    assert ways["managed_api"] == {"vendor_contract": "dpa"}
    assert ways["acquire_gpu"] == {"ops_capacity": "part_time", "can_acquire_gpu": "rent"}
    assert set(ways["private_engine"]) == {"hardware", "ops_capacity"}
    costs = [change.cost for change in advice.changes if change.actionable]
    assert costs == sorted(costs)


def test_a_change_passes_through_what_is_computed_from_it() -> None:
    """Without a contract no provider in the region may have this text, and with one several may."""
    advice = recommend(data_sensitivity="confidential", data_region="cn", peak_concurrency=64, hardware="none")
    managed = next(change for change in advice.changes if change.to == "managed_api")
    assert managed.change == {"vendor_contract": "dpa"}
    choice = [question.facts["hosted_choice"].value for question in (advice, again(advice, **managed.change))]
    assert choice == ["none", "several"]


def test_less_volume_takes_the_assumed_load_along() -> None:
    """By the rules alone the lower volume would be hosted; with fewer in flight a desktop runner does."""
    advice = recommend(
        purpose="personal", data_sensitivity="internal", requests_per_day=10_000, hardware="2x V100 32GB"
    )
    claims = [change for change in advice.changes if "requests_per_day" in change.change]
    assert [(change.change, change.to) for change in claims] == [({"requests_per_day": 7961}, "local_runner")]
    assert again(advice, requests_per_day=7961).route == "local_runner"


@pytest.mark.parametrize(
    ("scenario", "to", "first"),
    [
        ("customer-contracts-gdpr", "lab", {"purpose": "evaluation"}),
        ("customer-contracts-gdpr", "Transformers", {"purpose": "evaluation"}),
        ("ad-copy", "vllm", None),
        ("idle-gpu-server", "ollama", {"purpose": "personal"}),
    ],
)
def test_ways_to_a_route_or_an_engine(scenario: str, to: str, first: dict[str, Any] | None) -> None:
    advice = ask(scenario)
    changes = advice.what_would_change(to)
    assert changes
    assert first is None or changes[0].change == first
    for change in changes:
        found = again(advice, **change.change)
        assert to.lower() in (found.route, found.engine, *(stage.engine for stage in found.stages))


def test_some_things_take_more_than_answers() -> None:
    assert ask("ad-copy").what_would_change("lmdeploy") == ()


WORDS = {
    key: st.sampled_from([word for word in words if word != "unknown"])
    for key, words in allowed_values().items()
    if key in FACTS and len(words) > 1
}
PROFILES = st.fixed_dictionaries(
    {"hardware": st.sampled_from(["none", "1x RTX 4090", "8x H200", "M3 Max 64GB", "cpu 32GB", "2x V100 32GB"])},
    optional={
        **WORDS,
        "requests_per_day": st.sampled_from([100, 2_000, 50_000, 10**6]),
        "peak_concurrency": st.sampled_from([1, 4, 5, 64]),
        "regulations": st.lists(st.sampled_from(["gdpr", "pipl", "hipaa", "itar"]), max_size=2, unique=True),
    },
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(answers=PROFILES, strict=st.booleans())
def test_every_claim_holds_for_any_question(answers: dict[str, Any], strict: bool) -> None:
    try:
        from_answers({key: value for key, value in answers.items() if key != "hardware"})
    except ProfileError:
        assume(False)
    advice = recommend(**answers, strict=strict)
    check_changes(advice)
    for change in advice.changes:
        assert again(advice, **change.change).route == change.to, change
    answerable = {item.fact: item for item in advice.assumed if item.fact in Profile.model_fields}
    for fact, assumption in answerable.items():
        for value, route in assumption.would_change.items():
            number = FACTS[fact].type == "number"
            assert again(advice, **{fact: float(value) if number else value}).route == route, (fact, value)
    explained(advice)


# Reopened


def saved(advice: Recommendation, **changed: Any) -> Recommendation:
    document = parse_json(json.dumps({**json.loads(advice.to_json()), **changed}), "advice.json")
    return load_advice(document)


@each_scenario
def test_a_saved_answer_is_explained_like_a_fresh_one(scenario: Scenario) -> None:
    advice = ask(scenario)
    loaded = saved(advice)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert loaded == advice
        assert loaded.why() == advice.why()
        assert loaded.what_would_change() == advice.what_would_change()


def test_a_strict_answer_is_reopened_strictly() -> None:
    advice = recommend(hardware="none", strict=True)
    assert saved(advice).why().route is None
    assert (
        saved(advice, strict=False, status="decided", route="hosted_api", engine=None, provider="openai").why().route
    )


def test_other_rules_are_told_of() -> None:
    advice = ask("ad-copy")
    other = {"version": "0.9.0", "digest": "0" * 64}
    with pytest.warns(OtherRulesWarning, match=r"answered with rules 0\.9\.0 \(0{12}\), explained with rules [^;]*$"):
        assert saved(advice, ruleset=other).why().route == "hosted_api"
    with pytest.warns(OtherRulesWarning, match="; the answer would now be: Use a hosted API with OpenAI"):
        saved(advice, ruleset=other, route="lab").what_would_change()
    with pytest.warns(OtherRulesWarning, match=r"by deployadvisor .*; the answer would now be: Use a hosted API"):
        saved(advice, route="lab").why_not("lab")
    with pytest.warns(OtherRulesWarning, match="回答所用规则为"):
        saved(recommend(data_sensitivity="public", hardware="none", lang="zh"), ruleset=other).why()


def test_the_warning_points_at_who_asked() -> None:
    stale = saved(ask("ad-copy"), route="lab")
    with pytest.warns(OtherRulesWarning) as caught:
        stale.why()
    assert caught[0].filename == __file__


def test_a_saved_profile_that_is_none_is_refused() -> None:
    stale = saved(ask("ad-copy"), profile={"purpose": "fun"})
    with pytest.raises(ProfileError, match=r'advice\.json purpose: error: purpose: "fun" is not one of'):
        stale.why()


@pytest.fixture
def other_rules(tmp_path: Path) -> Path:
    """Rules under which no interface goes with a hosted API, so that three values cannot settle it."""
    folder = tmp_path / "rules"
    shutil.copytree(rules_folder(), folder)
    body = yaml.safe_load((folder / "route.yaml").read_text(encoding="utf-8"))
    for value in ("api", "web_ui"):
        rule = {
            "id": f"no-{value}",
            "forbid": "hosted_api",
            "when": {"interface": value},
            "because": "<b>Not</b> here.",
        }
        body["constraints"].append(rule)
    (folder / "route.yaml").write_text(yaml.safe_dump(body, sort_keys=False), encoding="utf-8")
    return folder


def test_an_answer_keeps_the_rules_it_was_made_with(other_rules: Path) -> None:
    advice = recommend(data_sensitivity="public", hardware="none", rules=other_rules)
    assert advice.route == "managed_api"
    assert objections(advice, "hosted_api") == ["no-api"]
    assert advice.why().route == "managed_api"
    copied = advice.model_copy(update={"name": "copy"})
    assert objections(copied, "hosted_api") == ["no-api"]
    document = parse_json(advice.to_json(), "advice.json")
    assert objections(load_advice(document, other_rules), "hosted_api") == ["no-api"]
    with pytest.warns(OtherRulesWarning, match="would now be: Use a hosted API"):
        load_advice(document).why()


def test_a_route_that_does_not_stand_is_no_loser(other_rules: Path) -> None:
    path = other_rules / "route.yaml"
    body = yaml.safe_load(path.read_text(encoding="utf-8"))
    body["candidates"]["cpu_small"]["stands"] = {"purpose": "personal"}
    path.write_text(yaml.safe_dump(body, sort_keys=False), encoding="utf-8")
    advice = recommend(data_sensitivity="public", hardware="none", rules=other_rules)
    with pytest.raises(DeployAdvisorError, match='"cpu_small" does not stand for election'):
        advice.why_not("cpu_small")
    assert objections(advice, "llama_cpp") == ["desktop-runner-needs-gpu-memory", "engine-runs-on-this-platform"]


def test_what_no_answer_can_change_is_not_called_open(other_rules: Path) -> None:
    question = {"data_sensitivity": "public", "hardware": "none", "interface": "unknown"}
    advice = recommend(question, rules=other_rules)
    assert (advice.status, advice.route, advice.possible) == ("decided", "managed_api", ())
    opened = recommend(question, rules=other_rules, internet="unknown", peak_concurrency=64)
    assert (opened.status, opened.possible) == ("open", ("managed_api",)), "or nothing, without the internet"


def test_an_overlay_is_part_of_the_question(tmp_path: Path) -> None:
    overlay = tmp_path / "acme.yaml"
    rule = {"id": "acme", "add": True, "forbid": ["hosted_api"], "when": {"purpose": "production"}, "because": "No."}
    body = {
        "schema": "deployadvisor/overlay@1",
        "name": "acme",
        "extends": {"ruleset": "route", "version": ">=1.0,<2"},
        "constraints": [rule],
    }
    overlay.write_text(yaml.safe_dump(body), encoding="utf-8")
    advice = recommend(data_sensitivity="public", hardware="none", overlay=overlay)
    assert objections(advice, "hosted_api") == ["acme"]
    assert advice.why().route == advice.route != "hosted_api"


# In words


def test_chinese_says_the_same() -> None:
    given = {**BY_ID["customer-contracts-gdpr"].given}
    english, chinese = recommend(**given), recommend(**given, lang="zh")
    names = [(fact.fact, fact.value) for fact in english.why().facts]
    assert [(fact.fact, fact.value) for fact in chinese.why().facts] == names
    changes = chinese.what_would_change()
    assert [change.change for change in changes] == [change.change for change in english.what_would_change()]
    against = chinese.why_not("lmdeploy")
    assert isinstance(against, RunnerUp)
    objection = chinese.why_not("hosted_api")
    assert isinstance(objection, tuple)
    texts = (*(change.text for change in changes), against.text, against.lost_to, chinese.why().facts[0].text)
    for text in (*texts, objection[0].because or ""):
        assert any("一" <= character <= "鿿" for character in text), text
    assert changes[0].text == "customization 为 adapter → 先用 Transformers 微调，再私有化部署"
    assert "（良好）" in against.text


def test_an_explanation_is_a_document() -> None:
    advice = ask("personal-laptop-gpu")
    everything = explained(advice)
    assert json.loads(everything.model_dump_json())["schema"] == "deployadvisor/explanation@1"
    assert everything.why == advice.why()
    assert everything.changes == advice.what_would_change()
    names = [against.name for against in everything.why_not]
    assert set(names) >= set(RULEBOOK.route.candidates) - {"local_runner"}
    assert names.index("textgen") > names.index("lab"), "routes come first"
    only = explained(advice, why_not=["vllm", "textgen"])
    assert (only.why, only.changes) == (None, ())
    assert [bool(against.objections) for against in only.why_not] == [True, False]
    assert explained(advice, to="lab").changes == advice.what_would_change("lab")


def test_the_markdown_page_escapes_what_rules_say(other_rules: Path) -> None:
    page = recommend(data_sensitivity="public", hardware="none", rules=other_rules).to_markdown()
    assert r"**hosted\_api**: \<b\>Not\</b\> here." in page
    assert "## Also possible" in page
    assert '"Use a hosted API in the region and under contract" fits better (acceptable)' in page


def test_a_plain_answer_compiles_nothing() -> None:
    code = (
        "import deployadvisor; from deployadvisor.decide.compiled import compiled\n"
        'deployadvisor.recommend(data_sensitivity="public", hardware="1x H100")\n'
        "assert compiled.cache_info().currsize == 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_objections_keep_what_was_computed() -> None:
    against = ask("ad-copy").why_not("private_engine")
    assert isinstance(against, tuple)
    assert isinstance(against[0], Objection)
    assert "vLLM: no accelerator here" in against[0].details
