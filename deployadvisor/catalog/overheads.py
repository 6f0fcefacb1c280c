"""What engines need of a card besides weights and KV cache, and two rules of thumb, all as sourced data."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from deployadvisor.catalog.lookup import load_entries, read_catalog, validate
from deployadvisor.catalog.precisions import FileKind
from deployadvisor.catalog.provenance import Frozen, Sourced

Method = Literal["full", "lora", "qlora"]
LayerKind = Literal["mixed", "bf16", "adapter"]
"""Layers all of which is trained, with 32-bit weights or all in 16 bit; or frozen ones with adapters."""
RowKind = Literal["heads", "latent", "compressed", "index"]


class Batch(Frozen):
    """How much an engine computes at once on cards of at least ``min_total_gib``."""

    min_total_gib: NonNegativeFloat
    sequences: PositiveInt
    """Sequences whose next token is sampled together."""
    tokens: PositiveInt | None
    """Tokens of one pass; None: the whole prompt."""
    cuda_graphs_gib: NonNegativeFloat


class PackedRow(Frozen):
    """A row that an engine packs in a layout of its own when the cache has 8 bits an element."""

    kind: RowKind
    width: PositiveInt
    """Elements of the row; rows of other widths are not packed."""
    bytes: PositiveInt


class Window(Frozen):
    """How an engine stores what a sequence caches, and how much of a window it really keeps."""

    bounded: bool
    """False: the engine keeps every token, whatever the window."""
    unbounded_when: str | None = None
    """The option under which an engine that bounds windows keeps every token all the same."""
    equal_rows: bool = False
    """Without windows every layer gets rows as wide as the widest."""
    extra_tokens: int = 0
    extra_batches: NonNegativeInt = 0
    """Batches of tokens kept beyond the window."""
    block_tokens: PositiveInt = 1
    spare_blocks: NonNegativeInt = 0
    state_pages: PositiveInt = 1
    """Copies of a recurrent state that a sequence holds."""
    states_in_pages: bool = False
    """A state fills a page of the pool that rows are kept in, which is made as long as that needs."""
    columns_dropped: NonNegativeInt = 0
    """Inputs of a short convolution that are not kept, of as many as its kernel is wide."""
    column_bytes: PositiveInt = 2
    """Bytes of an element of those inputs."""
    packed_rows: tuple[PackedRow, ...] = ()
    """Rows of models with an indexer."""
    index_scale_block: PositiveInt | None = None
    """Keys of an indexer are always 8 bit, with a 32-bit scale for that many elements."""

    def unbounded(self) -> Self:
        """The same engine with its handling of windows turned off: every layer keeps every token."""
        return self.model_copy(update={"bounded": False})


class Lean(Frozen):
    """An engine told to take more of the card and to compute less at once."""

    share: PositiveFloat
    batch: Batch
    activation_min_gib: NonNegativeFloat
    options: str
    """The settings as the engine spells them."""


class Overhead(Sourced):
    """One engine's memory beside weights and KV cache, a card, in GiB unless the name says otherwise."""

    id: str
    files: FileKind
    default_share: PositiveFloat | None = Field(default=None, le=1)
    """Share of the card where the engine computes it itself."""
    batches: tuple[Batch, ...] = Field(min_length=1)
    small_batch_cards: tuple[str, ...] = ()
    """Cards, by a part of their id, that take the last row of ``batches`` whatever their memory."""
    bytes_per_logit: NonNegativeFloat
    activation_bytes: NonNegativeFloat
    activation_min_gib: NonNegativeFloat
    engine_gib: NonNegativeFloat
    """Allocations beside PyTorch's own: libraries, kernels, workspaces."""
    communicator_gib: NonNegativeFloat
    """Communication buffers of a card that works with others over NVLink."""
    communicator_pcie_gib: NonNegativeFloat = 0.0
    """The same over PCIe, where there is neither multicast nor shared memory between cards."""
    margin_gib: NonNegativeFloat
    """Memory that must stay free."""
    measured: bool = False
    """The figures were fitted to runs of this engine; otherwise they are assumed, on the safe side."""
    kv_dtypes: tuple[str, ...] = ()
    """Smaller formats of the KV cache that the engine offers, least harmful first."""
    lean: Lean | None = None
    """Settings that leave more of the card to weights and cache, and serve more slowly."""
    queues: bool = True
    """Requests beyond the cache wait their turn; otherwise all of a batch must fit."""
    input_embedding_on_host: bool = False
    """The input embedding stays in the host's memory; a tied one is on the card all the same, as output matrix."""
    pads_blocks: bool = False
    """Widths are padded to whole blocks of a quantised format while loading."""
    weight_padding: Mapping[str, NonNegativeFloat] = Field(default_factory=dict)
    """Precision to the share by which loaded weights exceed the checkpoint."""
    window: Window

    @model_validator(mode="after")
    def every_card_has_a_batch(self) -> Self:
        """Check that rows fall from large to small cards and the last one takes any card."""
        floors = [batch.min_total_gib for batch in self.batches]
        if floors != sorted(floors, reverse=True) or floors[-1] != 0:
            raise ValueError("batches must fall in min_total_gib down to 0")
        return self


class CardOverhead(Sourced):
    """What a process on a card of one maker cannot use."""

    id: str
    driver_gib: NonNegativeFloat
    """Counted by the system tool, never handed out to a process."""
    context_gib: NonNegativeFloat
    """The process's own context: kernels, stacks, page tables."""
    system_gib: NonNegativeFloat = 0.0
    """What the operating system keeps of memory that it shares, where nobody has read what is free."""


class FinetuneTable(Sourced):
    """Published total memory of one way of fine-tuning, by model size; the formulas are checked against it."""

    billions: tuple[PositiveFloat, ...] = Field(min_length=2)
    gb: tuple[PositiveFloat, ...]

    @model_validator(mode="after")
    def rows_rise(self) -> Self:
        """Check that there is one memory size for each model size, rising with it."""
        if len(self.billions) != len(self.gb) or list(self.gb) != sorted(self.gb):
            raise ValueError("one rising gb for each of billions")
        return self


class Optimizer(Frozen):
    """What an optimiser keeps for every trained parameter."""

    values: NonNegativeFloat
    """Values kept beside the parameter."""
    bytes_per_value: PositiveFloat | None
    """None: as wide as the parameter."""
    step_values: NonNegativeFloat = 0
    """Values that a step needs for a moment, as wide as the parameter."""

    def state_bytes(self, param_bytes: float) -> float:
        """Bytes kept for one parameter of ``param_bytes``."""
        return self.values * (self.bytes_per_value or param_bytes)


class Trainer(Frozen):
    """How one trainer computes the loss and which parts it widens."""

    tile_tokens: PositiveInt | None = None
    """Tokens whose logits are there at once; None: all of them."""
    tile_vocab: PositiveInt | None = None
    """Words whose logits are there at once; None: all of them."""
    bytes_per_logit: Mapping[Method, PositiveFloat]
    hidden_bytes: Mapping[Method, PositiveFloat]
    """One element of the last hidden states while logits are there: the final norm, and its gradient over tiles."""
    head_gradient_bytes: PositiveFloat
    """One parameter of a trained output head whose gradient is made; beside the logits where they come in tiles."""
    stream_bytes: Mapping[Method, PositiveFloat]
    """One element of a layer's input, of full tuning in mixed precision."""
    adapter_bytes: Mapping[Literal["lora", "qlora"], PositiveFloat]
    """One adapter parameter, and its gradient."""
    unquantized_bytes: PositiveFloat
    """One parameter of embeddings and head beside a quantised base."""


class LayerBytes(Frozen):
    """What one layer holds while it is trained, for each element of each width."""

    hidden: PositiveFloat
    query: PositiveFloat
    key_value: PositiveFloat
    feed_forward: PositiveFloat
    routed: PositiveFloat
    working_hidden: PositiveFloat
    """More of it while the layer is computed or on the way back."""
    working_feed_forward: PositiveFloat


class AllocatorShares(Frozen):
    """What lies between blocks and cannot be used, as shares of what comes and goes in a step."""

    turns: NonNegativeFloat
    """Of the largest of logits, output head and one layer's way back."""
    changing_activations: NonNegativeFloat
    """More where lengths change from step to step, of activations."""
    changing_logits: NonNegativeFloat
    """More there, of logits that are held whole."""


class FinetuneCosts(Sourced):
    """Constants of fine-tuning memory; the formulas are those of ``sizing.finetune_terms``."""

    optimizers: Mapping[str, Optimizer]
    trainers: Mapping[str, Trainer]
    compute_bytes: PositiveFloat
    """One weight or activation in the number format that is computed with."""
    full_bytes: PositiveFloat
    """One trained weight or gradient of mixed precision."""
    nf4_bits: PositiveFloat
    double_quantized_bits: PositiveFloat
    """The same with the scales quantised too."""
    layer_bytes: Mapping[LayerKind, LayerBytes]
    adapter_input_bytes: NonNegativeFloat
    score_bytes: PositiveFloat
    """One attention score that is kept, without flash attention."""
    score_gradient_bytes: PositiveFloat
    allocator_shares: AllocatorShares
    context_gib: NonNegativeFloat
    communication_gib: NonNegativeFloat


@cache
def overheads() -> Mapping[str, Overhead]:
    """Overheads by engine id."""
    return load_entries("overheads", Overhead)


@cache
def card_overheads() -> Mapping[str, CardOverhead]:
    """Overheads of a process by maker of the card; a maker that is not listed has none that is known."""
    document = read_catalog("overheads")
    rows = document.value["cards"].items()
    return {name: validate(CardOverhead, {"id": name, **row}, document, ("cards", name)) for name, row in rows}


@cache
def finetune_tables() -> Mapping[str, FinetuneTable]:
    """Published fine-tuning memory by method: full, lora, qlora."""
    document = read_catalog("overheads")
    rows = document.value["finetune"].items()
    return {name: validate(FinetuneTable, row, document, ("finetune", name)) for name, row in rows}


@cache
def finetune_costs() -> FinetuneCosts:
    """Constants of fine-tuning memory."""
    document = read_catalog("overheads")
    return validate(FinetuneCosts, document.value["finetune_costs"], document, ("finetune_costs",))


@cache
def decode_efficiency() -> tuple[float, str]:
    """Share of the memory bandwidth that decoding reaches, and where the figure comes from."""
    entry = read_catalog("overheads").value["decode"]["efficiency"]
    return float(entry["value"]), " ".join(entry["source"].split())
