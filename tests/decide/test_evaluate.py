"""The reference evaluator: its meaning against a plain restatement, and what must never matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.evaluate import evaluate, outcomes, winner
from deployadvisor.decide.ruleset import FITS, Ruleset

from .examples import ANSWERS, BODIES, CANDIDATES, CONDITIONS, FACTS, built, completions, condition, rules

SECTIONS = ("constraints", "cases", "preferences")

DOORS = """
constraints:
  - {id: no-first-when-closed, forbid: first, unless: {open: yes}, missing: an open door}
  - {id: no-second-for-much, forbid: second, when: {level: high}, because: Too much for it.}
cases:
  - {id: first-at-best, recommend: first, fit: ideal, when: {level: at least mid}, because: It likes much.}
  - {id: second-is-good, recommend: second, fit: good, when: {colour: not red}, because: It likes calm.}
  - {id: anything, recommend: every, fit: acceptable, because: Better than nothing.}
preferences:
  - {id: cheap, prefer: {second: 2, third: 1}, when: {level: low}, because: Money.}
"""


def expected_winner(body: Mapping[str, Any], answers: Facts) -> str | None:
    """The meaning of a ruleset in a dozen lines, straight from the definition, for complete answers."""
    best: tuple[tuple[int, int, int], str] | None = None
    holding = {kind: [rule for rule in body[kind] if condition(rule["when"]).evaluate(answers)] for kind in SECTIONS}
    for position, name in enumerate(CANDIDATES):
        if any(name in rule["forbid"] for rule in holding["constraints"]):
            continue
        fit = max((FITS.index(rule["fit"]) for rule in holding["cases"] if name in rule["recommend"]), default=0)
        points = sum(rule["prefer"].get(name, 0) for rule in holding["preferences"])
        best = max(best or ((0, 0, -99), ""), ((fit, points, -position), name))
    return best[1] if best else None


def fast_winner(ruleset: Ruleset, facts: Facts) -> str | None:
    return winner(ruleset, outcomes(ruleset.rules, facts), facts)


def shuffled(body: dict[str, Any], seed: int) -> dict[str, Any]:
    turned = {
        kind: body[kind][seed % (len(body[kind]) or 1) :] + body[kind][: seed % (len(body[kind]) or 1)]
        for kind in SECTIONS
    }
    return {kind: turned[kind][::-1] for kind in reversed(SECTIONS)}


# Examples


@pytest.mark.parametrize(
    ("facts", "status", "won", "possible"),
    [
        ({"open": "yes", "level": "mid", "colour": "blue"}, "decided", "first", ("first",)),
        ({"open": "no", "level": "mid", "colour": "blue"}, "decided", "second", ("second",)),
        ({"open": "no", "level": "high", "colour": "blue"}, "decided", "third", ("third",)),
        ({"open": "no", "level": "low", "colour": "red"}, "decided", "second", ("second",)),
        ({"open": "no", "level": "mid", "colour": "red"}, "decided", "second", ("second",)),
        ({"open": "yes", "level": "low", "colour": "red"}, "decided", "second", ("second",)),
        ({"level": "mid", "colour": "blue"}, "open", None, ("first", "second")),
        ({"level": "high"}, "open", None, ("first", "third")),
        ({"level": "low"}, "decided", "second", ("second",)),
        ({}, "open", None, ("first", "second", "third")),
    ],
)
def test_what_is_decided(facts: Facts, status: str, won: str | None, possible: tuple[str, ...]) -> None:
    decision = evaluate(rules(DOORS), facts)
    assert (decision.status, decision.winner, decision.possible) == (status, won, possible)


def test_a_decision_says_which_rules_spoke() -> None:
    decision = evaluate(rules(DOORS), {"open": "no", "level": "low", "colour": "blue"})
    assert [rule.id for rule in decision.reasons] == ["second-is-good", "cheap"]
    assert [standing.candidate.id for standing in decision.rejected] == ["first"]
    assert [rule.id for rule in decision.standings["first"].objections] == ["no-first-when-closed"]
    assert [standing.candidate.id for standing in decision.runners_up] == ["third"]
    third = decision.standings["third"]
    assert (third.fit, third.points, [case.id for case in third.cases]) == (1, 1, ["anything"])


def test_a_doubt_is_a_constraint_that_hangs_on_an_open_fact() -> None:
    decision = evaluate(rules(DOORS), {"level": "mid", "colour": "blue"})
    assert [rule.id for rule in decision.standings["first"].doubts] == ["no-first-when-closed"]
    assert decision.standings["first"].objections == ()
    assert decision.reasons == ()


def test_nothing_allowed_is_blocked_with_every_objection() -> None:
    closed = rules("constraints: [{id: shut, forbid: every, unless: {open: yes}, missing: an open door}]")
    decision = evaluate(closed, {"open": "no"})
    assert (decision.status, decision.winner, decision.possible) == ("blocked", None, ())
    assert [standing.objections[0].text for standing in decision.rejected] == ["an open door"] * 3
    assert fast_winner(closed, {"open": "no"}) is None


def test_equals_are_separated_by_the_listed_order() -> None:
    assert evaluate(rules("cases: []"), {}).winner == "first"
    turned = rules("candidates: {third: {title: T}, second: {title: S}, first: {title: F}}")
    assert evaluate(turned, {}).winner == "third"


def test_the_best_case_counts_and_not_their_number() -> None:
    body = """
cases:
  - {id: a, recommend: first, fit: good, because: x}
  - {id: b, recommend: first, fit: good, because: x}
  - {id: c, recommend: first, fit: acceptable, because: x}
  - {id: d, recommend: second, fit: ideal, because: x}
"""
    ruleset = rules(body)
    assert evaluate(ruleset, {}).winner == fast_winner(ruleset, {}) == "second"


def test_points_add_up_but_never_outweigh_a_better_fit() -> None:
    body = """
cases:
  - {id: a, recommend: [first, second], fit: acceptable, because: x}
  - {id: b, recommend: third, fit: good, because: x}
preferences:
  - {id: p, prefer: {first: 15, second: 8}, when: {open: yes}, because: x}
  - {id: q, prefer: {second: 8}, when: {open: yes}, because: x}
"""
    ruleset = rules(body)
    decision = evaluate(ruleset, {"open": "yes"})
    assert decision.winner == fast_winner(ruleset, {"open": "yes"}) == "third"
    assert [standing.candidate.id for standing in decision.runners_up] == ["second", "first"]
    assert decision.standings["second"].points == 16


SIZES = """
attributes: {its_size: {type: number, derived: true, ask: How large it is.}}
constraints:
  - {id: too-large, forbid: every, when: {its_size: above 5}, source: s, because: Too large.}
preferences:
  - {id: roomy, prefer: {every: 1}, when: {its_size: at least 3, open: yes}, source: s, because: Room.}
"""


@pytest.mark.parametrize(
    ("facts", "status", "won"),
    [({"open": "yes"}, "decided", "second"), ({"open": "no"}, "decided", "first"), ({}, "open", None)],
)
def test_candidates_are_judged_by_their_own_attributes(facts: Facts, status: str, won: str | None) -> None:
    sizes = {"first": {"its_size": 1.0}, "second": {"its_size": 4.0}, "third": {"its_size": 9.0}}
    decision = evaluate(rules(SIZES), facts, sizes)
    assert (decision.status, decision.winner) == (status, won)
    assert [standing.candidate.id for standing in decision.rejected] == ["third"]


def test_an_attribute_that_is_not_known_is_a_doubt() -> None:
    decision = evaluate(rules(SIZES), {"open": "no"}, {"first": {"its_size": 1.0}, "second": {}})
    assert [name for name, standing in decision.standings.items() if standing.doubts] == ["second"]


def test_only_candidates_with_attributes_stand() -> None:
    decision = evaluate(rules(SIZES), {"open": "yes"}, {"third": {"its_size": 2.0}})
    assert (decision.winner, decision.possible, list(decision.standings)) == ("third", ("third",), ["third"])
    assert evaluate(rules(SIZES), {"open": "yes"}, {}).status == "blocked"


ELECTED = """
candidates:
  first: {title: First, stands: {colour: red}}
  second: {title: Second, stands: {open: yes}}
  third: {title: Third}
cases:
  - {id: first-at-best, recommend: first, fit: ideal, because: x}
  - {id: second-is-good, recommend: second, fit: good, because: x}
"""


@pytest.mark.parametrize(
    ("facts", "won", "possible"),
    [
        ({"colour": "red", "open": "yes"}, "first", ("first",)),
        ({"colour": "blue", "open": "yes"}, "second", ("second",)),
        ({"colour": "blue", "open": "no"}, "third", ("third",)),
        ({"colour": "red"}, "first", ("first",)),
        ({"colour": "blue"}, None, ("second", "third")),
        ({"open": "yes"}, None, ("first", "second")),
    ],
)
def test_a_candidate_that_does_not_stand_takes_no_part(facts: Facts, won: str | None, possible: tuple[str]) -> None:
    ruleset = rules(ELECTED)
    decision = evaluate(ruleset, facts)
    assert (decision.winner, decision.possible) == (won, possible)
    assert fast_winner(ruleset, facts) == won


def test_a_candidate_that_does_not_stand_is_not_among_the_losers() -> None:
    decision = evaluate(rules(ELECTED), {"colour": "blue", "open": "yes"})
    assert list(decision.standings) == ["second", "third"]
    assert [standing.candidate.id for standing in decision.runners_up] == ["third"]
    assert decision.rejected == ()


def test_a_candidate_that_may_stand_leads_nobody_that_does() -> None:
    decision = evaluate(rules(ELECTED), {"open": "yes"})
    assert (decision.standings["first"].stands, decision.standings["first"].is_sure) == (None, False)
    assert decision.leading == "second"


def test_candidates_stand_by_their_own_attributes() -> None:
    own = rules(
        "attributes: {its_size: {type: number, derived: true, ask: How large it is.}}\n"
        "terms: {large: {means: {its_size: above 3}, source: s}}\n"
        "candidates: {first: {title: F, stands: {is: large}}, second: {title: S, stands: {is: large}}}"
    )
    decision = evaluate(own, {}, {"first": {"its_size": 1.0}, "second": {"its_size": 4.0}})
    assert list(decision.standings) == ["second"]


# Laws, on random rulesets

ELECTIONS = st.dictionaries(st.sampled_from(CANDIDATES), CONDITIONS)
"""When the candidates among them stand."""


def elected(body: dict[str, Any], stands: dict[str, Any]) -> Ruleset:
    terms = {f"{name}_stands": {"means": means, "source": "s"} for name, means in stands.items()}
    candidates: dict[str, Any] = {name: {"title": name} for name in CANDIDATES}
    for name in stands:
        candidates[name]["stands"] = {"is": f"{name}_stands"}
    return built({**body, "terms": terms, "candidates": candidates})


@given(BODIES, ELECTIONS, FACTS)
def test_not_to_stand_is_to_be_forbidden_without_an_objection(
    body: dict[str, Any], stands: dict[str, Any], facts: Facts
) -> None:
    forbidden = [
        {"id": f"{name}-stays-out", "forbid": name, "unless": means, "because": "x", "source": "s"}
        for name, means in stands.items()
    ]
    stood = evaluate(elected(body, stands), facts)
    objected = evaluate(built({**body, "constraints": [*body["constraints"], *forbidden]}), facts)
    assert (stood.status, stood.winner, stood.possible) == (objected.status, objected.winner, objected.possible)


@given(BODIES, ELECTIONS, FACTS)
def test_the_fast_winner_sees_who_stands(body: dict[str, Any], stands: dict[str, Any], facts: Facts) -> None:
    ruleset = elected(body, stands)
    assert fast_winner(ruleset, facts) == evaluate(ruleset, facts).winner


@given(BODIES, ANSWERS)
def test_the_winner_is_the_one_of_the_definition(body: dict[str, Any], answers: Facts) -> None:
    decision = evaluate(built(body), answers)
    assert decision.winner == expected_winner(body, answers)
    assert decision.status == ("decided" if decision.winner else "blocked")


@given(BODIES, FACTS)
def test_the_fast_winner_is_the_reference_winner(body: dict[str, Any], facts: Facts) -> None:
    ruleset = built(body)
    assert fast_winner(ruleset, facts) == evaluate(ruleset, facts).winner


@given(BODIES, FACTS)
@settings(max_examples=50)
def test_open_facts_keep_every_possible_winner(body: dict[str, Any], facts: Facts) -> None:
    ruleset = built(body)
    decision = evaluate(ruleset, facts)
    winners = {evaluate(ruleset, answers).winner for answers in completions(facts)}
    assert winners - {None} <= set(decision.possible)
    if decision.status != "open":
        assert winners == {decision.winner}


@given(BODIES, FACTS, ANSWERS)
def test_an_answer_never_adds_a_possibility(body: dict[str, Any], facts: Facts, answers: Facts) -> None:
    ruleset = built(body)
    fewer, more = evaluate(ruleset, facts), evaluate(ruleset, {**answers, **facts})
    assert set(more.possible) <= set(fewer.possible)
    assert fewer.status == "open" or more.winner == fewer.winner


@given(BODIES, FACTS, st.integers(0, 6))
def test_the_order_of_rules_does_not_matter(body: dict[str, Any], facts: Facts, seed: int) -> None:
    before, after = evaluate(built(body), facts), evaluate(built(shuffled(body, seed)), facts)
    assert (before.status, before.winner, before.possible) == (after.status, after.winner, after.possible)


@given(BODIES, FACTS)
def test_saying_a_case_twice_changes_nothing(body: dict[str, Any], facts: Facts) -> None:
    again = [{**case, "id": f"{case['id']}-again"} for case in body["cases"]]
    before, after = evaluate(built(body), facts), evaluate(built({**body, "cases": body["cases"] + again}), facts)
    assert (before.status, before.winner, before.possible) == (after.status, after.winner, after.possible)


@given(BODIES, ANSWERS, CONDITIONS, st.sampled_from(CANDIDATES))
def test_a_new_case_can_only_raise_its_own_candidate(
    body: dict[str, Any], answers: Facts, when: dict[str, Any], name: str
) -> None:
    case = {"id": "new", "recommend": name, "fit": "ideal", "when": when, "because": "x", "source": "s"}
    before = evaluate(built(body), answers).winner
    after = evaluate(built({**body, "cases": [*body["cases"], case]}), answers).winner
    assert after in {before, name}


@given(BODIES, ANSWERS, CONDITIONS, st.sampled_from(CANDIDATES))
def test_a_new_constraint_can_only_remove_its_own_candidate(
    body: dict[str, Any], answers: Facts, when: dict[str, Any], name: str
) -> None:
    rule = {"id": "new", "forbid": name, "when": when, "because": "x", "source": "s"}
    before = evaluate(built(body), answers)
    after = evaluate(built({**body, "constraints": [*body["constraints"], rule]}), answers)
    assert before.winner in {after.winner, name}
    assert allowed(before) - allowed(after) <= {name}


def allowed(decision: Any) -> set[str]:
    return {name for name, standing in decision.standings.items() if not standing.objections}


@given(BODIES, FACTS)
def test_candidates_without_attributes_are_judged_alike_either_way(body: dict[str, Any], facts: Facts) -> None:
    ruleset: Ruleset = built(body)
    assert evaluate(ruleset, facts) == evaluate(ruleset, facts, {name: {} for name in CANDIDATES})
