"""Why not: what stands against each route, engine and provider that was not chosen, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from deployadvisor.answer import Answer
from deployadvisor.compatibility import Assessment
from deployadvisor.decide.conditions import tests_in
from deployadvisor.decide.evaluate import Decision, Standing
from deployadvisor.decide.losing import lost_at
from deployadvisor.decide.ruleset import FITS, Rule, Ruleset
from deployadvisor.decide.texts import Texts
from deployadvisor.plan import ROUTE_ROLES
from deployadvisor.reasoning import Objection, Rejected, RunnerUp
from deployadvisor.verdict import ROLE_FACTS, ROLES, RoleChoice

Against = tuple[Objection, ...] | RunnerUp
"""What forbids a candidate, or where it lost."""
_Details = Callable[[Rule], Iterable[str]]

_DETAILS_SHOWN = 4
_ELSEWHERE = "acquire_gpu"
"""The route on machines that are not there yet: what stands against an engine here says nothing about it."""
_SENTENCES = {
    "en": {
        "fit": "fits less well ({fit}): {text}",
        "points": "as good a fit, but fewer reasons prefer it: {text}",
        "listed order": "as good; the listed order decided: {text}",
        "no_case": "no rule argues for it",
        "to fit": '"{title}" fits better ({fit}): {text}',
        "to points": '"{title}" is preferred: {text}',
        "to listed order": '"{title}" is listed before it',
        **{level: level for level in FITS},
    },
    "zh": {
        "fit": "匹配度较低（{fit}）：{text}",
        "points": "匹配度相同，但支持它的理由较少：{text}",
        "listed order": "同样合适，按列出的顺序决定：{text}",
        "no_case": "没有规则支持它",
        "to fit": "“{title}”更合适（{fit}）：{text}",
        "to points": "“{title}”更受支持：{text}",
        "to listed order": "“{title}”排在它前面",
        **dict(zip(FITS, ("无", "可接受", "良好", "理想"), strict=True)),
    },
}


class Losers:
    """The candidates that one answer did not choose."""

    def __init__(self, answer: Answer, lang: str) -> None:
        """``lang`` is the language of the texts."""
        self.verdict = answer.verdict
        self.planned = answer.planned
        self.rulebook = answer.rulebook
        self.texts: Texts = self.rulebook.texts(lang)
        self.sentences = _SENTENCES[lang]

    # All of them

    def rejected(self) -> Iterator[Rejected]:
        """Everything that a constraint ruled out: routes, then engines or providers of the winning route."""
        for name, rules in _forbidden(self.verdict.route):
            yield Rejected(route=name, objections=self._objections(rules, self._route_details))
        if self.planned.role:
            for name, rules in _forbidden(self.planned.role.decision):
                details = partial(_engine_details, self.planned.role.assessments[name])
                yield Rejected(engine=name, objections=self._objections(rules, details))
        if self.planned.provider:
            for name, rules in _forbidden(self.verdict.provider):
                yield Rejected(provider=name, objections=self._objections(rules))

    def runners_up(self) -> Iterator[RunnerUp]:
        """Allowed routes that lost, then allowed engines; none while the answer is open."""
        route, choice = self.verdict.route, self.planned.role
        if route.winner is None:
            return
        for standing in route.runners_up:
            yield RunnerUp(route=standing.candidate.id, **self._lost(self.rulebook.route, route, standing))
        if choice is None or choice.decision.winner is None:
            return
        for standing in choice.decision.runners_up:
            lost = self._lost(self.rulebook.engine, choice.decision, standing)
            yield RunnerUp(engine=standing.candidate.id, **lost)

    def missing(self) -> tuple[str, ...]:
        """What would have to be obtained, once each, when nothing is left."""
        if self.verdict.route.status != "blocked":
            return ()
        rules = (rule for _, rules in _forbidden(self.verdict.route) for rule in rules)
        return tuple(dict.fromkeys(self.texts.rule(rule) for rule in rules if rule.is_missing))

    # One of them

    def route(self, name: str) -> Against:
        """What stands against a route."""
        decision = self.verdict.route
        if rules := dict(_forbidden(decision)).get(name):
            return self._objections(rules, self._route_details)
        return RunnerUp(route=name, **self._lost(self.rulebook.route, decision, decision.standings[name]))

    def engine(self, choice: RoleChoice, name: str) -> Against:
        """What stands against an engine in a role that it is made for."""
        decision = choice.decision
        if rules := dict(_forbidden(decision)).get(name):
            return self._objections(rules, partial(_engine_details, choice.assessments[name]))
        return RunnerUp(engine=name, **self._lost(self.rulebook.engine, decision, decision.standings[name]))

    def provider(self, name: str) -> Against:
        """What stands against a hosted provider."""
        decision = self.verdict.provider
        if rules := dict(_forbidden(decision)).get(name):
            return self._objections(rules)
        return RunnerUp(provider=name, **self._lost(self.rulebook.provider, decision, decision.standings[name]))

    def anywhere(self, name: str, routes: Sequence[str]) -> Against:
        """What stands against an engine or provider on the nearest of the routes that would use it."""
        choice = self.planned.role
        if choice and name in choice.decision.standings:
            return self.engine(choice, name)
        if self.planned.provider and name in self.verdict.provider.standings:
            return self.provider(name)
        here = [route for route in routes if route != _ELSEWHERE] or routes
        return min((self._on(route, name) for route in here), key=_hindrances)

    def _on(self, route: str, name: str) -> Against:
        """What stands against a route, then what forbids the engine or provider on it."""
        role = self.verdict.roles[ROUTE_ROLES[route]] if route in ROUTE_ROLES else None
        forbidden = dict(_forbidden(role.decision if role else self.verdict.provider))
        first: Against = self.route(route)
        if name not in forbidden:
            return first
        own = self.engine(role, name) if role else self.provider(name)
        objections = (part for against in (first, own) if isinstance(against, tuple) for part in against)
        return tuple(objections)

    # In words

    def _objections(self, rules: Iterable[Rule], details: _Details | None = None) -> tuple[Objection, ...]:
        return tuple(
            Objection(
                rule=rule.id,
                because=None if rule.is_missing else self.texts.rule(rule),
                missing=self.texts.rule(rule) if rule.is_missing else None,
                where=str(rule.where),
                details=tuple(details(rule)) if details else (),
            )
            for rule in rules
        )

    def _lost(self, ruleset: Ruleset, decision: Decision, standing: Standing) -> dict[str, Any]:
        """At which level a candidate lost against the winner, or the one that leads so far, and to which rule."""
        won = decision.leading or ""
        loss = lost_at(replace(decision, winner=won), standing.candidate.id)
        own = self.texts.rule(standing.cases[0]) if standing.cases else self.sentences["no_case"]
        rule = loss.winners[0] if loss.winners and loss.level != "listed order" else None
        fit, better = (FITS[each.fit] for each in (standing, decision.standings[won]))
        return {
            "fit": fit,
            "lost_at": loss.level,
            "text": self.sentences[loss.level].format(fit=self.sentences[fit], text=own),
            "lost_to": self.sentences[f"to {loss.level}"].format(
                title=self.texts.title(ruleset, ruleset.candidates[won]),
                fit=self.sentences[better],
                text=self.texts.rule(rule) if rule else "",
            ),
            "rule": rule.id if rule else None,
            "where": str(rule.where) if rule else None,
        }

    def _route_details(self, rule: Rule) -> Iterator[str]:
        """What Python computed behind a fact that the rule found wanting."""
        facts = {test.fact for test in tests_in(rule.when)}
        known = self.verdict.situation.known
        values = {name: known[name].value for name in facts if name in known}
        for role in ROLES:
            if values.get(ROLE_FACTS[role]) == "no":
                yield from list(self.verdict.roles[role].objections())[:_DETAILS_SHOWN]
        if values.get("can_tune") == "nothing":
            yield known["can_tune"].source
        if values.get("hosted_choice") == "none":
            yield from list(self._provider_objections())[:_DETAILS_SHOWN]

    def _provider_objections(self) -> Iterator[str]:
        for standing in self.verdict.provider.rejected:
            yield f"{standing.candidate.title}: {self.texts.rule(standing.objections[0])}"


def _hindrances(against: Against) -> int:
    return len(against) if isinstance(against, tuple) else 0


def _forbidden(decision: Decision) -> Iterator[tuple[str, tuple[Rule, ...]]]:
    """Candidates with the constraints that forbid them; where none is left also those that may apply."""
    for name, standing in decision.standings.items():
        rules = standing.objections or (standing.doubts if decision.status == "blocked" else ())
        if rules:
            yield name, rules


def _engine_details(assessment: Assessment, rule: Rule) -> list[str]:
    """The sentences behind the attributes that a rule tests."""
    texts = (assessment.details.get(test.fact) for test in tests_in(rule.when))
    return [text for text in texts if text]
