"""Small rulesets put to the check, and what any finding must live up to."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

from deployadvisor import documents
from deployadvisor.decide import properties
from deployadvisor.decide.conditions import Facts
from deployadvisor.decide.evaluate import Attributes, Decision, Outcomes, evaluate, outcomes
from deployadvisor.decide.findings import Issue
from deployadvisor.decide.properties import Properties
from deployadvisor.decide.ruleset import Rule, Ruleset
from deployadvisor.decide.verify import verify

from .examples import BODIES, completions, rules, words


def issues(ruleset: Ruleset | str, promises: Properties | str = "") -> tuple[Issue, ...]:
    """Everything that is found about one ruleset, given as such or as text."""
    made = rules(ruleset) if isinstance(ruleset, str) else ruleset
    promised = stated(promises, made) if isinstance(promises, str) else promises
    return verify(words(), [made], promised).issues


def stated(text: str, ruleset: Ruleset) -> Properties:
    """A file of properties."""
    return properties.read(documents.parse(text or "properties: []", "p.yaml"), [ruleset])


def found(code: str, ruleset: Ruleset | str, promises: Properties | str = "") -> tuple[Issue, ...]:
    """The findings with one code."""
    return tuple(issue for issue in issues(ruleset, promises) if issue.code == code)


def told(code: str, ruleset: Ruleset | str, promises: Properties | str = "") -> list[str]:
    """The findings with one code, as lines without the code."""
    lines = (str(issue).split(": ", 2) for issue in found(code, ruleset, promises))
    return [f"{place}: {rest}" for place, _, rest in lines]


def profiles(ruleset: Ruleset, witness: Facts) -> Iterator[tuple[Facts, Attributes | None]]:
    """Every possible way to complete a witness, as facts and attributes."""
    shared = {name: value for name, value in witness.items() if " of " not in name}
    for facts in completions(shared):
        if all(assumption.holds.evaluate(facts) for assumption in ruleset.assumptions):
            yield from ((facts, own) for own in _attributes(ruleset, witness))


def _attributes(ruleset: Ruleset, witness: Facts) -> Iterator[Attributes | None]:
    if not ruleset.attributes:
        yield None
        return
    names = [(candidate, name) for candidate in ruleset.candidates for name in ruleset.attributes]
    choices = (
        (witness[f"{name} of {candidate}"],)
        if f"{name} of {candidate}" in witness
        else ruleset.attributes[name].values
        for candidate, name in names
    )
    for values in itertools.product(*choices):
        own: dict[str, dict[str, Any]] = {candidate: {} for candidate in ruleset.candidates}
        for (candidate, name), value in zip(names, values, strict=True):
            own[candidate][name] = value
        yield own


def decisions(ruleset: Ruleset, witness: Facts | None) -> list[Decision]:
    """What every completion of a witness leads to; there is at least one."""
    assert witness is not None
    made = [evaluate(ruleset, facts, own) for facts, own in profiles(ruleset, witness)]
    assert made
    return made


def tops(decision: Decision) -> tuple[frozenset[str], int]:
    """Who leads and with which fit, by the reference evaluator."""
    allowed = [standing for standing in decision.standings.values() if not standing.objections and standing.stands]
    best = max(((standing.fit, standing.points) for standing in allowed), default=(-1, 0))
    return frozenset(s.candidate.id for s in allowed if (s.fit, s.points) == best), best[0]


def allowed(decision: Decision) -> frozenset[str]:
    return frozenset(s.candidate.id for s in decision.standings.values() if not s.objections and s.stands)


def everywhere(ruleset: Ruleset) -> list[Decision]:
    """The decision for every profile there is."""
    return decisions(ruleset, {})


def results(ruleset: Ruleset) -> list[Outcomes]:
    """Which rules apply, for every profile there is."""
    return [outcomes(ruleset.rules, facts) for facts in completions({})]


def without(ruleset: Ruleset, rule: Rule) -> Ruleset:
    from dataclasses import replace

    return replace(ruleset, rules=tuple(other for other in ruleset.rules if other.id != rule.id))


def _some_missing(body: dict[str, Any]) -> dict[str, Any]:
    """Every other constraint names something to obtain."""
    constraints = [
        {**{key: value for key, value in rule.items() if key != "because"}, "missing": "it"} if position % 2 else rule
        for position, rule in enumerate(body["constraints"])
    ]
    return {**body, "constraints": constraints}


RANDOM: st.SearchStrategy[Mapping[str, Any]] = BODIES.map(_some_missing)
"""Random rulesets in which some constraints name something to obtain."""
