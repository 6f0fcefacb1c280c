"""The interview: asks only what can still change the answer, most information per effort first.

The answer is the route and, once the route is certain, the engine or provider on it. After every answer the decisions
are taken anew with nothing assumed. A computed fact counts as open until every fact that it is computed from is known
and every input is answered or skipped; what no answer can settle takes the assumption of the vocabulary, as
``recommend`` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from deployadvisor import profile as profiles
from deployadvisor.catalog.regulations import find_regulation, regulations
from deployadvisor.decide.compiled import Compiled, compiled
from deployadvisor.decide.conditions import Condition, Facts, tests_in
from deployadvisor.decide.evaluate import Attributes, Status, evaluate
from deployadvisor.decide.interview import Outlook, questions, settled, sources
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.decide.vocabulary import Fact, Input
from deployadvisor.facts import provider_attributes
from deployadvisor.hardware.here import machine_for
from deployadvisor.hardware.machine import Machine, value_of
from deployadvisor.hardware.spec import machine_from_phrase
from deployadvisor.plan import HOSTED_ROUTES, ROUTE_ROLES, make_plan
from deployadvisor.profile import Profile, allowed_values
from deployadvisor.rulebook import Rulebook
from deployadvisor.verdict import ROLE_FACTS, Bench, Verdict, named_model

Kind = Literal["ordinal", "choice", "flag", "number", "list", "text"]
_LISTS = ("regulations", "languages", "modalities")
_WITHOUT_CARDS = (ROLE_FACTS["serve"], ROLE_FACTS["desktop"], ROLE_FACTS["lab"], "can_tune", "gpu_busy_share")
"""Facts that are the same for every model and load where there is no card."""
_ATTRIBUTE_SOURCES = {"its_region": ("data_region",), "its_excluded": ("regulations", "data_region")}
"""What the attributes of a provider follow from, beside the catalogue."""


@dataclass(frozen=True, slots=True)
class Question:
    """One question, in the language of the interview."""

    key: str
    text: str
    why: str
    kind: Kind
    values: tuple[str, ...]
    """Words that answer it, from least to most where it is ordinal; for a list, words that it may hold."""
    unit: str
    effort: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of the answer by now."""

    status: Status
    route: str | None
    """The route, once it is certain."""
    shares: Mapping[str | None, float]
    """Routes that are still possible, each with its share of the remaining profiles; None stands for "blocked"."""
    left_at_most: int
    """How many questions can still come."""


@dataclass(frozen=True)
class Interview:
    """An interview at one moment. Every answer makes a new one, so going back loses nothing."""

    rulebook: Rulebook
    profile: Profile
    machine: Machine | None = None
    """None until the question for hardware is answered."""
    lang: str = "en"
    skipped: frozenset[str] = frozenset()
    previous: Interview | None = field(default=None, repr=False)

    @cached_property
    def _state(self) -> _State:
        return _State(self.rulebook, self.profile, self.machine, self.skipped)

    @property
    def history(self) -> tuple[str, ...]:
        """Keys asked so far, in order."""
        return () if self.previous is None else (*self.previous.history, self.previous._key())

    @cached_property
    def next(self) -> Question | None:
        """The next question; None when no answer can change the outcome any more."""
        names = self._state.worth_asking
        return self._question(names[0]) if names else None

    @cached_property
    def outcome(self) -> Outcome:
        """What is known of the answer by now."""
        return self._state.outcome

    def title(self, route: str) -> str:
        """A route in words."""
        ruleset = self.rulebook.route
        return self.rulebook.texts(self.lang).title(ruleset, ruleset.candidates[route])

    def answer(self, value: Any) -> Interview:
        """Answer the next question; a DeployAdvisorError, and nothing changed, when the value is not an answer."""
        key = self._key()
        profile, machine = self.profile, self.machine
        profile = profiles.from_answers({**profile.answers(), key: _named(key, value)}, source="answer")
        if key == "hardware":
            machine = machine_for(value)
        return replace(self, profile=profile, machine=machine, previous=self)

    def skip(self) -> Interview:
        """Leave the next question open: "I do not know"."""
        key = self._key()
        unknown = {key: "unknown"} if "unknown" in allowed_values().get(key, ()) else {}
        profile = self.profile.model_copy(update=unknown)
        return replace(self, profile=profile, skipped=self.skipped | {key}, previous=self)

    def back(self) -> Interview:
        """The interview before its last answer; itself at the start."""
        return self.previous or self

    def _key(self) -> str:
        if self.next is None:
            raise ValueError("the interview has ended")
        return self.next.key

    def _question(self, key: str) -> Question:
        vocabulary = self.rulebook.vocabulary
        asked: Fact | Input = vocabulary.facts.get(key) or vocabulary.inputs[key]
        texts = self.rulebook.texts(self.lang)
        kind = asked.type if isinstance(asked, Fact) else _kind(key)
        values = asked.values if isinstance(asked, Fact) else _words(key, kind)
        unit = asked.unit if isinstance(asked, Fact) else ""
        return Question(key, texts.ask(asked), texts.decides(asked), kind, values, unit, asked.ask_cost)


def begin(profile: Profile, rulebook: Rulebook, hardware: str | None = None, lang: str = "en") -> Interview:
    """An interview about what a profile leaves out; ``hardware`` wins over the profile's own."""
    for key in ("regulations", "model"):
        if (value := profile.answered(key)) is not None:
            profile = profile.model_copy(update={key: _named(key, value)})
    if hardware is not None:
        profile = profiles.from_answers({**profile.answers(), "hardware": hardware})
    machine = machine_for(profile.hardware) if profile.hardware else None
    return Interview(rulebook, profile, machine, lang)


def _kind(key: str) -> Kind:
    if key in _LISTS:
        return "list"
    words = allowed_values().get(key, ())
    return "choice" if len(words) > 1 else "number" if words else "text"


def _words(key: str, kind: Kind) -> tuple[str, ...]:
    if key == "regulations":
        return tuple(regulations())
    return tuple(word for word in allowed_values()[key] if word != "unknown") if kind == "choice" else ()


def _named(key: str, value: Any) -> Any:
    """The value with what it names looked up, so that a name that means nothing is refused at once."""
    if key == "regulations" and not isinstance(value, str):
        return tuple(find_regulation(name).id for name in value)
    if key == "model":
        named_model(value)
    return value


@dataclass(frozen=True)
class _State:
    """What the answers settle."""

    rulebook: Rulebook
    profile: Profile
    machine: Machine | None
    skipped: frozenset[str]

    @cached_property
    def route(self) -> Compiled:
        return compiled(self.rulebook.route)

    @cached_property
    def bench(self) -> Bench:
        return Bench(self.rulebook, self.machine or machine_from_phrase("none"))

    @cached_property
    def verdict(self) -> Verdict:
        """The decisions with nothing assumed, but for what only ranks engines and never rules one out."""
        facts = self.rulebook.vocabulary.facts
        assumed = {name: facts[name].assume for name in self.only_ranks_engines if not self.profile.answered(name)}
        return self.bench.verdict(self.profile.model_copy(update=assumed), strict=True)

    @cached_property
    def only_ranks_engines(self) -> frozenset[str]:
        """Facts that choose among engines, but neither rule one out nor touch the route."""
        engine = self.rulebook.engine
        ranks = {
            name for name, rules in engine.mentioning.items() if all(rule.kind != "constraint" for rule in rules)
        }
        return frozenset(
            name
            for name in ranks - self.rulebook.route.mentioning.keys()
            if not engine.vocabulary.facts[name].derived
        )

    @cached_property
    def askable(self) -> Mapping[str, float]:
        """Questions without an answer, each with its effort."""
        vocabulary = self.rulebook.vocabulary
        asked: list[Fact | Input] = [fact for fact in vocabulary.facts.values() if not fact.derived]
        asked += vocabulary.inputs.values()
        return {each.name: each.ask_cost for each in asked if self.is_open(each.name)}

    def is_open(self, name: str) -> bool:
        """Whether a question has not been answered, in so many words or by another answer."""
        if name in self.skipped or getattr(self.profile, name) is not None:
            return False
        if name in ("hardware", "quality"):
            return self.machine is None if name == "hardware" else self.profile.model is None
        return name in self.only_ranks_engines or name not in self.verdict.situation.known

    @cached_property
    def whatever_is_answered(self) -> frozenset[str]:
        """Derived facts that depend on this machine alone."""
        if self.machine is None:
            return frozenset()
        site = self.verdict.site
        without_cards = () if site.cards else _WITHOUT_CARDS
        without_memory = (ROLE_FACTS["cpu"],) if value_of(site.host.total_gib) is None else ()
        return frozenset((*without_cards, *without_memory))

    @cached_property
    def facts(self) -> Facts:
        """What is known, with a value for what no answer can settle."""
        facts = self.rulebook.vocabulary.facts
        values = dict(self.verdict.situation.values())
        for name in self.only_ranks_engines:
            if not self.profile.answered(name):
                values.pop(name, None)
        for fact in facts.values():
            if self._waits(fact):
                values.pop(fact.name, None)
            elif fact.name not in values and fact.assume is not None and fact.computed_from:
                values[fact.name] = fact.assume
        rentable = facts.get("acquirable")
        if rentable and not self._waits(rentable) and "acquire_gpu" in settled(self.route, values).shares:
            values["acquirable"] = "yes" if self._can_be_rented() else "no"
        return values

    def _waits(self, fact: Fact) -> bool:
        """Whether a derived fact follows from something that is open, or from a machine that is not known."""
        if not fact.computed_from or fact.name in self.whatever_is_answered:
            return False
        left_open = self.rulebook.vocabulary.facts.keys() & self.verdict.situation.unknown.keys()
        without = {"hardware"} if self.machine is None else set()
        needed = self.sources(fact.name) - self.only_ranks_engines
        return bool(needed & (self.askable.keys() | left_open | without))

    def _can_be_rented(self) -> bool:
        verdict = self.bench.verdict(self.profile)
        renting = replace(verdict, route=replace(verdict.route, winner="acquire_gpu"))
        return not make_plan(renting, self.bench).nothing_to_rent

    def sources(self, name: str) -> frozenset[str]:
        """What must be asked to know a fact or an attribute."""
        return frozenset(_ATTRIBUTE_SOURCES.get(name) or sources(self.rulebook.vocabulary, name))

    @cached_property
    def outlook(self) -> Outlook:
        return settled(self.route, self.facts)

    @cached_property
    def worth_asking(self) -> tuple[str, ...]:
        """Questions that can still change the route, best first; once it is certain, the engine or provider."""
        if self.outlook.certain:
            return self._about_the_second_decision(self.outlook.leading)
        about_the_route = {
            name: effort for name, effort in self.askable.items() if name not in self.only_ranks_engines
        }
        return tuple(asking.name for asking in questions(self.route, self.facts, about_the_route))

    @cached_property
    def outcome(self) -> Outcome:
        certain, winner = self.outlook.certain, self.outlook.leading
        status: Status = "open" if not certain else "decided" if winner else "blocked"
        left = set(self.worth_asking)
        if not certain:
            left.update(name for route in self.outlook.shares for name in self._may_follow(route))
        return Outcome(status, winner if certain else None, self.outlook.shares, len(left))

    # Engine or provider

    def _second_decision(self, route: str | None) -> tuple[Ruleset, Facts, Attributes]:
        """The rules that choose the engine or provider of a route, and what is known for them."""
        if route in HOSTED_ROUTES:
            return self.rulebook.provider, self.facts, self._provider_attributes()
        role = ROUTE_ROLES.get(route or "")
        assessments = self.verdict.roles[role].assessments if role else {}
        attributes = {name: assessment.attributes for name, assessment in assessments.items()}
        return self.rulebook.engine, {**self.facts, "role": role or ""}, attributes

    def _provider_attributes(self) -> Attributes:
        waiting = {name for name in _ATTRIBUTE_SOURCES if self.sources(name) & self.askable.keys()}
        return {
            provider: {name: value for name, value in attributes.items() if name not in waiting}
            for provider, attributes in provider_attributes(self.profile, self.verdict.situation).items()
        }

    def _about_the_second_decision(self, route: str | None) -> tuple[str, ...]:
        ruleset, facts, attributes = self._second_decision(route)
        decision = evaluate(ruleset, facts, attributes)
        if decision.status != "open":
            return ()
        tested = {
            name
            for candidate in decision.possible
            for rule in ruleset.speaking[candidate]
            for name in _open_tests(rule.when, {**facts, **attributes[candidate]})
        }
        return self._ways_to_know(tested)

    def _may_follow(self, route: str | None) -> tuple[str, ...]:
        """Everything that the second decision could still ask about if this route wins."""
        ruleset, facts, _ = self._second_decision(route)
        return self._ways_to_know({name for rule in ruleset.rules for name in _open_tests(rule.when, facts)})

    def _ways_to_know(self, facts: Iterable[str]) -> tuple[str, ...]:
        """Open questions behind some facts, the least effort first."""
        wanted = {source for name in facts for source in self.sources(name)}
        return tuple(sorted((name for name in self.askable if name in wanted), key=self.askable.__getitem__))


def _open_tests(condition: Condition, facts: Facts) -> Iterator[str]:
    """Facts that an undecided condition waits for."""
    if condition.evaluate(facts) is None:
        yield from (test.fact for test in tests_in(condition) if test.fact not in facts)
