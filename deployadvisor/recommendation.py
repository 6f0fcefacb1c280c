"""The whole answer as one frozen value. Its field names are a public contract: adding is free, renaming is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from deployadvisor.hardware.machine import Machine

if TYPE_CHECKING:
    from deployadvisor.render.bundle import Bundle, WriteReport
    from deployadvisor.reopen import Reopened

Status = Literal["decided", "open", "blocked"]
Basis = Literal["answered", "assumed", "probed", "computed", "looked up", "measured", "unknown"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stage(_Part):
    """One step of the life of the deployment and who carries it."""

    stage: Literal["tune", "serve", "evaluate"]
    engine: str | None = None
    provider: str | None = None


class Reason(_Part):
    """A rule that speaks for the answer."""

    rule: str
    text: str
    where: str
    """``file:line`` of the rule."""
    source: str | None = None


class Objection(_Part):
    """A rule that speaks against a candidate: a principle (``because``) or something to obtain (``missing``)."""

    rule: str
    because: str | None = None
    missing: str | None = None
    where: str
    details: tuple[str, ...] = ()
    """What Python computed behind the rule, such as which engine lacks how many GiB."""


class Rejected(_Part):
    """A route, engine or provider that is ruled out; exactly one of the three names is set."""

    route: str | None = None
    engine: str | None = None
    provider: str | None = None
    objections: tuple[Objection, ...]


class RunnerUp(_Part):
    """A candidate that is allowed but lost, and the level at which it lost."""

    route: str | None = None
    engine: str | None = None
    provider: str | None = None
    fit: Literal["none", "acceptable", "good", "ideal"] = "none"
    """How well the best rule for it argues; ``none`` where no rule does."""
    lost_at: Literal["fit", "points", "listed order"]
    text: str
    lost_to: str = ""
    """What the winner had, in words."""
    rule: str | None = None
    """The winner's rule that made the difference; None where the listed order did."""
    where: str | None = None
    """``file:line`` of that rule."""


class Change(_Part):
    """Changed answers that together turn the decision into ``to``."""

    to: str
    change: dict[str, Any]
    """Profile keys with their new answers."""
    text: str
    cost: float = 1.0
    """Effort of the change, as the vocabulary states it for each fact."""
    actionable: bool = True
    """False where it takes a fact that nobody can simply change: the answer hinges on it."""


class WhyFact(_Part):
    """A fact that the decision rests on."""

    fact: str
    candidate: str | None = None
    """Id of the engine or provider whose attribute it is; None for a fact of the project."""
    value: Any
    basis: Basis
    source: str
    text: str
    """The question that it answers, or what it says."""


class WhyChoice(_Part):
    """Why this engine or provider, once the route was chosen."""

    engine: str | None = None
    provider: str | None = None
    title: str
    facts: tuple[WhyFact, ...]
    reasons: tuple[Reason, ...]


class Why(_Part):
    """What the answer rests on: facts that force it on their own, none of which can be spared, and its rules."""

    route: str | None
    """None while the answer is open: then nothing forces it."""
    facts: tuple[WhyFact, ...]
    reasons: tuple[Reason, ...]
    choice: WhyChoice | None = None


class Assumption(_Part):
    """A fact that nobody answered, the value taken, and what other values would turn the answer into."""

    fact: str
    value: Any
    text: str
    would_change: dict[str, str] = {}
    """Other value -> the route it would lead to; empty when no value changes the route."""


class OpenFact(_Part):
    """A fact that stayed open, and why."""

    fact: str
    reason: str


class Question(_Part):
    """The next thing to ask, and what it can decide between."""

    fact: str
    text: str
    values: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()


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


class FactValue(_Part):
    """A fact as the rules saw it."""

    value: Any
    basis: Basis
    source: str


class MemoryTerm(_Part):
    """One named part of a card's memory, in GiB a card."""

    name: str
    gib: float
    basis: str
    sure: Literal["exact", "computed", "measured", "bound", "assumed"] = "computed"
    """Read from headers; a formula over exact shapes; fitted to measurements; cannot be more; on the safe side."""


class MemoryEstimate(_Part):
    """What one card holds when the plan runs, in GiB a card, and what remains."""

    fits: bool
    text: str
    cards: int
    available_gib: float
    reserved_gib: float = 0.0
    """What the engine takes when it starts, whatever the load needs of it."""
    held_back: tuple[MemoryTerm, ...] = ()
    """What the engine cannot use of the card: driver, other processes, context, what it leaves free."""
    terms: tuple[MemoryTerm, ...]
    weights_gib: float
    """All weights, over all cards of a replica."""
    kv_gib: float
    """KV cache needed for ``max_concurrency`` sequences of ``max_model_len`` tokens, over all cards."""
    max_concurrency: int
    """Sequences of full length that fit at once."""
    kv_bytes_per_token: int
    kv_fixed_bytes: int


class Range(_Part):
    """A figure with its bounds and where it comes from."""

    value: float
    low: float
    high: float
    basis: str


class Estimate(_Part):
    """Numbers of the plan; None means not estimated, never zero."""

    memory: MemoryEstimate | None = None
    output_tok_s: Range | None = None
    ttft_ms: Range | None = None
    tpot_ms: Range | None = None
    notes: tuple[str, ...] = ()


class Price(_Part):
    """Cost of one way to run it."""

    per_month: float
    per_million_tokens: float | None = None
    basis: str
    source: str
    as_of: str


class Cost(_Part):
    """What each way would cost; None means not priced."""

    hosted: Price | None = None
    rented: Price | None = None
    owned: Price | None = None
    breakeven_requests_per_day: float | None = None
    currency: str = "USD"
    as_of: str | None = None


class RentalOffer(_Part):
    """A machine that could be rented for the plan."""

    provider: str
    instance: str
    gpu: str
    gpus: int
    usd_per_hour: float
    as_of: str
    source: str


class Plan(_Part):
    """How the chosen engine or provider is to be run; each of the ``nodes`` has as many of the ``gpus``."""

    model: str | None = None
    hardware: str
    gpus: int = 0
    gpu: str | None = None
    """Catalogue id of the cards the plan uses."""
    cards: tuple[int, ...] = ()
    """Their indexes on each machine, equal cards all; of a machine to rent, 0 and up."""
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    replicas: int = 1
    nodes: int = 1
    precision: str | None = None
    kv_dtype: str | None = None
    max_model_len: int | None = None
    max_concurrency: int | None = None
    engine_version: str | None = None
    backend: str | None = None
    """Engine backend where an engine has several, such as LMDeploy's ``pytorch``."""
    dtype: str | None = None
    """Data type to force, such as ``half`` where the card has no bf16."""
    trust_remote_code: bool = False
    flags: tuple[str, ...] = ()
    """Arguments of the engine's server beyond host, port, model and key."""
    environment: dict[str, str] = {}
    """Environment variables of engines that are set up that way."""
    endpoint: str | None = None
    """Base URL of the hosted provider."""
    hosted_model: str | None = None
    fallback_provider: str | None = None
    """Second provider behind the gateway, where the service must outlive one vendor."""
    rent: tuple[RentalOffer, ...] = ()


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
        from deployadvisor.render.bundle import render  # noqa: PLC0415

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
