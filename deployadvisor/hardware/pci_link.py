"""How a device is connected, and how much of its memory the processor can address, as the kernel reads the bus."""

from __future__ import annotations

import re

from deployadvisor.hardware.machine import Known, Number, Text, Unknown
from deployadvisor.hardware.pci import FOLDER, PciDevice
from deployadvisor.hardware.system import System

_GENERATIONS = {"2.5": 1, "5.0": 2, "8.0": 3, "16.0": 4, "32.0": 5, "64.0": 6}
"""PCI Express generations by gigatransfers a second, as the kernel writes them."""
_NO_PLACE = Unknown(unknown="the device's place on the PCI bus is not known")
_MOST_BYTES = 1 << 50


def link_generation(system: System, address: str | None) -> Number:
    """Generation of the link as it is trained now."""
    if address is None:
        return _NO_PLACE
    file = f"{FOLDER}/{address}/current_link_speed"
    found = re.match(r"([0-9]{1,3}\.[0-9]) GT/s", system.text(file) or "")
    generation = _GENERATIONS.get(found[1]) if found else None
    if generation is None:
        return Unknown(unknown=f"{file} names no speed")
    return Known[float](value=float(generation), source=file)


def link_width(system: System, address: str | None) -> Number:
    """Lanes of the link as it is trained now."""
    if address is None:
        return _NO_PLACE
    file = f"{FOLDER}/{address}/current_link_width"
    word = (system.text(file) or "").strip()
    if not re.fullmatch(r"[0-9]{1,2}", word) or not 1 <= int(word) <= 32:
        return Unknown(unknown=f"{file} names no width")
    return Known[float](value=float(word), source=file)


def identity(device: PciDevice | None) -> Text:
    """Vendor and device of a device on the bus."""
    if device is None:
        return _NO_PLACE
    return Known[str](value=device.pci_id, source=f"{FOLDER}/{device.address}")


def window_bytes(system: System, address: str, region: int) -> int | None:
    """Size of one of the windows (``BAR``) through which the processor reaches the device; None if there is none."""
    lines = (system.text(f"{FOLDER}/{address}/resource") or "").splitlines()
    words = lines[region].split() if region < len(lines) else []
    if len(words) != 3 or not all(re.fullmatch(r"0x[0-9a-f]{1,16}", word) for word in words):
        return None
    size = int(words[1], 16) - int(words[0], 16) + 1
    return size if 1 < size <= _MOST_BYTES else None
