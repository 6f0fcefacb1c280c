"""Terms: names for conditions, each defined by facts and by terms above it, so that none can mean itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from deployadvisor.decide import conditions
from deployadvisor.decide.circles import circle, in_words
from deployadvisor.decide.conditions import Condition
from deployadvisor.decide.entry import Entry, about
from deployadvisor.decide.vocabulary import Vocabulary

_KEYS = ("means", "source", "checked_on")
_MAX_TERMS = 1000


def read_terms(section: Entry, vocabulary: Vocabulary) -> dict[str, Condition]:
    """The terms of a section, each replaced by what it means."""
    if len(section.value or ()) > _MAX_TERMS:
        section.fail(f"more than {_MAX_TERMS:,} terms")
    uses = {entry.name: tuple(_uses(entry["means"])) for entry in section.parts() if isinstance(entry.value, dict)}
    if way := circle({name: [use.value for use in found] for name, found in uses.items()}):
        use = next(use for use in uses[way[0]] if use.value == way[1])
        use.fail(f"term {way[0]}: is defined by itself: {in_words(way)}")
    terms: dict[str, Condition] = {}
    for entry in section.parts():
        with about(f"term {entry.word()}"):
            for use in uses.get(entry.name, ()):
                if use.value in uses and use.value not in terms:
                    use.fail(f'uses the term "{use.value}", which stands below it', remedy=f"move {use.value} up")
            terms[entry.name] = _read_term(entry, vocabulary, terms)
    return terms


def _read_term(entry: Entry, vocabulary: Vocabulary, terms: Mapping[str, Condition]) -> Condition:
    entry.check("must be a mapping with means", _KEYS)
    means = entry["means"]
    if means.value is None:
        entry.fail("needs means, a condition")
    entry["checked_on"].date()
    meaning = conditions.parse(means.value, means.document, means.path, vocabulary, terms)
    if has_threshold(means.value, vocabulary) and not entry["source"].text(""):
        entry.fail("has a threshold without a source")
    return meaning


def _uses(entry: Entry) -> Iterator[Entry]:
    """The terms that a condition names, wherever they stand in it."""
    if isinstance(entry.value, list):
        parts: Iterable[Entry] = entry.items()
    elif isinstance(entry.value, dict):
        parts = entry.parts()
    else:
        return
    for part in parts:
        if part.path[-1] == "is":
            names = part.items() if isinstance(part.value, list) else (part,)
            yield from (name for name in names if isinstance(name.value, str))
        else:
            yield from _uses(part)


def has_threshold(body: Any, vocabulary: Vocabulary) -> bool:
    """Whether a condition's own text (not its terms, which have their own source) compares a number."""
    if isinstance(body, list):
        return any(has_threshold(item, vocabulary) for item in body)
    if not isinstance(body, dict):
        return False
    facts = (vocabulary.facts.get(key) for key in body)
    return any(fact is not None and fact.type == "number" for fact in facts) or has_threshold(
        [*body.values()], vocabulary
    )
