"""Accelerators: what each one holds, how fast it reads and computes, and the names it goes by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Literal, Self

from pydantic import model_validator

from deployadvisor.catalog.lookup import Names, fold, load_entries
from deployadvisor.catalog.provenance import Sourced

Vendor = Literal["nvidia", "amd", "apple", "intel", "huawei"]

_GIB_PER_GB = 1e9 / 2**30
_BRAND_WORDS = re.compile(
    r"\((r|tm)\)|\b(nvidia|geforce|tesla|amd|instinct|apple|intel|huawei|graphics|gpu)\b",
    re.IGNORECASE,
)


class Gpu(Sourced):
    """One accelerator as the software sees it. None means that no source was read, never "no"."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    """Names that people type and that system tools print."""
    vendor: Vendor
    architecture: str | None
    form_factor: str | None
    memory_gb: float | None
    """Memory as marketed."""
    memory_gib: float | None = None
    """Memory that a process sees: the total that ``nvidia-smi`` prints, where a listing was read."""
    memory_gib_source: str | None = None
    memory_options_gb: tuple[int, ...] = ()
    """Sizes in which a unified-memory part is sold, smallest first; ``memory_gb`` is the largest."""
    unified_memory: bool = False
    memory_bandwidth_gb_s: float | None
    fp16_dense_tflops: float | None
    """fp16 with fp32 accumulation where the vendor states it, without sparsity."""
    fp8_dense_tflops: float | None
    int8_dense_tops: float | None
    fp4_dense_tflops: float | None
    fp16_accumulate: bool = False
    """The fp16 figure is for fp16 accumulation; bf16 and fp32 accumulation run slower."""
    compute_capability: str | None
    nvlink_gb_s: float | None
    """Bandwidth of all links of one accelerator, both directions added."""
    tdp_w: float | None
    pcie_gen: int | None
    consumer: bool = False
    """Sold for desktops and laptops, not for data centres."""
    notes: str = ""

    @model_validator(mode="after")
    def seen_memory_has_a_source(self) -> Self:
        """Refuse a number from nowhere."""
        if (self.memory_gib is None) != (self.memory_gib_source is None):
            raise ValueError("memory_gib and memory_gib_source go together")
        return self

    @model_validator(mode="after")
    def largest_option_is_the_memory(self) -> Self:
        """Check that ``memory_gb`` states the largest size sold."""
        if self.memory_options_gb and max(self.memory_options_gb) != self.memory_gb:
            raise ValueError("memory_gb is not the largest of memory_options_gb")
        return self

    @property
    def usable_memory_gib(self) -> float | None:
        """Memory to plan with: the total a process sees, else the marketed size as decimal gigabytes."""
        if self.memory_gib is not None:
            return self.memory_gib
        return None if self.memory_gb is None else self.memory_gb * _GIB_PER_GB

    @property
    def memory_basis(self) -> str:
        """How ``usable_memory_gib`` is known."""
        if self.memory_gib is not None:
            return f"nvidia-smi total, {self.memory_gib_source}"
        return "unknown" if self.memory_gb is None else "marketed size taken as decimal GB (lower bound)"


@cache
def gpus() -> Mapping[str, Gpu]:
    """All accelerators by id, in catalogue order."""
    return load_entries("gpus", Gpu)


def find_gpu(text: str) -> Gpu:
    """Return the accelerator that an id, alias or printed name means; case, spaces and hyphens do not count.

    >>> find_gpu("NVIDIA GeForce RTX 4090").id
    'rtx-4090'
    """
    return gpus()[_names().find(text)]


@cache
def _names() -> Names:
    names = {gpu.id: (gpu.name, *gpu.aliases) for gpu in gpus().values()}
    return Names(names, what="an accelerator", folding=_fold_without_brand)


def _fold_without_brand(text: str) -> str:
    return fold(_BRAND_WORDS.sub(" ", text))
