"""The few things the probe asks a computer, behind one protocol, so that a recorded machine can answer instead.

Nothing here raises for an answer that does not come: a silence has its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

GIB = 2**30

LibraryName = Literal["nvml", "amdsmi"]
Access = Literal["absent", "denied", "open"]


@dataclass(frozen=True, slots=True)
class Output:
    """What a program printed, or why it printed nothing."""

    text: str = ""
    errors: str = ""
    """What it printed as errors and warnings."""
    code: int | None = None
    """Exit status; None where the program did not end by itself."""
    silence: str | None = None
    """Why there is no answer: not installed, no end in time, too much output."""

    @property
    def words(self) -> str:
        """Its last words, for a message: errors first, on one line."""
        return " ".join((self.errors.strip() or self.text.strip()).split())[-200:]

    @property
    def missing(self) -> bool:
        """Whether the program is not installed."""
        return self.silence == NOT_INSTALLED

    @property
    def succeeded(self) -> bool:
        """Whether the program ended by itself and said that all went well."""
        return self.silence is None and self.code == 0


NOT_INSTALLED = "not installed"


@dataclass(frozen=True, slots=True)
class Library:
    """Everything a vendor's library answered, by function; an error is ``{"error": code, "words": text}``.

    ``devices`` holds one mapping of answers for each device, which may hold more of them for its parts.
    """

    answers: Mapping[str, Any] = field(default_factory=dict)
    stopped: str | None = None
    """Why answers are missing from some point on, such as ``nvmlInit did not return within 2 s``."""


class System(Protocol):
    """One computer's answers; None means that it gave none."""

    def clock(self) -> float:
        """Seconds on a clock that only goes forward."""

    def platform(self) -> tuple[str, str]:
        """Operating system and processor architecture, as ``("Linux", "x86_64")``."""

    def kernel(self) -> str:
        """Release of the operating system's kernel."""

    def python(self) -> str:
        """Version of the interpreter."""

    def env(self) -> Mapping[str, str]:
        """Environment variables of this process."""

    def home(self) -> str:
        """The user's folder."""

    def text(self, path: str) -> str | None:
        """Text of a small file such as ``/proc/meminfo``."""

    def names(self, folder: str) -> tuple[str, ...]:
        """Names in a folder such as ``/sys/class/drm``, sorted; none where there is no such folder."""

    def target(self, path: str) -> str | None:
        """Last name of the path behind a link, such as the PCI address behind ``/sys/class/drm/card0/device``."""

    def access(self, path: str) -> Access:
        """Whether ``path`` exists, and whether this user may read and write it."""

    def cores(self) -> int | None:
        """Cores this process may be scheduled on."""

    def memory_bytes(self) -> tuple[int, int] | None:
        """Total and available memory, where no ``/proc/meminfo`` says it."""

    def disk_free_bytes(self, path: str) -> int | None:
        """Free space for this user where ``path`` is, or where its nearest existing parent is."""

    def disk_total_bytes(self, path: str) -> int | None:
        """Size of the file system that ``path`` is mounted from; None where ``path`` does not exist."""

    def has_program(self, name: str) -> bool:
        """Whether a program is on the path, or where its vendor installs it."""

    def run(self, *words: str, timeout_s: float) -> Output:
        """Run a program without a shell; it is ended after ``timeout_s`` seconds or some MiB of output."""

    def library(self, name: LibraryName, *, timeout_s: float) -> Library:
        """Ask a vendor's library every question the probe has, in a process of its own."""

    def connects(self, host: str, port: int, *, timeout_s: float) -> bool:
        """Whether a TCP connection can be opened; only called when the user asked for it."""
