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
    parts = _linear_params(geometry, counts)
    unclear = "unknown" in quantization.kept
    quantised = 0 if unclear else sum(params for part, params in parts.items() if part not in quantization.kept)
    total = geometry.total_params or counts.total
    expert_bits = _PLAIN_BITS if unclear or "experts" in quantization.kept else quantization.bits
    return Stored(
        bytes=_bytes(quantised * quantization.bits + (total - quantised) * _PLAIN_BITS),
        sure="bound" if unclear or quantization.mixed else "computed",
        embeddings=geometry.embedding_params * _PLAIN_BYTES,
        experts=_bytes(parts["experts"] * expert_bits),
        vision=geometry.vision_params * _PLAIN_BYTES,
    )


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
    if quantization.mixed or quantization.kept & {"attention", "experts", "unknown"}:
        return None
    matrices = 1 if fields.get("tie_word_embeddings") else 2
    embeddings = int(fields["vocab_size"] * fields["hidden_size"] * matrices)
    return embeddings + int(max(files.stored.bytes - embeddings * _PLAIN_BYTES, 0) * 8 / quantization.bits)
