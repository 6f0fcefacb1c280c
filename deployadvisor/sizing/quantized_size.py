"""Between bytes and parameters of a quantised checkpoint, where one of the two was not read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployadvisor.catalog.models import Stored
from deployadvisor.sizing.folder_weights import WeightFiles
from deployadvisor.sizing.geometry import Geometry
from deployadvisor.sizing.params import Counts
from deployadvisor.sizing.quantization import Quantization
from deployadvisor.sizing.tensors import Group

_PLAIN_BYTES = 2
_PLAIN_BITS = 16


def stored_by_formula(geometry: Geometry, counts: Counts, quantization: Quantization) -> Stored | None:
    """Bytes by the shapes alone; a bound where a part may be quantised only here and there. None: bits not known."""
    if quantization.bits is None:
        return None
    total = geometry.total_params or counts.total
    parts = _linear_params(geometry, counts)
    bits = {part: _bits(quantization, part, params, geometry) for part, params in parts.items()}
    plain = (total - sum(parts.values())) * _PLAIN_BITS
    unclear = quantization.mixed or "unknown" in quantization.kept or _kept_layers(quantization, geometry)
    return Stored(
        bytes=_bytes(sum(bits.values()) + plain),
        sure="bound" if unclear else "computed",
        embeddings=geometry.embedding_params * _PLAIN_BYTES,
        experts=_bytes(bits["experts"]),
        vision=geometry.vision_params * _PLAIN_BYTES,
    )


def _bits(quantization: Quantization, part: Group, params: int, geometry: Geometry) -> float:
    """The most bits of one part: of layers that are left alone, experts count apart and all else wholly."""
    layers = _kept_layers(quantization, geometry)
    if quantization.bits is None or quantization.kept & {part, "unknown"} or (layers and part != "experts"):
        return params * _PLAIN_BITS
    plain = min(params, layers * _experts_of_a_layer(geometry))
    return plain * _PLAIN_BITS + (params - plain) * quantization.parts.get(part, quantization.bits)


def _kept_layers(quantization: Quantization, geometry: Geometry) -> int:
    """Layers left alone, but for those after the last, which predict ahead and are not loaded."""
    return sum(geometry.layers is None or layer < geometry.layers for layer in quantization.kept_layers)


def _experts_of_a_layer(geometry: Geometry) -> int:
    return 3 * (geometry.experts or 0) * (geometry.hidden or 0) * (geometry.expert_intermediate or 0)


def _linear_params(geometry: Geometry, counts: Counts) -> dict[Group, int]:
    """Matrices that a format for linear layers takes."""
    return {
        "attention": counts.attention,
        "recurrent": counts.recurrent,
        "feed_forward": counts.dense_feed_forward,
        "shared_experts": counts.shared_experts,
        "experts": min(geometry.expert_params, counts.routed_experts),
    }


def _bytes(bits: float) -> int:
    return -int(-bits // 8)


def params_in(files: WeightFiles, quantization: Quantization | None, fields: Mapping[str, Any]) -> int | None:
    """Parameters in the bytes that were found, embeddings being 16 bit; None where the bits are not known."""
    if quantization is None:
        return files.stored.bytes // _PLAIN_BYTES
    if quantization.bits is None:
        return None
    if files.shares:
        plain = sum(share.elements for share in files.shares if not share.quantised)
        packed = sum(share.bytes for share in files.shares if share.quantised)
        return plain + int(packed * 8 / quantization.bits)
    unclear = quantization.mixed or quantization.parts or quantization.kept_layers
    if unclear or quantization.kept & {"attention", "experts", "unknown"}:
        return None
    matrices = 1 if fields.get("tie_word_embeddings") else 2
    embeddings = int(fields["vocab_size"] * fields["hidden_size"] * matrices)
    return embeddings + int(max(files.stored.bytes - embeddings * _PLAIN_BYTES, 0) * 8 / quantization.bits)
