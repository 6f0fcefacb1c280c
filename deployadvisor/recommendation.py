"""The whole answer as one frozen value. Its field names are a public contract: adding is free, renaming is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from deployadvisor.figures import Cost, Estimate, Plan
from deployadvisor.hardware.machine import Machine
from deployadvisor.reasoning import (
    Assumption,
    Change,
    FactValue,
    Objection,
    OpenFact,
    Question,
    Reason,
    Rejected,
    RunnerUp,
    Why,
)

if TYPE_CHECKING:
    from deployadvisor.render.bundle import Bundle, WriteReport
    from deployadvisor.reopen import Reopened

Status = Literal["decided", "open", "blocked"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stage(_Part):
    """One step of the life of the deployment and who carries it."""

    stage: Literal["tune", "serve", "evaluate"]
    engine: str | None = None
    provider: str | None = None


class Duty(_Part):
    """A legal obligation that the profile triggers: guidance for engineers, to be confirmed by counsel."""

    id: str
    regulation: str
    """Id of the regulation, or the jurisdiction where no regulation was named."""
    name: str = ""
    text: str
    effect: str
    condition: str | None = None
    """An extra condition in words, to be checked by a person."""
    citation: str
    source: str
    checked_on: str


class RulesetRef(_Part):
    """Which rules answered."""

    version: str
    digest: str
    overlays: tuple[str, ...] = ()
    """Names of the overlays laid over them, in their order."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the rules of an answer were read, so that it can be asked again; no part of what it says."""

    rules: Path | str | None = field(default=None, compare=False)
    overlay: Sequence[Path | str] | Path | str | None = field(default=None, compare=False)


class Recommendation(_Part):
    """The answer. ``route``, ``engine`` and ``provider`` are None where they do not apply or are not decided."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    schema_: Literal["deployadvisor/recommendation@1"] = Field("deployadvisor/recommendation@1", alias="schema")
    deployadvisor_version: str
    lang: Literal["en", "zh"] = "en"
    name: str
    status: Status
    route: str | None = None
    title: str
    """The verdict in words, such as "Serve privately with vLLM"."""
    engine: str | None = None
    provider: str | None = None
    stages: tuple[Stage, ...] = ()
    plan: Plan
    estimate: Estimate = Estimate()
    cost: Cost = Cost()
    reasons: tuple[Reason, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    runners_up: tuple[RunnerUp, ...] = ()
    routes_of: dict[str, tuple[str, ...]] = {}
    """Routes on which each engine and provider would be used."""
    possible: tuple[str, ...] = ()
    """Routes that are still possible when the status is open."""
    missing: tuple[str, ...] = ()
    """What would have to be obtained when the status is blocked."""
    changes: tuple[Change, ...] = ()
    assumed: tuple[Assumption, ...] = ()
    unknown: tuple[OpenFact, ...] = ()
    next_question: Question | None = None
    warnings: tuple[str, ...] = ()
    obligations: tuple[Duty, ...] = ()
    ruleset: RulesetRef
    facts: dict[str, FactValue] = {}
    profile: dict[str, Any] = {}
    """The answers as given, so that the same question can be asked again."""
    machine: Machine
    strict: bool = False
    """Whether nothing was assumed."""
    _origin: Origin = PrivateAttr(default=Origin())

    def to_json(self) -> str:
        """Text of ``advice.json``."""
        return self.model_dump_json(indent=2) + "\n"

    def to_markdown(self) -> str:
        """The answer as a Markdown page: verdict, reasons, numbers, what was ruled out."""
        from deployadvisor.report.markdown import page  # noqa: PLC0415 - a verb that delegates

        return page(self)

    def write(self, folder: Path | str, *, targets: Sequence[str] | None = None, force: bool = False) -> WriteReport:
        """Render the deployment folder and write it whole or not at all; RenderError says why not."""
        return self.bundle(targets).write(Path(folder), force=force)

    def bundle(self, targets: Sequence[str] | None = None, *, proxy: str | None = None) -> Bundle:
        """The files of the deployment folder, to look at, to compare with a folder (``diff``) or to ``write``."""
        from deployadvisor.checklist.document import markdown  # noqa: PLC0415 - a verb that delegates
        from deployadvisor.render.bundle import render  # noqa: PLC0415 - a verb that delegates

        return render(self, targets, {"CHECKLIST.md": markdown(self)}, proxy)

    def why(self) -> Why:
        """The facts that force this answer, none of which can be spared, and the rules that speak for it."""
        return self._reopened().why()

    def why_not(self, name: str) -> tuple[Objection, ...] | RunnerUp:
        """Objections to a route, engine or provider, or the level and the rule at which it lost.

        Raises DeployAdvisorError when ``name`` was chosen or names nothing that could be.
        """
        return self._reopened().why_not(name)

    def what_would_change(self, to: str | None = None) -> tuple[Change, ...]:
        """The cheapest changed answers that lead to each other route, or to the one named; each decided to see.

        Last, not actionable, come single facts that nobody can simply change but on which the answer hinges.
        """
        return self._reopened().what_would_change(to)

    def _reopened(self) -> Reopened:
        from deployadvisor.reopen import reopen  # noqa: PLC0415 - a verb that delegates: the question is decided again

        return reopen(self)
