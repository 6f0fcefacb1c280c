"""Acceptances: as read, what they cover, and what is said of one that is wrong or covers nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployadvisor import documents
from deployadvisor.decide import accepted
from deployadvisor.decide.accepted import Acceptance
from deployadvisor.decide.findings import Issue
from deployadvisor.errors import DeployAdvisorError, Where

PLACE = Where("r.yaml", 3, 1)
TIE = Issue("DA002", PLACE, "ties", "first, second", "route")
OTHER = Issue("DA002", PLACE, "ties", "first, third", "route")
ERROR = Issue("DA001", PLACE, "none", "route", "route")


def read(text: str) -> tuple[Acceptance, ...]:
    return accepted.read(documents.parse(text, "a.yaml"))


def entry(fields: str) -> str:
    return f"accepted:\n  - {{{fields}}}"


def test_acceptances_as_read() -> None:
    one, two, three = read(
        entry("code: DA002, ruleset: route, about: [a, b], reason: So.")
        + "\n  - {code: DA012, ruleset: r, reason: No.}"
    )
    assert (one.code, one.ruleset, one.about, one.reason, str(one.where)) == (
        "DA002",
        "route",
        "a",
        "So.",
        "a.yaml:2:5",
    )
    assert (two.about, two.where) == ("b", one.where)
    assert (three.about, str(three.where)) == (None, "a.yaml:3:5")


def test_load_names_the_file_as_told(tmp_path: Path) -> None:
    path = tmp_path / "accepted.yaml"
    path.write_text(entry("code: DA002, ruleset: route, reason: So."), encoding="utf-8")
    assert str(accepted.load(path, "rules/accepted.yaml")[0].where) == "rules/accepted.yaml:2:5"


@pytest.mark.parametrize(
    ("fields", "covered"),
    [
        ("code: DA002, ruleset: route", [TIE, OTHER]),
        ("code: DA002, ruleset: route, about: 'first, third'", [OTHER]),
        ("code: DA002, ruleset: engine", []),
        ("code: DA005, ruleset: route", []),
    ],
)
def test_what_is_covered(fields: str, covered: list[Issue]) -> None:
    sorted_ = accepted.sort([TIE, OTHER, ERROR], read(entry(f"{fields}, reason: So.")))
    assert [issue for issue, _ in sorted_.accepted] == covered
    left = [issue for issue in (TIE, OTHER, ERROR) if issue not in covered]
    assert list(sorted_.issues[: len(left)]) == left
    assert len(sorted_.issues) == len(left) + (not covered)


def test_one_that_covers_nothing_is_a_finding() -> None:
    text = entry("code: DA002, ruleset: route, about: ['first, second', gone], reason: So.")
    sorted_ = accepted.sort([TIE], read(text))
    assert [str(issue) for issue in sorted_.issues] == [
        "a.yaml:2:5: DA012 warning: there is no DA002 about gone in route to accept"
    ]
    assert accepted.sort(sorted_.issues, read(entry("code: DA012, ruleset: accepted, reason: So."))).issues == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a]", "1:1: error: a file of acceptances is a mapping"),
        ("accept: []", '1:1: error: unknown key "accept"; did you mean "accepted"?'),
        ("accepted: {a: b}", "1:11: error: accepted: must be a list"),
        ("accepted: [a]", "1:12: error: an acceptance is a mapping with code, ruleset and reason"),
        (entry("code: DA002, ruleset: route, reson: So."),
         '2:35: error: unknown key "reson"; did you mean "reason"?'),
        (entry("ruleset: route, reason: So."), "2:5: error: needs code, a text"),
        (entry("code: DA099, ruleset: route, reason: So."), '2:12: error: no finding "DA099"; did you mean "DA009"?'),
        (entry("code: DA008, ruleset: route, reason: So."),
         "2:12: error: DA008 is an error, which cannot be accepted"),
        (entry("code: DA002, ruleset: route"), "2:5: error: needs reason, a text"),
        (entry("code: DA002, ruleset: route, reason: ' '"), "2:43: error: reason must be a text"),
        (entry("code: DA002, reason: So."), "2:5: error: needs ruleset, a text"),
        (entry("code: DA002, ruleset: route, about: {a: b}, reason: So."), "2:42: error: about must be a text"),
    ],
)  # fmt: skip
def test_what_is_said_of_a_mistake(text: str, expected: str) -> None:
    with pytest.raises(DeployAdvisorError) as caught:
        read(text)
    assert str(caught.value) == f"a.yaml:{expected}"
