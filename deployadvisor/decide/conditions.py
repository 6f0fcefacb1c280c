"""Conditions as a typed tree, evaluated in three values: True, False, or None where an unknown fact decides.

A mapping is an AND, one key a fact; ``any``, ``all`` and ``not`` nest; ``is`` names a term. Terms are replaced by
what they mean when a ruleset loads, so a tree holds tests only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deployadvisor.decide import phrases
from deployadvisor.decide.phrases import Accepted
from deployadvisor.decide.vocabulary import FLAG_VALUES, FactValue, Vocabulary
from deployadvisor.documents import Document, KeyPath
from deployadvisor.errors import RulesError, nearest

Facts = Mapping[str, FactValue]
"""Known facts by name; a fact that is not in the mapping is unknown."""


@dataclass(frozen=True, slots=True)
class Test:
    """One fact against the values it may have."""

    fact: str
    accepted: Accepted
    phrase: str

    def evaluate(self, facts: Facts) -> bool | None:
        """Whether the fact's value is accepted; None when the fact is unknown."""
        value = facts.get(self.fact)
        return None if value is None else value in self.accepted


@dataclass(frozen=True, slots=True)
class All:
    """True when every part is; an empty one is always true."""

    parts: tuple[Condition, ...]

    def evaluate(self, facts: Facts) -> bool | None:
        """Kleene AND."""
        result: bool | None = True
        for part in self.parts:
            value = part.evaluate(facts)
            if value is False:
                return False
            if value is None:
                result = None
        return result


@dataclass(frozen=True, slots=True)
class Any_:  # noqa: N801 - ``Any`` is taken by typing, and the YAML word is ``any``
    """True when one part is."""

    parts: tuple[Condition, ...]

    def evaluate(self, facts: Facts) -> bool | None:
        """Kleene OR."""
        result: bool | None = False
        for part in self.parts:
            value = part.evaluate(facts)
            if value is True:
                return True
            if value is None:
                result = None
        return result


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of its part."""

    part: Condition

    def evaluate(self, facts: Facts) -> bool | None:
        """Kleene NOT."""
        value = self.part.evaluate(facts)
        return None if value is None else not value


Condition = Test | All | Any_ | Not
ALWAYS = All(())


def parse(
    body: Any, document: Document, path: KeyPath, vocabulary: Vocabulary, terms: Mapping[str, Condition]
) -> Condition:
    """The condition that a YAML mapping states; RulesError with file:line:column otherwise."""
    if not isinstance(body, dict) or not body:
        raise RulesError("a condition is a mapping of facts to tests", where=document.where(path))
    parts = tuple(_parse_entry(key, value, document, (*path, key), vocabulary, terms) for key, value in body.items())
    return parts[0] if len(parts) == 1 else All(parts)


def _parse_entry(
    key: str,
    value: Any,
    document: Document,
    path: KeyPath,
    vocabulary: Vocabulary,
    terms: Mapping[str, Condition],
) -> Condition:
    where = document.where(path)
    if key == "not":
        return Not(parse(value, document, path, vocabulary, terms))
    if key in ("any", "all"):
        if not isinstance(value, list) or not value:
            raise RulesError(f'"{key}" needs a list of conditions', where=where)
        parts = tuple(parse(item, document, (*path, i), vocabulary, terms) for i, item in enumerate(value))
        return Any_(parts) if key == "any" else All(parts)
    if key == "is":
        return _parse_terms(value, document, path, terms)
    if key in terms and key not in vocabulary.facts:
        raise RulesError(
            f'"{key}" is a term, not a fact', where=document.where(path, key=True), remedy=f"write is: {key}"
        )
    fact = vocabulary.find(key, document.where(path, key=True), *terms)
    phrase = FLAG_VALUES[value] if isinstance(value, bool) else value
    return Test(fact.name, phrases.parse(value, fact, where), str(phrase))


def _parse_terms(value: Any, document: Document, path: KeyPath, terms: Mapping[str, Condition]) -> Condition:
    names = value if isinstance(value, list) else [value]
    if not names:
        raise RulesError('"is" needs a term', where=document.where(path), allowed=tuple(terms))
    for name in names:
        if not isinstance(name, str) or name not in terms:
            raise RulesError(
                f'unknown term "{name}" (a term may use only terms above it)',
                where=document.where(path),
                allowed=tuple(terms),
                suggestion=nearest(str(name), terms),
            )
    return terms[names[0]] if len(names) == 1 else All(tuple(terms[name] for name in names))


def tests_in(condition: Condition) -> Iterator[Test]:
    """Every test of a condition, left to right."""
    if isinstance(condition, Test):
        yield condition
    elif isinstance(condition, Not):
        yield from tests_in(condition.part)
    else:
        for part in condition.parts:
            yield from tests_in(part)


def in_words(condition: Condition) -> str:
    """The condition as a person would say it: ``purpose personal and not (internet yes)``."""
    if isinstance(condition, Test):
        return f"{condition.fact} {condition.phrase}"
    if isinstance(condition, Not):
        return f"not ({in_words(condition.part)})"
    if not condition.parts:
        return "always"
    joint = " and " if isinstance(condition, All) else " or "
    words = [in_words(part) for part in condition.parts]
    return joint.join(f"({part})" if " or " in part and joint == " and " else part for part in words)
