"""``deployadvisor catalog``: list, filter and show what the catalogue knows, and where it was read."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click

from deployadvisor.catalog.engines import Engine, engines, find_engine
from deployadvisor.catalog.gpus import Gpu, find_gpu, gpus
from deployadvisor.catalog.instances import Instance, find_instance, instances
from deployadvisor.catalog.models import Model, find_model, models
from deployadvisor.catalog.providers import Provider, find_provider, providers
from deployadvisor.catalog.regulations import Regulation, find_regulation, regulations
from deployadvisor.documents import quoted
from deployadvisor.errors import DeployAdvisorError
from deployadvisor.surfaces import options
from deployadvisor.surfaces.catalog_entry import entry_text
from deployadvisor.surfaces.catalog_filters import UNKNOWN, Condition, field_value, read_condition

Row = tuple[str, ...]


def _text(value: Any, pattern: str = "{}") -> str:
    return UNKNOWN if value is None else pattern.format(value)


def _model(entry: Model) -> Row:
    billions = entry.total_params / 1e9 if entry.total_params else None
    return (entry.id, _text(billions, "{:.1f}B"), entry.attention, _text(entry.quality), entry.commercial_use)


def _gpu(entry: Gpu) -> Row:
    memory, bandwidth = entry.usable_memory_gib, entry.memory_bandwidth_gb_s
    measures = (_text(memory, "{:.1f} GiB"), _text(bandwidth, "{:.0f} GB/s"), _text(entry.compute_capability))
    return (entry.id, entry.name, *measures)


def _instance(entry: Instance) -> Row:
    host = (_text(entry.vcpus), _text(entry.memory_gib, "{:g} GiB"))
    return (entry.id, entry.cloud, f"{entry.gpus}x {entry.gpu}", *host)


def _engine(entry: Engine) -> Row:
    roles, image = "/".join(entry.roles), entry.image or "built from a Dockerfile"
    return (entry.id, entry.version, roles, entry.licence, image)


def _provider(entry: Provider) -> Row:
    return (entry.id, entry.hq, ",".join(entry.endpoints), entry.training_default, _text(entry.default_model))


def _regulation(entry: Regulation) -> Row:
    return (entry.id, entry.jurisdiction, entry.name, entry.name_zh)


@dataclass(frozen=True, slots=True)
class _Kind:
    """One part of the catalogue as this command shows it."""

    headings: Row
    entries: Callable[[], Mapping[str, Any]]
    find: Callable[[str], Any]
    row: Callable[[Any], Row]


_KINDS = {
    "models": _Kind(("model", "parameters", "attention", "quality", "commercial use"), models, find_model, _model),
    "gpus": _Kind(("id", "name", "memory", "bandwidth", "compute capability"), gpus, find_gpu, _gpu),
    "instances": _Kind(("type", "cloud", "cards", "vCPUs", "memory"), instances, find_instance, _instance),
    "engines": _Kind(("id", "version", "roles", "licence", "image"), engines, find_engine, _engine),
    "providers": _Kind(("id", "home", "regions", "training", "default model"), providers, find_provider, _provider),
    "regulations": _Kind(("id", "jurisdiction", "name", "名称"), regulations, find_regulation, _regulation),
}

_EXAMPLES = """\b
Examples:
  deployadvisor catalog gpus h100
  deployadvisor catalog gpus --where vendor=amd --where "memory_gb>=192"
  deployadvisor catalog instances gcp h100
  deployadvisor catalog models --where attention=mla --where "total_params<100e9"
  deployadvisor catalog models --show qwen3-8b
"""


@click.command("catalog", epilog=_EXAMPLES)
@click.argument("kind", type=click.Choice(list(_KINDS)))
@click.argument("words", nargs=-1)
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Only entries whose field is so; also != < <= > >=; =? finds what is unknown; repeatable.",
)
@click.option("--show", "shown", metavar="NAME", help="One entry in full, with its sources.")
@options.json_option
def command(kind: str, words: tuple[str, ...], conditions: tuple[str, ...], shown: str | None, as_json: bool) -> int:
    """List models, gpus, instances, engines, providers or regulations, or show one of them.

    WORDS must stand in the row or in another name of the entry. A ? was not read anywhere.
    """
    if shown is None:
        _list(_KINDS[kind], words, conditions, as_json)
    elif words or conditions:
        raise click.UsageError("--show takes one name, without words or --where")
    else:
        _show(_KINDS[kind], shown, as_json)
    return 0


def _list(kind: _Kind, words: tuple[str, ...], conditions: tuple[str, ...], as_json: bool) -> None:
    entries = tuple(kind.entries().values())
    wanted = [read_condition(text, entries) for text in conditions]
    found = [entry for entry in entries if _mentions(entry, kind.row(entry), words)]
    found = [entry for entry in found if all(condition.holds(entry) for condition in wanted)]
    if as_json:
        options.print_json([entry.model_dump(mode="json") for entry in found])
    else:
        rows = [kind.row(entry) for entry in found]
        _page(options.table(rows, kind.headings) if rows else _nothing(kind, " ".join(words), conditions))
        _say_what_is_unknown(entries, wanted)


def _mentions(entry: Any, row: Row, words: tuple[str, ...]) -> bool:
    text = " ".join((*row, *entry.aliases)).casefold()
    return all(word.casefold() in text for word in words)


def _nothing(kind: _Kind, words: str, conditions: tuple[str, ...]) -> str:
    """One line for an empty list; words that are a name of something say of what."""
    text = f"no entry matches {quoted(' '.join((words, *conditions)).strip())}"
    if conditions:
        return text
    try:
        entry = kind.find(words)
    except DeployAdvisorError as error:
        return f'{text}; did you mean "{error.suggestion}"?' if error.suggestion else text
    return f"{text}; as a name it means {entry.id}{_republished(entry)}, which --show explains"


def _republished(entry: Any) -> str:
    if not isinstance(entry, Model) or entry.base is None or entry.id in models():
        return ""
    return f" (estimate understands it as a copy of {entry.base})"


def _say_what_is_unknown(entries: tuple[Any, ...], conditions: list[Condition]) -> None:
    """Tell how many entries a condition could not be checked on."""
    for condition in conditions:
        unknown = sum(field_value(entry, condition.field) is None for entry in entries)
        if unknown and condition.value is not None:
            click.echo(f"{condition.field} is unknown in {unknown} of {len(entries)} entries: left out", err=True)


def _page(text: str) -> None:
    """Print the text; on a terminal that it does not fit, in the reader's pager."""
    if sys.stdout.isatty() and text.count("\n") >= shutil.get_terminal_size().lines:
        click.echo_via_pager(text)
    else:
        click.echo(text)


def _show(kind: _Kind, name: str, as_json: bool) -> None:
    entry = kind.find(name)
    if as_json:
        options.print_json(entry.model_dump(mode="json"))
    else:
        click.echo(entry_text(entry, entry.id, _sources_of_base(entry)))


def _sources_of_base(entry: Any) -> tuple[str, ...]:
    """Sources of what a model takes from another one, marked as such."""
    if not isinstance(entry, Model) or entry.base is None:
        return ()
    return tuple(f"{source} (of {entry.base})" for source in models()[entry.base].source)
