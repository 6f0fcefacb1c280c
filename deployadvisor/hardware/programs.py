"""Run a vendor's program so that it can neither hang the probe nor flood it.

A program that waits for a broken driver cannot even be killed: it stays in the kernel. So nothing here waits for
the end of a program that was given up; it is left behind.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from deployadvisor.hardware.system import NOT_INSTALLED, Output

MAX_OUTPUT_BYTES = 8 << 20

_CHUNK_BYTES = 1 << 16
_ENDING_S = 0.2  # a program that has closed its output ends at once; one that was killed may never
_VENDOR_FOLDERS = (
    "/usr/bin",
    "/usr/sbin",
    "/usr/local/bin",
    "/usr/local/sbin",
    "/usr/lib/wsl/lib",
    "/opt/rocm/bin",
    "/usr/local/Ascend/driver/tools",
)


def find_program(name: str, path: str) -> str | None:
    """Absolute path of a program: from the folders of ``path`` that are absolute, then where vendors install."""
    folders = [folder for folder in path.split(os.pathsep) if Path(folder).is_absolute()]
    if Path(name).is_absolute():
        return name if os.access(name, os.X_OK) else None
    found = shutil.which(name, path=os.pathsep.join((*folders, *_VENDOR_FOLDERS)))
    return found if found and Path(found).is_absolute() else None


def run_program(words: Sequence[str], env: Mapping[str, str], *, timeout_s: float) -> Output:
    """Run a program without a shell, in the C locale, and keep what it prints."""
    program = find_program(words[0], env.get("PATH", ""))
    if program is None:
        return Output(silence=NOT_INSTALLED)
    try:
        process = subprocess.Popen(  # noqa: S603 - an absolute path and words of this package, never a shell
            [program, *words[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**env, "LC_ALL": "C", "LANG": "C"},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return Output(silence=f"it cannot be started: {error}")
    return _Watch(process, timeout_s).output()


class _Watch:
    """Reads a program's output beside the clock."""

    def __init__(self, process: subprocess.Popen[bytes], timeout_s: float) -> None:
        self.process = process
        self.until_s = time.monotonic() + timeout_s
        self.timeout_s = timeout_s
        self.pipes = [_Pipe(stream) for stream in (process.stdout, process.stderr) if stream is not None]

    def output(self) -> Output:
        for pipe in self.pipes:
            if not any(pipe.flooded for pipe in self.pipes):
                pipe.join(max(0.0, self.until_s - time.monotonic()))
        code, silence = self._status()
        text, errors = (pipe.text() for pipe in self.pipes)
        return Output(text, errors, code, silence)

    def _status(self) -> tuple[int | None, str | None]:
        if any(pipe.flooded for pipe in self.pipes):
            self._end()
            return None, f"it printed more than {MAX_OUTPUT_BYTES >> 20} MiB"
        if any(pipe.is_alive() for pipe in self.pipes):
            self._end()
            return None, f"it did not answer within {self.timeout_s:.3g} s"
        try:
            return self.process.wait(_ENDING_S), None
        except subprocess.TimeoutExpired:
            self._end()
            return None, "it closed its output and did not end"

    def _end(self) -> None:
        """Kill it and what it started; one that hangs inside a driver stays behind, for as long as the driver."""
        with contextlib.suppress(OSError):
            _kill_group(self.process.pid)
        with contextlib.suppress(OSError):
            self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_ENDING_S)


class _Pipe(threading.Thread):
    """Collects one stream until the program closes it; more than the limit counts as a flood."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self.stream = stream
        self.chunks: list[bytes] = []
        self.flooded = False
        self.start()

    def run(self) -> None:
        size = 0
        with self.stream:
            while chunk := os.read(self.stream.fileno(), _CHUNK_BYTES):
                size += len(chunk)
                self.chunks.append(chunk)
                if size > MAX_OUTPUT_BYTES:
                    self.flooded = True
                    return

    def text(self) -> str:
        return b"".join(self.chunks)[:MAX_OUTPUT_BYTES].decode("utf-8", "replace")


def _kill_group(pid: int) -> None:
    """Kill every process of the program's session, where the system has such groups."""
    kill_group = getattr(os, "killpg", None)
    if kill_group is not None:
        kill_group(pid, signal.SIGKILL)
