"""What can be changed when a model does not fit, in order of harm, as sourced data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal

from deployadvisor.catalog.lookup import load_entries
from deployadvisor.catalog.provenance import Sourced

RemedyKind = Literal["queue", "kv_dtype", "precision", "settings", "engine", "cards", "context"]


class RemedyEntry(Sourced):
    """One kind of change and what it costs."""

    id: RemedyKind
    harm: str


@cache
def remedy_entries() -> Mapping[str, RemedyEntry]:
    """All kinds of changes, the least harmful first."""
    return load_entries("remedies", RemedyEntry)
