"""Fine-tuning memory against the published table."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.catalog.overheads import Method
from deployadvisor.hardware.machine import Known, Unknown
from deployadvisor.sizing.finetune import FinetuneMemory, finetune_memory
from deployadvisor.sizing.geometry import geometry_of

from .builders import cards, tiny

METHODS: tuple[Method, ...] = ("qlora", "lora", "full")


def needed_gb(billions: float, method: Method) -> float:
    memory = finetune_memory(geometry_of(tiny(total_params=round(billions * 1e9))), method)
    assert isinstance(memory, FinetuneMemory)
    return memory.gib * 2**30 / 1e9


@pytest.mark.parametrize(
    ("billions", "method", "gb"),
    [
        (7, "full", 120),
        (70, "full", 1200),
        (7, "lora", 16),
        (14, "lora", 32),
        (30, "lora", 64),
        (70, "lora", 160),
        (7, "qlora", 6),
        (70, "qlora", 48),
        (10.5, "lora", 24),
        (1, "lora", 16),
        (140, "qlora", 96),
    ],
)
def test_rows_and_what_lies_between(billions: float, method: Method, gb: float) -> None:
    assert needed_gb(billions, method) == pytest.approx(gb)


@given(st.lists(st.floats(0.1, 2000), min_size=2, max_size=2).map(sorted))
def test_larger_models_and_fuller_methods_never_need_less(sizes: list[float]) -> None:
    small, large = sizes
    assert all(needed_gb(small, method) <= needed_gb(large, method) for method in METHODS)
    assert all(needed_gb(large, less) < needed_gb(large, more) for less, more in pairwise(METHODS))


def test_several_cards_share_it() -> None:
    memory = finetune_memory(geometry_of(tiny(total_params=70_000_000_000)), "lora")
    assert isinstance(memory, FinetuneMemory)
    basis = memory.basis
    assert basis.startswith("70.0B parameters, github.com/hiyouga/LLaMA-Factory")
    assert memory.cards_needed(cards(79.0)) == Known[int](value=2, source=basis)
    assert memory.fits(cards(79.0, 1)) == Known[bool](value=False, source=basis)
    assert memory.fits(cards(79.0, 2)) == Known[bool](value=True, source=basis)


def test_unknown_parameters_and_unknown_memory_stay_unknown() -> None:
    assert isinstance(finetune_memory(geometry_of(tiny(total_params=None)), "lora"), Unknown)
    memory = finetune_memory(geometry_of(tiny()), "lora")
    assert isinstance(memory, FinetuneMemory)
    assert isinstance(memory.fits(cards(None)), Unknown)
    assert isinstance(memory.cards_needed(cards(None)), Unknown)
    assert isinstance(memory.cards_needed(cards(8.0, free_gib=0.0)), Unknown)
