"""An explanation as one frozen value: what ``deployadvisor explain --json`` prints.

Field names are the public JSON contract ``deployadvisor/explanation@1``; adding is free, renaming is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from deployadvisor.reasoning import Change, Objection, Rejected, RunnerUp, Why
from deployadvisor.recommendation import Recommendation, RulesetRef, Status
from deployadvisor.reopen import reopen


class WhyNot(BaseModel):
    """What stands against one route, engine or provider: objections, or where it lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    objections: tuple[Objection, ...] = ()
    runner_up: RunnerUp | None = None


class Explained(BaseModel):
    """Why an answer came out as it did. What was not asked for is empty."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    schema_: Literal["deployadvisor/explanation@1"] = Field("deployadvisor/explanation@1", alias="schema")
    lang: Literal["en", "zh"]
    name: str
    status: Status
    route: str | None
    engine: str | None
    provider: str | None
    title: str
    possible: tuple[str, ...] = ()
    """Routes that are still possible when the status is open."""
    ruleset: RulesetRef
    difference: str | None = None
    """How a saved answer came about otherwise than this explanation."""
    why: Why | None = None
    why_not: tuple[WhyNot, ...] = ()
    to: str | None = None
    """What ``changes`` lead to, where it was asked for by name."""
    changes: tuple[Change, ...] = ()


def explained(
    advice: Recommendation,
    *,
    why: bool = False,
    why_not: Sequence[str] = (),
    to: str | None = None,
    saved: Recommendation | None = None,
) -> Explained:
    """Answer these questions about an answer, or all when none is asked.

    ``saved`` is an earlier answer to the same question, to be compared. DeployAdvisorError for a name that was chosen
    or that is none.
    """
    reopened, everything = reopen(advice), not (why or why_not or to)
    against = (WhyNot(name=name, **_either(reopened.why_not(name))) for name in why_not)
    return Explained(
        **{
            key: getattr(advice, key)
            for key in ("lang", "name", "status", "route", "engine", "provider", "title", "possible")
        },
        ruleset=advice.ruleset,
        difference=reopened.difference(saved) if saved else None,
        why=reopened.why() if why or everything else None,
        why_not=tuple(_all(advice) if everything else against),
        to=to,
        changes=reopened.what_would_change(to) if to or everything else (),
    )


def _either(against: tuple[Objection, ...] | RunnerUp) -> dict[str, tuple[Objection, ...] | RunnerUp]:
    return {"runner_up": against} if isinstance(against, RunnerUp) else {"objections": against}


def _all(advice: Recommendation) -> Iterator[WhyNot]:
    """Routes first: those that are ruled out, then those that lost."""
    candidates: tuple[Rejected | RunnerUp, ...] = (*advice.rejected, *advice.runners_up)
    for item in sorted(candidates, key=lambda item: item.route is None):
        against = item if isinstance(item, RunnerUp) else item.objections
        yield WhyNot(name=item.route or item.engine or item.provider or "", **_either(against))
