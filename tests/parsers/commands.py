"""Every different command line that the answers to many projects lead to, by engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache

from deployadvisor.catalog.engines import Engine, engines
from deployadvisor.errors import RenderError
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import available_targets
from deployadvisor.render.compose import adapter_arguments
from deployadvisor.render.compose_engine import command
from deployadvisor.render.host import Host
from deployadvisor.render.targets import select
from deployadvisor.render.view import View
from tests.generated.profiles import decided

Words = tuple[str, ...]
PARSED = ("transformers", "lmdeploy", "sglang", "vllm")
"""Engines whose own parser can be asked."""


@cache
def commands(count: int, seed: int = 1) -> dict[str, list[Words]]:
    """The command lines of the first ``count`` decided projects, each once, without the name of the program."""
    found: dict[str, dict[Words, None]] = {engine: {} for engine in PARSED}
    for advice in decided(count, seed):
        for engine, words in _of_answer(advice):
            if engine.id in found:
                found[engine.id][_without_program(engine, words)] = None
    return {engine: list(words) for engine, words in found.items()}


def _of_answer(advice: Recommendation) -> Iterator[tuple[Engine, Sequence[str]]]:
    for target in available_targets(advice):
        view = View(advice, select(advice, [target]))
        if view.serving is None or view.hosted:
            continue
        try:
            for one in _of_view(view):
                yield view.engine, one
        except RenderError:
            continue  # no weights in the engine's format are known, so nothing is rendered either


def _of_view(view: View) -> Iterator[Sequence[str]]:
    if view.on_host:
        yield Host(view).replicas[0].arguments
        return
    own = command(view).get("command", [])
    yield own
    if view.tuning:
        yield command(replace(view, tuned=True)).get("command", [])
        yield [*own, *adapter_arguments(view)]


def _without_program(engine: Engine, words: Sequence[str]) -> Words:
    """Images and installations start at different words of ``lmdeploy serve api_server``."""
    rest = list(words)
    for word in (engine.id, "serve", "api_server"):
        if rest[:1] == [word]:
            rest = rest[1:]
    return tuple(rest)


def every_word(engine: Engine) -> Iterator[Words]:
    """Each word that the catalogue translates, as the engine would be given it."""
    model = engine.flags["model"].arguments("a/model")
    for option in engine.flags.values():
        for word in option.values:
            yield (*model, *option.arguments(word))
    option = engine.flags.get("quantization")
    for name in engine.online_quantization if option else ():
        yield (*model, *option.arguments(name))


def all_lines(engine: str, lines: Iterable[Words]) -> list[Words]:
    """Command lines, and one for each word of the catalogue."""
    return [*lines, *every_word(engines()[engine])]
