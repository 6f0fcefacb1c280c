"""Two versions of a ruleset: shares and witnesses against brute force, the proof of weakening, the implied step."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor import documents
from deployadvisor.decide import conditions, reader
from deployadvisor.decide.assumptions import Assumption
from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.difference import Difference, difference, weakened
from deployadvisor.decide.evaluate import evaluate
from deployadvisor.decide.ruleset import Given, Ruleset
from deployadvisor.decide.versions import BUMPS, Version, carries, parse_version, parse_versions, step
from deployadvisor.decide.vocabulary import Vocabulary
from deployadvisor.errors import RulesError, Where

from .examples import BODIES, CANDIDATES, DOMAIN, VOCABULARY, built, completions, words

Body = Mapping[str, list[dict[str, Any]]]
PAIRS = st.tuples(BODIES, BODIES)


def completed(facts: Facts) -> Facts:
    """A whole profile: any value will do for the facts that a witness leaves out."""
    return {**{name: values[0] for name, values in DOMAIN.items()}, **facts}


# Laws


@given(BODIES)
def test_a_ruleset_does_not_differ_from_itself(body: Body) -> None:
    same = difference(built(body), built(body))
    assert (same.moves, same.weakened, same.bump) == ((), (), "none")
    assert same.rewording.is_empty


@given(BODIES, st.randoms(use_true_random=False))
def test_the_order_of_rules_does_not_matter(body: Body, chance: random.Random) -> None:
    shuffled = {kind: chance.sample(entries, len(entries)) for kind, entries in body.items()}
    assert difference(built(body), built(shuffled)).bump == "none"


@given(PAIRS)
def test_witnesses_really_get_the_two_answers(bodies: tuple[Body, Body]) -> None:
    old, new = (built(body) for body in bodies)
    for move in difference(old, new).moves:
        answers = {(evaluate(old, facts).winner, evaluate(new, facts).winner) for facts in completions(move.witness)}
        assert answers == {(move.before, move.after)}, "whatever the other facts are"


ALL_CUTS = {
    "id": "all-cuts",
    "prefer": dict.fromkeys(CANDIDATES, 1),
    "when": {"any": [{"load": f"{sign} {constant}"} for sign in ("at least", "above") for constant in (2, 5)]},
    "because": "a point for everyone changes no answer",
    "source": "here",
}


def cut_everywhere(body: Body) -> Ruleset:
    """The ruleset with numbers cut into the cells of DOMAIN, so that each profile of DOMAIN counts the same."""
    return built({**body, "preferences": [*body["preferences"], ALL_CUTS]})


@given(PAIRS)
@settings(max_examples=40)
def test_shares_are_those_of_brute_force(bodies: tuple[Body, Body]) -> None:
    old, new = (cut_everywhere(body) for body in bodies)
    profiles = list(completions({}))
    pairs = [(evaluate(old, facts).winner, evaluate(new, facts).winner) for facts in profiles]
    counted = Counter(pair for pair in pairs if pair[0] != pair[1])
    found = difference(old, new)
    shares = {(move.before, move.after): move.share for move in found.moves}
    assert shares == pytest.approx({pair: number / len(profiles) for pair, number in counted.items()})
    assert found.share == pytest.approx(sum(counted.values()) / len(profiles))
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def partly_overridable(body: Body) -> Ruleset:
    constraints = [{**rule, "overridable": at % 2 == 1} for at, rule in enumerate(body["constraints"])]
    return built({**body, "constraints": constraints})


def kept_out(ruleset: Ruleset, facts: Facts, candidate: str, *, for_good: bool) -> list[str]:
    """The constraints that forbid a candidate, those alone that may not be overridden where ``for_good``."""
    return [
        rule.id
        for rule in ruleset.speaking[candidate]
        if rule.kind == "constraint" and not (for_good and rule.overridable) and rule.when.evaluate(facts)
    ]


@given(PAIRS)
@settings(max_examples=40)
def test_weakening_is_that_of_brute_force(bodies: tuple[Body, Body]) -> None:
    base, effective = (partly_overridable(body) for body in bodies)
    gaps = [
        (candidate, rule)
        for facts in completions({})
        for candidate in CANDIDATES
        if not kept_out(effective, facts, candidate, for_good=False)
        for rule in kept_out(base, facts, candidate, for_good=True)
    ]
    assert {(one.candidate, one.rule and one.rule.id) for one in difference(base, effective).weakened} == set(gaps)
    assert (weakened(base, effective) is None) is not bool(gaps)


@given(PAIRS)
def test_a_witness_of_weakening_is_forbidden_before_and_allowed_after(bodies: tuple[Body, Body]) -> None:
    base, effective = (partly_overridable(body) for body in bodies)
    for one in difference(base, effective).weakened:
        facts = completed(one.witness)
        assert one.rule
        assert one.rule.id in kept_out(base, facts, one.candidate, for_good=True)
        assert not kept_out(effective, facts, one.candidate, for_good=False)


# Examples

BASE = """\
version: 1.2.3
candidates: {first: {title: First}, second: {title: Second}}
terms:
  hot: {means: {level: high}}
constraints:
  - {id: too-hot, forbid: first, when: {is: hot}, because: Too hot.}
cases:
  - {id: usual, recommend: first, fit: good, because: As usual.}
"""


def read(text: str, facts: Vocabulary | None = None) -> Ruleset:
    group = {name: Given(name.title()) for name in ("apple", "fig", "pear", "plum")}
    return reader.read(documents.parse(text, "r.yaml"), facts or words(), {"fruit": group})


def changed(*edits: tuple[str, str]) -> Difference:
    text = BASE
    for before, after in edits:
        assert before in text
        text = text.replace(before, after)
    return difference(read(BASE), read(text))


def test_a_new_ban_changes_answers_and_is_not_weaker() -> None:
    ban = "  - {id: no-red, forbid: first, when: {colour: red}, because: Not red.}\ncases:"
    found = changed(("cases:", ban))
    (move,) = found.moves
    assert (move.before, move.after) == ("first", "second")
    assert move.share == pytest.approx(2 / 9)
    assert move.witness == {"level": "low", "colour": "red"}
    assert (found.weakened, found.rewording.added, found.bump) == ((), ("no-red",), "minor")


def test_a_redefined_term_weakens_a_rule_whose_text_stayed() -> None:
    found = changed(("{level: high}", "{level: high, open: yes}"))
    (one,) = found.weakened
    assert one.candidate == "first"
    assert one.rule is not None
    assert (one.rule.id, one.witness) == ("too-hot", {"level": "high", "open": "no"})
    assert found.rewording.changed == {"too-hot": ("when",)}
    assert found.bump == "major"


def test_a_candidate_that_stands_where_it_did_not_is_weaker() -> None:
    stands = ("{title: First}", "{title: First, stands: {colour: red or blue}}")
    wider = ("{title: First}", "{title: First, stands: {colour: not green}}")
    assert weakened(read(BASE.replace(*stands)), read(BASE.replace(*wider))) is None
    one = weakened(read(BASE.replace(*stands)), read(BASE))
    assert one is not None
    assert (one.candidate, one.rule, one.witness) == ("first", None, {"level": "low", "colour": "green"})
    assert weakened(read(BASE), read(BASE.replace(*stands))) is None


def test_a_rule_that_may_be_overridden_may_be_weaker() -> None:
    base = BASE.replace("because: Too hot.", "because: Too hot., overridable: yes")
    assert weakened(read(base), read(base.replace("level: high", "level: mid"))) is None


@pytest.mark.parametrize(
    ("edit", "bump"),
    [
        (("Too hot.", "Far too hot."), "patch"),
        (("{title: Second}", "{title: Two}"), "patch"),
        (("because: As usual.", "because: As usual., tests: [{given: {open: yes}, applies: yes}]"), "none"),
        (("version: 1.2.3", "version: 1.2.4"), "none"),
        (("{title: Second}}", "{title: Second}, third: {title: Third}}"), "minor"),
        (("recommend: first", "recommend: second"), "minor"),
        (("{level: high}", "{level: at least mid}"), "minor"),
        (("when: {is: hot}", "when: {is: hot, open: no}"), "major"),
        (("because: Too hot.", "because: Too hot., overridable: yes"), "patch"),
    ],
)
def test_the_step_that_a_change_implies(edit: tuple[str, str], bump: str) -> None:
    assert changed(edit).bump == bump


def test_versions_and_names_are_those_of_the_files() -> None:
    found = changed(("version: 1.2.3", "ruleset: route\nversion: 2.0.0"))
    assert (found.name, found.before, found.after) == ("route", "1.2.3", "2.0.0")


def test_rules_that_came_went_and_changed() -> None:
    found = changed(("id: usual", "id: as-ever"), ("because: Too hot.", "missing: a fan"))
    assert (found.rewording.added, found.rewording.removed) == (("as-ever",), ("usual",))
    assert found.rewording.changed == {"too-hot": ("text", "is_missing")}
    assert found.rewording.titles == ()


# Vocabularies that differ


def test_a_fact_that_one_version_knows_is_among_the_facts_of_both() -> None:
    wider = words(VOCABULARY + "  shape: {type: choice, values: [round, square], ask: Which shape?}\n")
    new = read(BASE.replace("when: {is: hot}", "when: {any: [{is: hot}, {shape: round}]}"), wider)
    found = difference(read(BASE), new)
    (move,) = found.moves
    assert (move.share, move.witness) == (pytest.approx(1 / 3), {"level": "low", "shape": "round"})
    assert found.rewording.scope == ("fact shape is new",)
    assert difference(new, read(BASE)).rewording.scope == ("fact shape is gone",)
    assert difference(new, read(BASE)).bump == "major"


def test_values_that_both_versions_know_are_compared() -> None:
    wider = words(VOCABULARY.replace("[low, mid, high]", "[low, mid, high, extreme]"))
    found = difference(read(BASE), read(BASE.replace("level: high", "level: at least high"), wider))
    assert (found.moves, found.weakened) == ((), ())
    assert found.rewording.scope == ("fact level: value extreme is new",)
    assert found.bump == "minor"


def test_what_is_assumed_and_the_type_are_part_of_the_scope() -> None:
    other = words(VOCABULARY.replace("level: {type: ordinal", "level: {type: choice, assume: low"))
    assert difference(read(BASE), read(BASE, other)).rewording.scope == (
        "fact level: type ordinal became choice",
        "fact level: assumed nothing became low",
    )


def test_a_fact_without_a_common_value_cannot_be_compared() -> None:
    numbers = words(VOCABULARY.replace("level: {type: ordinal, values: [low, mid, high]", "level: {type: number"))
    new = BASE.replace("{level: high}", "{level: above 3}, source: measured")
    with pytest.raises(RulesError, match="fact level: the versions have no value in common"):
        difference(read(BASE), read(new, numbers))


def test_profiles_that_cannot_be_are_left_out() -> None:
    never_open = Assumption(
        "never-open", conditions.Test("open", frozenset({"no"}), "no"), "It is shut.", Where("v.yaml")
    )
    new = replace(read(BASE.replace("when: {is: hot}", "when: {is: hot, open: no}")), assumptions=(never_open,))
    found = difference(read(BASE), new)
    assert (found.moves, found.weakened) == ((), ())
    assert (found.rewording.scope, found.rewording.assumptions) == ((), ("assumption never-open is new",))


# Candidates with attributes

FRUIT = """\
candidates: {from: fruit}
attributes:
  its_taste: {type: ordinal, values: [bad, fair, good], ask: How does it taste?}
constraints:
  - {id: no-bad-taste, forbid: every, when: {its_taste: bad}, because: It tastes bad.}
cases:
  - {id: tasty, recommend: every, fit: good, when: {its_taste: good}, because: It tastes good.}
"""
ATTRIBUTES = {"its_taste": ("bad", "fair", "good")}


def test_each_candidate_has_its_own_attributes() -> None:
    new = FRUIT.replace("{its_taste: bad}", "{its_taste: at most fair}")
    found = difference(read(FRUIT), read(new))
    assert found.weakened == ()
    for move in found.moves:
        tastes = {name: {"its_taste": move.witness.get(f"its_taste of {name}", "bad")} for name in ("apple", "fig")}
        assert evaluate(read(FRUIT), {}, tastes).winner == move.before
        assert evaluate(read(new), {}, tastes).winner == move.after
    assert {(move.before, move.after) for move in found.moves} == {("apple", None), ("fig", None)}


def test_an_attribute_rule_that_spares_one_candidate_is_weaker() -> None:
    one = weakened(read(FRUIT), read(FRUIT.replace("its_taste: bad}", "its_taste: bad, colour: red}")))
    assert one is not None
    assert (one.candidate, one.witness["its_taste of apple"], one.witness["colour"]) == ("apple", "bad", "green")


def test_a_candidate_that_one_version_names_is_told_apart_in_both() -> None:
    named = FRUIT + "preferences:\n  - {id: plums, prefer: {plum: 1}, when: {open: yes}, because: Plums.}\n"
    found = difference(read(FRUIT), read(named))
    assert {(move.before, move.after) for move in found.moves} == {("apple", "plum"), ("fig", "plum")}


# Versions


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        (">=1.0,<2", ["1.0.0", "1", "1.9.9"], ["0.9.9", "2.0.0"]),
        ("==1.2", ["1.2.0", "1.2"], ["1.2.1", "1.1.9"]),
        (" >= 1.10 , < 1.20 ", ["1.10.0", "1.19.5"], ["1.9.0", "1.20"]),
    ],
)
def test_a_range_of_versions(text: str, inside: list[str], outside: list[str]) -> None:
    versions = parse_versions(text)
    assert versions is not None
    assert [parse_version(version) in versions for version in (*inside, *outside)] == [
        *(True for _ in inside),
        *(False for _ in outside),
    ]


@pytest.mark.parametrize("text", ["", "1.0", ">1.0", ">=1.0,", "~=1.0", ">=1.0.0.0", ">=a", "<=2", ">=-1"])
def test_what_is_no_range(text: str) -> None:
    assert parse_versions(text) is None


@pytest.mark.parametrize("text", ["", "1.", ".1", "1.0.0.0", "v1.0", "1.0-rc1", " 1.0", "1e3"])
def test_what_is_no_version(text: str) -> None:
    assert parse_version(text) is None


VERSIONS = st.tuples(*(st.integers(0, 3),) * 3)


@given(VERSIONS, VERSIONS)
def test_a_step_carries_itself_and_every_smaller_one(before: Version, after: Version) -> None:
    taken = BUMPS.index(step(before, after))
    carried = [carries(before, after, bump) for bump in BUMPS]
    assert carried == [after >= before and at <= taken for at in range(len(BUMPS))]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("1.2.3", "1.2.3", "none"),
        ("1.2.3", "1.2.4", "patch"),
        ("1.2.3", "1.3.0", "minor"),
        ("1.2.3", "2.0.0", "major"),
        ("1.2.3", "1.0.0", "none"),
    ],
)
def test_step(before: str, after: str, expected: str) -> None:
    first, second = parse_version(before), parse_version(after)
    assert first is not None
    assert second is not None
    assert step(first, second) == expected
