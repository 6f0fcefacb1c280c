"""Whole questions with the answers they must get: the decision table as tests that a rule author can read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deployadvisor import documents, profile
from deployadvisor.advise import recommend
from deployadvisor.documents import Document, KeyPath
from deployadvisor.errors import RulesError, nearest
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
    document = documents.read(path, display_path(path))
    rows = document.value.get("scenarios", [])
    return tuple(_read(document, ("scenarios", position), row) for position, row in enumerate(rows))


def _read(document: Document, path: KeyPath, row: Any) -> Scenario:
    where = document.where(path)
    if not isinstance(row, dict) or set(row) != {"id", "situation", "given", "expect"}:
        raise RulesError("a scenario has id, situation, given and expect", where=where)
    for key in row["expect"]:
        if key not in _EXPECTATIONS:
            raise RulesError(f'cannot expect "{key}"', where=where, suggestion=nearest(key, _EXPECTATIONS))
    profile.from_document(Document(str(where), row["given"], {(): (where.line or 1, where.column or 1)}))
    return Scenario(row["id"], row["situation"], row["given"], row["expect"], str(where))


def run_scenarios(rulebook: Rulebook) -> list[Outcome]:
    """Ask every scenario and compare."""
    return [run(scenario, rulebook) for scenario in load_scenarios(rulebook)]


def run(scenario: Scenario, rulebook: Rulebook) -> Outcome:
    """Ask one scenario and compare."""
    advice = recommend(profile.from_answers(scenario.given, scenario.where), rules=rulebook.folder)
    differences = [
        f"{key} is {actual}, expected {expected}"
        for key, expected in scenario.expect.items()
        if not _meets(actual := _actual(advice, key), expected)
    ]
    text = f"{scenario.where}: {scenario.id}: {'; '.join(differences)}" if differences else ""
    return Outcome(scenario, not differences, text)


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


def failing_rule_tests(rulebook: Rulebook) -> Iterator[str]:
    """Tests beside rules whose condition does not come out as stated; a fact left out of ``given`` is unknown."""
    for rule in rulebook.rules():
        for test in rule.tests:
            applies = rule.when.evaluate(test.given)
            if applies is not test.applies:
                wanted, got = ("applies" if test.applies else "does not apply"), {None: "open", True: "applies"}
                yield f"{test.where}: {rule.id}: expected that it {wanted}, it is {got.get(applies, 'false')}"
