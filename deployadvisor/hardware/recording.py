"""A recorded computer: raw answers of vendors' libraries and programs, small files, environment.

It answers the probe's questions in the place of a real one, so that the whole probe runs as it would there. Time
passes only where an answer says that it hangs: the clock then moves by the time that was allowed.

::

    about: One idle H200 in a virtual machine
    basis: recorded                      # or: modelled on <report>, made up
    env: {CUDA_VISIBLE_DEVICES: "0"}
    system: {platform: [Linux, x86_64], cores: 16, disk_free_bytes: 107374182400}
    files: {/proc/meminfo: "MemTotal: 131981020 kB"}
    links: {/sys/bus/pci/devices/0000:00:06.0/driver: nvidia}
    denied: [/dev/kfd]
    programs: [docker]
    commands: {amd-smi list --json: {out: "[]", code: 0}, xpu-smi discovery -j: {hangs: true}}
    nvml: {nvmlSystemGetDriverVersion: 580.159.04, devices: [{nvmlDeviceGetName: NVIDIA H200}]}

A program that is not under ``commands`` is not installed; a library that is missing is not installed either.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, NonNegativeInt, ValidationError

from deployadvisor.documents import read
from deployadvisor.errors import HardwareError
from deployadvisor.hardware.system import NOT_INSTALLED, Access, Library, LibraryName, Output

_HINT = "record one with: deployadvisor probe --record FILE"

NO_NVML: Mapping[str, Any] = {"nvmlInit": {"error": 12}}
"""The answer of ``pynvml`` on a computer without NVIDIA's library."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CommandAnswer(_Part):
    """What a program printed and ended with; one that hangs, or floods, is ended by the probe."""

    out: str = ""
    err: str = ""
    code: int = 0
    hangs: bool = False
    silence: str | None = None
    """Why there is no answer, in the words of the runner."""


class SystemAnswers(_Part):
    """What interpreter and operating system say."""

    platform: tuple[str, str]
    kernel: str = ""
    python: str = ""
    home: str = "/home/user"
    cores: NonNegativeInt | None = None
    memory_bytes: tuple[int, int] | None = None
    disk_free_bytes: int | None = None
    shared_memory_bytes: int | None = None


class Recording(_Part):
    """One computer's answers."""

    about: str
    basis: str
    env: Mapping[str, str] = {}
    system: SystemAnswers
    files: Mapping[str, str] = {}
    folders: Mapping[str, tuple[str, ...]] = {}
    """Names in folders whose files were not all read; other folders hold what ``files`` and ``links`` name."""
    links: Mapping[str, str] = {}
    denied: tuple[str, ...] = ()
    """Paths that exist and that this user may not open."""
    programs: tuple[str, ...] = ()
    """Programs on the path that are not run."""
    commands: Mapping[str, CommandAnswer] = {}
    nvml: Mapping[str, Any] = NO_NVML
    amdsmi: Mapping[str, Any] | None = None
    reached: tuple[str, ...] = ()
    """``host:port`` that accept connections."""


def read_recording(path: Path) -> Recording:
    """The recording in a file; ``HardwareError`` names file and line of what is wrong."""
    document = read(path)
    try:
        return Recording.model_validate(document.value)
    except ValidationError as error:
        detail = error.errors()[0]
        where = document.where(tuple(part for part in detail["loc"] if isinstance(part, (str, int))))
        name = ".".join(map(str, detail["loc"])) or "the file"
        raise HardwareError(f"{name}: {detail['msg']}", where=where, remedy=_HINT) from error


class RecordedSystem:
    """Answers from a recording; see :class:`deployadvisor.hardware.system.System`."""

    def __init__(self, recording: Recording) -> None:
        """Answer for this computer."""
        self.recording = recording
        self._time = threading.local()

    def clock(self) -> float:
        """Time that hanging answers took in this thread."""
        return float(getattr(self._time, "passed_s", 0.0))

    def platform(self) -> tuple[str, str]:
        """As recorded."""
        return self.recording.system.platform

    def kernel(self) -> str:
        """As recorded."""
        return self.recording.system.kernel

    def python(self) -> str:
        """As recorded."""
        return self.recording.system.python

    def env(self) -> Mapping[str, str]:
        """As recorded."""
        return self.recording.env

    def home(self) -> str:
        """As recorded."""
        return self.recording.system.home

    def text(self, path: str) -> str | None:
        """As recorded."""
        return self.recording.files.get(path)

    def names(self, folder: str) -> tuple[str, ...]:
        """The recorded list, else what paths there are below."""
        listed = self.recording.folders.get(folder)
        return listed if listed is not None else tuple(sorted({*self._below(folder)}))

    def target(self, path: str) -> str | None:
        """The last name of a recorded link."""
        return self.recording.links.get(path)

    def access(self, path: str) -> Access:
        """What is recorded in any way exists."""
        if path in self.recording.denied:
            return "denied"
        known = path in self._paths() or next(self._below(path), None) is not None
        return "open" if known else "absent"

    def cores(self) -> int | None:
        """As recorded."""
        return self.recording.system.cores

    def memory_bytes(self) -> tuple[int, int] | None:
        """As recorded."""
        return self.recording.system.memory_bytes

    def disk_free_bytes(self, path: str) -> int | None:
        """As recorded, for every path."""
        return self.recording.system.disk_free_bytes

    def disk_total_bytes(self, path: str) -> int | None:
        """As recorded for shared memory; of other file systems nothing is known."""
        return self.recording.system.shared_memory_bytes if path == "/dev/shm" else None  # noqa: S108 - only compared

    def has_program(self, name: str) -> bool:
        """Listed, or run by one of the commands."""
        return name in self.recording.programs or any(line.split()[0] == name for line in self.recording.commands)

    def run(self, *words: str, timeout_s: float) -> Output:
        """The recorded output."""
        answer = self.recording.commands.get(" ".join(words))
        if answer is None:
            return Output(silence=NOT_INSTALLED)
        if answer.hangs:
            self._pass(timeout_s)
            return Output(answer.out, answer.err, silence=f"it did not answer within {timeout_s:.3g} s")
        return Output(answer.out, answer.err, None if answer.silence else answer.code, answer.silence)

    def library(self, name: LibraryName, *, timeout_s: float) -> Library:
        """The recorded answers; ``hangs`` names the question that never came back, ``stopped`` any other end."""
        recorded = self.recording.nvml if name == "nvml" else self.recording.amdsmi
        if recorded is None:
            return Library(stopped=f"the Python package {name} is not installed")
        answers = {key: value for key, value in recorded.items() if key not in ("hangs", "stopped")}
        if "hangs" in recorded:
            self._pass(timeout_s)
            return Library(answers, f"{recorded['hangs']}: it did not answer within {timeout_s:.3g} s")
        return Library(answers, recorded.get("stopped"))

    def connects(self, host: str, port: int, *, timeout_s: float) -> bool:
        """Whether the recording reached it."""
        return f"{host}:{port}" in self.recording.reached

    def _pass(self, seconds: float) -> None:
        self._time.passed_s = self.clock() + seconds

    def _paths(self) -> Iterator[str]:
        yield from self.recording.files
        yield from self.recording.links
        yield from self.recording.denied
        yield from self.recording.folders

    def _below(self, folder: str) -> Iterator[str]:
        """First names of the paths below a folder."""
        place = PurePosixPath(folder)
        for path in self._paths():
            if path.startswith(f"{folder.rstrip('/')}/"):
                yield PurePosixPath(path).relative_to(place).parts[0]
