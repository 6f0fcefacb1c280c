"""What else a deployment stumbles over: kernel, board, instruction sets, shared memory, limits, ports, tools."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypedDict

from deployadvisor.hardware.answers import is_plain
from deployadvisor.hardware.machine import Flag, Known, Number, Numbers, Text, Unknown, Words
from deployadvisor.hardware.system import GIB, System

_ONLY_LINUX = Unknown(unknown="read on Linux only")
_FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8", "asimd", "sve")
_CONTAINER_TOOLS = ("docker", "podman", "nerdctl", "kubectl", "apptainer", "singularity")
_TOOLKITS: Mapping[str, str] = {"nvidia-ctk": "NVIDIA Container Toolkit", "amd-ctk": "AMD Container Toolkit"}
_TOOLKIT_S = 0.5


LISTENING = "0A"
"""The kernel's state of a port that is listened on, TCP_LISTEN."""
PORT_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")


class Details(TypedDict):
    """The part of a host that is read here."""

    kernel: Text
    product: Text
    wsl: Flag
    cpu_features: Words
    numa_nodes: Number
    shared_memory_gib: Number
    container_tools: Words
    gpu_toolkit: Text
    open_files_limit: Text
    locked_memory_limit: Text
    ports_in_use: Numbers
    python: Text


def host_details(system: System) -> Details:
    """Everything that a plan may need beside memory and cores."""
    linux = system.platform()[0] == "Linux"
    return Details(
        kernel=_said(system.kernel(), "platform.release"),
        product=_product(system) if linux else _ONLY_LINUX,
        wsl=_wsl(system),
        cpu_features=_cpu_features(system) if linux else _ONLY_LINUX,
        numa_nodes=_numa_nodes(system) if linux else _ONLY_LINUX,
        shared_memory_gib=_shared_memory(system) if linux else _ONLY_LINUX,
        container_tools=_container_tools(system),
        gpu_toolkit=_gpu_toolkit(system) if linux else _ONLY_LINUX,
        open_files_limit=_limit(system, "Max open files") if linux else _ONLY_LINUX,
        locked_memory_limit=_limit(system, "Max locked memory") if linux else _ONLY_LINUX,
        ports_in_use=_ports(system) if linux else _ONLY_LINUX,
        python=_said(system.python(), "platform.python_version"),
    )


def _said(text: str, source: str) -> Text:
    return (
        Known[str](value=text, source=source) if is_plain(text) else Unknown(unknown="the interpreter does not say")
    )


def _product(system: System) -> Text:
    """Boards with a device tree name themselves there, computers in their firmware."""
    for file in ("/proc/device-tree/model", "/sys/class/dmi/id/product_name"):
        name = (system.text(file) or "").strip("\0 \n")
        if is_plain(name):
            return Known[str](value=name, source=file)
    return Unknown(unknown="neither device tree nor firmware names the computer")


def _wsl(system: System) -> Flag:
    if system.platform()[0] != "Linux":
        return Known[bool](value=False, source="platform.system")
    if "microsoft" in system.kernel().casefold():
        return Known[bool](value=True, source="platform.release")
    if system.access("/dev/dxg") != "absent":
        return Known[bool](value=True, source="/dev/dxg")
    return Known[bool](value=False, source="platform.release")


def _cpu_features(system: System) -> Words:
    """The first processor's flags; all processors of a computer have the same."""
    file = "/proc/cpuinfo"
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", system.text(file) or "", re.MULTILINE)
    if found is None:
        return Unknown(unknown=f"{file} lists no instruction sets")
    flags = frozenset(found[1].split())
    return Known[tuple[str, ...]](value=tuple(name for name in _FEATURES if name in flags), source=file)


def _numa_nodes(system: System) -> Number:
    file = "/sys/devices/system/node/online"
    ranges = re.findall(r"(\d{1,4})(?:-(\d{1,4}))?", (system.text(file) or "").strip())
    count = sum(max(0, int(last or first) - int(first) + 1) for first, last in ranges)
    return Known[float](value=float(count), source=file) if count else Unknown(unknown=f"{file} lists no node")


def _shared_memory(system: System) -> Number:
    size = system.disk_total_bytes("/dev/shm")  # noqa: S108 - its size is read, nothing is written
    if not size or size < 0:
        return Unknown(unknown="there is no /dev/shm")
    return Known[float](value=size / GIB, source="size of /dev/shm")


def _container_tools(system: System) -> Words:
    found = tuple(name for name in _CONTAINER_TOOLS if system.has_program(name))
    return Known[tuple[str, ...]](value=found, source="programs on the path")


def _gpu_toolkit(system: System) -> Text:
    """Its name and version; without it containers see no card."""
    for program, name in _TOOLKITS.items():
        if system.has_program(program):
            answer = system.run(program, "--version", timeout_s=_TOOLKIT_S)
            version = re.search(r"version:?\s+v?([0-9][0-9.]{0,20})", answer.text)
            return Known[str](value=f"{name} {version[1]}" if version else name, source=f"{program} --version")
    missing = "no toolkit that hands cards to containers is on the path"
    return Unknown(
        unknown=missing, remedy="install the toolkit of the card's maker: without it containers see no card"
    )


def _limit(system: System, name: str) -> Text:
    """The soft limit of this process: a number, an amount in MiB, or ``unlimited``."""
    file = "/proc/self/limits"
    found = re.search(rf"^{name}\s+(unlimited|[0-9]{{1,20}})\s+\S+\s*([a-z]*)", system.text(file) or "", re.MULTILINE)
    if found is None:
        return Unknown(unknown=f"{file} does not say")
    amount = f"{int(found[1]) / 2**20:g} MiB" if found[1].isdecimal() and found[2] == "bytes" else found[1]
    return Known[str](value=amount, source=file)


def _ports(system: System) -> Numbers:
    tables = [system.text(file) for file in PORT_TABLES]
    if not any(tables):
        return Unknown(unknown=f"{PORT_TABLES[0]} cannot be read")
    ports = {port for table in tables for line in (table or "").splitlines()[1:] if (port := _listening_port(line))}
    return Known[tuple[int, ...]](value=tuple(sorted(ports)), source=", ".join(PORT_TABLES))


def _listening_port(line: str) -> int | None:
    """Port of a row such as ``0: 0100007F:1F90 00000000:0000 0A ...``."""
    words = line.split()
    if len(words) < 4 or words[3] != LISTENING:
        return None
    found = re.fullmatch(r"[0-9A-F]+:([0-9A-F]{4})", words[1])
    return int(found[1], 16) if found else None
