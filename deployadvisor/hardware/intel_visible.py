"""Which Intel GPUs ``ZE_AFFINITY_MASK`` and ``ONEAPI_DEVICE_SELECTOR`` leave to a process.

Level Zero numbers discrete cards before the processor's own graphics, or all by bus address where
``ZE_ENABLE_PCI_ID_DEVICE_ORDER=1``. The mask names numbers, or ``card.tile`` where ``ZE_FLAT_DEVICE_HIERARCHY`` is
COMPOSITE; what names nothing is passed over; empty and ``default`` mean no mask.
Sources: Level Zero specification 1.14, "Affinity Mask"; intel/compute-runtime execution_environment.cpp.

SYCL then applies its selector to what the mask left, and numbers that anew: terms ``backend:devices`` between
semicolons, those with ``!`` taking away. It refuses to start where a term is malformed.
Sources: intel/llvm sycl/doc/EnvironmentVariables.md and device_filter.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deployadvisor.hardware.machine import Problem

MASK = "ZE_AFFINITY_MASK"
SELECTOR = "ONEAPI_DEVICE_SELECTOR"
HIERARCHY = "ZE_FLAT_DEVICE_HIERARCHY"
ORDER = "ZE_ENABLE_PCI_ID_DEVICE_ORDER"

_BACKENDS = ("level_zero", "opencl", "cuda", "hip", "native_cpu", "offload", "*")
_TYPES = ("gpu", "cpu", "acc", "fpga", "*")
_TERM = re.compile(r"(!?)([a-z_]+|\*):([^:]+)")
_TARGET = re.compile(r"([a-z]+|\*|[0-9]{1,4})((?:\.(?:\*|[0-9]{1,4})){0,2})")


@dataclass(frozen=True, slots=True)
class Choice:
    """Positions that are left, and what may surprise."""

    positions: frozenset[int]
    problems: tuple[Problem, ...] = ()


def is_flat(env: Mapping[str, str]) -> bool:
    """Whether each tile of a card counts as a device; the driver's default since 2024."""
    return env.get(HIERARCHY, "").strip().upper() != "COMPOSITE"


def choose(env: Mapping[str, str], count: int) -> Choice:
    """What both variables leave of ``count`` devices in the order of Level Zero."""
    masked = _mask(env.get(MASK, ""), count, flat=is_flat(env))
    selector = env.get(SELECTOR, "")
    chosen = _selected(selector, sorted(masked.positions))
    if chosen is None:
        reason = "SYCL cannot read it, and then refuses to start"
        problem = Problem(what=SELECTOR, reason=reason, remedy="write it like level_zero:0,1 or level_zero:gpu")
        return Choice(frozenset(), (*masked.problems, problem))
    return Choice(chosen, (*masked.problems, *_selection_problems(masked.positions, chosen)))


def _mask(value: str, count: int, *, flat: bool) -> Choice:
    if value.strip() in ("", "default"):
        return Choice(frozenset(range(count)))
    entries = [entry.strip() for entry in value.split(",")]
    named = [_position(entry, count, flat=flat) for entry in entries]
    left = frozenset(position for position in named if position is not None)
    return Choice(left, tuple(_mask_problems(entries, named, count - len(left), count)))


def _position(entry: str, count: int, *, flat: bool) -> int | None:
    found = re.fullmatch(r"([0-9]{1,4})(\.[0-9]{1,4})?", entry)
    if found is None or (flat and found[2]) or int(found[1]) >= count:
        return None
    return int(found[1])


def _mask_problems(entries: Sequence[str], named: Sequence[int | None], hidden: int, count: int) -> Iterator[Problem]:
    if None in named:
        reason = f"{sum(position is None for position in named)} of its {len(entries)} entries name no device here"
        yield Problem(what=MASK, reason=reason, remedy=f"list numbers from 0; card.tile needs {HIERARCHY}=COMPOSITE")
    if any("." in entry for entry, position in zip(entries, named, strict=True) if position is not None):
        reason = "it names single tiles, of which each has only its part of the card's memory"
        yield Problem(what=MASK, reason=reason, remedy="name whole cards, or plan with one tile's memory")
    if hidden:
        reason = f"it hides {hidden} of {count} devices"
        yield Problem(what=MASK, reason=reason, remedy="unset it to use them all")


# The selector

_Term = tuple[bool, frozenset[int]]
"""Whether it takes away, and the numbers that it names."""


def _selected(value: str, devices: Sequence[int]) -> frozenset[int] | None:
    """Of ``devices``, those that the terms accept and do not take away again; None for a malformed value."""
    terms = [_term(word, len(devices)) for word in value.casefold().split(";") if word]
    known = [term for term in terms if term is not None]
    takes_away = [taking for taking, _ in known]
    if len(known) < len(terms) or takes_away != sorted(takes_away):
        return None
    every = frozenset(range(len(devices)))
    accepted = _union(known, taking=False) if False in takes_away else every
    return frozenset(devices[number] for number in accepted - _union(known, taking=True))


def _union(terms: Sequence[_Term], *, taking: bool) -> frozenset[int]:
    return frozenset().union(*(numbers for takes_away, numbers in terms if takes_away is taking))


def _term(word: str, count: int) -> _Term | None:
    found = _TERM.fullmatch(word)
    if found is None or found[2] not in _BACKENDS:
        return None
    targets = [_target(target.strip(), count) for target in found[3].split(",") if target]
    known = [target for target in targets if target is not None]
    if not known or len(known) < len(targets):
        return None
    here = found[2] in ("level_zero", "*")
    return bool(found[1]), frozenset().union(*known) if here else frozenset()


def _target(word: str, count: int) -> frozenset[int] | None:
    """Numbers of the GPUs that a target such as ``gpu``, ``*``, ``0`` or ``0.1`` names."""
    found = _TARGET.fullmatch(word)
    if found is None:
        return None
    if found[1].isdigit():
        return frozenset((int(found[1]),)) & frozenset(range(count))
    if found[1] not in _TYPES:
        return None
    return frozenset(range(count)) if found[1] in ("gpu", "*") else frozenset()


def _selection_problems(masked: frozenset[int], chosen: frozenset[int]) -> Iterator[Problem]:
    if masked and not chosen:
        reason = "it selects no GPU of Level Zero"
        yield Problem(what=SELECTOR, reason=reason, remedy="write level_zero:gpu, or unset it")
    elif hidden := len(masked) - len(chosen):
        reason = f"it hides {hidden} of {len(masked)} devices"
        yield Problem(what=SELECTOR, reason=reason, remedy="unset it to use them all")
