"""Parsers that turn a model's text into tool calls and reasoning: which an engine has, and which a model needs.

Engines take the name of a parser unseen, some until the first request with tools, so a name is checked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache

from pydantic import Field

from deployadvisor.catalog.architectures import EngineId
from deployadvisor.catalog.lookup import load_entries
from deployadvisor.catalog.provenance import Frozen, Sourced


class Registry(Sourced):
    """The names that the pinned version of one engine knows."""

    id: EngineId
    version: str
    tool_calls: frozenset[str]
    reasoning: frozenset[str]


class Parsers(Frozen):
    """The names for one kind of model in one engine; None where it needs none, or no source names one."""

    tool_calls: str | None = None
    reasoning: str | None = None


class Speech(Sourced):
    """How some models write tool calls and reasoning, by the ids of the models."""

    id: str
    models: tuple[str, ...] = Field(min_length=1)
    """Patterns of model ids, with ``*``; the first entry that has one decides."""
    but_not: tuple[str, ...] = ()
    engines: Mapping[EngineId, Parsers]

    def fits(self, model_id: str) -> bool:
        """Whether a model speaks so; case does not count."""
        return _matches(model_id, self.models) and not _matches(model_id, self.but_not)


def _matches(model_id: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(model_id.casefold(), pattern.casefold()) for pattern in patterns)


def parsers_for(engine_id: str, model_id: str) -> Parsers:
    """The parsers to give to an engine for a model; both None where no source names them.

    >>> parsers_for("vllm", "Qwen/Qwen3-8B")
    Parsers(tool_calls='hermes', reasoning='qwen3')
    """
    spoken = next((speech for speech in speeches().values() if speech.fits(model_id)), None)
    named = spoken.engines.items() if spoken else ()
    return next((parsers for name, parsers in named if name == engine_id), Parsers())


@cache
def registries() -> Mapping[str, Registry]:
    """The names that each engine knows."""
    return load_entries("parsers", Registry, "registries")


@cache
def speeches() -> Mapping[str, Speech]:
    """What models write, first match first."""
    return load_entries("parsers", Speech, "speeches")
