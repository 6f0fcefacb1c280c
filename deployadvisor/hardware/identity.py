"""Which catalogue entry a device is: by its identity on the bus, else by names that tools print; or why none."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from deployadvisor.catalog.gpus import Gpu, Vendor, gpus_by_pci
from deployadvisor.hardware.amd_names import is_exact
from deployadvisor.hardware.names import identify

_VIRTUAL = " VF"
"""What the name of a card ends with inside a virtual machine."""


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


def entry_by_names(
    pci_id: str | None,
    target: str | None,
    names: Sequence[str],
    total_gib: float | None,
    vendor: Vendor = "amd",
) -> Gpu | None:
    """The one product that PCI id, memory and names leave; None where several fit or none does.

    One PCI id of AMD's often stands for several products, and drivers name a whole family; memory and name together
    tell which one it is, or nobody can say.
    """
    sharing = gpus_by_pci(pci_id) if pci_id else ()
    if not sharing:
        named = (identify(name, total_gib) for name in names)
        return next((gpu for gpu in named if gpu and gpu.vendor == vendor and _has_target(gpu, target)), None)
    fitting = [gpu for gpu in sharing if gpu.unified_memory or _measures(gpu, total_gib)]
    exact = [identify(name.removesuffix(_VIRTUAL), total_gib) for name in names if is_exact(name)]
    if len(fitting) == 1 and (not exact or fitting[0] in exact or fitting[0].unified_memory):
        return fitting[0]
    return next((gpu for gpu in exact if gpu in fitting), None)


def why_unlisted(pci_id: str | None, total_gib: float | None) -> tuple[str, str]:
    """Why there is no entry, and what to do about it."""
    sharing = gpus_by_pci(pci_id) if pci_id else ()
    fitting = [gpu.name for gpu in sharing if _measures(gpu, total_gib)]
    if fitting:
        reason = f"{' and '.join(fitting)} look the same to the driver, so its speed cannot be estimated"
        return reason, f'name the card, as in --hardware "{fitting[0].removeprefix("AMD ")}"'
    reason = "the catalogue has no entry for this name and memory, so its speed cannot be estimated"
    return reason, "add an entry to the GPU catalogue"


def _measures(entry: Gpu, total_gib: float | None) -> bool:
    found = identify(entry.name, total_gib)
    return found is not None and found.id == entry.id


def _has_target(gpu: Gpu, target: str | None) -> bool:
    return target is None or gpu.gfx_target in (None, target)
