"""Memory of full, LoRA and QLoRA tuning, term by term, on one card or sharded over several."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from deployadvisor.catalog.overheads import Method, card_overheads, finetune_costs
from deployadvisor.errors import CatalogError, Where, nearest
from deployadvisor.hardware.machine import Known, Unknown, value_of
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
        """The fewest cards like ``cards`` that hold it: one, else several with everything sharded (ZeRO-3, FSDP).

        Where not all are equally free the freest are taken, and further cards are as free as the freest.
        """
        cards = process_cards(cards, card_overheads())
        if isinstance(cards.free_gib, Unknown):
            return cards.free_gib
        held = self._held_by(cards)
        if held == 1 or (held and cards.each_free_gib):
            return self._on_cards(held)
        if cards.slices:
            return Unknown(unknown=f"a job needs {self.gib:.1f} GiB of one slice: a process gets no second one")
        return self._of_the_like(cards.name, value_of(cards.freest(1).free_gib) or 0.0)

    def fits(self, cards: Cards) -> Known[bool] | Unknown:
        """Whether one of ``cards`` holds it, or several of them together with everything sharded."""
        cards = process_cards(cards, card_overheads())
        if isinstance(cards.free_gib, Unknown):
            return cards.free_gib
        return Known[bool](value=self._held_by(cards) is not None, source=self.basis)

    def held_by(self, cards: Cards) -> Cards | None:
        """The most of ``cards`` that hold it together; None where none do, or nobody knows."""
        usable = process_cards(cards, card_overheads())
        if isinstance(usable.free_gib, Unknown):
            return None
        counts = [count for count in _counts(usable) if self._holds(usable, count)]
        return cards.freest(max(counts)) if counts else None

    def _held_by(self, cards: Cards) -> int | None:
        """The fewest of ``cards`` that hold it."""
        return next((count for count in _counts(cards) if self._holds(cards, count)), None)

    def _holds(self, cards: Cards, count: int) -> bool:
        free = value_of(cards.freest(count).free_gib)
        return free is not None and sum(term.gib for term in self.on(count)) <= free

    def _of_the_like(self, name: str, free_gib: float) -> Known[int] | Unknown:
        """How many cards with ``free_gib`` each hold it; one does not."""
        fixed = sum(part.term.gib for part in self.parts if part.divided == "nothing")
        fixed += self.gathered_gib + self._communication("zero3").gib
        if fixed >= free_gib:
            return Unknown(
                unknown=f"each card needs {fixed:.1f} GiB however many share it, {name} has {free_gib:.1f} free",
                remedy="shorten the sequences or take larger cards",
            )
        return self._on_cards(max(2, math.ceil(self._sharded_gib / (free_gib - fixed))))

    def _on_cards(self, count: int) -> Known[int]:
        how = "one card" if count == 1 else f"{count} cards, all sharded (ZeRO-3 or FSDP)"
        return Known[int](value=count, source=f"{how}: {self.basis}")

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


def _counts(cards: Cards) -> Iterable[int]:
    """How many of the cards may share a job: one or all, or any number where they are not equally free."""
    if cards.slices:
        return (1,)
    return range(1, cards.all + 1) if cards.each_free_gib else sorted({1, cards.all})


def _divided(part: Part, count: int) -> Term:
    term = part.term
    return Term(term.name, term.gib / count, f"{term.basis}, over {count} cards", term.sure)


def _basis(geometry: Geometry, job: Tuning) -> str:
    billions = (geometry.total_params or 0) / 1e9
    adapter = "" if job.method == "full" else f" of rank {job.rank}"
    kept = "checkpointing" if job.checkpointing else "no checkpointing"
    batch = f"{job.micro_batch} x {job.sequence_tokens:,} tokens"
    return f"{billions:.1f}B parameters, {job.method}{adapter}, {batch}, {job.optimizer}, {kept}"
