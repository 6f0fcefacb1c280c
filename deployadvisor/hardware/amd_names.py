"""What AMD calls its devices: which names are those of one product, and whether a device has memory of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from deployadvisor.catalog.gpus import Gpu, gpus, gpus_by_pci
from deployadvisor.catalog.integrated import integrated_gpus, is_integrated

Role = Literal["card", "unified", "integrated"]
"""A card with its own memory; a processor's graphics worth planning with; other graphics of a processor."""

_NO_NAMES = frozenset(("amd radeon graphics", "amd radeon(tm) graphics", "radeon graphics", "amd graphics"))
"""What drivers print where they know no name."""


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


def is_exact(name: str) -> bool:
    """Whether a name is that of one product: others name a chip, and in brackets all that is made of it."""
    return name.startswith(("AMD ", "Radeon ")) and not re.search(r"[\[/]", name) and not is_nameless(name)


def is_nameless(name: str) -> bool:
    """Whether a driver printed what it prints where it knows no name."""
    return name.casefold() in _NO_NAMES


def shown_name(names: Iterable[str], entry: Gpu | None, pci_id: str | None) -> str:
    """The name of one product, else that of its chip, else the catalogue's, else the identity on the bus."""
    telling = [name for name in names if not is_nameless(name)]
    best = next((name for name in telling if is_exact(name)), next(iter(telling), None))
    return best or (entry.name if entry else f"AMD GPU {pci_id or 'without a name'}")
