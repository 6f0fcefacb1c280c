"""The cheapest changes that lead to another winner."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.decide.assumptions import Assumption
from deployadvisor.decide.cells import cells_of
from deployadvisor.decide.change import Changes, cheapest_changes, nearest_in
from deployadvisor.decide.compiled import Compiled
from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.evaluate import evaluate
from deployadvisor.decide.phrases import parse
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.decide.vocabulary import FactValue
from deployadvisor.errors import Where

from .examples import ANSWERS, BODIES, DOMAIN, FACTS, built, completions, condition, rules, words

STEPS = """
constraints:
  - {id: shut, forbid: every, when: {colour: blue}, because: x}
cases:
  - {id: a, recommend: second, fit: good, when: {load: at least 5}, because: x, source: s}
  - {id: b, recommend: third, fit: ideal, when: {load: above 9, level: not low, open: yes}, because: x, source: s}
  - {id: c, recommend: third, fit: ideal, when: {colour: green, level: mid}, because: x}
"""
NOW: Facts = {"level": "low", "colour": "red", "open": "no", "load": 2.0}


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        ({}, {}),
        ({"load": 1}, {"second": Changes(1, {"load": 5.0})}),
        (
            {"load": 1, "colour": 3, "level": 1, "open": 1},
            {
                None: Changes(3, {"colour": "blue"}),
                "second": Changes(1, {"load": 5.0}),
                "third": Changes(3, {"level": "mid", "open": "yes", "load": 10.0}),
            },
        ),
        (
            {"load": 2, "colour": 3, "level": 1, "open": 1},
            {
                None: Changes(3, {"colour": "blue"}),
                "second": Changes(2, {"load": 5.0}),
                "third": Changes(4, {"level": "mid", "colour": "green"}),
            },
        ),
    ],
)
def test_the_cheapest_way_to_every_other_winner(cost: dict[str, float], expected: dict[str | None, Changes]) -> None:
    assert cheapest_changes(Compiled(rules(STEPS)), NOW, cost) == expected


def test_a_way_that_an_assumption_excludes_is_none() -> None:
    never = Assumption("never", condition({"not": {"load": "at least 5", "level": "low"}}), "x", Where("v.yaml", 1))
    assumed = Compiled(dataclasses.replace(rules(STEPS), assumptions=(never,)))
    assert cheapest_changes(assumed, NOW, {"load": 1}) == {}
    assert cheapest_changes(assumed, NOW, {"load": 1, "level": 1}) == {
        "second": Changes(2, {"level": "mid", "load": 5.0})
    }


def test_an_open_fact_is_answered_or_does_not_matter() -> None:
    decision = Compiled(rules(STEPS))
    known: Facts = {"level": "low", "load": 2.0, "colour": "red"}
    assert cheapest_changes(decision, known, {"load": 1}) == {"second": Changes(1, {"load": 5.0})}
    assert cheapest_changes(decision, {"level": "low", "load": 2.0}, {"load": 1}) == {}, "the colour may be blue"
    assert cheapest_changes(decision, {"level": "low", "load": 2.0}, {"colour": 2}) == {
        "first": Changes(2, {"colour": "red"}),
        None: Changes(2, {"colour": "blue"}),
    }


@pytest.mark.parametrize(
    ("phrases", "current", "values"),
    [
        (("at least 5",), 2.0, (None, 5.0)),
        (("at least 5",), 80.0, (4.0, None)),
        (("above 5",), 2.0, (None, 6.0)),
        (("above 5",), 80.0, (5.0, None)),
        (("below 0.1",), 0.5, (0.05, None)),
        (("at most 0.1",), 0.5, (0.1, None)),
        (("at least 0.1",), 0.0, (None, 0.1)),
        (("at least 2", "above 2.5", "at most 40"), 1.0, (None, 2.0, 3.0, 41.0)),
        (("at least 2", "above 2.5", "at most 40"), 90.0, (1.0, 2.5, 40.0, None)),
        (("above 2.25", "below 2.75"), 9.0, (2.25, 2.5, None)),
        ((7,), 90.0, (6.0, 7.0, None)),
    ],
)
def test_a_number_moves_no_further_than_it_must(
    phrases: tuple[Any, ...], current: float, values: tuple[float | None, ...]
) -> None:
    load = words().facts["load"]
    cells = cells_of(load, [parse(phrase, load, Where("r.yaml")) for phrase in phrases])
    here = cells.index(current)
    assert len(cells) == len(values)
    for cell, value in enumerate(values):
        if cell != here:
            assert nearest_in(cells, cell, current) == value


# Laws, on random rulesets

COSTS = st.fixed_dictionaries({}, optional={name: st.integers(0, 3).map(float) for name in DOMAIN})


def changes_of(facts: Facts, cost: Mapping[str, float]) -> Iterator[tuple[tuple[float, int], Facts]]:
    """Every way to change the facts that have a cost, with its price; None leaves a fact open."""
    choices = [dict.fromkeys((facts.get(name), *(DOMAIN[name] if name in cost else ()))) for name in DOMAIN]
    for values in itertools.product(*choices):
        changed = {name: value for name, value in zip(DOMAIN, values, strict=True) if value is not None}
        moved = [name for name, value in changed.items() if facts.get(name) != value]
        yield (sum(cost[name] for name in moved), len(moved)), changed


def settled(ruleset: Ruleset, facts: Facts) -> frozenset[str | None]:
    return frozenset(evaluate(ruleset, complete).winner for complete in completions(facts))


@settings(deadline=None, max_examples=100)
@given(BODIES, st.one_of(ANSWERS, FACTS), COSTS)
def test_the_changes_lead_there_and_nothing_is_cheaper(
    body: dict[str, Any], facts: Facts, cost: dict[str, float]
) -> None:
    ruleset = built(body)
    found = cheapest_changes(Compiled(ruleset), facts, cost)
    for winner, changes in found.items():
        assert settled(ruleset, {**facts, **changes.facts}) == {winner}
        assert changes.cost == sum(cost[name] for name in changes.facts)
    best: dict[str | None, tuple[float, int]] = {}
    for price, changed in changes_of(facts, cost):
        winners = settled(ruleset, changed)
        if len(winners) == 1:
            (winner,) = winners
            best[winner] = min(price, best.get(winner, price))
    others = {winner: price for winner, price in best.items() if settled(ruleset, facts) != {winner}}
    assert {winner: (changes.cost, len(changes.facts)) for winner, changes in found.items()} == others


@settings(deadline=None)
@given(BODIES, ANSWERS)
def test_every_change_is_one_to_another_value(body: dict[str, Any], facts: Facts) -> None:
    for changes in cheapest_changes(Compiled(built(body)), facts, dict.fromkeys(DOMAIN, 1.0)).values():
        changed: Mapping[str, FactValue] = changes.facts
        assert changed
        assert all(facts[name] != value for name, value in changed.items())
