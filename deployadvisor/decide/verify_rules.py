"""Checks on single rules: that each can apply and changes an answer, and that the examples beside it come out.

A constraint has an effect where it alone keeps a candidate out, whether or not that candidate would have won: what
is forbidden is a promise. A case or a preference has one where leaving it out changes the winner, the fit of the
winner, or who ties with it. A rule without effect may still say why; then its acceptance says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from deployadvisor.decide.compiled import IMPOSSIBLE, Compiled
from deployadvisor.decide.conditions import tests_in
from deployadvisor.decide.diagram import Node, Value
from deployadvisor.decide.evidence import ever, evidence, where_possible
from deployadvisor.decide.findings import Issue
from deployadvisor.decide.leads import alone, leading
from deployadvisor.decide.ruleset import Rule, RuleTest


def check_rules(compiled: Compiled, answers: Node) -> Iterator[Issue]:
    """Every check of this module; ``answers`` is the diagram of :func:`~deployadvisor.decide.leads.leaders`."""
    for rule in compiled.ruleset.rules:
        yield from _check_alive(compiled, rule) or _check_effect(compiled, answers, rule)
        for test in rule.tests:
            yield from check_example(compiled, rule, test)


def _targets(compiled: Compiled, rule: Rule) -> list[str]:
    return [name for name in compiled.candidates if rule.points_for(name)]


def _issue(compiled: Compiled, code: str, rule: Rule, message: str) -> Issue:
    return Issue(code, rule.where, f"{rule.id}: {message}", rule.id, compiled.ruleset.name)


# DA004


def _check_alive(compiled: Compiled, rule: Rule) -> list[Issue]:
    """DA004: a rule that never applies to a candidate that stands, or a constraint that always does."""
    diagrams, applies, fails = compiled.diagrams, False, False
    for name in _targets(compiled, rule):
        voters = compiled.possible, compiled.condition(compiled.candidates[name].stands, name)
        condition = compiled.applies(rule, name)
        applies = applies or ever(diagrams, *voters, condition)
        fails = fails or ever(diagrams, *voters, diagrams.inverse(condition))
    if not applies:
        return [_issue(compiled, "DA004", rule, "applies to no possible profile")]
    if not fails and rule.kind == "constraint":
        return [_issue(compiled, "DA004", rule, "applies to every possible profile")]
    if not fails and any(tests_in(rule.when)):
        return [_issue(compiled, "DA005", rule, "applies to every possible profile, so its condition says nothing")]
    return []


# DA005


def _check_effect(compiled: Compiled, answers: Node, rule: Rule) -> list[Issue]:
    """DA005: a rule without which every answer would be the same."""
    effect = {"constraint": _keeps_out, "case": _raises_fit, "preference": _decides}[rule.kind]
    if effect(compiled, answers, rule):
        return []
    message = {
        "constraint": "other constraints forbid the same wherever it applies",
        "case": "without it every profile has the same winner, with the same fit",
        "preference": "without it every profile has the same winner",
    }[rule.kind]
    return [_issue(compiled, "DA005", rule, message)]


def _keeps_out(compiled: Compiled, _: Node, rule: Rule) -> bool:
    both, possible = compiled.diagrams.both, compiled.possible
    return any(
        both(possible, compiled.allowed(name)) != both(possible, compiled.allowed(name, without=rule.id))
        for name in _targets(compiled, rule)
    )


def _raises_fit(compiled: Compiled, answers: Node, rule: Rule) -> bool:
    """Whether it raises a candidate that leads: without it another would lead, or the same with a lower fit."""
    diagrams = compiled.diagrams
    for name in _targets(compiled, rule):
        raised = diagrams.combine(_differs, alone(compiled, name), alone(compiled, name, without=rule.id))
        if ever(diagrams, raised, leading(compiled, answers, name)):
            return True
    return False


def _decides(compiled: Compiled, answers: Node, rule: Rule) -> bool:
    """Whether without it some leader would be overtaken by another candidate, or caught up with by a new one."""
    diagrams = compiled.diagrams
    for leader, other in itertools.permutations(compiled.candidates, 2):
        if not rule.for_every and rule.points_for(leader) <= rule.points_for(other):
            continue  # the other would lose as much
        without = [alone(compiled, name, without=rule.id) for name in (other, leader)]
        leads, trails = leading(compiled, answers, leader), diagrams.inverse(leading(compiled, answers, other))
        if ever(diagrams, diagrams.combine(_reaches, *without), leads, trails):
            return True
        if ever(diagrams, diagrams.combine(_beats, *without), leads):
            return True
    return False


# DA011


def check_example(compiled: Compiled, rule: Rule, test: RuleTest) -> Iterator[Issue]:
    """DA011: an example that comes out otherwise for some way to complete it, or that no profile can meet."""
    candidate = _targets(compiled, rule)[0]
    attributes = {name: value for name, value in test.given.items() if name in compiled.ruleset.attributes}
    known = compiled.known(test.given, {candidate: attributes})
    outcomes = where_possible(compiled, compiled.applies(rule, candidate))
    outcomes = compiled.diagrams.restrict(outcomes, known)
    met = compiled.diagrams.leaves(outcomes) - {IMPOSSIBLE}
    if met == {test.applies}:
        return
    wanted = "applies" if test.applies else "does not apply"
    message = f"{rule.id}: expected that it {wanted}, " + (
        f"it {'does not' if test.applies else 'does'}" if met else "but no possible profile looks like this"
    )
    unmet = evidence(compiled, outcomes, lambda value: value is (not test.applies)) if met else None
    witness = None if unmet is None else {**test.given, **unmet}
    yield Issue("DA011", test.where, message, rule.id, compiled.ruleset.name, witness)


def _differs(a: Value, b: Value) -> Value:
    return a != b


def _beats(a: Value, b: Value) -> Value:
    return a[:2] > b[:2]


def _reaches(a: Value, b: Value) -> Value:
    return a[:2] >= b[:2]
