"""Read what ``xpu-smi discovery`` prints as JSON.

Version 1 lists devices briefly and tells the rest one device at a time, version 2 tells all at once. Numbers are
mostly texts, a missing device is a sentence, and lines with ``[Error]`` may stand before the document.
Sources: smi_user_guide.md and issues 127, 150 and 158 of github.com/intel/xpumanager.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from deployadvisor.hardware.answers import is_plain
from deployadvisor.hardware.findings import printed
from deployadvisor.hardware.pci import bus_address
from deployadvisor.hardware.system import Output

NAME = "xpu-smi discovery"
LIST = ("xpu-smi", "discovery", "-j")

_MOST_DEVICES = 64
_MOST_BYTES = 1 << 40
_NOTHING = ("", "unknown", "n/a")


def details_command(number: int) -> tuple[str, ...]:
    """Ask about one device."""
    return ("xpu-smi", "discovery", "-d", str(number), "-j")


@dataclass(frozen=True, slots=True)
class XpuDevice:
    """What the program says about one card; None where it says nothing."""

    number: int
    name: str | None = None
    address: str | None = None
    """Place on the PCI bus, as the kernel names it."""
    pci_id: str | None = None
    total_bytes: int | None = None
    free_bytes: int | None = None
    tiles: int | None = None
    ecc: bool | None = None
    driver: str | None = None
    generation: int | None = None
    width: int | None = None
    uuid: str | None = None
    serial: str | None = None

    def filled(self, other: XpuDevice) -> XpuDevice:
        """The same card, with what only ``other`` says."""
        gaps = {gap.name: getattr(other, gap.name) for gap in fields(self) if getattr(self, gap.name) is None}
        return replace(self, **gaps)


@dataclass(frozen=True, slots=True)
class Discovery:
    """Cards, or why there are none."""

    devices: tuple[XpuDevice, ...] = ()
    failure: str | None = None


def read_discovery(output: Output) -> Discovery:
    """Every card of a list, or the one card that was asked about."""
    if output.missing:
        return Discovery(failure="not installed here, or not on the path")
    document = _document(output.text)
    if document is None or output.silence is not None:
        return Discovery(failure=output.silence or f"it printed no JSON: {printed(output)}")
    rows = document.get("device_list", [document] if "device_id" in document else None)
    if isinstance(rows, list):
        found = [device for row in rows[:_MOST_DEVICES] if (device := _device(row)) is not None]
        return Discovery(tuple({device.number: device for device in found}.values()))
    said = rows if isinstance(rows, str) else document.get("error")
    return Discovery(failure=said if isinstance(said, str) and is_plain(said) else "it lists no devices")


def _document(text: str) -> Mapping[str, Any] | None:
    start = re.search(r"^\s*\{", text, re.MULTILINE)
    if start is None:
        return None
    try:
        value = json.JSONDecoder().raw_decode(text, start.end() - 1)[0]
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _device(row: object) -> XpuDevice | None:
    if not isinstance(row, dict):
        return None
    number = _number(row, "device_id", 4096)
    if number is None:
        return None
    address = _text(row, "pci_bdf_address")
    ecc = (_text(row, "memory_ecc_state") or "").casefold()
    return XpuDevice(
        number=number,
        name=_text(row, "device_name"),
        address=bus_address(address) if address else None,
        pci_id=_pci_id(_text(row, "pci_device_id")),
        total_bytes=_number(row, "memory_physical_size_byte", _MOST_BYTES) or None,
        free_bytes=_number(row, "memory_free_size_byte", _MOST_BYTES),
        tiles=_number(row, "number_of_tiles", 16) or None,
        ecc={"enabled": True, "disabled": False}.get(ecc),
        driver=_text(row, "driver_version"),
        generation=_number(row, "pcie_generation", 9) or None,
        width=_number(row, "pcie_max_link_width", 32) or None,
        uuid=_text(row, "uuid"),
        serial=_text(row, "serial_number"),
    )


def _text(row: Mapping[str, Any], key: str) -> str | None:
    value = row.get(key)
    if not isinstance(value, str) or not is_plain(value) or value.strip().casefold() in _NOTHING:
        return None
    return value.strip()


def _number(row: Mapping[str, Any], key: str, most: int) -> int | None:
    """A whole number from 0, written as such or as a text."""
    value = row.get(key)
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,16}", value.strip()):
        value = int(value)
    return value if type(value) is int and 0 <= value <= most else None


def _pci_id(word: str | None) -> str | None:
    """``0xbda`` as ``8086:0bda``."""
    found = re.fullmatch(r"0x([0-9a-f]{1,4})", (word or "").casefold())
    return f"8086:{found[1]:0>4}" if found else None
