"""One named part of a card's memory, and how sure its figure is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sure = Literal["exact", "computed", "measured", "bound", "assumed"]
"""``exact``: read from file headers; ``computed``: a formula over exact shapes; ``measured``: fitted to published
measurements; ``bound``: cannot be more; ``assumed``: a value on the safe side that nobody has measured."""


@dataclass(frozen=True, slots=True)
class Term:
    """One named part of a card's memory."""

    name: str
    gib: float
    basis: str
    sure: Sure = "computed"
