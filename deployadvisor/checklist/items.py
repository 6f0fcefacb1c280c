"""Which items of the checklist apply to an answer, and which of them it proves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from deployadvisor.checklist import evidence
from deployadvisor.checklist.entries import Checklist, Item, placeholders, read_items
from deployadvisor.checklist.evidence import Evidence
from deployadvisor.decide import conditions, vocabulary
from deployadvisor.recommendation import Recommendation
from deployadvisor.resources import display_path, rules_folder


@dataclass(frozen=True, slots=True)
class Ticked:
    """An item that applies to one answer, ticked or not."""

    item: Item
    evidence: str | None
    """What proves it, in the language of the answer; None when it is open."""
    depends_on: tuple[str, ...]
    """Unknown facts that decide whether it applies at all; empty when it surely does."""
    facts: tuple[tuple[str, str, str], ...] = ()
    """Facts of the decision that it is read against: name, value, and what the value rests on."""

    @property
    def done(self) -> bool:
        """Whether it is ticked already."""
        return self.evidence is not None


def applying(advice: Recommendation) -> tuple[Ticked, ...]:
    """The items that apply to an answer, or may for all that is known, each ticked only on proof."""
    checklist = load_items()
    found = evidence.gather(advice, checklist.vocabulary)
    return tuple(
        Ticked(
            item,
            _proof(item, found, advice.lang),
            _open_facts(item, found) if applies is None else (),
            tuple(_facts(item, found)),
        )
        for item in checklist.items
        if (applies := item.when.evaluate(found.known)) is not False
    )


def _open_facts(item: Item, found: Evidence) -> tuple[str, ...]:
    names = (test.fact for test in conditions.tests_in(item.when))
    return tuple(name for name in dict.fromkeys(names) if name not in found.known)


def _facts(item: Item, found: Evidence) -> Iterator[tuple[str, str, str]]:
    tested = (test.fact for part in (item.when, item.proven_when) if part for test in conditions.tests_in(part))
    for name in dict.fromkeys((*tested, *item.facts)):
        if name in found.readings:
            yield name, *found.readings[name]


def _proof(item: Item, found: Evidence, lang: str) -> str | None:
    """The evidence sentence; none where it cannot be completed, for then something is not proven."""
    if item.proven_when is None or item.evidence is None or not item.proven_when.evaluate(found.proven):
        return None
    sentence = item.evidence.say(lang)
    return sentence.format_map(found.words) if placeholders(sentence) <= found.words.keys() else None


@cache
def load_items() -> Checklist:
    """The shipped checklist; RulesError with file:line:column when it does not load."""
    folder = rules_folder()
    words = vocabulary.load(folder / "vocabulary.yaml", display_path(folder / "vocabulary.yaml"))
    return read_items(folder / "checklist.yaml", words)
