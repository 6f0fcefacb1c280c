"""Decide for many profiles: each row of a sweep gets exactly what ``recommend`` would answer, only faster.

The keys of a row are of three kinds. A *free* key is a word that only the route rules read: rows that differ in
nothing else share their other facts, and the routes of all of them are one walk over the table of winners. A *label*
says nothing about the project. Every other key is *bound*: rows that agree in all of those are a group, for which
facts, provider and engines are found once. A row that is not so plain (a fact is open, cards are to be rented, an
answer is wrong) is decided for itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from deployadvisor.answer import Answer, answer_to
from deployadvisor.catalog.regulations import find_regulation
from deployadvisor.decide.cells import Cells
from deployadvisor.decide.compiled import compiled
from deployadvisor.decide.vectorised import Codes, winner_table
from deployadvisor.errors import DeployAdvisorError
from deployadvisor.hardware.here import machine_for
from deployadvisor.hardware.machine import Machine
from deployadvisor.plan import make_plan
from deployadvisor.profile import Line, Profile, allowed_values
from deployadvisor.rulebook import Paths, Rulebook, load_rules
from deployadvisor.sweep_rows import Block
from deployadvisor.verdict import Bench, Verdict, named_model

_ROUTE_FIELDS = ("status", "route", "engine", "provider")
_PLAN_FIELDS = (
    "planned_model",
    "gpus",
    "precision",
    "hosted_per_month",
    "rented_per_month",
    "cost_currency",
    "reason",
)
_LABELS = ("name",)
_ASKED_ROUTES = ("acquire_gpu",)
"""Routes on which the rules are asked again, about machines to rent: their rows are never plain."""
_GROUPS_KEPT = 4096
_OPEN, _LEFT_OUT, _WRONG = -1, -2, -3
"""What stands in the place of a cell where there is none."""

Flags = NDArray[np.bool_]
Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one row gets; everything after the provider only where plans were asked for."""

    status: str | None = None
    route: str | None = None
    engine: str | None = None
    provider: str | None = None
    planned_model: str | None = None
    gpus: int | None = None
    precision: str | None = None
    hosted_per_month: float | None = None
    rented_per_month: float | None = None
    cost_currency: str | None = None
    reason: str | None = None
    """The first rule that speaks for the answer."""
    error: str | None = None
    """Why the row has no answer."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The different outcomes in a block of rows, and for each row the place of its own."""

    different: tuple[Outcome, ...]
    codes: Codes


class Sweep:
    """One question, asked again and again with other values for some of its keys."""

    def __init__(
        self,
        profile: Profile,
        keys: Sequence[str],
        *,
        hardware: Machine | str | None = None,
        rules: Path | str | None = None,
        overlay: Paths = (),
        strict: bool = False,
        plans: bool = False,
        keep_going: bool = False,
    ) -> None:
        """``keys`` are those of the rows; profile, hardware, rules, overlay and ``strict`` are as for ``recommend``.

        ``plans`` asks for the plan of every row; with ``keep_going`` a bad row gets its error as an answer.
        """
        self.base = profile.answers()
        self.hardware = hardware
        self.rulebook = load_rules(rules, overlay)
        self.strict, self.plans, self.keep_going = strict, plans, keep_going
        route = self.rulebook.route
        self.table = winner_table(route)
        self.facts = {name: cells for name, cells in compiled(route).facts.items() if name in route.tests_of}
        free = free_keys(self.rulebook)
        self.free = tuple(key for key in keys if key in free)
        self.labels = tuple(key for key in keys if key in _LABELS)
        self.bound = tuple(key for key in keys if key not in self.free and key not in self.labels)
        self._machine = lru_cache(maxsize=64)(machine_for)
        self._groups: dict[tuple[str, ...], _Group] = {}

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of an outcome that are filled."""
        error = ("error",) if self.keep_going else ()
        return (*_ROUTE_FIELDS, *(_PLAN_FIELDS if self.plans else ()), *error)

    def check(self, block: Block) -> None:
        """Raise the error of the first bad row, if there is one; nothing is decided."""
        for row in np.flatnonzero(~self._usable(block, *self._grouped(block))):
            self._question(block, int(row), block.keys)

    def outcomes(self, block: Block) -> Outcomes:
        """The answer of every row; raises the error of a bad row unless it is to keep going."""
        if self.plans:
            every = tuple(self._ask(block, row) for row in range(len(block)))
            return Outcomes(every, np.arange(len(block), dtype=np.int32))
        groups, group = self._grouped(block)
        winner, plain = self._winners(block, groups, group)
        # The plain rows of a group that have one winner have one answer; any other row is asked for itself.
        others = (np.where(plain, 0, block.column(key)) for key in (*self.free, *self.labels))
        rows, codes = _distinct([group, np.where(plain, winner + 1, 0), *others], len(block))
        different = []
        for row in map(int, rows):
            here = groups[group[row]]
            easy = here is not None and plain[row]
            different.append(here.outcome(self.table.candidates[winner[row]]) if easy else self._ask(block, row))
        return Outcomes(tuple(different), codes)

    # Row by row

    def _ask(self, block: Block, row: int) -> Outcome:
        try:
            profile, machine = self._question(block, row, block.keys)
            return _outcome(answer_to(profile, Bench(self.rulebook, machine), strict=self.strict), plan=self.plans)
        except DeployAdvisorError as error:
            if not self.keep_going:
                raise
            return Outcome(error=str(error))

    def _question(self, block: Block, row: int, keys: Sequence[str]) -> tuple[Profile, Machine]:
        """Profile and machine of a row, for some of its keys; every name in them is known."""
        base = {key: answer for key, answer in self.base.items() if key in keys or key not in self.free}
        profile = block.profile(row, base, keys)
        with _blaming(block, row, "regulations"):
            for name in profile.answered("regulations") or ():
                find_regulation(name)
        with _blaming(block, row, "model"):
            if profile.model is not None:
                named_model(profile.model)
        with _blaming(block, row, "hardware"):
            return profile, self._machine(profile.hardware if self.hardware is None else self.hardware)

    # Group by group

    def _grouped(self, block: Block) -> tuple[list[_Group | None], Codes]:
        """The groups of a block, None for one that is not right, and for each row the place of its group."""
        rows, group = _distinct([block.column(key) for key in self.bound], len(block))
        return [self._group(block, int(row)) for row in rows], group

    def _group(self, block: Block, row: int) -> _Group | None:
        texts = tuple(block.text(row, key) for key in self.bound)
        if texts not in self._groups:
            try:
                profile, machine = self._question(block, row, self.bound)
            except DeployAdvisorError:
                return None
            if len(self._groups) >= _GROUPS_KEPT:
                self._groups.clear()
            self._groups[texts] = _Group(profile, Bench(self.rulebook, machine), self.strict, self.facts)
        return self._groups[texts]

    def _usable(self, block: Block, groups: Sequence[_Group | None], group: Codes) -> Flags:
        """Rows that are surely right; whether another is right is seen when it is asked for itself."""
        usable = np.array([here is not None for here in groups])[group]
        usable[list(block.misfits)] = False
        for key in self.labels:
            usable &= np.array([not text or _is_line(text) for text in block.different(key)])[block.column(key)]
        for key in self.free:
            words = self._words(block, key)
            allowed = [[here is not None and here.allows(key, word) for word in words] for here in groups]
            usable &= np.array(allowed)[group, block.column(key)]
        return usable

    def _words(self, block: Block, key: str) -> list[str]:
        """The different answers to a free key; where a row leaves it out, the base's."""
        return [text or self.base.get(key, "") for text in block.different(key)]

    def _winners(self, block: Block, groups: Sequence[_Group | None], group: Codes) -> tuple[Codes, Flags]:
        """The route of each row as a place in the table, and the rows for which that is the whole answer."""
        plain = self._usable(block, groups, group)
        nowhere = [_OPEN] * len(self.facts)
        of_groups = np.array([here.cells if here else nowhere for here in groups], np.int32)
        cells = {}
        for at, (fact, own) in enumerate(self.facts.items()):
            cells[fact] = of_groups[:, at][group]
            if fact in self.free:
                answered = np.array([_cell(own, word) for word in self._words(block, fact)])[block.column(fact)]
                cells[fact] = np.where(answered == _LEFT_OUT, cells[fact], answered)
            plain &= cells[fact] >= 0
            cells[fact] = np.maximum(cells[fact], 0)
        winner = self.table.winners(cells, len(block))
        asked = np.array([candidate in _ASKED_ROUTES for candidate in self.table.candidates])
        return winner, plain & ~asked[winner]


class _Group:
    """Rows that agree in every bound key, with what is found once for all of them."""

    def __init__(self, profile: Profile, bench: Bench, strict: bool, facts: Mapping[str, Cells]) -> None:
        self.profile, self.bench, self.strict, self.facts = profile, bench, strict, facts
        self._allowed: dict[tuple[str, str], bool] = {}
        self._outcomes: dict[str | None, Outcome] = {None: Outcome("blocked", "blocked")}

    @cached_property
    def verdict(self) -> Verdict:
        """The decisions while every free key is left out."""
        return self.bench.verdict(self.profile, strict=self.strict)

    @cached_property
    def cells(self) -> list[int]:
        """The cell of every fact that the route rules mention."""
        values = self.verdict.situation.values()
        return [cells.index(values[name]) if name in values else _OPEN for name, cells in self.facts.items()]

    def allows(self, key: str, word: str) -> bool:
        """Whether a free key may be answered so beside the bound keys."""
        if (key, word) not in self._allowed:
            right = word in allowed_values()[key] and self.profile.allows(key, word)
            self._allowed[key, word] = right or not word
        return self._allowed[key, word]

    def outcome(self, route: str | None) -> Outcome:
        """The answer of the rows that the rules send on a route; None where nothing is allowed."""
        if route not in self._outcomes:
            elected = replace(self.verdict, route=replace(self.verdict.route, status="decided", winner=route))
            planned = make_plan(elected, self.bench, strict=self.strict)
            self._outcomes[route] = Outcome("decided", route, planned.engine, planned.provider)
        return self._outcomes[route]


def free_keys(rulebook: Rulebook) -> frozenset[str]:
    """Words that only the route rules read: no engine or provider rule does, and no fact is computed from them."""
    facts = rulebook.vocabulary.facts
    sources = {source for fact in facts.values() for source in fact.computed_from}
    compared = {*rulebook.engine.tests_of, *rulebook.provider.tests_of}
    words = {fact.name for fact in facts.values() if fact.values and not fact.derived}
    return frozenset(words - sources - compared)


@contextlib.contextmanager
def _blaming(block: Block, row: int, key: str) -> Iterator[None]:
    try:
        yield
    except DeployAdvisorError as error:
        if key in block.keys:
            error.where = block.where(row, key)
        raise


def _is_line(text: str) -> bool:
    try:
        _line().validate_python(text)
    except ValidationError:
        return False
    return True


@cache
def _line() -> TypeAdapter[str]:
    return TypeAdapter(Line)


def _cell(cells: Cells, word: str) -> int:
    if word in cells.fact.values:
        return cells.index(word)
    return {"": _LEFT_OUT, "unknown": _OPEN}.get(word, _WRONG)


def _distinct(columns: Sequence[Codes], rows: int) -> tuple[NDArray[np.intp], Codes]:
    """The first row of each different combination of codes, and for each row the place of its combination."""
    code, size = np.zeros(rows, np.int64), 1
    for column in columns:
        width = int(column.max()) + 1
        if size * width > np.iinfo(np.int64).max:
            code, size = np.unique(code, return_inverse=True)[1], rows
        code, size = code * width + column, size * width
    _, first, place = np.unique(code, return_index=True, return_inverse=True)
    return first, place.astype(np.int32)


def _outcome(answer: Answer, *, plan: bool) -> Outcome:
    status, planned = answer.verdict.route.status, answer.planned
    route = "blocked" if status == "blocked" else answer.route
    outcome = Outcome(status, route, planned.engine, planned.provider)
    if not plan:
        return outcome
    hosted, rented = planned.cost.hosted, planned.cost.rented
    return replace(
        outcome,
        planned_model=planned.plan.hosted_model or planned.plan.model,
        gpus=planned.plan.gpus,
        precision=planned.plan.precision,
        hosted_per_month=hosted.per_month if hosted else None,
        rented_per_month=rented.per_month if rented else None,
        cost_currency=planned.cost.currency if hosted or rented else None,
        reason=next((rule.id for rule in answer.verdict.route.reasons), None),
    )
