"""Read the host: processor, memory and disk that this process may use, not what the hardware has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from deployadvisor.hardware.cgroup import MemoryLimit, cpu_quotas, memory_limits
from deployadvisor.hardware.machine import Flag, Host, Known, Number, Text, Unknown
from deployadvisor.hardware.system import GIB, System

MEMINFO_TOTAL = "/proc/meminfo MemTotal"
"""Source of a total that no control group lowers."""

_MEMINFO = "/proc/meminfo"
_CONTAINER_FILES = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")
_CONTAINER_GROUPS = ("docker", "kubepods", "containerd", "lxc", "libpod")
_ARCHITECTURES = {"amd64": "x86_64", "aarch64": "arm64"}

Os = Literal["linux", "macos", "windows"]
_SYSTEMS: dict[str, Os] = {"Linux": "linux", "Darwin": "macos", "Windows": "windows"}


def read_host(system: System) -> Host:
    """Everything about the host; what cannot be read is unknown with a reason."""
    limits = memory_limits(system)
    return Host(
        os=_os(system),
        arch=_arch(system),
        cpu_model=_cpu_model(system),
        cores=_cores(system),
        memory_total_gib=_memory_total(system, limits),
        memory_available_gib=_memory_available(system, limits),
        container=_container(system),
        disk_free_gib=_disk_free(system),
    )


def _os(system: System) -> Known[Os] | Unknown:
    name = system.platform()[0]
    if name in _SYSTEMS:
        return Known[Os](value=_SYSTEMS[name], source="platform.system")
    return Unknown(unknown=f'the operating system calls itself "{name}"')


def _arch(system: System) -> Text:
    arch = system.platform()[1].casefold()
    if not arch:
        return Unknown(unknown="the interpreter does not say")
    return Known[str](value=_ARCHITECTURES.get(arch, arch), source="platform.machine")


def _cpu_model(system: System) -> Text:
    if system.platform()[0] == "Darwin":
        return _macos_cpu_model(system)
    for line in (system.text("/proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name" and value.strip():
            return Known[str](value=value.strip(), source="/proc/cpuinfo")
    return Unknown(unknown="/proc/cpuinfo names no processor model")


def _macos_cpu_model(system: System) -> Text:
    answer = system.sysctl("machdep.cpu.brand_string") or ""
    name = answer.partition(":")[2].strip()
    if name:
        return Known[str](value=name, source="sysctl machdep.cpu.brand_string")
    return Unknown(unknown="sysctl gave no processor name within two seconds")


def _cores(system: System) -> Number:
    cores = system.cores()
    if cores is None:
        return Unknown(unknown="the operating system does not say how many cores this process may use")
    candidates = ((float(cores), "cores of this process"), *cpu_quotas(system))
    value, source = min(candidates, key=lambda candidate: candidate[0])
    return Known[float](value=value, source=source)


def _memory_total(system: System, limits: tuple[MemoryLimit, ...]) -> Number:
    physical = _physical(system, "MemTotal", 0)
    if isinstance(physical, Unknown):
        return physical
    candidates = [physical, *(Known[float](value=limit.limit_bytes / GIB, source=limit.file) for limit in limits)]
    return min(candidates, key=lambda candidate: candidate.value)


def _memory_available(system: System, limits: tuple[MemoryLimit, ...]) -> Number:
    physical = _physical(system, "MemAvailable", 1)
    if isinstance(physical, Unknown):
        return physical
    readings = list(_headrooms(limits))
    unread = next((reading for reading in readings if isinstance(reading, Unknown)), None)
    known = [physical, *(reading for reading in readings if not isinstance(reading, Unknown))]
    return unread or min(known, key=lambda candidate: candidate.value)


def _headrooms(limits: tuple[MemoryLimit, ...]) -> Iterator[Known[float] | Unknown]:
    """What each limit still leaves; page cache does not count as used."""
    for limit in limits:
        if limit.held_bytes is None:
            yield Unknown(unknown=f"{limit.file} limits memory, but its usage cannot be read")
        else:
            left = max(0, limit.limit_bytes - limit.held_bytes)
            yield Known[float](value=left / GIB, source=f"{limit.file} less usage without page cache")


def _physical(system: System, field: str, position: int) -> Known[float] | Unknown:
    """Memory of the whole computer: from ``/proc/meminfo``, or psutil where there is none."""
    found = re.search(rf"^{field}:\s+([0-9]{{1,18}})\b", system.text(_MEMINFO) or "", re.MULTILINE | re.ASCII)
    if found and (int(found[1]) > 0 or field != "MemTotal"):
        return Known[float](value=int(found[1]) * 1024 / GIB, source=f"{_MEMINFO} {field}")
    memory = system.memory_bytes()
    if memory is None or memory[0] <= 0:
        return Unknown(unknown=f"neither {_MEMINFO} nor psutil says how much memory there is")
    return Known[float](value=memory[position] / GIB, source="psutil.virtual_memory")


def _container(system: System) -> Flag:
    if system.platform()[0] != "Linux":
        return Known[bool](value=False, source="containers run on Linux")
    mark = next(_container_marks(system), None)
    return Known[bool](value=mark is not None, source=mark or "no mark of a container runtime")


def _container_marks(system: System) -> Iterator[str]:
    yield from (file for file in _CONTAINER_FILES if system.exists(file))
    if "KUBERNETES_SERVICE_HOST" in system.env():
        yield "KUBERNETES_SERVICE_HOST"
    groups = system.text("/proc/self/cgroup") or ""
    if any(word in groups for word in _CONTAINER_GROUPS):
        yield "/proc/self/cgroup"


def _disk_free(system: System) -> Number:
    free = system.disk_free_bytes()
    if free is None:
        return Unknown(unknown="the current folder's file system does not say")
    return Known[float](value=free / GIB, source="file system of the current folder")
