"""Parameter counts by what they belong to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

Parts = Counter[str]
"""Name of a field of ``Counts`` -> parameters."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Parameters of a language model: the ``total`` that an engine loads, what a token uses of it, and its parts."""

    total: int
    active: int
    """What one token passes through: all but the routed experts that it is not sent to."""
    embedding: int = 0
    lm_head: int = 0
    """Output matrix; 0 where it is the embedding matrix."""
    attention: int = 0
    recurrent: int = 0
    """State-space, linear attention and short convolution layers."""
    dense_feed_forward: int = 0
    router: int = 0
    shared_experts: int = 0
    routed_experts: int = 0
    norms: int = 0
    other: int = 0
    mtp: int | None = 0
    """Multi-token prediction layers, which are not part of ``total``; None where their shapes are not known."""


def counts_of(parts: Parts, idle_experts: int, mtp: int | None) -> Counts:
    """Sum up; ``idle_experts`` are the routed parameters that a token passes by."""
    total = parts.total()
    return Counts(total=total, active=total - idle_experts, mtp=mtp, **parts)
