"""Accelerators: what each one holds, how fast it reads and computes, and the names it goes by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from deployadvisor.catalog.lookup import Names, fold, load_entries
from deployadvisor.catalog.pci import GfxTarget, PciId, by_pci_id, check_maker
from deployadvisor.catalog.provenance import Sourced

Vendor = Literal["nvidia", "amd", "apple", "intel", "huawei"]

_GIB_PER_GB = 1e9 / 2**30
_BINARY_VENDORS = ("apple",)
"""Makers whose gigabyte of memory is 2**30 bytes: ``hw.memsize`` of a 64 GB Mac is 64 GiB."""
_BRAND_WORDS = re.compile(
    r"\((r|tm)\)|\b(nvidia|geforce|tesla|amd|instinct|apple|intel|huawei|graphics|gpu)\b"
    r"|\brtx(?=\d|\b)|英伟达|苹果|英特尔|华为|昇腾|显卡",
    re.IGNORECASE,
)
_SHORT_SIZE = re.compile(r"\b(\d{2,3})g\b", re.IGNORECASE)
"""``80g``, as people write 80 GB; ``A10G`` is a card."""


class Gpu(Sourced):
    """One accelerator as the software sees it. None means that no source was read, never "no"."""

    id: str
    name: str
    aliases: tuple[str, ...] = ()
    """Names that people type and that system tools print."""
    vendor: Vendor
    architecture: str | None
    form_factor: str | None
    memory_gb: PositiveFloat | None
    """Memory as marketed."""
    memory_gib: PositiveFloat | None = None
    """Memory that a process sees: the total that ``nvidia-smi`` prints, on AMD cards PyTorch, where one was read."""
    memory_gib_source: str | None = None
    cuda_gib: PositiveFloat | None = None
    """Of ``memory_gib``, what CUDA hands out to processes, where a total of PyTorch or vLLM was read."""
    cuda_gib_source: str | None = None
    context_gib: PositiveFloat | None = None
    """What a CUDA process holds before it allocates anything, where a log said it."""
    context_gib_source: str | None = None
    memory_options_gb: tuple[int, ...] = ()
    """Sizes in which a unified-memory part is sold, smallest first; ``memory_gb`` is the largest."""
    unified_memory: bool = False
    memory_bandwidth_gb_s: float | None = Field(ge=50, le=50_000)
    """The bounds catch a value in another unit."""
    fp16_dense_tflops: float | None = Field(gt=0, le=20_000)
    """fp16 with fp32 accumulation where the vendor states it, without sparsity."""
    fp8_dense_tflops: PositiveFloat | None
    int8_dense_tops: PositiveFloat | None
    fp4_dense_tflops: PositiveFloat | None
    fp16_accumulate: bool = False
    """The fp16 figure is for fp16 accumulation; bf16 and fp32 accumulation run slower."""
    compute_capability: str | None
    nvlink_gb_s: PositiveFloat | None
    """Bandwidth of all links of one accelerator, both directions added."""
    tdp_w: PositiveFloat | None
    pcie_gen: int | None
    pci_ids: tuple[PciId, ...] = ()
    """Every id that a source gives to it; parts that share one are told apart by memory or name."""
    pci_ids_source: str | None = None
    gfx_target: GfxTarget | None = None
    """AMD's name for the instruction set, which decides what ROCm software runs."""
    gfx_target_source: str | None = None
    stack: str | None = None
    """Software stack of its own that engines must be built for; None for the maker's usual one."""
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

    @model_validator(mode="after")
    def a_process_sees_no_more_than_is_sold(self) -> Self:
        """Check the seen memory against the marketed one, which makers round from either kind of gigabyte."""
        if self.memory_gib is not None and (self.memory_gb is None or round(self.memory_gib) > self.memory_gb):
            raise ValueError(f"memory_gib {self.memory_gib} is more than memory_gb {self.memory_gb}")
        return self

    @model_validator(mode="after")
    def narrower_numbers_are_not_slower(self) -> Self:
        """Check that fp16, fp8 and fp4 rates do not fall, as they do when one is sparse and another dense."""
        rates = (self.fp16_dense_tflops, self.fp8_dense_tflops, self.fp4_dense_tflops)
        known = [rate for rate in rates if rate is not None]
        if known != sorted(known):
            raise ValueError(f"fp16, fp8 and fp4 rates fall: {known}")
        return self

    @model_validator(mode="after")
    def cuda_hands_out_less_than_the_tool_counts(self) -> Self:
        """Check that both totals were read, the smaller one from CUDA."""
        if self.cuda_gib is None and self.cuda_gib_source is None:
            return self
        if self.cuda_gib is None or self.cuda_gib_source is None or not self.cuda_gib < (self.memory_gib or 0):
            raise ValueError(f"cuda_gib {self.cuda_gib} needs a source and a larger memory_gib")
        return self

    @model_validator(mode="after")
    def ids_have_a_source_and_are_the_makers(self) -> Self:
        """Refuse PCI ids and targets from nowhere, and ids of another maker."""
        if bool(self.pci_ids) != (self.pci_ids_source is not None):
            raise ValueError("pci_ids and pci_ids_source go together")
        if (self.gfx_target is None) != (self.gfx_target_source is None):
            raise ValueError("gfx_target and gfx_target_source go together")
        if self.gfx_target is not None and self.vendor != "amd":
            raise ValueError("only AMD has a gfx_target")
        check_maker(self.pci_ids, self.vendor)
        return self

    @property
    def driver_gib(self) -> float | None:
        """What the driver keeps for itself of a whole card."""
        return self.memory_gib - self.cuda_gib if self.memory_gib and self.cuda_gib else None

    @property
    def usable_memory_gib(self) -> float | None:
        """Memory to plan with: the total a process sees, else the marketed size, decimal but for Apple's."""
        if self.memory_gib is not None or self.memory_gb is None:
            return self.memory_gib
        return self.memory_gb * (1 if self.vendor in _BINARY_VENDORS else _GIB_PER_GB)

    @property
    def memory_basis(self) -> str:
        """How ``usable_memory_gib`` is known."""
        if self.memory_gib is not None:
            tool = "nvidia-smi" if self.vendor == "nvidia" else "PyTorch"
            return f"{tool} total, {self.memory_gib_source}"
        if self.memory_gb is None:
            return "unknown"
        if self.vendor in _BINARY_VENDORS:
            return f"largest size sold, {'; '.join(self.source)}"
        return "marketed size taken as decimal GB (lower bound)"


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


def gpu_called(text: str) -> Gpu | None:
    """Return the accelerator of this name, or None; unlike :func:`find_gpu` it looks for no name that is near.

    >>> gpu_called("RTX 9999") is None
    True
    """
    entry_id = _names().get(text)
    return gpus()[entry_id] if entry_id is not None else None


def gpus_by_pci(pci_id: str) -> tuple[Gpu, ...]:
    """Every accelerator with this PCI id, in either case of letters; none for an id that is not listed.

    >>> [gpu.id for gpu in gpus_by_pci("1002:744C")]
    ['rx-7900gre', 'rx-7900xt', 'rx-7900xtx']
    """
    return _pci_index().get(pci_id.lower(), ())


@cache
def _pci_index() -> Mapping[str, tuple[Gpu, ...]]:
    return by_pci_id(gpus().values())


@cache
def _names() -> Names:
    names = {gpu.id: (gpu.name, *gpu.aliases) for gpu in gpus().values()}
    return Names(names, what="an accelerator", folding=_fold_without_brand)


def _fold_without_brand(text: str) -> str:
    return fold(_SHORT_SIZE.sub(r"\1gb", _BRAND_WORDS.sub(" ", text)))
