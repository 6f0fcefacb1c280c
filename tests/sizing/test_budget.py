"""What an engine may use of a card: everything that is kept back has a name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.hardware.machine import Unknown
from deployadvisor.sizing.budget import Budget, budget
from deployadvisor.sizing.cards import Cards
from deployadvisor.sizing.policy import EnginePolicy

from .builders import LLAMA_CPP, LMDEPLOY, VLLM, cards, policies


def of(policy: EnginePolicy, on: Cards, share: float | None = None) -> Budget:
    found = budget(policy, on, share)
    assert isinstance(found, Budget)
    return found


def held(found: Budget) -> dict[str, float]:
    return {term.name: round(term.gib, 3) for term in found.held_back}


def test_vllm_leaves_what_it_does_not_take() -> None:
    found = of(VLLM, cards(80.75))
    assert held(found) == {"driver": 0.75, "in_use": 0.0, "context": 0.6, "left_free": pytest.approx(5.8)}
    assert (found.share, found.available_gib) == (0.92, pytest.approx(73.6))


def test_the_driver_of_a_card_that_was_read() -> None:
    """nvidia-smi counts 143,771 MiB on an H200, CUDA hands out 143,155.9."""
    on = cards(140.4, card_id="h200")
    assert held(of(VLLM, on))["driver"] == pytest.approx(0.6, abs=0.01)
    assert held(of(VLLM, cards(70.0, card_id="h200")))["driver"] == 0.75, "a slice is not the whole card"


def test_other_processes_are_subtracted() -> None:
    found = of(LLAMA_CPP, cards(24.0, free_gib=10.0))
    assert held(found) == {"driver": 0.75, "in_use": 13.25, "context": 0.6, "left_free": 1.0}
    assert found.available_gib == pytest.approx(8.4)


def test_an_idle_card_that_vllm_refused() -> None:
    """pytorch issue 175666: 19.77 of 22.05 GiB free is less than 0.9 of the card, on a card that seemed idle."""
    on = cards(22.05 + 0.75, free_gib=19.77 + 0.6)
    found = of(VLLM, on, 0.9)
    assert found.share == 0.89
    assert found.available_gib <= 19.77


def test_lmdeploy_takes_its_share_of_what_weights_leave() -> None:
    assert of(LMDEPLOY, cards(80.75)).share == 0.8
    assert of(LMDEPLOY, cards(80.75)).available_gib == pytest.approx(80.75 - 1.35)


def test_the_host_has_neither_driver_nor_context() -> None:
    found = of(LLAMA_CPP, cards(32.0, free_gib=24.0, vendor="cpu"))
    assert held(found) == {"driver": 0.0, "in_use": 8.0, "context": 0.0, "left_free": 1.0}


@pytest.mark.parametrize(("total", "free"), [(None, 1.0), (24.0, None)])
def test_unread_memory_is_unknown(total: float | None, free: float | None) -> None:
    on = Cards("card", "card", "nvidia", 1, cards(total).total_gib, cards(free).free_gib)
    assert isinstance(budget(VLLM, on), Unknown)


@given(policy=policies, total=st.floats(0, 300), share=st.floats(0, 1), wanted=st.none() | st.floats(0.1, 1))
def test_a_card_is_divided_without_rest(
    policy: EnginePolicy, total: float, share: float, wanted: float | None
) -> None:
    found = of(policy, cards(total, free_gib=total * share), wanted)
    assert found.available_gib + sum(term.gib for term in found.held_back) == pytest.approx(total, abs=1e-6)
    assert all(term.gib >= 0 for term in found.held_back)
    assert 0 <= found.available_gib <= total * share + 1e-6
