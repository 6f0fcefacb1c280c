"""Graphics and compute devices on the PCI bus, as Linux lists them without any driver's help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from deployadvisor.hardware.machine import Known, Number, Unknown
from deployadvisor.hardware.system import System

FOLDER = "/sys/bus/pci/devices"

_ADDRESS = re.compile(r"(?P<domain>[0-9a-f]{4,8}):(?P<rest>[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", re.IGNORECASE)
_DISPLAY, _ACCELERATOR = "0x03", "0x12"  # PCI base classes: display controller, processing accelerator
_MOST_DEVICES = 4096


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
        return Unknown(unknown="the device's place on the PCI bus is not known")
    file = f"{FOLDER}/{address}/numa_node"
    word = (system.text(file) or "").strip()
    if not word.isdecimal() or len(word) > 4:
        return Unknown(unknown=f"{file} names no node")
    return Known[float](value=float(word), source=file)
