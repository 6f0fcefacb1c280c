"""What an engine's own command line lets through, or only refuses while it starts: flags and names of parsers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from deployadvisor.catalog.engines import Engine, PlanField, known_flags
from deployadvisor.catalog.flag_changes import changes_of
from deployadvisor.catalog.parsers import registries
from deployadvisor.errors import nearest

_NUMBER = re.compile(r"-\d+(\.\d+)?")


def check_flags(engine: Engine, words: Sequence[str]) -> Iterator[str]:
    """Every flag must be spelled out and known to the pinned version; abbreviations pass argparse, not us."""
    known = known_flags(engine.id)
    for word in words:
        flag, _, _ = word.partition("=")
        if not flag.startswith("-") or _NUMBER.fullmatch(flag):
            continue
        if flag in engine.never:
            yield f"{flag} must not be used: {engine.never[flag]}"
        elif flag not in known and flag.replace("--no-", "--", 1) not in known:
            yield _unknown(engine, flag)
    yield from _unknown_parsers(engine, words)


def _unknown(engine: Engine, flag: str) -> str:
    """What is wrong with a flag, with what became of it or what may have been meant."""
    change = changes_of(engine.id).get(flag)
    if change is not None:
        return f"{engine.name} {engine.version} has no option {flag}: {change}"
    close = nearest(flag, known_flags(engine.id))
    meant = f"; did you mean {close}?" if close else ""
    return f"{engine.name} {engine.version} has no option {flag}{meant}"


def _unknown_parsers(engine: Engine, words: Sequence[str]) -> Iterator[str]:
    registry = registries().get(engine.id)
    if registry is None:
        return
    fields: dict[PlanField, frozenset[str]] = {
        "tool_parser": registry.tool_calls,
        "reasoning_parser": registry.reasoning,
    }
    for field, known in fields.items():
        for name in _values(engine, field, words):
            if name not in known:
                close = nearest(name, known)
                meant = f"; did you mean {close}?" if close else ""
                yield f"{engine.name} {engine.version} has no parser {name!r}{meant}"


def _values(engine: Engine, field: PlanField, words: Sequence[str]) -> Iterator[str]:
    """The words after the option of a field, written apart or with ``=``."""
    option = engine.flags.get(field)
    names = option.names if option else ()
    yield from (value for flag, value in pairwise(words) if flag in names)
    for flag, equals, value in (word.partition("=") for word in words):
        if equals and flag in names:
            yield value
