"""Which single changed answers would lead to another route. What others follow from is decided again to see."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from deployadvisor.answer import Answer
from deployadvisor.decide.explain import single_changes
from deployadvisor.decide.vocabulary import Fact, FactValue
from deployadvisor.facts import Situation


@dataclass(frozen=True, slots=True)
class Way:
    """Profile keys to answer anew, the route that this leads to, and the effort of it."""

    to: str
    answers: Mapping[str, Any]
    cost: float
    actionable: bool = True
    """False where a fact is among them that nobody can simply change."""

    def within(self, other: Way) -> bool:
        """Whether another way asks for all of this one, and more."""
        return self.to == other.to and self.answers.items() <= other.answers.items()


class Alternatives:
    """What else an answer could be when one fact is another."""

    def __init__(self, answer: Answer) -> None:
        """``answer`` is what was decided; nothing is searched before it is asked for."""
        self.answer = answer
        self.situation: Situation = answer.verdict.situation
        self.ruleset = answer.rulebook.route
        self.vocabulary = answer.rulebook.vocabulary.facts
        self._tried: dict[frozenset[tuple[str, Any]], Answer | None] = {}

    def changed(self, answers: Mapping[str, Any]) -> Answer | None:
        """The question with some keys answered anew, decided once; None where they contradict the others."""
        key = frozenset(answers.items())
        if key not in self._tried:
            self._tried[key] = self.answer.changed(answers)
        return self._tried[key]

    # Facts as answers

    def asked(self, name: str) -> Fact:
        """The fact that a person answers: a volume of tokens is told as the requests that make it."""
        return self.vocabulary["requests_per_day" if name == "tokens_per_day" else name]

    def as_answer(self, name: str, value: FactValue) -> tuple[str, FactValue]:
        """Profile key and answer that give a fact this value."""
        key = self.asked(name).name
        if key == name:
            return key, int(value) if isinstance(value, float) and value.is_integer() else value
        per_request = sum(self.situation.number(part) or 0 for part in ("input_tokens", "output_tokens"))
        more = float(value) > (self.situation.number(name) or 0)
        return key, (math.ceil if more else math.floor)(float(value) / max(per_request, 1))

    def is_answered(self, name: str) -> bool:
        """Whether a fact is what somebody could have answered otherwise."""
        return name in self.situation.known and not self.asked(name).derived

    @cached_property
    def followed(self) -> frozenset[str]:
        """Facts that others are computed from."""
        computed = {source for fact in self.vocabulary.values() for source in fact.computed_from}
        return frozenset({*computed, "tokens_per_day"})

    # One fact

    @cached_property
    def singles(self) -> tuple[tuple[str, FactValue, str | None], ...]:
        """Each other value of one fact with the other route that it leads to, None for none; nearest value first.

        Facts that people can change come first. Facts that were assumed are tried even if they are computed.
        """
        known = self.situation.known
        names = [
            name
            for name in self.vocabulary
            if name in self.ruleset.mentioning
            and name in known
            and (self.is_answered(name) or known[name].basis == "assumed")
        ]
        names.sort(key=lambda name: not self.vocabulary[name].changeable)
        found = single_changes(self.ruleset, self.situation.values(), names)
        decided = ((name, value, self._decided(name, value, route)) for name, value, route in found)
        return tuple(change for change in decided if change[2] != self.answer.route)

    def _decided(self, name: str, value: FactValue, route: str | None) -> str | None:
        """Where a changed fact leads: decided again if other facts follow from it, as the rules alone say if not."""
        if not self.is_answered(name):
            return route
        answers = dict([self.as_answer(name, value)])
        if name not in self.followed:
            return route if self.answer.verdict.profile.allows(*answers.popitem()) else self.answer.route
        changed = self.changed(answers)
        return changed.route if changed else self.answer.route

    def near(self) -> Iterator[Way]:
        """For every fact and route the nearest single changed answer; what people can change comes first."""
        seen: set[tuple[str, str]] = set()
        for name, value, route in self.singles:
            if route is None or not self.is_answered(name) or (name, route) in seen:
                continue
            seen.add((name, route))
            fact = self.asked(name)
            yield Way(route, dict([self.as_answer(name, value)]), fact.change_cost, fact.changeable)
