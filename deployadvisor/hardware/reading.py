"""What the reader of one vendor gives back, and how long it may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deployadvisor.hardware.machine import Accelerator, Problem


@dataclass(frozen=True, slots=True)
class Reading:
    """Accelerators of one vendor, and what could not be read."""

    accelerators: tuple[Accelerator, ...] = ()
    problems: tuple[Problem, ...] = ()

    def __add__(self, other: Reading) -> Reading:
        """Both, in this order."""
        return Reading((*self.accelerators, *other.accelerators), (*self.problems, *other.problems))


@dataclass(frozen=True, slots=True)
class Patience:
    """Time that is left to a reader; every question it asks takes from the same amount."""

    clock: Callable[[], float]
    until_s: float

    @property
    def left_s(self) -> float:
        """Seconds that are left, never below 0."""
        return max(0.0, self.until_s - self.clock())

    def at_most(self, wanted_s: float) -> float:
        """Time for one question: as much as it wants, and no more than is left; a little is always there."""
        return max(0.05, min(wanted_s, self.left_s))


def patience(clock: Callable[[], float], seconds: float) -> Patience:
    """Patience that begins now."""
    return Patience(clock, clock() + seconds)
