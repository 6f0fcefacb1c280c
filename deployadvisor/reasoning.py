"""Why an answer is what it is: facts, rules for and against, what was assumed, and what would change it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Basis = Literal["answered", "assumed", "probed", "computed", "looked up", "measured", "unknown"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


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


class FactValue(_Part):
    """A fact as the rules saw it."""

    value: Any
    basis: Basis
    source: str
