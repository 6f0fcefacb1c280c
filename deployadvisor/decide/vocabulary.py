"""The facts that rules may mention: each with its type, its order, its question and what is assumed if left out.

Four types: ``ordinal`` (values from least to most), ``choice`` (values without order), ``flag`` (no, yes) and
``number`` (with a unit). A ``derived`` fact is computed, never asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from deployadvisor import documents
from deployadvisor.documents import Document, KeyPath
from deployadvisor.errors import RulesError, Where, nearest

FactType = Literal["ordinal", "choice", "flag", "number"]
FactValue = str | float

_TYPES = ("ordinal", "choice", "flag", "number")
_KEYS = ("type", "values", "unit", "ask", "decides", "assume", "derived", "source", "ask_cost", "changeable")
FLAG_VALUES = ("no", "yes")
RESERVED = frozenset({"any", "all", "not", "is"})


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
    source: str | None = None
    """Where an assumed number comes from."""
    ask_cost: float = 1.0
    changeable: bool = True
    """False where a person cannot simply change the fact, such as how sensitive the data is."""

    @property
    def ordered(self) -> bool:
        """Whether ``at least`` and its kin make sense."""
        return self.type != "choice"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """All facts of a vocabulary file, in its order."""

    facts: Mapping[str, Fact]

    def extended(self, facts: Mapping[str, Fact]) -> Vocabulary:
        """Add to this vocabulary the attributes that one ruleset declares for its candidates."""
        return Vocabulary({**self.facts, **facts})

    def find(self, name: str, where: Where, *extra: str) -> Fact:
        """The fact called ``name``; RulesError with the nearest word otherwise."""
        if name not in self.facts:
            raise RulesError(
                f'unknown fact "{name}"',
                where=where,
                suggestion=nearest(name, (*self.facts, *RESERVED, *extra)),
            )
        return self.facts[name]


def load(path: Path, source: str | None = None) -> Vocabulary:
    """Read a vocabulary file; raises RulesError with file:line:column."""
    document = documents.read(path, source)
    body = document.value
    if not isinstance(body, dict) or not isinstance(body.get("facts"), dict):
        raise RulesError('a vocabulary has a mapping "facts"', where=document.where())
    return Vocabulary(read_facts(document, ("facts",), body["facts"]))


def read_facts(document: Document, path: KeyPath, body: Mapping[str, Any]) -> dict[str, Fact]:
    """Facts under ``path`` of a document, validated."""
    if not isinstance(body, dict):
        raise RulesError(f"{path[-1]}: must be a mapping of facts", where=document.where(path))
    return {name: _read_fact(document, (*path, name), name, entry) for name, entry in body.items()}


def _read_fact(document: Document, path: KeyPath, name: str, entry: Any) -> Fact:
    def fail(message: str, *key: str, suggestion: str | None = None) -> NoReturn:
        raise RulesError(f"fact {name}: {message}", where=document.where((*path, *key)), suggestion=suggestion)

    if name in RESERVED:
        fail(f'"{name}" is a word of the condition language')
    if not isinstance(entry, dict):
        fail("must be a mapping with type and ask")
    for key in entry:
        if key not in _KEYS:
            where = document.where((*path, key), key=True)
            raise RulesError(f'fact {name}: unknown key "{key}"', where=where, suggestion=nearest(key, _KEYS))
    kind = entry.get("type")
    if kind not in _TYPES:
        fail(f"type must be one of {', '.join(_TYPES)}", "type", suggestion=nearest(str(kind), _TYPES))
    values = _values(entry, kind, fail)
    _check_types(entry, fail)
    fact = Fact(
        name=name,
        type=kind,
        where=document.where(path, key=True),
        values=values,
        unit=str(entry.get("unit", "")),
        ask=str(entry.get("ask", "")),
        decides=str(entry.get("decides", "")),
        derived=bool(entry.get("derived", False)),
        source=entry.get("source"),
        ask_cost=float(entry.get("ask_cost", 1.0)),
        changeable=bool(entry.get("changeable", True)),
        assume=read_value(entry.get("assume"), kind),
    )
    if not fact.ask:
        fail("has no ask (the question, or for a derived fact what it says)")
    if kind == "number" and fact.assume is not None and not fact.source:
        fail("an assumed number needs a source", "assume")
    if fact.assume is not None and not admits(fact, fact.assume):
        fail(f'cannot assume "{fact.assume}"', "assume", suggestion=nearest(str(fact.assume), values))
    return fact


def _check_types(entry: Mapping[str, Any], fail: Any) -> None:
    for key in ("derived", "changeable"):
        if not isinstance(entry.get(key, False), bool):
            fail(f"{key} is yes or no", key)
    if not isinstance(entry.get("source", ""), str):
        fail("source is a text", "source")
    effort = entry.get("ask_cost", 1)
    if type(effort) not in (int, float) or effort <= 0:
        fail("ask_cost is a number above 0", "ask_cost")


def _values(entry: Mapping[str, Any], kind: str, fail: Any) -> tuple[str, ...]:
    values = entry.get("values", [])
    if kind in ("flag", "number"):
        if values:
            fail(f"a {kind} has no values", "values")
        return FLAG_VALUES if kind == "flag" else ()
    if not isinstance(values, list) or len(values) < 2:
        fail("needs a list of at least two values", "values")
    for value in values:
        if isinstance(value, bool):
            fail("YAML reads yes, no, on and off as true and false; use other words or a flag", "values")
        if not isinstance(value, str) or not value.replace("_", "").isalnum():
            fail(f'"{value}" is not a word of letters, digits and _', "values")
    if len(set(values)) != len(values):
        fail("a value is listed twice", "values")
    return tuple(values)


def read_value(value: Any, kind: str) -> FactValue | None:
    """A YAML value as a fact value: flags become ``yes`` and ``no``, numbers floats."""
    if isinstance(value, bool) and kind == "flag":
        return FLAG_VALUES[value]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and kind == "number":
        return float(value)
    return None if value is None else str(value)


def admits(fact: Fact, value: FactValue) -> bool:
    """Whether ``value`` is one the fact can take."""
    return isinstance(value, float) if fact.type == "number" else value in fact.values
