"""Findings about files: terms that no rule uses, and sources that are too old or not dated."""

from __future__ import annotations

from datetime import date

import pytest

from deployadvisor import documents
from deployadvisor.decide import reader
from deployadvisor.decide.verify_files import check_sources, check_terms

from .examples import words

TERMS = """
candidates: {first: {title: A, stands: {is: here}}, second: {title: B}}
terms:
  low: {means: {level: low}}
  deep: {means: {is: low, open: yes}}
  here: {means: {colour: red}}
  idle: {means: {level: low}}
  deeper_idle: {means: {is: idle}}
cases:
  - {id: a, recommend: first, fit: good, when: {not: {is: deep}, colour: red}, because: A.}
"""


def test_a_term_is_used_by_a_rule_by_a_candidate_or_through_another_term() -> None:
    document = documents.parse(TERMS, "r.yaml")
    ruleset = reader.read(document, words())
    assert [str(issue) for issue in check_terms(ruleset, document)] == [
        "r.yaml:7:3: DA012 warning: idle: no rule uses this term",
        "r.yaml:8:3: DA012 warning: deeper_idle: no rule uses this term",
    ]


TODAY = date(2027, 1, 1)
OLD = "the source was read on 2025-12-31, more than 365 days ago; read it again"
UNDATED = "the source does not say when it was read, as in: read 2026-11-22"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cases: [{id: a, source: a paper read 2026-01-01}]", None),
        ("cases: [{id: a, source: a paper read 2025-12-31}]", f"r.yaml:1:25: DA015 warning: a: {OLD}"),
        ("cases: [{id: a, source: read 2025-12-31; again 2026-05-05}]", None),  # the latest day counts
        ("cases: [{id: a, source: a paper}]", f"r.yaml:1:25: DA015 warning: a: {UNDATED}"),
        ("cases: [{id: a, source: a paper read 2026-13-77}]", f"r.yaml:1:25: DA015 warning: a: {UNDATED}"),
        ("cases: [{id: a, source: a paper, checked_on: 2026-12-24}]", None),
        ("cases: [{id: a, source: a paper, checked_on: 2025-12-31}]", f"r.yaml:1:46: DA015 warning: a: {OLD}"),
        ("checked_on: 2025-12-31\nitems: []", f"r.yaml:1:13: DA015 warning: sample: {OLD}"),
        ("terms: {busy: {means: {load: 5}, source: a paper}}", f"r.yaml:1:42: DA015 warning: busy: {UNDATED}"),
        ("terms: {busy: {means: {load: 5}, source: read 2025-12-31}}", f"r.yaml:1:42: DA015 warning: busy: {OLD}"),
        ("facts: {load: {source: an assumption of ours}}", None),  # nothing that somebody read
        ("facts: {load: {source: 'averages, read 2025-12-31'}}", f"r.yaml:1:24: DA015 warning: load: {OLD}"),
        ("items: [{id: a, source: [b, c]}]", None),  # refers to sources that stand elsewhere
    ],
)
def test_sources(text: str, expected: str | None) -> None:
    found = [str(issue) for issue in check_sources(documents.parse(text, "r.yaml"), "sample", TODAY, 365)]
    assert found == ([expected] if expected else [])


@pytest.mark.parametrize(("today", "limit"), [(None, 365), (TODAY, None)])
def test_without_a_day_or_a_limit_no_source_is_too_old(today: date | None, limit: float | None) -> None:
    document = documents.parse("cases: [{id: a, source: read 1999-01-01}, {id: b, source: a paper}]", "r.yaml")
    assert [issue.about for issue in check_sources(document, "sample", today, limit)] == ["b"]
