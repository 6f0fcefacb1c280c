"""Checks on what only the files know: terms that no rule uses, and when each source was read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from deployadvisor.decide.conditions import All, Any_, Condition, Not
from deployadvisor.decide.findings import Issue
from deployadvisor.decide.ruleset import Ruleset
from deployadvisor.documents import Document, KeyPath

_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")


# DA012


def check_terms(ruleset: Ruleset, document: Document) -> Iterator[Issue]:
    """DA012: terms that no rule uses, directly or through another term."""
    used = {id(part) for condition in ruleset.conditions() for part in _parts(condition)}
    for name, meaning in ruleset.terms.items():
        # a rule that uses a term holds the very condition that the term means
        if id(meaning) not in used:
            where = document.where(("terms", name), key=True)
            yield Issue("DA012", where, f"{name}: no rule uses this term", name, ruleset.name)


def _parts(condition: Condition) -> Iterator[Condition]:
    yield condition
    if isinstance(condition, Not):
        yield from _parts(condition.part)
    if isinstance(condition, All | Any_):
        for part in condition.parts:
            yield from _parts(part)


# DA015


def check_sources(document: Document, name: str, today: date | None, limit_days: float | None) -> Iterator[Issue]:
    """DA015: a source that was read too long ago, or that does not say when; ``name`` is what the file is called.

    The day stands in ``checked_on`` beside the source or, as ``read 2026-11-22``, in its text.
    """
    oldest = today - timedelta(days=limit_days) if today and limit_days else date.min
    for path, entry in _entries(document.value, ()):
        source, stated = entry.get("source"), entry.get("checked_on")
        texts = [text for text in (source, stated) if isinstance(text, str)]
        read = [day for text in _DATE.findall(" ".join(texts)) if (day := _day(text))]
        problem = ""
        if read and max(read) < oldest:
            problem = f"the source was read on {max(read)}, more than {limit_days:g} days ago; read it again"
        elif not read and (stated or _is_read(entry)):
            problem = "the source does not say when it was read, as in: read 2026-11-22"
        if problem:
            about = str(entry.get("id") or (path[-1] if path else name))
            where = document.where((*path, "checked_on" if stated else "source"))
            yield Issue("DA015", where, f"{about}: {problem}", about, name)


def _is_read(entry: dict[str, Any]) -> bool:
    """Whether a rule or a term rests on a source, which somebody must have read."""
    return isinstance(entry.get("source"), str) and bool({"id", "means"} & entry.keys())


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _entries(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, dict[str, Any]]]:
    """Every mapping of a document."""
    if isinstance(value, dict):
        yield path, value
        for key, part in value.items():
            yield from _entries(part, (*path, key))
    elif isinstance(value, list):
        for position, part in enumerate(value):
            yield from _entries(part, (*path, position))
