"""Overheads of engines, the fine-tuning table, and decoding efficiency as data."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.overheads import FinetuneTable, Overhead, decode_efficiency, finetune_tables, overheads
from deployadvisor.catalog.precisions import precisions


def test_every_engine_has_its_overheads() -> None:
    assert set(overheads()) == set(engines())


def test_an_engine_that_computes_its_share_has_a_default_here() -> None:
    for engine in engines().values():
        if engine.memory_policy.kind != "on_demand" and engine.memory_policy.share is None:
            assert overheads()[engine.id].default_share is not None, engine.id


def test_padding_names_precisions() -> None:
    assert all(set(overhead.weight_padding) <= set(precisions()) for overhead in overheads().values())


def test_vllm_has_its_documented_batches() -> None:
    """PyPI vllm 0.33.0 engine/arg_utils.py get_batch_defaults."""
    rows = [(batch.min_total_gib, batch.sequences, batch.tokens) for batch in overheads()["vllm"].batches]
    assert rows == [(160, 1024, 16384), (70, 1024, 8192), (0, 256, 2048)]


@pytest.mark.parametrize("floors", [[70, 160, 0], [160, 70], [0, 70]])
def test_batches_must_fall_to_zero(floors: list[float]) -> None:
    overhead = overheads()["vllm"].model_dump()
    row = overhead["batches"][0]
    with pytest.raises(ValidationError, match="fall in min_total_gib down to 0"):
        Overhead.model_validate(overhead | {"batches": [row | {"min_total_gib": floor} for floor in floors]})


@pytest.mark.parametrize("changes", [{"gb": (1, 2)}, {"gb": (4, 3, 2, 1)}])
def test_a_fine_tuning_table_must_rise(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="one rising gb"):
        FinetuneTable.model_validate(finetune_tables()["lora"].model_dump() | changes)


def test_the_methods_cost_less_and_less() -> None:
    tables = finetune_tables()
    assert set(tables) == {"full", "lora", "qlora"}
    assert all(full > lora > qlora for full, lora, qlora in zip(*(tables[m].gb for m in tables), strict=True))


def test_decoding_efficiency_is_cautious_and_sourced() -> None:
    value, source = decode_efficiency()
    assert 0 < value < 0.57
    assert "median" in source
