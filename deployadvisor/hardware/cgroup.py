"""What control groups leave to this process: its own group and every group above it, version 1 and 2.

Without a cgroup namespace ``/proc/self/cgroup`` names a path that only the host has; inside a container the
group is then mounted at the root. Reading every level up to the root covers both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from deployadvisor.hardware.system import System

_ROOT = "/sys/fs/cgroup"
_UNLIMITED_BYTES = 1 << 60  # version 1 writes "no limit" as the largest page-aligned number
_MOST_LEVELS = 64
_V1_CPU_MOUNTS = ("cpu", "cpu,cpuacct", "cpuacct,cpu")


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """One limit on a group, and what the group holds without page cache that the kernel drops on demand."""

    file: str
    limit_bytes: int
    held_bytes: int | None


def memory_limits(system: System) -> tuple[MemoryLimit, ...]:
    """Every memory limit that applies to this process; "max" is none."""
    v2 = _limits(system, _ROOT, "", ("memory.max", "memory.current", ""))
    v1 = _limits(system, f"{_ROOT}/memory", "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_"))
    return (*v2, *v1)


def cpu_quotas(system: System) -> tuple[tuple[float, str], ...]:
    """Every processor quota that applies to this process, in cores, with the file that states it."""
    return (*_v2_quotas(system), *_v1_quotas(system))


def _limits(system: System, mount: str, controller: str, names: tuple[str, str, str]) -> Iterator[MemoryLimit]:
    limit_name, usage_name, prefix = names
    for folder in _folders(system, mount, controller):
        limit = _integer(system.text(f"{folder}/{limit_name}"))
        if limit is not None and 0 < limit < _UNLIMITED_BYTES:
            usage = _integer(system.text(f"{folder}/{usage_name}"))
            cache = _page_cache(system.text(f"{folder}/memory.stat"), prefix)
            held = None if usage is None else max(0, usage - cache)
            yield MemoryLimit(f"{folder}/{limit_name}", limit, held)


def _v2_quotas(system: System) -> Iterator[tuple[float, str]]:
    for folder in _folders(system, _ROOT, ""):
        words = (system.text(f"{folder}/cpu.max") or "").split()
        if len(words) == 2:
            yield from _quota(_integer(words[0]), _integer(words[1]), f"{folder}/cpu.max")


def _v1_quotas(system: System) -> Iterator[tuple[float, str]]:
    for mount in _V1_CPU_MOUNTS:
        for folder in _folders(system, f"{_ROOT}/{mount}", "cpu"):
            quota = _integer(system.text(f"{folder}/cpu.cfs_quota_us"))
            period = _integer(system.text(f"{folder}/cpu.cfs_period_us"))
            yield from _quota(quota, period, f"{folder}/cpu.cfs_quota_us")


def _quota(quota_us: int | None, period_us: int | None, file: str) -> Iterator[tuple[float, str]]:
    if quota_us and period_us and quota_us > 0 and period_us > 0:
        yield quota_us / period_us, file


def _folders(system: System, mount: str, controller: str) -> Iterator[str]:
    """Folders of this process's group and of the groups above it, innermost first."""
    path = PurePosixPath(_group(system, controller))
    for group in (path, *path.parents):
        yield f"{mount}{group}".rstrip("/")


def _group(system: System, controller: str) -> str:
    for line in (system.text("/proc/self/cgroup") or "").splitlines():
        fields = line.split(":", 2)
        if len(fields) == 3 and controller in fields[1].split(",") and fields[2].startswith("/"):
            return fields[2] if _is_group(fields[2].split("/")) else "/"
    return "/"


def _is_group(names: list[str]) -> bool:
    """Whether a path of groups stays below its mount, and is one that a kernel would write."""
    return ".." not in names and len(names) <= _MOST_LEVELS


def _integer(text: str | None) -> int | None:
    """The number in a control file; "max", an unreadable file and nonsense are None."""
    word = (text or "").strip()
    return int(word) if word.lstrip("-").isdecimal() and len(word) < 20 else None


def _page_cache(stat: str | None, prefix: str) -> int:
    """Files that the kernel keeps in memory and drops on demand; files in ``/dev/shm`` are not among them."""
    return sum(_field(stat, f"{prefix}{kind}_file") or 0 for kind in ("active", "inactive"))


def _field(text: str | None, name: str) -> int | None:
    for line in (text or "").splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return _integer(value)
    return None
