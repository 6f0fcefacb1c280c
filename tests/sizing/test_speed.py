"""The upper bound of how busy a replica is."""

from __future__ import annotations

import pytest

from deployadvisor.hardware.machine import Known, Unknown
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.speed import busy_share

from .builders import geometry, tiny

LLAMA_BYTES = 16_060_522_496


def share(name: str, weights_bytes: int, requests: float, tokens: float) -> float:
    result = busy_share(geometry(name), weights_bytes, 3350, requests, tokens)
    assert isinstance(result, Known)
    return result.value


def test_every_token_reads_the_weights_once() -> None:
    """16.06 GB at half of 3,350 GB/s are 9.59 ms a token; 10,000 x 250 tokens are 6.66 of 24 hours."""
    busy = share("meta-llama/Llama-3.1-8B-Instruct", LLAMA_BYTES, 10_000, 250)
    assert busy == pytest.approx(6.66 / 24, rel=1e-3)


def test_it_may_exceed_the_day() -> None:
    assert share("meta-llama/Llama-3.1-8B-Instruct", LLAMA_BYTES, 100_000, 250) > 2


def test_a_mixture_reads_its_active_experts() -> None:
    whole = 2 * 30_532_122_624
    busy = share("Qwen/Qwen3-30B-A3B", whole, 1000, 100)
    dense = share("meta-llama/Llama-3.1-8B-Instruct", whole, 1000, 100)
    assert busy / dense == pytest.approx(3_353_032_704 / 30_532_122_624)


@pytest.mark.parametrize("bandwidth", [None, 0])
def test_an_unknown_bandwidth_is_unknown(bandwidth: float | None) -> None:
    assert isinstance(busy_share(geometry_of(tiny()), 1, bandwidth, 1, 1), Unknown)


def test_unknown_active_parameters_are_unknown() -> None:
    mixture = geometry_of(tiny(num_experts=8, experts_per_token=2))
    assert isinstance(busy_share(mixture, 1, 1000, 1, 1), Unknown)
