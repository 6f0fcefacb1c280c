"""What a machine file may not say although every field has the right type: more memory free than there is, say."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from deployadvisor.catalog.gpus import find_gpu, gpus
from deployadvisor.documents import KeyPath
from deployadvisor.errors import CatalogError
from deployadvisor.hardware.machine import Accelerator, Host, Known, Machine, value_of

MAX_CARD_GIB = 1024
MAX_HOST_GIB = 65_536

_MIB_PER_GIB = 1024
_MAY_BE_ZERO = ("free_gib", "available_gib", "numa_node")
_VERSION = re.compile(r"[0-9]{1,5}(\.[0-9A-Za-z_-]{1,20}){0,4}")
_CAPABILITY = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}")


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something that cannot be so, and where it stands."""

    path: KeyPath
    message: str
    suggestion: str | None = None


def mistakes(machine: Machine) -> Iterator[Mistake]:
    """Everything in a machine that cannot be so; the first in the order of the file comes first."""
    yield from _texts(machine, ())
    for place, card in enumerate(machine.accelerators):
        path: KeyPath = ("accelerators", place)
        yield from _numbers(card, path)
        yield from _identity(card, path)
        yield from _memory(card.memory_total_gib, card.memory_free_gib, path, "memory_free_gib", MAX_CARD_GIB)
        yield from _uses(card, path)
        yield from _versions(card, path)
        yield from _links(card, machine, path)
    yield from _twins(machine)
    host = machine.host
    yield from _numbers(host, ("host",))
    yield from _memory(
        host.memory_total_gib, host.memory_available_gib, ("host",), "memory_available_gib", MAX_HOST_GIB
    )


def _texts(part: Any, path: KeyPath) -> Iterator[Mistake]:
    """No text holds what a terminal would obey instead of showing it."""
    if isinstance(part, str) and not part.isprintable():
        yield Mistake(path, "has a character that cannot be printed")
    elif isinstance(part, BaseModel):
        for name, value in part:
            yield from _texts(value, (*path, name))
    elif isinstance(part, tuple):
        for place, value in enumerate(part):
            yield from _texts(value, (*path, place))


def _numbers(part: Accelerator | Host, path: KeyPath) -> Iterator[Mistake]:
    for name, reading in part:
        if isinstance(reading, Known) and isinstance(reading.value, float):
            lowest = 0 if name.endswith(_MAY_BE_ZERO) else math.nextafter(0, 1)
            if not (math.isfinite(reading.value) and reading.value >= lowest):
                yield Mistake((*path, name, "value"), f"{reading.value:g} is no amount; say unknown, with the reason")


def _uses(card: Accelerator, path: KeyPath) -> Iterator[Mistake]:
    uses = value_of(card.used_by)
    for place, use in enumerate(uses or ()):
        held = value_of(use.memory_gib)
        if held is not None and not (math.isfinite(held) and held >= 0):
            yield Mistake((*path, "used_by", "value", place, "memory_gib", "value"), f"{held:g} is no amount")


def _identity(card: Accelerator, path: KeyPath) -> Iterator[Mistake]:
    if card.id is None:
        return
    entry = gpus().get(card.id)
    if entry is None:
        yield Mistake(
            (*path, "id"), f'"{card.id}" is not an accelerator in the catalogue; write null', _nearest(card)
        )
    elif entry.vendor != card.vendor:
        yield Mistake((*path, "id"), f'"{card.id}" is made by {entry.vendor}, not by {card.vendor}')


def _nearest(card: Accelerator) -> str | None:
    try:
        return find_gpu(card.id or "").id
    except CatalogError as error:
        return error.suggestion


def _memory(total: Any, free: Any, path: KeyPath, free_name: str, most_gib: int) -> Iterator[Mistake]:
    total_gib, free_gib = value_of(total), value_of(free)
    if total_gib is not None and total_gib > most_gib:
        as_mib = total_gib / _MIB_PER_GIB
        hint = f"; as MiB it would be {as_mib:g} GiB" if as_mib <= most_gib else ""
        message = f"{total_gib:g} GiB is more than any has ({most_gib:,} at most){hint}"
        yield Mistake((*path, "memory_total_gib", "value"), message)
    if total_gib is not None and free_gib is not None and free_gib > total_gib:
        yield Mistake((*path, free_name, "value"), f"{free_gib:g} GiB is more than the total of {total_gib:g} GiB")


def _versions(card: Accelerator, path: KeyPath) -> Iterator[Mistake]:
    for name, pattern, example in (
        ("compute_capability", _CAPABILITY, "9.0"),
        ("driver_version", _VERSION, "580.159.04"),
        ("runtime_version", _VERSION, "13.0"),
    ):
        value = value_of(getattr(card, name))
        if value is not None and not pattern.fullmatch(value):
            yield Mistake((*path, name, "value"), f'"{value[:60]}" is no version; write it like "{example}"')


def _links(card: Accelerator, machine: Machine, path: KeyPath) -> Iterator[Mistake]:
    others = {other.index for other in machine.accelerators if other.vendor == card.vendor} - {card.index}
    links = value_of(card.links)
    for place, link in enumerate(links or ()):
        if link.to not in others:
            message = f"there is no other {card.vendor} accelerator with index {link.to}"
            yield Mistake((*path, "links", "value", place, "to"), message)


def _twins(machine: Machine) -> Iterator[Mistake]:
    """Each maker's runtime numbers its own devices."""
    seen = set()
    for place, card in enumerate(machine.accelerators):
        if card.index < 0:
            yield Mistake(("accelerators", place, "index"), f"index {card.index} is none; number them from 0")
        if (card.vendor, card.index) in seen:
            message = f"index {card.index} of {card.vendor} stands here twice; number them from 0"
            yield Mistake(("accelerators", place, "index"), message)
        seen.add((card.vendor, card.index))
