"""The compiled decision is the reference evaluator, for every profile at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deployadvisor.decide.compiled import Compiled, Score, compiled
from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.evaluate import evaluate
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.decide.space import attribute_of
from deployadvisor.rulebook import load_rules

from .examples import ANSWERS, BODIES, FACTS, built, completions, rules

FRUIT = """
candidates: {from: fruit}
attributes:
  its_price: {type: ordinal, values: [cheap, dear], ask: What does it cost?}
  its_taste: {type: flag, ask: Does it taste?}
constraints:
  - {id: edible, forbid: every, unless: {its_taste: yes}, missing: a taste}
  - {id: no-pears-today, forbid: pear, when: {level: high}, because: None left.}
cases:
  - {id: anything, recommend: every, fit: good, because: It is fruit.}
preferences:
  - {id: thrift, prefer: {every: 2}, when: {level: low, its_price: cheap}, because: Money.}
"""
OWN = [
    dict(zip(("its_price", "its_taste"), pair, strict=True))
    for pair in itertools.product(("cheap", "dear"), ("no", "yes"))
]


@settings(deadline=None)
@given(BODIES, ANSWERS)
def test_it_agrees_with_the_reference(body: dict[str, Any], answers: Facts) -> None:
    ruleset = built(body)
    decision = evaluate(ruleset, answers)
    made = Compiled(ruleset)
    cells = [made.facts[name].index(answers[name]) for name in made.names]
    assert made.winner_for(answers) == decision.winner
    for name, standing in decision.standings.items():
        assert made.diagrams.walk(made.allowed(name), cells) is (not standing.objections)
        wanted = None if standing.objections else Score(standing.fit, standing.points, name)
        assert made.read_score(made.diagrams.walk(made.scores[name], cells)) == wanted
    for rule in ruleset.rules:
        applies = made.diagrams.walk(made.applies(rule, next(iter(ruleset.candidates))), cells)
        assert applies is rule.when.evaluate(answers)


@settings(deadline=None)
@given(BODIES, FACTS)
def test_what_remains_is_exact_and_three_values_never_contradict_it(body: dict[str, Any], facts: Facts) -> None:
    ruleset = built(body)
    made = Compiled(ruleset)
    exact = {evaluate(ruleset, answers).winner for answers in completions(facts)}
    assert made.remaining(facts) == exact
    decision = evaluate(ruleset, facts)
    if decision.status == "decided":
        assert exact == {decision.winner}
    elif decision.status == "blocked":
        assert exact == {None}
    else:
        assert exact - {None} <= set(decision.possible)


@settings(deadline=None)
@given(BODIES)
def test_counts_are_those_of_all_profiles(body: dict[str, Any]) -> None:
    made = Compiled(built(body))
    winners = [made.winner_for(answers) for answers in profiles(made)]
    assert made.profiles == len(winners)
    assert dict(made.diagrams.counts(made.winner)) == {winner: winners.count(winner) for winner in set(winners)}


def profiles(made: Compiled) -> Iterator[Facts]:
    """One profile for each combination of cells."""
    witnesses = (cells.witnesses for cells in made.facts.values())
    return (dict(zip(made.names, values, strict=True)) for values in itertools.product(*witnesses))


@pytest.mark.parametrize("apple", OWN)
@pytest.mark.parametrize("pear", OWN)
@pytest.mark.parametrize("level", ["low", "mid", "high"])
def test_attributes_belong_to_their_candidate(apple: Facts, pear: Facts, level: str) -> None:
    ruleset = rules(FRUIT)
    made = Compiled(ruleset)
    attributes = {"apple": apple, "pear": pear}
    assert attribute_of("pear", "its_taste") in made.names
    assert made.remaining({"level": level}, attributes) == {evaluate(ruleset, {"level": level}, attributes).winner}


def test_candidates_that_no_rule_names_are_represented_by_two() -> None:
    provider = load_rules().provider
    made = compiled(provider)
    named = {target for rule in provider.rules for target in rule.targets} - {"every"}
    assert set(made.candidates) > named
    assert len(made.candidates) == len(named) + 2
    assert compiled(provider) is made


SHIPPED = load_rules().rulesets


def facts_of(ruleset: Ruleset) -> st.SearchStrategy[Facts]:
    """A known or unknown value for every fact that a shipped decision hears."""
    made = compiled(ruleset)
    shared = {name: cells for name, cells in made.facts.items() if name in ruleset.vocabulary.facts}
    return st.fixed_dictionaries(
        {}, optional={name: st.sampled_from(cells.witnesses) for name, cells in shared.items()}
    )


def attributes_of(ruleset: Ruleset) -> st.SearchStrategy[Mapping[str, Facts] | None]:
    if not ruleset.attributes:
        return st.none()
    own = {attribute: st.sampled_from(fact.values) for attribute, fact in ruleset.attributes.items()}
    return st.fixed_dictionaries(dict.fromkeys(compiled(ruleset).candidates, st.fixed_dictionaries({}, optional=own)))


@pytest.mark.parametrize("ruleset", SHIPPED, ids=lambda ruleset: ruleset.name)
@settings(deadline=None)
@given(data=st.data())
def test_three_values_never_contradict_the_shipped_decisions(ruleset: Ruleset, data: st.DataObject) -> None:
    facts, attributes = data.draw(facts_of(ruleset)), data.draw(attributes_of(ruleset))
    assume(not any(assumption.holds.evaluate(facts) is False for assumption in ruleset.assumptions))
    decision = evaluate(ruleset, facts, attributes)
    exact = compiled(ruleset).remaining(facts, attributes)
    if decision.status == "open":
        assert exact - {None} <= set(decision.possible)
    else:
        assert exact == {decision.winner}
