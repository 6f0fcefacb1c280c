"""Write down everything a computer answers to the probe, for a report of a machine that was read wrongly.

What would identify somebody's computer is replaced before anything leaves this module: see :mod:`scrub`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from deployadvisor.hardware.host_details import LISTENING, PORT_TABLES
from deployadvisor.hardware.machine import Machine
from deployadvisor.hardware.pci import FOLDER as PCI_FOLDER
from deployadvisor.hardware.probe import probe
from deployadvisor.hardware.recording import CommandAnswer, Recording, SystemAnswers
from deployadvisor.hardware.saved import write_new
from deployadvisor.hardware.scrub import kept_environment, scrubbed
from deployadvisor.hardware.system import NOT_INSTALLED, Access, Library, LibraryName, Output, System

_MOST_CHARS = 500_000
"""Of one file or output; the longest real one, ``nvidia-smi -q -x`` of eight cards, has about 200 kB."""


def record(system: System, about: str) -> tuple[Machine, Recording]:
    """Probe a computer, and keep its raw answers without what identifies it."""
    recorder = Recorder(system)
    machine = probe(recorder)
    return machine, scrubbed(recorder.recording(about))


class Recorder:
    """Passes every question on and keeps the answer. Readers ask from several threads."""

    def __init__(self, system: System) -> None:
        """Record this computer."""
        self._system = system
        self._lock = threading.Lock()
        self._files: dict[str, str] = {}
        self._folders: dict[str, tuple[str, ...]] = {}
        self._links: dict[str, str] = {}
        self._denied: set[str] = set()
        self._exist: set[str] = set()
        self._programs: set[str] = set()
        self._commands: dict[str, CommandAnswer] = {}
        self._libraries: dict[LibraryName, dict[str, Any]] = {}
        self._disk_free: int | None = None
        self._shared: int | None = None

    def recording(self, about: str) -> Recording:
        """What was answered so far."""
        with self._lock:
            files = {**dict.fromkeys(self._exist, ""), **self._files}
            return Recording(
                about=about,
                basis="recorded",
                env=kept_environment(self._system.env()),
                system=self._answers(),
                files=_without_other_devices(files),
                folders=self._folders,
                links=_without_other_devices(self._links),
                denied=tuple(sorted(self._denied)),
                programs=tuple(sorted(self._programs)),
                commands=self._commands,
                nvml=self._libraries.get("nvml", {"stopped": "not asked"}),
                amdsmi=self._libraries.get("amdsmi"),
            )

    def _answers(self) -> SystemAnswers:
        return SystemAnswers(
            platform=self._system.platform(),
            kernel=self._system.kernel(),
            python=self._system.python(),
            home=self._system.home(),
            cores=self._system.cores(),
            memory_bytes=self._system.memory_bytes(),
            disk_free_bytes=self._disk_free,
            shared_memory_bytes=self._shared,
        )

    def clock(self) -> float:
        """Pass on."""
        return self._system.clock()

    def platform(self) -> tuple[str, str]:
        """Pass on; asked again when the recording is written."""
        return self._system.platform()

    def kernel(self) -> str:
        """Pass on; asked again when the recording is written."""
        return self._system.kernel()

    def python(self) -> str:
        """Pass on; asked again when the recording is written."""
        return self._system.python()

    def env(self) -> Mapping[str, str]:
        """Pass on; the variables that matter are kept when the recording is written."""
        return self._system.env()

    def home(self) -> str:
        """Pass on; asked again when the recording is written."""
        return self._system.home()

    def text(self, path: str) -> str | None:
        """Keep the text."""
        text = self._system.text(path)
        if text is not None:
            with self._lock:
                self._files[path] = _kept(path, text)
        return text

    def names(self, folder: str) -> tuple[str, ...]:
        """Keep the names."""
        names = self._system.names(folder)
        if names:
            with self._lock:
                self._folders[folder] = names
        return names

    def target(self, path: str) -> str | None:
        """Keep the name behind the link."""
        name = self._system.target(path)
        if name is not None:
            with self._lock:
                self._links[path] = name
        return name

    def access(self, path: str) -> Access:
        """Keep whether it exists."""
        access = self._system.access(path)
        if access != "absent":
            with self._lock:
                (self._denied if access == "denied" else self._exist).add(path)
        return access

    def cores(self) -> int | None:
        """Pass on; asked again when the recording is written."""
        return self._system.cores()

    def memory_bytes(self) -> tuple[int, int] | None:
        """Pass on; asked again when the recording is written."""
        return self._system.memory_bytes()

    def disk_free_bytes(self, path: str) -> int | None:
        """Keep the size."""
        self._disk_free = self._system.disk_free_bytes(path)
        return self._disk_free

    def disk_total_bytes(self, path: str) -> int | None:
        """Keep the size."""
        self._shared = self._system.disk_total_bytes(path)
        return self._shared

    def has_program(self, name: str) -> bool:
        """Keep that it is there."""
        found = self._system.has_program(name)
        if found:
            with self._lock:
                self._programs.add(name)
        return found

    def run(self, *words: str, timeout_s: float) -> Output:
        """Keep what it printed."""
        output = self._system.run(*words, timeout_s=timeout_s)
        if output.silence != NOT_INSTALLED:
            answer = CommandAnswer(
                out=_kept("", output.text),
                err=_kept("", output.errors),
                code=output.code or 0,
                silence=output.silence,
            )
            with self._lock:
                self._commands[" ".join(words)] = answer
        return output

    def library(self, name: LibraryName, *, timeout_s: float) -> Library:
        """Keep the answers."""
        library = self._system.library(name, timeout_s=timeout_s)
        stopped = {"stopped": library.stopped} if library.stopped else {}
        with self._lock:
            self._libraries[name] = {**library.answers, **stopped}
        return library

    def connects(self, host: str, port: int, *, timeout_s: float) -> bool:
        """Pass on; the network is no part of a recording."""
        return self._system.connects(host, port, timeout_s=timeout_s)


def _kept(path: str, text: str) -> str:
    """What of a text is kept: of processors, which are alike, the first; of connections those that only listen."""
    if path == "/proc/cpuinfo":
        text = text.partition("\n\n")[0] + "\n"
    if path in PORT_TABLES:
        text = "".join(_listening(text))
    return "".join(f"{line.rstrip()}\n" for line in text[:_MOST_CHARS].splitlines())


def _listening(text: str) -> Iterator[str]:
    """The head of the table, and rows of ports that are listened on, without the address."""
    for number, line in enumerate(text.splitlines()):
        words = line.split()
        if number == 0:
            yield "  sl  local_address rem_address   st\n"
        elif len(words) > 3 and words[3] == LISTENING:
            yield f"   {words[0]} 00000000:{words[1].rpartition(':')[2]} 00000000:0000 {LISTENING}\n"


def write_recording(recording: Recording, path: Path, *, force: bool = False) -> None:
    """Write a recording as YAML, texts as they were printed. An existing file is kept unless ``force``."""
    content = recording.model_dump(mode="json", exclude_defaults=True)
    write_new(path, yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120), force=force)


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that a reader can check what leaves the computer."""


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    lines = "\n" in text.rstrip("\n")
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if lines else None)


_Dumper.add_representer(str, _text_node)


def _without_other_devices(paths: Mapping[str, str]) -> dict[str, str]:
    """Leave out the many devices of the bus that neither draw nor compute: only the class of those was read."""
    asked = {path.removesuffix("/vendor") for path in paths if path.endswith("/vendor")}
    return {
        path: text
        for path, text in paths.items()
        if not (path.startswith(f"{PCI_FOLDER}/") and path.endswith("/class")) or path.removesuffix("/class") in asked
    }
