"""What every reader says alike: of devices that are not known well enough, and of programs that printed no answer."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import count as counting
from itertools import islice

from deployadvisor.hardware.machine import Accelerator, Problem, Unknown
from deployadvisor.hardware.system import Output

_VERSION = re.compile(r"(?<![0-9A-Za-z.])[0-9]{1,5}(?:\.[0-9A-Za-z_-]{1,20}){1,4}(?![0-9A-Za-z.])")


def device_problems(devices: Iterable[Accelerator], said: Iterable[Problem] = ()) -> Iterator[Problem]:
    """For each device without a memory, or without a catalogue entry; reasons that are ``said`` are not repeated."""
    reasons = {problem.reason for problem in said}
    for device in devices:
        total, free = device.memory_total_gib, device.memory_free_gib
        if isinstance(total, Unknown):
            yield Problem(what=f"memory of {device.name}", reason=total.unknown, remedy=total.remedy)
            continue
        if isinstance(free, Unknown) and free.unknown not in reasons:
            yield Problem(what=f"free memory of {device.name}", reason=free.unknown, remedy=free.remedy)
        if device.id is None:
            reason = "the catalogue has no entry for this name and memory, so its speed cannot be estimated"
            yield Problem(what=device.name, reason=reason, remedy="add an entry to the GPU catalogue")


def free_numbers(taken: Iterable[int], count: int) -> list[int]:
    """The smallest ``count`` numbers that are not taken.

    >>> free_numbers([1, 3], 3)
    [0, 2, 4]
    """
    used = frozenset(taken)
    return list(islice((number for number in counting() if number not in used), count))


def not_listed(what: str, program: str, listed: int, there: int) -> Iterator[Problem]:
    """Devices that the system has and a program that works does not list."""
    if listed < there:
        reason = f"{program} lists {listed} of {there} devices that the system has"
        yield Problem(what=what, reason=reason, remedy="read dmesg; one that is not listed needs a reset or a reboot")


def printed(output: Output) -> str:
    """The last words of a program, in one printable line; else how it ended."""
    letters = (letter if letter.isprintable() else " " for letter in output.words)
    return " ".join("".join(letters).split()) or f"it ended with status {output.code}"


def version_in(text: str) -> str | None:
    """The first version number in a text, in the form that machine files allow.

    >>> version_in("I915_23.10.72_PSB_231129.76"), version_in("96E1802BAF7F7118043A89B")
    ('23.10.72_PSB_231129.76', None)
    """
    found = _VERSION.search(text)
    return found[0] if found else None
