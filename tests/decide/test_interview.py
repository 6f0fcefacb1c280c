"""The next question: what it is worth, that it can matter, and that an interview ends where it should."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deployadvisor import documents
from deployadvisor.decide import reader
from deployadvisor.decide.assumptions import Assumption
from deployadvisor.decide.compiled import Compiled, compiled
from deployadvisor.decide.conditions import ALWAYS, Condition, Facts
from deployadvisor.decide.evaluate import evaluate
from deployadvisor.decide.interview import Asking, Outlook, questions, settled, sources
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.errors import Where

from .examples import ANSWERS, BODIES, CONDITIONS, DOMAIN, FACTS, built, completions, condition, rules, words

EFFORTS = st.fixed_dictionaries({name: st.sampled_from([0.5, 1.0, 2.0]) for name in DOMAIN})
COLOUR_AND_LOAD = """
cases:
  - {id: light, recommend: third, fit: good, when: {load: below 5}, because: Light., source: here}
  - {id: red, recommend: second, fit: ideal, when: {colour: red}, because: Red.}
"""
DIFFER = """
constraints:
  - id: differ
    forbid: first
    when: {any: [{open: yes, colour: red}, {open: no, colour: not red}]}
    because: They differ.
"""


def assuming(ruleset: Ruleset, holds: Condition) -> Ruleset:
    return replace(ruleset, assumptions=(Assumption("a", holds, "so it is", Where("v.yaml")),))


def remaining(made: Compiled, facts: Facts, holds: Condition = ALWAYS) -> Iterator[tuple[Facts, str | None]]:
    """Every possible profile that the rules can tell apart and that agrees with the facts, with its winner."""
    for values in itertools.product(*(cells.witnesses for cells in made.facts.values())):
        profile = dict(zip(made.names, values, strict=True))
        agrees = all(made.facts[name].index(facts[name]) == made.facts[name].index(profile[name]) for name in facts)
        if agrees and holds.evaluate(profile) is not False:
            yield profile, evaluate(made.ruleset, profile).winner


def entropy(winners: Counter[str | None]) -> float:
    return -sum(n / winners.total() * math.log2(n / winners.total()) for n in winners.values())


def known_to(made: Compiled, facts: Facts) -> Facts:
    return {name: value for name, value in facts.items() if name in made.levels}


def interviewed(
    ruleset: Ruleset, profile: Facts, efforts: Mapping[str, float], refused: frozenset[str] = frozenset()
) -> tuple[Facts, Outlook]:
    """Answer from a whole profile, but for what is refused, until nothing is worth asking."""
    made, facts, askable = compiled(ruleset), dict[str, Any](), dict(efforts)
    while ranked := questions(made, facts, askable):
        name = ranked[0].name
        assert name not in facts
        del askable[name]
        if name not in refused:
            facts[name] = profile[name]
    return facts, settled(made, facts)


# What is settled


@settings(deadline=None)
@given(BODIES, FACTS, CONDITIONS)
def test_shares_are_counted_exactly(body: dict[str, Any], facts: Facts, holds: dict[str, Any]) -> None:
    ruleset = assuming(built(body), condition(holds))
    made = Compiled(ruleset)
    facts = known_to(made, facts)
    winners = Counter(winner for _, winner in remaining(made, facts, condition(holds)))
    assume(winners)
    outlook = settled(made, facts)
    assert dict(outlook.shares) == {winner: pytest.approx(n / winners.total()) for winner, n in winners.items()}
    assert outlook.shares.keys() == made.remaining(facts)
    assert outlook.shares[outlook.leading] == max(outlook.shares.values())
    assert outlook.certain is (len(winners) == 1)


def test_what_is_known_is_believed_against_the_assumptions() -> None:
    ruleset = assuming(rules(COLOUR_AND_LOAD), condition({"colour": "not red"}))
    assert settled(compiled(ruleset), {"colour": "red"}) == Outlook({"second": 1.0})


# What a question is worth


@settings(deadline=None)
@given(BODIES, FACTS, EFFORTS)
def test_a_question_is_worth_the_entropy_it_takes_away(
    body: dict[str, Any], facts: Facts, efforts: dict[str, float]
) -> None:
    made = Compiled(built(body))
    facts = known_to(made, facts)
    left = list(remaining(made, facts))
    for asking in questions(made, facts, efforts):
        cells: dict[object, Counter[str | None]] = {}
        for profile, winner in left:
            cells.setdefault(profile[asking.name], Counter())[winner] += 1
        after = sum(winners.total() / len(left) * entropy(winners) for winners in cells.values())
        gain = entropy(Counter(winner for _, winner in left)) - after
        assert asking.worth == pytest.approx(gain / efforts[asking.name], abs=1e-9)


@settings(deadline=None)
@given(BODIES, FACTS, EFFORTS)
def test_exactly_the_questions_that_can_matter_are_asked(
    body: dict[str, Any], facts: Facts, efforts: dict[str, float]
) -> None:
    made = compiled(built(body))

    def matters(name: str) -> bool:
        pairs = (({**each, name: value}, each) for each in completions(facts) for value in DOMAIN[name])
        return any(made.winner_for(one) != made.winner_for(other) for one, other in pairs)

    asked = questions(made, facts, efforts)
    assert {asking.name for asking in asked} == {name for name in DOMAIN if name not in facts and matters(name)}
    assert [asking.worth for asking in asked] == sorted((asking.worth for asking in asked), reverse=True)


def test_a_question_without_a_gain_of_its_own_is_asked_where_two_together_have_one() -> None:
    """Whether two flags differ: neither alone says anything."""
    ruleset = rules(DIFFER)
    halves = assuming(ruleset, condition({"colour": "red or green"}))
    asked = questions(compiled(halves), {}, {"open": 1, "colour": 1})
    assert [(asking.name, round(asking.worth, 9)) for asking in asked] == [("open", 0), ("colour", 0)]
    assert questions(compiled(halves), {"open": "yes"}, {"open": 1, "colour": 1}) == (Asking("colour", 1.0),)


def test_a_fact_that_the_assumptions_settle_is_not_asked() -> None:
    ruleset = assuming(rules(COLOUR_AND_LOAD), condition({"any": [{"colour": "not red"}, {"load": "below 5"}]}))
    asked = questions(compiled(ruleset), {"load": 6.0}, {"colour": 1, "load": 1})
    assert asked == ()


def test_effort_divides() -> None:
    cheap, dear = (
        questions(compiled(rules(COLOUR_AND_LOAD)), {}, {"colour": effort, "load": 1.0}) for effort in (1.0, 100.0)
    )
    assert [asking.name for asking in cheap] == ["colour", "load"]
    assert [asking.name for asking in dear] == ["load", "colour"]
    assert dear[1].worth == pytest.approx(cheap[0].worth / 100)


# Facts that are computed

DERIVED = """
facts:
  price: {type: number, unit: EUR, ask: What does one cost?}
  pieces: {type: number, unit: pieces, ask: How many?, ask_cost: 3}
  total: {type: number, unit: EUR, ask: Price times pieces., derived: yes, from: [price, pieces]}
  dear: {type: flag, ask: More than one is worth., derived: yes, from: [total, price]}
  colour: {type: choice, values: [red, green, blue], ask: Which colour?}
"""
SHOP = """
candidates: {buy: {title: Buy}, leave: {title: Leave}}
constraints:
  - {id: too-dear, forbid: buy, when: {dear: yes}, because: Too dear.}
  - {id: not-red, forbid: buy, when: {colour: red}, because: Not red.}
"""
EFFORT = {"price": 1.0, "pieces": 3.0, "colour": 1.0}


def shop() -> Ruleset:
    return reader.read(documents.parse(SHOP, "r.yaml"), words(DERIVED))


def test_sources_are_what_must_be_asked() -> None:
    vocabulary = shop().vocabulary
    assert sources(vocabulary, "dear") == ("price", "pieces")
    assert sources(vocabulary, "colour") == ("colour",)
    assert sources(vocabulary, "an input") == ("an input",)


def test_a_computed_fact_is_asked_through_its_sources() -> None:
    """Two of the six profiles buy; knowing whether it is dear halves what is not known."""
    gain_of_dear = entropy(Counter(buy=2, leave=4)) / 2
    asked = questions(compiled(shop()), {}, EFFORT)
    assert [asking.name for asking in asked] == ["colour", "price", "pieces"]
    assert [asking.worth for asking in asked[1:]] == [pytest.approx(gain_of_dear / 4), 0]


def test_a_source_that_was_answered_costs_no_more() -> None:
    asked = questions(compiled(shop()), {}, {"pieces": 3.0})
    assert asked == (Asking("pieces", pytest.approx(entropy(Counter(buy=2, leave=4)) / 6)),)


def test_a_computed_fact_without_open_sources_is_not_asked() -> None:
    assert questions(compiled(shop()), {"colour": "green"}, {"colour": 1.0}) == ()
    assert questions(compiled(shop()), {"dear": "yes"}, EFFORT) == ()


# Whole interviews


@settings(deadline=None)
@given(BODIES, ANSWERS, EFFORTS)
def test_an_interview_ends_at_the_winner_of_the_whole_profile(
    body: dict[str, Any], profile: Facts, efforts: dict[str, float]
) -> None:
    ruleset = built(body)
    _, outlook = interviewed(ruleset, profile, efforts)
    assert tuple(outlook.shares) == (evaluate(ruleset, profile).winner,)


@settings(deadline=None)
@given(BODIES, ANSWERS, EFFORTS, CONDITIONS)
def test_it_does_so_under_assumptions(
    body: dict[str, Any], profile: Facts, efforts: dict[str, float], holds: dict[str, Any]
) -> None:
    assume(condition(holds).evaluate(profile))
    ruleset = assuming(built(body), condition(holds))
    _, outlook = interviewed(ruleset, profile, efforts)
    assert tuple(outlook.shares) == (evaluate(ruleset, profile).winner,)


@settings(deadline=None)
@given(BODIES, ANSWERS, EFFORTS, st.frozensets(st.sampled_from(sorted(DOMAIN))))
def test_what_is_not_answered_stays_open_and_the_end_is_exact(
    body: dict[str, Any], profile: Facts, efforts: dict[str, float], refused: frozenset[str]
) -> None:
    ruleset = built(body)
    facts, outlook = interviewed(ruleset, profile, efforts, refused)
    assert not facts.keys() & refused
    assert outlook.shares.keys() == {evaluate(ruleset, each).winner for each in completions(facts)}
