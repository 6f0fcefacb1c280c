"""What the weight files of a model can hold, against what its configuration describes."""

from __future__ import annotations

from functools import cache

from pydantic import PositiveFloat, PositiveInt

from deployadvisor.catalog.lookup import load_entries
from deployadvisor.catalog.provenance import Sourced


class Plausible(Sourced):
    """Bounds of what is taken for the checkpoint that a ``config.json`` describes."""

    id: str
    least_share: PositiveFloat
    """Of the bytes that shapes and number format make."""
    unknown_bits: PositiveFloat
    """The fewest bits a weight in a format that is not known."""
    most_bits: PositiveFloat
    padding_rows: PositiveInt
    width_keys: tuple[str, ...]
    """Fields of ``config.json`` that may state the width of an embedding in place of ``hidden_size``."""


@cache
def plausible() -> Plausible:
    """The bounds, with their sources."""
    return load_entries("checkpoints", Plausible)["plausible"]
