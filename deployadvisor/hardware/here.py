"""The machine that a question is about: the one that was named, or else this one, probed."""

from __future__ import annotations

from deployadvisor.hardware.machine import Machine
from deployadvisor.hardware.spec import resolve_hardware


def machine_for(hardware: Machine | str | None) -> Machine:
    """A Machine, a phrase, ``none`` or a saved file as a Machine; this machine for ``probe`` and for None."""
    return resolve_hardware(hardware, _probe)


def _probe() -> Machine:
    from deployadvisor.hardware.probe import probe  # noqa: PLC0415 - 15 ms, and most questions name their hardware

    return probe()
