"""Assumptions: combinations of facts that cannot be, so that no proof has to hold for them.

Each one says ``if`` a condition holds, ``then`` another does; without ``if`` it always does. They stand beside the
facts in the vocabulary file, and the program that computes the facts is tested against them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deployadvisor import documents
from deployadvisor.decide import conditions
from deployadvisor.decide.conditions import Any_, Condition, Not
from deployadvisor.decide.entry import Entry, about, is_word
from deployadvisor.decide.vocabulary import Vocabulary
from deployadvisor.documents import Document
from deployadvisor.errors import Where

_KEYS = ("id", "if", "then", "because")


@dataclass(frozen=True, slots=True)
class Assumption:
    """A condition that holds for every combination of facts there can be."""

    id: str
    holds: Condition
    because: str
    where: Where


def load(path: Path, vocabulary: Vocabulary, source: str | None = None) -> tuple[Assumption, ...]:
    """The assumptions of a vocabulary file; RulesError with file:line:column when one is not right."""
    return read(documents.read(path, source), vocabulary)


def read(document: Document, vocabulary: Vocabulary) -> tuple[Assumption, ...]:
    """The assumptions of a document that has been read; none when it has no such section."""
    return tuple(_read(Entry(document, document.value)["assumptions"], vocabulary))


def _read(section: Entry, vocabulary: Vocabulary) -> Iterator[Assumption]:
    first: dict[str, Where] = {}
    for entry in section.items():
        if not isinstance(entry.value, dict) or not is_word(entry.value.get("id")):
            entry.fail("an assumption is a mapping with an id of letters, digits, _ and -")
        name = entry.value["id"]
        if name in first:
            entry.fail(f'assumption id "{name}" is used twice (first at {first[name]})')
        first[name] = entry.where
        with about(f"assumption {name}"):
            entry.check("must be a mapping", _KEYS)
            yield Assumption(name, _holds(entry, vocabulary), entry["because"].text(), entry.where)


def _holds(entry: Entry, vocabulary: Vocabulary) -> Condition:
    if "then" not in entry:
        entry.fail("needs then, a condition")
    parts = {
        key: conditions.parse(entry[key].value, entry.document, (*entry.path, key), vocabulary, {})
        for key in ("if", "then")
        if key in entry
    }
    return Any_((Not(parts["if"]), parts["then"])) if "if" in parts else parts["then"]
