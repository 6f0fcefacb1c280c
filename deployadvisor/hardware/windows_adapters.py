"""Display adapters as Windows knows them: the registry has their sizes, the system says which are plugged in.

The registry keeps adapters that were removed, and one that was installed twice stands there twice; so each adapter
that is present takes one entry with its PCI id. Virtual adapters have no PCI id.
Source: Microsoft, "Win32_VideoController class", whose AdapterRAM has 32 bits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from deployadvisor.hardware.answers import is_plain
from deployadvisor.hardware.json_text import json_document
from deployadvisor.hardware.machine import Known, Number, Unknown
from deployadvisor.hardware.system import GIB

CLASS = r"HKLM\SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"
"""Where the registry keeps display adapters."""

REGISTRY = ("reg", "query", CLASS, "/s")
PRESENT = (
    *("powershell", "-NoProfile", "-NonInteractive", "-Command"),
    (
        "@{adapters=@(Get-CimInstance Win32_VideoController | Select-Object Name,PNPDeviceID,AdapterRAM);"
        "used=@(Get-CimInstance Win32_PerfFormattedData_GPUPerformanceCounters_GPUAdapterMemory"
        " -ErrorAction SilentlyContinue | Select-Object Name,DedicatedUsage)} | ConvertTo-Json -Compress -Depth 3"
    ),
)
"""Both classes have the same name in every language of Windows."""
SIZE_64, SIZE_32 = "HardwareInformation.qwMemorySize", "HardwareInformation.MemorySize"

_KEY = re.compile(r"^HKEY_[^\r\n]*\\([^\\\r\n]+)\s*$")
_VALUE = re.compile(r"^ {4}(\S.*?) {4}REG_(SZ|DWORD|QWORD|BINARY) {4}(.*?)\s*$")
_HARDWARE = re.compile(r"PCI\\VEN_([0-9A-F]{4})&DEV_([0-9A-F]{4})", re.IGNORECASE)
_VENDOR_ONLY = re.compile(r"PCI\\VEN_([0-9A-F]{4})$", re.IGNORECASE)
_CAP_BYTES = 4095 << 20
"""32 bits end here: such an answer means "this much or more"."""
_MOST_BYTES = 1 << 50


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter on the PCI bus."""

    name: str
    pci_id: str
    size_64: int | None = None
    size_32: int | None = None
    driver: str | None = None

    @property
    def memory(self) -> Number:
        """Its own memory; an answer of 32 bits is none where it has reached their end."""
        if self.size_64:
            return Known[float](value=self.size_64 / GIB, source=f"registry {SIZE_64}")
        if self.size_32 and self.size_32 < _CAP_BYTES:
            return Known[float](value=self.size_32 / GIB, source=f"registry {SIZE_32}, or AdapterRAM")
        remedy = "update its driver, or name the card and its memory with --hardware"
        if self.size_32:
            reason = f"Windows says 4 GiB or more: its number has 32 bits, and there is no {SIZE_64}"
            return Unknown(unknown=reason, remedy=remedy)
        return Unknown(unknown=f"the registry has neither {SIZE_64} nor {SIZE_32} for it", remedy=remedy)


def registry_adapters(text: str) -> tuple[Adapter, ...]:
    """Adapters on the PCI bus, plugged in or not, out of what ``reg query`` prints."""
    keys: list[dict[str, str]] = []
    inside = False
    for line in text.splitlines():
        if key := _KEY.match(line):
            inside = re.fullmatch(r"[0-9]{4}", key[1], re.ASCII) is not None
            if inside:
                keys.append({})
        elif inside and (value := _VALUE.match(line)):
            keys[-1][value[1]] = f"{value[2]} {value[3]}"
    return tuple(adapter for key in keys if (adapter := _adapter(key)))


def _adapter(values: Mapping[str, str]) -> Adapter | None:
    pci_id = _pci_id(_text(values, "MatchingDeviceId"))
    if pci_id is None:
        return None
    name, driver = _text(values, "DriverDesc"), _text(values, "DriverVersion")
    return Adapter(
        name=name if is_plain(name) else f"display adapter {pci_id}",
        pci_id=pci_id,
        size_64=_number(values.get(SIZE_64, "")),
        size_32=_number(values.get(SIZE_32, "")),
        driver=driver if is_plain(driver) else None,
    )


def _text(values: Mapping[str, str], name: str) -> str:
    return values.get(name, "").removeprefix("SZ ").strip()


def _number(value: str) -> int | None:
    """``QWORD 0x4ff000000``, ``DWORD 0x20000000``, or the bytes of either, lowest first."""
    kind, _, digits = value.partition(" ")
    if kind in ("QWORD", "DWORD") and re.fullmatch(r"0x[0-9a-f]{1,16}", digits, re.IGNORECASE):
        number = int(digits, 16)
    elif kind == "BINARY" and re.fullmatch(r"([0-9a-f]{8}){1,2}", digits, re.IGNORECASE):
        number = int.from_bytes(bytes.fromhex(digits), "little")
    else:
        return None
    return number if 0 < number <= _MOST_BYTES else None


def _pci_id(hardware: str) -> str | None:
    found = _HARDWARE.search(hardware)
    return f"{found[1]}:{found[2]}".casefold() if found else None


def present_adapters(text: str, registered: Sequence[Adapter]) -> tuple[Adapter, ...] | None:
    """Adapters that are plugged in, with their sizes out of the registry; None where Windows did not say."""
    told = [row for row in _rows(text, "adapters") if isinstance(row.get("PNPDeviceID"), str)]
    if not told:
        return None
    left = list(registered)
    return tuple(adapter for row in told for adapter in _taken(row, left))


def used_by_all(text: str) -> Number:
    """Memory of their own that all adapters together use: no single one can use more.

    The counters name an adapter by a number that stands nowhere else, so which is whose nobody says.
    """
    counted = [row.get("DedicatedUsage") for row in _rows(text, "used")]
    sizes = [size for size in counted if type(size) is int and 0 <= size <= _MOST_BYTES]
    if not sizes or len(sizes) < len(counted):
        return Unknown(
            unknown="Windows did not say how much memory of graphics adapters is in use",
            remedy="look at the task manager, Performance, GPU",
        )
    return Known[float](value=sum(sizes) / GIB, source="performance counters of all adapters")


def _rows(text: str, name: str) -> list[dict[str, Any]]:
    """One of the lists that PowerShell was asked for."""
    document = json_document(text)
    found = document.get(name) if isinstance(document, dict) else None
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _taken(row: Mapping[str, Any], left: list[Adapter]) -> Iterator[Adapter]:
    """The entry that belongs to an adapter, taken out of those that are left; else what Windows says without one."""
    pci_id, name = _pci_id(row["PNPDeviceID"]), row.get("Name")
    fitting = [each for each in left if each.pci_id == pci_id or (pci_id is None and _is_of(each, row))]
    best = next((each for each in fitting if each.size_64), next(iter(fitting), None))
    ram = row.get("AdapterRAM")
    size = ram if type(ram) is int and 0 < ram <= _MOST_BYTES else None
    if best is not None:
        left.remove(best)
        yield best if best.size_32 else replace(best, size_32=size)
    elif pci_id is not None:
        yield Adapter(
            name if isinstance(name, str) and is_plain(name) else f"display adapter {pci_id}", pci_id, None, size
        )


def _is_of(adapter: Adapter, row: Mapping[str, Any]) -> bool:
    """Whether an entry is an adapter's of which only maker and name are told."""
    vendor = _VENDOR_ONLY.match(row["PNPDeviceID"])
    return vendor is not None and adapter.pci_id[:4] == vendor[1].casefold() and adapter.name == row.get("Name")
