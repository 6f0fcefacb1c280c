"""Overlays: an organisation's own additions to a ruleset, replacements and removals, each with its reason.

An overlay is merged into the document of its base before the rules are read. So a term that it redefines changes
every rule that uses the term, and each rule knows the file and line where it stands, in the base or in the overlay.
Facts and candidates belong to the base. Whether an overlay weakens its base is proven in
:mod:`deployadvisor.decide.difference`; here is refused what its text already shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from deployadvisor import documents
from deployadvisor.decide.entry import Entry, about
from deployadvisor.decide.versions import Versions, parse_version, parse_versions
from deployadvisor.documents import Document, KeyPath, quoted
from deployadvisor.errors import Where

Action = Literal["add", "replace", "remove"]

_SECTIONS = {"terms": "term", "constraints": "constraint", "cases": "case", "preferences": "preference"}
"""Sections that an overlay may have, and what one entry is called."""
_ACTIONS: tuple[Action, ...] = ("add", "replace", "remove")
_TOP_KEYS = ("schema", "name", "extends", *_SECTIONS)
_OF_THE_BASE = ("facts", "inputs", "assumptions", "attributes", "candidates")
_REMOVAL_KEYS = ("id", "remove", "reason")


@dataclass(frozen=True, slots=True)
class Change:
    """What an overlay does to one term or rule."""

    action: Action
    section: str
    id: str
    reason: str
    entry: Entry
    """Where the overlay says so."""

    @property
    def body(self) -> Mapping[str, Any]:
        """The term or rule as its base would state it."""
        return {key: value for key, value in self.entry.value.items() if key not in {self.action, "reason"}}

    @property
    def subject(self) -> str:
        """What is changed, such as ``term sensitive``."""
        return f"{_SECTIONS[self.section]} {self.id}"

    @property
    def where(self) -> Where:
        """Place of the change."""
        return _place(self.entry.document, self.entry.path)


@dataclass(frozen=True, slots=True)
class Overlay:
    """One overlay file, valid in itself; whether it suits its base shows when it is merged."""

    name: str
    ruleset: str
    versions: Versions
    changes: tuple[Change, ...]
    document: Document = field(repr=False)


def load(path: Path, source: str | None = None) -> Overlay:
    """Read one overlay file; RulesError with file:line:column when it is not one."""
    return read(documents.read(path, source))


def read(document: Document) -> Overlay:
    """An overlay from a document that has been read."""
    documents.expect_schema(document, "overlay")
    top = Entry(document, document.value)
    top.check("an overlay is a mapping")
    for key in top.value:
        if key in _OF_THE_BASE:
            message = f'an overlay cannot change "{key}": facts and candidates belong to the base'
            top[key].fail(message, key=True, remedy="copy the rules folder to change them")
    top.check("an overlay is a mapping", _TOP_KEYS)
    extends = top["extends"]
    extends.check("an overlay says what it extends: {ruleset: NAME, version: RANGE}", ("ruleset", "version"))
    versions = parse_versions(str(extends["version"].value))
    if versions is None:
        extends["version"].fail('version is a list of bounds such as ">=1.0,<2", with the signs >=, < and ==')
    return Overlay(top["name"].text(), extends["ruleset"].text(), versions, tuple(_changes(top)), document)


def _changes(top: Entry) -> Iterator[Change]:
    first: dict[tuple[bool, str], Where] = {}
    for section, noun in _SECTIONS.items():
        for name, entry in _named(top, section):
            key = (section == "terms", name)
            with about(f"{noun} {name}"):
                change = _change(section, name, entry)
                if key in first:
                    entry.fail(f"is changed twice (first at {first[key]})")
            first[key] = change.where
            yield change


def _named(top: Entry, section: str) -> Iterator[tuple[str, Entry]]:
    """The entries of a section by name: terms are keys, rules have an id."""
    if section == "terms":
        yield from ((entry.name, entry) for entry in top[section].parts())
        return
    for entry in top[section].items():
        entry.check(f"a {_SECTIONS[section]} is a mapping with an id")
        yield entry["id"].text(), entry


def _change(section: str, name: str, entry: Entry) -> Change:
    entry.check("must be a mapping")
    said = [action for action in _ACTIONS if action in entry]
    if len(said) != 1 or not entry[said[0]].flag():
        entry.fail("says exactly one of add: yes, replace: yes, remove: yes")
    action = said[0]
    if action == "remove":
        entry.check("must be a mapping", _REMOVAL_KEYS)
    if action == "replace" and "overridable" in entry:
        entry["overridable"].fail("whether it is overridable is for the base to say", key=True)
    reason = entry["reason"].text("" if action == "add" else None)
    return Change(action, section, name, reason, entry)


# Merging


@dataclass(frozen=True, slots=True)
class Merged(Document):
    """A document whose entries stand in several files; the place of each leads to its own file."""

    origins: Mapping[KeyPath, tuple[Document, KeyPath]] = field(repr=False, default_factory=dict)
    """For each entry, such as ``("cases", 3)``, the document and the path where it stands."""

    def where(self, path: KeyPath = (), *, key: bool = False) -> Where:
        """Place of the value at ``path`` in the file that it comes from."""
        if path[:2] not in self.origins:
            return Document.where(self, path, key=key)
        document, start = self.origins[path[:2]]
        return document.where((*start, *path[2:]), key=key)


@dataclass(frozen=True, slots=True)
class _Standing:
    """A term or rule, and where it stands."""

    id: str
    body: Any
    document: Document
    path: KeyPath

    @property
    def where(self) -> Where:
        return _place(self.document, self.path)


_Sections = dict[str, list[_Standing]]


def extended(bases: Mapping[str, Document], overlay: Overlay) -> Document:
    """The document of the ruleset that an overlay extends, with its changes; ``bases`` have been read as rulesets."""
    extends = Entry(overlay.document, overlay.document.value)["extends"]
    if overlay.ruleset not in bases:
        extends["ruleset"].fail(f"no ruleset {quoted(overlay.ruleset)}", allowed=tuple(bases), word=overlay.ruleset)
    base = bases[overlay.ruleset]
    version = str(base.value.get("version", "0"))
    if (parse_version(version) or (0, 0, 0)) not in overlay.versions:
        extends["version"].fail(f"{overlay.ruleset} {overlay.versions.text} is wanted, but the rules are {version}")
    return _merged(base, overlay.changes)


def _merged(base: Document, changes: Iterable[Change]) -> Merged:
    sections = {section: _standing(base, section) for section in _SECTIONS}
    for change in changes:
        with about(change.subject):
            sections[change.section] = _changed(sections, change)
    value: dict[str, Any] = dict(base.value)
    origins: dict[KeyPath, tuple[Document, KeyPath]] = {}
    for section, entries in sections.items():
        keys: Iterable[Any] = [entry.id for entry in entries] if section == "terms" else range(len(entries))
        origins |= {(section, key): (entry.document, entry.path) for key, entry in zip(keys, entries, strict=True)}
        bodies = [entry.body for entry in entries]
        value[section] = dict(zip(keys, bodies, strict=True)) if section == "terms" else bodies
    return Merged(base.source, value, base.marks, base.key_marks, origins)


def _standing(base: Document, section: str) -> list[_Standing]:
    named = _named(Entry(base, base.value), section)
    return [_Standing(name, entry.value, base, entry.path) for name, entry in named]


def _changed(sections: _Sections, change: Change) -> list[_Standing]:
    """The entries of the section that a change is about, after the change."""
    entries = sections[change.section]
    fresh = _Standing(change.id, change.body, change.entry.document, change.entry.path)
    if change.action == "add":
        _check_new(sections, change)
        return [*entries, fresh]
    ids = [entry.id for entry in entries]
    if change.id not in ids:
        change.entry.fail(f"cannot be {change.action}d, there is none", allowed=ids, word=change.id)
    at = ids.index(change.id)
    if change.section == "constraints":
        _check_overridable(entries[at], change)
        fresh = _Standing(change.id, {**change.body, "overridable": True}, fresh.document, fresh.path)
    return [*entries[:at], *([fresh] if change.action == "replace" else []), *entries[at + 1 :]]


def _check_new(sections: _Sections, change: Change) -> None:
    """Terms share no ids among each other, and neither do rules of all kinds."""
    is_term = change.section == "terms"
    for section, entries in sections.items():
        for entry in entries:
            if (section == "terms") == is_term and entry.id == change.id:
                change.entry.fail(f"cannot be added, it is there already ({entry.where})")


def _check_overridable(entry: _Standing, change: Change) -> None:
    if entry.body.get("overridable") is not True:
        message = f"cannot be {change.action}d, {entry.where} does not mark it overridable: yes"
        change.entry.fail(message, remedy="a stricter rule can be added beside it")


def _place(document: Document, path: KeyPath) -> Where:
    """A term stands where its key does, a rule where its mapping begins."""
    return document.where(path, key=path[0] == "terms")
