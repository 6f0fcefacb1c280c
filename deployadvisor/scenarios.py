"""Whole questions with the answers they must get: the decision table as tests that a rule author can read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deployadvisor import documents, profile
from deployadvisor.advise import recommend
from deployadvisor.decide.compiled import compiled
from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.entry import Entry, about, is_word
from deployadvisor.decide.verify_rules import check_example
from deployadvisor.documents import Document, quoted
from deployadvisor.errors import Where
from deployadvisor.recommendation import Recommendation
from deployadvisor.resources import display_path
from deployadvisor.rulebook import Rulebook

_EXPECTATIONS = (
    "status",
    "route",
    "engine",
    "provider",
    "backend",
    "obligation",
    "reason",
    "missing",
    "fallback",
    "rent",
)


_KEYS = ("id", "situation", "given", "expect")


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row: a situation in words, its profile, and what must come out (lists mean "one of these")."""

    id: str
    situation: str
    given: Mapping[str, Any]
    expect: Mapping[str, Any]
    where: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a scenario went; ``text`` says what differed."""

    scenario: Scenario
    passed: bool
    text: str


def load_scenarios(rulebook: Rulebook) -> tuple[Scenario, ...]:
    """Scenarios of a rules folder; none when it has no ``scenarios.yaml``."""
    path = rulebook.folder / "scenarios.yaml"
    if not path.exists():
        return ()
    return read_scenarios(documents.read(path, display_path(path)))


def read_scenarios(document: Document) -> tuple[Scenario, ...]:
    """Scenarios of a document that has been read; RulesError with file:line:column when one is not right."""
    documents.expect_schema(document, "scenarios")
    top = Entry(document, document.value)
    top.check('a file of scenarios has a list "scenarios"', ("schema", "scenarios"))
    return tuple(map(_read, top["scenarios"].items()))


def _read(entry: Entry) -> Scenario:
    entry.check("a scenario has id, situation, given and expect", _KEYS)
    name, given, expect = entry["id"].text(), entry["given"], entry["expect"]
    if not is_word(name):
        entry["id"].fail(f"{quoted(name)} is not a name of letters, digits, _ and -")
    with about(f"scenario {name}"):
        situation = entry["situation"].text()
        given.check("given must be a mapping: a profile")
        expect.check("expect must be a mapping", _EXPECTATIONS)
        profile.from_document(_alone(given))
    return Scenario(name, situation, given.value, expect.value, str(entry.where))


def _alone(given: Entry) -> Document:
    """A profile as a document of its own, whose answers stand where they do in the file."""
    values = {part.path[-1:]: _mark(part.where) for part in given.parts()}
    keys = {part.path[-1:]: _mark(part.where_key) for part in given.parts()}
    return Document(given.document.source, given.value, {(): _mark(given.where), **values}, keys)


def _mark(where: Where) -> tuple[int, int]:
    return where.line or 1, where.column or 1


def run_scenarios(rulebook: Rulebook) -> list[Outcome]:
    """Ask every scenario and compare."""
    return [run(scenario, rulebook) for scenario in load_scenarios(rulebook)]


def run(scenario: Scenario, rulebook: Rulebook) -> Outcome:
    """Ask one scenario and compare."""
    advice = _ask(scenario, rulebook)
    differences = [
        f"{key} is {actual}, expected {expected}"
        for key, expected in scenario.expect.items()
        if not _meets(actual := _actual(advice, key), expected)
    ]
    text = f"{scenario.where}: {scenario.id}: {'; '.join(differences)}" if differences else ""
    return Outcome(scenario, not differences, text)


def _ask(scenario: Scenario, rulebook: Rulebook) -> Recommendation:
    return recommend(profile.from_answers(scenario.given, scenario.where), rules=rulebook.folder)


def _actual(advice: Recommendation, key: str) -> Any:
    return {
        "obligation": [duty.id for duty in advice.obligations],
        "reason": [reason.rule for reason in advice.reasons],
        "missing": [objection.rule for item in advice.rejected for objection in item.objections if objection.missing],
        "backend": advice.plan.backend,
        "fallback": advice.plan.fallback_provider is not None,
        "rent": bool(advice.plan.rent),
    }.get(key, getattr(advice, key, None))


def _meets(actual: Any, expected: Any) -> bool:
    if isinstance(actual, list):
        return set(expected if isinstance(expected, list) else [expected]) <= set(actual)
    return actual in expected if isinstance(expected, list) else bool(actual == expected)


def facts_of_scenarios(rulebook: Rulebook) -> tuple[Facts, ...]:
    """What is known of the profile and the machine in each scenario."""
    answers = (_ask(scenario, rulebook) for scenario in load_scenarios(rulebook))
    return tuple({name: fact.value for name, fact in advice.facts.items()} for advice in answers)


def failing_rule_tests(rulebook: Rulebook) -> Iterator[str]:
    """Examples beside rules that do not come out as stated, however they are completed."""
    for ruleset in rulebook.rulesets:
        for rule in ruleset.rules:
            for test in rule.tests:
                yield from map(str, check_example(compiled(ruleset), rule, test))
