"""Planning assumptions about traffic: shapes of the day, time per token, context beyond the average request."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from pydantic import PositiveFloat

from deployadvisor.catalog.lookup import load_entries, read_catalog
from deployadvisor.catalog.provenance import Sourced


class TrafficShape(Sourced):
    """How a day's requests spread over its hours."""

    id: str
    hours_per_day: PositiveFloat
    peak_to_average: PositiveFloat


@cache
def traffic_shapes() -> Mapping[str, TrafficShape]:
    """All shapes by id."""
    return load_entries("workload", TrafficShape)


@cache
def planning(name: str) -> float | str:
    """One planning value by name; its source stands beside it in ``workload.yaml``."""
    value: float | str = read_catalog("workload").value["planning"][name]["value"]
    return value
