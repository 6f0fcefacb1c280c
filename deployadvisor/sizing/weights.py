"""Bytes of a model's weights in a number format.

Linear layers take ``bits_per_weight``, embeddings, output head and vision tower stay 16 bit; formats for experts
only leave everything else 16 bit. A mixture of experts is stored whole. A GGUF mix has one mean over the file;
a tied embedding, as large a part of a small model as it is, counts at its own type.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from deployadvisor.catalog.precisions import Precision, find_precision, precisions
from deployadvisor.hardware.machine import Unknown
from deployadvisor.sizing.geometry import Geometry

_K_QUANT_BLOCK = 256
_UNQUANTISED_BITS = 16


@dataclass(frozen=True, slots=True)
class Bytes:
    """A number of bytes and how it was computed."""

    value: int
    basis: str


def weight_bytes(geometry: Geometry, precision: str) -> Bytes | Unknown:
    """Bytes of all weights of ``geometry`` stored as ``precision``."""
    if precision == geometry.native_format and geometry.stored_bytes:
        return Bytes(geometry.stored_bytes, geometry.params_source)
    if precision == geometry.native_format and precision not in precisions():
        return Unknown(unknown=f'not supported yet: weights quantised as "{precision}"')
    entry = find_precision(precision)
    for value, what in ((geometry.total_params, "number of parameters"), (geometry.embedding_params, "embedding")):
        if not value:
            return Unknown(unknown=f"the {what} of {geometry.name} is not known")
    bits = _gguf_bits(geometry, entry) if entry.kind == "gguf" else _checkpoint_bits(geometry, entry)
    basis = f"{geometry.total_params:,} parameters as {entry.id} ({entry.bits_per_weight:g} bits)"
    return Bytes(math.ceil(bits / 8), basis)


def _checkpoint_bits(geometry: Geometry, precision: Precision) -> float:
    total = geometry.total_params or 0
    quantised = _quantised_params(geometry, precision, total)
    return quantised * precision.bits_per_weight + (total - quantised) * _UNQUANTISED_BITS


def _quantised_params(geometry: Geometry, precision: Precision, total: int) -> int:
    """Parameters that the format touches; a format for experts takes all linear layers of a dense model."""
    if precision.scope == "experts" and geometry.experts:
        return min(geometry.expert_params, total)
    return max(total - geometry.embedding_params - geometry.vision_params, 0)


def _gguf_bits(geometry: Geometry, precision: Precision) -> float:
    total = geometry.total_params or 0
    bits, tied_bits = _gguf_types(geometry, precision)
    tied = min(geometry.embedding_params, total) if geometry.tied_embeddings else 0
    return (total - tied) * bits + tied * tied_bits


def _gguf_types(geometry: Geometry, precision: Precision) -> tuple[float, float]:
    """Mean bits and bits of a tied embedding; k-quants need rows of whole blocks of 256."""
    aligned = geometry.hidden is None or geometry.hidden % _K_QUANT_BLOCK == 0
    if aligned:
        return precision.bits_per_weight, precision.embeddings_bits
    return (
        precision.unaligned_bits or precision.bits_per_weight,
        precision.unaligned_embeddings_bits or precision.embeddings_bits,
    )
