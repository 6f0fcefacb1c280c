"""What the rules promise, read from a file, such as that a raised fact never moves the winner from here to there.

A property with ``raise`` is about two profiles that differ in one ordered fact; one without is about each profile by
itself. ``when`` narrows both; where it tests attributes, they are those of the winner.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deployadvisor import documents
from deployadvisor.decide import conditions
from deployadvisor.decide.conditions import ALWAYS, Condition, tests_in
from deployadvisor.decide.entry import Entry, about
from deployadvisor.decide.ruleset import EVERY, Ruleset
from deployadvisor.documents import Document, quoted
from deployadvisor.errors import Where

BLOCKED = "blocked"
DEFAULT_RULESET = "route"

_TOP_KEYS = ("schema", "sources", "groups", "properties")
_KEYS = ("id", "ruleset", "raise", "when", "never", "because")

Winners = frozenset[str | None]
"""Candidates, and None for a profile in which nothing is allowed."""


@dataclass(frozen=True, slots=True)
class Property:
    """One promise. ``raised`` is empty when it is about single profiles."""

    id: str
    ruleset: str
    raised: tuple[str, ...]
    when: Condition
    origin: Winners
    """Winners that a raised fact never moves to ``target``; all others when none are named."""
    target: Winners
    because: str
    where: Where


@dataclass(frozen=True, slots=True)
class Properties:
    """A file of promises, and how old the sources of the rules may be."""

    promises: tuple[Property, ...] = ()
    source_limit_days: float | None = None

    def of(self, ruleset: str) -> tuple[Property, ...]:
        """The promises about one ruleset."""
        return tuple(promise for promise in self.promises if promise.ruleset == ruleset)


def load(path: Path, rulesets: Iterable[Ruleset], source: str | None = None) -> Properties:
    """Read a file of properties; RulesError with file:line:column when it is not one."""
    return read(documents.read(path, source), rulesets)


def read(document: Document, rulesets: Iterable[Ruleset]) -> Properties:
    """Properties from a document that has been read."""
    documents.expect_schema(document, "properties")
    top = Entry(document, document.value)
    top.check("a file of properties is a mapping", _TOP_KEYS)
    by_name = {ruleset.name: ruleset for ruleset in rulesets}
    groups = {part.name: _read_groups(part, _ruleset(part, part.name, by_name)) for part in top["groups"].parts()}
    promises: dict[str, Property] = {}
    for entry in top["properties"].items():
        promise = _read_property(entry, by_name, groups)
        if promise.id in promises:
            entry.fail(f"property {quoted(promise.id)} is stated twice (first at {promises[promise.id].where})")
        promises[promise.id] = promise
    return Properties(tuple(promises.values()), _read_limit(top["sources"]))


def _read_limit(entry: Entry) -> float | None:
    if entry.value is None:
        return None
    entry.check("sources: must be a mapping with limit_days", ("limit_days",))
    return entry["limit_days"].positive()


def _ruleset(entry: Entry, name: str, rulesets: Mapping[str, Ruleset]) -> Ruleset:
    if name not in rulesets:
        entry.fail(f"no ruleset {quoted(name)}", allowed=tuple(rulesets), word=name, key=entry.name == name)
    return rulesets[name]


# Candidates

_Groups = Mapping[str, Winners]


def _read_groups(entry: Entry, ruleset: Ruleset) -> _Groups:
    groups: dict[str, Winners] = {}
    for part in entry.parts():
        if part.name in {BLOCKED, EVERY, *ruleset.candidates}:
            part.fail(f"{quoted(part.name)} already means something", key=True)
        groups[part.word()] = _read_winners(part, ruleset, groups)
    return groups


def _read_winners(entry: Entry, ruleset: Ruleset, groups: _Groups) -> Winners:
    entries = [entry] if isinstance(entry.value, str) else [*entry.items()]
    if not entries:
        entry.fail(f"{entry.name} needs a group, a candidate or a list of them")
    return frozenset(winner for one in entries for winner in _winners(one, ruleset, groups))


def _winners(entry: Entry, ruleset: Ruleset, groups: _Groups) -> Winners:
    word = entry.value
    if word == BLOCKED:
        return frozenset([None])
    if word == EVERY:
        return frozenset(ruleset.candidates)
    if word in groups:
        return groups[word]
    if word not in ruleset.candidates:
        allowed = (BLOCKED, EVERY, *groups, *ruleset.candidates)
        entry.fail(f"no group or candidate {quoted(word)}", allowed=allowed, word=str(word))
    named = any(word in rule.targets for rule in ruleset.rules) or ruleset.candidates[word].stands != ALWAYS
    if ruleset.attributes and not named:
        entry.fail(f"no rule tells {quoted(word)} from others", remedy=f"speak of {EVERY} and of attributes")
    return frozenset([word])


# Properties


def _read_property(entry: Entry, rulesets: Mapping[str, Ruleset], groups: Mapping[str, _Groups]) -> Property:
    entry.check("a property is a mapping with id, never and because", _KEYS)
    name = entry["id"].text()
    with about(f"property {name}"):
        ruleset = _ruleset(entry["ruleset"], entry["ruleset"].text(DEFAULT_RULESET), rulesets)
        raised = _read_raised(entry["raise"], ruleset)
        when = _read_when(entry["when"], ruleset)
        if not raised and when == ALWAYS:
            entry.fail("needs raise, when, or both")
        origin, target = _read_never(entry["never"], ruleset, groups.get(ruleset.name, {}), raises=bool(raised))
        if None in origin | target and any(test.fact in ruleset.attributes for test in tests_in(when)):
            entry["when"].fail(f"tests attributes of the winner, and where everything is {BLOCKED} there is none")
        return Property(name, ruleset.name, raised, when, origin, target, entry["because"].text(), entry.where)


def _read_never(entry: Entry, ruleset: Ruleset, groups: _Groups, *, raises: bool) -> tuple[Winners, Winners]:
    entry.check("never: must be a mapping with to, and from beside raise", ("from", "to"))
    target = _read_winners(entry["to"], ruleset, groups)
    if "from" in entry:
        if not raises:
            entry["from"].fail("from needs raise: without it there is one profile", key=True)
        origin = _read_winners(entry["from"], ruleset, groups)
        if both := sorted(name or BLOCKED for name in origin & target):
            entry["from"].fail(f"from and to both name {', '.join(both)}")
        return origin, target
    everything: Winners = frozenset([None, *ruleset.candidates])
    return everything - target if raises else frozenset(), target


def _read_raised(entry: Entry, ruleset: Ruleset) -> tuple[str, ...]:
    if entry.value is None:
        return ()
    entries = [entry] if isinstance(entry.value, str) else [*entry.items()]
    return tuple(_read_raised_fact(one, ruleset) for one in entries)


def _read_raised_fact(entry: Entry, ruleset: Ruleset) -> str:
    name = str(entry.value)
    if name in ruleset.attributes:
        entry.fail(f"raise needs a fact of the profile, and {name} belongs to the candidates")
    fact = ruleset.vocabulary.facts.get(name)
    if fact is None:
        entry.fail(f"unknown fact {quoted(name)}", allowed=tuple(ruleset.vocabulary.facts), word=name)
    if not fact.ordered:
        entry.fail(f"raise needs an order, and {name} is a choice")
    return name


def _read_when(entry: Entry, ruleset: Ruleset) -> Condition:
    if entry.value is None:
        return ALWAYS
    return conditions.parse(entry.value, entry.document, entry.path, ruleset.vocabulary, ruleset.terms)
