"""The reference evaluator: which candidate wins, which rules spoke for and against each, what stays open.

    allowed(c) = no constraint that forbids c applies
    fit(c)     = best level among the cases for c that apply: ideal > good > acceptable > none
    points(c)  = sum of the preferences for c that apply
    winner     = the allowed candidate with the best (fit, points), the earlier listed one among equals

With unknown facts each part has a lower and an upper bound, and a candidate stays possible while its upper bound
reaches the best lower bound. Sound, not complete: it may call open what a closer look would settle, never the
reverse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.ruleset import Candidate, Rule, Ruleset

Status = Literal["decided", "open", "blocked"]
Score = tuple[int, int, int]
Attributes = Mapping[str, Facts]


@dataclass(frozen=True, slots=True)
class Standing:
    """What the rules say about one candidate."""

    candidate: Candidate
    objections: tuple[Rule, ...]
    doubts: tuple[Rule, ...]
    """Constraints that apply or not depending on unknown facts."""
    cases: tuple[Rule, ...]
    """Cases that apply, best fit first."""
    preferences: tuple[Rule, ...]
    low: Score
    high: Score

    @property
    def fit(self) -> int:
        """Level of the best case that surely applies (0 none to 3 ideal)."""
        return self.low[0]

    @property
    def points(self) -> int:
        """Sum of the preferences that surely apply."""
        return self.low[1]


@dataclass(frozen=True, slots=True)
class Decision:
    """Outcome of one ruleset with its full provenance; ``standings`` are in listed order."""

    ruleset: str
    status: Status
    winner: str | None
    possible: tuple[str, ...]
    standings: Mapping[str, Standing]

    @property
    def leading(self) -> str | None:
        """The winner, or while the decision is open the best candidate, those that no open fact endangers first."""
        standings = [self.standings[name] for name in self.possible]
        best = max(standings, key=lambda standing: (not standing.doubts, standing.low), default=None)
        return self.winner or (best.candidate.id if best else None)

    @property
    def reasons(self) -> tuple[Rule, ...]:
        """Rules that speak for the winner: its best cases, then its preferences."""
        if self.winner is None:
            return ()
        standing = self.standings[self.winner]
        best = tuple(case for case in standing.cases if case.fit == standing.fit)
        return (*best, *standing.preferences)

    @property
    def runners_up(self) -> tuple[Standing, ...]:
        """Allowed candidates that lost, best first."""
        allowed = (s for s in self.standings.values() if not s.objections and s.candidate.id != self.winner)
        return tuple(sorted(allowed, key=lambda standing: standing.low, reverse=True))

    @property
    def rejected(self) -> tuple[Standing, ...]:
        """Candidates that at least one constraint forbids, in listed order."""
        return tuple(standing for standing in self.standings.values() if standing.objections)


Outcomes = Mapping[str, bool | None]
"""Rule id -> whether its condition holds; None where an unknown fact decides."""


def evaluate(ruleset: Ruleset, facts: Facts, attributes: Attributes | None = None) -> Decision:
    """Decide. ``facts`` holds the known facts; ``attributes`` the ``its_`` facts of each candidate.

    Where attributes are given, only the candidates that have them stand for election.
    """
    mentioned = {name: value for name, value in facts.items() if name in ruleset.mentioning}
    shared = outcomes(ruleset.rules, mentioned) if attributes is None else {}
    standings = {}
    for name in ruleset.candidates if attributes is None else attributes:
        rules = ruleset.speaking[name]
        results = shared if attributes is None else outcomes(rules, {**mentioned, **attributes[name]})
        standings[name] = _standing(ruleset.candidates[name], rules, results)
    return _decide(ruleset, standings)


def outcomes(rules: Iterable[Rule], facts: Facts) -> dict[str, bool | None]:
    """Whether each rule's condition holds."""
    return {rule.id: rule.when.evaluate(facts) for rule in rules}


def winner(ruleset: Ruleset, results: Outcomes) -> str | None:
    """The winner alone, or None when nothing is allowed or something stays open; no provenance, hence fast."""
    best: tuple[Score, str] | None = None
    for candidate in ruleset.candidates.values():
        fit = points = 0
        for rule in ruleset.speaking[candidate.id]:
            applies = results[rule.id]
            if applies is None:
                return _decide_slowly(ruleset, results)
            if not applies:
                continue
            if rule.kind == "constraint":
                break
            if rule.kind == "case":
                fit = max(fit, rule.fit)
            else:
                points += rule.points_for(candidate.id)
        else:
            score = (fit, points, -candidate.listed)
            if best is None or score > best[0]:
                best = (score, candidate.id)
    return best[1] if best else None


def _decide_slowly(ruleset: Ruleset, results: Outcomes) -> str | None:
    standings = {
        name: _standing(candidate, ruleset.speaking[name], results) for name, candidate in ruleset.candidates.items()
    }
    return _decide(ruleset, standings).winner


def _standing(candidate: Candidate, rules: tuple[Rule, ...], results: Outcomes) -> Standing:
    sure = [rule for rule in rules if results[rule.id]]
    unsure = [rule for rule in rules if results[rule.id] is None]
    cases = sorted((rule for rule in sure if rule.kind == "case"), key=lambda case: -case.fit)
    preferences = [rule for rule in sure if rule.kind == "preference"]
    fit = cases[0].fit if cases else 0
    points = sum(rule.points_for(candidate.id) for rule in preferences)
    more_points = sum(rule.points_for(candidate.id) for rule in unsure if rule.kind == "preference")
    return Standing(
        candidate=candidate,
        objections=tuple(rule for rule in sure if rule.kind == "constraint"),
        doubts=tuple(rule for rule in unsure if rule.kind == "constraint"),
        cases=tuple(cases),
        preferences=tuple(preferences),
        low=(fit, points, -candidate.listed),
        high=(max([fit, *(rule.fit for rule in unsure)]), points + more_points, -candidate.listed),
    )


def _decide(ruleset: Ruleset, standings: Mapping[str, Standing]) -> Decision:
    open_standings = [standing for standing in standings.values() if not standing.objections]
    sure = [standing.low for standing in open_standings if not standing.doubts]
    floor = max(sure, default=None)
    possible = tuple(s.candidate.id for s in open_standings if floor is None or s.high >= floor)
    if not possible:
        return Decision(ruleset.name, "blocked", None, (), standings)
    if len(possible) == 1 and floor is not None:
        return Decision(ruleset.name, "decided", possible[0], possible, standings)
    return Decision(ruleset.name, "open", None, possible, standings)
