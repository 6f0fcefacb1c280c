"""The reference evaluator: which candidate wins, which rules spoke for and against each, what stays open.

    allowed(c) = no constraint that forbids c applies
    fit(c)     = best level among the cases for c that apply: ideal > good > acceptable > none
    points(c)  = sum of the preferences for c that apply
    winner     = the allowed candidate with the best (fit, points), the earlier listed one among equals

Only candidates that stand for election take part.

With unknown facts each part has a lower and an upper bound, and a candidate stays possible while its upper bound
reaches the best lower bound. Sound, not complete: it may call open what a closer look would settle, never the
reverse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.ruleset import Candidate, Kind, Rule, Ruleset

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
    stands: bool | None = True
    """Whether the candidate stands for election; None where unknown facts decide."""

    @property
    def is_sure(self) -> bool:
        """Whether no unknown fact can take the candidate out of the election."""
        return self.stands is True and not self.doubts

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
    """Outcome of one ruleset with its full provenance.

    ``standings`` are in listed order and hold the candidates that stand for election, or may.
    """

    ruleset: str
    status: Status
    winner: str | None
    possible: tuple[str, ...]
    standings: Mapping[str, Standing]

    @property
    def leading(self) -> str | None:
        """The winner, or while the decision is open the best candidate, those that no open fact endangers first."""
        standings = [self.standings[name] for name in self.possible]
        best = max(standings, key=lambda standing: (standing.is_sure, standing.low), default=None)
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
    mentioned = {name: value for name, value in facts.items() if name in ruleset.tests_of}
    shared = outcomes(ruleset.rules, mentioned) if attributes is None else {}
    standings = {}
    for name in ruleset.candidates if attributes is None else attributes:
        candidate = ruleset.candidates[name]
        own = mentioned if attributes is None else {**mentioned, **attributes[name]}
        stands = candidate.stands.evaluate(own)
        if stands is not False:
            rules = ruleset.speaking[name]
            results = shared if attributes is None else outcomes(rules, own)
            standings[name] = _standing(candidate, rules, results, stands)
    return _decide(ruleset, standings)


def outcomes(rules: Iterable[Rule], facts: Facts) -> dict[str, bool | None]:
    """Whether each rule's condition holds."""
    return {rule.id: rule.when.evaluate(facts) for rule in rules}


def winner(ruleset: Ruleset, results: Outcomes, facts: Facts) -> str | None:
    """The winner alone, or None when nothing is allowed or something stays open; no provenance, hence fast.

    ``results`` are the outcomes of all rules for ``facts``.
    """
    standing = {name: candidate.stands.evaluate(facts) for name, candidate in ruleset.candidates.items()}
    if None in results.values() or None in standing.values():
        return _decide_slowly(ruleset, results, standing)
    scores = (_score(ruleset, name, results) for name, stands in standing.items() if stands)
    best = max(filter(None, scores), default=None)
    return tuple(standing)[-best[2]] if best else None


def _score(ruleset: Ruleset, name: str, results: Outcomes) -> Score | None:
    """Score of a candidate when every outcome is known; None when it is forbidden."""
    fit = points = 0
    for rule in ruleset.speaking[name]:
        if not results[rule.id]:
            continue
        if rule.kind == "constraint":
            return None
        if rule.kind == "case":
            fit = max(fit, rule.fit)
        else:
            points += rule.points_for(name)
    return (fit, points, -ruleset.candidates[name].listed)


def _decide_slowly(ruleset: Ruleset, results: Outcomes, standing: Mapping[str, bool | None]) -> str | None:
    standings = {
        name: _standing(ruleset.candidates[name], ruleset.speaking[name], results, stands)
        for name, stands in standing.items()
        if stands is not False
    }
    return _decide(ruleset, standings).winner


def _standing(candidate: Candidate, rules: tuple[Rule, ...], results: Outcomes, stands: bool | None) -> Standing:
    spoken: dict[tuple[Kind, bool | None], list[Rule]] = {}
    for rule in rules:
        if (applies := results[rule.id]) is not False:
            spoken.setdefault((rule.kind, applies), []).append(rule)
    cases = sorted(spoken.get(("case", True), ()), key=_fit, reverse=True)
    preferences = spoken.get(("preference", True), ())
    fit = cases[0].fit if cases else 0
    points = sum([rule.points_for(candidate.id) for rule in preferences])
    more_fit = max([rule.fit for rule in spoken.get(("case", None), ())], default=0)
    more_points = sum([rule.points_for(candidate.id) for rule in spoken.get(("preference", None), ())])
    return Standing(
        candidate=candidate,
        objections=tuple(spoken.get(("constraint", True), ())),
        doubts=tuple(spoken.get(("constraint", None), ())),
        cases=tuple(cases),
        preferences=tuple(preferences),
        low=(fit, points, -candidate.listed),
        high=(max(fit, more_fit), points + more_points, -candidate.listed),
        stands=stands,
    )


def _fit(case: Rule) -> int:
    return case.fit


def _decide(ruleset: Ruleset, standings: Mapping[str, Standing]) -> Decision:
    open_standings = [standing for standing in standings.values() if not standing.objections]
    sure = [standing.low for standing in open_standings if standing.is_sure]
    floor = max(sure, default=None)
    possible = tuple(s.candidate.id for s in open_standings if floor is None or s.high >= floor)
    if not possible:
        return Decision(ruleset.name, "blocked", None, (), standings)
    if len(possible) == 1 and floor is not None:
        return Decision(ruleset.name, "decided", possible[0], possible, standings)
    return Decision(ruleset.name, "open", None, possible, standings)
