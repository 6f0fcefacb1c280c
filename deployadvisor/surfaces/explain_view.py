"""An explanation on the terminal: the facts that decide, what stands against the rest, what would change it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

import click

from deployadvisor.explained import Explained, WhyNot
from deployadvisor.reasoning import Change, Reason, Why, WhyFact
from deployadvisor.surfaces.view import bullet, columns, entry, first_objection
from deployadvisor.surfaces.words import WORDS

_NAMES_SHOWN = 3
_FACT = 30


def show(explained: Explained) -> Iterator[str]:
    """Lines of the terminal view: the verdict, then one part for each question."""
    words = WORDS[explained.lang]
    status = f"{words[explained.status]} · {words['rules']} {explained.ruleset.version}"
    yield f"\n  {click.style(explained.title, bold=True)}    {click.style(status, dim=True)}"
    if explained.difference:
        yield from entry(words["warnings"], explained.difference)
    if explained.possible:
        yield from entry(words["possible"], " · ".join(explained.possible))
    if explained.why:
        yield from _why(explained.why, words)
    if len(explained.why_not) == 1:
        yield from _one_against(explained.why_not[0], words)
    elif explained.why_not:
        yield from _all_against(explained.why_not, words)
    if explained.to or explained.changes:
        yield from _changes(explained, words)
    yield ""


def _why(why: Why, words: dict[str, str]) -> Iterator[str]:
    if why.route is None:
        yield from _part(words["why_open"], ())
        return
    yield from _part(words["why_facts"], _facts(why.facts, words))
    if why.reasons:
        yield from _part(words["why_rules"], _reasons(why.reasons))
    if why.choice:
        chosen = why.choice.engine or why.choice.provider
        heading = words["why_choice"].format(name=why.choice.title)
        yield from _part(heading, _facts(why.choice.facts, words, chosen))
        yield from _part(words["why_rules"], _reasons(why.choice.reasons))


def _part(heading: str, lines: Iterable[str]) -> Iterator[str]:
    """A heading and what stands below it."""
    yield f"\n  {heading}"
    yield from lines


def _reasons(reasons: Iterable[Reason]) -> Iterator[str]:
    for reason in reasons:
        yield from bullet(reason.text, reason.where)


def _facts(facts: Iterable[WhyFact], words: dict[str, str], chosen: str | None = None) -> Iterator[str]:
    """Facts of the project and of what was chosen, one a line; those of others by what they have in common."""
    others = []
    for fact in facts:
        if fact.candidate not in (None, chosen):
            others.append(fact)
            continue
        yield from columns(_kind(fact), _source(fact, words), _FACT)
    others.sort(key=_kind)
    for kind, group in groupby(others, key=_kind):
        yield from columns(kind, _some([fact.candidate or "" for fact in group], words), _FACT)


def _source(fact: WhyFact, words: dict[str, str]) -> str:
    """Where a fact comes from."""
    if fact.basis == "answered":
        return words["basis answered"]
    text = fact.source if fact.candidate is None else f"{fact.text} ({fact.source})"
    return f"{words[f'basis {fact.basis}']}: {text}"


def _kind(fact: WhyFact) -> str:
    return f"{fact.fact} {_plain(fact.value)}"


def _one_against(against: WhyNot, words: dict[str, str]) -> Iterator[str]:
    """Everything that stands against one candidate."""
    yield from _part(words["why_not"].format(name=against.name), ())
    for objection in against.objections:
        text = objection.because or f"{words['missing_one']}{objection.missing}"
        yield from bullet(text, objection.where)
        for detail in objection.details:
            yield from columns("", detail, 4)
    if against.runner_up:
        yield from bullet(against.runner_up.text)
        yield from bullet(against.runner_up.lost_to, against.runner_up.where or "")


def _all_against(candidates: Iterable[WhyNot], words: dict[str, str]) -> Iterator[str]:
    """The first thing that stands against each candidate, with the rule that says it; once where it is the same."""
    yield from _part(words["why_not_all"], ())
    names: dict[tuple[str, str], list[str]] = {}
    for against in candidates:
        names.setdefault(_first_against(against, words), []).append(against.name)
    for (text, where), them in names.items():
        *lines, last = columns(_some(them, words), text)
        yield from lines
        yield last + (f"   {click.style(where, dim=True)}" if where else "")


def _first_against(against: WhyNot, words: dict[str, str]) -> tuple[str, str]:
    if against.runner_up:
        return f"{against.runner_up.text} {against.runner_up.lost_to}", against.runner_up.where or ""
    objection = against.objections[0]
    return first_objection(objection, words), objection.where


def _some(names: list[str], words: dict[str, str]) -> str:
    """The first few names and how many more there are."""
    more = words["and_more"].format(count=len(names) - _NAMES_SHOWN) if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more


def _changes(explained: Explained, words: dict[str, str]) -> Iterator[str]:
    actionable = [change for change in explained.changes if change.actionable]
    hinges = [change for change in explained.changes if not change.actionable]
    heading = words["ways_out"] if explained.status == "blocked" else words["changes"]
    if explained.to:
        heading = words["changes_to"].format(name=explained.to)
    if actionable or not hinges:
        yield from _part(heading, _ways(actionable) if actionable else bullet(words["changes_none"]))
    if hinges:
        yield from _part(words["hinges"], _ways(hinges))


def _ways(changes: Iterable[Change]) -> Iterator[str]:
    for change in changes:
        yield from bullet(change.text)


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
