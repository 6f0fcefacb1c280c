"""Cost of a hosted API at list price: tokens a month times the price a million tokens."""

from __future__ import annotations

from deployadvisor.catalog.providers import HostedModel, Provider
from deployadvisor.figures import Price

DAYS_PER_MONTH = 365 / 12
_MILLION = 1e6


def priced_model(provider: Provider) -> HostedModel | None:
    """The provider's default model when the catalogue holds a price for it."""
    return next((model for model in provider.models if model.id == provider.default_model and model.priced), None)


def monthly_price(
    model: HostedModel, price_factor: float, requests_per_day: float, input_tokens: float, output_tokens: float
) -> tuple[Price, str] | None:
    """Price of a month in the currency of the price list, and that currency; no cache discount, no tax.

    ``price_factor`` is what the endpoint adds to the list price, such as 1.1 for a promise of residency.
    """
    for currency, price_in, price_out in (
        ("USD", model.usd_in_per_mtok, model.usd_out_per_mtok),
        ("CNY", model.cny_in_per_mtok, model.cny_out_per_mtok),
    ):
        if price_in is None or price_out is None:
            continue
        monthly_requests = requests_per_day * DAYS_PER_MONTH
        per_request = price_factor * (input_tokens * price_in + output_tokens * price_out) / _MILLION
        per_mtok = per_request / (input_tokens + output_tokens) * _MILLION
        price = Price(
            per_month=round(monthly_requests * per_request, 2),
            per_million_tokens=round(per_mtok, 4),
            basis=f"{model.id} at {price_factor:g} times list price, {requests_per_day:,.0f} requests a day",
            source=model.price_source or "",
            as_of=str(model.price_as_of),
        )
        return price, currency
    return None
