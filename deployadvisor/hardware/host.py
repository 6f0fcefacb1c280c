"""Read the host: processor, memory and disk that this process may use, not what the hardware has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from deployadvisor.hardware.answers import is_plain
from deployadvisor.hardware.cgroup import MemoryLimit, cpu_quotas, memory_limits
from deployadvisor.hardware.host_details import host_details
from deployadvisor.hardware.machine import Flag, Host, Known, Number, Text, Unknown
from deployadvisor.hardware.system import GIB, System

MEMINFO_TOTAL = "/proc/meminfo MemTotal"
"""Source of a total that no control group lowers."""

CPU_NAME = "machdep.cpu.brand_string"
"""The kernel variable of macOS that names processor and chip."""

_MEMINFO = "/proc/meminfo"
_SYSCTL_S = 1.0
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
        **host_details(system),
    )


def unread_host(seconds: float) -> Host:
    """A host whose files do not answer."""
    nothing = Unknown(
        unknown=f"not read within {seconds:g} s, because a file system or a program does not answer",
        remedy="look for a network file system that hangs: mount, df",
    )
    required = [name for name, field in Host.model_fields.items() if field.is_required()]
    return Host(**dict.fromkeys(required, nothing))


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
        if key.strip() == "model name" and is_plain(value):
            return Known[str](value=value.strip(), source="/proc/cpuinfo")
    return Unknown(unknown="/proc/cpuinfo names no processor model")


def _macos_cpu_model(system: System) -> Text:
    answer = system.run("/usr/sbin/sysctl", "-n", CPU_NAME, timeout_s=_SYSCTL_S)
    if answer.succeeded and is_plain(answer.text.strip()):
        return Known[str](value=answer.text.strip(), source=f"sysctl {CPU_NAME}")
    return Unknown(unknown=f"sysctl gave no processor name: {answer.silence or f'status {answer.code}'}")


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
    yield from (file for file in _CONTAINER_FILES if system.access(file) != "absent")
    if "KUBERNETES_SERVICE_HOST" in system.env():
        yield "KUBERNETES_SERVICE_HOST"
    groups = system.text("/proc/self/cgroup") or ""
    if any(word in groups for word in _CONTAINER_GROUPS):
        yield "/proc/self/cgroup"


def _disk_free(system: System) -> Number:
    """Where models are cached: the hub's own variables, else its folder below the user's."""
    folder, shown = _model_cache(system)
    free = system.disk_free_bytes(folder)
    if free is None:
        return Unknown(unknown=f"the file system of {shown} does not say")
    return Known[float](value=free / GIB, source=f"file system of the model cache, {shown}")


def _model_cache(system: System) -> tuple[str, str]:
    """The folder, and how to show it: a user's name is nobody's business."""
    env = system.env()
    if env.get("HF_HUB_CACHE"):
        return env["HF_HUB_CACHE"], "HF_HUB_CACHE"
    if env.get("HF_HOME"):
        return f"{env['HF_HOME']}/hub", "HF_HOME"
    if env.get("XDG_CACHE_HOME"):
        return f"{env['XDG_CACHE_HOME']}/huggingface/hub", "XDG_CACHE_HOME"
    return f"{system.home()}/.cache/huggingface/hub", "~/.cache/huggingface/hub"
