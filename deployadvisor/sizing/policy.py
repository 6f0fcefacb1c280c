"""How one engine uses a card's memory, as sizing needs it: the engine's own policy and its measured overheads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from deployadvisor.catalog.engines import Engine
from deployadvisor.catalog.overheads import Batch, Overhead, overheads
from deployadvisor.sizing.geometry import Geometry
from deployadvisor.sizing.parallel import Cards

GIB = 2**30


@dataclass(frozen=True, slots=True)
class EnginePolicy:
    """What an engine takes of a card, and how it uses several."""

    name: str
    kind: Literal["share_of_total", "share_of_free", "on_demand"]
    share: float
    """Of the card or of what the weights leave; 1 where the engine takes what it needs."""
    tensor_parallel: bool
    """False: cards hold different layers."""
    overhead: Overhead


def engine_policy(engine: Engine) -> EnginePolicy:
    """The policy of a catalogue engine."""
    overhead = overheads()[engine.id]
    share = engine.memory_policy.share or overhead.default_share or 1.0
    return EnginePolicy(engine.name, engine.memory_policy.kind, share, engine.tensor_parallel, overhead)


def batch_on(overhead: Overhead, cards: Cards, total_gib: float) -> Batch:
    """The engine's default batch on this card."""
    if any(word in (cards.id or cards.name).casefold() for word in overhead.small_batch_cards):
        return overhead.batches[-1]
    return next(batch for batch in overhead.batches if total_gib >= batch.min_total_gib)


def activation_gib(geometry: Geometry, overhead: Overhead, batch: Batch, tokens: int, split: int = 1) -> float:
    """Working memory of one card, the larger of sampling and one layer; ``split`` cards divide a layer.

    Sampling holds several copies of the logits, the last hidden states and the experts' workspace; a layer holds
    its feed-forward block and four vectors of the model's width. Constants and their fit: ``overheads.yaml``.
    """
    hidden, vocab = geometry.hidden or 0, geometry.vocab or 0
    scale = overhead.activation_bytes * tokens
    sampling = batch.sequences * vocab * overhead.bytes_per_logit + scale * hidden
    workspace = scale * _expert_elements(geometry) / split
    layer = scale * (3 * _dense_width(geometry) / split + 4 * hidden)
    return max(max(sampling + workspace, layer) / GIB, overhead.activation_min_gib)


def _expert_elements(geometry: Geometry) -> int:
    """Elements a token needs while its experts work: gate and up, their product, and the output they reuse."""
    if not geometry.experts:
        return 0
    width = geometry.expert_intermediate or 0
    return (geometry.experts_per_token or 1) * (max(2 * width, geometry.hidden or 0) + width)


def _dense_width(geometry: Geometry) -> int:
    return 0 if geometry.experts else geometry.intermediate or 0
