"""How one engine uses a card's memory and several cards, as sizing needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from deployadvisor.catalog.engines import Engine
from deployadvisor.catalog.overheads import Batch, CardOverhead, Overhead, card_overheads, overheads
from deployadvisor.sizing.cards import Cards

GIB = 2**30


@dataclass(frozen=True, slots=True)
class EnginePolicy:
    """What an engine takes of a card, and how it uses several."""

    name: str
    kind: Literal["share_of_total", "share_of_free", "on_demand"]
    share: float
    """Of the card or of what the weights leave; 1 where the engine takes what it needs."""
    tensor_parallel: bool
    overhead: Overhead
    pipeline_parallel: bool = False
    layer_split: bool = False
    """Several cards hold different layers and work one after the other."""
    data_parallel: bool = False
    expert_parallel: bool = False
    multi_node: bool = False
    cards: Mapping[str, CardOverhead] = field(default_factory=card_overheads)
    """What a process loses on cards of each maker before it holds anything."""

    @property
    def pads_blocks(self) -> bool:
        """Whether the engine pads widths to whole blocks of a quantised format while loading."""
        return self.overhead.pads_blocks


def engine_policy(engine: Engine) -> EnginePolicy:
    """The policy of a catalogue engine."""
    overhead = overheads()[engine.id]
    return EnginePolicy(
        name=engine.name,
        kind=engine.memory_policy.kind,
        share=engine.memory_policy.share or overhead.default_share or 1.0,
        tensor_parallel=engine.tensor_parallel,
        overhead=overhead,
        pipeline_parallel=engine.pipeline_parallel,
        layer_split=not engine.tensor_parallel,
        data_parallel=engine.data_parallel,
        expert_parallel=engine.expert_parallel,
        multi_node=engine.multi_node,
    )


def batch_on(overhead: Overhead, cards: Cards, total_gib: float) -> Batch:
    """The engine's default batch on this card."""
    if any(word in (cards.id or cards.name).casefold() for word in overhead.small_batch_cards):
        return overhead.batches[-1]
    return next(batch for batch in overhead.batches if total_gib >= batch.min_total_gib)
