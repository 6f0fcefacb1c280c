"""Why not another candidate: what forbids it, or the level at which it lost and the rules that tell them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deployadvisor.decide.evaluate import Decision, Standing
from deployadvisor.decide.ruleset import Rule

Level = Literal["constraint", "fit", "points", "listed order"]


@dataclass(frozen=True, slots=True)
class Loss:
    """Where a candidate lost. ``own`` rules speak about it at that level, ``winners`` about the winner."""

    level: Level
    own: tuple[Rule, ...]
    winners: tuple[Rule, ...] = ()


def lost_at(decision: Decision, candidate: str) -> Loss:
    """The first level at which a candidate that did not win falls behind the winner."""
    standing = decision.standings[candidate]
    if standing.objections:
        return Loss("constraint", standing.objections)
    if decision.winner is None or decision.winner == candidate:
        raise ValueError(f"{candidate} did not lose")
    winner = decision.standings[decision.winner]
    if standing.fit < winner.fit:
        return Loss("fit", _best(standing), _best(winner))
    if standing.points < winner.points:
        return Loss("points", _ahead(standing, winner), _ahead(winner, standing))
    return Loss("listed order", _best(standing), _best(winner))


def _best(standing: Standing) -> tuple[Rule, ...]:
    """The cases that give a candidate its fit."""
    return tuple(case for case in standing.cases if case.fit == standing.fit)


def _ahead(standing: Standing, other: Standing) -> tuple[Rule, ...]:
    """The preferences that give a candidate more points than the other one, the weightiest first."""
    named = {rule.id for rule in other.preferences}

    def lead(rule: Rule) -> int:
        there = rule.points_for(other.candidate.id) if rule.id in named else 0
        return rule.points_for(standing.candidate.id) - there

    return tuple(sorted((rule for rule in standing.preferences if lead(rule) > 0), key=lead, reverse=True))
