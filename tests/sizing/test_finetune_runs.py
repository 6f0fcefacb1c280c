"""Fine-tuning memory against measurements, published and own."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from deployadvisor.documents import read
from deployadvisor.sizing.finetune import FinetuneMemory, finetune_memory
from deployadvisor.sizing.finetune_tuning import Tuning
from deployadvisor.sizing.geometry import Geometry, geometry_of

from .builders import tiny

FIELDS = (
    "num_hidden_layers",
    "hidden_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
    "vocab_size",
    "total_params",
    "tie_word_embeddings",
)


@cache
def published() -> dict[str, Any]:
    value: dict[str, Any] = read(Path(__file__).parent / "finetune_runs.yaml").value
    return value


def shape(name: str) -> Geometry:
    return geometry_of(tiny(**dict(zip(FIELDS, published()["shapes"][name], strict=True))))


def tables() -> Iterator[tuple[str, dict[str, Any]]]:
    for kind in ("equal_lengths", "changing_lengths"):
        yield from ((kind, table) for table in published()[kind])


def rows(measured: str) -> list[Any]:
    """Runs with the bounds that ``measured`` ("" or "peak_") has in their table."""
    return [
        pytest.param(job(kind, run), run, table[f"{measured}low"], table[f"{measured}high"], id=name(kind, run))
        for kind, table in tables()
        if f"{measured}low" in table
        for run in table["runs"]
    ]


def job(kind: str, run: dict[str, Any]) -> dict[str, Any]:
    return {"trainer": "transformers", "varying_lengths": kind == "changing_lengths", **run["job"]}


def name(kind: str, run: dict[str, Any]) -> str:
    return "-".join(map(str, (kind, run["shape"], *run["job"].values())))


def memory_of(job: dict[str, Any], run: dict[str, Any]) -> FinetuneMemory:
    memory = finetune_memory(shape(run["shape"]), Tuning(**job))
    assert isinstance(memory, FinetuneMemory)
    return memory


@pytest.mark.parametrize(("job", "run", "low", "high"), rows(""))
def test_a_measured_run_is_met(job: dict[str, Any], run: dict[str, Any], low: float, high: float) -> None:
    """``low`` and ``high`` are the factors that the guide states for the run's table."""
    measured = run["gib"] if "gib" in run else run["gb"] * 1e9 / 2**30
    assert low * measured <= memory_of(job, run).gib <= high * measured


@pytest.mark.parametrize(("job", "run", "low", "high"), rows("peak_"))
def test_what_pytorch_allocated_is_met(job: dict[str, Any], run: dict[str, Any], low: float, high: float) -> None:
    terms = [term for term in memory_of(job, run).terms if term.name not in ("allocator", "context")]
    assert low * run["peak_gib"] <= sum(term.gib for term in terms) <= high * run["peak_gib"]
