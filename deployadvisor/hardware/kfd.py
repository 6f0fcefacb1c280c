"""AMD devices as the kernel's compute driver numbers them: the order of ROCm, whatever the bus or the tools say.

Every node of ``/sys/class/kfd`` with a GPU counts, that of a processor's own graphics included. A node of a device
that this process may not use cannot be read, and ROCm leaves it out.
Source: Linux drivers/gpu/drm/amd/amdkfd/kfd_topology.c; ROCm libhsakmt src/topology.c.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deployadvisor.hardware.amd_sysfs import digits
from deployadvisor.hardware.system import System

TOPOLOGY = "/sys/class/kfd/kfd/topology/nodes"
PROCESSES = "/sys/class/kfd/kfd/proc"

XGMI = 11  # HSA_IOLINK_TYPE_XGMI

_AMD = 0x1002
_PROPERTY = re.compile(r"^(\w{1,60}) ([0-9]{1,20})$", re.MULTILINE | re.ASCII)
_MOST_NODES = 1024
_MOST_LINKS = 128
_OWN_MEMORY = (1, 2)  # HSA_MEM_HEAP_TYPE_FB_PUBLIC and _PRIVATE; 0 is the memory of the processors


@dataclass(frozen=True, slots=True)
class Node:
    """One device of ROCm: a card, a partition of a card, or a processor's graphics."""

    number: int
    properties: Mapping[str, int]
    gpu_id: int | None
    """What the driver calls it in the files of processes."""
    memory_bytes: int | None
    """What ROCm hands out on it."""
    used_bytes: int | None
    bank: str
    """File that says how much memory it has."""
    xgmi: frozenset[int]
    """Nodes at the other ends of its own links."""

    @property
    def address(self) -> str | None:
        """Place on the bus; the last digit of a partition is its number, where the card has 0."""
        location, domain = self.properties.get("location_id"), self.properties.get("domain", 0)
        if location is None or not 0 <= location < 1 << 16 or not 0 <= domain < 1 << 32:
            return None
        return f"{domain:04x}:{location >> 8:02x}:{location >> 3 & 31:02x}.{location & 7}"

    @property
    def card_address(self) -> str | None:
        """Place on the bus of the whole card."""
        return f"{self.address[:-1]}0" if self.address else None

    @property
    def pci_id(self) -> str | None:
        """Vendor and device, as the catalogue writes them."""
        device = self.properties.get("device_id", 0)
        return f"{_AMD:04x}:{device:04x}" if 0 < device < 1 << 16 else None

    @property
    def target(self) -> str | None:
        """AMD's name for the instruction set."""
        return gfx_target(self.properties.get("gfx_target_version", 0))

    @property
    def uuid(self) -> str | None:
        """What ``ROCR_VISIBLE_DEVICES`` may name it by; graphics of processors and many cards have none."""
        unique = self.properties.get("unique_id", 0)
        return f"GPU-{unique:016x}" if 0 < unique < 1 << 64 else None

    @property
    def render_file(self) -> str | None:
        """Device file that a process opens to use it."""
        minor = self.properties.get("drm_render_minor", 0)
        return f"/dev/dri/renderD{minor}" if 0 < minor < 1 << 20 else None


def gfx_target(version: int) -> str | None:
    """Name of an instruction set from the kernel's number: major, minor and step in pairs of decimal digits.

    >>> gfx_target(90402), gfx_target(90010), gfx_target(110501)
    ('gfx942', 'gfx90a', 'gfx1151')
    """
    major, minor, step = version // 10_000, version // 100 % 100, version % 100
    if not 1 <= major <= 99 or minor > 15 or step > 15:
        return None
    return f"gfx{major}{minor:x}{step:x}"


def gpu_nodes(system: System) -> tuple[Node, ...]:
    """The devices of ROCm that this process may use, in its order."""
    numbers = sorted(int(name) for name in system.names(TOPOLOGY) if name.isdecimal() and len(name) < 6)
    nodes = (_node(system, number) for number in numbers[:_MOST_NODES])
    return tuple(node for node in nodes if node is not None)


def _node(system: System, number: int) -> Node | None:
    """The node, unless it is a processor or closed to this process."""
    folder = f"{TOPOLOGY}/{number}"
    properties = numbers_in(system.text(f"{folder}/properties"))
    if properties.get("simd_count", 0) <= 0 or properties.get("vendor_id", _AMD) != _AMD:
        return None
    bank, size, used = _own_memory(system, folder)
    gpu_id = digits(system.text(f"{folder}/gpu_id"))
    return Node(number, properties, gpu_id or None, size, used, bank, frozenset(_xgmi(system, folder)))


def numbers_in(text: str | None) -> dict[str, int]:
    """``name value`` lines; what is no number is left out."""
    return {name: int(value) for name, value in _PROPERTY.findall(text or "")}


def _own_memory(system: System, folder: str) -> tuple[str, int | None, int | None]:
    """The bank of memory that is not the processors': its file, size and, on newer kernels, what is used of it."""
    for name in system.names(f"{folder}/mem_banks")[:16]:
        file = f"{folder}/mem_banks/{name}/properties"
        bank = numbers_in(system.text(file))
        if bank.get("heap_type") in _OWN_MEMORY and 0 < bank.get("size_in_bytes", 0) < 1 << 50:
            return file, bank["size_in_bytes"], digits(system.text(f"{folder}/mem_banks/{name}/used_memory"))
    return f"{folder}/mem_banks", None, None


def _xgmi(system: System, folder: str) -> Iterator[int]:
    for name in system.names(f"{folder}/io_links")[:_MOST_LINKS]:
        link = numbers_in(system.text(f"{folder}/io_links/{name}/properties"))
        if link.get("type") == XGMI and "node_to" in link:
            yield link["node_to"]
