"""The part of a Mac's memory that its GPU may use follows what Metal was seen to recommend."""

from __future__ import annotations

import pytest

from deployadvisor.catalog.metal import metal_share, metal_shares


@pytest.mark.parametrize(
    ("memory_gib", "logged_mib"),
    [(16, 10922.67), (32, 21845.34), (36, 28991.03e6 / 2**20), (64, 49152.0), (96, 73728.0)],
)
def test_the_share_is_what_llama_cpp_logs(memory_gib: float, logged_mib: float) -> None:
    assert float(metal_share(memory_gib).share * memory_gib) * 1024 == pytest.approx(logged_mib, abs=0.01)


def test_every_size_has_a_share() -> None:
    sizes = [entry.up_to_gib for entry in metal_shares().values()]
    assert sizes[-1] is None
    assert sizes[:-1] == sorted(size for size in sizes if size is not None)


@pytest.mark.parametrize("memory_gib", [8, 32.5, 4096])
def test_a_gpu_never_has_the_whole_memory(memory_gib: float) -> None:
    assert 0.5 < metal_share(memory_gib).share < 1
