"""Equal cards of which some are in use: the freest are taken, and a busy one harms nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.catalog.engines import engines
from deployadvisor.hardware.machine import Known, Unknown
from deployadvisor.sizing.cards import Cards, card_groups
from deployadvisor.sizing.finetune import FinetuneMemory, finetune_memory
from deployadvisor.sizing.geometry import Geometry
from deployadvisor.sizing.memory import Fit, Load, fit
from deployadvisor.sizing.parallel import ANY
from deployadvisor.sizing.policy import EnginePolicy, engine_policy
from deployadvisor.sizing.remedies import Failed, remedies

from .builders import VLLM, accelerator, cards, geometries, geometry, gib, placed, policies
from .test_cards import machine

QWEN3_14B = "Qwen/Qwen3-14B"
frees = st.lists(st.floats(0, 79), min_size=1, max_size=6)
loads = st.builds(Load, st.just("bf16"), st.sampled_from((2048, 32_768)), concurrency=st.integers(1, 64))


def group_of(free_gib: Sequence[float], **changes: object) -> Cards:
    """Cards of 79.65 GiB with so much free on each."""
    each = (accelerator(index=i, memory_free_gib=gib(free), **changes) for i, free in enumerate(free_gib))
    (group,) = card_groups(machine(*each))
    return group


def holds(where: Geometry, policy: EnginePolicy, on: Cards, load: Load) -> bool:
    found = fit(where, policy, on, load)
    return isinstance(found, Fit) and found.fits


@settings(max_examples=100, deadline=None)
@given(geometries, policies, loads, frees, st.data())
def test_another_busier_card_never_makes_anything_stop_fitting(
    where: Geometry, policy: EnginePolicy, load: Load, free_gib: list[float], data: st.DataObject
) -> None:
    busier = data.draw(st.floats(0, min(free_gib)))
    if holds(where, policy, group_of(free_gib), load):
        assert holds(where, policy, group_of([*free_gib, busier]), load)


@settings(max_examples=100, deadline=None)
@given(geometries, policies, loads, frees)
def test_a_plan_has_the_memory_of_the_fullest_card_that_it_takes(
    where: Geometry, policy: EnginePolicy, load: Load, free_gib: list[float]
) -> None:
    """As if there were only so many cards, each as free as the least free of those."""
    found = fit(where, policy, group_of(free_gib), load)
    if isinstance(found, Fit) and found.terms:
        least = sorted(free_gib, reverse=True)[: found.cards][-1]
        alone = fit(where, policy, group_of([least] * found.cards), load)
        assert isinstance(alone, Fit)
        assert found.available_gib == alone.available_gib <= least
        assert found.max_concurrency == alone.max_concurrency or alone.cards != found.cards


def test_two_idle_cards_are_taken_where_one_of_four_is_full() -> None:
    load = Load("bf16", 8192, concurrency=4)
    idle, mixed = cards(24.0, 2, 23.5), replace(group_of([1.0, 23.5, 23.5, 23.5]), total_gib=gib(24.0))
    alone, found = (placed(QWEN3_14B, VLLM, on, load) for on in (idle, mixed))
    assert found.fits
    assert (found.cards, found.available_gib) == (alone.cards, alone.available_gib) == (2, alone.available_gib)
    assert mixed.numbers(found.cards) == (1, 2)


def test_a_card_more_than_the_idle_ones_counts_as_it_is() -> None:
    """Three idle cards are not enough for tensor parallel 4, and the fourth is nearly full."""
    mixed = replace(group_of([1.0, 23.5, 23.5, 23.5]), total_gib=gib(24.0))
    found = placed("Qwen/Qwen3-32B", VLLM, mixed, Load("bf16", 4096))
    assert not found.fits


def test_slices_are_never_joined() -> None:
    slices = group_of([39.0, 39.0, 39.0], kind="mig")
    assert slices.slices
    for engine in engines().values():
        for model in ("Qwen/Qwen3-8B", "Qwen/Qwen3-32B", "openai/gpt-oss-20b"):
            found = fit(geometry(model), engine_policy(engine), slices, Load("bf16", 4096, concurrency=4))
            assert not isinstance(found, Fit) or found.cards == 1
    tried = placed("Qwen/Qwen3-32B", VLLM, slices, Load("bf16", 4096)).tried
    assert "a process gets only one" in next(item.reason for item in tried if item.layout.tensor == 2)


def test_further_cards_are_no_remedy_for_slices() -> None:
    for kind, helped in (("gpu", True), ("mig", False)):
        on = group_of([39.0], kind=kind)
        found = placed("Qwen/Qwen3-32B", VLLM, on, Load("bf16", 4096))
        failed = Failed(geometry("Qwen/Qwen3-32B"), engines()["vllm"], on, found, ANY)
        assert ("cards" in {remedy.kind for remedy in remedies(failed)}) is helped


# Tuning


def job(model: str) -> FinetuneMemory:
    found = finetune_memory(geometry(model), "lora")
    assert isinstance(found, FinetuneMemory)
    return found


def test_tuning_leaves_the_full_card_alone() -> None:
    found, mixed = job("Qwen/Qwen3-8B"), group_of([1.0, 70.0, 70.0])
    assert found.fits(mixed) == Known[bool](value=True, source=found.basis)
    held = found.held_by(mixed)
    assert held is not None
    assert held.numbers(held.count) == (1, 2)
    assert found.fits(group_of([1.0, 1.0, 1.0])).value is False  # type: ignore[union-attr] - the memory is known


def test_tuning_on_slices_takes_one() -> None:
    found = job("Qwen/Qwen3-32B")
    joined, slices = group_of([39.0] * 8), group_of([39.0] * 8, kind="mig")
    assert found.fits(joined) != found.fits(slices)
    assert found.held_by(slices) is None
    assert isinstance(found.cards_needed(slices), Unknown)


@settings(deadline=None)
@given(frees)
def test_a_busier_card_never_takes_tuning_away(free_gib: list[float]) -> None:
    found = job("Qwen/Qwen3-8B")
    if found.held_by(group_of(free_gib)):
        assert found.held_by(group_of([*free_gib, min(free_gib)])) or len(set(free_gib)) == 1
        assert found.held_by(group_of([*free_gib, min(free_gib) / 2]))
