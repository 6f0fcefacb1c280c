"""Finding what is defined by itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

_SHOWN = 6


def circle(sources: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Names that lead back to the first of them, when each leads to its sources; empty when none does.

    >>> circle({"a": ["c"], "b": ["a"], "c": ["b"]})
    ('a', 'c', 'b', 'a')
    """
    try:
        TopologicalSorter(sources).prepare()
    except CycleError as error:
        way = [*reversed(error.args[1][1:])]
        start = way.index(next(name for name in sources if name in way))
        return (*way[start:], *way[: start + 1])
    return ()


def in_words(way: Sequence[str]) -> str:
    """A circle as ``a -> b -> a``; of a long one the beginning and the end."""
    shown = [*way[:_SHOWN], "…", way[-1]] if len(way) > _SHOWN + 1 else way
    return " -> ".join(shown)
