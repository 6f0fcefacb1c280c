"""Graphics and compute devices on the PCI bus, and what Linux says of each without any driver's help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deployadvisor.hardware.machine import Known, Number, Text, Unknown
from deployadvisor.hardware.system import System

FOLDER = "/sys/bus/pci/devices"
NO_PLACE = Unknown(unknown="the device's place on the PCI bus is not known")

_ADDRESS = re.compile(r"(?P<domain>[0-9a-f]{4,8}):(?P<rest>[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", re.IGNORECASE)
_DISPLAY, _ACCELERATOR = "0x03", "0x12"  # PCI base classes: display controller, processing accelerator
_MOST_DEVICES = 4096
_MOST_BYTES = 1 << 50


@dataclass(frozen=True, slots=True)
class PciDevice:
    """One device of the bus."""

    address: str
    """Such as ``0000:65:00.0``."""
    vendor: str
    """Four hexadecimal digits."""
    device: str
    """Four hexadecimal digits."""
    driver: str | None
    """Kernel driver that holds it."""

    @property
    def pci_id(self) -> str:
        """Vendor and device, as the catalogue writes them."""
        return f"{self.vendor}:{self.device}"


def pci_devices(system: System, *vendors: str) -> tuple[PciDevice, ...]:
    """Display controllers and processing accelerators of these vendors, in bus order."""
    return tuple(device for device in _devices(system) if device.vendor in vendors)


def _devices(system: System) -> Iterator[PciDevice]:
    for address in system.names(FOLDER)[:_MOST_DEVICES]:
        kind = (system.text(f"{FOLDER}/{address}/class") or "").strip()
        if not kind.startswith((_DISPLAY, _ACCELERATOR)):
            continue
        vendor, device = (_hex(system.text(f"{FOLDER}/{address}/{name}")) for name in ("vendor", "device"))
        if vendor and device:
            yield PciDevice(address, vendor, device, system.target(f"{FOLDER}/{address}/driver"))


def _hex(text: str | None) -> str | None:
    found = re.fullmatch(r"0x([0-9a-f]{4})", (text or "").strip().casefold())
    return found[1] if found else None


def bus_address(text: str) -> str | None:
    """An address as the kernel names it: tools write the domain with eight digits and in capitals.

    >>> bus_address("00000000:0A:06.0")
    '0000:0a:06.0'
    """
    found = _ADDRESS.fullmatch(text.strip())
    return f"{int(found['domain'], 16):04x}:{found['rest'].casefold()}" if found else None


def numa_node(system: System, address: str | None) -> Number:
    """Memory node that the device hangs on; the kernel writes -1 where there is only one or it does not know."""
    if address is None:
        return NO_PLACE
    file = f"{FOLDER}/{address}/numa_node"
    word = (system.text(file) or "").strip()
    if not word.isdecimal() or len(word) > 4:
        return Unknown(unknown=f"{file} names no node")
    return Known[float](value=float(word), source=file)


def identity(device: PciDevice | None) -> Text:
    """Vendor and device of a device on the bus."""
    if device is None:
        return NO_PLACE
    return Known[str](value=device.pci_id, source=f"{FOLDER}/{device.address}")


def window_bytes(system: System, address: str, region: int) -> int | None:
    """Size of one of the windows (``BAR``) through which the processor reaches the device; None if there is none."""
    lines = (system.text(f"{FOLDER}/{address}/resource") or "").splitlines()
    words = lines[region].split() if region < len(lines) else []
    if len(words) != 3 or not all(re.fullmatch(r"0x[0-9a-f]{1,16}", word) for word in words):
        return None
    size = int(words[1], 16) - int(words[0], 16) + 1
    return size if 1 < size <= _MOST_BYTES else None
