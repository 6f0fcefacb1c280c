"""The decisions in words: title, reasons, what would change it, what was assumed, what the law asks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deployadvisor.answer import Answer
from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.providers import providers
from deployadvisor.catalog.regulations import applying, implied_regulations
from deployadvisor.catalog.workload import planning, planning_values
from deployadvisor.changes import Alternatives, Way
from deployadvisor.decide.evaluate import Decision
from deployadvisor.decide.explain import next_question
from deployadvisor.decide.texts import Texts
from deployadvisor.decide.vocabulary import Vocabulary
from deployadvisor.losers import Losers
from deployadvisor.plan import HOSTED_ROUTES
from deployadvisor.reasoning import Assumption, Change, OpenFact, Question, Reason
from deployadvisor.recommendation import Duty, Stage
from deployadvisor.verdict import Verdict

_SENTENCES = {
    "en": {
        "serve": "{title} with {name}",
        "blocked": "No route is left",
        "open": "More answers are needed",
        "answer": "{key} {value}",
        "and": ", ",
        "to": "{answers} → {title}",
    },
    "zh": {
        "serve": "{title}（{name}）",
        "blocked": "没有可行的路线",
        "open": "还需要更多答案",
        "answer": "{key} 为 {value}",
        "and": "，",
        "to": "{answers} → {title}",
    },
}


class Explanation:
    """Puts one answer into the words of one language."""

    def __init__(self, answer: Answer, lang: str) -> None:
        """``answer`` says which engine and provider decisions are worth explaining."""
        self.verdict = answer.verdict
        self.planned = answer.planned
        self.rulebook = answer.rulebook
        self.alternatives = Alternatives(answer)
        self.losers = Losers(answer, lang)
        self.lang = lang
        self.texts: Texts = self.rulebook.texts(lang)
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
        yield from self.reasons_of(self.verdict.route)
        if self.planned.role:
            yield from self.reasons_of(self.planned.role.decision)
        elif self.planned.provider:
            yield from self.reasons_of(self.verdict.provider)

    def reasons_of(self, decision: Decision) -> Iterator[Reason]:
        """Rules that speak for the winner of one decision."""
        for rule in decision.reasons:
            yield Reason(rule=rule.id, text=self.texts.rule(rule), where=str(rule.where), source=rule.source)

    # What would change it

    def changes(self) -> Iterator[Change]:
        """One changed answer each, the nearest for every outcome; when nothing is left, first the ways out."""
        ways = self._ways_out() if self.verdict.route.status == "blocked" else []
        ways += [way for way in self.alternatives.near() if way not in ways]
        return (self.change(way) for way in ways)

    def _ways_out(self) -> list[Way]:
        from deployadvisor.search import Search  # noqa: PLC0415 - few answers need the diagram

        return Search(self.alternatives).everywhere()

    def change(self, way: Way) -> Change:
        """A way to another route in words."""
        parts = (self.sentences["answer"].format(key=key, value=_plain(it)) for key, it in way.answers.items())
        answers = self.sentences["and"].join(parts)
        text = self.sentences["to"].format(answers=answers, title=self.route_title(way.to))
        return Change(to=way.to, change=dict(way.answers), text=text, cost=way.cost, actionable=way.actionable)

    def assumed(self) -> Iterator[Assumption]:
        """Facts taken without an answer, and the routes that other values would lead to."""
        vocabulary = self.rulebook.vocabulary.facts
        flips: dict[str, dict[str, str]] = {}
        for name, value, route in self.alternatives.singles:
            key, answer = self.alternatives.as_answer(name, value)
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

    def _value(self, name: str) -> Any:
        fact = self.verdict.situation.known.get(name)
        return fact.value if fact else None

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


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
