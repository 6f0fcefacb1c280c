"""How the answer is to be run, and its numbers: memory, speed and cost. None is what was not computed, never zero."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class MemoryTerm(_Part):
    """One named part of a card's memory, in GiB a card."""

    name: str
    gib: float
    basis: str
    sure: Literal["exact", "computed", "measured", "bound", "assumed"] = "computed"
    """Read from headers; a formula over exact shapes; fitted to measurements; cannot be more; on the safe side."""


class MemoryEstimate(_Part):
    """What one card holds when the plan runs, in GiB a card, and what remains."""

    fits: bool
    text: str
    cards: int
    available_gib: float
    reserved_gib: float = 0.0
    """What the engine takes when it starts, whatever the load needs of it."""
    held_back: tuple[MemoryTerm, ...] = ()
    """What the engine cannot use of the card: driver, other processes, context, what it leaves free."""
    terms: tuple[MemoryTerm, ...]
    weights_gib: float
    """All weights, over all cards of a replica."""
    kv_gib: float
    """KV cache needed for ``max_concurrency`` sequences of ``max_model_len`` tokens, over all cards."""
    max_concurrency: int
    """Sequences of full length that fit at once."""
    kv_bytes_per_token: int
    kv_fixed_bytes: int


class Range(_Part):
    """A figure with its bounds and where it comes from."""

    value: float
    low: float
    high: float
    basis: str


class Estimate(_Part):
    """Numbers of the plan; None means not estimated, never zero."""

    memory: MemoryEstimate | None = None
    output_tok_s: Range | None = None
    ttft_ms: Range | None = None
    tpot_ms: Range | None = None
    notes: tuple[str, ...] = ()


class Price(_Part):
    """Cost of one way to run it."""

    per_month: float
    per_million_tokens: float | None = None
    basis: str
    source: str
    as_of: str


class Cost(_Part):
    """What each way would cost; None means not priced."""

    hosted: Price | None = None
    rented: Price | None = None
    owned: Price | None = None
    breakeven_requests_per_day: float | None = None
    currency: str = "USD"
    as_of: str | None = None


class RentalOffer(_Part):
    """A machine that could be rented for the plan."""

    provider: str
    instance: str
    gpu: str
    gpus: int
    usd_per_hour: float
    as_of: str
    source: str


class Plan(_Part):
    """How the chosen engine or provider is to be run; each of the ``nodes`` has as many of the ``gpus``."""

    model: str | None = None
    hardware: str
    gpus: int = 0
    gpu: str | None = None
    """Catalogue id of the cards the plan uses."""
    cards: tuple[int, ...] = ()
    """Their indexes on each machine, equal cards all; of a machine to rent, 0 and up."""
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    replicas: int = 1
    nodes: int = 1
    precision: str | None = None
    kv_dtype: str | None = None
    max_model_len: int | None = None
    max_concurrency: int | None = None
    engine_version: str | None = None
    backend: str | None = None
    """Engine backend where an engine has several, such as LMDeploy's ``pytorch``."""
    dtype: str | None = None
    """Data type to force, such as ``half`` where the card has no bf16."""
    trust_remote_code: bool = False
    flags: tuple[str, ...] = ()
    """Arguments of the engine's server beyond host, port, model and key."""
    environment: dict[str, str] = {}
    """Environment variables of engines that are set up that way."""
    endpoint: str | None = None
    """Base URL of the hosted provider."""
    hosted_model: str | None = None
    fallback_provider: str | None = None
    """Second provider behind the gateway, where the service must outlive one vendor."""
    rent: tuple[RentalOffer, ...] = ()
