"""Look at this computer: accelerators, host, and why anything is unknown. Nothing raises, nothing is guessed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from deployadvisor.hardware.apple import read_apple
from deployadvisor.hardware.host import read_host
from deployadvisor.hardware.machine import Host, Machine, Problem
from deployadvisor.hardware.nvidia import Reading, missing_package, no_answer, read_nvidia
from deployadvisor.hardware.nvml import Nvml
from deployadvisor.hardware.saved import save_machine
from deployadvisor.hardware.system import LocalSystem, System

__all__ = ["probe", "save_machine"]

T = TypeVar("T")

DRIVER_TIMEOUT_S = 20.0

# Accelerators this package does not ask itself: the file that shows one is there, and how to state it.
_OTHER_DEVICES = (
    ("/dev/kfd", "AMD GPUs", "8x MI300X"),
    ("/dev/davinci_manager", "Huawei Ascend NPUs", "8x Ascend 910B"),
    ("/dev/accel/accel0", "accelerators at /dev/accel", "8x Gaudi 3"),
)


def probe(
    nvml: Nvml | None = None, host_reader: System | None = None, *, timeout_s: float = DRIVER_TIMEOUT_S
) -> Machine:
    """What this computer has; ``nvml`` and ``host_reader`` stand in for the driver and the system in tests."""
    system = host_reader or LocalSystem()
    host = read_host(system)
    if system.platform()[0] == "Darwin":
        accelerators, problems = read_apple(system, host)
        return Machine(description="probe", accelerators=accelerators, host=host, problems=problems)
    reading = _nvidia(nvml, system, host, timeout_s)
    return Machine(
        description="probe",
        accelerators=reading.accelerators,
        host=host,
        problems=(*reading.problems, *_other_devices(system)),
    )


def _nvidia(nvml: Nvml | None, system: System, host: Host, timeout_s: float) -> Reading:
    """The cards of a driver that answers in time: one that hangs must not hang the advisor."""
    nvml = nvml or _installed_nvml()
    if nvml is None:
        return missing_package()
    asked = nvml
    return _within(timeout_s, lambda: read_nvidia(asked, system.env(), host)) or no_answer(timeout_s)


def _installed_nvml() -> Nvml | None:
    try:
        import pynvml  # noqa: PLC0415 - only a probe needs it
    except ImportError:
        return None
    nvml: Nvml = pynvml
    return nvml


def _within(timeout_s: float, call: Callable[[], T]) -> T | None:
    """The result of ``call``, or None when it takes longer; its thread is then left behind."""
    future: Future[T] = Future()
    threading.Thread(target=_fulfil, args=(future, call), daemon=True).start()
    try:
        return future.result(timeout_s)
    except TimeoutError:
        return None


def _fulfil(future: Future[T], call: Callable[[], T]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
        future.set_exception(error)


def _other_devices(system: System) -> tuple[Problem, ...]:
    return tuple(
        Problem(
            what=what,
            reason=f"{file} exists, but this probe asks NVIDIA and Apple devices only",
            remedy=f'describe them: --hardware "{phrase}"',
        )
        for file, what, phrase in _OTHER_DEVICES
        if system.exists(file)
    )
