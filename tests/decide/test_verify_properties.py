"""Promises: proven where they hold for every profile, and broken by profiles that really break them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deployadvisor import documents
from deployadvisor.decide import reader, vocabulary
from deployadvisor.decide.assumptions import Assumption
from deployadvisor.decide.conditions import ALWAYS, Facts
from deployadvisor.decide.evaluate import evaluate
from deployadvisor.decide.findings import Issue
from deployadvisor.decide.properties import Properties, Property
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.decide.verify import verify
from deployadvisor.errors import Where

from .examples import CANDIDATES, CONDITIONS, DOMAIN, built, completions, condition, rules
from .verifying import RANDOM, decisions, found, stated, told

RULES = """
ruleset: sample
cases:
  - {id: a, recommend: first, fit: ideal, when: {level: low}, because: A.}
  - {id: b, recommend: second, fit: good, when: {load: above 2}, source: s, because: B.}
  - {id: c, recommend: third, fit: acceptable, because: C.}
constraints:
  - {id: d, forbid: [first, second, third], when: {colour: red, open: no}, because: D.}
"""


def promise(fields: str) -> str:
    return f"properties:\n  - {{id: p, ruleset: sample, {fields}, because: So.}}"


@pytest.mark.parametrize(
    "fields",
    [
        "raise: level, never: {to: first}",
        "raise: level, never: {from: second, to: third}",
        "raise: load, never: {from: [second, first], to: third}",
        "raise: [open, load], never: {to: blocked}",
        "raise: level, when: {load: above 5}, never: {to: third}",
        "when: {level: low}, never: {to: [second, third]}",
        "when: {colour: not red}, never: {to: blocked}",
        "when: {load: above 3, level: high}, never: {to: third}",  # a constant that no rule knows
    ],
)
def test_what_holds(fields: str) -> None:
    assert told("DA008", RULES, promise(fields)) + told("DA009", RULES, promise(fields)) == []


@pytest.mark.parametrize(
    ("fields", "code", "expected"),
    [
        ("raise: level, never: {from: first, to: third}", "DA008",
         "p: raising level moves it from first to third; e.g. open=yes, load=2, level=low, then level=mid"),
        ("raise: open, never: {to: second}", "DA008",
         ("p: raising open moves it from blocked to second; "
         "e.g. level=mid, colour=red, load=3, open=no, then open=yes")),
        ("raise: load, when: {level: high}, never: {from: third, to: second}", "DA008",
         "p: raising load moves it from third to second; e.g. level=high, open=yes, load=2, then load=3"),
        ("when: {open: yes}, never: {to: third}", "DA009",
         "p: third can win; e.g. level=mid, open=yes, load=2"),
        ("when: {open: no}, never: {to: [blocked, first]}", "DA009",
         "p: first or blocked can win; e.g. level=low, open=no"),
        ("when: {load: above 3}, never: {to: second}", "DA009",
         "p: second can win; e.g. level=mid, open=yes, load=4"),
        # promises that say nothing
        ("when: {level: low, not: {level: at most mid}}, never: {to: first}", "DA012",
         "p: says nothing: no possible profile meets its condition"),
        ("raise: level, when: {level: high}, never: {to: first}", "DA012",
         "p: says nothing: where it begins, level cannot be raised"),
        ("raise: load, never: {from: second, to: third}", "DA012",
         "p: says nothing: where it begins, load cannot be raised"),
    ],
)  # fmt: skip
def test_what_is_broken(fields: str, code: str, expected: str) -> None:
    made = told(code, RULES, promise(fields))
    assert [line for line in made if line.startswith("p.yaml")] == [f"p.yaml:2:5: {expected}"]
    assert found("DA008" if code == "DA009" else "DA009", RULES, promise(fields)) == ()


def test_a_raised_fact_that_no_rule_tests_promises_nothing() -> None:
    text = RULES.replace("open: no", "level: high")
    promises = promise("raise: open, never: {to: blocked}")
    assert "p.yaml:2:5: p: says nothing: no rule depends on open" in told("DA012", text, promises)


def test_all_pairs_are_compared_and_not_only_neighbours() -> None:
    """From low to mid nothing moves, from mid to high neither; from low to high it does."""
    text = """
ruleset: sample
cases:
  - {id: a, recommend: first, fit: ideal, when: {level: low}, because: A.}
  - {id: b, recommend: second, fit: ideal, when: {level: mid}, because: B.}
  - {id: c, recommend: third, fit: ideal, when: {level: high}, because: C.}
"""
    (issue,) = found("DA008", text, promise("raise: level, never: {from: first, to: third}"))
    assert (issue.witness, issue.after) == ({"level": "low"}, {"level": "high"})


# Attributes

FRUIT = """
ruleset: sample
candidates: {from: fruit}
attributes:
  its_taste: {type: flag, ask: Does it taste?}
  its_price: {type: flag, ask: Is it dear?}
constraints:
  - {id: edible, forbid: every, unless: {its_taste: yes}, because: It must taste.}
  - {id: thrift, forbid: every, when: {level: low, its_price: yes}, because: It is dear.}
cases:
  - {id: anything, recommend: every, fit: good, because: It is fruit.}
"""


def test_attributes_are_those_of_the_winner() -> None:
    holds = "when: {its_taste: no}, never: {to: every}"
    broken = "when: {level: mid, its_price: yes}, never: {to: every}"
    assert found("DA009", FRUIT, promise(holds)) == ()
    (issue,) = found("DA009", FRUIT, promise(broken))
    ruleset = rules(FRUIT)
    made = decisions(ruleset, issue.witness)
    assert issue.witness is not None
    assert {issue.witness[f"its_price of {decision.winner}"] for decision in made} == {"yes"}
    assert issue.witness["level"] == "mid"


# Facts that follow the raised one

TIED = """
facts:
  serves: {type: flag, ask: Is there a card?}
  busy: {type: ordinal, values: [idle, some, much], derived: true, from: [serves], ask: How busy is it?}
"""


def tied() -> Ruleset:
    known = vocabulary.read(documents.parse(TIED, "v.yaml"))
    text = """
ruleset: sample
candidates: {own: {title: Own}, hosted: {title: Hosted}}
cases:
  - {id: a, recommend: own, fit: good, when: {serves: no}, because: A.}
  - {id: b, recommend: own, fit: good, when: {busy: at least some}, because: B.}
  - {id: c, recommend: hosted, fit: acceptable, because: C.}
"""
    ruleset = reader.read(documents.parse(text, "r.yaml"), known)
    document = documents.parse("any: [{serves: yes}, {busy: some}]", "v.yaml")
    holds = reader.conditions.parse(document.value, document, (), known, {})
    return replace(ruleset, assumptions=(Assumption("planned", holds, "So.", Where("v.yaml")),))


def test_a_fact_that_an_assumption_ties_to_the_raised_one_follows_it() -> None:
    """Without a card it counts as busy; with one it can be idle. Both cannot be compared at the same busyness."""
    ruleset = tied()
    promises = stated(promise("raise: serves, never: {from: own, to: hosted}"), ruleset)
    (issue,) = (i for i in verify(ruleset.vocabulary, [ruleset], promises).issues if i.code == "DA008")
    assert issue.witness == {"serves": "no", "busy": "some"}
    assert issue.after == {"serves": "yes", "busy": "idle"}
    assert str(issue).endswith("e.g. serves=no, busy=some, then serves=yes, busy=idle")


# Against every pair of profiles


def promised(raised: str | None, when: Mapping[str, Any] | None, origin: set[Any], target: set[Any]) -> Properties:
    met = condition(when) if when else ALWAYS
    where = Where("p.yaml")
    raises = (raised,) if raised else ()
    one = Property("p", "r.yaml", raises, met, frozenset(origin), frozenset(target), "So.", where)
    return Properties((one,))


SOME = st.sets(st.sampled_from([*CANDIDATES, None]), min_size=1)


@settings(deadline=None, max_examples=80)
@given(RANDOM, st.sampled_from(["level", "open", "load"]), st.none() | CONDITIONS, SOME, SOME)
def test_a_step_is_forbidden_for_all_pairs(
    body: Mapping[str, Any], raised: str, when: Mapping[str, Any] | None, origin: set[Any], target: set[Any]
) -> None:
    assume(origin - target)
    ruleset, promises = built(body), promised(raised, when, origin - target, target)
    made = found("DA008", ruleset, promises)
    assert bool(made) is any(pair_breaks(ruleset, promises.promises[0], *pair) for pair in pairs(raised))
    for issue in made:
        assert_breaks(ruleset, issue, promises.promises[0])


def pairs(raised: str) -> Iterator[tuple[Facts, Facts]]:
    for facts in completions({raised: DOMAIN[raised][0]}):
        for low, high in itertools.combinations(DOMAIN[raised], 2):
            yield {**facts, raised: low}, {**facts, raised: high}


def pair_breaks(ruleset: Ruleset, one: Property, low: Facts, high: Facts) -> bool:
    return is_in(ruleset, one, low, one.origin) and is_in(ruleset, one, high, one.target)


def is_in(ruleset: Ruleset, one: Property, facts: Facts, winners: frozenset[str | None]) -> bool:
    return bool(one.when.evaluate(facts)) and evaluate(ruleset, facts).winner in winners


def assert_breaks(ruleset: Ruleset, issue: Issue, one: Property) -> None:
    """However the two profiles are completed alike, one leads to the other."""
    assert issue.witness is not None
    assert issue.after is not None
    (fact,) = one.raised
    assert {name for name in issue.after if issue.after[name] != issue.witness.get(name)} == {fact}
    values = [issue.witness[fact], issue.after[fact]]
    order = ruleset.vocabulary.facts[fact].values
    assert order.index(values[0]) < order.index(values[1]) if order else values[0] < values[1]
    for facts in completions(issue.witness):
        assert is_in(ruleset, one, facts, one.origin)
        assert is_in(ruleset, one, {**facts, fact: issue.after[fact]}, one.target)


@settings(deadline=None, max_examples=80)
@given(RANDOM, CONDITIONS, SOME)
def test_an_invariant_holds_for_every_profile(
    body: Mapping[str, Any], when: Mapping[str, Any], target: set[Any]
) -> None:
    ruleset, promises = built(body), promised(None, when, set(), target)
    (one,) = promises.promises
    broken = [facts for facts in completions({}) if is_in(ruleset, one, facts, one.target)]
    met = any(one.when.evaluate(facts) for facts in completions({}))
    made = found("DA009", ruleset, promises)
    assert bool(made) is bool(broken)
    assert ("p" in {issue.about for issue in found("DA012", ruleset, promises)}) is (not met)
    for issue in made:
        assert all(is_in(ruleset, one, facts, one.target) for facts in completions(issue.witness or {}))
