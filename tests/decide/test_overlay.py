"""Overlays: what they change, where each rule then stands, and the exact text of every refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor import documents
from deployadvisor.decide import overlay, reader
from deployadvisor.decide.difference import weakened
from deployadvisor.decide.evaluate import evaluate
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.errors import DeployAdvisorError

from .examples import BODIES, CONDITIONS, TITLES, built, rules, words

BASE = """\
ruleset: route
version: 1.4.2
candidates: {first: {title: First}, second: {title: Second}, third: {title: Third}}
terms:
  hot: {means: {level: high}}
  busy: {means: {load: at least 5}, source: counted}
constraints:
  - {id: too-hot, forbid: first, when: {is: hot}, because: Too hot.}
  - {id: too-busy, forbid: first, when: {is: busy}, because: Too busy., overridable: yes}
cases:
  - {id: usual, recommend: first, fit: good, because: As usual.}
  - {id: red-is-second, recommend: second, fit: ideal, when: {colour: red}, because: It is red.}
preferences:
  - {id: open-third, prefer: {third: 2}, when: {open: yes}, because: It is open.}
"""
HEAD = """\
schema: deployadvisor/overlay@1
name: acme
extends: {ruleset: route, version: ">=1.0,<2"}
"""


def merged(text: str, base: str = BASE) -> Ruleset:
    document = documents.parse(base, "base.yaml")
    one = overlay.read(documents.parse(HEAD + text, "acme.yaml"))
    return reader.read(overlay.extended({"route": document}, one), words())


# What an overlay does


def test_added_rules_stand_in_the_overlay_and_the_others_in_the_base() -> None:
    ruleset = merged(
        "constraints:\n"
        "  - {id: no-blue, forbid: second, when: {colour: blue}, because: Not blue., add: yes,\n"
        "     tests: [{given: {colour: blue}, applies: yes}]}\n"
    )
    places = {rule.id: str(rule.where) for rule in ruleset.rules}
    assert places["no-blue"] == "acme.yaml:5:5"
    assert places["too-busy"] == "base.yaml:9:5"
    assert places["usual"] == "base.yaml:11:5"
    (no_blue,) = [rule for rule in ruleset.rules if rule.id == "no-blue"]
    assert not no_blue.overridable
    assert str(no_blue.tests[0].where) == "acme.yaml:6:14"
    assert evaluate(ruleset, {"level": "low", "load": 1.0, "colour": "blue", "open": "no"}).rejected


def test_a_replaced_rule_keeps_its_place_among_the_others() -> None:
    ruleset = merged(
        "cases:\n  - {id: usual, replace: yes, reason: Board, recommend: third, fit: ideal, because: Policy.}\n"
    )
    assert [rule.id for rule in ruleset.of_kind("case")] == ["usual", "red-is-second"]
    usual = next(ruleset.of_kind("case"))
    assert (usual.text, str(usual.where)) == ("Policy.", "acme.yaml:5:5")
    assert evaluate(ruleset, {"level": "low", "load": 1.0, "colour": "blue", "open": "no"}).winner == "third"


def test_a_removed_rule_is_gone_and_the_rest_keep_their_places() -> None:
    ruleset = merged("cases:\n  - {id: usual, remove: yes, reason: Nothing is usual.}\n")
    assert [(rule.id, str(rule.where)) for rule in ruleset.of_kind("case")] == [("red-is-second", "base.yaml:12:5")]


def test_a_redefined_term_changes_every_rule_that_uses_it() -> None:
    ruleset = merged("terms:\n  hot: {replace: yes, reason: Cooler, means: {level: at least mid}}\n")
    assert next(ruleset.of_kind("constraint")).condition_text == "level at least mid"


def test_an_added_term_serves_added_rules() -> None:
    ruleset = merged(
        "terms:\n  mild: {add: yes, means: {not: {is: hot}}}\n"
        "preferences:\n  - {id: mild-first, add: yes, prefer: {first: 1}, when: {is: mild}, because: Mild.}\n"
    )
    assert list(ruleset.terms) == ["hot", "busy", "mild"]
    assert [rule.id for rule in ruleset.of_kind("preference")] == ["open-third", "mild-first"]


def test_an_overridable_constraint_may_be_replaced_and_stays_overridable() -> None:
    ruleset = merged(
        "constraints:\n"
        "  - {id: too-busy, replace: yes, reason: New racks, forbid: first, when: {load: above 5}, source: counted,\n"
        "     because: Too busy.}\n"
    )
    (too_busy,) = [rule for rule in ruleset.rules if rule.id == "too-busy"]
    assert too_busy.overridable


def test_overlays_stack_and_a_ban_of_the_first_binds_the_second() -> None:
    base = {"route": documents.parse(BASE, "base.yaml")}
    ban = "constraints:\n  - {id: no-blue, forbid: second, when: {colour: blue}, because: Not blue., add: yes}\n"
    first = overlay.read(documents.parse(HEAD + ban, "acme.yaml"))
    base["route"] = overlay.extended(base, first)
    lift = "constraints:\n  - {id: no-blue, remove: yes, reason: We like blue.}\n"
    second = overlay.read(documents.parse(HEAD + lift, "team.yaml"))
    with pytest.raises(DeployAdvisorError) as caught:
        overlay.extended(base, second)
    assert str(caught.value) == (
        "team.yaml:5:5: error: constraint no-blue: cannot be removed, acme.yaml:5:5 does not mark it "
        "overridable: yes; a stricter rule can be added beside it"
    )


def test_an_overlay_knows_its_changes() -> None:
    text = HEAD + "terms:\n  hot: {replace: yes, reason: Cooler, means: {level: mid}}\n"
    one = overlay.read(documents.parse(text, "acme.yaml"))
    (change,) = one.changes
    assert (one.name, one.ruleset) == ("acme", "route")
    assert (change.action, change.subject, change.reason) == ("replace", "term hot", "Cooler")
    assert str(change.where) == "acme.yaml:5:3"
    assert change.body == {"means": {"level": "mid"}}


def test_an_overlay_may_be_json(tmp_path: Path) -> None:
    path = tmp_path / "acme.json"
    body = {"name": "acme", "extends": {"ruleset": "route", "version": "==1.4"}, "cases": [{"id": "a", "add": True}]}
    path.write_text(json.dumps(body))
    assert overlay.load(path).changes[0].where.source == str(path)


# Laws


BANS = st.lists(st.tuples(st.sampled_from(list(TITLES)), CONDITIONS), min_size=1, max_size=3)


@given(BODIES, BANS)
def test_an_overlay_of_added_constraints_is_never_weaker(
    body: Mapping[str, Any], bans: list[tuple[str, Any]]
) -> None:
    base = documents.parse(json.dumps({"version": "1.4", "candidates": TITLES, **body}), "base.json")
    added = [
        {"id": f"ban-{at}", "add": True, "forbid": target, "when": when, "because": "why", "source": "here"}
        for at, (target, when) in enumerate(bans)
    ]
    extends = {"ruleset": "route", "version": ">=1.0,<2"}
    text = json.dumps({"name": "acme", "extends": extends, "constraints": added})
    one = overlay.read(documents.parse(text, "acme.json"))
    assert weakened(built(body), reader.read(overlay.extended({"route": base}, one), words())) is None


# Refusals


BAN = "id: no-blue, forbid: second, when: {colour: blue}, because: Not blue."
REFUSALS = {
    "not a mapping": ("- a", "acme.yaml:1:1: error: an overlay is a mapping"),
    "another schema": (
        "schema: deployadvisor/ruleset@1\nname: acme",
        (
            'acme.yaml:1:9: error: schema: "deployadvisor/ruleset@1" is not deployadvisor/overlay@1; '
            'did you mean "deployadvisor/overlay@1"?'
        ),
    ),
    "an unknown section": (
        HEAD + "constraint: []",
        'acme.yaml:4:1: error: unknown key "constraint"; did you mean "constraints"?',
    ),
    "facts": (
        HEAD + "facts: {}",
        (
            'acme.yaml:4:1: error: an overlay cannot change "facts": facts and candidates belong to the base; '
            "copy the rules folder to change them"
        ),
    ),
    "no name": (HEAD.replace("name: acme\n", ""), "acme.yaml:1:1: error: needs name, a text"),
    "extends nothing": (
        "name: acme",
        "acme.yaml:1:1: error: an overlay says what it extends: {ruleset: NAME, version: RANGE}",
    ),
    "extends something more": (
        "name: acme\nextends: {ruleset: route, versions: x}",
        'acme.yaml:2:27: error: unknown key "versions"; did you mean "version"?',
    ),
    "no range": (
        "name: acme\nextends: {ruleset: route, version: ~1.0}",
        'acme.yaml:2:36: error: version is a list of bounds such as ">=1.0,<2", with the signs >=, < and ==',
    ),
    "another version": (
        HEAD.replace(">=1.0,<2", ">=1.5,<2"),
        "acme.yaml:3:36: error: route >=1.5,<2 is wanted, but the rules are 1.4.2",
    ),
    "another ruleset": (
        HEAD.replace("route", "rout"),
        'acme.yaml:3:20: error: no ruleset "rout"; did you mean "route"?',
    ),
    "a list of terms": (HEAD + "terms: []", "acme.yaml:4:8: error: terms: must be a mapping"),
    "a mapping of cases": (HEAD + "cases: {}", "acme.yaml:4:8: error: cases: must be a list"),
    "a rule without an id": (HEAD + "cases:\n  - {add: yes}", "acme.yaml:5:5: error: needs id, a text"),
    "a rule that is a word": (HEAD + "cases: [usual]", "acme.yaml:4:9: error: a case is a mapping with an id"),
    "a term that is a word": (HEAD + "terms: {hot: cold}", "acme.yaml:4:14: error: term hot: must be a mapping"),
    "no action": (
        HEAD + f"constraints:\n  - {{{BAN}}}",
        "acme.yaml:5:5: error: constraint no-blue: says exactly one of add: yes, replace: yes, remove: yes",
    ),
    "two actions": (
        HEAD + f"constraints:\n  - {{{BAN}, add: yes, replace: yes, reason: x}}",
        "acme.yaml:5:5: error: constraint no-blue: says exactly one of add: yes, replace: yes, remove: yes",
    ),
    "add: no": (
        HEAD + f"constraints:\n  - {{{BAN}, add: no}}",
        "acme.yaml:5:5: error: constraint no-blue: says exactly one of add: yes, replace: yes, remove: yes",
    ),
    "add: maybe": (
        HEAD + f"constraints:\n  - {{add: maybe, {BAN}}}",
        "acme.yaml:5:11: error: constraint no-blue: add is yes or no",
    ),
    "no reason to replace": (
        HEAD + "cases:\n  - {id: usual, replace: yes, recommend: third, fit: good, because: Policy.}",
        "acme.yaml:5:5: error: case usual: needs reason, a text",
    ),
    "an empty reason to remove": (
        HEAD + "cases:\n  - {id: usual, remove: yes, reason: ' '}",
        "acme.yaml:5:38: error: case usual: reason must be a text",
    ),
    "removal with a body": (
        HEAD + "cases:\n  - {id: usual, remove: yes, reason: x, recommend: third}",
        'acme.yaml:5:41: error: case usual: unknown key "recommend" (allowed: id, remove, reason)',
    ),
    "changed twice": (
        HEAD + "cases:\n  - {id: usual, remove: yes, reason: x}\n  - {id: usual, add: yes}",
        "acme.yaml:6:5: error: case usual: is changed twice (first at acme.yaml:5:5)",
    ),
    "added again": (
        HEAD + "cases:\n  - {id: usual, add: yes, recommend: third, fit: good, because: Policy.}",
        "acme.yaml:5:5: error: case usual: cannot be added, it is there already (base.yaml:11:5)",
    ),
    "added as another kind": (
        HEAD + "cases:\n  - {id: too-hot, add: yes, recommend: third, fit: good, because: Policy.}",
        "acme.yaml:5:5: error: case too-hot: cannot be added, it is there already (base.yaml:8:5)",
    ),
    "a term added again": (
        HEAD + "terms:\n  hot: {add: yes, means: {level: mid}}",
        "acme.yaml:5:8: error: term hot: cannot be added, it is there already (base.yaml:5:3)",
    ),
    "replaces nothing": (
        HEAD + "cases:\n  - {id: usal, replace: yes, reason: x, recommend: third, fit: good, because: Policy.}",
        'acme.yaml:5:5: error: case usal: cannot be replaced, there is none; did you mean "usual"?',
    ),
    "removes nothing": (
        HEAD + "terms: {warm: {remove: yes, reason: x}}",
        "acme.yaml:4:15: error: term warm: cannot be removed, there is none (allowed: hot, busy)",
    ),
    "removes a hard rule": (
        HEAD + "constraints:\n  - {id: too-hot, remove: yes, reason: x}",
        (
            "acme.yaml:5:5: error: constraint too-hot: cannot be removed, base.yaml:8:5 does not mark it "
            "overridable: yes; a stricter rule can be added beside it"
        ),
    ),
    "relaxes a hard rule": (
        HEAD
        + "constraints:\n  - {id: too-hot, replace: yes, reason: x, forbid: first, when: {level: low}, because: y}",
        (
            "acme.yaml:5:5: error: constraint too-hot: cannot be replaced, base.yaml:8:5 does not mark it "
            "overridable: yes; a stricter rule can be added beside it"
        ),
    ),
    "makes a rule overridable": (
        HEAD + "constraints:\n  - {id: too-busy, replace: yes, reason: x, overridable: yes}",
        "acme.yaml:5:45: error: constraint too-busy: whether it is overridable is for the base to say",
    ),
    "an unknown fact": (
        HEAD + "constraints:\n  - {id: no-blue, add: yes, forbid: first, when: {color: blue}, because: x}",
        'acme.yaml:5:51: error: rule no-blue: unknown fact "color"; did you mean "colour"?',
    ),
}


@pytest.mark.parametrize(("text", "message"), REFUSALS.values(), ids=REFUSALS)
def test_refusal(text: str, message: str) -> None:
    document = documents.parse(text, "acme.yaml")
    base = documents.parse(BASE, "base.yaml")
    with pytest.raises(DeployAdvisorError) as caught:
        reader.read(overlay.extended({"route": base}, overlay.read(document)), words())
    assert str(caught.value) == message
    assert caught.value.exit_code == 2


def test_a_redefined_term_may_use_only_terms_above_it() -> None:
    with pytest.raises(DeployAdvisorError, match='uses the term "busy", which stands below it') as caught:
        merged("terms:\n  hot: {replace: yes, reason: x, means: {is: busy}}")
    assert str(caught.value.where) == "acme.yaml:5:46"


def test_the_base_of_these_tests_loads() -> None:
    assert len(rules(BASE).rules) == 5
