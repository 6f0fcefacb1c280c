"""Minimal sets of facts that force a winner."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deployadvisor.decide.assumptions import Assumption
from deployadvisor.decide.compiled import Compiled
from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.decide.space import attribute_of
from deployadvisor.decide.sufficient import duel, sufficient, sufficient_for
from deployadvisor.errors import Where

from .examples import ANSWERS, BODIES, CANDIDATES, CONDITIONS, DOMAIN, FACTS, built, condition, rules

DOORS = """
constraints:
  - {id: a, forbid: first, unless: {open: yes}, missing: an open door}
cases:
  - {id: b, recommend: first, fit: ideal, when: {load: at least 5}, because: x, source: s}
  - {id: c, recommend: first, fit: good, when: {level: high}, because: x}
  - {id: d, recommend: second, fit: acceptable, because: x}
"""


def assuming(ruleset: Ruleset, body: Any) -> Ruleset:
    """The same rules, for profiles in which a condition holds."""
    assumption = Assumption("assumed", condition(body), "x", Where("v.yaml", 1))
    return dataclasses.replace(ruleset, assumptions=(assumption,))


@pytest.mark.parametrize(
    ("facts", "drop_first", "expected"),
    [
        ({"level": "high", "open": "yes", "load": 6.0, "colour": "red"}, (), ("open", "load")),
        ({"level": "high", "open": "yes", "load": 6.0}, ("load",), ("level", "open")),
        ({"level": "high", "open": "no", "load": 6.0}, (), ("open",)),
        ({"open": "no"}, ("open", "level", "nothing"), ("open",)),
        ({"level": "low", "open": "yes", "load": 1.0}, (), ("level", "load")),
    ],
)
def test_what_can_be_spared_is_let_go(facts: Facts, drop_first: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert sufficient(Compiled(rules(DOORS)), facts, drop_first) == expected


def test_what_is_assumed_need_not_be_said() -> None:
    facts: Facts = {"level": "high", "open": "yes", "load": 1.0}
    loaded = assuming(rules(DOORS), {"any": [{"load": "below 5"}, {"open": True}]})
    assert sufficient(Compiled(loaded), {**facts, "load": 6.0}) == ("load",), "such a load has an open door"
    assert sufficient(Compiled(loaded), facts) == ("level", "open")


def test_facts_against_an_assumption_are_judged_without_it() -> None:
    never = assuming(rules(DOORS), {"open": False})
    assert sufficient(Compiled(never), {"level": "high", "open": "yes", "load": 6.0}) == ("open", "load")


def test_facts_that_settle_nothing_are_no_reason() -> None:
    with pytest.raises(ValueError, match="too many values"):
        sufficient(Compiled(rules(DOORS)), {"level": "high"})


SIZES = """
attributes: {its_size: {type: ordinal, values: [none, some, much], derived: true, ask: How large it is.}}
constraints:
  - {id: size, forbid: every, when: {its_size: none}, missing: size}
preferences:
  - {id: large, prefer: {every: 1}, when: {its_size: much, open: yes}, because: x}
"""


def duels(ruleset: Ruleset, winner: str) -> list[Compiled]:
    return [duel(ruleset, winner, rival) for rival in CANDIDATES if rival != winner]


def test_several_decisions_share_their_reason() -> None:
    ruleset = rules(SIZES)
    facts: Facts = {
        "open": "yes",
        attribute_of("first", "its_size"): "some",
        attribute_of("second", "its_size"): "much",
        attribute_of("third", "its_size"): "much",
    }
    reason = sufficient_for(duels(ruleset, "second"), facts, ("its_size of third",))
    assert reason == ("open", "its_size of first", "its_size of second"), "the third comes later in the list"


# Laws, on random rulesets


@settings(deadline=None, max_examples=60)
@given(BODIES, ANSWERS, st.permutations(list(DOMAIN)))
def test_the_facts_force_the_winner_and_none_can_be_spared(
    body: dict[str, Any], facts: Facts, order: list[str]
) -> None:
    decision = Compiled(built(body))
    kept = {name: facts[name] for name in sufficient(decision, facts, order[:2])}
    assert decision.remaining(kept) == {decision.winner_for(facts)}
    for spared in kept:
        assert len(decision.remaining({name: value for name, value in kept.items() if name != spared})) > 1


@settings(deadline=None, max_examples=60)
@given(BODIES, CONDITIONS, FACTS)
def test_the_same_holds_under_assumptions_and_with_open_facts(body: dict[str, Any], held: Any, facts: Facts) -> None:
    decision = Compiled(assuming(built(body), held))
    assume(len(decision.remaining(facts)) == 1)
    kept = {name: facts[name] for name in sufficient(decision, facts)}
    assert decision.remaining(kept) == decision.remaining(facts)
    for spared in kept:
        assert len(decision.remaining({name: value for name, value in kept.items() if name != spared})) > 1


@settings(deadline=None, max_examples=60)
@given(BODIES, ANSWERS)
def test_one_against_one_is_the_same_election(body: dict[str, Any], facts: Facts) -> None:
    ruleset = built(body)
    decision = Compiled(ruleset)
    winner = decision.winner_for(facts)
    assume(winner is not None)
    assert sufficient_for(duels(ruleset, str(winner)), facts) == sufficient(decision, facts)
