"""Options and small steps that several commands share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from deployadvisor import documents, profile
from deployadvisor.documents import Document
from deployadvisor.profile import Profile

F = TypeVar("F", bound=Callable[..., Any])

EXIT_CODES = {"decided": 0, "blocked": 3, "open": 4}


def json_option(function: F) -> F:
    """``--json``: machine-readable output, errors included."""
    return click.option("--json", "as_json", is_flag=True, help="Print only JSON, errors included.")(function)


def lang_option(function: F) -> F:
    """``--lang``."""
    choice = click.Choice(["en", "zh"])
    return click.option("--lang", type=choice, default="en", show_default=True, help="Language of the texts.")(
        function
    )


def rules_option(function: F) -> F:
    """``--rules``."""
    help_text = "Folder of rules; the shipped one by default."
    return click.option("--rules", "rules_folder", type=click.Path(path_type=Path), help=help_text)(function)


def overlay_option(function: F) -> F:
    """``--overlay``."""
    help_text = "Lay this file of changes over the rules; repeatable, in order."
    kind = click.Path(path_type=Path)
    return click.option("--overlay", "overlays", multiple=True, type=kind, metavar="FILE", help=help_text)(function)


def question_options(function: F) -> F:
    """The profile and everything that changes the question."""
    for decorate in (
        click.option("--strict", is_flag=True, help="Assume nothing: what is left out stays open."),
        click.option("--rules", "rules_folder", type=click.Path(path_type=Path), help="Folder of rules to use."),
        click.option(
            "--hardware",
            help='What to run on: probe, none, a machine file, an instance type, or a phrase like "2x RTX 4090".',
        ),
        click.option(
            "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Answer one question; repeatable."
        ),
        click.argument("profile_path", metavar="[PROFILE]", required=False),
    ):
        function = decorate(function)
    return function


def bundle_options(function: F) -> F:
    """Where files go, and which."""
    for decorate in (
        click.option("--keep-edits", is_flag=True, help="Keep edited files that are rendered differently now."),
        click.option("--force", is_flag=True, help="Overwrite edited files and foreign folders."),
        click.option("--proxy", metavar="P", help="What stands in front of the engine: caddy (by default) or nginx."),
        click.option("--target", "targets", multiple=True, metavar="T", help="Render this target; repeatable."),
    ):
        function = decorate(function)
    return function


def read_profile(path: str | None, settings: tuple[str, ...]) -> Profile:
    """The profile of a file, of standard input (``-``), or of ``--set`` alone."""
    overrides = profile.parse_settings(settings)
    if path is None:
        return profile.from_document(Document("--set", {}, {}), overrides)
    document = documents.parse(sys.stdin.read(), "stdin") if path == "-" else documents.read(Path(path))
    return profile.from_document(document, overrides)


def print_notes(lines: Iterable[str]) -> None:
    """Print what a person should know beside the output, where it does not disturb programs."""
    for line in lines:
        click.echo(line, err=True)


def print_json(value: Mapping[str, Any] | list[Any]) -> None:
    """Print a value as JSON, keeping Chinese readable."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def table(rows: list[tuple[str, ...]], headings: tuple[str, ...]) -> str:
    """Columns as wide as their widest cell."""
    cells = [headings, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )
