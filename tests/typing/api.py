"""The public surface as type checkers see it; never run, only checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

import deployadvisor
from deployadvisor import DeployAdvisorError, Profile, Recommendation, load_rules, probe, recommend
from deployadvisor.hardware.machine import Machine
from deployadvisor.reasoning import Change, Objection, Reason, RunnerUp, Why, WhyFact
from deployadvisor.render.changes import FolderDiff, WriteReport
from deployadvisor.rulebook import Rulebook

assert_type(deployadvisor.__version__, str)
assert_type(load_rules(), Rulebook)
assert_type(load_rules("rules"), Rulebook)
assert_type(load_rules(Path("rules")), Rulebook)


def asked_with_keywords() -> Recommendation:
    advice = recommend(
        data_sensitivity="confidential",
        requests_per_day=50_000,
        customization="adapter",
        model="Qwen/Qwen3-8B",
        hardware="1x H100",
    )
    assert_type(advice, Recommendation)
    assert_type(advice.engine, str | None)
    assert_type(advice.route, str | None)
    return advice


def asked_in_other_ways(profile: Profile, answers: dict[str, Any], machine: Machine) -> None:
    assert_type(recommend(), Recommendation)
    assert_type(recommend(profile, hardware=machine), Recommendation)
    assert_type(recommend(answers, rules=Path("rules"), lang="zh"), Recommendation)
    assert_type(recommend("project.yaml", strict=True), Recommendation)
    assert_type(recommend(Path("project.yaml"), hardware=probe()), Recommendation)


def answered(advice: Recommendation) -> None:
    assert_type(advice.why(), Why)
    assert_type(advice.why().facts, tuple[WhyFact, ...])
    assert_type(advice.reasons, tuple[Reason, ...])
    assert_type(advice.why_not("ollama"), tuple[Objection, ...] | RunnerUp)
    assert_type(advice.what_would_change(), tuple[Change, ...])
    assert_type(advice.what_would_change("vllm"), tuple[Change, ...])
    assert_type(advice.write("deploy", force=True), WriteReport)
    assert_type(advice.bundle(["compose"]).diff("deploy"), FolderDiff)
    assert_type(advice.status == "decided", bool)
    for reason in advice.reasons:
        assert_type(reason.rule, str)
    for name, fact in advice.facts.items():
        assert_type(name, str)
        assert_type(fact.basis == "assumed", bool)
    advice.status = "open"  # type: ignore[misc] # an answer is frozen, and checkers say so


def refused(error: DeployAdvisorError) -> tuple[str, str | None]:
    assert_type(error.exit_code, int)
    return error.message, error.suggestion
