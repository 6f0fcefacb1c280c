"""``deployadvisor sweep``: one question for a whole grid or table of profiles, one row of output for each."""

from __future__ import annotations

import contextlib
import csv
import importlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from deployadvisor.errors import RenderError
from deployadvisor.surfaces import options
from deployadvisor.surfaces.tables import safe_cell, whole_file

if TYPE_CHECKING:
    from deployadvisor.sweep import Outcome, Outcomes, Sweep, Value
    from deployadvisor.sweep_rows import Block, Grid, Table

_ROWS_AT_ONCE = 10_000
_PLANS_AT_ONCE = 100
"""Rows that are decided before they are written."""
_LIMIT = 10_000_000

_EPILOG = """\b
Examples:
  deployadvisor sweep --hardware none --vary requests_per_day=100:1000000:x10 --vary data_sensitivity=public,internal
  deployadvisor sweep project.yaml --vary "hardware=none,1x H100,2x RTX 4090" --fields all --out machines.csv
  deployadvisor sweep base.yaml --csv projects.csv --keep-going --out answers.csv
"""


@click.command("sweep", epilog=_EPILOG)
@options.question_options
@options.overlay_option
@click.option(
    "--vary",
    multiple=True,
    metavar="KEY=A,B,C",
    help="Values of a key, or a range FROM:TO:STEP or FROM:TO:xFACTOR; repeatable.",
)
@click.option(
    "--csv",
    "csv_path",
    type=click.Path(path_type=Path),
    metavar="IN",
    help="A CSV file of profiles; the first line names the keys.",
)
@click.option(
    "--fields",
    type=click.Choice(["route", "all"]),
    default="route",
    show_default=True,
    help="all adds plan, cost and reason, and is slower.",
)
@click.option("--json-lines", is_flag=True, help="Write a JSON object a row instead of CSV.")
@click.option("--out", type=click.Path(path_type=Path), help="Write to this file, whole or not at all.")
@click.option("--force", is_flag=True, help="Replace the file.")
@click.option("--keep-going", is_flag=True, help="Write what is wrong with a bad row beside it instead of stopping.")
@click.option("--limit", type=click.IntRange(1), default=_LIMIT, show_default=True, help="Rows that a grid may have.")
def command(
    profile_path: str | None,
    settings: tuple[str, ...],
    hardware: str | None,
    rules_folder: Path | None,
    overlays: tuple[Path, ...],
    strict: bool,
    vary: tuple[str, ...],
    csv_path: Path | None,
    fields: str,
    json_lines: bool,
    out: Path | None,
    force: bool,
    keep_going: bool,
    limit: int,
) -> int:
    """Decide for every row of a grid or of a CSV file, over PROFILE, and write one row for each.

    A row says what recommend would. An empty cell is a key left out; ; separates the words of a list.
    """
    profile = options.read_profile(profile_path, settings)
    rows = _rows(vary, csv_path, limit)
    if hardware is not None and "hardware" in rows.keys:
        raise click.UsageError("--hardware and a column hardware exclude each other")
    _refuse_existing(out, force)
    from deployadvisor.sweep import Sweep  # noqa: PLC0415 - needs numpy, which --help does not

    sweep = Sweep(
        profile,
        rows.keys,
        hardware=hardware,
        rules=rules_folder,
        overlay=overlays,
        strict=strict,
        plans=fields == "all",
        keep_going=keep_going,
    )
    total = None if keep_going else _check(sweep, rows)
    with _destination(out) as file:
        counts = _write(sweep, rows, file, json_lines=json_lines, total=total)
    _summarise(counts)
    return 0


def _rows(vary: Sequence[str], path: Path | None, limit: int) -> Grid | Table:
    _need_numpy()
    from deployadvisor import sweep_rows  # noqa: PLC0415 - needs numpy, which --help does not

    if bool(vary) == (path is not None):
        raise click.UsageError("a sweep needs either --vary or --csv")
    return sweep_rows.grid(vary, limit) if path is None else sweep_rows.table(path)


def _need_numpy() -> None:
    """Stop where numpy is missing, with the error that says what to install."""
    importlib.import_module("deployadvisor.decide.vectorised")


def _check(sweep: Sweep, rows: Grid | Table) -> int:
    """Stop before anything is written when a row is bad; how many rows there are."""
    total = 0
    for block in rows.blocks(_ROWS_AT_ONCE):
        sweep.check(block)
        total += len(block)
    return total


def _write(sweep: Sweep, rows: Grid | Table, file: TextIO, *, json_lines: bool, total: int | None) -> Counter[str]:
    """Write the rows as they are decided; how many went which way."""
    counts: Counter[str] = Counter()
    head = (*rows.keys, *sweep.fields)
    table = csv.writer(file, lineterminator="\n")
    if not json_lines:
        table.writerow(head)
    for block in rows.blocks(_PLANS_AT_ONCE if sweep.plans else _ROWS_AT_ONCE):
        outcomes = sweep.outcomes(block)
        if json_lines:
            lines = (dict(zip(head, row, strict=True)) for row in _lines(block, outcomes, sweep.fields))
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        else:
            table.writerows(_lines(block, outcomes, sweep.fields, safe_cell))
        file.flush()
        for code, number in Counter(outcomes.codes.tolist()).items():
            counts[_way(outcomes.different[code])] += number
        _show_progress(counts.total(), total)
    return counts


def _lines(
    block: Block, outcomes: Outcomes, fields: Sequence[str], spell: Callable[[Value], Value] = lambda value: value
) -> Iterator[tuple[Value, ...]]:
    """The texts of each row and its outcome; each different value is spelt once."""
    columns = []
    for key in block.keys:
        spelt = [spell(text) for text in block.different(key)]
        columns.append([spelt[code] for code in block.column(key).tolist()])
    ends = [tuple(spell(getattr(outcome, name)) for name in fields) for outcome in outcomes.different]
    for *texts, code in zip(*columns, outcomes.codes.tolist(), strict=True):
        yield (*texts, *ends[code])


def _way(outcome: Outcome) -> str:
    return "error" if outcome.error else outcome.route or outcome.status or ""


def _destination(path: Path | None) -> AbstractContextManager[TextIO]:
    """Standard output, or a file that appears only when all of it has been written."""
    return contextlib.nullcontext(sys.stdout) if path is None else whole_file(path)


def _refuse_existing(path: Path | None, force: bool) -> None:
    if path is not None and (path.is_dir() or (path.exists() and not force)):
        raise RenderError(f"{path} exists", remedy="pass --force to replace a file")


def _show_progress(done: int, total: int | None) -> None:
    """One line on a terminal that is written over and over."""
    if sys.stderr.isatty():
        click.echo(f"\r{done:,}{f' of {total:,}' if total else ''} rows", err=True, nl=False)


def _summarise(counts: Counter[str]) -> None:
    """What share of the rows went which way, on standard error so that it does not end up among the rows."""
    if sys.stderr.isatty():
        click.echo(err=True)
    total = counts.total()
    rows = [(way, f"{number:,}", f"{number / total:.1%}") for way, number in counts.most_common()]
    click.echo(options.table([*rows, ("all", f"{total:,}", "")], ("route", "rows", "share")), err=True)
