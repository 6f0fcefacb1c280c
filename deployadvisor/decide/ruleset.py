"""Rules as frozen values, each with the place where it stands.

Three kinds: ``constraints`` forbid candidates (all are checked, order-free), ``cases`` argue for one with a level of
fit (the decision table), ``preferences`` add whole points between candidates of equal fit. Candidates stand in the
file, or are given by name (``candidates: {from: engines}``); ``every`` addresses each of them by its own attributes,
the facts that begin with ``its_``. A candidate may say under which condition it stands for election at all.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from deployadvisor.decide import conditions
from deployadvisor.decide.assumptions import Assumption
from deployadvisor.decide.conditions import ALWAYS, Condition, Facts, Test
from deployadvisor.decide.phrases import Accepted
from deployadvisor.decide.vocabulary import Fact, Vocabulary
from deployadvisor.errors import Where

Kind = Literal["constraint", "case", "preference"]
FITS = ("none", "acceptable", "good", "ideal")
EVERY = "every"
ATTRIBUTE_PREFIX = "its_"


@dataclass(frozen=True, slots=True)
class RuleTest:
    """An example beside a rule: with these facts the rule applies, or does not."""

    given: Facts
    applies: bool
    where: Where


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``targets`` maps candidates to points (constraints and cases use 1)."""

    id: str
    kind: Kind
    targets: Mapping[str, int]
    when: Condition
    text: str
    is_missing: bool
    """Whether the text names something to obtain (``missing``) instead of a principle (``because``)."""
    where: Where
    fit: int = 0
    source: str | None = None
    checked_on: datetime.date | None = None
    """When the source was last read."""
    overridable: bool = False
    tests: tuple[RuleTest, ...] = ()

    @property
    def for_every(self) -> bool:
        """Whether the rule judges each candidate by its own attributes."""
        return EVERY in self.targets

    @property
    def condition_text(self) -> str:
        """The condition in words."""
        return conditions.in_words(self.when)

    def points_for(self, candidate: str) -> int:
        """Weight of this rule for a candidate; 0 when it does not speak about it."""
        return self.targets.get(candidate, self.targets.get(EVERY, 0))


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that can be chosen. ``listed`` is its position, the last tie-break."""

    id: str
    title: str
    listed: int
    where: Where
    stands: Condition = ALWAYS
    """When it stands for election at all; where it does not, it is neither rejected nor a runner-up."""


@dataclass(frozen=True, slots=True)
class Given:
    """A candidate that comes from outside the file; ``stands`` is a condition as YAML would state it."""

    title: str
    stands: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ruleset:
    """A decision: candidates and the rules that choose among them. Two are equal only when they are the same."""

    name: str
    version: str
    candidates: Mapping[str, Candidate]
    attributes: Mapping[str, Fact]
    terms: Mapping[str, Condition]
    rules: tuple[Rule, ...]
    vocabulary: Vocabulary
    assumptions: tuple[Assumption, ...] = ()
    speaking: Mapping[str, tuple[Rule, ...]] = field(init=False)
    """For each candidate the rules that speak about it, in file order."""
    mentioning: Mapping[str, tuple[Rule, ...]] = field(init=False)
    """For each fact the rules whose condition tests it."""
    tests_of: Mapping[str, tuple[Test, ...]] = field(init=False)
    """For each fact the different tests on it, by rules and candidates: values that pass the same are the same."""

    def __post_init__(self) -> None:
        """Index the rules, so that a copy with other rules is indexed anew."""
        speaking = {name: tuple(rule for rule in self.rules if rule.points_for(name)) for name in self.candidates}
        object.__setattr__(self, "speaking", speaking)
        object.__setattr__(self, "mentioning", _by_fact(self.rules))
        object.__setattr__(self, "tests_of", _tests_by_fact(self.conditions()))

    def __repr__(self) -> str:
        """Name and version; the rules themselves would fill pages."""
        return f"Ruleset({self.name!r}, {self.version!r})"

    def of_kind(self, kind: Kind) -> Iterator[Rule]:
        """Rules of one kind, in file order."""
        return (rule for rule in self.rules if rule.kind == kind)

    def conditions(self) -> Iterator[Condition]:
        """Every condition that the decision depends on: those of the rules, then those of the candidates."""
        yield from (rule.when for rule in self.rules)
        yield from (candidate.stands for candidate in self.candidates.values())


def _by_fact(rules: Sequence[Rule]) -> dict[str, tuple[Rule, ...]]:
    found: dict[str, dict[str, Rule]] = {}
    for rule in rules:
        for test in conditions.tests_in(rule.when):
            found.setdefault(test.fact, {})[rule.id] = rule
    return {fact: tuple(by_id.values()) for fact, by_id in found.items()}


def _tests_by_fact(all_conditions: Iterable[Condition]) -> dict[str, tuple[Test, ...]]:
    found: dict[str, dict[Accepted, Test]] = {}
    for condition in all_conditions:
        for test in conditions.tests_in(condition):
            found.setdefault(test.fact, {})[test.accepted] = test
    return {fact: tuple(tests.values()) for fact, tests in found.items()}
