"""The ledger of the fullest card of a layout: every named part of its memory, and the room left for the KV cache."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from deployadvisor.catalog.overheads import Batch
from deployadvisor.sizing.budget import Budget
from deployadvisor.sizing.cards import Cards
from deployadvisor.sizing.geometry import Geometry
from deployadvisor.sizing.kv_cache import KvCache
from deployadvisor.sizing.parallel import Layout, over_pcie
from deployadvisor.sizing.policy import GIB, EnginePolicy
from deployadvisor.sizing.terms import Sure, Term
from deployadvisor.sizing.weights import Weights
from deployadvisor.sizing.working import working_terms


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be served: number formats, tokens of one sequence (prompt and answer), sequences at once."""

    precision: str
    context_tokens: int
    concurrency: int = 1
    kv_dtype: str = "auto"


@dataclass(frozen=True, slots=True)
class Job:
    """A load with everything that does not depend on the layout."""

    geometry: Geometry
    policy: EnginePolicy
    cards: Cards
    load: Load
    weights: Weights
    cache: KvCache
    budget: Budget
    batch: Batch


def stage_share(job: Job, layout: Layout) -> float:
    """Part of the layers on the fullest stage."""
    layers = job.geometry.layers or 1
    return math.ceil(layers / layout.pipeline) / layers


def resident_terms(job: Job, layout: Layout) -> tuple[Term, ...]:
    """Everything on one card but the KV cache; the weights come first."""
    overhead = job.policy.overhead
    weights = _weights_gib(job, layout)
    padding = weights * overhead.weight_padding.get(job.load.precision, 0.0)
    measured: Sure = "measured" if overhead.measured else "assumed"
    return (
        Term("weights", weights, _weights_basis(job, layout), job.weights.sure),
        Term("padding", padding, f"{job.policy.name} pads {job.load.precision} while loading", "measured"),
        *working_terms(job.geometry, overhead, job.batch, job.load.context_tokens, layout.tensor),
        Term("cuda_graphs", job.batch.cuda_graphs_gib, "captured at the default batch", measured),
        _communicator(job, layout, measured),
        Term("engine", overhead.engine_gib, "libraries, kernels, workspaces", measured),
    )


def _communicator(job: Job, layout: Layout, sure: Sure) -> Term:
    """Buffers of cards that exchange what they compute: measured on two cards with NVLink, assumed over PCIe."""
    overhead, pcie = job.policy.overhead, over_pcie(job.cards)
    if not layout.talks or job.policy.layer_split:
        return Term("communicator", 0.0, "nothing is exchanged", sure)
    if layout.tensor == layout.expert == 1 or pcie:
        return Term(
            "communicator", overhead.communicator_pcie_gib, f"buffers for {layout}, no NVLink known", "assumed"
        )
    basis = f"buffers for {layout}, as of two cards with NVLink"
    return Term("communicator", overhead.communicator_gib, basis, "assumed" if pcie is None else sure)


def _weights_gib(job: Job, layout: Layout) -> float:
    """Weights on the fullest card: its layers, its experts, whole or divided, and its part of the embeddings."""
    weights, layers = job.weights, job.geometry.layers or 1
    dealt = layout.expert if layout.expert > 1 else layout.tensor
    shared = weights.value - weights.embeddings - weights.experts - weights.vision
    layer = (shared / layout.tensor + weights.experts / dealt) / layers
    stages = (count * layer + edge / layout.tensor for count, edge in _full_stages(job, layout, layers))
    return (max(stages) + weights.vision / layout.tensor) / GIB


def _full_stages(job: Job, layout: Layout, layers: int) -> Iterator[tuple[int, float]]:
    """Layers and embedding bytes of the stages that may be the fullest.

    The last stage holds the output matrix, so layers that do not divide evenly go to those before it, to the first
    one last (vLLM ``get_pp_indices``); llama.cpp counts the output as one more layer.
    """
    edge, on_host = _edge_bytes(job, layout), _input_on_host(job)
    least, left_over = divmod(layers, layout.pipeline)
    if on_host and layout.pipeline > 1:
        most = math.ceil((layers + 1) / layout.pipeline)
        yield most, 0.0
        yield max(layers - most * (layout.pipeline - 1), 0), edge
        return
    yield least, edge
    if left_over:
        yield least + 1, edge if left_over == layout.pipeline - 1 else 0.0


def _input_on_host(job: Job) -> bool:
    """Whether the input embedding lies in memory that is not the card's."""
    return job.policy.overhead.input_embedding_on_host and not job.cards.shared


def _edge_bytes(job: Job, layout: Layout) -> float:
    """Input embedding and output matrix as far as one card holds them."""
    both_on_one_card = layout.pipeline == 1 and not _input_on_host(job)
    return job.weights.embeddings / (1 if both_on_one_card or job.geometry.tied_embeddings else 2)


def _weights_basis(job: Job, layout: Layout) -> str:
    return job.weights.basis if layout.cards == 1 else f"{job.weights.basis}, {layout}"


@dataclass(frozen=True, slots=True)
class Placement:
    """A load on one layout, seen from the fullest card."""

    layout: Layout
    resident: tuple[Term, ...]
    resident_gib: float
    loaded_gib: float
    """Weights as the engine keeps them."""
    room_gib: float
    """What is left for the KV cache; negative when the rest does not fit."""
    sequences: int
    """Sequences at once on this card."""
    sequence_gib: float

    @property
    def needed_gib(self) -> float:
        """KV cache that the load needs."""
        return self.sequences * self.sequence_gib

    @property
    def free_gib(self) -> float:
        """What remains; negative when the load does not fit."""
        return self.room_gib - self.needed_gib

    @property
    def fits(self) -> bool:
        """Whether the card holds it all."""
        return self.needed_gib <= self.room_gib

    @property
    def most_sequences(self) -> int:
        """Full sequences that the card has room for."""
        return max(math.floor(self.room_gib / self.sequence_gib), 0) if self.sequence_gib else 0


def place(job: Job, layout: Layout) -> Placement:
    """What the fullest card of ``layout`` would hold."""
    resident = resident_terms(job, layout)
    total = sum(term.gib for term in resident)
    loaded = sum(term.gib for term in resident if term.name in ("weights", "padding"))
    room = job.budget.available_gib - total
    if job.policy.kind == "share_of_free" and job.budget.share is not None:
        room = min(room, job.budget.share * (job.budget.available_gib - loaded))
    sequences = math.ceil(job.load.concurrency / layout.data)
    return Placement(layout, resident, total, loaded, room, sequences, sequence_gib(job, layout))


# The KV cache of one card


def cache_terms(job: Job, layout: Layout, sequences: int) -> tuple[Term, Term]:
    """Cache of ``sequences`` full ones on one card: rows that grow with the text; windows and states that do not."""
    growing, bounded = (
        sequences * _sequence_gib(job, layout, part) for part in (_growing(job.cache), _bounded(job.cache))
    )
    sure: Sure = "bound" if job.cache.why_bounds else "computed"
    text = load_text(replace(job.load, concurrency=sequences))
    return (
        Term("kv_cache", growing, job.cache.why_bounds or text, sure),
        Term(
            "kv_fixed",
            bounded,
            f"windows and states of {_sequences(sequences)}, as {job.policy.name} keeps them",
            sure,
        ),
    )


def sequence_gib(job: Job, layout: Layout) -> float:
    """KV cache of one full sequence on one card, as the engine stores it."""
    return _sequence_gib(job, layout, job.cache)


def _sequence_gib(job: Job, layout: Layout, cache: KvCache) -> float:
    stored = cache.card_bytes(
        job.load.context_tokens,
        tensor_parallel=layout.tensor,
        window=job.policy.overhead.window,
        batch_tokens=job.batch.tokens or 0,
    )
    return stored * stage_share(job, layout) / GIB


def _growing(cache: KvCache) -> KvCache:
    return replace(cache, rows=tuple(rows for rows in cache.rows if not rows.window), states=())


def _bounded(cache: KvCache) -> KvCache:
    return replace(cache, rows=tuple(rows for rows in cache.rows if rows.window))


def _sequences(count: int) -> str:
    return "1 sequence" if count == 1 else f"{count:,} sequences"


def load_text(load: Load) -> str:
    """Sequences, tokens and format of the cache in words."""
    stored = "" if load.kv_dtype == "auto" else f" in {load.kv_dtype}"
    return f"{_sequences(load.concurrency)} of {load.context_tokens:,} tokens{stored}"
