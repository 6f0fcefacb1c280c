"""The results of a preflight as a table for a terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

import click

from deployadvisor.checklist.results import STATUSES, Preflight
from deployadvisor.checklist.wording import Status, wordings

_COLOURS: dict[Status, str] = {
    "passed": "green",
    "failed": "red",
    "unknown": "yellow",
    "not_applicable": "bright_black",
}


def show(checked: Preflight, lang: str, *, colour: bool) -> Iterator[str]:
    """One line a check, what to do below what did not pass, and the counts at the end."""
    words = {status: wordings().statuses[status].say(lang) for status in STATUSES}
    status_width = max(map(_width, words.values()))
    title_width = max((_width(result.title) for result in checked.results), default=0)
    for result in checked.results:
        said = _padded(words[result.status], status_width)
        status = click.style(said, fg=_COLOURS[result.status]) if colour else said
        yield f"{status}  {_padded(result.title, title_width)}  {result.evidence}".rstrip()
        if result.remedy:
            yield f"{' ' * (status_width + title_width + 4)}→ {result.remedy}"
    yield ""
    yield ", ".join(f"{count} {words[status]}" for status, count in checked.counts.items())


def _padded(text: str, width: int) -> str:
    return text + " " * (width - _width(text))


def _width(text: str) -> int:
    """Columns on a terminal, where Chinese characters take two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text)
