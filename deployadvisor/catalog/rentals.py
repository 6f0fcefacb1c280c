"""What it costs to rent accelerators by the hour: dated on-demand prices of cloud instances."""

from __future__ import annotations

import datetime
from functools import cache
from typing import Literal, Self

from pydantic import PositiveFloat, PositiveInt, model_validator

from deployadvisor.catalog.gpus import gpus
from deployadvisor.catalog.lookup import read_catalog, validate
from deployadvisor.catalog.provenance import Sourced

RentalStatus = Literal["confirmed", "listed", "marketplace", "dated"]
"""How far to trust a price: ``confirmed`` by a second source; ``listed`` by the provider; ``marketplace``:
offers of many sellers, moving daily; ``dated``: read more than a year before ``checked_on``."""


class Rental(Sourced):
    """One rentable instance: accelerators and its on-demand price before tax."""

    provider: str
    instance: str
    gpu: str
    """Catalogue id of the accelerator."""
    gpus: PositiveInt
    usd_per_hour: PositiveFloat
    """Price of the whole instance, not of one accelerator."""
    region: str
    as_of: datetime.date
    """The day on which the price was valid."""
    status: RentalStatus

    @model_validator(mode="after")
    def gpu_is_in_the_catalogue(self) -> Self:
        """Refuse a price that could not be compared with anything."""
        if self.gpu not in gpus():
            raise ValueError(f'"{self.gpu}" is not an accelerator in the catalogue')
        return self


@cache
def rentals() -> tuple[Rental, ...]:
    """All rental prices, grouped by accelerator and count, cheapest first."""
    document = read_catalog("rentals")
    rows = enumerate(document.value["rentals"])
    return tuple(validate(Rental, row, document, ("rentals", index)) for index, row in rows)
