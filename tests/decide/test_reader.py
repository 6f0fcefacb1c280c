"""Ruleset files: rules as read, and the exact words for a rule that does not load."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployadvisor.decide import reader
from deployadvisor.errors import DeployAdvisorError

from .examples import rules, words

COMPLETE = """
schema: deployadvisor/ruleset@1
ruleset: sample
version: 1.2.3
candidates:
  first: {title: The first}
  second: {title: The second}
attributes:
  its_size: {type: number, derived: true, ask: How large it is.}
terms:
  busy:
    means: {load: above 5}
    source: a paper
  busy_and_open: {means: {is: busy, open: yes}}
constraints:
  - id: large-ones-stay-out
    forbid: every
    when: {its_size: above 3}
    source: a measurement
    because: Too large.
    tests:
      - {given: {its_size: 4}, applies: yes}
      - {given: {its_size: 3}, applies: no}
  - id: needs-a-door
    forbid: [first, second]
    unless: {open: yes}
    missing: an open door
    overridable: yes
cases:
  - {id: first-when-busy, recommend: first, fit: ideal, when: {is: busy_and_open}, because: It copes.}
  - {id: anything-goes, recommend: every, fit: acceptable, because: Why not.}
preferences:
  - {id: cheap, prefer: {first: 2, second: 1}, when: {level: low}, because: Money.}
"""


def test_a_ruleset_as_read() -> None:
    sample = rules(COMPLETE)
    assert (sample.name, sample.version) == ("sample", "1.2.3")
    assert [(one.id, one.title, one.listed) for one in sample.candidates.values()] == [
        ("first", "The first", 0),
        ("second", "The second", 1),
    ]
    assert [rule.id for rule in sample.rules] == [
        "large-ones-stay-out",
        "needs-a-door",
        "first-when-busy",
        "anything-goes",
        "cheap",
    ]
    assert [rule.id for rule in sample.of_kind("case")] == ["first-when-busy", "anything-goes"]
    assert [rule.id for rule in sample.mentioning["open"]] == ["needs-a-door", "first-when-busy"]
    assert [rule.id for rule in sample.speaking["second"]] == [
        "large-ones-stay-out",
        "needs-a-door",
        "anything-goes",
        "cheap",
    ]
    assert list(sample.attributes) == ["its_size"]


def test_a_rule_as_read() -> None:
    large, door, busy, anything, cheap = rules(COMPLETE).rules
    assert (large.text, large.is_missing, large.source, large.overridable) == (
        "Too large.",
        False,
        "a measurement",
        False,
    )
    assert (large.for_every, large.points_for("first"), large.points_for("second")) == (True, 1, 1)
    assert [(dict(test.given), test.applies, str(test.where)) for test in large.tests] == [
        ({"its_size": 4.0}, True, "r.yaml:22:9"),
        ({"its_size": 3.0}, False, "r.yaml:23:9"),
    ]
    assert (door.text, door.is_missing, door.overridable) == ("an open door", True, True)
    assert door.when.evaluate({"open": "no"}) is True
    assert (busy.fit, busy.points_for("second")) == (3, 0)
    assert busy.when.evaluate({"load": 6.0, "open": "yes"}) is True
    assert anything.when.evaluate({}) is True
    assert dict(cheap.targets) == {"first": 2, "second": 1}
    assert str(cheap.where) == "r.yaml:33:5"


def test_candidates_may_be_given() -> None:
    fruit = rules("candidates: {from: fruit}\nconstraints:\n  - {id: a, forbid: pear, when: {open: yes}, because: b}")
    assert [one.title for one in fruit.candidates.values()] == ["Apple", "Pear"]
    assert str(fruit.candidates["pear"].where) == "r.yaml:1:1"


def test_load_names_the_file_as_told(tmp_path: Path) -> None:
    path = tmp_path / "sample.yaml"
    path.write_text(COMPLETE, encoding="utf-8")
    loaded = reader.load(path, words(), source="rules/sample.yaml")
    assert str(loaded.rules[0].where) == "rules/sample.yaml:16:5"


def constraint(fields: str) -> str:
    return f"constraints:\n  - {{id: a, {fields}}}"


def case(fields: str) -> str:
    return f"cases:\n  - {{id: a, {fields}}}"


def preference(fields: str) -> str:
    return f"preferences:\n  - {{id: a, {fields}}}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # the file
        ("[candidates]\n# candidates:", "1:1: error: a ruleset is a mapping"),
        ("rules: []", '1:1: error: unknown key "rules"; did you mean "ruleset"?'),
        ("constraints: []\ncandidates: {}", "2:13: error: a ruleset names its candidates"),
        ("candidates: [a]", "1:13: error: a ruleset names its candidates"),
        ("candidates: {from: fruits}", '1:13: error: no candidates called "fruits"; did you mean "fruit"?'),
        ("candidates: {from: [fruit]}", "1:13: error: no candidates called \"['fruit']\"; did you mean \"fruit\"?"),
        ("candidates: {a: {name: A}}", '1:17: error: candidate "a" needs a title'),
        ("candidates: {every: {title: All}}", '1:13: error: "every" cannot be a candidate'),
        ("attributes: {size: {type: flag, ask: x.}}", '1:20: error: attribute "size" must begin with its_'),
        ("attributes: [its_size]", "1:13: error: attributes: must be a mapping"),
        ("terms: [a]", "1:8: error: terms: must be a mapping"),
        ("constraints: {a: b}", "1:14: error: constraints: must be a list"),
        # terms
        ("terms: {a: {level: low}}", '1:12: error: term "a" needs means'),
        ("terms: {a: {means: {level: low}, sourec: x}}", '1:34: error: unknown key "sourec"; did you mean "source"?'),
        ("terms: {a: {means: {load: above 5}}}", '1:12: error: term "a" has a threshold without a source'),
        ("terms: {a: {means: {is: b}}, b: {means: {open: yes}}}",
         '1:25: error: unknown term "b" (a term may use only terms above it)'),
        # any rule
        ("constraints: [3]", "1:15: error: a constraint is a mapping with an id"),
        ("cases: [{recommend: first}]", "1:9: error: a case is a mapping with an id"),
        ("cases: [{id: '', recommend: first}]", "1:9: error: a case is a mapping with an id"),
        (constraint("forbid: first, whne: {open: yes}, because: b"),
         '2:28: error: rule a: unknown key "whne"; did you mean "when"?'),
        (constraint("forbid: first, because: b"), "2:5: error: rule a: needs either when or unless"),
        (constraint("forbid: first, when: {open: yes}, unless: {open: no}, because: b"),
         "2:5: error: rule a: needs either when or unless"),
        (constraint("forbid: first, when: {opne: yes}, because: b"),
         '2:35: error: rule a: unknown fact "opne"; did you mean "open"?'),
        (constraint("forbid: first, when: {is: buzy}, because: b"),
         '2:39: error: rule a: unknown term "buzy" (a term may use only terms above it)'),
        (constraint("forbid: first, when: {level: medum}, because: b"),
         '2:42: error: rule a: level: "medum" is not one of low, mid, high'),
        (constraint("forbid: first, when: {level: no}, because: b"),
         "2:42: error: rule a: level: YAML reads false here (from yes/no/on/off)"),
        (constraint("forbid: first, when: {load: a few}, because: b, source: s"),
         '2:41: error: rule a: load: "a few" is not a number (requests)'),
        (constraint("forbid: first, when: {load: above 5}, because: b"),
         "2:5: error: rule a: has a threshold without a source"),
        (constraint("forbid: first, unless: {any: [{not: {load: 5}}]}, because: b"),
         "2:5: error: rule a: has a threshold without a source"),
        (constraint("forbid: first, when: {open: yes}"),
         "2:5: error: rule a: needs one text: because (a principle) or missing (something to obtain)"),
        (constraint("forbid: first, when: {open: yes}, because: b, missing: c"),
         "2:5: error: rule a: needs one text: because (a principle) or missing (something to obtain)"),
        (constraint("forbid: first, when: {open: yes}, because: ' '"),
         "2:5: error: rule a: needs one text: because (a principle) or missing (something to obtain)"),
        (constraint(f"forbid: first, when: {{open: yes}}, because: {'x' * 201}"),
         "2:5: error: rule a: text longer than 200 characters"),
        (constraint("forbid: first, when: {open: yes}, because: b, source: [s]"),
         "2:67: error: rule a: source is a text"),
        (constraint("forbid: first, when: {open: yes}, because: b, overridable: 'no'"),
         "2:72: error: rule a: overridable is yes or no"),
        ("cases:" + 2 * "\n  - {id: a, recommend: every, fit: good, because: b}",
         '3:5: error: rule id "a" is used twice (first at r.yaml:2:5)'),
        # targets
        (constraint("when: {open: yes}, because: b"),
         "2:5: error: rule a: needs forbid: a candidate or a list of them"),
        (constraint("forbid: [], when: {open: yes}, because: b"),
         "2:5: error: rule a: needs forbid: a candidate or a list of them"),
        (constraint("forbid: frist, when: {open: yes}, because: b"),
         '2:21: error: rule a: unknown candidate "frist"; did you mean "first"?'),
        (constraint("forbid: {first: 1}, when: {open: yes}, because: b"),
         "2:21: error: rule a: unknown candidate \"{'first': 1}\""),
        (constraint("forbid: [every, first], when: {open: yes}, because: b"),
         '2:21: error: rule a: "every" stands alone'),
        ("attributes: {its_size: {type: flag, ask: x.}}\n"
         + constraint("forbid: first, when: {its_size: yes}, because: b"),
         '3:5: error: rule a: uses an attribute of the candidates, so it must address "every"'),
        (case("recommend: first, because: b"), "2:5: error: rule a: fit is one of acceptable, good, ideal"),
        (case("recommend: first, fit: idael, because: b"),
         '2:36: error: rule a: fit is one of acceptable, good, ideal; did you mean "ideal"?'),
        (case("recommend: first, fit: good, because: b, missing: c"),
         '2:54: error: rule a: unknown key "missing"'),
        (preference("prefer: {first: 16}, when: {open: yes}, because: b"),
         "2:21: error: rule a: points are whole numbers from 1 to 15"),
        (preference("prefer: {first: 0}, when: {open: yes}, because: b"),
         "2:21: error: rule a: points are whole numbers from 1 to 15"),
        (preference("prefer: {first: yes}, when: {open: yes}, because: b"),
         "2:21: error: rule a: points are whole numbers from 1 to 15"),
        (preference("prefer: first, because: b"), "2:5: error: rule a: needs either when or unless"),
        # tests beside a rule
        (constraint("forbid: first, when: {open: yes}, because: b, tests: {}, source: s, tests: []"),
         '2:81: error: duplicate key "tests" (first on line 2)'),
        (constraint("forbid: first, when: {open: yes}, because: b, tests: {given: {}}"),
         "2:66: error: tests: must be a list"),
        (constraint("forbid: first, when: {open: yes}, because: b, tests: [{given: {open: yes}}]"),
         "2:67: error: rule a: a test has given (facts) and applies (yes or no)"),
        (constraint("forbid: first, when: {open: yes}, because: b, tests: [{given: {open: yes}, applies: maybe}]"),
         "2:67: error: rule a: a test has given (facts) and applies (yes or no)"),
        (constraint("forbid: first, when: {open: yes}, because: b, tests: [{given: [open], applies: yes}]"),
         "2:67: error: rule a: a test has given (facts) and applies (yes or no)"),
        (constraint("forbid: first, when: {open: yes}, because: b, tests: [{given: {opne: yes}, applies: yes}]"),
         '2:76: error: unknown fact "opne"; did you mean "open"?'),
        (constraint("forbid: first, when: {open: yes}, because: b, tests: [{given: {level: hihg}, applies: yes}]"),
         '2:83: error: level: "hihg" is not a value of this fact; did you mean "high"?'),
        (constraint("forbid: first, when: {open: yes}, because: b, tests: [{given: {load: many}, applies: yes}]"),
         '2:82: error: load: "many" is not a value of this fact'),
    ],
)  # fmt: skip
def test_what_is_said_of_a_mistake(text: str, expected: str) -> None:
    with pytest.raises(DeployAdvisorError) as caught:
        rules(text)
    assert str(caught.value) == f"r.yaml:{expected}"
