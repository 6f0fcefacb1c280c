"""Reads ruleset files: from YAML with a place for everything to the frozen values of a ruleset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deployadvisor import documents
from deployadvisor.decide import conditions
from deployadvisor.decide.assumptions import Assumption
from deployadvisor.decide.conditions import ALWAYS, Condition, Not
from deployadvisor.decide.entry import Entry, about, boolean_trap, is_word
from deployadvisor.decide.ruleset import (
    ATTRIBUTE_PREFIX,
    EVERY,
    FITS,
    Candidate,
    Given,
    Kind,
    Rule,
    Ruleset,
    RuleTest,
)
from deployadvisor.decide.terms import has_threshold, read_terms
from deployadvisor.decide.vocabulary import Fact, FactValue, Vocabulary, admits, read_facts, read_value
from deployadvisor.documents import Document, quoted

_SECTIONS: dict[str, Kind] = {"constraints": "constraint", "cases": "case", "preferences": "preference"}
_TOP_KEYS = ("schema", "ruleset", "version", "candidates", "attributes", "terms", *_SECTIONS)
_COMMON_KEYS = ("id", "when", "unless", "because", "source", "checked_on", "tests")
_RULE_KEYS: dict[Kind, tuple[str, ...]] = {
    "constraint": (*_COMMON_KEYS, "forbid", "missing", "overridable"),
    "case": (*_COMMON_KEYS, "recommend", "fit"),
    "preference": (*_COMMON_KEYS, "prefer"),
}
_TARGET_KEYS: dict[Kind, str] = {"constraint": "forbid", "case": "recommend", "preference": "prefer"}
_MAX_POINTS = 15
_MAX_TEXT = 200
_MAX_RULES = 1000
_MAX_CANDIDATES = 100

GivenCandidates = Mapping[str, Mapping[str, Given]]
"""Candidates by group: ``{"engines": {id: Given(title)}}``."""


def load(
    path: Path,
    vocabulary: Vocabulary,
    given: GivenCandidates | None = None,
    source: str | None = None,
    assumptions: tuple[Assumption, ...] = (),
) -> Ruleset:
    """Read one ruleset file."""
    return read(documents.read(path, source), vocabulary, given, assumptions)


def read(
    document: Document,
    vocabulary: Vocabulary,
    given: GivenCandidates | None = None,
    assumptions: tuple[Assumption, ...] = (),
) -> Ruleset:
    """A ruleset from a document that has been read."""
    documents.expect_schema(document, "ruleset")
    top = Entry(document, document.value)
    top.check("a ruleset is a mapping", _TOP_KEYS)
    attributes = _read_attributes(top["attributes"], vocabulary)
    words = vocabulary.extended(attributes)
    terms = read_terms(top["terms"], words)
    candidates = _Candidates(words, terms).read(top["candidates"], given or {})
    rules = tuple(_Rules(words, attributes, terms, candidates).read(top))
    return Ruleset(
        name=top["ruleset"].text(document.source),
        version=_version(top["version"]),
        candidates=candidates,
        attributes=attributes,
        terms=terms,
        rules=rules,
        vocabulary=words,
        assumptions=assumptions,
    )


def _version(entry: Entry) -> str:
    if isinstance(entry.value, bool) or not isinstance(entry.value, str | float | int | None):
        entry.fail("version is a text such as 1.0.0")
    return str(entry.value or "0")


def _read_attributes(section: Entry, vocabulary: Vocabulary) -> dict[str, Fact]:
    for entry in section.parts():
        if not entry.name.startswith(ATTRIBUTE_PREFIX):
            entry.fail(f"attribute {quoted(entry.name)} must begin with {ATTRIBUTE_PREFIX}", key=True)
    known = (*vocabulary.facts, *vocabulary.inputs)
    return read_facts(section.document, section.path, section.value or {}, known)


class _Candidates:
    """Reads what can be chosen; a candidate's condition may use all facts, attributes and terms."""

    def __init__(self, vocabulary: Vocabulary, terms: Mapping[str, Condition]) -> None:
        self.vocabulary = vocabulary
        self.terms = terms

    def read(self, section: Entry, given: GivenCandidates) -> dict[str, Candidate]:
        if not isinstance(section.value, dict) or not section.value:
            section.fail("a ruleset names its candidates")
        if len(section.value) > _MAX_CANDIDATES:
            section.fail(f"more than {_MAX_CANDIDATES} candidates")
        if set(section.value) == {"from"}:
            group = section["from"]
            if not isinstance(group.value, str) or group.value not in given:
                group.fail(f"no candidates called {quoted(group.value)}", allowed=tuple(given), word=str(group.value))
            return self._given(section, given[group.value])
        return {entry.name: self._own(entry, place) for place, entry in enumerate(section.parts())}

    def _given(self, section: Entry, group: Mapping[str, Given]) -> dict[str, Candidate]:
        """Conditions of given candidates are written in code, but checked like those of a file."""
        return {
            name: Candidate(name, one.title, place, section.where_key, self._stands(section, one.stands))
            for place, (name, one) in enumerate(group.items())
        }

    def _own(self, entry: Entry, place: int) -> Candidate:
        if entry.word() == EVERY:
            entry.fail(f'"{EVERY}" cannot be a candidate', key=True)
        with about(f"candidate {entry.name}"):
            entry.check("must be a mapping with a title", ("title", "stands"))
            stands = self._stands(entry["stands"], entry["stands"].value)
            return Candidate(entry.name, entry["title"].text(), place, entry.where_key, stands)

    def _stands(self, entry: Entry, body: Any) -> Condition:
        if body is None:
            return ALWAYS
        condition = conditions.parse(body, entry.document, entry.path, self.vocabulary, self.terms)
        if has_threshold(body, self.vocabulary):
            entry.fail("stands has a threshold without a source", remedy="name it as a term, which has one")
        return condition


class _Rules:
    """Reads the rules; holds what every one of them may speak about."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        attributes: Mapping[str, Fact],
        terms: Mapping[str, Condition],
        candidates: Mapping[str, Candidate],
    ) -> None:
        self.vocabulary = vocabulary
        self.attributes = attributes
        self.terms = terms
        self.targets = (*candidates, EVERY)

    def read(self, top: Entry) -> Iterator[Rule]:
        first: dict[str, Rule] = {}
        for section, kind in _SECTIONS.items():
            for entry in top[section].items():
                rule = self._rule(entry, kind)
                if rule.id in first:
                    entry.fail(f'rule id "{rule.id}" is used twice (first at {first[rule.id].where})')
                if len(first) == _MAX_RULES:
                    entry.fail(f"more than {_MAX_RULES:,} rules")
                first[rule.id] = rule
                yield rule

    def _rule(self, entry: Entry, kind: Kind) -> Rule:
        name = entry.value.get("id") if isinstance(entry.value, dict) else None
        if not is_word(name):
            entry.fail(f"a {kind} is a mapping with an id of letters, digits, _ and -")
        with about(f"rule {name}"):
            entry.check("must be a mapping", _RULE_KEYS[kind])
            when = self._when(entry, kind)
            return Rule(
                id=str(name),
                kind=kind,
                targets=self._targets(entry, kind, when),
                when=when,
                text=_text(entry),
                is_missing="missing" in entry,
                where=entry.where,
                fit=_fit(entry["fit"]) if kind == "case" else 0,
                source=entry["source"].text("") or None,
                checked_on=entry["checked_on"].date(),
                overridable=entry["overridable"].flag(default=kind != "constraint"),
                tests=tuple(map(self._test, entry["tests"].items())),
            )

    def _when(self, entry: Entry, kind: Kind) -> Condition:
        keys = [key for key in ("when", "unless") if key in entry.value]
        if not keys and kind == "case":
            return ALWAYS
        if len(keys) != 1:
            entry.fail("needs either when or unless")
        part = entry[keys[0]]
        condition = conditions.parse(part.value, part.document, part.path, self.vocabulary, self.terms)
        if has_threshold(part.value, self.vocabulary) and not entry["source"].text(""):
            entry.fail("has a threshold without a source")
        return condition if part.name == "when" else Not(condition)

    def _targets(self, entry: Entry, kind: Kind, when: Condition) -> dict[str, int]:
        part = entry[_TARGET_KEYS[kind]]
        names = _preferred(part) if kind == "preference" else _named(part)
        for name, word in names:
            if word not in self.targets:
                message = f"unknown candidate {quoted(word)}"
                name.fail(message, allowed=self.targets, word=str(word), key=kind == "preference")
        targets = {word: _points(name) if kind == "preference" else 1 for name, word in names}
        if EVERY in targets and len(names) > 1:
            part.fail(f'"{EVERY}" stands alone')
        if EVERY not in targets and any(test.fact in self.attributes for test in conditions.tests_in(when)):
            part.fail(f'uses an attribute of the candidates, so it must address "{EVERY}"')
        return targets

    def _test(self, entry: Entry) -> RuleTest:
        entry.check("a test has given (facts) and applies (yes or no)", ("given", "applies"))
        if not isinstance(entry["given"].value, dict) or not isinstance(entry["applies"].value, bool):
            entry.fail("a test has given (facts) and applies (yes or no)")
        given = {fact.name: _fact_value(fact, self.vocabulary) for fact in entry["given"].parts()}
        return RuleTest(given, entry["applies"].flag(), entry.where)


def _fact_value(entry: Entry, vocabulary: Vocabulary) -> FactValue:
    """The value that an entry, whose key names a fact, gives to this fact."""
    fact = vocabulary.find(entry.name, entry.where_key)
    value = read_value(entry.value, fact.type)
    if value is None or not admits(fact, value):
        is_trap = isinstance(entry.value, bool)
        problem = boolean_trap(entry.value) if is_trap else f"{quoted(entry.value)} is not a value"
        entry.fail(f"{fact.name}: {problem}", allowed=fact.values or ("a number",), word=str(entry.value))
    return value


def _named(part: Entry) -> list[tuple[Entry, str]]:
    names = [*part.items()] if isinstance(part.value, list) else [part]
    if part.value is None or not names or not all(isinstance(name.value, str) for name in names):
        part.fail(f"needs {part.name}: a candidate or a list of them")
    return [(name, name.value) for name in names]


def _preferred(part: Entry) -> list[tuple[Entry, str]]:
    if not isinstance(part.value, dict) or not part.value:
        part.fail(f"needs {part.name}: candidates with points, such as {{NAME: 2}}")
    return [(name, name.name) for name in part.parts()]


def _points(entry: Entry) -> int:
    points = entry.value
    if type(points) is not int or not 1 <= points <= _MAX_POINTS:
        entry.fail(f"points are whole numbers from 1 to {_MAX_POINTS}")
    return points


def _fit(entry: Entry) -> int:
    if entry.value not in FITS[1:]:
        message = "needs a fit" if entry.value is None else f"{quoted(entry.value)} is not a fit"
        entry.fail(message, allowed=FITS[1:], word=str(entry.value or ""))
    return FITS.index(entry.value)


def _text(entry: Entry) -> str:
    said = [key for key in ("because", "missing") if key in entry.value]
    if len(said) != 1:
        entry.fail("needs one text: because (a principle) or, in a constraint, missing (something to obtain)")
    text = entry[said[0]].text()
    if len(text) > _MAX_TEXT:
        entry[said[0]].fail(f"{said[0]} has more than {_MAX_TEXT} characters")
    return text
