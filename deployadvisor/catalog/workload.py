"""Planning assumptions about traffic: shapes of the day, time per token, context beyond the average request."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from functools import cache

from pydantic import PositiveFloat

from deployadvisor.catalog.lookup import load_entries, read_catalog, validate
from deployadvisor.catalog.provenance import Frozen, Sourced


class TrafficShape(Sourced):
    """How a day's requests spread over its hours."""

    id: str
    hours_per_day: PositiveFloat
    peak_to_average: PositiveFloat


@cache
def traffic_shapes() -> Mapping[str, TrafficShape]:
    """All shapes by id."""
    return load_entries("workload", TrafficShape)


class PlanningValue(Frozen):
    """A value planned with where nobody answered; one with a text is told to the user."""

    value: int | float | str
    text: str | None = None
    text_zh: str | None = None
    source: str
    checked_on: datetime.date


@cache
def planning_values() -> Mapping[str, PlanningValue]:
    """All planning values by name."""
    document = read_catalog("workload")
    sources, checked_on = document.value["sources"], document.value["checked_on"]
    values = {}
    for name, row in document.value["planning"].items():
        fields = {"checked_on": checked_on, **row, "source": sources[row["source"]]}
        values[name] = validate(PlanningValue, fields, document, ("planning", name))
    return values


def planning(name: str) -> int | float | str:
    """One planning value by name."""
    return planning_values()[name].value
