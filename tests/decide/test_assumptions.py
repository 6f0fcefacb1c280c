"""Assumptions: what each one holds, and where they are read from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from deployadvisor import documents
from deployadvisor.decide import assumptions, reader
from deployadvisor.decide.conditions import Facts

from .examples import ANSWERS, CONDITIONS, VOCABULARY, condition, words

SECTION = """
assumptions:
  - {id: red-is-open, if: {colour: red}, then: {open: yes}, because: So it was built.}
  - {id: never-empty, then: {load: at least 1}, because: Somebody is there.}
"""


def test_assumptions_as_read(tmp_path: Path) -> None:
    path = tmp_path / "vocabulary.yaml"
    path.write_text(VOCABULARY + SECTION, encoding="utf-8")
    red, load = assumptions.load(path, words(), "v.yaml")
    assert (red.id, red.because, str(red.where)) == ("red-is-open", "So it was built.", "v.yaml:9:5")
    assert [red.holds.evaluate(facts) for facts in ({"colour": "red", "open": "no"}, {"colour": "red"}, {})] == [
        False,
        None,
        None,
    ]
    assert [load.holds.evaluate({"load": value}) for value in (0.0, 1.0)] == [False, True]


@pytest.mark.parametrize("text", ["facts: {}", "facts: {}\nassumptions:", "facts: {}\nassumptions: []"])
def test_there_may_be_none(text: str) -> None:
    assert assumptions.read(documents.parse(text, "v.yaml"), words()) == ()


def test_a_ruleset_carries_them() -> None:
    assumed = assumptions.read(documents.parse(SECTION, "v.yaml"), words())
    document = documents.parse("candidates: {first: {title: First}}", "r.yaml")
    assert reader.read(document, words(), assumptions=assumed).assumptions == assumed


@given(CONDITIONS, CONDITIONS, ANSWERS)
def test_an_assumption_is_an_implication(given_: dict[str, Any], then: dict[str, Any], answers: Facts) -> None:
    text = str({"assumptions": [{"id": "a", "if": given_, "then": then, "because": "x"}]})
    (read,) = assumptions.read(documents.parse(text, "v.yaml"), words())
    implied = not condition(given_).evaluate(answers) or condition(then).evaluate(answers)
    assert read.holds.evaluate(answers) is implied
