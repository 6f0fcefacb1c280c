"""PCI ids, by which the system knows a device where no driver says its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Annotated, Protocol, TypeVar

from pydantic import StringConstraints

PciId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{4}:[0-9a-f]{4}$")]
"""Maker and device in hexadecimal, as ``lspci -n`` prints them."""
GfxTarget = Annotated[str, StringConstraints(pattern=r"^gfx[0-9a-f]{3,4}$")]
"""What AMD's compilers call a GPU."""

_MAKERS = {"10de": "nvidia", "1002": "amd", "8086": "intel", "1da3": "intel", "19e5": "huawei"}
"""Makers by the first half of an id; 1da3 is Habana, which became part of Intel."""


class _Device(Protocol):
    @property
    def pci_ids(self) -> tuple[str, ...]: ...


D = TypeVar("D", bound=_Device)


def check_maker(pci_ids: Iterable[str], vendor: str) -> None:
    """Raise ``ValueError`` for an id that belongs to another maker than ``vendor``."""
    foreign = [pci_id for pci_id in pci_ids if _MAKERS.get(pci_id[:4]) != vendor]
    if foreign:
        raise ValueError(f"{', '.join(foreign)} is not an id of {vendor}")


def by_pci_id(devices: Iterable[D]) -> Mapping[str, tuple[D, ...]]:
    """Index ``devices`` by their PCI ids; one id may stand for several."""
    index: dict[str, tuple[D, ...]] = {}
    for device in devices:
        for pci_id in device.pci_ids:
            index[pci_id] = (*index.get(pci_id, ()), device)
    return MappingProxyType(index)
