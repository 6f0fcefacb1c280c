"""From an answer back to its question, decided again: why, why not, and what would change it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

from deployadvisor import grounds
from deployadvisor import profile as profiles
from deployadvisor.answer import Answer, answer_to
from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.lookup import fold
from deployadvisor.catalog.providers import providers
from deployadvisor.changes import Way
from deployadvisor.documents import quoted
from deployadvisor.errors import DeployAdvisorError, nearest
from deployadvisor.explanation import Explanation
from deployadvisor.losers import Against
from deployadvisor.plan import routes_of
from deployadvisor.reasoning import Change, Why
from deployadvisor.recommendation import Recommendation
from deployadvisor.rulebook import load_rules
from deployadvisor.search import Search
from deployadvisor.verdict import Bench
from deployadvisor.version import __version__

_DIFFERENCES = {
    "en": {
        "rules": "answered with rules {was}, explained with rules {now}",
        "program": "answered by deployadvisor {was}, explained by deployadvisor {now}",
        "outcome": "{cause}; the answer would now be: {title}",
    },
    "zh": {
        "rules": "回答所用规则为 {was}，解释所用规则为 {now}",
        "program": "回答由 deployadvisor {was} 给出，解释由 deployadvisor {now} 给出",
        "outcome": "{cause}；现在的回答会是：{title}",
    },
}


class OtherRulesWarning(UserWarning):
    """A saved answer is explained with other rules, or by another program, than gave it."""


def reopen(advice: Recommendation) -> Reopened:
    """Decide the question of an answer again; OtherRulesWarning where other rules would explain it."""
    profile = profiles.from_answers(advice.profile, "advice.json")
    origin = advice._origin
    bench = Bench(load_rules(origin.rules, () if origin.overlay is None else origin.overlay), advice.machine)
    reopened = Reopened(answer_to(profile, bench, strict=advice.strict), advice.lang)
    if difference := reopened.difference(advice):
        warnings.warn(difference, OtherRulesWarning, stacklevel=4)
    return reopened


class Reopened:
    """A question that was decided again."""

    def __init__(self, answer: Answer, lang: str) -> None:
        """``lang`` is the language of the texts."""
        self.answer = answer
        self.words = Explanation(answer, lang)
        self.lang = lang

    def difference(self, advice: Recommendation) -> str | None:
        """How this answer came about otherwise than a saved one, in a sentence; None when it did not."""
        words, was, now = _DIFFERENCES[self.lang], advice.ruleset, self.answer.rulebook
        same = self.answer.outcome == (advice.route, advice.engine, advice.provider)
        if was.digest != now.digest:
            before, after = (f"{rules.version} ({rules.digest[:12]})" for rules in (was, now))
            cause = words["rules"].format(was=before, now=after)
        elif not same:
            cause = words["program"].format(was=advice.deployadvisor_version, now=__version__)
        else:
            return None
        return cause if same else words["outcome"].format(cause=cause, title=self.words.title())

    def why(self) -> Why:
        """The facts that force the answer, and the rules that speak for it."""
        return grounds.why(self.answer, self.words)

    def why_not(self, name: str) -> Against:
        """What stands against a route, engine or provider; DeployAdvisorError when it was chosen, or is none."""
        found = self._named(name)
        taken = {part for stage in self.words.stages() for part in (stage.engine, stage.provider)}
        if found in self.answer.chosen or found in taken:
            raise DeployAdvisorError(f"{quoted(name)} was chosen")
        route = self.answer.verdict.route
        routes = [each for each in routes_of().get(found, (found,)) if each in route.standings]
        if not routes:
            raise DeployAdvisorError(f"{quoted(name)} does not stand for election under these rules")
        if route.status == "open" and any(each in route.possible for each in routes):
            raise DeployAdvisorError(f"{quoted(name)} is still possible", remedy="answer what is open first")
        losers = self.words.losers
        return losers.anywhere(found, routes) if found in routes_of() else losers.route(found)

    def what_would_change(self, to: str | None = None) -> tuple[Change, ...]:
        """The cheapest changed answers that lead elsewhere, or to what is named; last what nobody can change."""
        ways = list(self._elsewhere() if to is None else self._towards(self._named(to)))
        unique = [way for position, way in enumerate(ways) if not any(each.within(way) for each in ways[:position])]
        unique.sort(key=lambda way: (not way.actionable, way.cost, len(way.answers)))
        return tuple(self.words.change(way) for way in unique)

    def _elsewhere(self) -> Iterator[Way]:
        yield from Search(self.words.alternatives).everywhere()
        yield from self.words.alternatives.near()

    def _towards(self, name: str) -> Iterator[Way]:
        """Ways to a route, or to a route on which an engine or provider is then chosen."""
        alternatives = self.words.alternatives
        routes = routes_of().get(name, (name,))
        for way in (*Search(alternatives).towards(routes), *alternatives.near()):
            changed = alternatives.changed(way.answers)
            if way.to in routes and changed and name in changed.chosen:
                yield way

    def _named(self, name: str) -> str:
        """Id of the route, engine or provider that a name means."""
        spelled = dict(self._names())
        if found := spelled.get(fold(name)):
            return found
        options = tuple(dict.fromkeys(spelled.values()))
        suggestion = spelled.get(nearest(fold(name), spelled) or "")
        message = f"{quoted(name)} is not a route, engine or provider"
        raise DeployAdvisorError(message, allowed=options, suggestion=suggestion)

    def _names(self) -> Iterator[tuple[str, str]]:
        """Folded spellings with what they mean; ids come last, so that they win."""
        for provider in providers().values():
            yield from ((fold(word), provider.id) for word in (provider.name, provider.name_zh, *provider.aliases))
        for engine in engines().values():
            yield from ((fold(word), engine.id) for word in (engine.name, *engine.aliases))
        for route in self.answer.rulebook.route.candidates:
            yield fold(self.words.route_title(route)), route
        yield from ((fold(name), name) for name in (*routes_of(), *self.answer.rulebook.route.candidates))
