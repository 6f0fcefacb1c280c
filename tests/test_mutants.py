"""Mutants of the shipped rules: each rule left out, turned round, or with one threshold moved a step.

A mutant that answers some profile otherwise must be noticed: by an example beside a rule, by a scenario, or by the
check. One that answers every profile as before, which its diagram proves, does not count. `SURVIVORS` lists those
that nobody notices, each with the reason.
"""

from __future__ import annotations

import copy
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployadvisor import documents
from deployadvisor.answer import answer_to
from deployadvisor.decide.compiled import Compiled
from deployadvisor.decide.vocabulary import Fact
from deployadvisor.hardware.spec import machine_from_phrase
from deployadvisor.profile import Profile, from_answers
from deployadvisor.resources import rules_folder
from deployadvisor.rulebook import DECISIONS, Rulebook, load_rules
from deployadvisor.rulecheck import check
from deployadvisor.scenarios import failing_rule_tests, load_scenarios
from deployadvisor.verdict import Bench

SURVIVORS: dict[str, str] = {}
ENOUGH = 0.95
Body = dict[str, Any]


@dataclass(frozen=True)
class Mutant:
    name: str
    decision: str
    body: Body


def mutants(decision: str) -> Iterator[Mutant]:
    body: Body = documents.read(rules_folder() / f"{decision}.yaml").value
    facts = getattr(load_rules(), decision).vocabulary.facts
    for kind in ("constraints", "cases", "preferences"):
        for position, rule in enumerate(body.get(kind, [])):
            for how, changed in changes(rule, facts):
                mutated = copy.deepcopy(body)
                mutated[kind][position : position + 1] = changed
                yield Mutant(f"{rule['id']}: {how}", decision, mutated)
    for name, term in body.get("terms", {}).items():
        for how, condition in moved(term["means"], facts):
            mutated = copy.deepcopy(body)
            mutated["terms"][name]["means"] = condition
            yield Mutant(f"term {name}: {how}", decision, mutated)


def changes(rule: Body, facts: dict[str, Fact]) -> Iterator[tuple[str, list[Body]]]:
    yield "left out", []
    key = next((key for key in ("when", "unless") if key in rule), None)
    if key is None:
        return
    rest = {name: value for name, value in rule.items() if name != key}
    yield "turned round", [{**rest, "unless" if key == "when" else "when": rule[key]}]
    for how, condition in moved(rule[key], facts):
        yield how, [{**rest, key: condition}]


def moved(condition: Any, facts: dict[str, Fact]) -> Iterator[tuple[str, Any]]:
    """The condition with one of its own thresholds moved; terms are moved where they stand."""
    if isinstance(condition, list):
        for position, part in enumerate(condition):
            for how, changed in moved(part, facts):
                yield how, [*condition[:position], changed, *condition[position + 1 :]]
    elif isinstance(condition, dict):
        for key, value in condition.items():
            steps = neighbours(str(value), facts[key]) if key in facts else moved(value, facts)
            for how, changed in steps:
                yield f"{key} {value} -> {how}" if key in facts else how, {**condition, key: changed}


def neighbours(phrase: str, fact: Fact) -> Iterator[tuple[str, str]]:
    """The phrase with its last constant one step on: a number by one, a share by a hundredth, a word by one place."""
    words = phrase.split(" ")
    constant = words[-1]
    if fact.type == "number":
        step = 1 if re.fullmatch(r"\d+", constant) else 0.01
        found = [f"{float(constant) + by:.10g}" for by in (-step, step)]
    elif fact.type == "ordinal" and " or " not in phrase:
        place = fact.values.index(constant)
        found = [fact.values[at] for at in (place - 1, place + 1) if 0 <= at < len(fact.values)]
    else:
        found = []
    for other in found:
        changed = " ".join([*words[:-1], other])
        if not accepts_nothing(changed, fact):
            yield changed, changed


def accepts_nothing(phrase: str, fact: Fact) -> bool:
    return phrase in {f"below {fact.values[0]}", f"above {fact.values[-1]}"} if fact.values else False


# Who notices


@cache
def scenarios() -> tuple[tuple[Profile, str, tuple[str | None, ...]], ...]:
    asked = []
    for scenario in load_scenarios(load_rules()):
        profile, hardware = from_answers(scenario.given, scenario.where), str(scenario.given["hardware"])
        asked.append((profile, hardware, outcome(profile, hardware, load_rules())))
    return tuple(asked)


def outcome(profile: Profile, hardware: str, rulebook: Rulebook) -> tuple[str | None, ...]:
    return answer_to(profile, Bench(rulebook, machine_from_phrase(hardware))).outcome


def by_scenario(rulebook: Rulebook) -> bool:
    return any(outcome(profile, hardware, rulebook) != wanted for profile, hardware, wanted in scenarios())


def by_check(rulebook: Rulebook) -> bool:
    """Findings about meaning only: that a text is left over for a rule that is gone would be too easy."""
    return any(issue.code != "DA013" for issue in check(rulebook).issues)


def answers_as_before(rulebook: Rulebook, decision: str) -> bool:
    """Whether every profile has the same winner as under the shipped rules."""
    before, after = getattr(load_rules(), decision), getattr(rulebook, decision)
    conditions = [*before.conditions(), *after.conditions()]
    return content(Compiled(before, conditions)) == content(Compiled(after, conditions))


def content(compiled: Compiled) -> int:
    """A number for the winner's diagram that is the same in every manager."""
    seen: dict[int, int] = {}
    diagrams = compiled.diagrams

    def number(node: int) -> int:
        if node not in seen:
            parts = (diagrams.value(node),) if diagrams.is_leaf(node) else tuple(map(number, diagrams.kids(node)))
            seen[node] = hash((diagrams.level[node], parts))
        return seen[node]

    return number(compiled.winner)


def noticed_by(mutant: Mutant, folder: Path) -> str:
    """Who notices a mutant first; ``same`` where there is nothing to notice, empty where nobody does."""
    shutil.copytree(rules_folder(), folder)
    (folder / f"{mutant.decision}.yaml").write_text(yaml.safe_dump(mutant.body, sort_keys=False), encoding="utf-8")
    rulebook = load_rules(folder)
    if any(failing_rule_tests(rulebook)):
        return "example"
    if answers_as_before(rulebook, mutant.decision):
        return "same"
    return "scenario" if by_scenario(rulebook) else "check" if by_check(rulebook) else ""


@pytest.mark.slow
@pytest.mark.parametrize("decision", DECISIONS)
def test_mutants_are_noticed(decision: str, tmp_path: Path) -> None:
    found: dict[str, list[str]] = {}
    for position, mutant in enumerate(mutants(decision)):
        found.setdefault(noticed_by(mutant, tmp_path / str(position)), []).append(mutant.name)
    survivors = found.pop("", [])
    counted = {who: len(names) for who, names in found.items()}
    sys.stdout.write(f"\n{decision}: noticed by {counted}, survivors {survivors}\n")
    assert set(survivors) == {name for name in SURVIVORS if name in {mutant.name for mutant in mutants(decision)}}
    caught = sum(number for who, number in counted.items() if who != "same")
    assert caught >= ENOUGH * (caught + len(survivors))
