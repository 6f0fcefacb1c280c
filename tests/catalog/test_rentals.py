"""Rental prices: dated, of catalogue accelerators, few for each, and plausible."""

from __future__ import annotations

import datetime
from collections import defaultdict

import pytest
from pydantic import ValidationError

from deployadvisor.catalog.gpus import gpus
from deployadvisor.catalog.rentals import Rental, rentals


def test_the_list_stays_short() -> None:
    assert 60 <= len(rentals()) <= 150


@pytest.mark.parametrize("rental", rentals(), ids=lambda r: f"{r.provider} {r.instance} {r.region}")
def test_every_price_is_dated_sourced_and_of_a_listed_accelerator(rental: Rental) -> None:
    assert rental.gpu in gpus()
    assert all(rental.source)
    assert rental.as_of <= rental.checked_on
    assert 0.05 < rental.usd_per_hour / rental.gpus < 40


@pytest.mark.parametrize("rental", rentals(), ids=lambda r: f"{r.provider} {r.instance} {r.region}")
def test_a_price_older_than_a_year_says_so(rental: Rental) -> None:
    old = rental.checked_on - rental.as_of > datetime.timedelta(days=365)
    assert old == (rental.status == "dated")


def test_prices_in_china_are_marked_old() -> None:
    chinese = [rental for rental in rentals() if rental.region.startswith("cn-")]
    assert chinese
    assert {rental.status for rental in chinese} == {"dated"}


def test_at_most_four_providers_for_an_accelerator_and_count() -> None:
    providers = defaultdict(set)
    for rental in rentals():
        providers[rental.gpu, rental.gpus].add(rental.provider)
    assert max(map(len, providers.values())) <= 4


def test_no_offer_is_listed_twice() -> None:
    offers = [(rental.provider, rental.instance, rental.region) for rental in rentals()]
    assert len(offers) == len(set(offers))


@pytest.mark.parametrize("gpu_id", ["h100-sxm", "h200", "a100-80g-sxm", "l40s", "l4", "t4", "rtx-4090", "b200"])
def test_common_accelerators_can_be_rented(gpu_id: str) -> None:
    assert any(rental.gpu == gpu_id for rental in rentals())


@pytest.mark.parametrize("change", [{"gpu": "h1000"}, {"usd_per_hour": 0}, {"gpus": 0}, {"status": "guess"}])
def test_a_wrong_row_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Rental.model_validate(rentals()[0].model_dump() | change)
