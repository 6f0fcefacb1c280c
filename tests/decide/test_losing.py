"""Where a candidate lost, and to which rules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.evaluate import evaluate
from deployadvisor.decide.losing import lost_at

from .examples import ANSWERS, BODIES, built, rules

RACE = """
constraints:
  - {id: closed, forbid: third, unless: {open: yes}, missing: an open door}
cases:
  - {id: first-is-good, recommend: first, fit: good, because: x}
  - {id: first-is-fair, recommend: first, fit: acceptable, because: x}
  - {id: second-is-good, recommend: second, fit: good, when: {level: not low}, because: x}
  - {id: second-is-fair, recommend: second, fit: acceptable, because: x}
  - {id: third-is-good, recommend: third, fit: good, because: x}
preferences:
  - {id: both, prefer: {first: 1, second: 3}, when: {level: high}, because: x}
  - {id: alone, prefer: {second: 1}, when: {level: high}, because: x}
  - {id: other, prefer: {first: 2}, when: {colour: red}, because: x}
"""


@pytest.mark.parametrize(
    ("facts", "candidate", "level", "own", "winners"),
    [
        ({"open": "no", "level": "low"}, "third", "constraint", ["closed"], []),
        ({"open": "no", "level": "low"}, "second", "fit", ["second-is-fair"], ["first-is-good"]),
        ({"open": "no", "level": "high", "colour": "red"}, "first", "points", ["other"], ["both", "alone"]),
        ({"open": "yes", "level": "mid", "colour": "red"}, "second", "points", [], ["other"]),
        ({"open": "yes", "level": "mid"}, "third", "listed order", ["third-is-good"], ["first-is-good"]),
    ],
)
def test_the_first_level_that_tells_them_apart(
    facts: Facts, candidate: str, level: str, own: list[str], winners: list[str]
) -> None:
    complete: Facts = {"colour": "blue", "load": 1.0, **facts}
    loss = lost_at(evaluate(rules(RACE), complete), candidate)
    assert loss.level == level
    assert [rule.id for rule in loss.own] == own
    assert [rule.id for rule in loss.winners] == winners


def test_who_did_not_lose_lost_nowhere() -> None:
    decision = evaluate(rules(RACE), {"colour": "blue", "level": "low", "open": "no"})
    with pytest.raises(ValueError, match="first did not lose"):
        lost_at(decision, "first")
    with pytest.raises(ValueError, match="did not lose"):
        lost_at(evaluate(rules(RACE), {}), "second")


@given(BODIES, ANSWERS)
def test_every_loser_has_its_level(body: dict[str, Any], facts: Facts) -> None:
    decision = evaluate(built(body), facts)
    for name, standing in decision.standings.items():
        if name == decision.winner:
            continue
        loss = lost_at(decision, name)
        assert (loss.level == "constraint") == bool(standing.objections)
        if loss.level == "points":
            assert loss.winners
        if loss.level == "fit":
            assert loss.winners[0].fit > standing.fit
