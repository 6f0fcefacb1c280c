"""Ask a vendor's library in a process of its own, and read what that process writes down.

A library that hangs inside the driver hangs its process; one that crashes takes its process along. The answers
that were written before stay good, and the last question without one says where it stopped.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from deployadvisor.hardware.system import Library, LibraryName, Output

_FOLDER = Path(__file__).parent / "collect"
_MODULES: Mapping[LibraryName, str] = {"nvml": "pynvml", "amdsmi": "amdsmi"}
_PACKAGES: Mapping[LibraryName, str] = {"nvml": "nvidia-ml-py", "amdsmi": "amdsmi"}
_VENDOR_FOLDERS: Mapping[LibraryName, tuple[str, ...]] = {"nvml": (), "amdsmi": ("/opt/rocm/share/amd_smi",)}
"""Where a vendor's own installer puts its Python module."""


_MOST_STEPS = 4
"""Of a path: a card and its slice, link or peer, each with a number."""


class Runner(Protocol):
    """What can run a program."""

    def run(self, *words: str, timeout_s: float) -> Output:
        """Run it."""


def collect(name: LibraryName, runner: Runner, *, timeout_s: float) -> Library:
    """Every answer of a library; ``stopped`` says why some are missing."""
    folder = _module_folder(name)
    if folder is None:
        return Library(stopped=f"the Python package {_PACKAGES[name]} is not installed")
    if not sys.executable:
        return Library(stopped="this Python does not know its own program, so it cannot start another one")
    script = str(_FOLDER / f"{name}_answers.py")
    # -I -S: neither the user's environment nor site-packages code runs, and the start takes 10 ms
    output = runner.run(sys.executable, "-I", "-S", script, folder, timeout_s=timeout_s)
    return read_answers(output)


def _module_folder(name: LibraryName) -> str | None:
    """Folder that holds the library's Python module, which is not imported here."""
    try:
        found = importlib.util.find_spec(_MODULES[name])
    except (ImportError, ValueError):
        found = None
    if found is not None and found.origin is not None:
        module = Path(found.origin)
        return str(module.parent.parent if module.name == "__init__.py" else module.parent)
    return next((folder for folder in _VENDOR_FOLDERS[name] if (Path(folder) / _MODULES[name]).is_dir()), None)


def read_answers(output: Output) -> Library:
    """Build the mapping of answers from lines ``[path, function]`` (asked) and ``[path, function, answer]``."""
    answers: dict[str, Any] = {}
    asked: str | None = None
    for line in _lines(output.text):
        path, function, *answer = line
        asked = None if answer else f"{function}{_place(path)}"
        if answer and not _put(answers, path, function, answer[0]):
            asked = f"{function}{_place(path)}"
    return Library(answers, _stop(output, asked))


def _stop(output: Output, asked: str | None) -> str | None:
    if output.succeeded:
        return None
    cause = output.silence or f"its process ended with status {output.code}"
    detail = f" ({output.errors.strip().splitlines()[-1][:200]})" if output.errors.strip() else ""
    return f"{asked or 'the library'}: {cause}{detail}"


def _lines(text: str) -> Iterator[list[Any]]:
    """The well-formed lines; a process that is killed may leave half a line, a library may print of its own."""
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if (
            isinstance(value, list)
            and len(value) in (2, 3)
            and isinstance(value[0], list)
            and len(value[0]) <= _MOST_STEPS
            and isinstance(value[1], str)
        ):
            yield value


def _place(path: Sequence[Any]) -> str:
    words = [f"{part} {index}" for part, index in zip(path[::2], path[1::2], strict=False)]
    return f" of {', '.join(words)}" if words else ""


def _put(answers: dict[str, Any], path: Sequence[Any], function: str, answer: object) -> bool:
    """Store one answer at ``["devices", 0, "mig", 1]``; whether the path could be followed."""
    scope = answers
    for part, index in zip(path[::2], path[1::2], strict=False):
        if not isinstance(part, str) or not isinstance(index, int) or not 0 <= index < 1024:
            return False
        rows = scope.setdefault(part, [])
        if not isinstance(rows, list):
            return False
        rows.extend({} for _ in range(index + 1 - len(rows)))
        scope = rows[index]
    scope[function] = answer
    return True
