"""CUDA's compatibility libraries: made for drivers that are older, they break a driver that is newer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployadvisor.hardware.machine import Problem, Text, value_of
from deployadvisor.hardware.system import System

_LOADER_FOLDER = "/etc/ld.so.conf.d"
_COMPAT = re.compile(r"^\s*(/[\w./+-]{1,200}/compat)/?\s*$", re.MULTILINE)
_LIBCUDA = re.compile(r"libcuda\.so\.([0-9]{3,4}(?:\.[0-9]{1,4}){1,2})")
_MOST_FILES = 64


def shadowing(system: System, driver: Text) -> Iterator[Problem]:
    """Compatibility libraries older than the driver, in folders that the loader searches first.

    CUDA finds such a ``libcuda`` before the driver's own and ends with error 803, unsupported combination of display
    and CUDA driver (github.com/gpustack/gpustack/issues/4678; NVIDIA's CUDA compatibility guide).
    """
    installed = value_of(driver)
    if installed is None:
        return
    for file, folder in _searched(system):
        for version in _versions(system, folder):
            if _numbers(version) < _numbers(installed):
                yield _problem(file, f"{folder} holds libcuda {version}, older than the driver {installed}")


def _problem(file: str, reason: str) -> Problem:
    return Problem(
        what="CUDA",
        reason=f"{reason}, and {file} has it found first: CUDA then fails with error 803, although nvidia-smi works",
        remedy=f"remove {file} and run ldconfig, or put the folder of the driver's libcuda into LD_LIBRARY_PATH",
    )


def _searched(system: System) -> Iterator[tuple[str, str]]:
    """Files of the loader that name a compatibility folder, and the folder."""
    for name in system.names(_LOADER_FOLDER)[:_MOST_FILES]:
        file = f"{_LOADER_FOLDER}/{name}"
        yield from ((file, found[1]) for found in _COMPAT.finditer(system.text(file) or ""))


def _versions(system: System, folder: str) -> Iterator[str]:
    found = (_LIBCUDA.fullmatch(name) for name in system.names(folder)[:_MOST_FILES])
    yield from (match[1] for match in found if match)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]{1,9}", version))
