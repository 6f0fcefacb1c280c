"""The PCI Express link of a device: the slowest piece of the way to its processor, as it is trained now.

Cards with a switch of their own show the link behind that switch, which is always wide and fast; the slot is
further up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployadvisor.hardware.machine import Known, Number, Unknown, value_of
from deployadvisor.hardware.pci import FOLDER, NO_PLACE, bus_address
from deployadvisor.hardware.system import System

_MOST_BRIDGES = 8
_MOST_LANES = 32
_GT_PER_S = {1: 2.5, 2: 5.0, 3: 8.0, 4: 16.0, 5: 32.0, 6: 64.0}
"""Transfers per second and lane, by generation."""
_GENERATIONS = {speed: generation for generation, speed in _GT_PER_S.items()}

_Link = tuple[Number, Number]


def pcie_link(system: System, address: str | None) -> _Link:
    """Generation and width of the link."""
    if address is None:
        return NO_PLACE, NO_PLACE
    links = [(_generation(system, place), _width(system, place)) for place in _way(system, address)]
    known = [link for link in links if all(isinstance(part, Known) for part in link)]
    return min(known, key=_speed, default=links[0])


def _way(system: System, address: str) -> Iterator[str]:
    """The device and the bridges above it."""
    place: str | None = address
    for _ in range(_MOST_BRIDGES):
        if place is None:
            return
        yield place
        above = system.target(f"{FOLDER}/{place}/..")
        place = bus_address(above) if above else None


def _generation(system: System, place: str) -> Number:
    file = f"{FOLDER}/{place}/current_link_speed"
    found = re.match(r"([0-9]{1,3}(?:\.[0-9])?) GT/s", system.text(file) or "")
    generation = _GENERATIONS.get(float(found[1])) if found else None
    if generation is None:
        return Unknown(unknown=f"{file} names no speed")
    return Known[float](value=float(generation), source=file)


def _width(system: System, place: str) -> Number:
    file = f"{FOLDER}/{place}/current_link_width"
    word = (system.text(file) or "").strip()
    if not re.fullmatch(r"[0-9]{1,2}", word) or not 1 <= int(word) <= _MOST_LANES:
        return Unknown(unknown=f"{file} names no width")
    return Known[float](value=float(word), source=file)


def _speed(link: _Link) -> float:
    generation, width = (value_of(part) or 0 for part in link)
    return _GT_PER_S[int(generation)] * width
