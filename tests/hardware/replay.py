"""Replay a recorded machine: NVML's answers and errors, small files, environment.

A machine in ``tests/machines`` has ``about``, ``basis`` (recorded, modelled on a report, made up), ``env``,
``system`` (what the interpreter, psutil and sysctl answer), ``files``, and ``nvml``: answers of the driver by
function name, ``devices`` with the answers for each card, and ``mig`` in a card with those of its slices.
``{error: N}`` is an NVML error code. A function without an answer is not supported (error 3).
"""
# ruff: noqa: N802 - the functions carry NVML's own names

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml

from deployadvisor.documents import read
from deployadvisor.hardware.machine import Machine
from deployadvisor.hardware.probe import probe

MACHINES = Path(__file__).parents[1] / "machines"


def machine_names() -> list[str]:
    return sorted(path.stem for path in MACHINES.glob("*.yaml"))


def recording(name: str) -> dict[str, Any]:
    return copy.deepcopy(_recording(name))


@functools.cache
def _recording(name: str) -> dict[str, Any]:
    return read(MACHINES / f"{name}.yaml").value


def replay(name: str, failing: Mapping[str, int] | None = None, **env: str) -> Machine:
    """Probe a recorded machine; ``failing`` gives NVML functions an error code instead of their answer."""
    content = recording(name)
    content["env"] = {**content.get("env", {}), **env}
    return probe(ReplayedNvml(content.get("nvml", {"nvmlInit": {"error": 12}}), failing), ReplayedSystem(content))


class ReplayedNvml:
    """Stands in for the module ``pynvml``; a handle is the mapping of a card's or slice's answers."""

    NVMLError = pynvml.NVMLError

    def __init__(self, driver: dict[str, Any], failing: Mapping[str, int] | None = None) -> None:
        self.driver = driver
        self.failing = failing or {}
        self.connected = 0
        self.asked: list[str] = []

    def nvmlInit(self) -> None:
        self._answer(self.driver, "nvmlInit", None)
        self.connected += 1

    def nvmlShutdown(self) -> None:
        self.connected -= 1
        self._answer(self.driver, "nvmlShutdown", None)

    def nvmlDeviceGetCount(self) -> int:
        return self._answer(self.driver, "nvmlDeviceGetCount", len(self.driver["devices"]))

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        card = self.driver["devices"][index]
        self._answer(card, "nvmlDeviceGetHandleByIndex", None)
        return card

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:
        return SimpleNamespace(**self._answer(handle, "nvmlDeviceGetMemoryInfo"))

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: Any) -> int:
        return self._answer(handle, "nvmlDeviceGetMaxMigDeviceCount", len(handle["mig"]) + 1)

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Any, index: int) -> Any:
        self._answer(handle, "nvmlDeviceGetMigDeviceHandleByIndex", None)
        slots = [{"error": 6}, *handle["mig"]]  # the first slot is empty
        return self._answer({"slot": slots[index]}, "slot")

    def __getattr__(self, function: str) -> Any:
        if not function.startswith("nvml"):
            raise AttributeError(function)
        return lambda handle=self.driver: self._answer(handle, function)

    def _answer(self, answers: Mapping[str, Any], function: str, default: Any = {"error": 3}) -> Any:  # noqa: B006
        self.asked.append(function)
        answer = answers.get(function, default)
        if function in self.failing:
            raise self.NVMLError(self.failing[function])
        if isinstance(answer, dict) and "error" in answer:
            raise self.NVMLError(answer["error"])
        return answer


class ReplayedSystem:
    """Stands in for the operating system."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.files: Mapping[str, str] = content.get("files", {})
        self.answers: Mapping[str, Any] = content.get("system", {})
        self.environment: Mapping[str, str] = content.get("env", {})

    def platform(self) -> tuple[str, str]:
        system, machine = self.answers["platform"]
        return system, machine

    def env(self) -> Mapping[str, str]:
        return self.environment

    def text(self, path: str) -> str | None:
        return self.files.get(path)

    def exists(self, path: str) -> bool:
        return path in self.files

    def cores(self) -> int | None:
        return self.answers.get("cores")

    def memory_bytes(self) -> tuple[int, int] | None:
        total, available = self.answers.get("memory_bytes", (None, None))
        return None if total is None else (total, available)

    def disk_free_bytes(self) -> int | None:
        return self.answers.get("disk_free_bytes")

    def sysctl(self, *names: str) -> str | None:
        answers = self.answers.get("sysctl", {})
        return "".join(f"{name}: {answers[name]}\n" for name in names if name in answers) or None
