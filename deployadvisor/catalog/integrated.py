"""Graphics built into processors: they share the host's memory and must not be counted as cards."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Self

from pydantic import Field, model_validator

from deployadvisor.catalog.gpus import Vendor, gpus_by_pci
from deployadvisor.catalog.lookup import load_entries
from deployadvisor.catalog.pci import GfxTarget, PciId, by_pci_id, check_maker
from deployadvisor.catalog.provenance import Sourced


class IntegratedGpu(Sourced):
    """The graphics of one family of processors."""

    id: str
    name: str
    vendor: Vendor
    pci_ids: tuple[PciId, ...] = Field(min_length=1)
    gfx_target: GfxTarget | None = None
    """AMD's name for it, where one was read."""
    notes: str = ""

    @model_validator(mode="after")
    def ids_are_the_makers(self) -> Self:
        """Check that every PCI id belongs to the maker."""
        check_maker(self.pci_ids, self.vendor)
        return self


@cache
def integrated_gpus() -> Mapping[str, IntegratedGpu]:
    """All integrated graphics by id, in catalogue order."""
    return load_entries("integrated", IntegratedGpu)


def integrated_by_pci(pci_id: str) -> IntegratedGpu | None:
    """The integrated graphics with this PCI id, in either case of letters.

    >>> integrated_by_pci("1002:164E").gfx_target
    'gfx1036'
    """
    return next(iter(_index().get(pci_id.lower(), ())), None)


def is_integrated(pci_id: str) -> bool:
    """Whether the device works in the host's memory, be it worth planning with (DGX Spark, Strix Halo) or not.

    >>> is_integrated("1002:164e"), is_integrated("1002:744c")
    (True, False)
    """
    return integrated_by_pci(pci_id) is not None or any(gpu.unified_memory for gpu in gpus_by_pci(pci_id))


@cache
def _index() -> Mapping[str, tuple[IntegratedGpu, ...]]:
    return by_pci_id(integrated_gpus().values())
