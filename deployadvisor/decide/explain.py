"""What would change a decision: one fact at a time, by trying the values on the other side of each threshold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.evaluate import evaluate, outcomes, winner
from deployadvisor.decide.phrases import Interval
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.decide.vocabulary import Fact, FactValue


def alternatives(ruleset: Ruleset, fact: Fact) -> tuple[FactValue, ...]:
    """Values of a fact worth trying: each word, or for a number each threshold and the nearest value past it."""
    if fact.type != "number":
        return fact.values
    accepted = (test.accepted for test in ruleset.tests_of.get(fact.name, ()))
    ends = (_either_side(part) for part in accepted if isinstance(part, Interval))
    return tuple(sorted({value for values in ends for value in values}))


def _either_side(interval: Interval) -> Iterator[float]:
    """Each end of an interval and its neighbour on the other side of the threshold."""
    if math.isfinite(interval.low):
        yield interval.low
        yield interval.low + (-1 if interval.low_counts else 1) * _step(interval.low)
    if math.isfinite(interval.high):
        yield interval.high
        yield interval.high + (1 if interval.high_counts else -1) * _step(interval.high)


def _step(constant: float) -> float:
    """One for whole numbers; half the way to zero for a fraction such as a share."""
    return 1.0 if constant.is_integer() else abs(constant) / 2


def single_changes(
    ruleset: Ruleset, facts: Facts, names: Sequence[str]
) -> Iterator[tuple[str, FactValue, str | None]]:
    """Each change of one fact among ``names`` with the winner that it leads to, nearest value first.

    Only changes that alter the winner; None stands for "no winner": nothing allowed, or an open question.
    """
    results = outcomes(ruleset.rules, facts)
    current_winner = winner(ruleset, results, facts)
    for name in names:
        fact = ruleset.vocabulary.facts[name]
        current = facts.get(name)
        winners = {_cell(ruleset, name, current): current_winner}
        values = (value for value in alternatives(ruleset, fact) if value != current)
        for value in sorted(values, key=lambda value: _distance(fact, current, value)):
            cell = _cell(ruleset, name, value)
            if cell not in winners:
                moved = {**facts, name: value}
                changed = outcomes(ruleset.mentioning.get(name, ()), moved)
                winners[cell] = winner(ruleset, {**results, **changed}, moved)
            if winners[cell] != current_winner:
                yield name, value, winners[cell]


def _cell(ruleset: Ruleset, name: str, value: FactValue | None) -> tuple[bool, ...] | None:
    """Which tests on a fact a value passes; the rules cannot tell apart values with the same answer."""
    return None if value is None else tuple(value in test.accepted for test in ruleset.tests_of.get(name, ()))


def _distance(fact: Fact, current: FactValue | None, value: FactValue) -> float:
    if current is None or fact.type == "choice":
        return 0
    if fact.type == "number":
        return abs(float(current) - float(value))
    return abs(fact.values.index(str(current)) - fact.values.index(str(value)))


def next_question(ruleset: Ruleset, facts: Facts, names: Sequence[str]) -> str | None:
    """The open fact among ``names`` whose answer leaves the fewest candidates possible, per effort of asking."""
    scored = [(_expected_possible(ruleset, facts, name), name) for name in names]
    return min(scored, key=lambda item: item[0])[1] if scored else None


def _expected_possible(ruleset: Ruleset, facts: Facts, name: str) -> float:
    fact = ruleset.vocabulary.facts[name]
    values = alternatives(ruleset, fact) or (0.0,)
    remaining = [max(1, len(evaluate(ruleset, {**facts, name: value}).possible)) for value in values]
    return sum(remaining) / len(remaining) * math.sqrt(fact.ask_cost)
