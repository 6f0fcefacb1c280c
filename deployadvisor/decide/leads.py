"""Who leads in every profile, ties included: what the winner alone no longer shows."""

from __future__ import annotations

from typing import NamedTuple

from deployadvisor.decide.compiled import IMPOSSIBLE, Compiled
from deployadvisor.decide.diagram import Node, Value
from deployadvisor.decide.evidence import where_possible


class Lead(NamedTuple):
    """The best fit and points that an allowed candidate has, and everyone who has them."""

    fit: int
    points: int
    candidates: frozenset[str]


NOBODY = Lead(-1, 0, frozenset())
"""Nothing is allowed."""


def leaders(compiled: Compiled) -> Node:
    """The lead in every profile, its points left out; IMPOSSIBLE for a profile that cannot be."""
    result = compiled.diagrams.leaf(NOBODY)
    for name in compiled.candidates:
        result = compiled.diagrams.combine(_better, result, alone(compiled, name))
    return where_possible(compiled, compiled.diagrams.combine(_without_points, result, compiled.diagrams.true))


def alone(compiled: Compiled, candidate: str, without: str = "") -> Node:
    """The lead of a candidate if it were the only one; ``without`` leaves one rule out."""
    diagrams = compiled.diagrams
    return diagrams.combine(_alone, compiled.score(candidate, without), diagrams.leaf(compiled))


def leading(compiled: Compiled, answers: Node, candidate: str) -> Node:
    """Where a candidate is among the leaders; ``answers`` is the diagram of :func:`leaders`."""
    return compiled.diagrams.combine(_is_among, answers, compiled.diagrams.leaf(candidate))


def _alone(number: Value, compiled: Value) -> Value:
    score = compiled.read_score(number)
    return Lead(score.fit, score.points, frozenset([score.candidate])) if score else NOBODY


def _better(a: Value, b: Value) -> Value:
    if a[:2] == b[:2]:
        return Lead(a.fit, a.points, a.candidates | b.candidates)
    return a if a[:2] > b[:2] else b


def _without_points(lead: Value, _: Value) -> Value:
    return lead._replace(points=0)


def _is_among(lead: Value, name: Value) -> Value:
    return lead is not IMPOSSIBLE and name in lead.candidates
