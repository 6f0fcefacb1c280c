"""Which devices AMD's variables leave to a process of ROCm.

``ROCR_VISIBLE_DEVICES`` comes first: numbers in the kernel's order, or UUIDs (any unambiguous beginning). Set to
nothing it leaves no device; an entry that names none, or one named before, ends the list. ``HIP_VISIBLE_DEVICES``
then counts in what is left, from 0. Where it is empty or missing, HIP reads ``CUDA_VISIBLE_DEVICES`` the same way;
empty here means all. A second naming is skipped; an entry that names none ends the list.
``GPU_DEVICE_ORDINAL`` is read by OpenCL programs only. AMD's tools show every device, whatever the variables say.
Source: ROCm runtime, core/runtime/amd_filter_device.cpp; ROCm clr, rocclr/device/rocm/rocdevice.cpp;
ROCm documentation, "GPU isolation techniques" (which lists GPU_DEVICE_ORDINAL for HIP as well).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from deployadvisor.hardware.machine import Problem
from deployadvisor.hardware.visible import Choice

ROCR, HIP, CUDA, ORDINAL = "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL"

_UUID_CHARS = range(len("GPU-") + 1, len("GPU-") + 17)


@dataclass(frozen=True, slots=True)
class Device:
    """One device of ROCm, in its order."""

    uuid: str | None = None
    counted: bool = True
    """Graphics of a processor are numbered too, but nobody misses them."""


def choose_amd(env: Mapping[str, str], devices: Sequence[Device]) -> Choice:
    """The devices that all variables together leave, by position."""
    left = list(range(len(devices)))
    problems: list[Problem] = []
    for variable, value, pick in _filters(env):
        positions, broken = pick(value, [devices[place].uuid for place in left])
        chosen = [left[position] for position in positions]
        problems += _problems(variable, broken, _counted(left, devices), _counted(chosen, devices))
        left = chosen
    if env.get(ORDINAL):
        reason = "only OpenCL programs read it; those of ROCm and HIP do not"
        problems.append(Problem(what=ORDINAL, reason=reason, remedy=f"use {HIP}"))
    return Choice(frozenset(left), tuple(problems))


Pick = Callable[[str, Sequence[str | None]], tuple[list[int], int | None]]
"""Positions that a value names, and the number of the entry that ended the list early."""


def _filters(env: Mapping[str, str]) -> Iterator[tuple[str, str, Pick]]:
    """The variables that hold, in the order in which they are applied."""
    if (first := env.get(ROCR)) is not None:
        yield ROCR, first, _rocr
    for variable in (HIP, CUDA):
        if value := env.get(variable):
            yield variable, value, _hip
            return


def _rocr(value: str, uuids: Sequence[str | None]) -> tuple[list[int], int | None]:
    positions: list[int] = []
    for number, entry in enumerate(value.split(",") if value.strip() else ()):
        position = _rocr_position(entry.strip(), uuids)
        if position is None or position in positions:
            return positions, number
        positions.append(position)
    return positions, None


def _rocr_position(entry: str, uuids: Sequence[str | None]) -> int | None:
    """A number in any notation of C, or the beginning of one UUID only."""
    if re.fullmatch(r"0x[0-9a-f]{1,4}|[0-9]{1,4}", entry, re.IGNORECASE | re.ASCII):
        base = 16 if entry[:2].casefold() == "0x" else 8 if entry.startswith("0") and entry != "0" else 10
        return _within(entry, base, len(uuids))
    if not entry.casefold().startswith("gpu-") or len(entry) not in _UUID_CHARS:
        return None
    found = [place for place, uuid in enumerate(uuids) if uuid and uuid.casefold().startswith(entry.casefold())]
    return found[0] if len(found) == 1 else None


def _within(entry: str, base: int, count: int) -> int | None:
    try:
        number = int(entry, base)
    except ValueError:
        return None
    return number if number < count else None


def _hip(value: str, uuids: Sequence[str | None]) -> tuple[list[int], int | None]:
    positions: list[int] = []
    for number, entry in enumerate(value.split(",")):
        position = _hip_position(entry, uuids)
        if position is None:
            return positions, number
        if position not in positions:
            positions.append(position)
    return positions, None


def _hip_position(entry: str, uuids: Sequence[str | None]) -> int | None:
    """A number as people write it, without blanks and leading zeros, or a piece of a UUID."""
    if re.fullmatch(r"0|[1-9][0-9]{0,3}", entry, re.ASCII):
        return _within(entry, 10, len(uuids))
    if not entry.startswith("GPU-") or len(entry) not in _UUID_CHARS:
        return None
    return next((place for place, uuid in enumerate(uuids) if uuid and entry in uuid), None)


def _counted(places: Sequence[int], devices: Sequence[Device]) -> int:
    return sum(devices[place].counted for place in places)


def _problems(variable: str, broken: int | None, before: int, after: int) -> Iterator[Problem]:
    if broken is not None and after:
        reason = f"entry {broken + 1} names no further device here, and the list ends before it"
        yield Problem(what=variable, reason=reason, remedy="list devices once each, by number from 0, without blanks")
    if hidden := before - after:
        also = "; HIP reads it too where HIP_VISIBLE_DEVICES is not set" if variable == CUDA else ""
        yield Problem(
            what=variable, reason=f"it hides {hidden} of {before} devices{also}", remedy="unset it to use them all"
        )
