"""Findings about texts: ids, wording, and what a translation owes."""

from __future__ import annotations

import pytest

from deployadvisor import documents
from deployadvisor.decide import texts
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.decide.verify_texts import check_rule_texts, check_translation

from .examples import rules, words

RULES = """
ruleset: sample
constraints:
  - {id: needs-a-door, forbid: first, when: {open: no}, missing: an open door}
cases:
  - {id: first-by-default, recommend: first, fit: good, because: It is the first.}
"""
CHINESE = """
language: zh
facts:
  level: {ask: 多少？}
  colour: {ask: 什么颜色？}
  open: {ask: 开着吗？}
  load: {ask: 多少请求？}
rules:
  needs-a-door: 开着的门
  first-by-default: 它是第一个。
candidates:
  sample: {first: 甲, second: 乙, third: 丙}
"""


def about_rules(*rulesets: Ruleset) -> list[str]:
    return [str(issue) for issue in check_rule_texts(rulesets)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", None),
        ("It is the first.", "It is the first", "first-by-default: because ends with a full stop"),
        ("an open door", "an open door.", "needs-a-door: missing names a thing to obtain, without a full stop"),
        ("It is the first.", '"It is\\nthe first."', "first-by-default: the text has more than one line"),
        ("first-by-default", "First_by",
         "First_by: an id is words of small letters and digits with hyphens between them"),
    ],
)  # fmt: skip
def test_what_a_rule_says(old: str, new: str, expected: str | None) -> None:
    found = about_rules(rules(RULES.replace(old, new)))
    assert [line.partition("error: ")[2] for line in found] == ([expected] if expected else [])
    assert all(line.startswith("r.yaml:") for line in found)


def test_an_id_is_used_once_in_all_files() -> None:
    found = about_rules(rules(RULES), rules(RULES.replace("first-by-default", "another")))
    assert found == ["r.yaml:4:5: DA013 error: needs-a-door: the id is used twice (first at r.yaml:4:5)"]


def about_translation(text: str, rules_text: str = RULES) -> list[str]:
    translation = texts.read_texts(documents.parse(text, "zh.yaml"))
    return [str(issue) for issue in check_translation(translation, [rules(rules_text)], words())]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "", None),
        ("  needs-a-door: 开着的门\n", "", "r.yaml:4:5: DA013 error: no text in zh for rules.needs-a-door"),
        ("  open: {ask: 开着吗？}\n", "", "v.yaml:5:3: DA013 error: no text in zh for facts.open.ask"),
        (", second: 乙", "", "r.yaml:8:43: DA013 error: no text in zh for candidates.sample.second"),
        ("rules:\n", "rules:\n  gone: 没有了。\n", "zh.yaml:9:9: DA013 error: a text for nothing called rules.gone"),
        ("它是第一个。", "它是第一个", "zh.yaml:10:21: DA013 error: first-by-default: because ends with a full stop"),
        ("开着的门", "开着的门。",
         "zh.yaml:9:17: DA013 error: needs-a-door: missing names a thing to obtain, without a full stop"),
        ("开着的门", "门" * 201,
         "zh.yaml:9:17: DA013 error: needs-a-door: the text has more than 200 characters"),
    ],
)  # fmt: skip
def test_what_a_translation_owes(old: str, new: str, expected: str | None) -> None:
    assert old in CHINESE
    assert about_translation(CHINESE.replace(old, new, 1)) == ([expected] if expected else [])


def test_attributes_and_inputs_are_translated_too() -> None:
    text = """
ruleset: sample
candidates: {from: fruit}
attributes:
  its_taste: {type: flag, ask: Does it taste?}
constraints:
  - {id: needs-a-door, forbid: every, when: {its_taste: no}, missing: an open door}
cases:
  - {id: first-by-default, recommend: every, fit: good, because: It is fruit.}
"""
    assert about_translation(CHINESE.replace("first: 甲, second: 乙, third: 丙", "apple: 苹果"), text) == [
        "r.yaml:5:3: DA013 error: no text in zh for facts.its_taste.ask"
    ]
