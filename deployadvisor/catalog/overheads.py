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


class Batch(Frozen):
    """How much an engine computes at once on cards of at least ``min_total_gib``."""

    min_total_gib: NonNegativeFloat
    sequences: PositiveInt
    """Sequences whose next token is sampled together."""
    tokens: PositiveInt | None
    """Tokens of one pass; None: the whole prompt."""
    cuda_graphs_gib: NonNegativeFloat


class Window(Frozen):
    """How many tokens of a sliding-window layer an engine really keeps."""

    bounded: bool
    """False: the engine keeps every token, whatever the window."""
    extra_tokens: int = 0
    extra_batches: NonNegativeInt = 0
    """Batches of tokens kept beyond the window."""
    block_tokens: PositiveInt = 1
    spare_blocks: NonNegativeInt = 0


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
    driver_gib: NonNegativeFloat
    """Memory that the system tool counts and CUDA does not hand out."""
    non_torch_gib: NonNegativeFloat
    non_torch_parallel_gib: NonNegativeFloat
    """The same with tensor parallelism: communication buffers."""
    margin_gib: NonNegativeFloat
    """Memory that must stay free."""
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


class FinetuneTable(Sourced):
    """Total memory of one way of fine-tuning, by model size."""

    billions: tuple[PositiveFloat, ...] = Field(min_length=2)
    gb: tuple[PositiveFloat, ...]

    @model_validator(mode="after")
    def rows_rise(self) -> Self:
        """Check that there is one memory size for each model size, rising with it."""
        if len(self.billions) != len(self.gb) or list(self.gb) != sorted(self.gb):
            raise ValueError("one rising gb for each of billions")
        return self


@cache
def overheads() -> Mapping[str, Overhead]:
    """Overheads by engine id."""
    return load_entries("overheads", Overhead)


@cache
def finetune_tables() -> Mapping[str, FinetuneTable]:
    """Fine-tuning memory by method: full, lora, qlora."""
    document = read_catalog("overheads")
    rows = document.value["finetune"].items()
    return {name: validate(FinetuneTable, row, document, ("finetune", name)) for name, row in rows}


@cache
def decode_efficiency() -> tuple[float, str]:
    """Share of the memory bandwidth that decoding reaches, and where the figure comes from."""
    entry = read_catalog("overheads").value["decode"]["efficiency"]
    return float(entry["value"]), " ".join(entry["source"].split())
