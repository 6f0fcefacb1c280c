"""Conditions keep the names of their terms, and diagrams read as questions with their answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.decide import phrases
from deployadvisor.decide.assumptions import Assumption
from deployadvisor.decide.cells import Cells, cells_of
from deployadvisor.decide.compiled import Compiled, compiled
from deployadvisor.decide.outline import Speech, described, narrowing, questions, spoken, winners
from deployadvisor.errors import Where

from .examples import ANSWERS, BODIES, built, condition, rules
from .examples import words as vocabulary

TERMS = """
terms:
  large: {means: {level: high}}
  busy: {means: {any: [{load: above 5}, {is: large}]}, source: here}
cases:
  - {id: a, recommend: first, fit: good, when: %s, because: b, source: here}
"""


# Conditions


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("{level: at least mid}", "level at least mid"),
        ("{is: busy}", "busy"),
        ("{is: [busy, large]}", "busy and large"),
        ("{colour: red, is: [busy, large]}", "colour red and busy and large"),
        ("{not: {is: busy}}", "not busy"),
        ("{not: {open: yes}}", "not (open yes)"),
        ("{any: [{is: busy}, {colour: red, open: no}]}", "busy or (colour red and open no)"),
        ("{colour: red, any: [{is: busy}, {open: no}]}", "colour red and (busy or open no)"),
        ("{not: {any: [{is: busy}, {open: no}]}}", "not (busy or open no)"),
        ("{any: [{is: large}]}", "large"),
        ("{level: high}", "level high"),
    ],
)
def test_a_condition_is_said_as_it_is_written(written: str, words: str):
    ruleset = rules(TERMS % written)
    assert spoken(ruleset.rules[0].when, ruleset.terms, Speech()) == words


def test_a_term_is_said_with_the_terms_above_it():
    ruleset = rules(TERMS % "{is: busy}")
    above = {"large": ruleset.terms["large"]}
    assert spoken(ruleset.terms["busy"], above, Speech()) == "load above 5 or large"


def test_no_condition_is_always():
    rule = rules("cases: [{id: a, recommend: first, fit: good, because: b}]").rules[0]
    assert spoken(rule.when, {}, Speech()) == "always"


def test_words_are_the_speakers():
    ruleset = rules(TERMS % "{colour: red, not: {is: busy}}")
    speech = Speech(test=lambda test: test.fact.upper(), term=lambda name: f"<{name}>", both=" & ", opposite="!")
    assert spoken(ruleset.rules[0].when, ruleset.terms, speech) == "COLOUR & !<busy>"


# Answers


def cells(fact: str, *texts: str) -> Cells:
    found = vocabulary().facts[fact]
    return cells_of(found, [phrases.parse(text, found, Where("t")) for text in texts])


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ([0], "below 2"),
        ([1], "at least 2 and at most 5"),
        ([2], "above 5"),
        ([0, 1], "at most 5"),
        ([1, 2], "at least 2"),
        ([0, 2], "below 2 or above 5"),
        ([0, 1, 2], "any number"),
    ],
)
def test_cells_of_numbers_become_intervals(chosen: list[int], words: str):
    assert described(cells("load", "at least 2", "at most 5"), chosen) == words


def test_a_number_alone_and_a_long_number():
    found = cells("load", "2", "at least 10000000")
    assert [described(found, [at]) for at in range(len(found))] == [
        "below 2",
        "2",
        "above 2 and below 10,000,000",
        "at least 10,000,000",
    ]


@given(st.sampled_from(["level", "colour", "open"]), st.data())
def test_described_words_accept_what_they_describe(fact: str, data: st.DataObject):
    found = cells(fact)
    chosen = data.draw(st.lists(st.sampled_from(range(len(found))), min_size=1, unique=True).map(sorted))
    phrase = described(found, chosen)
    assert found.accepted(phrases.parse(phrase, found.fact, Where("t"))) == tuple(
        at in chosen for at in range(len(found))
    )


@pytest.mark.parametrize(
    ("fact", "chosen", "words"),
    [
        ("level", [1, 2], "at least mid"),
        ("level", [0, 1], "at most mid"),
        ("level", [0, 2], "not mid"),
        ("colour", [0, 1], "not blue"),
        ("colour", [2], "blue"),
        ("open", [1], "yes"),
    ],
)
def test_described_words_are_short(fact: str, chosen: list[int], words: str):
    assert described(cells(fact), chosen) == words


# Diagrams


LADDER = """
cases:
  - {id: a, recommend: first, fit: ideal, when: {level: high, load: between 2 and 5}, because: b, source: here}
  - {id: c, recommend: second, fit: good, because: d}
"""


OUTSIDE_OR_INSIDE = ["below 2 or above 5", "at least 2 and at most 5"]


def said(*holds: Any) -> list[tuple[str, list[str]]]:
    """Questions with their answers, once only profiles are possible that meet these conditions."""
    assumed = tuple(Assumption(f"a{at}", condition(body), "why", Where("v")) for at, body in enumerate(holds))
    decision = Compiled(replace(rules(LADDER), assumptions=assumed))
    found = questions(decision, winners(decision, {}))
    return [(question.fact, [answer.words for answer in question.answers]) for question in found]


def test_answers_are_merged_by_what_they_lead_to():
    assert said() == [
        ("level", ["at most mid", "high"]),
        ("load", OUTSIDE_OR_INSIDE),
    ]


@pytest.mark.parametrize(
    ("impossible", "left"),
    [
        (
            {"level": "low"},
            [("level", ["mid", "high"]), ("load", OUTSIDE_OR_INSIDE)],
        ),
        ({"load": "below 2"}, [("level", ["at most mid", "high"]), ("load", ["at most 5", "above 5"])]),
        ({"level": "not high"}, [("load", OUTSIDE_OR_INSIDE)]),
        ({"load": "above 5"}, [("level", ["at most mid", "high"]), ("load", ["below 2", "at least 2"])]),
        ({"not": {"load": "between 2 and 5"}}, [("level", ["at most mid", "high"])]),
    ],
)
def test_what_cannot_be_is_not_asked(impossible: dict[str, Any], left: Any):
    assert said({"not": impossible}) == left


def test_known_facts_are_not_asked():
    decision = compiled(rules(LADDER))
    root = winners(decision, decision.known({"level": "high"}))
    assert [question.fact for question in questions(decision, root)] == ["load"]


def test_the_fact_that_says_most_is_named_first():
    two_ladders = """
cases:
  - {id: a, recommend: first, fit: ideal, when: {level: high, open: yes}, because: b}
  - {id: c, recommend: first, fit: ideal, when: {colour: red, open: no}, because: b}
  - {id: d, recommend: second, fit: good, because: b}
"""
    decision = compiled(rules(two_ladders))
    assert narrowing(decision, decision.winner) == ("open", "level", "colour")


@settings(max_examples=60)
@given(BODIES, ANSWERS)
def test_following_the_answers_leads_to_the_winner(body: Mapping[str, Any], facts: Mapping[str, Any]):
    decision = compiled(built(body))
    node = winners(decision, {})
    by_node = {question.node: question for question in questions(decision, node)}
    while not decision.diagrams.is_leaf(node):
        question = by_node[node]
        cell = decision.facts[question.fact].index(facts[question.fact])
        (node,) = {answer.to for answer in question.answers if answer.to == decision.diagrams.kids(node)[cell]}
    assert decision.diagrams.value(node) == decision.winner_for(facts)
