"""The checklist file as typed values: items, the condition under which each applies, and the one that proves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any, NoReturn

from deployadvisor import documents
from deployadvisor.checklist.evidence import WORDS
from deployadvisor.decide import conditions
from deployadvisor.decide.conditions import ALWAYS, Condition
from deployadvisor.decide.vocabulary import Vocabulary, read_facts
from deployadvisor.documents import Document, KeyPath
from deployadvisor.errors import RulesError, Where, nearest
from deployadvisor.resources import display_path

_TOP_KEYS = ("schema", "checked_on", "facts", "terms", "labels", "bases", "owners", "groups", "sources", "items")
_TEXTS = ("text", "why", "how")
_ITEM_KEYS = (
    "id",
    "group",
    *(key for name in _TEXTS for key in (name, f"{name}_zh")),
    "owner",
    "when",
    "proven_when",
    "evidence",
    "evidence_zh",
    "facts",
    "source",
)


@dataclass(frozen=True, slots=True)
class Wording:
    """One text in both languages."""

    en: str
    zh: str

    def say(self, lang: str) -> str:
        """The text in ``lang``."""
        return self.zh if lang == "zh" else self.en


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to settle. ``proven_when`` and ``evidence`` are None where only a person can tick it."""

    id: str
    group: str
    text: Wording
    why: Wording
    how: Wording
    owner: Wording
    when: Condition
    proven_when: Condition | None
    evidence: Wording | None
    facts: tuple[str, ...]
    """What else of the decision it is read against, beside the facts of its conditions."""
    source: tuple[str, ...]
    """The published lists that have it."""
    where: Where


@dataclass(frozen=True, slots=True)
class Checklist:
    """All items in the order of their groups, and what the document around them says."""

    groups: Mapping[str, Wording]
    labels: Mapping[str, Wording]
    bases: Mapping[str, Wording]
    """What a fact of the decision rests on, in words."""
    items: tuple[Item, ...]
    vocabulary: Vocabulary
    """The vocabulary of the rules and the facts that only the checklist asks for."""


def placeholders(sentence: str) -> set[str]:
    """The names in braces.

    >>> placeholders("{cards} cards")
    {'cards'}
    """
    return {name for _, name, _, _ in Formatter().parse(sentence) if name is not None}


def read_items(path: Path, words: Vocabulary) -> Checklist:
    """Read a checklist file whose conditions speak about ``words`` and the facts it declares."""
    return _Reader(documents.read(path, display_path(path)), words).checklist()


class _Reader:
    """Reads one checklist document; holds what every step needs."""

    def __init__(self, document: Document, words: Vocabulary) -> None:
        self.document = document
        self.words = words
        self.terms: dict[str, Condition] = {}
        self.sections: dict[str, dict[str, Wording]] = {}

    def checklist(self) -> Checklist:
        body = self.mapping(self.document.value, ())
        self.check_keys(body, _TOP_KEYS, ())
        self.read_facts(self.mapping(body.get("facts", {}), ("facts",)))
        for name, entry in self.mapping(body.get("terms", {}), ("terms",)).items():
            self.check_keys(self.mapping(entry, ("terms", name)), ("means", "source"), ("terms", name))
            self.terms[name] = self.condition(entry.get("means"), ("terms", name, "means"))
        for section in ("labels", "bases", "owners", "groups"):
            entries = self.mapping(body.get(section), (section,))
            self.sections[section] = {key: self.wording(entry, (section, key)) for key, entry in entries.items()}
        sources = self.mapping(body.get("sources"), ("sources",))
        items = tuple(self.read_items(body.get("items"), sources))
        named = self.sections
        return Checklist(named["groups"], named["labels"], named["bases"], items, self.words)

    def read_facts(self, body: Mapping[str, Any]) -> None:
        for name in body:
            if name in self.words.facts:
                self.fail(f'fact "{name}" stands in the vocabulary already', ("facts", name))
        self.words = self.words.extended(read_facts(self.document, ("facts",), body))

    def read_items(self, body: Any, sources: Mapping[str, str]) -> Iterator[Item]:
        if not isinstance(body, list) or not body:
            self.fail("a checklist has a list of items", ("items",))
        order = tuple(self.sections["groups"])
        seen: dict[str, Item] = {}
        for position, entry in enumerate(body):
            item = self.read_item(entry, ("items", position), sources)
            before = next(reversed(seen.values()), item)
            if item.id in seen:
                self.fail(f'item id "{item.id}" is used twice', ("items", position, "id"))
            if order.index(item.group) < order.index(before.group):
                self.fail(f"{item.id}: items stand in the order of their groups", ("items", position, "group"))
            seen[item.id] = item
            yield item

    def read_item(self, entry: Any, path: KeyPath, sources: Mapping[str, str]) -> Item:
        entry = self.mapping(entry, path)
        self.check_keys(entry, _ITEM_KEYS, path)
        proof = [key for key in ("proven_when", "evidence", "evidence_zh") if key in entry]
        if len(proof) not in (0, 3):
            self.fail("proven_when, evidence and evidence_zh go together", path)
        self.choice(entry, "group", self.sections["groups"], path)
        return Item(
            id=self.text(entry, "id", path),
            group=entry["group"],
            **{name: self.both(entry, name, path) for name in _TEXTS},
            owner=self.sections["owners"][self.choice(entry, "owner", self.sections["owners"], path)],
            when=self.condition(entry["when"], (*path, "when")) if "when" in entry else ALWAYS,
            proven_when=self.condition(entry["proven_when"], (*path, "proven_when")) if proof else None,
            evidence=self.evidence(entry, path) if proof else None,
            facts=tuple(self.facts(entry, path)),
            source=tuple(self.sources(entry, sources, path)),
            where=self.document.where(path),
        )

    def evidence(self, entry: Mapping[str, Any], path: KeyPath) -> Wording:
        """A sentence in both languages that names only what evidence can fill in."""
        for key in ("evidence", "evidence_zh"):
            for name in self.names(self.text(entry, key, path), (*path, key)):
                self.known(name, (*path, key))
        return self.both(entry, "evidence", path)

    def facts(self, entry: Mapping[str, Any], path: KeyPath) -> Iterator[str]:
        names = entry.get("facts", [])
        if not isinstance(names, list):
            self.fail("facts is a list of names", (*path, "facts"))
        for position, name in enumerate(names):
            self.known(str(name), (*path, "facts", position))
            yield name

    def known(self, name: str, path: KeyPath) -> None:
        known = (*WORDS, *self.words.facts)
        if name not in known:
            self.fail(f'nothing is called "{name}"', path, word=name, allowed=known)

    def names(self, sentence: str, path: KeyPath) -> list[str]:
        try:
            return sorted(placeholders(sentence))
        except ValueError as error:
            self.fail(f"braces do not match: {error}", path)

    def sources(self, entry: Mapping[str, Any], sources: Mapping[str, str], path: KeyPath) -> Iterator[str]:
        keys = entry.get("source")
        if not isinstance(keys, list) or not keys:
            self.fail("needs a list of sources", path)
        for key in keys:
            if key not in sources:
                self.fail(
                    f'"{key}" is not one of the sources', (*path, "source"), word=str(key), allowed=tuple(sources)
                )
            yield sources[key]

    def condition(self, body: Any, path: KeyPath) -> Condition:
        return conditions.parse(body, self.document, path, self.words, self.terms)

    def wording(self, entry: Any, path: KeyPath) -> Wording:
        entry = self.mapping(entry, path)
        self.check_keys(entry, ("en", "zh"), path)
        return Wording(self.text(entry, "en", path), self.text(entry, "zh", path))

    def both(self, entry: Mapping[str, Any], name: str, path: KeyPath) -> Wording:
        return Wording(self.text(entry, name, path), self.text(entry, f"{name}_zh", path))

    def text(self, entry: Mapping[str, Any], key: str, path: KeyPath) -> str:
        value = entry.get(key)
        if not isinstance(value, str) or not value.strip():
            self.fail(f"needs a text {key}", path)
        return value.strip()

    def choice(self, entry: Mapping[str, Any], key: str, allowed: Mapping[str, Any], path: KeyPath) -> str:
        word = self.text(entry, key, path)
        if word not in allowed:
            self.fail(f'{key} "{word}" is not declared', (*path, key), word=word, allowed=tuple(allowed))
        return word

    def mapping(self, value: Any, path: KeyPath) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.fail(f"{path[-1] if path else 'a checklist'} must be a mapping", path)
        return value

    def check_keys(self, body: Mapping[str, Any], allowed: Sequence[str], path: KeyPath) -> None:
        for key in body:
            if key not in allowed:
                self.fail(f'unknown key "{key}"', (*path, key), word=key, allowed=allowed)

    def fail(self, message: str, path: KeyPath, *, word: str = "", allowed: Sequence[str] = ()) -> NoReturn:
        raise RulesError(
            message,
            where=self.document.where(path),
            allowed=allowed,
            suggestion=nearest(word, allowed) if word else None,
        )
