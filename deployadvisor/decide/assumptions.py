"""Assumptions: combinations of facts that cannot be, so that no proof has to hold for them.

Each one says ``if`` a condition holds ``then`` another does. They stand beside the facts in the vocabulary file.
"""

from __future__ import annotations

from dataclasses import dataclass

from deployadvisor.decide.conditions import Condition
from deployadvisor.errors import Where


@dataclass(frozen=True, slots=True)
class Assumption:
    """A condition that holds for every combination of facts there can be."""

    id: str
    holds: Condition
    because: str
    where: Where
