"""Recorded machines as tests use them: probe one as it is, or with answers replaced by failures and nonsense."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deployadvisor.documents import read
from deployadvisor.hardware.machine import Machine
from deployadvisor.hardware.probe import probe
from deployadvisor.hardware.recording import RecordedSystem, Recording

MACHINES = Path(__file__).parents[1] / "machines"

OF_THE_DRIVER = ("nvmlInit", "nvmlDeviceGetCount", "nvmlSystem", "nvmlShutdown")
"""What NVML is asked once; everything else is asked of each card or slice."""


def machine_names() -> list[str]:
    return sorted(path.stem for path in MACHINES.glob("*.yaml"))


@functools.cache
def recording(name: str) -> Recording:
    return Recording.model_validate(read(MACHINES / f"{name}.yaml").value)


def changed(name: str, **parts: Any) -> Recording:
    """A recording with some of its parts replaced; ``env`` and ``files`` are added to."""
    content = recording(name).model_dump()
    for part, value in parts.items():
        merge = isinstance(value, Mapping) and part in ("env", "files", "links", "commands", "system")
        content[part] = {**content[part], **value} if merge else value
    return Recording.model_validate(content)


def replay(name: str, failing: Mapping[str, int] | None = None, **env: str) -> Machine:
    """Probe a recorded machine; ``failing`` gives NVML functions an error code instead of their answer."""
    refusals = {function: {"error": code} for function, code in (failing or {}).items()}
    return probe_of(changed(name, env=env, nvml=answering(recording(name).nvml, refusals)))


def probe_of(recorded: Recording) -> Machine:
    return probe(RecordedSystem(recorded))


def probed(content: Mapping[str, Any]) -> Machine:
    """Probe a machine that is written in a test."""
    return probe_of(Recording.model_validate({"about": "a test", "basis": "made up", **content}))


def answering(nvml: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    """The driver's answers with some functions answering something else, everywhere they are asked."""
    of_driver = {function: answer for function, answer in answers.items() if function.startswith(OF_THE_DRIVER)}
    of_devices = {function: answer for function, answer in answers.items() if function not in of_driver}
    changed = {**nvml, **of_driver}
    if "nvmlInit" in of_driver or "nvmlDeviceGetCount" in of_driver:
        changed.pop("devices", None)
    else:
        changed["devices"] = [_device(device, of_devices) for device in nvml.get("devices", ())]
    return changed


def _device(device: Mapping[str, Any], answers: Mapping[str, Any]) -> dict[str, Any]:
    parts = {part: [_device(row, answers) for row in device.get(part, ())] for part in ("mig",) if part in device}
    return {**device, **answers, **parts}


def functions(recorded: Recording) -> Iterator[str]:
    """The NVML functions that a recording has answers for."""
    yield from (name for name in recorded.nvml if name.startswith("nvml"))
    for device in recorded.nvml.get("devices", ()):
        yield from (name for name in device if name.startswith("nvml"))
