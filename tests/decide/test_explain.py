"""What would change a decision, and which question to ask next."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.evaluate import evaluate
from deployadvisor.decide.explain import alternatives, next_question, single_changes

from .examples import ANSWERS, BODIES, DOMAIN, FACTS, built, rules, words


def loads(*phrases: Any) -> tuple[Any, ...]:
    """Values worth trying for ``load`` when rules compare it so."""
    text = "\n".join(
        f"  - {{id: r{i}, forbid: first, when: {{load: {phrase}}}, because: x, source: s}}"
        for i, phrase in enumerate(phrases)
    )
    return alternatives(rules(f"constraints:\n{text}"), words().facts["load"])


@pytest.mark.parametrize(
    ("phrase", "values"),
    [
        ("at least 5", (4, 5)),
        ("below 5", (4, 5)),
        ("at most 5", (5, 6)),
        ("above 5", (5, 6)),
        ("between 2 and 5", (1, 2, 5, 6)),
        (5, (4, 5, 6)),
        ("below 0.1", (0.05, 0.1)),
        ("above 0", (0, 1)),
    ],
)
def test_a_number_is_tried_on_both_sides_of_its_threshold(phrase: Any, values: tuple[float, ...]) -> None:
    assert loads(phrase) == values


def test_thresholds_of_several_rules_are_tried_in_order() -> None:
    assert loads("at least 5", "below 2", "at least 5") == (1, 2, 4, 5)


def test_words_are_all_tried() -> None:
    assert alternatives(rules("cases: []"), words().facts["level"]) == ("low", "mid", "high")
    assert alternatives(rules("cases: []"), words().facts["load"]) == ()


STEPS = """
cases:
  - {id: a, recommend: second, fit: good, when: {load: at least 5}, because: x, source: s}
  - {id: b, recommend: third, fit: ideal, when: {load: above 9}, because: x, source: s}
constraints:
  - {id: c, forbid: third, when: {level: high}, because: x}
"""


def test_the_nearest_change_comes_first() -> None:
    changes = list(single_changes(rules(STEPS), {"load": 2.0, "level": "low"}, ["load", "level"]))
    assert changes == [("load", 5.0, "second"), ("load", 9.0, "second"), ("load", 10.0, "third")]
    assert list(single_changes(rules(STEPS), {"load": 10.0, "level": "low"}, ["level", "load"])) == [
        ("level", "high", "second"),
        ("load", 9.0, "second"),
        ("load", 5.0, "second"),
        ("load", 4.0, "first"),
    ]


def test_whole_numbers_are_numbers() -> None:
    assert next(single_changes(rules(STEPS), {"load": 2, "level": "low"}, ["load"])) == ("load", 5.0, "second")


def test_a_change_may_lead_to_nothing() -> None:
    shut = rules("constraints: [{id: shut, forbid: every, unless: {open: yes}, missing: an open door}]")
    assert list(single_changes(shut, {"open": "yes"}, ["open"])) == [("open", "no", None)]
    assert list(single_changes(shut, {"open": "no"}, ["open"])) == [("open", "yes", "first")]


@given(BODIES, FACTS)
def test_every_change_really_changes_the_winner(body: dict[str, Any], facts: Facts) -> None:
    ruleset = built(body)
    now = evaluate(ruleset, facts).winner
    for name, value, to in single_changes(ruleset, facts, list(DOMAIN)):
        assert to == evaluate(ruleset, {**facts, name: value}).winner
        assert to != now


@given(BODIES, ANSWERS)
@settings(max_examples=50)
def test_no_winner_within_one_change_is_missed(body: dict[str, Any], facts: Facts) -> None:
    ruleset = built(body)
    now = evaluate(ruleset, facts).winner
    found = {(name, to) for name, _, to in single_changes(ruleset, facts, list(DOMAIN))}
    for name, values in DOMAIN.items():
        reachable = {evaluate(ruleset, {**facts, name: value}).winner for value in values}
        assert {(name, to) for to in reachable - {now}} <= found


QUESTIONS = """
constraints:
  - {id: a, forbid: [second, third], when: {open: yes}, because: x}
  - {id: b, forbid: [first, third], when: {open: no}, because: x}
  - {id: c, forbid: first, when: {colour: red}, because: x}
"""


def test_the_next_question_is_the_one_that_leaves_least_open() -> None:
    assert next_question(rules(QUESTIONS), {}, ["colour", "level", "open"]) == "open"
    assert next_question(rules(QUESTIONS), {}, ["level", "colour"]) == "level", "colour costs more to ask"
    assert next_question(rules(QUESTIONS), {}, []) is None


@given(BODIES, FACTS)
@settings(max_examples=50)
def test_an_interview_ends_with_the_winner_of_all_answers(body: dict[str, Any], facts: Facts) -> None:
    ruleset = built(body)
    answers = {name: values[-1] for name, values in DOMAIN.items()} | dict(facts)
    known = dict(facts)
    while evaluate(ruleset, known).status == "open":
        name = next_question(ruleset, known, [name for name in DOMAIN if name not in known])
        assert name is not None, "open with nothing left to ask"
        known[name] = answers[name]
    assert evaluate(ruleset, known).winner == evaluate(ruleset, answers).winner
