"""Which Ascend NPUs ``ASCEND_RT_VISIBLE_DEVICES`` leaves to a process.

CANN reads logical numbers with commas and nothing else between them, in ascending order, and stops at the first
character or number that it cannot use: ``1, 2`` means 1. The management tools do not heed it.
Source: hiascend.com, CANN environment variables, ASCEND_RT_VISIBLE_DEVICES (envref_07_0028).
``ASCEND_VISIBLE_DEVICES`` is another one: it tells the container runtime which cards to hand to a container.
Source: hiascend.com, MindCluster, Ascend Docker Runtime (dlruntime_ug).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from deployadvisor.hardware.machine import Problem

VARIABLE = "ASCEND_RT_VISIBLE_DEVICES"
OF_CONTAINERS = "ASCEND_VISIBLE_DEVICES"

_WITHOUT = ("", "void")


def visible_numbers(env: Mapping[str, str], numbers: Collection[int]) -> tuple[frozenset[int], tuple[Problem, ...]]:
    """The logical numbers that are left, and what may surprise."""
    value = env.get(VARIABLE)
    if value is None or not numbers:
        return frozenset(numbers), ()
    named = tuple(_named(value, numbers))
    return frozenset(named), tuple(_problems(value, named, len(numbers)))


def _named(value: str, numbers: Collection[int]) -> Iterator[int]:
    """Numbers up to the first that is none, is not here, or does not ascend."""
    last = -1
    for entry in value.split(","):
        digits = re.match(r"[0-9]{1,4}", entry)
        if digits is None or int(digits[0]) not in numbers or int(digits[0]) <= last:
            return
        last = int(digits[0])
        yield last
        if digits[0] != entry:
            return


def _problems(value: str, named: tuple[int, ...], count: int) -> Iterator[Problem]:
    if ",".join(map(str, named)) != value and value:
        reason = f"CANN reads {len(named)} of its {len(value.split(','))} entries and stops at what it cannot use"
        remedy = "list logical numbers from 0 in ascending order, with commas and without blanks"
        yield Problem(what=VARIABLE, reason=reason, remedy=remedy)
    if hidden := count - len(named):
        reason = f"it hides {hidden} of {count} NPUs"
        yield Problem(what=VARIABLE, reason=reason, remedy="unset it to use them all")


def none_given(env: Mapping[str, str]) -> str | None:
    """The words for a container that was started without NPUs on purpose."""
    value = env.get(OF_CONTAINERS)
    if value is None or value.strip().casefold() not in _WITHOUT:
        return None
    return f'this container was started without NPUs ({OF_CONTAINERS}="{value.strip()}")'
