"""Reads ruleset files: from YAML with a place for everything to the frozen values of a ruleset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from deployadvisor import documents
from deployadvisor.decide import conditions
from deployadvisor.decide.assumptions import Assumption
from deployadvisor.decide.conditions import ALWAYS, Condition, Not
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
from deployadvisor.decide.vocabulary import Fact, FactValue, Vocabulary, admits, read_facts, read_value
from deployadvisor.documents import Document, KeyPath
from deployadvisor.errors import DeployAdvisorError, RulesError, nearest

_TOP_KEYS = (
    "schema",
    "ruleset",
    "version",
    "candidates",
    "attributes",
    "terms",
    "constraints",
    "cases",
    "preferences",
)
_COMMON_KEYS = ("id", "when", "unless", "because", "source", "checked_on", "tests")
_RULE_KEYS: dict[Kind, tuple[str, ...]] = {
    "constraint": (*_COMMON_KEYS, "forbid", "missing", "overridable"),
    "case": (*_COMMON_KEYS, "recommend", "fit"),
    "preference": (*_COMMON_KEYS, "prefer"),
}
_MAX_POINTS = 15
_MAX_TEXT = 200


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
    return _Reader(document, vocabulary, given or {}).ruleset(assumptions)


class _Reader:
    """Reads one ruleset document; holds what every step needs."""

    def __init__(self, document: Document, vocabulary: Vocabulary, given: GivenCandidates) -> None:
        self.document = document
        self.vocabulary = vocabulary
        self.given = given
        self.terms: dict[str, Condition] = {}
        self.candidates: dict[str, Candidate] = {}

    def ruleset(self, assumptions: tuple[Assumption, ...]) -> Ruleset:
        body = self.document.value
        if not isinstance(body, dict):
            self.fail("a ruleset is a mapping", ())
        self.check_keys(body, _TOP_KEYS, ())
        attributes = self.read_attributes(self.section(body, "attributes"))
        self.vocabulary = self.vocabulary.extended(attributes)
        self.read_terms(self.section(body, "terms"))
        self.candidates = self.read_candidates(body.get("candidates"))
        rules = (
            *self.read_rules(body, "constraints", "constraint"),
            *self.read_rules(body, "cases", "case"),
            *self.read_rules(body, "preferences", "preference"),
        )
        self.check_ids(rules)
        return Ruleset(
            name=str(body.get("ruleset", self.document.source)),
            version=str(body.get("version", "0")),
            candidates=self.candidates,
            attributes=attributes,
            terms=self.terms,
            rules=rules,
            vocabulary=self.vocabulary,
            assumptions=assumptions,
        )

    def fail(
        self,
        message: str,
        path: KeyPath,
        *,
        rule: str = "",
        allowed: Sequence[str] = (),
        word: str = "",
        key: bool = False,
    ) -> NoReturn:
        where = self.document.where(path, key=key)
        text = f"rule {rule}: {message}" if rule else message
        raise RulesError(text, where=where, allowed=allowed, suggestion=nearest(word, allowed) if word else None)

    def check_keys(self, body: Mapping[str, Any], allowed: Sequence[str], path: KeyPath, rule: str = "") -> None:
        for key in body:
            if key not in allowed:
                self.fail(f'unknown key "{key}"', (*path, key), rule=rule, allowed=allowed, word=key, key=True)

    def section(self, body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        entries = body.get(name) or {}
        if not isinstance(entries, dict):
            self.fail(f"{name}: must be a mapping", (name,))
        return entries

    def items(self, body: Mapping[str, Any], name: str, path: KeyPath) -> Sequence[Any]:
        entries = body.get(name) or []
        if not isinstance(entries, list):
            self.fail(f"{name}: must be a list", (*path, name))
        return entries

    def read_attributes(self, body: Mapping[str, Any]) -> dict[str, Fact]:
        for name in body:
            if not name.startswith(ATTRIBUTE_PREFIX):
                self.fail(f'attribute "{name}" must begin with {ATTRIBUTE_PREFIX}', ("attributes", name))
        return read_facts(self.document, ("attributes",), body)

    def read_candidates(self, body: Any) -> dict[str, Candidate]:
        path: KeyPath = ("candidates",)
        if not isinstance(body, dict) or not body:
            self.fail("a ruleset names its candidates", path)
        if set(body) == {"from"}:
            if str(body["from"]) not in self.given:
                message = f'no candidates called "{body["from"]}"'
                self.fail(message, path, allowed=tuple(self.given), word=str(body["from"]))
            return self.given_candidates(self.given[body["from"]])
        if EVERY in body:
            self.fail(f'"{EVERY}" cannot be a candidate', path)
        return {name: self.read_candidate(name, entry, place) for place, (name, entry) in enumerate(body.items())}

    def given_candidates(self, group: Mapping[str, Given]) -> dict[str, Candidate]:
        """The conditions of given candidates are written in code, but checked like those of a file."""
        where = self.document.where(("candidates",), key=True)
        return {
            name: Candidate(name, one.title, place, where, self.read_stands(one.stands, ("candidates", name)))
            for place, (name, one) in enumerate(group.items())
        }

    def read_candidate(self, name: str, entry: Any, place: int) -> Candidate:
        path: KeyPath = ("candidates", name)
        if not isinstance(entry, dict) or "title" not in entry:
            self.fail(f'candidate "{name}" needs a title', path)
        self.check_keys(entry, ("title", "stands"), path)
        stands = self.read_stands(entry.get("stands"), (*path, "stands"))
        return Candidate(name, str(entry["title"]), place, self.document.where(path, key=True), stands)

    def read_stands(self, body: Any, path: KeyPath) -> Condition:
        if body is None:
            return ALWAYS
        return conditions.parse(body, self.document, path, self.vocabulary, self.terms)

    def read_terms(self, body: Mapping[str, Any]) -> None:
        for name, entry in body.items():
            path: KeyPath = ("terms", name)
            if not isinstance(entry, dict) or "means" not in entry:
                self.fail(f'term "{name}" needs means', path)
            self.check_keys(entry, ("means", "source", "checked_on"), path)
            meaning = conditions.parse(entry["means"], self.document, (*path, "means"), self.vocabulary, self.terms)
            if _own_numbers(entry["means"], self.vocabulary) and not entry.get("source"):
                self.fail(f'term "{name}" has a threshold without a source', path)
            self.terms[name] = meaning

    def read_rules(self, body: Mapping[str, Any], group: str, kind: Kind) -> Iterator[Rule]:
        for position, entry in enumerate(self.items(body, group, ())):
            yield self.read_rule(entry, kind, (group, position))

    def read_rule(self, entry: Any, kind: Kind, path: KeyPath) -> Rule:
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or not entry["id"].strip():
            self.fail(f"a {kind} is a mapping with an id", path)
        name = entry["id"]
        self.check_keys(entry, _RULE_KEYS[kind], path, name)
        for key, expected, words in (("source", str, "a text"), ("overridable", bool, "yes or no")):
            if not isinstance(entry.get(key, expected()), expected):
                self.fail(f"{key} is {words}", (*path, key), rule=name)
        when = self.read_condition(entry, path, name)
        text, is_missing = self.read_text(entry, path, name)
        source = entry.get("source")
        if not source and any(_own_numbers(entry.get(key, {}), self.vocabulary) for key in ("when", "unless")):
            self.fail("has a threshold without a source", path, rule=name)
        targets = self.read_targets(entry, kind, path, name)
        if EVERY not in targets and any(test.fact in self.attribute_names() for test in conditions.tests_in(when)):
            self.fail(f'uses an attribute of the candidates, so it must address "{EVERY}"', path, rule=name)
        return Rule(
            id=name,
            kind=kind,
            targets=targets,
            when=when,
            text=text,
            is_missing=is_missing,
            where=self.document.where(path),
            fit=self.read_fit(entry, path, name) if kind == "case" else 0,
            source=source,
            overridable=bool(entry.get("overridable", kind != "constraint")),
            tests=tuple(self.read_tests(entry, path, name)),
        )

    def attribute_names(self) -> frozenset[str]:
        return frozenset(name for name in self.vocabulary.facts if name.startswith(ATTRIBUTE_PREFIX))

    def read_condition(self, entry: Mapping[str, Any], path: KeyPath, name: str) -> Condition:
        if ("when" in entry) == ("unless" in entry):
            if "when" not in entry and entry.get("recommend") is not None:
                return ALWAYS
            self.fail("needs either when or unless", path, rule=name)
        key = "when" if "when" in entry else "unless"
        try:
            condition = conditions.parse(entry[key], self.document, (*path, key), self.vocabulary, self.terms)
        except DeployAdvisorError as error:
            error.message = f"rule {name}: {error.message}"
            raise
        return condition if key == "when" else Not(condition)

    def read_text(self, entry: Mapping[str, Any], path: KeyPath, name: str) -> tuple[str, bool]:
        texts = [entry[key] for key in ("because", "missing") if key in entry]
        if len(texts) != 1 or not isinstance(texts[0], str) or not texts[0].strip():
            self.fail("needs one text: because (a principle) or missing (something to obtain)", path, rule=name)
        if len(texts[0]) > _MAX_TEXT:
            self.fail(f"text longer than {_MAX_TEXT} characters", path, rule=name)
        return texts[0].strip(), "missing" in entry

    def read_targets(self, entry: Mapping[str, Any], kind: Kind, path: KeyPath, name: str) -> dict[str, int]:
        key = {"constraint": "forbid", "case": "recommend", "preference": "prefer"}[kind]
        body = entry.get(key)
        if not body:
            self.fail(f"needs {key}: a candidate or a list of them", path, rule=name)
        if isinstance(body, dict) and kind == "preference":
            targets = body
        else:
            targets = {str(candidate): 1 for candidate in (body if isinstance(body, list) else [body])}
        known = (*self.candidates, EVERY)
        for candidate, points in targets.items():
            if candidate not in known:
                message = f'unknown candidate "{candidate}"'
                self.fail(message, (*path, key), rule=name, allowed=known, word=str(candidate))
            if type(points) is not int or not 1 <= points <= _MAX_POINTS:
                self.fail(f"points are whole numbers from 1 to {_MAX_POINTS}", (*path, key), rule=name)
        if EVERY in targets and len(targets) > 1:
            self.fail(f'"{EVERY}" stands alone', (*path, key), rule=name)
        return targets

    def read_fit(self, entry: Mapping[str, Any], path: KeyPath, name: str) -> int:
        fit = entry.get("fit")
        if fit not in FITS[1:]:
            message = f"fit is one of {', '.join(FITS[1:])}"
            self.fail(message, (*path, "fit"), rule=name, allowed=FITS[1:], word=str(fit))
        return FITS.index(fit)

    def read_tests(self, entry: Mapping[str, Any], path: KeyPath, name: str) -> Iterator[RuleTest]:
        for position, item in enumerate(self.items(entry, "tests", path)):
            here: KeyPath = (*path, "tests", position)
            if (
                not isinstance(item, dict)
                or set(item) != {"given", "applies"}
                or not isinstance(item["given"], dict)
                or not isinstance(item["applies"], bool)
            ):
                self.fail("a test has given (facts) and applies (yes or no)", here, rule=name)
            facts = {key: self.read_given(key, value, (*here, "given", key)) for key, value in item["given"].items()}
            yield RuleTest(facts, item["applies"], self.document.where(here))

    def read_given(self, key: str, value: Any, path: KeyPath) -> FactValue:
        fact = self.vocabulary.find(key, self.document.where(path, key=True))
        read = read_value(value, fact.type)
        if read is None or not admits(fact, read):
            self.fail(f'{key}: "{value}" is not a value of this fact', path, allowed=fact.values, word=str(value))
        return read

    def check_ids(self, rules: Sequence[Rule]) -> None:
        first: dict[str, Rule] = {}
        for rule in rules:
            if rule.id in first:
                raise RulesError(
                    f'rule id "{rule.id}" is used twice (first at {first[rule.id].where})', where=rule.where
                )
            first[rule.id] = rule


def _own_numbers(body: Any, vocabulary: Vocabulary) -> bool:
    """Whether a condition's own text (not its terms, which have their own source) holds a threshold."""
    if isinstance(body, list):
        return any(_own_numbers(item, vocabulary) for item in body)
    if not isinstance(body, dict):
        return False
    for key, value in body.items():
        fact = vocabulary.facts.get(key)
        if (fact is not None and fact.type == "number") or _own_numbers(value, vocabulary):
            return True
    return False
