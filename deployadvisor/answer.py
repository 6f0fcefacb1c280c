"""One question decided: a profile on a machine under rules, with the verdict and the plan that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployadvisor import profile as profiles
from deployadvisor.errors import ProfileError
from deployadvisor.hardware.spec import machine_from_phrase
from deployadvisor.plan import Planned, make_plan
from deployadvisor.profile import Profile
from deployadvisor.rulebook import Rulebook
from deployadvisor.verdict import Bench, Verdict


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdict and the plan for one profile on one bench."""

    bench: Bench
    verdict: Verdict
    planned: Planned
    strict: bool

    @property
    def rulebook(self) -> Rulebook:
        """The rules it was decided with."""
        return self.bench.rulebook

    @property
    def route(self) -> str | None:
        """The chosen route; None while it is open, and when nothing is allowed."""
        return self.verdict.route.winner

    @property
    def chosen(self) -> tuple[str, ...]:
        """Ids of the chosen route, engine and provider."""
        return tuple(name for name in (self.route, self.planned.engine, self.planned.provider) if name)

    @property
    def outcome(self) -> tuple[str | None, str | None, str | None]:
        """Route, engine and provider as an answer names them: a route may be ``blocked``."""
        blocked = self.verdict.route.status == "blocked"
        return "blocked" if blocked else self.route, self.planned.engine, self.planned.provider

    def changed(self, answers: Mapping[str, Any]) -> Answer | None:
        """The same question with some profile keys answered anew; None where they contradict the others."""
        hardware = answers.get("hardware")
        bench = Bench(self.rulebook, machine_from_phrase(hardware)) if hardware else self.bench
        try:
            profile = profiles.from_answers({**self.verdict.profile.answers(), **answers})
        except ProfileError:
            return None
        return answer_to(profile, bench, strict=self.strict)


def answer_to(profile: Profile, bench: Bench, *, strict: bool = False) -> Answer:
    """Decide and plan; once more where no machine could be rented for the route that won."""
    verdict = bench.verdict(profile, strict=strict)
    planned = make_plan(verdict, bench, strict=strict)
    if planned.nothing_to_rent:
        verdict = bench.verdict(profile, strict=strict, acquirable=False)
        planned = make_plan(verdict, bench, strict=strict)
    return Answer(bench, verdict, planned, strict)
