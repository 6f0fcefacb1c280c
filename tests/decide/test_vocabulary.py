"""Vocabulary files: facts and inputs as read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deployadvisor import documents
from deployadvisor.decide import vocabulary
from deployadvisor.decide.vocabulary import Vocabulary, admits, read_value
from deployadvisor.errors import RulesError, Where
from deployadvisor.resources import rules_folder

from .examples import words


def read(text: str) -> Vocabulary:
    return vocabulary.read(documents.parse(text, "v.yaml"))


def test_facts_keep_their_order_and_everything_said_of_them() -> None:
    facts = words().facts
    assert list(facts) == ["level", "colour", "open", "load"]
    level, colour, flag, load = facts.values()
    assert (level.values, level.ordered, level.changeable) == (("low", "mid", "high"), True, False)
    assert (colour.ordered, colour.ask, colour.ask_cost) == (False, "Which colour?", 4.0)
    assert (flag.values, flag.ordered) == (("no", "yes"), True)
    assert (load.values, load.unit, load.assume) == ((), "requests", None)
    assert str(level.where) == "v.yaml:3:3"


@pytest.mark.parametrize(
    ("entry", "assumed"),
    [
        ("{type: flag, ask: x, assume: yes}", "yes"),
        ("{type: flag, ask: x, assume: no}", "no"),
        ("{type: ordinal, values: [a, b], ask: x, assume: b}", "b"),
        ("{type: number, ask: x, assume: 5, source: a paper}", 5.0),
        ("{type: number, ask: x}", None),
    ],
)
def test_assumptions(entry: str, assumed: Any) -> None:
    assert words(f"facts:\n  a: {entry}").facts["a"].assume == assumed


DERIVED = """
schema: deployadvisor/vocabulary@1
facts:
  size: {type: number, ask: How large?, change_cost: 3}
  weight: {type: number, derived: yes, from: [size, material], ask: How heavy.}
  heavy: {type: flag, derived: yes, from: [weight], ask: Nobody lifts it.}
inputs:
  material: {ask: What is it made of?, decides: Iron is heavy., ask_cost: 0.5}
  colour: {ask: Which colour?, decides: Nothing yet.}
assumptions: [{id: read-elsewhere, then: {size: above 0}, because: So it is.}]
"""


def test_derived_facts_name_what_they_are_computed_from() -> None:
    facts = read(DERIVED).facts
    assert {name: fact.computed_from for name, fact in facts.items()} == {
        "size": (),
        "weight": ("size", "material"),
        "heavy": ("weight",),
    }
    assert [fact.change_cost for fact in facts.values()] == [3.0, 1.0, 1.0]


def test_inputs_are_asked_but_are_no_facts() -> None:
    inputs = read(DERIVED).inputs
    material, colour = inputs.values()
    assert (material.name, material.ask, material.decides) == ("material", "What is it made of?", "Iron is heavy.")
    assert (material.ask_cost, colour.ask_cost) == (0.5, 1.0)
    assert str(material.where) == "v.yaml:8:3"
    assert read("facts: {}").inputs == {}


def test_load_names_the_file_as_told(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.yaml"
    path.write_text(DERIVED, encoding="utf-8")
    assert str(vocabulary.load(path, "rules/vocabulary.yaml").facts["size"].where) == "rules/vocabulary.yaml:4:3"


def test_a_fact_is_found_by_its_name_or_the_nearest_is_named() -> None:
    assert words().find("level", Where("r.yaml")).name == "level"
    with pytest.raises(RulesError) as caught:
        words().find("levle", Where("r.yaml", 1, 2))
    assert str(caught.value) == 'r.yaml:1:2: error: unknown fact "levle"; did you mean "level"?'
    with pytest.raises(RulesError, match='did you mean "any"'):
        words().find("anny", Where("r.yaml"))


def test_a_vocabulary_is_extended_without_being_changed() -> None:
    vocabulary = words()
    extra = words("facts:\n  its_size: {type: number, ask: How large?}").facts
    assert list(vocabulary.extended(extra).facts) == ["level", "colour", "open", "load", "its_size"]
    assert "its_size" not in vocabulary.facts
    assert list(read(DERIVED).extended(extra).inputs) == ["material", "colour"]


@pytest.mark.parametrize(
    ("value", "kind", "read"),
    [
        (True, "flag", "yes"),
        (False, "flag", "no"),
        ("yes", "flag", "yes"),
        (5, "number", 5.0),
        (0.5, "number", 0.5),
        (True, "number", "True"),
        ("5", "number", "5"),
        (True, "choice", "True"),
        (None, "choice", None),
    ],
)
def test_yaml_values_as_fact_values(value: Any, kind: str, read: Any) -> None:
    assert read_value(value, kind) == read
    assert type(read_value(value, kind)) is type(read)


def test_what_a_fact_admits() -> None:
    facts = words().facts
    assert admits(facts["level"], "low")
    assert not admits(facts["level"], "lower")
    assert admits(facts["load"], 5.0)
    assert not admits(facts["load"], "5")
    assert not admits(facts["load"], float("inf"))


def test_the_shipped_vocabulary_asks_in_whole_questions() -> None:
    for fact in vocabulary.load(rules_folder() / "vocabulary.yaml").facts.values():
        assert fact.ask.endswith("." if fact.derived else "?"), fact.name
        assert fact.derived or fact.decides, f"{fact.name} does not say what the answer decides"
