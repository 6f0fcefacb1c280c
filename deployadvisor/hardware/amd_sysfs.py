"""What the kernel's amdgpu driver writes down about a card in small files."""

from __future__ import annotations

import re

from deployadvisor.hardware.answers import is_plain
from deployadvisor.hardware.machine import Flag, Known, Number, Text, Unknown
from deployadvisor.hardware.pci import FOLDER, NO_PLACE
from deployadvisor.hardware.system import GIB, System

DRIVER = "amdgpu"
MODULE = f"/sys/module/{DRIVER}"

_MOST_BYTES = 1 << 50
_NAME_TABLES = ("/usr/share/libdrm/amdgpu.ids", "/opt/amdgpu/share/libdrm/amdgpu.ids")
"""Where the graphics libraries keep AMD's product names by device and revision."""


def digits(text: str | None) -> int | None:
    """A whole number as files and tools write it."""
    word = (text or "").strip()
    return int(word) if re.fullmatch(r"[0-9]{1,18}", word, re.ASCII) else None


def size_gib(system: System, address: str | None, name: str, *, lowest: int = 1) -> Number:
    """A number of bytes that the driver writes, in GiB; below ``lowest`` it is no answer."""
    if address is None:
        return NO_PLACE
    file = f"{FOLDER}/{address}/{name}"
    text = system.text(file)
    size = digits(text)
    if size is not None and lowest <= size <= _MOST_BYTES:
        return Known[float](value=size / GIB, source=file)
    return Unknown(unknown=f"{file} {'cannot be read' if text is None else 'says no size'}")


def line(system: System, address: str | None, name: str) -> Text:
    """A file of one printable line."""
    if address is None:
        return NO_PLACE
    file = f"{FOLDER}/{address}/{name}"
    word = (system.text(file) or "").strip()
    return Known[str](value=word, source=file) if is_plain(word) else Unknown(unknown=f"{file} says nothing")


def product_name(system: System, device: str, revision: str) -> str | None:
    """AMD's name for a device (four hexadecimal digits) in one of its revisions, as the graphics libraries say it."""
    wanted = re.compile(rf"^{device},\s*{revision.removeprefix('0x')},\s*(\S.*)$", re.MULTILINE | re.IGNORECASE)
    for table in _NAME_TABLES:
        found = wanted.search(system.text(table) or "")
        if found and is_plain(found[1]):
            return found[1].strip()
    return None


def ecc(system: System, address: str | None) -> Flag:
    """Whether the memory corrects errors: bit 0 of the driver's mask is the memory controller's."""
    mask = line(system, address, "ras/features")
    if isinstance(mask, Unknown):
        return Unknown(unknown="the driver offers no error correction on this device (no ras/features)")
    found = re.search(r"feature mask: 0x([0-9a-f]{1,8})\b", mask.value)
    if found is None:
        return Unknown(unknown=f"{mask.source} names no mask")
    return Known[bool](value=bool(int(found[1], 16) & 1), source=mask.source)


def power_cap_w(system: System, address: str | None) -> Number:
    """The limit that the card keeps; 0 stands for none that is known."""
    for sensor in system.names(f"{FOLDER}/{address}/hwmon")[:8] if address else ():
        cap = line(system, address, f"hwmon/{sensor}/power1_cap")
        if isinstance(cap, Known) and re.fullmatch(r"[1-9][0-9]{0,11}", cap.value, re.ASCII):
            return Known[float](value=int(cap.value) / 1e6, source=cap.source)
    return Unknown(unknown="the driver says no power cap")


def display_attached(system: System, address: str | None) -> Flag:
    """Whether a screen is plugged in anywhere; cards for data centres have no sockets at all."""
    folder = f"{FOLDER}/{address}/drm"
    cards = [name for name in system.names(folder) if re.fullmatch(r"card[0-9]{1,4}", name)] if address else []
    if not cards:
        return Unknown(unknown=f"{folder} has no card" if address else NO_PLACE.unknown)
    sockets = [f"{folder}/{card}/{name}/status" for card in cards for name in system.names(f"{folder}/{card}")]
    plugged = (file for file in sockets if (system.text(file) or "").strip() == "connected")
    file = next(plugged, None)
    return Known[bool](value=file is not None, source=file or f"connectors in {folder}")


def driver_version(system: System) -> Text:
    """Version of the driver: its own, where AMD's package is installed, else that of the kernel it came with."""
    own = version_in(system.text(f"{MODULE}/version"))
    if own:
        return Known[str](value=own, source=f"{MODULE}/version")
    if system.access(MODULE) == "absent":
        return Unknown(unknown="the amdgpu kernel module is not loaded", remedy="sudo modprobe amdgpu")
    kernel = version_in(system.kernel())
    if kernel:
        return Known[str](value=kernel, source=f"{DRIVER} of this kernel, platform.release")
    return Unknown(unknown=f"{MODULE} says no version")


def version_in(text: str | None) -> str | None:
    """The numbers at the beginning of a version: what builders of kernels write behind them says nothing here."""
    found = re.match(r"[0-9]{1,5}(\.[0-9]{1,5}){1,3}", (text or "").strip(), re.ASCII)
    return found[0] if found else None


def rocm_version(system: System) -> Text:
    """The installed ROCm; engines that bring their own, as Ollama does, need none."""
    for folder in _rocm_folders(system):
        if version := version_in(system.text(f"{folder}/.info/version")):
            return Known[str](value=version, source=f"{folder}/.info/version")
    remedy = "install ROCm, or choose an engine that brings its own or runs on Vulkan"
    return Unknown(unknown="no ROCm is found in /opt/rocm", remedy=remedy)


def _rocm_folders(system: System) -> list[str]:
    """Where AMD's packages install, the usual place first, then versions beside one another, the newest first."""
    versions = sorted((name for name in system.names("/opt") if name.startswith("rocm-")), reverse=True)
    return [f"/opt/{name}" for name in ("rocm", *versions[:8])]
