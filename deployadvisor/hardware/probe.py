"""Look at this computer: accelerators, host, and why anything is unknown. Nothing raises, nothing is guessed.

Each maker's reader works in a thread of its own: one that hangs or fails costs its own cards, and says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TypeVar

from deployadvisor.hardware.amd import read_amd
from deployadvisor.hardware.apple import read_apple
from deployadvisor.hardware.ascend import read_ascend
from deployadvisor.hardware.host import read_host, unread_host
from deployadvisor.hardware.intel import read_intel
from deployadvisor.hardware.local import LocalSystem
from deployadvisor.hardware.machine import Accelerator, Host, Machine, Problem
from deployadvisor.hardware.network import reachable
from deployadvisor.hardware.nvidia import read_nvidia
from deployadvisor.hardware.reading import Patience, Reading, patience
from deployadvisor.hardware.saved import save_machine
from deployadvisor.hardware.system import System
from deployadvisor.hardware.windows import read_windows

__all__ = ["probe", "save_machine"]

T = TypeVar("T")
Reader = Callable[[System, Host, Patience], Reading]

HOST_S = 1.0
READERS_S = 3.8
"""Together less than the five seconds that a probe may take on a computer whose tools all hang."""

_OVERTIME_S = 0.1  # a reader that keeps its time may still be writing its answer down

_LINUX: Mapping[str, Reader] = {
    "NVIDIA GPUs": read_nvidia,
    "AMD GPUs": read_amd,
    "Intel accelerators": read_intel,
    "Huawei Ascend NPUs": read_ascend,
}
READERS: Mapping[str, Mapping[str, Reader]] = {
    "Linux": _LINUX,
    "Windows": {"NVIDIA GPUs": read_nvidia, "other GPUs": read_windows},
    "Darwin": {"Apple GPU": read_apple},
}
"""Readers by operating system, in the order in which their accelerators are listed."""


def probe(system: System | None = None, *, network: bool = False, include_ids: bool = False) -> Machine:
    """What this computer has, within five seconds whatever hangs.

    ``system`` stands in for this computer, as a recorded machine does. ``network`` asks whether the model hub and
    the image registries can be reached; nothing is sent. ``include_ids`` keeps UUIDs, serial numbers and addresses.
    """
    system = system or LocalSystem()
    host = _within(HOST_S, lambda: read_host(system)) or unread_host(HOST_S)
    reading = _accelerators(system, host)
    if network:
        host = host.model_copy(update=reachable(system))
    cards = reading.accelerators if include_ids else tuple(map(_anonymous, reading.accelerators))
    return Machine(description="probe", accelerators=cards, host=host, problems=reading.problems)


def _accelerators(system: System, host: Host) -> Reading:
    """What all readers found, in their order."""
    readers = READERS.get(system.platform()[0], {})
    started = {what: _start(reader, system, host) for what, reader in readers.items()}
    waits = patience(LocalSystem().clock, READERS_S + _OVERTIME_S)
    found = Reading()
    for what, future in started.items():
        found += _finished(what, future, waits)
    return found


def _start(reader: Reader, system: System, host: Host) -> Future[Reading]:
    return _in_thread(lambda: reader(system, host, patience(system.clock, READERS_S)))


def _finished(what: str, future: Future[Reading], waits: Patience) -> Reading:
    try:
        return future.result(waits.at_most(READERS_S + _OVERTIME_S))
    except TimeoutError:
        reason = f"not read within {READERS_S:g} s, because a file or a driver does not answer"
        return Reading(problems=(Problem(what=what, reason=reason, remedy="read dmesg; a reboot may be needed"),))
    except Exception as error:  # noqa: BLE001 - said to the user as a problem; the other makers' cards still count
        reason = f"the reader failed ({type(error).__name__}: {str(error)[:150]})"
        remedy = "please report it with the file of deployadvisor probe --record"
        return Reading(problems=(Problem(what=what, reason=reason, remedy=remedy),))


def _anonymous(card: Accelerator) -> Accelerator:
    return card.model_copy(update={"ids": None})


def _within(timeout_s: float, call: Callable[[], T]) -> T | None:
    """The result of ``call``, or None when it takes longer; its thread is then left behind."""
    try:
        return _in_thread(call).result(timeout_s + _OVERTIME_S)
    except TimeoutError:
        return None


def _in_thread(call: Callable[[], T]) -> Future[T]:
    future: Future[T] = Future()
    threading.Thread(target=_fulfil, args=(future, call), daemon=True).start()
    return future


def _fulfil(future: Future[T], call: Callable[[], T]) -> None:
    try:
        future.set_result(call())
    except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
        future.set_exception(error)
