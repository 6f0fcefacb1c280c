"""Hosted providers: endpoints and where they are, what happens to prompts, current models and dated prices.

None means that no answer was read, never "no"; a provider that is silent about training is ``unspecified``.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from deployadvisor.catalog.lookup import Names, load_entries
from deployadvisor.catalog.provenance import Frozen, Sourced

EndpointRegion = Literal["cn", "eu", "us", "other", "global"]
"""``other`` is a known place outside mainland China, the EU and the US; ``global`` promises no place."""


class Endpoint(Frozen):
    """Where requests are sent."""

    base_url: str = Field(pattern=r"^https://[^\s]+$")
    """Base URL for an OpenAI client; ``{placeholders}`` are for the user to fill in."""
    price_factor: float | None = Field(default=None, gt=0)
    """Price here over the listed price; None where no such factor was read or the price list is another."""
    env_key: str | None = None
    """Variable of the API key, where this endpoint takes another account's than the provider's ``env_key``."""
    litellm_prefix: str | None = None
    """LiteLLM prefix, where this endpoint has its own."""
    note: str | None = None


class PeakPrice(Frozen):
    """Higher price at fixed hours of the day."""

    hours_utc: tuple[str, ...]
    """Spans such as ``01:00-04:00``."""
    usd_in_per_mtok: NonNegativeFloat
    usd_out_per_mtok: NonNegativeFloat


class HostedModel(Frozen):
    """One model a provider serves today, with its list price a million tokens."""

    id: str
    context: PositiveInt | None = None
    usd_in_per_mtok: NonNegativeFloat | None = None
    usd_out_per_mtok: NonNegativeFloat | None = None
    cny_in_per_mtok: NonNegativeFloat | None = None
    cny_out_per_mtok: NonNegativeFloat | None = None
    peak: PeakPrice | None = None
    price_source: str | None = None
    price_as_of: datetime.date | None = None
    note: str | None = None

    @property
    def priced(self) -> bool:
        """Whether a price was read, in any currency."""
        return self.usd_in_per_mtok is not None or self.cny_in_per_mtok is not None

    @model_validator(mode="after")
    def prices_come_in_pairs_with_a_date(self) -> Self:
        """A price without its other half, its source or its date could not be used or checked."""
        for into, out in (
            (self.usd_in_per_mtok, self.usd_out_per_mtok),
            (self.cny_in_per_mtok, self.cny_out_per_mtok),
        ):
            if (into is None) != (out is None):
                raise ValueError("input and output price go together")
        if self.priced != (self.price_source is not None and self.price_as_of is not None):
            raise ValueError("a price needs price_source and price_as_of, and they need a price")
        return self


class Provider(Sourced):
    """One company's API as it stands by default, without a negotiated contract."""

    id: str
    name: str
    name_zh: str
    aliases: tuple[str, ...] = ()
    hq: str
    """Country of the headquarters, ISO 3166 alpha-2."""
    us_jurisdiction: bool | None
    """Headquartered in the US, hence within reach of US process; None when not read."""
    endpoints: Mapping[EndpointRegion, Endpoint]
    env_key: str
    """Environment variable that holds the API key."""
    model_env: str
    """Environment variable that holds the model, for when the user must or wants to choose it."""
    openai_compatible: Literal["yes", "mostly", "partial", "unknown"]
    litellm_prefix: str
    """What LiteLLM writes before the model name; ``openai`` goes with ``api_base``."""
    training_default: Literal["does_not_train", "trains", "unspecified"]
    retention_default: str | None
    zero_data_retention: str | None
    baa: Literal["yes", "no", "unknown"]
    """Offers a HIPAA business associate agreement."""
    fine_tuning: Literal["yes", "no", "unknown"] = "unknown"
    """Whether a new customer can have a model tuned."""
    residency: str | None = None
    """What the provider says about where requests are processed and stored."""
    default_model: str | None
    """A current model in the middle of the price list, to start with; None when none was sourced."""
    models: tuple[HostedModel, ...] = ()
    retired_models: tuple[str, ...] = ()
    """Names, or patterns with ``*``, that old tutorials still use and the provider has switched off."""
    rate_limit_note: str | None = None
    notes: str = ""

    @model_validator(mode="after")
    def has_an_endpoint(self) -> Self:
        """A provider that cannot be called is not one."""
        if not self.endpoints:
            raise ValueError("at least one endpoint is needed")
        return self

    @model_validator(mode="after")
    def us_company_is_under_us_law(self) -> Self:
        """Headquarters settle this one way only: a foreign company may be within reach of US process too."""
        if self.hq == "US" and self.us_jurisdiction is not True:
            raise ValueError("us_jurisdiction must be true for a company headquartered in the US")
        return self

    @model_validator(mode="after")
    def default_is_a_current_model(self) -> Self:
        """Nobody should start with a model that is not listed, or that is gone."""
        if self.default_model is not None and self.default not in self.models:
            raise ValueError(f'default_model "{self.default_model}" is not one of models')
        gone = [model.id for model in self.models if self.retired(model.id)]
        if gone:
            raise ValueError(f'"{gone[0]}" is both current and retired')
        return self

    @property
    def default(self) -> HostedModel | None:
        """The entry of ``default_model``."""
        return next((model for model in self.models if model.id == self.default_model), None)

    def retired(self, model: str) -> bool:
        """Whether the provider has switched this model off."""
        return any(fnmatchcase(model, pattern) for pattern in self.retired_models)


@cache
def providers() -> Mapping[str, Provider]:
    """All providers by id, in catalogue order."""
    return load_entries("providers", Provider)


def find_provider(text: str) -> Provider:
    """Find the provider that an id, alias or name means; case, spaces, hyphens and underscores do not count.

    >>> find_provider("Kimi").id
    'moonshot'
    """
    return providers()[_names().find(text)]


@cache
def _names() -> Names:
    entries = providers().values()
    return Names({entry.id: (entry.name, entry.name_zh, *entry.aliases) for entry in entries}, what="a provider")
