"""Findings about words: facts, values and thresholds on which no answer depends."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings

from deployadvisor import documents
from deployadvisor.decide import reader, vocabulary
from deployadvisor.decide.findings import Issue
from deployadvisor.decide.properties import Properties
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.decide.verify import verify
from deployadvisor.decide.vocabulary import Vocabulary

from .examples import DOMAIN, built, rules, words
from .verifying import RANDOM, allowed, decisions, found, told, tops

HEARD = """
cases:
  - {id: a, recommend: first, fit: ideal, when: {level: low}, because: A.}
  - {id: b, recommend: second, fit: ideal, when: {level: mid}, because: B.}
  - {id: c, recommend: third, fit: good, because: C.}
constraints:
  - {id: d, forbid: first, when: {colour: red, open: yes}, because: D.}
  - {id: e, forbid: second, when: {colour: green, load: above 5}, source: s, because: E.}
"""


def test_nothing_is_found_where_every_word_counts() -> None:
    assert told("DA012", HEARD) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("open: yes", "level: low", ["v.yaml:5:3: open: no rule depends on this fact"]),
        ("{level: mid}", "{level: not low}", ["v.yaml:3:3: level: mid and high are alike to every rule"]),
        ("{colour: green, load: above 5}", "{load: above 5}",
         ["v.yaml:4:3: colour: green and blue are alike to every rule"]),
        # the load is tested, but where it is, the third wins anyway
        ("forbid: second, when: {colour: green, load: above 5}",
         "forbid: second, when: {any: [{colour: green, load: above 5}, {colour: green, load: at most 5}]}",
         ["r.yaml:8:5: load: no answer changes from 5 to more"]),
        ("load: above 5", "any: [{load: 5}, {load: above 5}, {load: below 2}]",
         ["r.yaml:8:5: load: no answer changes from 5 to more"]),
        ("load: above 5", "any: [{load: above 5}, {load: between 2 and 5}]",
         ["r.yaml:8:5: load: no answer changes from 5 to more"]),
        ("{colour: red, open: yes}", "{open: yes, any: [{colour: red}, {colour: green}, {colour: blue}]}",
         ["v.yaml:4:3: colour: red and blue are alike to every rule"]),
    ],
)  # fmt: skip
def test_what_is_found(old: str, new: str, expected: list[str]) -> None:
    assert old in HEARD
    assert told("DA012", HEARD.replace(old, new)) == expected


def test_a_threshold_of_a_promise_is_not_the_rules_concern() -> None:
    promise = """
properties:
  - {id: p, ruleset: r.yaml, when: {load: above 2, level: high}, never: {to: first}, because: So.}
"""
    assert told("DA012", HEARD, promise) == []


def test_a_threshold_of_a_candidate_is_told_where_the_candidates_stand() -> None:
    text = """
terms: {ever: {means: {any: [{load: above 2}, {load: at most 2}]}, source: s}}
candidates: {first: {title: A, stands: {is: ever}}, second: {title: B}, third: {title: C}}
"""
    assert told("DA012", HEARD + text) == ["r.yaml:11:14: load: no answer changes from 2 to more"]


# Facts from which others are computed

COMPUTED = """
facts:
  level: {type: ordinal, values: [low, mid, high], ask: How much?}
  size: {type: flag, derived: true, from: [level, shape], ask: It is large.}
  idle: {type: flag, derived: true, from: [colour, weight], ask: It is idle.}
  colour: {type: choice, values: [red, green], ask: Which colour?}
inputs:
  shape: {ask: Which shape?, decides: The size.}
  weight: {ask: Which weight?, decides: Nothing.}
"""


def computed(text: str = COMPUTED) -> tuple[Vocabulary, Ruleset]:
    known = vocabulary.read(documents.parse(text, "v.yaml"))
    rules_ = """
candidates: {first: {title: A}, second: {title: B}}
cases:
  - {id: a, recommend: first, fit: ideal, when: {size: yes}, because: A.}
  - {id: b, recommend: second, fit: good, because: B.}
"""
    return known, reader.read(documents.parse(rules_, "r.yaml"), known)


def unused(known: Vocabulary, *rulesets: Ruleset) -> list[str]:
    return [f"{i.where}: {i.message}" for i in verify(known, rulesets, Properties()).issues if i.code == "DA012"]


def test_facts_and_inputs_behind_a_fact_that_is_heard_are_heard() -> None:
    assert unused(*computed()) == [
        "v.yaml:5:3: idle: no rule depends on this fact",
        "v.yaml:6:3: colour: no rule depends on this fact",
        "v.yaml:9:3: weight: no rule depends on this input",
    ]


def test_values_behind_a_computed_fact_are_not_compared() -> None:
    """Python may tell low from mid when it computes the size, so that no rule has to."""
    known, first = computed()
    text = """
candidates: {first: {title: A}, second: {title: B}}
cases:
  - {id: c, recommend: first, fit: ideal, when: {level: high, colour: red}, because: A.}
  - {id: d, recommend: second, fit: good, because: B.}
"""
    second = reader.read(documents.parse(text, "s.yaml"), known)
    assert not any("level" in line for line in unused(known, first, second))
    alone = vocabulary.Vocabulary({name: known.facts[name] for name in ("level", "colour")})
    assert unused(alone, second) == ["v.yaml:3:3: level: low and mid are alike to every rule"]


def test_a_value_counts_when_one_of_several_rulesets_tells_it_apart() -> None:
    texts = [HEARD.replace("{level: low}", "{open: no}"), HEARD.replace("{level: mid}", "{open: no}")]
    known, both = words(), [rules(text) for text in texts]
    assert any("level" in line for line in unused(known, both[0]))
    assert any("level" in line for line in unused(known, both[1]))
    assert unused(known, *both) == []


def test_attributes_belong_to_their_ruleset() -> None:
    text = """
ruleset: fruit
candidates: {from: fruit}
attributes:
  its_taste: {type: ordinal, values: [none, some, much], ask: Does it taste?}
  its_price: {type: flag, ask: Is it dear?}
constraints:
  - {id: edible, forbid: every, when: {its_taste: none}, because: It must taste.}
cases:
  - {id: anything, recommend: every, fit: good, because: It is fruit.}
"""
    made = [issue for issue in found("DA012", text) if issue.ruleset == "fruit"]
    assert [str(issue).partition("warning: ")[2] for issue in made] == [
        "its_price: no rule depends on this fact",
        "its_taste: some and much are alike to every rule",
    ]


@settings(deadline=None, max_examples=40)
@given(RANDOM)
def test_values_are_alike_when_no_profile_tells_them_apart(body: Mapping[str, Any]) -> None:
    ruleset = built(body)
    made = found("DA012", ruleset)
    for name, values in DOMAIN.items():
        about = [issue for issue in made if issue.about == name]
        if name not in ruleset.tests_of:
            assert [issue.message for issue in about] == [f"{name}: no rule depends on this fact"]
        elif name != "load":
            alike = {pair for pair in itertools.combinations(values, 2) if same(ruleset, name, *pair)}
            assert {pair for issue in about for pair in pairs(issue)} == alike


def same(ruleset: Ruleset, name: str, a: Any, b: Any) -> bool:
    both = [[(tops(d), allowed(d)) for d in decisions(ruleset, {name: value})] for value in (a, b)]
    return both[0] == both[1]


def pairs(issue: Issue) -> set[tuple[str, ...]]:
    listed = issue.message.partition(": ")[2].removesuffix(" are alike to every rule").replace(" and ", ", ")
    return set(itertools.combinations(listed.split(", "), 2))
