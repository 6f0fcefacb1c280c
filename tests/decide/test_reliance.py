"""A promise rests on a rule exactly when it holds with the rule and is broken without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.decide.compiled import Compiled
from deployadvisor.decide.conditions import ALWAYS
from deployadvisor.decide.properties import Property
from deployadvisor.decide.reliance import reliance
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.decide.verify_properties import check_properties
from deployadvisor.errors import Where

from .examples import BODIES, CANDIDATES, CONDITIONS, built, condition, rules

GROUPS = st.frozensets(st.sampled_from([*CANDIDATES, None]), min_size=1, max_size=2)
RULES = """
constraints:
  - {id: closed, forbid: first, when: {open: no}, because: a}
  - {id: low, forbid: first, when: {level: low}, because: b}
  - {id: shut-and-low, forbid: first, when: {level: low, open: no}, because: c}
cases:
  - {id: best, recommend: first, fit: ideal, because: d}
  - {id: next, recommend: second, fit: good, because: e}
"""


def invariant(when: Any, *target: str | None) -> Property:
    return Property("p", "r", (), condition(when), frozenset(), frozenset(target), "why", Where("p"))


def named(ruleset: Ruleset, promise: Property) -> list[str]:
    return [rule for rule, kept in reliance(ruleset, (promise,)).items() if kept]


def test_the_rule_that_keeps_a_promise_is_found():
    assert named(rules(RULES), invariant({"open": False, "level": "high"}, "first")) == ["closed"]


def test_a_promise_that_two_rules_keep_rests_on_neither():
    assert named(rules(RULES), invariant({"open": False, "level": "low"}, "first")) == []


def test_a_promise_can_rest_on_what_argues_for_another():
    assert named(rules(RULES), invariant({"open": True, "level": "high"}, "second")) == ["best"]


def test_a_broken_promise_rests_on_nothing():
    assert named(rules(RULES), invariant({"open": True}, "first")) == []


@settings(max_examples=40, deadline=None)
@given(BODIES, CONDITIONS, GROUPS, GROUPS, st.sampled_from(["", "level", "load"]))
def test_reliance_is_what_leaving_a_rule_out_shows(
    body: Mapping[str, Any], when: Any, origin: frozenset[str | None], target: frozenset[str | None], raised: str
):
    ruleset = built(body)
    narrowed = ALWAYS if raised else condition(when)
    promise = Property("p", "r", (raised,) if raised else (), narrowed, origin, target, "why", Where("p"))

    def holds(some: Ruleset) -> bool:
        compiled = Compiled(some, [narrowed, *ruleset.conditions()])
        return not any(issue.severity == "error" for issue in check_properties(compiled, [promise]))

    expected = {
        rule.id
        for rule in ruleset.rules
        if holds(ruleset) and not holds(replace(ruleset, rules=tuple(r for r in ruleset.rules if r is not rule)))
    }
    assert {rule for rule, kept in reliance(ruleset, (promise,)).items() if kept} == expected
