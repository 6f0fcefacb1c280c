"""What an AMD device is: its name, its entry in the catalogue, and whether it has memory of its own.

One PCI id often stands for several products, and drivers name a whole family; memory and name together tell which
one it is, or nobody can say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

from deployadvisor.catalog.gpus import Gpu, gpus, gpus_by_pci
from deployadvisor.catalog.integrated import integrated_gpus, is_integrated
from deployadvisor.hardware.machine import Vendor
from deployadvisor.hardware.names import identify

Role = Literal["card", "unified", "integrated"]
"""A card with its own memory; a processor's graphics worth planning with; other graphics of a processor."""

_NO_NAMES = frozenset(("amd radeon graphics", "amd radeon(tm) graphics", "radeon graphics", "amd graphics"))
"""What drivers print where they know no name."""
_VIRTUAL = " VF"
"""What the name of a card ends with inside a virtual machine."""


def role(pci_id: str | None, target: str | None) -> Role:
    """What the device is, by its PCI id, else by an instruction set that no card has."""
    entries = gpus_by_pci(pci_id) if pci_id else ()
    if not entries and target and not (pci_id and is_integrated(pci_id)):
        entries = tuple(gpu for gpu in gpus().values() if gpu.gfx_target == target)
        if not entries and any(each.gfx_target == target for each in integrated_gpus().values()):
            return "integrated"
    if entries and all(gpu.unified_memory for gpu in entries):
        return "unified"
    return "integrated" if pci_id and is_integrated(pci_id) else "card"


def catalogue_entry(
    pci_id: str | None,
    target: str | None,
    names: Sequence[str],
    total_gib: float | None,
    vendor: Vendor = "amd",
) -> Gpu | None:
    """The one product that PCI id, memory and name leave; None where several fit or none does."""
    sharing = gpus_by_pci(pci_id) if pci_id else ()
    if not sharing:
        named = (identify(name, total_gib) for name in names)
        return next((gpu for gpu in named if gpu and gpu.vendor == vendor and _has_target(gpu, target)), None)
    fitting = [gpu for gpu in sharing if gpu.unified_memory or identify(gpu.name, total_gib) == gpu]
    exact = [identify(name.removesuffix(_VIRTUAL), total_gib) for name in names if _is_exact(name)]
    if len(fitting) == 1 and (not exact or fitting[0] in exact or fitting[0].unified_memory):
        return fitting[0]
    return next((gpu for gpu in exact if gpu in fitting), None)


def _is_exact(name: str) -> bool:
    """Whether a name is that of one product: others name a chip, and in brackets all that is made of it."""
    return name.startswith(("AMD ", "Radeon ")) and not re.search(r"[\[/]", name) and not is_nameless(name)


def _has_target(gpu: Gpu, target: str | None) -> bool:
    return target is None or gpu.gfx_target in (None, target)


def is_nameless(name: str) -> bool:
    """Whether a driver printed what it prints where it knows no name."""
    return name.casefold() in _NO_NAMES


def shown_name(names: Iterable[str], entry: Gpu | None, pci_id: str | None) -> str:
    """The name of one product, else that of its chip, else the catalogue's, else the identity on the bus."""
    telling = [name for name in names if not is_nameless(name)]
    best = next((name for name in telling if _is_exact(name)), next(iter(telling), None))
    return best or (entry.name if entry else f"AMD GPU {pci_id or 'without a name'}")


def why_unlisted(pci_id: str | None, total_gib: float | None) -> tuple[str, str]:
    """Why there is no entry, and what to do about it."""
    sharing = gpus_by_pci(pci_id) if pci_id else ()
    fitting = [gpu.name for gpu in sharing if identify(gpu.name, total_gib) == gpu]
    if fitting:
        reason = f"{' and '.join(fitting)} look the same to the driver, so its speed cannot be estimated"
        return reason, f'name the card, as in --hardware "{fitting[0].removeprefix("AMD ")}"'
    reason = "the catalogue has no entry for this name and memory, so its speed cannot be estimated"
    return reason, "add an entry to the GPU catalogue"
