"""Which items apply to which answer, and what ticks them."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.checklist.document import markdown
from deployadvisor.checklist.items import Ticked, applying, load_items
from deployadvisor.figures import Estimate
from deployadvisor.reasoning import Basis, FactValue
from deployadvisor.recommendation import Recommendation

from .answers import answer, card, hosted, machine, memory, private

GPU_ITEMS = {
    "licence-is-approved",
    "precision-is-documented",
    "memory-fits-at-the-peak",
    "cards-are-documented",
    "parallelism-is-chosen",
    "machine-room-carries-it",
    "spare-power-and-parts",
    "storage-is-measured",
    "network-is-settled",
    "engine-is-pinned",
    "limits-are-explicit",
    "cold-start-is-known",
    "quantised-model-is-evaluated",
    "runbooks-exist",
}
AGREEMENTS = {"processing-agreement-is-signed", "business-associate-agreement-is-signed"}


def ids(advice: Recommendation) -> set[str]:
    return {entry.item.id for entry in applying(advice)}


def done(advice: Recommendation) -> set[str]:
    return {entry.item.id for entry in applying(advice) if entry.done}


def entry(advice: Recommendation, name: str) -> Ticked:
    return next(entry for entry in applying(advice) if entry.item.id == name)


# What applies


def test_a_hosted_route_hides_what_concerns_own_machines() -> None:
    plan = {"gpus": 2, "precision": "int4", "model": "Qwen/Qwen3-8B"}
    assert not ids(hosted(plan=plan)) & GPU_ITEMS
    assert ids(private(plan=plan)) >= GPU_ITEMS


def test_one_card_needs_no_parallelism() -> None:
    assert "parallelism-is-chosen" not in ids(private(plan={"gpus": 1}))


def test_a_laptop_has_no_machine_room() -> None:
    advice = private(route="lab", engine="transformers", answered={"platform": "laptop", "purpose": "personal"})
    assert "machine-room-carries-it" not in ids(advice)
    assert "operators-are-named" not in ids(advice)


@pytest.mark.parametrize(("budget", "applies"), [("buy", True), ("rent", False)])
def test_rented_cards_stand_in_somebody_elses_room(budget: str, applies: bool) -> None:
    advice = private(route="acquire_gpu", answered={"can_acquire_gpu": budget})
    assert ("machine-room-carries-it" in ids(advice)) is applies


@pytest.mark.parametrize(
    ("answers", "agreements"),
    [
        ({"data_sensitivity": "internal", "law_needs_contract": "none"}, set()),
        ({"data_sensitivity": "internal", "law_needs_contract": "dpa"}, {"processing-agreement-is-signed"}),
        ({"data_sensitivity": "confidential", "law_needs_contract": "none"}, {"processing-agreement-is-signed"}),
        ({"data_sensitivity": "confidential", "law_needs_contract": "baa"}, AGREEMENTS),
        ({"data_sensitivity": "restricted", "law_needs_contract": "none"}, AGREEMENTS),
    ],
)
def test_agreements_follow_sensitivity_and_law(answers: dict[str, str], agreements: set[str]) -> None:
    assert ids(hosted(answered=answers)) & AGREEMENTS == agreements
    assert not ids(private(answered=answers)) & AGREEMENTS


def test_a_contract_in_the_profile_is_no_signed_agreement() -> None:
    answers = {"data_sensitivity": "restricted", "vendor_contract": "baa", "law_needs_contract": "baa"}
    assert not done(hosted(answered=answers)) & AGREEMENTS


@pytest.mark.parametrize(
    ("answers", "applies"),
    [
        ({"audience": "public"}, True),
        ({"audience": "internal"}, False),
        ({"audience": "internal", "regulations": ["mlps"]}, True),
        ({"audience": "public", "purpose": "personal"}, False),
    ],
)
def test_filing_is_asked_of_public_and_graded_services(answers: dict[str, Any], applies: bool) -> None:
    assert ("filing-is-checked" in ids(hosted(answered=answers))) is applies


def test_regulations_are_known_by_every_name() -> None:
    for name in ("mlps", "MLPS", "unheard_of"):
        asked = "filing-is-checked" in ids(hosted(answered={"audience": "internal", "regulations": [name]}))
        assert asked is (name != "unheard_of")


@pytest.mark.parametrize(
    ("level", "applying_items"),
    [
        ("prompting", set()),
        ("retrieval", {"retrieval-respects-access", "data-inventory-exists"}),
        ("adapter", {"tuning-is-justified", "data-inventory-exists"}),
    ],
)
def test_adaptation_brings_its_items(level: str, applying_items: set[str]) -> None:
    items = {"retrieval-respects-access", "data-inventory-exists", "tuning-is-justified"}
    assert ids(private(answered={"customization": level})) & items == applying_items


def test_an_unknown_fact_hides_nothing_and_is_named() -> None:
    filing = entry(hosted(), "filing-is-checked")
    assert filing.depends_on == ("audience",)
    blocked = answer(status="blocked")
    assert {item.id for item in load_items().items} == ids(blocked)
    assert "route" in entry(blocked, "cards-are-documented").depends_on
    assert entry(blocked, "stage-is-named").depends_on == ()


# What is ticked

CONTEXT = {"context_tokens": 16_384}
LAW = {"regulations": ["gdpr", "pipl"], "data_region": "eu", "vendor_contract": "dpa"}
PEAK = {"peak_concurrency": 20, "requests_per_day": 50_000, "traffic": "steady"}
LIMITS = {"precision": "bf16", "max_model_len": 16_384, "max_concurrency": 24}


@pytest.mark.parametrize(
    ("item", "answers", "sentence"),
    [
        ("stage-is-named", {"purpose": "prototype"}, "The profile names the stage before production: prototype."),
        (
            "data-is-classified",
            {"data_sensitivity": "public"},
            "The profile states that even the most sensitive text",
        ),
        ("regulations-are-listed", LAW, "The profile lists the regulations gdpr, pipl and the region eu."),
        ("context-length-is-set", CONTEXT, "The profile sets 16,384 tokens."),
        (
            "latency-target-is-set",
            {"ttft_ms": 500, "tpot_ms": 40.5},
            "The profile sets 500 ms to the first token and 40.5 ms",
        ),
        (
            "peak-is-known",
            PEAK,
            "The profile answers 20 in flight at the peak, 50,000 requests a day, traffic steady.",
        ),
        ("training-or-inference-is-decided", {"customization": "none"}, "The profile answers customization: none."),
        (
            "growth-is-estimated",
            {"growth_per_year": 0.5},
            "The profile states the yearly growth as the fraction 0.5.",
        ),
    ],
)
def test_an_answer_in_the_profile_ticks(item: str, answers: dict[str, Any], sentence: str) -> None:
    proof = entry(hosted(answered=answers), item).evidence
    assert proof is not None
    assert proof.startswith(sentence)


@pytest.mark.parametrize("left_out", [*LAW])
def test_half_a_list_of_law_ticks_nothing(left_out: str) -> None:
    answers = {key: value for key, value in LAW.items() if key != left_out}
    assert "regulations-are-listed" not in done(hosted(answered=answers))


def test_an_own_service_needs_no_contract_status() -> None:
    answers = {key: value for key, value in LAW.items() if key != "vendor_contract"}
    assert "regulations-are-listed" in done(private(answered=answers))


@pytest.mark.parametrize("regulations", [[], "unknown", None])
def test_no_regulation_named_is_no_list(regulations: Any) -> None:
    assert "regulations-are-listed" not in done(hosted(answered={**LAW, "regulations": regulations}))


def test_production_and_sensitive_text_are_not_settled_by_naming_them() -> None:
    assert not done(hosted(answered={"data_sensitivity": "confidential"}))


def test_an_estimated_peak_is_no_answer() -> None:
    estimated = FactValue(value=20.0, basis="computed", source="Little's law")
    answers = {key: value for key, value in PEAK.items() if key != "peak_concurrency"}
    advice = private(answered=answers, estimate=memory())
    advice = advice.model_copy(update={"facts": {**advice.facts, "peak_concurrency": estimated}})
    assert not done(advice) & {"peak-is-known", "memory-fits-at-the-peak"}


@pytest.mark.parametrize(
    ("estimate", "ticked"),
    [
        (memory(max_concurrency=24), True),
        (memory(max_concurrency=23), False),
        (memory(fits=False), False),
        (Estimate(), False),
    ],
)
def test_memory_is_proven_with_a_fifth_to_spare(estimate: Estimate, ticked: bool) -> None:
    advice = private(answered={"peak_concurrency": 20}, estimate=estimate)
    assert ("memory-fits-at-the-peak" in done(advice)) is ticked


def test_probed_cards_are_documented() -> None:
    proof = entry(private(machine=machine(card(), card(index=1))), "cards-are-documented").evidence
    assert proof == (
        "The probe read 2x NVIDIA H200 (140.4 GiB), compute capability 9.0, driver 580.159.04, CUDA 13.0."
    )


def test_cards_that_are_only_described_are_not_documented() -> None:
    assert "cards-are-documented" not in done(private(machine=machine(card(), card(driver=None))))
    assert "cards-are-documented" not in done(private())
    assert "cards-are-documented" not in done(private(machine=machine(card(visible=False))))


def test_cards_at_hand_do_not_document_those_to_acquire() -> None:
    assert "cards-are-documented" not in done(private(route="acquire_gpu", machine=machine(card())))


@pytest.mark.parametrize(
    ("plan", "estimate", "ticked"),
    [
        ({"gpus": 2, "gpu": "h200", "tensor_parallel": 2}, memory(), True),
        ({"gpus": 4, "gpu": "h200", "tensor_parallel": 2, "replicas": 2}, memory(), True),
        ({"gpus": 3, "gpu": "h200", "tensor_parallel": 2}, memory(), False),
        ({"gpus": 2, "tensor_parallel": 2}, memory(), False),
        ({"gpus": 2, "gpu": "h200", "tensor_parallel": 2}, Estimate(), False),
    ],
)
def test_parallelism_is_settled_on_equal_cards_in_full_use(
    plan: dict[str, Any], estimate: Estimate, ticked: bool
) -> None:
    assert ("parallelism-is-chosen" in done(private(plan=plan, estimate=estimate))) is ticked


def test_engine_and_interface_are_pinned_together() -> None:
    proof = entry(private(answered={"interface": "api"}), "engine-is-pinned").evidence
    assert proof is not None
    assert proof.startswith("vLLM ")
    assert "engine-is-pinned" not in done(private(assumed={"interface": "api"}))


@pytest.mark.parametrize("left_out", [None, *LIMITS])
def test_limits_count_only_together(left_out: str | None) -> None:
    plan = {key: value for key, value in LIMITS.items() if key != left_out}
    assert ("limits-are-explicit" in done(private(plan=plan))) is (left_out is None)


def test_an_engine_without_the_options_has_no_explicit_limits() -> None:
    advice = private(route="lab", engine="transformers", plan=LIMITS)
    assert "limits-are-explicit" not in done(advice)


@pytest.mark.parametrize(
    ("plan", "ticked", "evaluate_again"),
    [
        ({"precision": "bf16"}, True, False),
        ({"precision": "bf16", "kv_dtype": "fp8"}, False, True),
        ({"precision": "fp8"}, False, True),
        ({}, False, True),
    ],
)
def test_only_the_published_precision_loses_nothing(plan: dict[str, Any], ticked: bool, evaluate_again: bool) -> None:
    advice = private(plan={"model": "Qwen/Qwen3-8B", **plan})
    assert ("precision-is-documented" in done(advice)) is ticked
    assert ("quantised-model-is-evaluated" in ids(advice)) is evaluate_again


def test_a_second_provider_is_a_fallback() -> None:
    advice = hosted(plan={"fallback_provider": "mistral"})
    assert (
        entry(advice, "fallback-is-defined").evidence
        == "The plan names mistral as the second provider behind the gateway."
    )


def test_evidence_speaks_the_language_of_the_answer() -> None:
    assert (
        entry(hosted(answered=CONTEXT, lang="zh"), "context-length-is-set").evidence
        == "项目配置设为 16,384 个 token。"
    )


# Laws

FACTS = load_items().vocabulary.facts
WORDS = sorted({value for fact in FACTS.values() for value in fact.values})
ANYTHING = st.one_of(
    st.sampled_from(WORDS),
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=2),
)
SETTINGS = settings(max_examples=60, deadline=None)


@SETTINGS
@given(
    values=st.dictionaries(st.sampled_from(sorted(FACTS)), st.tuples(ANYTHING, st.sampled_from(get_args(Basis)))),
    profile=st.dictionaries(st.sampled_from([*FACTS, "regulations", "name"]), ANYTHING),
    route=st.sampled_from([*FACTS["route"].values, "unheard of", None]),
    engine=st.sampled_from([*FACTS["engine"].values, "unheard of", None]),
    lang=st.sampled_from(["en", "zh"]),
)
def test_any_facts_make_a_checklist(values: Any, profile: Any, route: Any, engine: Any, lang: Any) -> None:
    facts = {name: FactValue(value=value, basis=basis, source="") for name, (value, basis) in values.items()}
    text = markdown(answer(facts=facts, profile=profile, route=route, engine=engine, lang=lang))
    assert text.count("- [") >= 1


@SETTINGS
@given(
    values=st.fixed_dictionaries(
        {name: st.sampled_from(fact.values) if fact.values else st.floats(0, 1e6) for name, fact in FACTS.items()}
    ),
    basis=st.sampled_from(["assumed", "unknown"]),
)
def test_an_assumption_ticks_nothing(values: dict[str, Any], basis: Any) -> None:
    facts = {name: FactValue(value=value, basis=basis, source="") for name, value in values.items()}
    assert not done(answer(facts=facts, route="hosted_api", provider="openai"))


@SETTINGS
@given(
    values=st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(fact.values) for name, fact in FACTS.items() if fact.values}
    ),
    forgotten=st.sampled_from(sorted(FACTS)),
)
def test_forgetting_an_answer_hides_no_item_and_proves_none(values: dict[str, Any], forgotten: str) -> None:
    fewer = {name: value for name, value in values.items() if name != forgotten}
    assert ids(answer(answered=values)) <= ids(answer(answered=fewer))
    assert done(answer(answered=fewer)) <= done(answer(answered=values)) | (
        ids(answer(answered=fewer)) - ids(answer(answered=values))
    )
