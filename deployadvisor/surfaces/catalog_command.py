"""``deployadvisor catalog``: list what the catalogue knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import click
from pydantic import BaseModel

from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.gpus import gpus
from deployadvisor.catalog.models import models
from deployadvisor.catalog.providers import providers
from deployadvisor.catalog.regulations import regulations
from deployadvisor.surfaces import options

Row = tuple[str, ...]


def _text(value: Any, pattern: str = "{}") -> str:
    return "?" if value is None else pattern.format(value)


def _models() -> Iterable[tuple[BaseModel, Row]]:
    for entry in models().values():
        billions = entry.total_params / 1e9 if entry.total_params else None
        yield (
            entry,
            (entry.id, _text(billions, "{:.1f}B"), entry.attention, _text(entry.quality), entry.commercial_use),
        )


def _gpus() -> Iterable[tuple[BaseModel, Row]]:
    for entry in gpus().values():
        memory, bandwidth = entry.usable_memory_gib, entry.memory_bandwidth_gb_s
        row = (_text(memory, "{:.1f} GiB"), _text(bandwidth, "{:.0f} GB/s"), _text(entry.compute_capability))
        yield entry, (entry.id, entry.name, *row)


def _engines() -> Iterable[tuple[BaseModel, Row]]:
    for entry in engines().values():
        yield (
            entry,
            (entry.id, entry.version, "/".join(entry.roles), entry.licence, entry.image or "built from a Dockerfile"),
        )


def _providers() -> Iterable[tuple[BaseModel, Row]]:
    for entry in providers().values():
        yield (
            entry,
            (entry.id, entry.hq, ",".join(entry.endpoints), entry.training_default, entry.default_model or "?"),
        )


def _regulations() -> Iterable[tuple[BaseModel, Row]]:
    for entry in regulations().values():
        yield entry, (entry.id, entry.jurisdiction, entry.name, entry.name_zh)


_TABLES: dict[str, tuple[Row, Callable[[], Iterable[tuple[BaseModel, Row]]]]] = {
    "models": (("model", "parameters", "attention", "quality", "commercial use"), _models),
    "gpus": (("id", "name", "memory", "bandwidth", "compute capability"), _gpus),
    "engines": (("id", "version", "roles", "licence", "image"), _engines),
    "providers": (("id", "home", "regions", "training", "default model"), _providers),
    "regulations": (("id", "jurisdiction", "name", "名称"), _regulations),
}


@click.command("catalog", epilog="Example: deployadvisor catalog gpus h100")
@click.argument("kind", type=click.Choice(list(_TABLES)))
@click.argument("words", nargs=-1)
@options.json_option
def command(kind: str, words: tuple[str, ...], as_json: bool) -> int:
    """List models, gpus, engines, providers or regulations; WORDS filter the rows. A ? was not read anywhere."""
    headings, rows = _TABLES[kind]
    wanted = [word.casefold() for word in words]
    found = [(entry, row) for entry, row in rows() if all(word in " ".join(row).casefold() for word in wanted)]
    if as_json:
        options.print_json([entry.model_dump(mode="json") for entry, _ in found])
    else:
        click.echo(options.table([row for _, row in found], headings))
    return 0
