"""What engines tell Prometheus: the name of each metric by what it means."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from deployadvisor.catalog.lookup import load_entries
from deployadvisor.catalog.provenance import Frozen, Sourced

Role = Literal[
    "running",
    "waiting",
    "cache_used",
    "first_token",
    "next_token",
    "whole_request",
    "prompt_tokens",
    "answer_tokens",
    "preempted",
    "finished",
    "failed",
    "engines",
]


class Metric(Frozen):
    """One metric as the engine names it."""

    name: Annotated[str, Field(pattern=r"^([a-z]+:|ray_)[a-z0-9_]+$")]
    kind: Literal["gauge", "counter", "histogram"]
    labels: Mapping[str, str] = Field(default_factory=dict)
    """Labels that only the part with this meaning carries."""

    @property
    def series(self) -> str:
        """The series that queries name: of a histogram, its buckets."""
        return f"{self.name}_bucket" if self.kind == "histogram" else self.name


class Metrics(Sourced):
    """All metrics of one engine that are worth a look."""

    id: str
    version: str
    """The release whose names were read."""
    names: Mapping[Role, Metric]


@cache
def metrics() -> Mapping[str, Metrics]:
    """The metrics by the id of the engine, and those of engines that something else starts and speaks for."""
    return load_entries("metrics", Metrics)
