"""The decisions in words: title, reasons, objections, runners-up, what would change it, what was assumed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from typing import Any

from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.providers import providers
from deployadvisor.catalog.regulations import applying, implied_regulations
from deployadvisor.catalog.workload import planning, planning_values
from deployadvisor.compatibility import Assessment
from deployadvisor.decide.conditions import tests_in
from deployadvisor.decide.evaluate import Decision, Standing
from deployadvisor.decide.explain import next_question, single_changes
from deployadvisor.decide.ruleset import FITS, Rule
from deployadvisor.decide.texts import Texts
from deployadvisor.decide.vocabulary import Fact, Vocabulary
from deployadvisor.plan import HOSTED_ROUTES, Planned
from deployadvisor.recommendation import (
    Assumption,
    Change,
    Duty,
    Objection,
    OpenFact,
    Question,
    Reason,
    Rejected,
    RunnerUp,
    Stage,
)
from deployadvisor.rulebook import Rulebook
from deployadvisor.verdict import ROLE_FACTS, ROLES, RoleChoice, Verdict

_Details = Callable[[Rule], Iterable[str]]

_DETAILS_SHOWN = 4
_SENTENCES = {
    "en": {
        "serve": "{title} with {name}",
        "blocked": "No route is left",
        "open": "More answers are needed",
        "to": "{fact} {value} → {title}",
        "nothing": "no route",
        "fit": "fits less well ({fit}): {text}",
        "points": "as good a fit, but fewer reasons prefer it: {text}",
        "listed order": "as good; the listed order decided: {text}",
        "no_case": "no rule argues for it",
    },
    "zh": {
        "serve": "{title}（{name}）",
        "blocked": "没有可行的路线",
        "open": "还需要更多答案",
        "to": "{fact} 为 {value} → {title}",
        "nothing": "没有路线",
        "fit": "匹配度较低（{fit}）：{text}",
        "points": "匹配度相同，但支持它的理由较少：{text}",
        "listed order": "同样合适，按列出的顺序决定：{text}",
        "no_case": "没有规则支持它",
    },
}


class Explanation:
    """Puts one verdict into the words of one language."""

    def __init__(self, verdict: Verdict, planned: Planned, rulebook: Rulebook, lang: str) -> None:
        """``planned`` decides which engine and provider decisions are worth explaining."""
        self.verdict = verdict
        self.planned = planned
        self.rulebook = rulebook
        self.lang = lang
        self.texts: Texts = rulebook.texts(lang)
        self.sentences = _SENTENCES[lang]

    def title(self) -> str:
        """The verdict in words."""
        route = self.verdict.route
        if route.winner is None:
            return self.sentences[route.status]
        title = self.route_title(route.winner)
        engine, provider = self.planned.engine, self.planned.provider
        name = engines()[engine].name if engine else providers()[provider].name if provider else None
        return self.sentences["serve"].format(title=title, name=name) if name else title

    def route_title(self, route: str) -> str:
        """A route in words."""
        ruleset = self.rulebook.route
        return self.texts.title(ruleset, ruleset.candidates[route])

    def stages(self) -> tuple[Stage, ...]:
        """What is done with which engine or provider, in order of time."""
        route, engine, provider = self.verdict.route.winner, self.planned.engine, self.planned.provider
        if route is None:
            return ()
        if route == "lab":
            tuning = self._customised()
            return tuple(
                Stage(stage=stage, engine=engine) for stage in (("tune", "evaluate") if tuning else ("evaluate",))
            )
        serve = Stage(stage="serve", engine=engine, provider=provider)
        if self.planned.plan.fallback_provider:
            return (serve, Stage(stage="serve", provider=self.planned.plan.fallback_provider))
        lab = self.verdict.roles["lab"].chosen
        tuned = route == "tune_then_serve" or (route == "acquire_gpu" and self._customised())
        return (Stage(stage="tune", engine=lab.engine.id if lab else "transformers"), serve) if tuned else (serve,)

    def _customised(self) -> bool:
        fact = self.verdict.situation.known.get("customization")
        return fact is not None and fact.value in ("adapter", "full_tuning")

    # Why

    def reasons(self) -> Iterator[Reason]:
        """Rules that speak for the route, then for the engine or provider."""
        decisions = [self.verdict.route]
        if self.planned.role:
            decisions.append(self.planned.role.decision)
        elif self.planned.provider:
            decisions.append(self.verdict.provider)
        for decision in decisions:
            for rule in decision.reasons:
                yield Reason(rule=rule.id, text=self.texts.rule(rule), where=str(rule.where), source=rule.source)

    # Why not

    def rejected(self) -> Iterator[Rejected]:
        """Everything that a constraint ruled out: routes, then engines or providers of the winning route."""
        for standing in self.verdict.route.rejected:
            yield Rejected(route=standing.candidate.id, objections=self._objections(standing, self._route_details))
        if self.planned.role:
            yield from self._rejected_engines(self.planned.role)
        if self.planned.provider:
            for standing in self.verdict.provider.rejected:
                yield Rejected(provider=standing.candidate.id, objections=self._objections(standing, _no_details))

    def _rejected_engines(self, choice: RoleChoice) -> Iterator[Rejected]:
        for standing in choice.decision.rejected:
            assessment = choice.assessments[standing.candidate.id]
            objections = self._objections(standing, partial(_engine_details, assessment))
            yield Rejected(engine=standing.candidate.id, objections=objections)

    def _objections(self, standing: Standing, details: _Details) -> tuple[Objection, ...]:
        return tuple(
            Objection(
                rule=rule.id,
                because=None if rule.is_missing else self.texts.rule(rule),
                missing=self.texts.rule(rule) if rule.is_missing else None,
                where=str(rule.where),
                details=tuple(details(rule)),
            )
            for rule in standing.objections
        )

    def _route_details(self, rule: Rule) -> Iterator[str]:
        """What Python computed behind a fact that the rule found wanting."""
        facts = {test.fact for test in tests_in(rule.when)}
        for role in ROLES:
            if ROLE_FACTS[role] in facts and self._value(ROLE_FACTS[role]) == "no":
                yield from list(self.verdict.roles[role].objections())[:_DETAILS_SHOWN]
        if "can_tune" in facts and self._value("can_tune") == "nothing":
            yield self.verdict.situation.known["can_tune"].source
        if "hosted_choice" in facts and self._value("hosted_choice") == "none":
            yield from list(self._provider_objections())[:_DETAILS_SHOWN]

    def _value(self, name: str) -> Any:
        fact = self.verdict.situation.known.get(name)
        return fact.value if fact else None

    def _provider_objections(self) -> Iterator[str]:
        for standing in self.verdict.provider.rejected:
            yield f"{standing.candidate.title}: {self.texts.rule(standing.objections[0])}"

    def missing(self) -> tuple[str, ...]:
        """What would have to be obtained, once each, when nothing is left."""
        if self.verdict.route.status != "blocked":
            return ()
        rules = (rule for standing in self.verdict.route.rejected for rule in standing.objections)
        return tuple(dict.fromkeys(self.texts.rule(rule) for rule in rules if rule.is_missing))

    def runners_up(self) -> Iterator[RunnerUp]:
        """Allowed routes that lost, then allowed engines; none while the answer is open."""
        if self.verdict.route.winner is None:
            return
        for standing in self.verdict.route.runners_up:
            yield RunnerUp(route=standing.candidate.id, **self._lost(self.verdict.route, standing))
        choice = self.planned.role
        if choice is None or choice.decision.winner is None:
            return
        for standing in choice.decision.runners_up:
            yield RunnerUp(engine=standing.candidate.id, **self._lost(choice.decision, standing))

    def _lost(self, decision: Decision, standing: Standing) -> dict[str, Any]:
        """At which level a candidate lost against the winner."""
        winner = decision.standings[decision.winner] if decision.winner else standing
        level = "listed order"
        if standing.fit < winner.fit:
            level = "fit"
        elif standing.points < winner.points:
            level = "points"
        best = self.texts.rule(standing.cases[0]) if standing.cases else self.sentences["no_case"]
        fit = FITS[standing.fit]
        return {"fit": fit, "lost_at": level, "text": self.sentences[level].format(fit=fit, text=best)}

    # What would change it

    def changes(self) -> Iterator[Change]:
        """One changed answer each, the nearest for every outcome; facts that people can change come first."""
        seen: set[tuple[str, str | None]] = set()
        for name, value, route in self._single_changes:
            fact = self.rulebook.vocabulary.facts[name]
            answerable = not fact.derived or name == "tokens_per_day"
            if answerable and route is not None and (name, route) not in seen:
                seen.add((name, route))
                key, answer = self._as_answer(fact, value)
                text = self.sentences["to"].format(fact=key, value=_plain(answer), title=self.route_title(route))
                yield Change(to=route, change={key: answer}, text=text)

    @cached_property
    def _single_changes(self) -> tuple[tuple[str, str | float, str | None], ...]:
        facts = self.rulebook.vocabulary.facts
        known = self.verdict.situation.known
        tried = {"tokens_per_day"} | {name for name, fact in known.items() if fact.basis == "assumed"}
        names = [
            name
            for name, fact in facts.items()
            if name in self.rulebook.route.mentioning and name in known and (not fact.derived or name in tried)
        ]
        names.sort(key=lambda name: not facts[name].changeable)
        changes = single_changes(self.rulebook.route, self.verdict.situation.values(), names)
        return tuple(change for change in changes if self._may_be_answered(facts[change[0]], change[1]))

    def _may_be_answered(self, fact: Fact, value: str | float) -> bool:
        """Whether the changed answer would not contradict the others."""
        if fact.derived and fact.name != "tokens_per_day":
            return True
        key, answer = self._as_answer(fact, value)
        return self.verdict.profile.allows(key, answer)

    def _as_answer(self, fact: Fact, value: str | float) -> tuple[str, str | float]:
        """A derived volume is told as the requests a day that make it."""
        if fact.name != "tokens_per_day":
            return fact.name, int(value) if isinstance(value, float) and value.is_integer() else value
        situation = self.verdict.situation
        per_request = sum(situation.number(name) or 0 for name in ("input_tokens", "output_tokens"))
        more = float(value) > (situation.number(fact.name) or 0)
        return "requests_per_day", (math.ceil if more else math.floor)(float(value) / max(per_request, 1))

    def assumed(self) -> Iterator[Assumption]:
        """Facts taken without an answer, and the routes that other values would lead to."""
        vocabulary = self.rulebook.vocabulary.facts
        flips: dict[str, dict[str, str]] = {}
        for name, value, route in self._single_changes:
            key, answer = self._as_answer(vocabulary[name], value)
            flips.setdefault(key, {})[_plain(answer)] = route or "blocked"
        for name, fact in self.verdict.situation.known.items():
            would_change = flips.get(name, {})
            if fact.basis == "assumed" and (would_change or not vocabulary[name].derived):
                text = self.texts.ask(vocabulary[name])
                yield Assumption(fact=name, value=_plain(fact.value), text=text, would_change=would_change)

    def planned_with(self) -> Iterator[Assumption]:
        """Planning values that stand in for an answer and that the plan rests on."""
        profile, on_machines = self.verdict.profile, self.planned.engine is not None
        peak = self.verdict.situation.known.get("peak_concurrency")
        values = {
            "traffic": planning("traffic") if peak and peak.basis == "assumed" else None,
            "quality": planning("quality") if on_machines and profile.model is None else None,
            "context_tokens": self.planned.plan.max_model_len if on_machines else None,
        }
        for name, value in values.items():
            if value is not None and profile.answered(name) is None:
                entry = planning_values()[name]
                text = (entry.text_zh if self.lang == "zh" else entry.text) or name
                yield Assumption(fact=name, value=_plain(value), text=text)

    def unknown(self) -> Iterator[OpenFact]:
        """Facts that stayed open."""
        return (OpenFact(fact=name, reason=why) for name, why in self.verdict.situation.unknown.items())

    def question(self) -> Question | None:
        """The next question when the status is open."""
        if self.verdict.route.status != "open":
            return None
        vocabulary = self.rulebook.vocabulary
        names = [name for name in self.verdict.situation.unknown if name in self.rulebook.route.mentioning]
        askable = [name for name in names if not vocabulary.facts[name].derived] or _inputs(self.verdict, vocabulary)
        name = next_question(self.rulebook.route, self.verdict.situation.values(), askable)
        if name is None:
            return None
        fact = vocabulary.facts[name]
        text = " ".join(part for part in (self.texts.ask(fact), self.texts.decides(fact)) if part)
        return Question(fact=name, text=text, values=fact.values, possible=self.verdict.route.possible)

    # Law

    def duties(self, regulation_ids: tuple[str, ...]) -> Iterator[Duty]:
        """Obligations that the profile triggers on the chosen route."""
        route, cards = self.verdict.route.winner, self.verdict.site.cards
        region, audience = self._value("data_region"), self.verdict.profile.answered("audience")
        rows = applying(
            regulation_ids,
            region,
            audience,
            self._value("data_sensitivity"),
            route in HOSTED_ROUTES if route else None,
            (cards.vendor,) if cards and route not in HOSTED_ROUTES else (),
        )
        named = {*regulation_ids, *implied_regulations(region, audience)}
        for row in rows:
            if not row.trigger.regulations and (region is None or self._value("data_sensitivity") is None):
                continue  # nothing the user said points at it
            chinese = self.lang == "zh"
            yield Duty(
                id=row.id,
                regulation=next((name for name in row.trigger.regulations if name in named), row.jurisdiction),
                name=row.name_zh if chinese else row.name,
                text=row.text_zh if chinese else row.text,
                effect=row.effect,
                condition=row.trigger.when_zh if chinese else row.trigger.when,
                citation=row.citation,
                source="; ".join(row.source),
                checked_on=str(row.checked_on),
            )


def _inputs(verdict: Verdict, vocabulary: Vocabulary) -> list[str]:
    """Open answers that derived facts wait for."""
    return [name for name in verdict.situation.unknown if not vocabulary.facts[name].derived]


def _engine_details(assessment: Assessment, rule: Rule) -> list[str]:
    """The sentences behind the attributes that a rule tests."""
    texts = (assessment.details.get(test.fact) for test in tests_in(rule.when))
    return [text for text in texts if text]


def _no_details(rule: Rule) -> list[str]:  # noqa: ARG001 - the signature of a source of details
    return []


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
