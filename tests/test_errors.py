"""Errors: one line for people, one object for programs, the nearest word for both."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor import errors
from deployadvisor.errors import DeployAdvisorError, ProfileError, Where, nearest

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DeployAdvisorError)]


@pytest.mark.parametrize(
    ("where", "text"),
    [
        (Where("p.yaml", 7, 19), "p.yaml:7:19"),
        (Where("p.yaml", 7), "p.yaml:7"),
        (Where("--set model"), "--set model"),
    ],
)
def test_a_place_is_written_as_editors_link_it(where: Where, text: str) -> None:
    assert str(where) == text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ProfileError("no"), "error: no"),
        (ProfileError("no", where=Where("p.yaml", 1, 2)), "p.yaml:1:2: error: no"),
        (ProfileError("no", suggestion="yes"), 'error: no; did you mean "yes"?'),
        (ProfileError("no", remedy="do this"), "error: no; do this"),
        (ProfileError("no", suggestion="yes", remedy="do this"), 'error: no; did you mean "yes"?; do this'),
    ],
)
def test_an_error_is_one_line(error: ProfileError, text: str) -> None:
    assert str(error) == text


def test_an_error_is_an_object_for_json() -> None:
    error = ProfileError("no", where=Where("p.yaml", 1, 2), allowed=["a", "b"], suggestion="a", remedy="do this")
    assert error.to_dict() == {
        "kind": "ProfileError",
        "message": "no",
        "where": "p.yaml:1:2",
        "allowed": ["a", "b"],
        "did_you_mean": "a",
        "remedy": "do this",
    }


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_error_means_bad_input(kind: type[DeployAdvisorError]) -> None:
    assert kind("no").exit_code == 2
    assert kind.__doc__


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("confidental", "confidential"),
        ("CONFIDENTIAL", "confidential"),
        ("Confidental", "confidential"),
        ("zebra", None),
        ("", None),
    ],
)
def test_nearest(word: str, found: str | None) -> None:
    assert nearest(word, ("public", "internal", "confidential", "restricted")) == found


def test_nearest_keeps_the_case_of_the_option() -> None:
    assert nearest("usd", ("USD", "CNY")) == "USD"


@given(st.text(), st.lists(st.text()))
def test_nearest_answers_with_an_option_or_nothing(word: str, options: list[str]) -> None:
    assert nearest(word, options) in {None, *options}
