"""The few things the probe asks the operating system, behind one protocol so that tests can replay a machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

GIB = 2**30

_MAX_CHARS = 1 << 20
_SYSCTL_TIMEOUT_S = 2


class System(Protocol):
    """One computer's answers; None means that it gave none."""

    def platform(self) -> tuple[str, str]:
        """Operating system and processor architecture, as ``("Linux", "x86_64")``."""

    def env(self) -> Mapping[str, str]:
        """Environment variables of this process."""

    def text(self, path: str) -> str | None:
        """Text of a small file such as ``/proc/meminfo``."""

    def exists(self, path: str) -> bool:
        """Whether ``path`` exists."""

    def cores(self) -> int | None:
        """Cores this process may be scheduled on."""

    def memory_bytes(self) -> tuple[int, int] | None:
        """Total and available memory, where no ``/proc/meminfo`` says it."""

    def disk_free_bytes(self) -> int | None:
        """Free space of the current folder's file system."""

    def sysctl(self, *names: str) -> str | None:
        """``name: value`` lines for macOS kernel variables."""


class LocalSystem:
    """The computer this process runs on."""

    def platform(self) -> tuple[str, str]:
        """Ask the interpreter."""
        return platform.system(), platform.machine()

    def env(self) -> Mapping[str, str]:
        """Return the process environment."""
        return os.environ

    def text(self, path: str) -> str | None:
        """Read at most one MiB; missing, unreadable and binary files give None."""
        try:
            with Path(path).open(encoding="utf-8", errors="replace") as file:
                return file.read(_MAX_CHARS)
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        """Ask the file system; no permission to look counts as absent."""
        try:
            return Path(path).exists()
        except OSError:
            return False

    def cores(self) -> int | None:
        """Affinity where the system has it, else all cores."""
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count()

    def memory_bytes(self) -> tuple[int, int] | None:
        """Ask psutil."""
        try:
            import psutil  # noqa: PLC0415 - only a probe needs it

            memory = psutil.virtual_memory()
        except (ImportError, OSError, RuntimeError):
            return None
        return memory.total, memory.available

    def disk_free_bytes(self) -> int | None:
        """Ask the file system of the current folder."""
        try:
            return shutil.disk_usage(Path.cwd()).free
        except OSError:
            return None

    def sysctl(self, *names: str) -> str | None:
        """Run ``sysctl`` for at most two seconds."""
        try:
            command = ["/usr/sbin/sysctl", *names]
            done = subprocess.run(  # noqa: S603 - fixed path, names are literals of this package
                command, capture_output=True, text=True, timeout=_SYSCTL_TIMEOUT_S, check=False
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout or None
