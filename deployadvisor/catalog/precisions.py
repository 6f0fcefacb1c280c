"""Number formats: bits a weight and a KV-cache element take, and in which order formats are tried."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal, Self

from pydantic import PositiveFloat, PositiveInt, model_validator

from deployadvisor.catalog.engines import Format
from deployadvisor.catalog.lookup import Names, load_entries, read_catalog
from deployadvisor.catalog.provenance import Sourced
from deployadvisor.errors import CatalogError, nearest

FileKind = Literal["safetensors", "gguf"]


class Precision(Sourced):
    """One number format of weights, scales included."""

    id: str
    aliases: tuple[str, ...] = ()
    bits_per_weight: PositiveFloat
    """Linear layers; for a GGUF mix the mean of the whole file."""
    embeddings_bits: PositiveFloat
    """Embedding and output matrices; for a GGUF mix only where they are one tied matrix."""
    unaligned_bits: PositiveFloat | None = None
    """GGUF: linear layers of a model whose width is no multiple of 256, which k-quants need."""
    unaligned_embeddings_bits: PositiveFloat | None = None
    kind: Literal["native", "weight_only", "gguf"]
    """``native``: the hardware can multiply in it; ``weight_only``: unpacked first."""
    group_size: PositiveInt | None = None
    """Weights in a row that share one scale, where engines cannot divide a group between cards."""
    scope: Literal["linear", "experts"] = "linear"
    formats: tuple[Format, ...] = ()
    """The engine formats that hold it; none: never chosen unasked."""
    online: tuple[str, ...] = ()
    """Names under which engines quantise a 16-bit checkpoint to it while loading."""
    native_compute_capability: str | None = None
    """NVIDIA hardware multiplies in this format from here on."""

    @model_validator(mode="after")
    def gguf_says_what_it_falls_back_to(self) -> Self:
        """Check that a GGUF mix can be sized for every model width."""
        fallbacks = (self.unaligned_bits, self.unaligned_embeddings_bits)
        if self.kind == "gguf" and None in fallbacks:
            raise ValueError("a GGUF mix needs unaligned_bits and unaligned_embeddings_bits")
        return self


@cache
def precisions() -> Mapping[str, Precision]:
    """All precisions by id, in catalogue order."""
    return load_entries("precisions", Precision)


def find_precision(text: str) -> Precision:
    """Return the precision that an id or alias names; case, spaces, hyphens and underscores do not count.

    >>> find_precision("Q4_K_M").id
    'q4_k_m'
    >>> find_precision("AWQ").id
    'int4'
    """
    return precisions()[_names().find(text)]


@cache
def _names() -> Names:
    return Names({entry.id: entry.aliases for entry in precisions().values()}, what="a precision")


@cache
def precision_order(files: FileKind) -> tuple[str, ...]:
    """Precisions to try, least harmful first; ``native`` stands for the checkpoint's own."""
    order: tuple[str, ...] = tuple(read_catalog("precisions").value["order"][files])
    for name in order:
        if name != "native" and name not in precisions():
            raise CatalogError(f'"{name}" in the order of {files} is not a precision')
    return order


KV_16_BIT = frozenset(("auto", "bf16", "bfloat16", "fp16", "float16", "f16"))
"""Names of the 16 bit that every engine keeps unless it is told otherwise."""


def kv_element_bytes(dtype: str) -> float:
    """Bytes of one element of the KV cache stored as ``dtype``.

    >>> kv_element_bytes("fp8")
    1.0
    """
    known = _kv_bits()
    name = dtype.strip().casefold()
    if name not in known:
        message = f'"{dtype}" is not a number format of the KV cache'
        raise CatalogError(message, allowed=known, suggestion=nearest(dtype, known))
    return known[name] / 8


@cache
def _kv_bits() -> Mapping[str, float]:
    section = read_catalog("precisions").value["kv_cache"]
    return {name: float(entry["bits"]) for name, entry in section.items()}
