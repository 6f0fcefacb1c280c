"""Which catalogue entry a device is: by its identity on the bus, else by the name that its tool prints."""

from __future__ import annotations

from functools import lru_cache

from deployadvisor.catalog.gpus import Gpu, Vendor, gpus_by_pci
from deployadvisor.hardware.names import identify


@lru_cache(maxsize=256)
def entry_of(vendor: Vendor, name: str, pci_id: str | None, total_gib: float | None) -> Gpu | None:
    """The maker's entry that fits PCI id or name, and the measured memory; None where none does, or several do.

    Cards of a machine are mostly alike, and a name that the catalogue does not know is costly to look for.

    >>> entry_of("intel", "", "8086:e20b", 11.93).id
    'arc-b580'
    """
    by_place = only_entry(pci_id, total_gib)
    if by_place is not None:
        return by_place
    named = identify(name, total_gib)
    return named if named is not None and named.vendor == vendor else None


def only_entry(pci_id: str | None, total_gib: float | None = None) -> Gpu | None:
    """The one entry with this PCI id, and with this memory where it was measured."""
    entries = gpus_by_pci(pci_id) if pci_id else ()
    fitting = [entry for entry in entries if total_gib is None or _measures(entry, total_gib)]
    return fitting[0] if len(fitting) == 1 else None


def _measures(entry: Gpu, total_gib: float) -> bool:
    found = identify(entry.name, total_gib)
    return found is not None and found.id == entry.id
