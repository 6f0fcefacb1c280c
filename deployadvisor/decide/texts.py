"""The texts of rules, facts and candidates in one language, keyed by id.

English stands in the rules themselves. A translation is a file of its own; a text that it lacks falls back to
English, so that a user's own rule still speaks, and a check reports what the shipped files lack.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from deployadvisor import documents
from deployadvisor.decide.entry import Entry
from deployadvisor.decide.ruleset import Candidate, Rule, Ruleset
from deployadvisor.decide.vocabulary import Fact, Input, Vocabulary
from deployadvisor.documents import Document
from deployadvisor.errors import Where
from deployadvisor.resources import display_path

Key = tuple[str, ...]
"""Place of one text, such as ``("rules", "nothing-to-tune")`` or ``("facts", "purpose", "ask")``."""

_SECTIONS = ("facts", "inputs", "rules", "candidates")
_HEAD = ("schema", "language")
_QUESTION_KEYS = ("ask", "decides")


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts in one language; what is not in ``wordings`` is taken from the rules."""

    language: str
    wordings: Mapping[Key, str] = field(default_factory=dict)
    places: Mapping[Key, Where] = field(default_factory=dict, repr=False)

    def rule(self, rule: Rule) -> str:
        """Why the rule speaks, or what it finds missing."""
        return self.wordings.get(("rules", rule.id), rule.text)

    def ask(self, asked: Fact | Input) -> str:
        """The question that a fact or an input answers."""
        return self.wordings.get((*_key(asked), "ask"), asked.ask)

    def decides(self, asked: Fact | Input) -> str:
        """What the answer to the question can change."""
        return self.wordings.get((*_key(asked), "decides"), asked.decides)

    def title(self, ruleset: Ruleset, candidate: Candidate) -> str:
        """The name of something that can be chosen; names of products are the same in every language."""
        return self.wordings.get(("candidates", ruleset.name, candidate.id), candidate.title)


def _key(asked: Fact | Input) -> Key:
    return "facts" if isinstance(asked, Fact) else "inputs", asked.name


@cache
def english() -> Texts:
    """The texts as the rules state them."""
    return Texts("en")


def load_texts(path: Path) -> Texts:
    """Read a translation; RulesError with file:line:column when it is not one."""
    return read_texts(documents.read(path, display_path(path)))


def read_texts(document: Document) -> Texts:
    """A translation from a document that has been read."""
    documents.expect_schema(document, "texts")
    top = Entry(document, document.value)
    top.check("a translation is a mapping with its language", (*_HEAD, *_SECTIONS))
    language = top["language"].text()
    entries = {tuple(map(str, entry.path)): entry for section in _SECTIONS for entry in _entries(top, section)}
    wordings = {key: entry.text() for key, entry in entries.items()}
    return Texts(language, wordings, {key: entry.where for key, entry in entries.items()})


def _entries(top: Entry, section: str) -> Iterator[Entry]:
    for part in top[section].parts():
        part.word()
        if section in {"facts", "inputs"}:
            part.check(f"{part.name}: must be a mapping", _QUESTION_KEYS)
        yield from [part] if section == "rules" else part.parts()


# What a translation owes


def missing_texts(texts: Texts, rulesets: Sequence[Ruleset], vocabulary: Vocabulary) -> tuple[str, ...]:
    """The texts that the rules state and the translation lacks, such as ``facts.purpose.ask``."""
    return tuple(".".join(key) for key in _owed(rulesets, vocabulary) if key not in texts.wordings)


def stale_texts(texts: Texts, rulesets: Sequence[Ruleset], vocabulary: Vocabulary) -> tuple[str, ...]:
    """The texts of the translation that no rule, fact or candidate has any more."""
    owed = {*_owed(rulesets, vocabulary), *_titles(rulesets)}
    return tuple(".".join(key) for key in texts.wordings if key not in owed)


def _owed(rulesets: Sequence[Ruleset], vocabulary: Vocabulary) -> Iterator[Key]:
    attributes = (fact for ruleset in rulesets for fact in ruleset.attributes.values())
    everything: tuple[Fact | Input, ...] = (*vocabulary.facts.values(), *attributes, *vocabulary.inputs.values())
    for asked in everything:
        yield *_key(asked), "ask"
        if asked.decides:
            yield *_key(asked), "decides"
    yield from (("rules", rule.id) for ruleset in rulesets for rule in ruleset.rules)
    # candidates judged by their attributes are given by name: products, called the same in every language
    yield from _titles(ruleset for ruleset in rulesets if not ruleset.attributes)


def _titles(rulesets: Iterable[Ruleset]) -> Iterator[Key]:
    return (("candidates", ruleset.name, name) for ruleset in rulesets for name in ruleset.candidates)
