"""Cost of rented GPUs: the instance's hours of a month, busy or idle."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from deployadvisor.catalog.rentals import Rental, rentals
from deployadvisor.economics.hosted import DAYS_PER_MONTH
from deployadvisor.figures import Price, RentalOffer

HOURS_PER_MONTH = DAYS_PER_MONTH * 24


def by_price() -> Iterator[tuple[str, int, tuple[Rental, ...]]]:
    """Cards and their number with the offers for them, the cheapest kind of instance first."""
    ordered = sorted(rentals(), key=lambda offer: (offer.gpu, offer.gpus, offer.usd_per_hour))
    kinds = [(gpu, count, tuple(offers)) for (gpu, count), offers in groupby(ordered, lambda o: (o.gpu, o.gpus))]
    yield from sorted(kinds, key=lambda kind: kind[2][0].usd_per_hour)


def offer(rental: Rental) -> RentalOffer:
    """A rental as the answer shows it."""
    return RentalOffer(
        provider=rental.provider,
        instance=rental.instance,
        gpu=rental.gpu,
        gpus=rental.gpus,
        usd_per_hour=rental.usd_per_hour,
        as_of=str(rental.as_of),
        source="; ".join(rental.source),
    )


def monthly_price(offered: RentalOffer, tokens_per_day: float | None) -> Price:
    """Always-on price of a month in USD; per million tokens at the volume that is really served."""
    per_month = offered.usd_per_hour * HOURS_PER_MONTH
    monthly_mtok = (tokens_per_day or 0) * DAYS_PER_MONTH / 1e6
    return Price(
        per_month=round(per_month, 2),
        per_million_tokens=round(per_month / monthly_mtok, 4) if monthly_mtok else None,
        basis=f"{offered.gpus}x {offered.gpu} at {offered.provider}, {HOURS_PER_MONTH:.0f} hours, busy or idle",
        source=offered.source,
        as_of=offered.as_of,
    )
