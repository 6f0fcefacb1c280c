"""The texts of rules, facts and candidates in one language, keyed by id.

English stands in the rules themselves. A translation is a file of its own; a text that it lacks falls back to
English, so that a user's own rule still speaks, and a check reports what the shipped files lack.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from deployadvisor import documents
from deployadvisor.decide.ruleset import Candidate, Rule, Ruleset
from deployadvisor.decide.vocabulary import Fact, Vocabulary
from deployadvisor.documents import Document, KeyPath
from deployadvisor.errors import RulesError, Where, nearest
from deployadvisor.resources import display_path

Key = tuple[str, ...]
"""Place of one text, such as ``("rules", "nothing-to-tune")`` or ``("facts", "purpose", "ask")``."""

_SECTIONS = ("facts", "rules", "candidates")
_HEAD = ("schema", "language")
_FACT_KEYS = ("ask", "decides")


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts in one language; what is not in ``wordings`` is taken from the rules."""

    language: str
    wordings: Mapping[Key, str] = field(default_factory=dict)
    source: str = ""

    def rule(self, rule: Rule) -> str:
        """Why the rule speaks, or what it finds missing."""
        return self.wordings.get(("rules", rule.id), rule.text)

    def ask(self, fact: Fact) -> str:
        """The question that a fact answers."""
        return self.wordings.get(("facts", fact.name, "ask"), fact.ask)

    def decides(self, fact: Fact) -> str:
        """What the answer to the question can change."""
        return self.wordings.get(("facts", fact.name, "decides"), fact.decides)

    def title(self, ruleset: Ruleset, candidate: Candidate) -> str:
        """The name of something that can be chosen; names of products are the same in every language."""
        return self.wordings.get(("candidates", ruleset.name, candidate.id), candidate.title)


@cache
def english() -> Texts:
    """The texts as the rules state them."""
    return Texts("en")


def load_texts(path: Path) -> Texts:
    """Read a translation; RulesError with file:line:column when it is not one."""
    document = documents.read(path, display_path(path))
    body = document.value
    if not isinstance(body, dict) or not isinstance(body.get("language"), str):
        raise RulesError('a translation is a mapping with its "language"', where=document.where())
    _check_keys(body, (*_HEAD, *_SECTIONS), document, ())
    wordings = {key: text for section in _SECTIONS for key, text in _read(body, section, document)}
    return Texts(body["language"], wordings, document.source)


def _read(body: Mapping[str, Any], section: str, document: Document) -> Iterator[tuple[Key, str]]:
    entries = body.get(section) or {}
    for name, entry in _mapping(entries, document, (section,)).items():
        path = (section, name)
        if section == "rules":
            yield path, _text(entry, document, path)
            continue
        texts = _mapping(entry, document, path)
        if section == "facts":
            _check_keys(texts, _FACT_KEYS, document, path)
        yield from (((*path, key), _text(text, document, (*path, key))) for key, text in texts.items())


def _mapping(value: Any, document: Document, path: KeyPath) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        _fail(f"{path[-1]} must be a mapping", document, path)
    return value


def _text(value: Any, document: Document, path: KeyPath) -> str:
    if not isinstance(value, str) or not value.strip():
        _fail(f"{path[-1]} must be a text", document, path)
    return value.strip()


def _check_keys(body: Mapping[str, Any], allowed: Sequence[str], document: Document, path: KeyPath) -> None:
    for key in body:
        if key not in allowed:
            where = document.where((*path, key), key=True)
            raise RulesError(f'unknown key "{key}"', where=where, allowed=allowed, suggestion=nearest(key, allowed))


def _fail(message: str, document: Document, path: KeyPath) -> NoReturn:
    raise RulesError(message, where=document.where(path))


# What a translation owes


def missing_texts(texts: Texts, rulesets: Sequence[Ruleset], vocabulary: Vocabulary) -> tuple[str, ...]:
    """The texts that the rules state and the translation lacks, such as ``facts.purpose.ask``."""
    return tuple(".".join(key) for key in _owed(rulesets, vocabulary) if key not in texts.wordings)


def stale_texts(texts: Texts, rulesets: Sequence[Ruleset], vocabulary: Vocabulary) -> tuple[str, ...]:
    """The texts of the translation that no rule, fact or candidate has any more."""
    owed = {*_owed(rulesets, vocabulary), *_titles(rulesets)}
    return tuple(".".join(key) for key in texts.wordings if key not in owed)


def check_texts(texts: Texts, rulesets: Sequence[Ruleset], vocabulary: Vocabulary) -> None:
    """Refuse a translation that is not complete, or that says something about nothing."""
    for problem, names in (
        ("has no text for", missing_texts(texts, rulesets, vocabulary)),
        ("has a text for nothing called", stale_texts(texts, rulesets, vocabulary)),
    ):
        if names:
            raise RulesError(f"the translation {problem} {', '.join(names)}", where=Where(texts.source))


def _owed(rulesets: Sequence[Ruleset], vocabulary: Vocabulary) -> Iterator[Key]:
    attributes = (fact for ruleset in rulesets for fact in ruleset.attributes.values())
    for fact in (*vocabulary.facts.values(), *attributes):
        yield "facts", fact.name, "ask"
        if fact.decides:
            yield "facts", fact.name, "decides"
    yield from (("rules", rule.id) for ruleset in rulesets for rule in ruleset.rules)
    # candidates judged by their attributes are given by name: products, called the same in every language
    yield from _titles(ruleset for ruleset in rulesets if not ruleset.attributes)


def _titles(rulesets: Iterable[Ruleset]) -> Iterator[Key]:
    return (("candidates", ruleset.name, name) for ruleset in rulesets for name in ruleset.candidates)
