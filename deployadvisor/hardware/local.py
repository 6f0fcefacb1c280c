"""The computer this process runs on, as the probe's lowest layer sees it."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from deployadvisor.hardware.collected import collect
from deployadvisor.hardware.programs import find_program, run_program
from deployadvisor.hardware.system import Access, Library, LibraryName, Output

_MAX_CHARS = 1 << 20


class LocalSystem:
    """The real one. See :class:`deployadvisor.hardware.system.System` for what each answer means."""

    def clock(self) -> float:
        """Ask the monotonic clock."""
        return time.monotonic()

    def platform(self) -> tuple[str, str]:
        """Ask the interpreter."""
        return platform.system(), platform.machine()

    def kernel(self) -> str:
        """Ask the interpreter."""
        return platform.release()

    def python(self) -> str:
        """Ask the interpreter."""
        return platform.python_version()

    def env(self) -> Mapping[str, str]:
        """Return the process environment."""
        return os.environ

    def home(self) -> str:
        """Ask the interpreter; without a home the current folder stands in."""
        return str(Path("~").expanduser())

    def text(self, path: str) -> str | None:
        """Read at most one MiB; missing, unreadable and binary files give None."""
        try:
            with Path(path).open(encoding="utf-8", errors="replace") as file:
                return file.read(_MAX_CHARS)
        except (OSError, ValueError):
            return None

    def names(self, folder: str) -> tuple[str, ...]:
        """List a folder; a missing or closed one is empty."""
        try:
            return tuple(sorted(entry.name for entry in Path(folder).iterdir()))
        except (OSError, ValueError):
            return ()

    def target(self, path: str) -> str | None:
        """Follow a link to its end."""
        try:
            return Path(path).resolve(strict=True).name
        except (OSError, ValueError, RuntimeError):
            return None

    def access(self, path: str) -> Access:
        """Ask the file system; a folder in the way that may not be entered counts as absent."""
        try:
            if not Path(path).exists():
                return "absent"
            return "open" if os.access(path, os.R_OK | os.W_OK) else "denied"
        except (OSError, ValueError):
            return "absent"

    def cores(self) -> int | None:
        """Affinity where the system has it, else all cores."""
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else os.cpu_count()

    def memory_bytes(self) -> tuple[int, int] | None:
        """Ask psutil."""
        try:
            import psutil  # noqa: PLC0415 - only a probe without /proc needs it

            memory = psutil.virtual_memory()
        except (ImportError, OSError, RuntimeError):
            return None
        return memory.total, memory.available

    def disk_free_bytes(self, path: str) -> int | None:
        """Ask the file system of the nearest folder that exists."""
        place = Path(path)
        for folder in (place, *place.parents):
            try:
                return shutil.disk_usage(folder).free
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, ValueError):
                return None
        return None

    def disk_total_bytes(self, path: str) -> int | None:
        """Ask the file system."""
        try:
            return shutil.disk_usage(path).total
        except (OSError, ValueError):
            return None

    def has_program(self, name: str) -> bool:
        """Look along the path, without running anything."""
        return find_program(name, os.environ.get("PATH", "")) is not None

    def run(self, *words: str, timeout_s: float) -> Output:
        """Run a program."""
        return run_program(words, os.environ, timeout_s=timeout_s)

    def library(self, name: LibraryName, *, timeout_s: float) -> Library:
        """Ask the library in a process of its own, which may hang or crash without harm."""
        return collect(name, self, timeout_s=timeout_s)

    def connects(self, host: str, port: int, *, timeout_s: float) -> bool:
        """Open and close a connection; nothing is sent."""
        try:
            with socket.create_connection((host, port), timeout=timeout_s):
                return True
        except OSError:
            return False
