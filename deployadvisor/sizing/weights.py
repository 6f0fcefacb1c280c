"""Bytes of a model's weights in a number format, and of the parts that several cards divide differently.

What was read from a checkpoint's own headers is not computed again. Otherwise linear layers take the format's bits,
scales included; embeddings, output head, norms, router and vision tower stay 16 bit, and formats for experts leave
everything else 16 bit. A mixture of experts is stored whole. A GGUF mix has one mean over the file; a tied embedding,
as large a part of a small model as it is, counts at its own type, and the vision tower is a 16-bit file of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from deployadvisor.catalog.precisions import Precision, find_precision, precisions
from deployadvisor.hardware.machine import Unknown
from deployadvisor.sizing.geometry import Geometry
from deployadvisor.sizing.terms import Sure

_K_QUANT_BLOCK = 256
_PLAIN_BITS = 16


@dataclass(frozen=True, slots=True)
class Weights:
    """Bytes of all weights; what is in none of the parts is ``value`` less all of them."""

    value: int
    basis: str
    sure: Sure
    embeddings: int = 0
    """Input embedding and output head, once when tied."""
    experts: int = 0
    """Routed experts."""
    vision: int = 0


def weight_bytes(geometry: Geometry, precision: str) -> Weights | Unknown:
    """Bytes of all weights of ``geometry`` stored as ``precision``."""
    stored = geometry.stored
    if precision == geometry.native_format and stored:
        parts = stored.embeddings, stored.experts, stored.vision
        return Weights(stored.bytes, geometry.params_source, stored.sure, *parts)
    if precision == geometry.native_format and precision not in precisions():
        return Unknown(unknown=f'the size of weights quantised as "{precision}" is not known without their files')
    entry = find_precision(precision)
    if entry.kind == "gguf":
        return _missing(geometry, _PLAIN_BITS) or _gguf(geometry, entry)
    return quantised_bytes(geometry, entry.bits_per_weight, entry.id, experts_only=entry.scope == "experts")


def quantised_bytes(geometry: Geometry, bits: float, name: str, *, experts_only: bool) -> Weights | Unknown:
    """Bytes with ``bits`` a weight; a format for experts takes all linear layers of a dense model."""
    if missing := _missing(geometry, bits):
        return missing
    total, experts = geometry.total_params or 0, _expert_params(geometry)
    quantised = experts if experts_only and geometry.experts else max(total - _plain_params(geometry), experts)
    return Weights(
        value=_bytes(quantised * bits + (total - quantised) * _PLAIN_BITS),
        basis=f"{total:,} parameters as {name} ({bits:g} bits)"
        + _in_other_bits(total - quantised, bits, _PLAIN_BITS),
        sure="computed",
        embeddings=_bytes(_embedding_params(geometry) * _PLAIN_BITS),
        experts=_bytes(experts * bits),
        vision=_bytes(_vision_params(geometry) * _PLAIN_BITS),
    )


def _in_other_bits(params: int, bits: float, other_bits: float) -> str:
    """The end of a basis: what does not take the bits of the rest."""
    return f", {params:,} of them in {other_bits:g}" if params and other_bits != bits else ""


def _missing(geometry: Geometry, bits: float) -> Unknown | None:
    """What the size depends on and nobody has read; 16 bits need no embedding set apart."""
    if not geometry.total_params:
        return Unknown(
            unknown=f"the number of parameters of {geometry.name} is not known",
            remedy="put the weight files, or their index, beside config.json",
        )
    if not geometry.embedding_params and bits != _PLAIN_BITS:
        return Unknown(unknown=f"the embedding of {geometry.name} is not known")
    return None


def _plain_params(geometry: Geometry) -> int:
    """Parameters that a format for linear layers leaves alone."""
    hidden, layers = geometry.hidden or 0, geometry.layers or 0
    norms = (2 * layers + 1) * hidden
    router = layers * hidden * (geometry.experts or 0)
    plain = _embedding_params(geometry) + _vision_params(geometry) + norms + router
    return min(plain, geometry.total_params or 0)


def _embedding_params(geometry: Geometry) -> int:
    return min(geometry.embedding_params, geometry.total_params or 0)


def _vision_params(geometry: Geometry) -> int:
    return min(geometry.vision_params, (geometry.total_params or 0) - _embedding_params(geometry))


def _expert_params(geometry: Geometry) -> int:
    room = (geometry.total_params or 0) - _embedding_params(geometry) - _vision_params(geometry)
    return min(geometry.expert_params, room)


def _bytes(bits: float) -> int:
    return math.ceil(bits / 8)


# GGUF


def _gguf(geometry: Geometry, precision: Precision) -> Weights:
    mean, tied = _gguf_types(geometry, precision)
    embeddings = _embedding_params(geometry)
    embedding_bits = tied if geometry.tied_embeddings else mean
    vision = _vision_params(geometry)
    rest = (geometry.total_params or 0) - embeddings - vision
    return Weights(
        value=_bytes(embeddings * embedding_bits + rest * mean + vision * _PLAIN_BITS),
        basis=_gguf_basis(geometry, precision, mean)
        + _in_other_bits(embeddings, mean, embedding_bits)
        + _in_other_bits(vision, mean, _PLAIN_BITS),
        sure="measured",
        embeddings=_bytes(embeddings * embedding_bits),
        experts=_bytes(_expert_params(geometry) * mean),
        vision=_bytes(vision * _PLAIN_BITS),
    )


def _gguf_basis(geometry: Geometry, precision: Precision, mean: float) -> str:
    named = f"{geometry.total_params:,} parameters as {precision.id}"
    if mean == precision.bits_per_weight:
        return f"{named} (mean of {mean:.3g} bits, as llama.cpp's Llama-3.1-8B file)"
    return f"{named} ({mean:.3g} bits, as rows of {geometry.hidden:,} are no multiple of {_K_QUANT_BLOCK})"


def _gguf_types(geometry: Geometry, precision: Precision) -> tuple[float, float]:
    """Mean bits and bits of a tied embedding; k-quants need rows of whole blocks of 256."""
    aligned = geometry.hidden is None or geometry.hidden % _K_QUANT_BLOCK == 0
    if aligned:
        return precision.bits_per_weight, precision.embeddings_bits
    return (
        precision.unaligned_bits or precision.bits_per_weight,
        precision.unaligned_embeddings_bits or precision.embeddings_bits,
    )
