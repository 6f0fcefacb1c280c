"""The cheapest sets of changed answers that lead to another route. Nothing is claimed that was not decided to see.

The diagram of the route decision proposes them: first from the question as it is, then from each single change of a
fact that others are computed from, because only deciding again tells what becomes of those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from deployadvisor.answer import Answer
from deployadvisor.changes import Alternatives, Way
from deployadvisor.decide.change import cheapest_changes, nearest_in
from deployadvisor.decide.compiled import compiled
from deployadvisor.decide.vocabulary import FactValue
from deployadvisor.economics import rented
from deployadvisor.hardware.spec import machine_from_phrase
from deployadvisor.verdict import Bench

_TRIES = 6
"""Proposals that are decided again before the search gives up."""
_WAYS_TO_ONE = 3


@dataclass(frozen=True, slots=True)
class _Start:
    """A question from which the diagram is searched, and what was changed to get there."""

    answer: Answer
    answers: Mapping[str, Any] = field(default_factory=dict)
    fact: str | None = None
    cost: float = 0.0


class Search:
    """Ways from one answer to others."""

    def __init__(self, alternatives: Alternatives) -> None:
        """``alternatives`` belong to the answer, and remember what was decided for it before."""
        self.alternatives = alternatives
        self.answer = alternatives.answer
        self.known = alternatives.situation.known
        self.vocabulary = alternatives.vocabulary
        self.compiled = compiled(alternatives.ruleset)

    def everywhere(self) -> list[Way]:
        """The cheapest way to each other route, the cheapest route first."""
        found = (way for proposals in self._proposals.values() for way in self._leading(proposals, 1))
        return sorted(found, key=_effort)

    def towards(self, routes: Iterable[str]) -> list[Way]:
        """Several ways to one of some routes, the cheapest first."""
        return self._leading([way for route in routes for way in self._proposals.get(route, ())], _WAYS_TO_ONE)

    def _leading(self, proposals: Iterable[Way], number: int) -> list[Way]:
        """The cheapest of some proposals that do lead where they say; one that only adds to another is left out."""
        found: list[Way] = []
        for way in sorted(proposals, key=_effort)[:_TRIES]:
            if len(found) < number and not any(each.within(way) for each in found) and self._leads(way):
                found.append(way)
        return found

    def _leads(self, way: Way) -> bool:
        changed = self.alternatives.changed(way.answers)
        return changed is not None and changed.route == way.to

    @cached_property
    def _proposals(self) -> Mapping[str, list[Way]]:
        proposals: dict[str, list[Way]] = {}
        for start in self._starts():
            for way in self._from(start):
                if way.to != self.answer.route and way not in proposals.setdefault(way.to, []):
                    proposals[way.to].append(way)
        return proposals

    @cached_property
    def _costs(self) -> Mapping[str, float]:
        """The effort of changing each fact that can be changed by answering otherwise."""
        names = (name for name in self.vocabulary if self.alternatives.is_answered(name))
        asked = {name: self.alternatives.asked(name) for name in names}
        return {name: fact.change_cost for name, fact in asked.items() if fact.changeable}

    def _starts(self) -> Iterator[_Start]:
        """The question as it is, with other cards, and with one change of a fact that others follow from."""
        yield _Start(self.answer)
        yield from self._with_cards()
        for name, cost in self._costs.items():
            for value in self._other_values(name) if name in self.alternatives.followed else ():
                answers = dict([self.alternatives.as_answer(name, value)])
                if changed := self.alternatives.changed(answers):
                    yield _Start(changed, answers, name, cost)

    def _other_values(self, name: str) -> Iterator[FactValue]:
        """The nearest value of each other cell of a fact; none where no rule tests it."""
        if name not in self.compiled.facts:
            return
        cells, current = self.compiled.facts[name], self.known[name].value
        yield from (nearest_in(cells, cell, current) for cell in range(len(cells)) if cell != cells.index(current))

    def _with_cards(self) -> Iterator[_Start]:
        """The question on the cheapest rentable machine that serves it, where the one at hand does not."""
        if "can_serve" not in self.known or self.known["can_serve"].value == "yes":
            return
        for gpu, count, _ in rented.by_price():
            answers = {"hardware": f"{count}x {gpu}"}
            there = Bench(self.answer.rulebook, machine_from_phrase(answers["hardware"]))
            if there.serves(self.answer.verdict.profile):
                if changed := self.alternatives.changed(answers):
                    yield _Start(changed, answers, cost=self.vocabulary["can_serve"].change_cost)
                return

    def _from(self, start: _Start) -> Iterator[Way]:
        """Where a start has led, and the cheapest ways on from it."""
        if start.answers and start.answer.route:
            yield Way(start.answer.route, start.answers, start.cost)
        there = Alternatives(start.answer)
        costs = {name: cost for name, cost in self._costs.items() if name != start.fact}
        for route, changes in cheapest_changes(self.compiled, there.situation.values(), costs).items():
            if route is not None:
                answers = dict(there.as_answer(*change) for change in changes.facts.items())
                yield Way(route, {**start.answers, **answers}, start.cost + changes.cost)


def _effort(way: Way) -> tuple[float, int]:
    return way.cost, len(way.answers)
