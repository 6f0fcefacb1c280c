"""What part of a Mac's memory macOS recommends to the GPU."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache

from pydantic import Field, PositiveFloat

from deployadvisor.catalog.lookup import load_entries
from deployadvisor.catalog.provenance import Sourced


class MetalShare(Sourced):
    """The default part for Macs up to one size of memory."""

    id: str
    up_to_gib: PositiveFloat | None
    """The largest memory for which it was read; None for all larger ones."""
    share: Fraction = Field(gt=0, le=1)


@cache
def metal_shares() -> Mapping[str, MetalShare]:
    """All shares by id, smallest memory first."""
    return load_entries("metal", MetalShare)


def metal_share(memory_gib: float) -> MetalShare:
    """The share for a Mac with ``memory_gib``.

    >>> metal_share(16).share
    Fraction(2, 3)
    """
    shares = metal_shares().values()
    return next(entry for entry in shares if entry.up_to_gib is None or memory_gib <= entry.up_to_gib)
