"""Rules that are seen both to apply and not to, by examples or by whole profiles."""

from __future__ import annotations

import pytest

from deployadvisor.decide.coverage import check_coverage, seen_in, seen_in_examples

from .examples import rules


def ruleset(tests: str = "[]") -> str:
    return f"""
cases:
  - {{id: a, recommend: first, fit: good, when: {{level: low, open: yes}}, because: A., tests: {tests}}}
  - {{id: always, recommend: second, fit: good, because: B.}}
"""


YES, NO = "{given: {level: low, open: yes}, applies: yes}", "{given: {open: no}, applies: no}"


@pytest.mark.parametrize(
    ("tests", "lacking"),
    [
        ("[]", "applies or does not apply"),
        (f"[{YES}]", "does not apply"),
        (f"[{NO}, {NO}]", "applies"),
        (f"[{YES}, {NO}]", None),
    ],
)
def test_examples(tests: str, lacking: str | None) -> None:
    made = rules(ruleset(tests))
    found = [str(issue) for issue in check_coverage(made, seen_in_examples(made))]
    message = f"r.yaml:3:5: DA014 warning: a: no example and no scenario shows that it {lacking}"
    assert found == ([] if lacking is None else [message])


@pytest.mark.parametrize(
    ("profiles", "seen"),
    [
        ([], frozenset()),
        ([{"level": "low"}], frozenset()),  # open: whether it applies is not known
        ([{"level": "low", "open": "yes"}], {True}),
        ([{"level": "high"}], {False}),
        ([{"level": "high"}, {"level": "low", "open": "yes"}], {True, False}),
    ],
)
def test_profiles(profiles: list[dict[str, str]], seen: frozenset[bool]) -> None:
    assert seen_in(rules(ruleset()), profiles)["a"] == seen


def test_examples_and_profiles_add_up() -> None:
    made = rules(ruleset(f"[{YES}]"))
    assert [*check_coverage(made, seen_in_examples(made), seen_in(made, [{"open": "no"}]))] == []
