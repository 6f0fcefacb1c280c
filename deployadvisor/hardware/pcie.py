"""The PCIe link between a card and its processor: the slowest piece of the way, as it is trained now.

Cards with a switch of their own show the link behind that switch, which is always wide and fast; the slot is
further up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployadvisor.hardware.machine import Known, Number, Unknown
from deployadvisor.hardware.pci import FOLDER, bus_address
from deployadvisor.hardware.system import System

_MOST_BRIDGES = 8
_GENERATIONS = {2.5: 1, 5.0: 2, 8.0: 3, 16.0: 4, 32.0: 5, 64.0: 6}
"""By transfers per second and lane, in GT/s."""


def pcie_link(system: System, address: str | None) -> tuple[Number, Number]:
    """Generation and width of the link."""
    if address is None:
        nowhere = Unknown(unknown="the device's place on the PCI bus is not known")
        return nowhere, nowhere
    links = list(_links(system, address))
    if not links:
        silent = Unknown(unknown=f"{FOLDER}/{address}/current_link_speed and _width say nothing")
        return silent, silent
    speed, width, place = min(links, key=lambda link: link[0] * link[1])
    source = f"{FOLDER}/{place}/current_link_"
    return (
        Known[float](value=float(_GENERATIONS[speed]), source=f"{source}speed"),
        Known[float](value=float(width), source=f"{source}width"),
    )


def _links(system: System, address: str) -> Iterator[tuple[float, int, str]]:
    """Speed, width and place of the device's link and of those of the bridges above it."""
    place: str | None = address
    for _ in range(_MOST_BRIDGES):
        if place is None:
            return
        speed = re.match(r"([0-9]{1,3}(?:\.[0-9])?) GT/s", system.text(f"{FOLDER}/{place}/current_link_speed") or "")
        width = (system.text(f"{FOLDER}/{place}/current_link_width") or "").strip()
        if speed and float(speed[1]) in _GENERATIONS and re.fullmatch(r"[1-9][0-9]?", width, re.ASCII):
            yield float(speed[1]), int(width), place
        above = system.target(f"{FOLDER}/{place}/..")
        place = bus_address(above) if above else None
