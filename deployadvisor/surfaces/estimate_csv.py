"""``estimate --csv``: one row of figures for each row of a table, in order; a row that cannot be sized says why."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import click

from deployadvisor.catalog.engines import find_engine
from deployadvisor.catalog.instances import instance_called
from deployadvisor.catalog.precisions import find_precision
from deployadvisor.errors import DeployAdvisorError, HardwareError, ProfileError, Where, nearest
from deployadvisor.estimation import Estimate, Work, bytes_of, estimate
from deployadvisor.hardware.machine import Machine, Unknown
from deployadvisor.hardware.spec import machine_from_phrase
from deployadvisor.sizing.geometry import Geometry, geometry_of
from deployadvisor.sizing.parallel import Wanted
from deployadvisor.sizing.policy import GIB
from deployadvisor.surfaces.tables import safe_cell, whole_file
from deployadvisor.verdict import named_model

REQUIRED = ("model", "hardware")
OPTIONAL = ("id", "gpus", "engine", "precision", "kv_dtype", "tp", "pp", "ep", "dp", "isl", "osl", "concurrency")
FIGURES = (
    "fits",
    "reason",
    "total_params",
    "active_params",
    "weights_gib",
    "kv_gib",
    "kv_bytes_per_token",
    "kv_fixed_bytes",
    "max_concurrency",
    "output_tok_s",
    "output_tok_s_low",
    "output_tok_s_high",
    "ttft_ms",
    "ttft_low",
    "ttft_high",
    "tpot_ms",
    "tpot_low",
    "tpot_high",
    "basis",
)
_MAX_CELL = 10_000
_MAX_COUNT = 10**9
_NO_SPEED = "speed is not estimated yet"

Row = Mapping[str, str]
Figures = dict[str, object]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows were read, and of how many it is known whether they fit."""

    rows: int
    estimated: int


def write_estimates(source: Path, out: Path) -> Counts:
    """Estimate every row of ``source`` into ``out``; of a table that cannot be read nothing is written."""
    rows = estimated = 0
    try:
        with source.open(encoding="utf-8-sig", newline="") as file, whole_file(out) as target:
            reader = csv.DictReader(file, strict=True)
            columns = _columns(reader, source)
            writer = csv.writer(target, lineterminator="\n")
            writer.writerow((*columns, *FIGURES))
            for row, wrong in _rows(reader, columns):
                figures = {"reason": wrong} if wrong else estimate_row(row)
                rows, estimated = rows + 1, estimated + (figures.get("fits") is not None)
                writer.writerow([*(safe_cell(row[name]) for name in columns), *map(_cell, map(figures.get, FIGURES))])
                _show_progress(rows)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ProfileError(f"cannot read the table: {error}", where=Where(str(source))) from error
    return Counts(rows, estimated)


def _columns(reader: csv.DictReader[str], source: Path) -> list[str]:
    """The table's own columns, in their order; what is not ours is carried along unless it looks misspelt."""
    columns = list(reader.fieldnames or ())
    for name in REQUIRED:
        if name not in columns:
            known = (*REQUIRED, *OPTIONAL)
            remedy = None if len(columns) > 1 else "cells are separated by commas, in UTF-8"
            message = f'the table has no column "{name}"'
            raise ProfileError(message, where=Where(str(source), 1), allowed=known, remedy=remedy)
    for name in columns:
        if columns.count(name) > 1 or name in FIGURES:
            message = (
                f'the column "{name}" stands twice'
                if columns.count(name) > 1
                else f'"{name}" is a column of the result'
            )
            raise ProfileError(message, where=Where(str(source), 1))
        meant = nearest(name, OPTIONAL)
        if name not in (*REQUIRED, *OPTIONAL) and meant and meant not in columns and len(name) > 2:
            raise ProfileError(f'"{name}" is not a known column', where=Where(str(source), 1), suggestion=meant)
    return columns


def _rows(reader: csv.DictReader[str], columns: list[str]) -> Iterator[tuple[Row, str | None]]:
    """Each row, missing cells blank, and what is wrong with it."""
    for row in reader:
        spare = cast("dict[str | None, list[str]]", row).pop(None, None)
        wrong = f"{len(spare)} cells more than the first line has" if spare else None
        yield {name: (row[name] or "")[:_MAX_CELL] for name in columns}, wrong


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else safe_cell(value)


def _show_progress(done: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r{done:,} rows", err=True, nl=False)


# One row


def estimate_row(row: Row) -> Figures:
    """The figures of one row; those that no engine changes are given even where the rest is not known."""
    try:
        asked = _Asked(row)
        figures = _engine_free(geometry_of(named_model(asked.model)), asked)
    except DeployAdvisorError as error:
        return {"reason": error.brief}
    try:
        return figures | _placed(asked.estimate())
    except DeployAdvisorError as error:
        return figures | {"reason": error.brief}


class _Asked:
    """What a row asks, its blanks filled with the command's defaults."""

    def __init__(self, row: Row) -> None:
        self._row = row
        self.model, self.hardware = self._text("model"), self._text("hardware")
        self.engine = self._text("engine") or "vllm"
        self.kv_dtype = self._text("kv_dtype").casefold() or "auto"
        self.precision = find_precision(name).id if (name := self._text("precision")) else None
        self.gpus = self._count("gpus") or 1
        self.work = Work(self._count("isl") or 1000, self._count("osl") or 256, self._count("concurrency") or 1)
        self.wanted = self._wanted()
        for name in REQUIRED:
            if not self._text(name):
                raise ProfileError(f"{name} is empty")

    def _text(self, name: str) -> str:
        return self._row.get(name, "").strip()

    def _count(self, name: str) -> int | None:
        text = self._text(name)
        if not text:
            return None
        try:
            number = float(text)
        except ValueError:
            number = 0.0
        if not (number >= 1 and number.is_integer() and number <= _MAX_COUNT):
            raise ProfileError(f'{name}: "{text[:40]}" is not a whole number from 1 to {_MAX_COUNT:,}')
        return int(number)

    def _wanted(self) -> Wanted:
        """Sizes of a row; cards beyond tensor and pipeline parallelism serve copies unless ``dp`` says otherwise."""
        tensor, pipeline = self._count("tp"), self._count("pp")
        data, expert = self._count("dp"), self._count("ep")
        used = (tensor or 1) * (pipeline or 1)
        if tensor and data is None and self.gpus % used == 0:
            data, pipeline = self.gpus // used, pipeline or 1
        return Wanted(tensor, pipeline, data, expert)

    def estimate(self) -> Estimate:
        """The estimate on the row's cards."""
        return estimate(
            self.model,
            _machine(self.hardware, self.gpus),
            engine=find_engine(self.engine).id,
            precision=self.precision,
            kv_dtype=self.kv_dtype,
            work=self.work,
            wanted=self.wanted,
        )


@lru_cache(maxsize=256)
def _machine(card: str, count: int) -> Machine:
    if instance_called(card):
        raise HardwareError(f'"{card[:40]}" is a whole machine; the column names one card, and another how many')
    machine = machine_from_phrase(f"{count}x {card}")
    if machine.nodes > 1:
        raise HardwareError(f'"{card[:40]}" is more than one card; how many there are stands in a column of its own')
    return machine


def _engine_free(geometry: Geometry, asked: _Asked) -> Figures:
    """Parameters, weights and cache: the same on every engine and card."""
    held = bytes_of(geometry, asked.precision or geometry.native_format, asked.kv_dtype)
    figures: Figures = {"total_params": geometry.total_params, "active_params": geometry.active_params}
    basis = [_NO_SPEED]
    if not isinstance(held.cache, Unknown):
        figures |= {
            "kv_gib": held.kv_gib(asked.work),
            "kv_bytes_per_token": held.cache.growing_bytes_per_token,
            "kv_fixed_bytes": held.cache.fixed_bytes(),
        }
        basis.insert(0, held.cache.why_bounds or "KV cache computed from the geometry")
    if not isinstance(held.weights, Unknown):
        figures["weights_gib"] = held.weights.value / GIB
        basis.insert(0, f"weights {held.weights.sure}: {held.weights.basis}")
    return figures | {"basis": "; ".join(basis)}


def _placed(found: Estimate) -> Figures:
    """What depends on engine and cards."""
    if isinstance(found.choice, Unknown):
        return {"reason": found.reason}
    placed = found.fit
    if placed is None:
        return {"fits": False, "reason": found.reason}
    return {
        "fits": placed.verdict,
        "reason": found.reason,
        **({"weights_gib": placed.weights_gib, "max_concurrency": placed.max_concurrency} if placed.terms else {}),
    }
