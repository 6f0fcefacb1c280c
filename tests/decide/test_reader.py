"""Ruleset files: rules as read."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest

from deployadvisor import documents
from deployadvisor.decide import reader
from deployadvisor.decide.conditions import ALWAYS
from deployadvisor.decide.ruleset import Given
from deployadvisor.errors import RulesError

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


def test_a_candidate_says_when_it_stands() -> None:
    text = "candidates: {first: {title: F, stands: {open: yes}}, second: {title: S}}"
    first, second = rules(text).candidates.values()
    assert [first.stands.evaluate({"open": value}) for value in ("yes", "no")] == [True, False]
    assert second.stands is ALWAYS


def test_given_candidates_say_so_too() -> None:
    document = documents.parse("candidates: {from: fruit}", "r.yaml")
    given = {"fruit": {"apple": Given("Apple", {"colour": "red or green"}), "pear": Given("Pear")}}
    loaded = reader.read(document, words(), given)
    assert loaded.candidates["apple"].stands.evaluate({"colour": "blue"}) is False
    assert loaded.candidates["pear"].stands is ALWAYS
    assert [test.phrase for test in loaded.tests_of["colour"]] == ["red or green"]
    assert "colour" not in loaded.mentioning


def test_given_conditions_are_checked_like_others() -> None:
    document = documents.parse("\n\ncandidates: {from: fruit}", "r.yaml")
    with pytest.raises(RulesError) as caught:
        reader.read(document, words(), {"fruit": {"apple": Given("Apple", {"color": "red"})}})
    assert str(caught.value) == 'r.yaml:3:1: error: unknown fact "color"; did you mean "colour"?'


def test_a_copy_with_other_rules_is_indexed_anew() -> None:
    sample = rules(COMPLETE)
    fewer = replace(sample, rules=sample.rules[1:])
    assert "its_size" in sample.mentioning
    assert "its_size" not in fewer.mentioning
    assert "its_size" not in fewer.tests_of
    assert len(fewer.speaking["first"]) == len(sample.speaking["first"]) - 1


def test_a_ruleset_is_equal_to_itself_only_and_says_who_it_is() -> None:
    sample = rules(COMPLETE)
    assert sample != rules(COMPLETE)
    assert repr(sample) == "Ruleset('sample', '1.2.3')"


def test_the_day_a_source_was_read() -> None:
    text = "cases: [{id: a, recommend: every, fit: good, because: b, checked_on: 2026-11-22}]"
    assert rules(text).rules[0].checked_on == datetime.date(2026, 11, 22)
