"""Unary tests in words: ``at least confidential``, ``below 2000``, ``personal or prototype``, ``not cn``.

Words and no symbols, because ``>=``, ``!`` and ``*`` mean something to YAML. Each phrase becomes the exact set
of values that it accepts.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from deployadvisor.decide.entry import boolean_trap, refusal
from deployadvisor.decide.vocabulary import Fact, read_value
from deployadvisor.documents import quoted
from deployadvisor.errors import Where

_COMPARISON = re.compile(r"(at least|at most|above|below)\s+(\S+)")
_BETWEEN = re.compile(r"between\s+(\S+)\s+and\s+(\S+)")
_NUMBER = re.compile(r"-?\d[\d_]*(\.\d+)?")
_NUMBER_PHRASES = ("at least N", "at most N", "above N", "below N", "between A and B", "N")


@dataclass(frozen=True, slots=True)
class Interval:
    """Numbers from ``low`` to ``high``; each end counts or not."""

    low: float = -math.inf
    high: float = math.inf
    low_counts: bool = True
    high_counts: bool = True

    def __contains__(self, value: object) -> bool:
        """Whether a number lies in the interval."""
        if not isinstance(value, (int, float)):
            return False
        above = value >= self.low if self.low_counts else value > self.low
        below = value <= self.high if self.high_counts else value < self.high
        return above and below

    @property
    def constants(self) -> tuple[float, ...]:
        """The finite ends: where a test on this fact changes its answer."""
        return tuple(end for end in (self.low, self.high) if math.isfinite(end))


Accepted = frozenset[str] | Interval


def parse(phrase: Any, fact: Fact, where: Where) -> Accepted:
    """The values of ``fact`` that ``phrase`` accepts; RulesError names the word and what is allowed."""
    if not isinstance(phrase, (str, bool, int, float)):
        raise refusal(f"{fact.name}: a test is a word or phrase", where, allowed=_examples(fact))
    if isinstance(phrase, bool) and fact.type != "flag":
        raise refusal(f"{fact.name}: {boolean_trap(phrase)}", where, allowed=_examples(fact))
    return _number_phrase(phrase, fact, where) if fact.type == "number" else _word_phrase(phrase, fact, where)


def _examples(fact: Fact) -> tuple[str, ...]:
    return _NUMBER_PHRASES if fact.type == "number" else fact.values


def _number_phrase(phrase: str | float, fact: Fact, where: Where) -> Interval:
    if isinstance(phrase, (int, float)):
        return Interval(float(phrase), float(phrase))
    text = phrase.strip()
    if match := _COMPARISON.fullmatch(text):
        number = _number(match[2], fact, where)
        return {
            "at least": Interval(low=number),
            "at most": Interval(high=number),
            "above": Interval(low=number, low_counts=False),
            "below": Interval(high=number, high_counts=False),
        }[match[1]]
    if match := _BETWEEN.fullmatch(text):
        low, high = _number(match[1], fact, where), _number(match[2], fact, where)
        if low > high:
            raise refusal(f"{fact.name}: {quoted(text)} accepts nothing", where)
        return Interval(low, high)
    number = _number(text, fact, where)
    return Interval(number, number)


def _number(text: str, fact: Fact, where: Where) -> float:
    number = float(text.replace("_", "")) if _NUMBER.fullmatch(text) else math.inf
    if math.isinf(number):
        raise refusal(f"{fact.name}: {quoted(text)} is not a number", where, allowed=_NUMBER_PHRASES)
    return number


def _word_phrase(phrase: Any, fact: Fact, where: Where) -> frozenset[str]:
    text = str(read_value(phrase, fact.type)).strip()
    accepted = _accepted_words(text, fact, where)
    if not accepted:
        raise refusal(f"{fact.name}: {quoted(text)} accepts nothing", where)
    return accepted


def _accepted_words(text: str, fact: Fact, where: Where) -> frozenset[str]:
    if match := _COMPARISON.fullmatch(text):
        return _from_comparison(match[1], match[2], fact, where)
    if match := _BETWEEN.fullmatch(text):
        low, high = (_position(word, "between", fact, where) for word in match.groups())
        return frozenset(fact.values[low : high + 1])
    negated = text.startswith("not ")
    words = [word.strip() for word in text.removeprefix("not ").split(" or ")]
    accepted = frozenset(_word(word, fact, where) for word in words)
    return frozenset(fact.values) - accepted if negated else accepted


def _from_comparison(operator: str, word: str, fact: Fact, where: Where) -> frozenset[str]:
    at = _position(word, operator, fact, where)
    start, stop = {
        "at least": (at, len(fact.values)),
        "at most": (0, at + 1),
        "above": (at + 1, len(fact.values)),
        "below": (0, at),
    }[operator]
    return frozenset(fact.values[start:stop])


def _position(word: str, operator: str, fact: Fact, where: Where) -> int:
    if not fact.ordered:
        message = f'{fact.name}: "{operator}" needs an order, and a choice has none'
        raise refusal(message, where, allowed=(*fact.values, "A or B", "not A"))
    return fact.values.index(_word(word, fact, where))


def _word(word: str, fact: Fact, where: Where) -> str:
    if word not in fact.values:
        raise refusal(f"{fact.name}: {quoted(word)} is not a value", where, allowed=fact.values, word=word)
    return word
