"""Decision diagrams against the functions they stand for, written out value by value."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.decide.diagram import Diagrams, Node
from deployadvisor.errors import RulesError

SIZES = (2, 3, 2)
PROFILES = tuple(itertools.product(*(range(size) for size in SIZES)))
TABLES = st.lists(st.integers(0, 2), min_size=len(PROFILES), max_size=len(PROFILES))
TRUTHS = st.lists(st.booleans(), min_size=len(PROFILES), max_size=len(PROFILES))


def build(diagrams: Diagrams, table: Sequence[object]) -> Node:
    """The diagram of a function given as the list of its values."""

    def grow(level: int, start: int, width: int) -> Node:
        if level == diagrams.bottom:
            return diagrams.leaf(table[start])
        step = width // SIZES[level]
        return diagrams.node(level, tuple(grow(level + 1, start + cell * step, step) for cell in range(SIZES[level])))

    return grow(0, 0, len(table))


def values(diagrams: Diagrams, root: Node) -> list[object]:
    return [diagrams.walk(root, profile) for profile in PROFILES]


def add(a: int, b: int) -> int:
    return a + b


@given(TABLES)
def test_a_diagram_is_its_function(table: list[int]) -> None:
    diagrams = Diagrams(SIZES)
    root = build(diagrams, table)
    assert values(diagrams, root) == table
    assert diagrams.leaves(root) == set(table)
    assert diagrams.counts(root) == Counter(table)


@given(TABLES, TABLES)
def test_equal_functions_are_one_node(first: list[int], second: list[int]) -> None:
    diagrams = Diagrams(SIZES)
    assert (build(diagrams, first) == build(diagrams, second)) is (first == second)


@given(TABLES, TABLES)
def test_combine_works_value_by_value(first: list[int], second: list[int]) -> None:
    diagrams = Diagrams(SIZES)
    summed = diagrams.combine(add, build(diagrams, first), build(diagrams, second))
    assert summed == build(diagrams, [a + b for a, b in zip(first, second, strict=True)])


@given(TRUTHS, TRUTHS)
def test_truth(first: list[bool], second: list[bool]) -> None:
    diagrams = Diagrams(SIZES)
    a, b = build(diagrams, first), build(diagrams, second)
    pairs = list(zip(first, second, strict=True))
    assert diagrams.both(a, b) == build(diagrams, [x and y for x, y in pairs])
    assert diagrams.either(a, b) == build(diagrams, [x or y for x, y in pairs])
    assert diagrams.inverse(a) == build(diagrams, [not x for x in first])
    assert diagrams.where(a, diagrams.leaf(7), b) == build(diagrams, [7 if x else y for x, y in pairs])


@given(TABLES, st.dictionaries(st.integers(0, 2), st.integers(0, 1)))
def test_what_is_known_is_asked_no_more(table: list[int], known: dict[int, int]) -> None:
    diagrams = Diagrams(SIZES)
    left = diagrams.restrict(build(diagrams, table), known)
    assert not diagrams.support(left) & set(known)
    for profile in PROFILES:
        settled = tuple(known.get(level, cell) for level, cell in enumerate(profile))
        assert diagrams.walk(left, profile) == table[PROFILES.index(settled)]


@given(TABLES)
def test_a_witness_shows_what_was_asked_for(table: list[int]) -> None:
    diagrams = Diagrams(SIZES)
    path = diagrams.witness(build(diagrams, table), is_two)
    assert (path is None) is (2 not in table)
    for profile in PROFILES if path is not None else ():
        if all(profile[level] == cell for level, cell in (path or {}).items()):
            assert table[PROFILES.index(profile)] == 2


def is_two(value: object) -> bool:
    return value == 2


@given(TABLES)
def test_the_support_is_what_matters(table: list[int]) -> None:
    diagrams = Diagrams(SIZES)
    by_profile = dict(zip(PROFILES, table, strict=True))

    def matters(level: int) -> bool:
        others = (profile[:level] + profile[level + 1 :] for profile in PROFILES)
        return any(
            len({by_profile[(*rest[:level], cell, *rest[level:])] for cell in range(SIZES[level])}) > 1
            for rest in set(others)
        )

    assert diagrams.support(build(diagrams, table)) == {level for level in range(len(SIZES)) if matters(level)}


def test_true_is_not_one() -> None:
    diagrams = Diagrams(SIZES)
    assert diagrams.leaf(value=True) != diagrams.leaf(1)


def parity(a: bool, b: bool) -> bool:
    return a is not b


def spread(diagrams: Diagrams) -> Node:
    """Pairs of facts that agree, with the partners far apart in the order: no small diagram exists."""
    half = diagrams.bottom // 2
    result = diagrams.true
    for level in range(half):
        left, right = (diagrams.test(at, (True, False)) for at in (level, level + half))
        result = diagrams.both(result, diagrams.inverse(diagrams.combine(parity, left, right)))
    return result


def test_too_large_a_decision_is_refused_in_time() -> None:
    assert len(Diagrams([2] * 10)) < 5
    spread(Diagrams([2] * 10, budget=1_000))
    with pytest.raises(
        RulesError, match=r"^error: the decision needs more than 1,000 nodes; split it into decisions"
    ):
        spread(Diagrams([2] * 40, budget=1_000))


@pytest.mark.parametrize("keep", [Diagrams.counts, Diagrams.nodes])
def test_a_shared_part_is_visited_once(keep: Callable[[Diagrams, Node], object]) -> None:
    diagrams = Diagrams([2] * 60)
    odd = diagrams.false
    for level in range(60):
        odd = diagrams.combine(parity, odd, diagrams.test(level, (True, False)))
    assert keep(diagrams, odd)
    assert diagrams.counts(odd) == {True: 2**59, False: 2**59}
