"""Memory of full, LoRA and QLoRA tuning, term by term, on one card or sharded over several."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from deployadvisor.catalog.overheads import Method, card_overheads, finetune_costs
from deployadvisor.errors import CatalogError, Where, nearest
from deployadvisor.hardware.machine import Known, Unknown
from deployadvisor.sizing.budget import process_cards
from deployadvisor.sizing.cards import Cards
from deployadvisor.sizing.finetune_shape import layer_shape
from deployadvisor.sizing.finetune_terms import Divided, Part, layer_weights_gib, training_parts
from deployadvisor.sizing.finetune_tuning import Tuning
from deployadvisor.sizing.geometry import Geometry
from deployadvisor.sizing.terms import Term

Sharding = Literal["none", "zero1", "zero2", "zero3"]
"""Nothing (every card holds all), optimiser states, gradients too, weights too (FSDP's full shard)."""

_DIVIDES: dict[Sharding, tuple[Divided, ...]] = {
    "none": (),
    "zero1": ("states",),
    "zero2": ("states", "gradients"),
    "zero3": ("states", "gradients", "weights"),
}


@dataclass(frozen=True, slots=True)
class FinetuneMemory:
    """Memory of one training job; every card works on a micro-batch of its own."""

    tuning: Tuning
    parts: tuple[Part, ...]
    gathered_gib: float
    """Weights of the others that a card holds for a moment when weights are sharded."""
    basis: str

    @property
    def terms(self) -> tuple[Term, ...]:
        """The ledger of a single card that holds everything."""
        return tuple(part.term for part in self.parts)

    @property
    def gib(self) -> float:
        """What a single card needs to hold everything."""
        return sum(term.gib for term in self.terms)

    def on(self, count: int, sharding: Sharding = "zero3") -> tuple[Term, ...]:
        """The ledger of one of ``count`` cards."""
        if sharding not in _DIVIDES:
            raise CatalogError(
                f'"{sharding}" is no sharding of fine-tuning',
                where=Where("sharding"),
                allowed=get_args(Sharding),
                suggestion=nearest(sharding, get_args(Sharding)),
            )
        if count == 1:
            return self.terms
        divides = _DIVIDES[sharding]
        own = tuple(_divided(part, count) if part.divided in divides else part.term for part in self.parts)
        return (*own, *self._gathered(count, sharding), self._communication(sharding))

    def cards_needed(self, cards: Cards) -> Known[int] | Unknown:
        """The fewest cards like ``cards`` that hold it: one, else several with everything sharded (ZeRO-3, FSDP)."""
        cards = process_cards(cards, card_overheads())
        if isinstance(cards.free_gib, Unknown):
            return cards.free_gib
        free = cards.free_gib.value
        if self.gib <= free:
            return Known[int](value=1, source=f"one card: {self.basis}")
        fixed = sum(part.term.gib for part in self.parts if part.divided == "nothing")
        fixed += self.gathered_gib + self._communication("zero3").gib
        if fixed >= free:
            return Unknown(
                unknown=f"each card needs {fixed:.1f} GiB however many share it, {cards.name} has {free:.1f} free",
                remedy="shorten the sequences or take larger cards",
            )
        count = max(2, math.ceil(self._sharded_gib / (free - fixed)))
        return Known[int](value=count, source=f"{count} cards, all sharded (ZeRO-3 or FSDP): {self.basis}")

    def fits(self, cards: Cards) -> Known[bool] | Unknown:
        """Whether one of ``cards`` holds it, or all of them together with everything sharded."""
        cards = process_cards(cards, card_overheads())
        if isinstance(cards.free_gib, Unknown):
            return cards.free_gib
        free = cards.free_gib.value
        together = sum(term.gib for term in self.on(cards.all))
        return Known[bool](value=min(self.gib, together) <= free, source=self.basis)

    @property
    def _sharded_gib(self) -> float:
        return sum(part.term.gib for part in self.parts if part.divided != "nothing")

    def _gathered(self, count: int, sharding: Sharding) -> tuple[Term, ...]:
        """A layer's weights from the other cards, and the next one's; at most what the others hold."""
        if sharding != "zero3":
            return ()
        weights = sum(part.term.gib for part in self.parts if part.divided == "weights")
        gathered = min(self.gathered_gib, weights * (1 - 1 / count))
        return (Term("gathered_weights", gathered, "two layers or the embeddings, in 16 bit", "computed"),)

    def _communication(self, sharding: Sharding) -> Term:
        """Buffers between cards; plain data parallelism keeps a copy of the gradients to exchange."""
        gib = finetune_costs().communication_gib
        if sharding == "none":
            gib += sum(part.term.gib for part in self.parts if part.divided == "gradients")
        return Term("communication", gib, "buffers between cards", "assumed")


def finetune_memory(geometry: Geometry, tuning: Method | Tuning) -> FinetuneMemory | Unknown:
    """Memory of tuning ``geometry``, by method with the usual settings or by job; all experts of a mixture count."""
    job = tuning if isinstance(tuning, Tuning) else Tuning(tuning)
    shape = layer_shape(geometry)
    if isinstance(shape, Unknown):
        return shape
    parts = training_parts(geometry, shape, job)
    return FinetuneMemory(job, parts, layer_weights_gib(geometry, shape), _basis(geometry, job))


def _divided(part: Part, count: int) -> Term:
    term = part.term
    return Term(term.name, term.gib / count, f"{term.basis}, over {count} cards", term.sure)


def _basis(geometry: Geometry, job: Tuning) -> str:
    billions = (geometry.total_params or 0) / 1e9
    adapter = "" if job.method == "full" else f" of rank {job.rank}"
    kept = "checkpointing" if job.checkpointing else "no checkpointing"
    batch = f"{job.micro_batch} x {job.sequence_tokens:,} tokens"
    return f"{billions:.1f}B parameters, {job.method}{adapter}, {batch}, {job.optimizer}, {kept}"
