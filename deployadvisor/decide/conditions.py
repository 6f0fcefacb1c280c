"""Conditions as a typed tree, evaluated in three values: True, False, or None where an unknown fact decides.

A mapping is an AND, one key a fact; ``any``, ``all`` and ``not`` nest; ``is`` names a term. Terms are replaced by
what they mean when a ruleset loads, so a tree holds tests only.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deployadvisor.decide import phrases
from deployadvisor.decide.entry import Entry, boolean_trap
from deployadvisor.decide.phrases import Accepted
from deployadvisor.decide.vocabulary import FLAG_VALUES, FactValue, Vocabulary
from deployadvisor.documents import MAX_DEPTH, Document, KeyPath, quoted

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
_MAX_TESTS = 500
_MAX_DEPTH = 2 * MAX_DEPTH
ALWAYS = All(())


def parse(
    body: Any, document: Document, path: KeyPath, vocabulary: Vocabulary, terms: Mapping[str, Condition]
) -> Condition:
    """The condition that a YAML mapping states; RulesError with file:line:column otherwise."""
    entry = Entry(document, body, path)
    condition = _parse(entry, vocabulary, terms)
    if sum(1 for _ in itertools.islice(tests_in(condition), _MAX_TESTS + 1)) > _MAX_TESTS:
        entry.fail(f"a condition of more than {_MAX_TESTS} tests, those of its terms included")
    if _depth(condition) > _MAX_DEPTH:
        entry.fail(f"a condition nested deeper than {_MAX_DEPTH} levels, those of its terms included")
    return condition


def _parse(entry: Entry, vocabulary: Vocabulary, terms: Mapping[str, Condition]) -> Condition:
    if not isinstance(entry.value, dict) or not entry.value:
        entry.fail("a condition is a mapping of facts to tests")
    parts = tuple(_parse_part(part, vocabulary, terms) for part in entry.parts())
    return parts[0] if len(parts) == 1 else All(parts)


def _parse_part(part: Entry, vocabulary: Vocabulary, terms: Mapping[str, Condition]) -> Condition:
    key, value = part.name, part.value
    if key == "not":
        return Not(_parse(part, vocabulary, terms))
    if key in {"any", "all"}:
        if not isinstance(value, list) or not value:
            part.fail(f'"{key}" needs a list of conditions')
        parts = tuple(_parse(item, vocabulary, terms) for item in part.items())
        return Any_(parts) if key == "any" else All(parts)
    if key == "is":
        return _parse_terms(part, terms)
    fact = vocabulary.facts.get(key)
    if fact is None and key in terms:
        part.fail(f'"{key}" is a term, not a fact', key=True, remedy=f"write is: {key}")
    fact = fact or vocabulary.find(key, part.where_key, *terms)
    phrase = FLAG_VALUES[value] if isinstance(value, bool) else value
    return Test(fact.name, phrases.parse(value, fact, part.where), str(phrase))


def _parse_terms(part: Entry, terms: Mapping[str, Condition]) -> Condition:
    names = [*part.items()] if isinstance(part.value, list) else [part]
    if not names:
        part.fail('"is" needs a term', allowed=tuple(terms))
    for name in names:
        if isinstance(name.value, bool):
            name.fail(boolean_trap(name.value), allowed=tuple(terms))
        if not isinstance(name.value, str) or name.value not in terms:
            message = f"unknown term {quoted(name.value)}" + ("" if terms else "; there are no terms")
            name.fail(message, allowed=tuple(terms), word=str(name.value))
    return terms[names[0].value] if len(names) == 1 else All(tuple(terms[name.value] for name in names))


def _depth(condition: Condition) -> int:
    if isinstance(condition, Test):
        return 0
    parts = (condition.part,) if isinstance(condition, Not) else condition.parts
    return 1 + max(map(_depth, parts), default=0)


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
