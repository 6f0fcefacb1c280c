"""The facts that rules may mention: each with its type, its order, its question and what is assumed if left out.

Four types: ``ordinal`` (values from least to most), ``choice`` (values without order), ``flag`` (no, yes) and
``number`` (with a unit). A ``derived`` fact is computed ``from`` other facts and from inputs, never asked. An input
is asked but never compared.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

from deployadvisor import documents
from deployadvisor.decide.circles import circle, in_words
from deployadvisor.decide.entry import Entry, about, refusal
from deployadvisor.documents import Document, KeyPath, quoted
from deployadvisor.errors import Where

FactType = Literal["ordinal", "choice", "flag", "number"]
FactValue = str | float

_TYPES: tuple[FactType, ...] = ("ordinal", "choice", "flag", "number")
_TOP_KEYS = ("schema", "facts", "inputs", "assumptions")
_KEYS = (
    "type",
    "values",
    "unit",
    "ask",
    "decides",
    "assume",
    "derived",
    "from",
    "source",
    "ask_cost",
    "change_cost",
    "changeable",
)
_INPUT_KEYS = ("ask", "decides", "ask_cost")
FLAG_VALUES = ("no", "yes")
RESERVED = frozenset({"any", "all", "not", "is"})
_MAX_VALUES = 100


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact. ``values`` is empty for numbers; a flag has the values ``no`` and ``yes``, in this order."""

    name: str
    type: FactType
    where: Where
    values: tuple[str, ...] = ()
    unit: str = ""
    ask: str = ""
    """The question in plain words; for a derived fact, what it says."""
    decides: str = ""
    """Why it is asked: what the answer can change."""
    assume: FactValue | None = None
    """Value taken when the key is left out; None keeps the question open."""
    derived: bool = False
    computed_from: tuple[str, ...] = ()
    """For a derived fact the facts and inputs it follows from (``from`` in YAML)."""
    source: str | None = None
    """Where an assumed number comes from."""
    ask_cost: float = 1.0
    """Effort of answering."""
    change_cost: float = 1.0
    """Effort of making the fact another one."""
    changeable: bool = True
    """False where a person cannot simply change the fact, such as how sensitive the data is."""

    @property
    def ordered(self) -> bool:
        """Whether ``at least`` and its kin make sense."""
        return self.type != "choice"


@dataclass(frozen=True, slots=True)
class Input:
    """A question whose answer no rule compares, but from which derived facts are computed."""

    name: str
    ask: str
    decides: str
    where: Where
    ask_cost: float = 1.0


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All facts of a vocabulary file, in its order, and the inputs behind the derived ones."""

    facts: Mapping[str, Fact]
    inputs: Mapping[str, Input] = field(default_factory=dict)

    def extended(self, facts: Mapping[str, Fact]) -> Vocabulary:
        """Add to this vocabulary the attributes that one ruleset declares for its candidates."""
        return replace(self, facts={**self.facts, **facts})

    def find(self, name: str, where: Where, *extra: str) -> Fact:
        """The fact called ``name``; RulesError with the nearest word otherwise."""
        if name not in self.facts:
            raise refusal(
                f"unknown fact {quoted(name)}", where, allowed=(*self.facts, *sorted(RESERVED), *extra), word=name
            )
        return self.facts[name]


def load(path: Path, source: str | None = None) -> Vocabulary:
    """Read a vocabulary file; raises RulesError with file:line:column."""
    return read(documents.read(path, source))


def read(document: Document) -> Vocabulary:
    """A vocabulary from a document that has been read; its assumptions are read elsewhere."""
    documents.expect_schema(document, "vocabulary")
    top = Entry(document, document.value)
    top.check('a vocabulary has a mapping "facts"', _TOP_KEYS)
    top["facts"].check('a vocabulary has a mapping "facts"')
    inputs = {entry.word(): _read_input(entry) for entry in top["inputs"].parts()}
    for name in inputs:
        if name in top["facts"]:
            top["inputs"][name].fail(f"input {name}: is a fact already", key=True)
    return Vocabulary(read_facts(document, ("facts",), top["facts"].value, inputs), inputs)


def read_facts(document: Document, path: KeyPath, body: Any, known: Collection[str] = ()) -> dict[str, Fact]:
    """Facts under ``path`` of a document; those that are derived may follow from each other and from ``known``."""
    entries = {entry.word(): entry for entry in Entry(document, body, path).parts()}
    facts = {name: _read_fact(entry) for name, entry in entries.items()}
    for name, fact in facts.items():
        sources = entries[name]["from"]
        for position, source in enumerate(fact.computed_from):
            if source not in facts and source not in known:
                message = f"fact {name}: from: no fact or input {quoted(source)}"
                sources[position].fail(message, allowed=(*facts, *known), word=source)
    if way := circle({name: fact.computed_from for name, fact in facts.items()}):
        entries[way[0]]["from"].fail(f"fact {way[0]}: is computed from itself: {in_words(way)}")
    return facts


def _read_input(entry: Entry) -> Input:
    with about(f"input {entry.name}"):
        entry.check("must be a mapping with ask and decides", _INPUT_KEYS)
        return Input(
            name=entry.name,
            ask=entry["ask"].text(),
            decides=entry["decides"].text(),
            where=entry.where_key,
            ask_cost=entry["ask_cost"].positive(),
        )


def _read_fact(entry: Entry) -> Fact:
    with about(f"fact {entry.name}"):
        if entry.name in RESERVED:
            entry.fail("is a word of the condition language", key=True)
        entry.check("must be a mapping with type and ask", _KEYS)
        fact = _fact(entry, _type(entry["type"]))
        if fact.computed_from and not fact.derived:
            entry["from"].fail("only a derived fact is computed from others", key=True)
        _check_assumed(entry["assume"], fact)
    return fact


def _type(entry: Entry) -> FactType:
    if entry.value not in _TYPES:
        message = "needs a type" if entry.value is None else f"{quoted(entry.value)} is not a type"
        entry.fail(message, allowed=_TYPES, word=str(entry.value or ""))
    return cast("FactType", entry.value)


def _fact(entry: Entry, kind: FactType) -> Fact:
    return Fact(
        name=entry.name,
        type=kind,
        where=entry.where_key,
        values=_values(entry["values"], kind),
        unit=entry["unit"].text(""),
        ask=entry["ask"].text(),
        decides=entry["decides"].text(""),
        derived=entry["derived"].flag(),
        computed_from=_computed_from(entry["from"]),
        source=entry["source"].text("") or None,
        ask_cost=entry["ask_cost"].positive(),
        change_cost=entry["change_cost"].positive(),
        changeable=entry["changeable"].flag(default=True),
        assume=read_value(entry["assume"].value, kind),
    )


def _computed_from(entry: Entry) -> tuple[str, ...]:
    names = entry.value or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        entry.fail("from is a list of facts and inputs")
    return tuple(dict.fromkeys(names))


def _check_assumed(entry: Entry, fact: Fact) -> None:
    if fact.assume is None:
        return
    if not admits(fact, fact.assume):
        allowed = fact.values or ("a number",)
        entry.fail(f"cannot assume {quoted(fact.assume)}", allowed=allowed, word=str(fact.assume))
    if fact.type == "number" and not fact.source:
        entry.fail("an assumed number needs a source")


def _values(entry: Entry, kind: FactType) -> tuple[str, ...]:
    if kind in {"flag", "number"}:
        if entry.value is not None:
            entry.fail(f"a {kind} has no values", key=True)
        return FLAG_VALUES if kind == "flag" else ()
    if not isinstance(entry.value, list) or not 2 <= len(entry.value) <= _MAX_VALUES:
        entry.fail(f"needs a list of values, from two to {_MAX_VALUES}")
    seen: dict[str, None] = {}
    for value in entry.items():
        if isinstance(value.value, bool):
            value.fail("YAML reads yes, no, on and off as true and false; use other words or a flag")
        if not isinstance(value.value, str) or not value.value.replace("_", "").isalnum():
            value.fail(f"{quoted(value.value)} is not a word of letters, digits and _")
        if value.value in seen:
            value.fail(f"{quoted(value.value)} is listed twice")
        seen[value.value] = None
    return tuple(seen)


def read_value(value: Any, kind: str) -> FactValue | None:
    """A YAML value as a fact value: flags become ``yes`` and ``no``, numbers floats."""
    if isinstance(value, bool) and kind == "flag":
        return FLAG_VALUES[value]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and kind == "number":
        return float(value)
    return None if value is None else str(value)


def admits(fact: Fact, value: FactValue) -> bool:
    """Whether ``value`` is one the fact can take."""
    return isinstance(value, float) and math.isfinite(value) if fact.type == "number" else value in fact.values
