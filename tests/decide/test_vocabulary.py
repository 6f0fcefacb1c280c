"""Vocabulary files: facts as read, and the exact words for a fact that is not right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deployadvisor.decide import vocabulary
from deployadvisor.decide.vocabulary import admits, read_value
from deployadvisor.errors import RulesError, Where
from deployadvisor.resources import rules_folder

from .examples import words


def message(text: str) -> str:
    with pytest.raises(RulesError) as caught:
        words("facts:\n" + text)
    return str(caught.value)


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


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("a: 3", "2:6: error: fact a: must be a mapping with type and ask"),
        ("a: {ask: x}", "2:6: error: fact a: type must be one of ordinal, choice, flag, number"),
        ("a: {type: ordnal, ask: x}",
         '2:13: error: fact a: type must be one of ordinal, choice, flag, number; did you mean "ordinal"?'),
        ("a: {type: flag, ask: x, vales: []}", '2:27: error: fact a: unknown key "vales"; did you mean "values"?'),
        ("a: {type: flag}", "2:6: error: fact a: has no ask (the question, or for a derived fact what it says)"),
        ("not: {type: flag, ask: x}", '2:8: error: fact not: "not" is a word of the condition language'),
        ("a: {type: choice, ask: x}", "2:6: error: fact a: needs a list of at least two values"),
        ("a: {type: choice, ask: x, values: [b]}", "2:37: error: fact a: needs a list of at least two values"),
        ("a: {type: choice, ask: x, values: [b, b]}", "2:37: error: fact a: a value is listed twice"),
        ("a: {type: choice, ask: x, values: [b, on]}",
         "2:37: error: fact a: YAML reads yes, no, on and off as true and false; use other words or a flag"),
        ("a: {type: choice, ask: x, values: [b, c d]}",
         '2:37: error: fact a: "c d" is not a word of letters, digits and _'),
        ("a: {type: choice, ask: x, values: [1, 2]}",
         '2:37: error: fact a: "1" is not a word of letters, digits and _'),
        ("a: {type: flag, ask: x, values: [yes, no]}", "2:35: error: fact a: a flag has no values"),
        ("a: {type: number, ask: x, values: [1, 2]}", "2:37: error: fact a: a number has no values"),
        ("a: {type: choice, ask: x, values: [red, blue], assume: bleu}",
         '2:58: error: fact a: cannot assume "bleu"; did you mean "blue"?'),
        ("a: {type: flag, ask: x, assume: maybe}", '2:35: error: fact a: cannot assume "maybe"'),
        ("a: {type: number, ask: x, assume: 5}", "2:37: error: fact a: an assumed number needs a source"),
        ("a: {type: number, ask: x, assume: many, source: s}", '2:37: error: fact a: cannot assume "many"'),
        ("a: {type: flag, ask: x, derived: 'no'}", "2:36: error: fact a: derived is yes or no"),
        ("a: {type: flag, ask: x, changeable: 1}", "2:39: error: fact a: changeable is yes or no"),
        ("a: {type: flag, ask: x, ask_cost: much}", "2:37: error: fact a: ask_cost is a number above 0"),
        ("a: {type: flag, ask: x, ask_cost: 0}", "2:37: error: fact a: ask_cost is a number above 0"),
        ("a: {type: flag, ask: x, source: [s]}", "2:35: error: fact a: source is a text"),
        ("- a", "2:3: error: facts: must be a mapping of facts"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_mistake(entry: str, expected: str) -> None:
    assert message(f"  {entry}") == f"v.yaml:{expected}"


@pytest.mark.parametrize("text", ["", "[a]", "facts: [a]", "other: {}"])
def test_a_vocabulary_is_a_mapping_of_facts(tmp_path: Path, text: str) -> None:
    path = tmp_path / "vocabulary.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RulesError, match=r'^v\.yaml:1:1: error: a vocabulary has a mapping "facts"$'):
        vocabulary.load(path, "v.yaml")


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


def test_the_shipped_vocabulary_asks_in_whole_questions() -> None:
    for fact in vocabulary.load(rules_folder() / "vocabulary.yaml").facts.values():
        assert fact.ask.endswith("." if fact.derived else "?"), fact.name
        assert fact.derived or fact.decides, f"{fact.name} does not say what the answer decides"
