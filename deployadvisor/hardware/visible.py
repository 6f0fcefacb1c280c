"""Which devices ``CUDA_VISIBLE_DEVICES`` leaves to a process.

CUDA reads a comma-separated list of card numbers and UUIDs (any unambiguous beginning of one), and stops at
the first entry that names nothing. Unset means all, empty means none; a device named twice means none either,
because CUDA then refuses to start (error 101, seen with driver 580). A card split by MIG gives a process its
first slice; a slice is named by its own UUID.
Source: CUDA C++ Programming Guide, "CUDA Environment Variables"; NVIDIA MIG User Guide, "Device Enumeration".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deployadvisor.hardware.machine import Problem

VARIABLE = "CUDA_VISIBLE_DEVICES"

_PREFIX_CHARS = len("GPU-")


@dataclass(frozen=True, slots=True)
class Device:
    """What an entry of the list may name: the card's number, and the UUIDs of the card and its slice."""

    card: int
    name: str
    uuids: tuple[str, ...] = ()
    has_uuid: bool = True
    """Whether its own UUID was told: some tools give slices none."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Positions of the visible devices, and what the user should know about the choice."""

    positions: frozenset[int]
    problems: tuple[Problem, ...] = ()


def needs_uuids(value: str | None) -> bool:
    """Whether the list names a device by anything but its number."""
    return any(not _is_number(entry) for entry in _entries(value or ""))


def choose(value: str | None, order: str | None, devices: Sequence[Device]) -> Choice:
    """Apply the list to ``devices``; ``order`` is ``CUDA_DEVICE_ORDER``."""
    if value is None:
        return Choice(frozenset(range(len(devices))))
    named = list(_named(value, devices))
    unnamed = sum(not device.has_uuid for device in devices)
    if unnamed and None in named and not _is_number(_entries(value)[len(named) - 1]):
        return Choice(frozenset(range(len(devices))), (_unmatched(unnamed),))
    positions = [position for position in named if position is not None]
    visible = frozenset(positions) if len(set(positions)) == len(positions) else frozenset[int]()
    return Choice(visible, tuple(_problems(value, order, devices, named, visible)))


def _named(value: str, devices: Sequence[Device]) -> Iterator[int | None]:
    """Position that each entry names, up to and including the first that names none."""
    for entry in _entries(value):
        position = _position(entry, devices)
        yield position
        if position is None:
            return


def _position(entry: str, devices: Sequence[Device]) -> int | None:
    if _is_number(entry):
        number = entry.lstrip("0") or "0"
        return next((place for place, device in enumerate(devices) if str(device.card) == number), None)
    matches = [position for position, device in enumerate(devices) if _begins(entry, device)]
    cards = {devices[position].card for position in matches}
    return matches[0] if len(cards) == 1 else None


def _begins(entry: str, device: Device) -> bool:
    """``GPU-`` alone is no beginning: it takes at least one digit more."""
    is_longer = len(entry) > _PREFIX_CHARS
    return is_longer and any(uuid.casefold().startswith(entry.casefold()) for uuid in device.uuids)


def _entries(value: str) -> list[str]:
    return [entry.strip() for entry in value.split(",")] if value.strip() else []


def _is_number(entry: str) -> bool:
    return entry.isascii() and entry.lstrip("-").isdecimal()


def _problems(
    value: str,
    order: str | None,
    devices: Sequence[Device],
    named: Sequence[int | None],
    visible: frozenset[int],
) -> Iterator[Problem]:
    if None in named and not value.strip().startswith("-1"):
        reason = f"entry {len(named)} names no device here; CUDA ignores it and every entry after it"
        yield Problem(what=VARIABLE, reason=reason, remedy="list cards by number from 0, or by UUID")
    if named and not visible and None not in named[:1]:
        reason = "it names a device twice, and CUDA then refuses to start"
        yield Problem(what=VARIABLE, reason=reason, remedy="name each device once")
    elif hidden := len(devices) - len(visible):
        reason = f"it hides {hidden} of {len(devices)} devices"
        yield Problem(what=VARIABLE, reason=reason, remedy="unset it to use them all")
    if _order_matters(value, order, devices):
        reason = "the cards differ, and CUDA numbers the fastest first where the driver numbers by bus"
        yield Problem(what=VARIABLE, reason=reason, remedy="export CUDA_DEVICE_ORDER=PCI_BUS_ID")


def _unmatched(count: int) -> Problem:
    """All are kept: a device that is hidden wrongly is lost, one that is shown wrongly is missed at the start."""
    reason = f"it names devices by UUID, and the UUIDs of {count} were not told, so which it leaves is not known"
    return Problem(what=VARIABLE, reason=reason, remedy="compare nvidia-smi -L")


def _order_matters(value: str, order: str | None, devices: Sequence[Device]) -> bool:
    numbered = any(_is_number(entry) and entry != "-1" for entry in _entries(value))
    return numbered and order != "PCI_BUS_ID" and len({device.name for device in devices}) > 1
