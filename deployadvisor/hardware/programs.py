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
from collections.abc import Iterator, Mapping, Sequence
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
            stderr=subprocess.STDOUT,
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
        self.timeout_s = timeout_s
        self.chunks: list[bytes] = []
        self.flooded = False

    def output(self) -> Output:
        reader = threading.Thread(target=self._read, daemon=True)
        reader.start()
        reader.join(self.timeout_s)
        if reader.is_alive() or self.flooded:
            self._end()
            return Output(self._text(), silence=self._silence())
        return Output(self._text(), *self._status())

    def _read(self) -> None:
        """Collect until the program closes its output; more than the limit counts as a flood."""
        stream = self.process.stdout
        if stream is None:  # only where a pipe was not asked for
            return
        size = 0
        with stream:
            for chunk in _chunks(stream):
                size += len(chunk)
                self.chunks.append(chunk)
                if size > MAX_OUTPUT_BYTES:
                    self.flooded = True
                    return

    def _status(self) -> tuple[int | None, str | None]:
        try:
            return self.process.wait(_ENDING_S), None
        except subprocess.TimeoutExpired:
            self._end()
            return None, "it closed its output and did not end"

    def _silence(self) -> str:
        if self.flooded:
            return f"it printed more than {MAX_OUTPUT_BYTES >> 20} MiB"
        return f"it did not answer within {self.timeout_s:.3g} s"

    def _end(self) -> None:
        """Kill it and what it started; one that hangs inside a driver stays behind, for as long as the driver."""
        with contextlib.suppress(OSError):
            _kill_group(self.process.pid)
        with contextlib.suppress(OSError):
            self.process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_ENDING_S)

    def _text(self) -> str:
        return b"".join(self.chunks)[:MAX_OUTPUT_BYTES].decode("utf-8", "replace")


def _kill_group(pid: int) -> None:
    """Kill every process of the program's session, where the system has such groups."""
    kill_group = getattr(os, "killpg", None)
    if kill_group is not None:
        kill_group(pid, signal.SIGKILL)


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """What can be read at once, until the end."""
    while chunk := os.read(stream.fileno(), _CHUNK_BYTES):
        yield chunk
