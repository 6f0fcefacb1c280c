"""Files of properties: as read, and the exact words for one that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployadvisor.decide import properties
from deployadvisor.errors import DeployAdvisorError

from .examples import condition, rules
from .verifying import stated

RULES = """
ruleset: sample
cases:
  - {id: a, recommend: first, fit: ideal, when: {level: low}, because: A.}
"""
COMPLETE = """
schema: deployadvisor/properties@1
sources: {limit_days: 90}
groups:
  sample:
    near: [first, second]
    any_of_them: [near, third]
properties:
  - id: more-never-leaves
    ruleset: sample
    raise: [level, load]
    when: {open: yes}
    never: {from: near, to: third}
    because: So.
  - {id: never-blocked, ruleset: sample, raise: open, never: {to: blocked}, because: So.}
  - {id: never-third, ruleset: sample, when: {colour: red}, never: {to: [third, blocked]}, because: So.}
"""


def test_properties_as_read() -> None:
    read = stated(COMPLETE, rules(RULES))
    assert read.source_limit_days == 90
    moved, blocked, third = read.of("sample")
    assert (moved.id, moved.ruleset, moved.raised, moved.because) == (
        "more-never-leaves",
        "sample",
        ("level", "load"),
        "So.",
    )
    assert moved.when == condition({"open": True})
    assert (moved.origin, moved.target) == ({"first", "second"}, {"third"})
    assert str(moved.where) == "p.yaml:9:5"
    assert (blocked.origin, blocked.target) == ({"first", "second", "third"}, {None})
    assert (third.raised, third.origin, third.target) == ((), frozenset(), {"third", None})
    assert read.of("another") == ()


def test_every_is_every_candidate() -> None:
    text = COMPLETE.replace("from: near, to: third}", "from: blocked, to: every}")
    assert stated(text, rules(RULES)).promises[0].target == {"first", "second", "third"}
    assert stated(text, rules(RULES)).promises[0].origin == {None}


def test_load_names_the_file_as_told(tmp_path: Path) -> None:
    path = tmp_path / "properties.yaml"
    path.write_text(COMPLETE, encoding="utf-8")
    read = properties.load(path, [rules(RULES)], "rules/properties.yaml")
    assert str(read.promises[0].where) == "rules/properties.yaml:9:5"


FRUIT = """
ruleset: sample
candidates: {from: fruit}
attributes:
  its_taste: {type: flag, ask: Does it taste?}
cases:
  - {id: anything, recommend: every, fit: good, because: It is fruit.}
"""


def promise(fields: str) -> str:
    return f"properties:\n  - {{id: p, ruleset: sample, {fields}}}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a", "1:1: error: a file of properties is a mapping"),
        ("propertys: []", '1:1: error: unknown key "propertys"; did you mean "properties"?'),
        ("schema: deployadvisor/ruleset@1",
         ('1:9: error: schema: "deployadvisor/ruleset@1" is not deployadvisor/properties@1; '
         'did you mean "deployadvisor/properties@1"?')),
        ("sources: {days: 3}", '1:11: error: unknown key "days" (allowed: limit_days)'),
        ("sources: {limit_days: never}", "1:23: error: limit_days is a number above 0"),
        ("groups: {sampel: {}}", '1:10: error: no ruleset "sampel"; did you mean "sample"?'),
        ("groups: {sample: {first: [second]}}", '1:19: error: "first" already means something'),
        ("groups: {sample: {blocked: [second]}}", '1:19: error: "blocked" already means something'),
        ("groups: {sample: {a: [secnod]}}", '1:23: error: no group or candidate "secnod"; did you mean "second"?'),
        ("groups: {sample: {a: []}}", "1:22: error: a needs a group, a candidate or a list of them"),
        ("properties: {a: b}", "1:13: error: properties: must be a list"),
        ("properties: [a]", "1:14: error: a property is a mapping with id, never and because"),
        ("properties: [{ruleset: sample}]", "1:14: error: needs id, a text"),
        ("properties: [{id: p, because: b, rais: level}]", '1:34: error: unknown key "rais"; did you mean "raise"?'),
        (promise("never: {to: first}, because: b"), "2:5: error: property p: needs raise, when, or both"),
        (promise("raise: level, because: b"),
         "2:5: error: property p: never: must be a mapping with to, and from beside raise"),
        (promise("raise: level, never: first, because: b"),
         "2:51: error: property p: never: must be a mapping with to, and from beside raise"),
        (promise("raise: level, never: {too: first}, because: b"),
         '2:52: error: property p: unknown key "too"; did you mean "to"?'),
        (promise("raise: level, never: {from: first}, because: b"),
         "2:51: error: property p: to needs a group, a candidate or a list of them"),
        (promise("raise: level, never: {to: frist}, because: b"),
         '2:56: error: property p: no group or candidate "frist"; did you mean "first"?'),
        (promise("raise: level, never: {to: [first, 3]}, because: b"),
         '2:64: error: property p: no group or candidate "3" (allowed: blocked, every, first, second, third)'),
        (promise("when: {open: yes}, never: {from: second, to: first}, because: b"),
         "2:57: error: property p: from needs raise: without it there is one profile"),
        (promise("raise: level, never: {from: [second, first, blocked], to: [first, blocked]}, because: b"),
         "2:58: error: property p: from and to both name blocked, first"),
        (promise("raise: lvel, never: {to: first}, because: b"),
         '2:37: error: property p: unknown fact "lvel"; did you mean "level"?'),
        (promise("raise: [level, colour], never: {to: first}, because: b"),
         "2:45: error: property p: raise needs an order, and colour is a choice"),
        (promise("raise: {level: low}, never: {to: first}, because: b"),
         "2:37: error: property p: raise: must be a list"),
        (promise("when: {opne: yes}, never: {to: first}, because: b"),
         '2:37: error: property p: unknown fact "opne"; did you mean "open"?'),
        (promise("raise: level, never: {to: first}"), "2:5: error: property p: needs because, a text"),
        ("properties:" + 2 * "\n  - {id: p, ruleset: sample, raise: level, never: {to: first}, because: b}",
         '3:5: error: property "p" is stated twice (first at p.yaml:2:5)'),
        ("properties: [{id: p, raise: level, never: {to: first}, because: b}]",
         '1:14: error: property p: no ruleset "route" (allowed: sample)'),
        ("properties: [{id: p, ruleset: smaple, raise: level, never: {to: first}, because: b}]",
         '1:31: error: property p: no ruleset "smaple"; did you mean "sample"?'),
    ],
)  # fmt: skip
def test_what_is_said_of_a_mistake(text: str, expected: str) -> None:
    with pytest.raises(DeployAdvisorError) as caught:
        stated(text, rules(RULES))
    assert str(caught.value) == f"p.yaml:{expected}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (promise("raise: its_taste, never: {to: every}, because: b"),
         "2:37: error: property p: raise needs a fact of the profile, and its_taste belongs to the candidates"),
        (promise("when: {its_taste: yes}, never: {to: [apple]}, because: b"),
         '2:67: error: property p: no rule tells "apple" from others; speak of every and of attributes'),
        (promise("when: {its_taste: yes}, never: {to: [every, blocked]}, because: b"),
         "2:36: error: property p: tests attributes of the winner, and where everything is blocked there is none"),
        (promise("raise: level, when: {its_taste: yes}, never: {to: every}, because: b"),
         "2:50: error: property p: tests attributes of the winner, and where everything is blocked there is none"),
    ],
)  # fmt: skip
def test_what_is_said_of_candidates_with_attributes(text: str, expected: str) -> None:
    with pytest.raises(DeployAdvisorError) as caught:
        stated(text, rules(FRUIT))
    assert str(caught.value) == f"p.yaml:{expected}"
