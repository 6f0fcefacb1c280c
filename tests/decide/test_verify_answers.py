"""Findings about answers: each on a small ruleset that has it, and against every profile of random rulesets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings

from .examples import built, rules
from .verifying import RANDOM, decisions, everywhere, found, issues, told, tops

SOUND = """
candidates: {first: {title: A}, second: {title: B}}
constraints:
  - {id: shut, forbid: first, when: {open: no}, missing: a key}
cases:
  - {id: far, recommend: first, fit: ideal, because: Good.}
  - {id: near, recommend: second, fit: good, because: Fine.}
"""
OUT_OF_THE_RACE = """
candidates: {first: {title: A, stands: {open: yes}}, second: {title: B, stands: {open: yes, level: low}}}
cases:
  - {id: all, recommend: [first, second], fit: good, because: Good.}
  - {id: low, recommend: second, fit: ideal, when: {level: low}, because: Better.}
"""
TIED = """
candidates: {first: {title: A}, second: {title: B}}
cases:
  - {id: far, recommend: [first, second], fit: good, because: Good.}
  - {id: near, recommend: second, fit: ideal, when: {level: high}, because: Better.}
  - {id: back, recommend: first, fit: ideal, when: {level: low}, because: Better.}
"""
UNARGUED = """
candidates: {first: {title: A}, second: {title: B}}
cases:
  - {id: far, recommend: first, fit: good, when: {open: yes}, because: Good.}
  - {id: near, recommend: second, fit: good, when: {level: high, open: no}, because: Good.}
"""
NEVER = """
candidates: {first: {title: A}, second: {title: B}, third: {title: C}}
constraints:
  - {id: no-third, forbid: third, when: {any: [{open: yes}, {open: no}]}, because: Never.}
cases:
  - {id: far, recommend: first, fit: ideal, because: Good.}
  - {id: near, recommend: second, fit: good, because: Fine.}
"""
HOPELESS = """
candidates: {first: {title: A}, second: {title: B}}
constraints:
  - {id: shut, forbid: [first, second], when: {open: no}, because: It is shut.}
  - {id: small, forbid: [first, second], when: {level: low}, missing: more}
cases:
  - {id: far, recommend: first, fit: ideal, because: Good.}
  - {id: near, recommend: second, fit: good, because: Fine.}
"""


def test_a_sound_ruleset_has_no_such_finding() -> None:
    assert [issue.code for issue in issues(SOUND)] == ["DA012"] * 3  # level, colour and load are not asked for


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (
            "DA001",
            OUT_OF_THE_RACE,
            ["r.yaml:2:14: no candidate stands for election, and no objection can say why; e.g. open=no"],
        ),
        (
            "DA002",
            TIED,
            [
                (
                    "r.yaml:2:14: in 33.33% of all profiles first and second are as good, "
                    "and first wins because it is listed first; e.g. level=mid"
                )
            ],
        ),
        (
            "DA003",
            UNARGUED,
            ["r.yaml:2:14: in 33.33% of all profiles first wins, and no case argues for it; e.g. level=low, open=no"],
        ),
        (
            "DA006",
            NEVER,
            ["r.yaml:2:33: second is allowed, but never wins", "r.yaml:2:53: third is never allowed"],
        ),
        (
            "DA007",
            HOPELESS,
            [
                (
                    "r.yaml:2:14: in 33.33% of all profiles nothing is allowed, "
                    "and no objection names something to obtain; e.g. level=mid, open=no"
                )
            ],
        ),
    ],
)
def test_what_is_found(code: str, text: str, expected: list[str]) -> None:
    assert told(code, text) == expected


def test_a_tie_is_counted_for_the_pair_whatever_the_fit() -> None:
    text = TIED.replace("when: {level: low}", "when: {level: high}")
    (tie,) = found("DA002", text)
    assert tie.about == "first, second"
    assert tie.message.startswith("in 100.00% of all profiles")
    assert {tops(decision) for decision in decisions(rules(text), {})} == {
        (frozenset({"first", "second"}), 2),
        (frozenset({"first", "second"}), 3),
    }


def test_a_rare_tie_is_not_rounded_to_nothing() -> None:
    numbers = ", ".join(f"{{load: {number}}}" for number in range(300))
    (tie,) = found(
        "DA002",
        f"""
candidates: {{first: {{title: A}}, second: {{title: B}}}}
cases:
  - id: far
    recommend: first
    fit: ideal
    when: {{not: {{level: low, open: no, colour: red, load: 7}}}}
    source: here
    because: Good.
  - {{id: rare, recommend: first, fit: good, because: Good.}}
  - {{id: near, recommend: second, fit: good, when: {{any: [{numbers}]}}, source: here, because: Good.}}
""",
    )
    assert tie.message.startswith("in less than 0.01% of all profiles")


@settings(deadline=None, max_examples=60)
@given(RANDOM)
def test_findings_are_those_of_every_profile(body: Mapping[str, Any]) -> None:
    ruleset = built(body)
    reference = everywhere(ruleset)
    listed = list(ruleset.candidates)
    ties = {
        (decision.winner, other)
        for decision in reference
        for other in sorted(tops(decision)[0], key=listed.index)
        if decision.winner and other != decision.winner
    }
    made = issues(ruleset)

    def about(code: str) -> set[str]:
        return {issue.about for issue in made if issue.code == code}

    assert about("DA001") == set()
    assert about("DA002") == {f"{first}, {other}" for first, other in ties}
    assert about("DA003") == {str(d.winner) for d in reference if d.winner and tops(d)[1] == 0}
    assert about("DA006") == set(listed) - {d.winner for d in reference}
    blocked = [d for d in reference if d.status == "blocked"]
    hopeless = [d for d in blocked if not any(rule.is_missing for s in d.standings.values() for rule in s.objections)]
    assert bool(about("DA007")) is bool(hopeless)


@settings(deadline=None, max_examples=60)
@given(RANDOM)
def test_however_a_witness_is_completed_it_shows_the_finding(body: Mapping[str, Any]) -> None:
    ruleset = built(body)
    for issue in issues(ruleset):
        if issue.code == "DA002":
            pair = tuple(issue.about.split(", "))
            for decision in decisions(ruleset, issue.witness):
                assert decision.winner == pair[0]
                assert set(pair) <= tops(decision)[0]
        if issue.code == "DA003":
            assert all(d.winner == issue.about and tops(d)[1] == 0 for d in decisions(ruleset, issue.witness))
        if issue.code == "DA007":
            assert all(d.status == "blocked" for d in decisions(ruleset, issue.witness))


JUDGED = """
candidates: {from: fruit}
attributes:
  its_taste: {type: flag, ask: Does it taste?}
constraints:
  - {id: edible, forbid: every, unless: {its_taste: yes}, because: It must taste.}
cases:
  - {id: anything, recommend: every, fit: good, because: It is fruit.}
"""


def test_attributes_are_told_with_the_candidate_they_belong_to() -> None:
    ruleset = rules(JUDGED)
    (tie,) = found("DA002", ruleset)
    assert tie.witness == {"its_taste of apple": "yes", "its_taste of pear": "yes"}
    assert all(tops(d)[0] == {"apple", "pear"} for d in decisions(ruleset, tie.witness))
    (hopeless,) = found("DA007", ruleset)
    assert hopeless.witness == {"its_taste of apple": "no", "its_taste of pear": "no"}
