"""Checks on the answers of a decision: that there is always one, argued for, and that every candidate can win."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from deployadvisor.decide.compiled import IMPOSSIBLE, Compiled
from deployadvisor.decide.diagram import Node, Value
from deployadvisor.decide.evidence import evidence, where_possible
from deployadvisor.decide.findings import Issue
from deployadvisor.decide.leads import NOBODY, Lead
from deployadvisor.decide.ruleset import Candidate
from deployadvisor.errors import Where

_Leads = Mapping[Lead, int]
"""How many profiles have each lead, without those in which nothing is allowed."""


def check_answers(compiled: Compiled, answers: Node) -> Iterator[Issue]:
    """Every check of this module; ``answers`` is the diagram of :func:`~deployadvisor.decide.leads.leaders`."""
    numbers = compiled.diagrams.counts(answers)
    leads = {lead: number for lead, number in numbers.items() if lead is not IMPOSSIBLE and lead != NOBODY}
    yield from _check_complete(compiled)
    yield from _check_hope(compiled, answers)
    yield from _check_ties(compiled, answers, leads)
    yield from _check_arguments(compiled, answers, leads)
    yield from _check_candidates(compiled, leads)


def _check_complete(compiled: Compiled) -> Iterator[Issue]:
    """DA001: a profile in which no candidate stands gets neither an answer nor an objection."""
    nobody = where_possible(compiled, compiled.diagrams.inverse(_somebody_stands(compiled)))
    if (witness := evidence(compiled, nobody, _is_true)) is not None:
        message = "no candidate stands for election, and no objection can say why"
        yield Issue("DA001", _place(compiled), message, compiled.ruleset.name, compiled.ruleset.name, witness)


def _check_hope(compiled: Compiled, answers: Node) -> Iterator[Issue]:
    """DA007: everything is forbidden on principle, and nothing that one could obtain would help."""
    diagrams = compiled.diagrams
    hope = diagrams.inverse(_somebody_stands(compiled))  # which is DA001
    for rule in compiled.ruleset.of_kind("constraint"):
        for candidate in compiled.candidates.values():
            if rule.is_missing and rule.points_for(candidate.id):
                applies = diagrams.both(_stands(compiled, candidate), compiled.applies(rule, candidate.id))
                hope = diagrams.either(hope, applies)
    hopeless = diagrams.combine(_nobody_without, answers, hope)
    if (witness := evidence(compiled, hopeless, _is_true)) is not None:
        share = _percent(diagrams.counts(hopeless)[True], compiled)
        message = f"{share} nothing is allowed, and no objection names something to obtain"
        yield Issue("DA007", _place(compiled), message, compiled.ruleset.name, compiled.ruleset.name, witness)


def _check_ties(compiled: Compiled, answers: Node, leads: _Leads) -> Iterator[Issue]:
    """DA002: two candidates are as good, so that the earlier one in the list wins; one finding a pair."""
    tied: dict[tuple[str, str], dict[Lead, int]] = {}
    for lead, number in leads.items():
        first, *others = _listed(compiled, lead.candidates)
        for other in others:
            tied.setdefault((first, other), {})[lead] = number
    for (first, other), numbers in tied.items():
        share = _percent(sum(numbers.values()), compiled)
        message = f"{share} {first} and {other} are as good, and {first} wins because it is listed first"
        witness = evidence(compiled, answers, numbers.keys().__contains__)
        where = compiled.candidates[first].where
        yield Issue("DA002", where, message, f"{first}, {other}", compiled.ruleset.name, witness)


def _check_arguments(compiled: Compiled, answers: Node, leads: _Leads) -> Iterator[Issue]:
    """DA003: a candidate wins for which no case speaks; one finding a candidate."""
    unargued: dict[str, dict[Lead, int]] = {}
    for lead, number in leads.items():
        if lead.fit == 0:
            unargued.setdefault(_listed(compiled, lead.candidates)[0], {})[lead] = number
    for winner, numbers in unargued.items():
        message = f"{_percent(sum(numbers.values()), compiled)} {winner} wins, and no case argues for it"
        witness = evidence(compiled, answers, numbers.keys().__contains__)
        yield Issue("DA003", compiled.candidates[winner].where, message, winner, compiled.ruleset.name, witness)


def _check_candidates(compiled: Compiled, leads: _Leads) -> Iterator[Issue]:
    """DA006: a candidate that can never win, or that is never allowed in the first place."""
    winners = {_listed(compiled, lead.candidates)[0] for lead in leads}
    for candidate in compiled.candidates.values():
        if candidate.id not in winners:
            allowed = compiled.diagrams.both(compiled.possible, compiled.allowed(candidate.id))
            reason = "is never allowed" if allowed == compiled.diagrams.false else "is allowed, but never wins"
            message = f"{candidate.id} {reason}"
            yield Issue("DA006", candidate.where, message, candidate.id, compiled.ruleset.name)


def _listed(compiled: Compiled, names: Collection[str]) -> list[str]:
    return [name for name in compiled.candidates if name in names]


def _stands(compiled: Compiled, candidate: Candidate) -> Node:
    return compiled.condition(candidate.stands, candidate.id)


def _somebody_stands(compiled: Compiled) -> Node:
    result = compiled.diagrams.false
    for candidate in compiled.candidates.values():
        result = compiled.diagrams.either(result, _stands(compiled, candidate))
    return result


def _place(compiled: Compiled) -> Where:
    return next(iter(compiled.candidates.values())).where


def _percent(number: int, compiled: Compiled) -> str:
    share = number / max(compiled.profiles, 1)
    return f"in {share:.2%} of all profiles" if share >= 0.0001 else "in less than 0.01% of all profiles"


def _is_true(value: Value) -> bool:
    return value is True


def _nobody_without(lead: Value, hope: Value) -> Value:
    return lead == NOBODY and not hope
