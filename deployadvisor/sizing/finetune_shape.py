"""Widths of one layer as training sees them, and the size of a LoRA adapter beside it.

Exact for plain attention and a dense gated feed-forward block. Elsewhere the parameters bound the widths: a matrix
with the model's width as one side has its parameters divided by that width as the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from deployadvisor.hardware.machine import Unknown
from deployadvisor.sizing.geometry import Geometry
from deployadvisor.sizing.terms import Sure

Targets = Literal["all_linear", "attention", "query_value"]

_PLAIN = ("mha", "gqa", "gqa_swa", "chunked")
_BOUNDED_MATRICES = 16
"""Matrices of one layer that a bound allows for: latent attention with an indexer has nine, a gated block three."""


@dataclass(frozen=True, slots=True)
class LayerShape:
    """One layer, in elements a token; the widest where layers differ."""

    layers: int
    hidden: int
    heads: int
    query: int
    """All query heads; the attention output is as wide."""
    key_value: int
    """All keys and values."""
    feed_forward: int
    """Inner width that one token passes: the dense block, or its experts and what they share."""
    routed: int
    """Experts a token is sent to."""
    experts: int
    expert_width: int
    linear_params: int
    """Parameters in linear layers but the routed experts, over all layers."""
    vocab: int
    sure: Sure
    plain: bool
    """Attention of four matrices and a dense gated block: an adapter is counted, not bounded."""


def layer_shape(geometry: Geometry) -> LayerShape | Unknown:
    """The widths of ``geometry``, or what is not known of it."""
    needed = {
        "number of parameters": geometry.total_params,
        "number of layers": geometry.layers,
        "width": geometry.hidden,
        "vocabulary": geometry.vocab,
    }
    missing = next((name for name, value in needed.items() if not value), None)
    if missing:
        return Unknown(unknown=f"the {missing} of {geometry.name} is not known")
    layers, hidden = geometry.layers or 1, geometry.hidden or 1
    linear = linear_params(geometry)
    attention = _attention_widths(geometry)
    bound = math.ceil(linear / (hidden * layers))
    query, key_value = attention or (bound, 2 * bound)
    spent = (2 * query + key_value) * hidden * layers if attention else 0
    rest = math.ceil(max(linear - spent, 0) / (3 * hidden * layers))
    dense = bool(attention and geometry.intermediate and not geometry.experts)
    return LayerShape(
        layers=layers,
        hidden=hidden,
        heads=geometry.heads or math.ceil(query / 64),
        query=query,
        key_value=key_value,
        feed_forward=_feed_forward(geometry, rest),
        routed=(geometry.experts_per_token or 1) if geometry.experts else 0,
        experts=geometry.experts or 0,
        expert_width=geometry.expert_intermediate or 0,
        linear_params=linear,
        vocab=geometry.vocab or 1,
        sure="computed" if dense and _uniform(geometry) else "bound",
        plain=dense,
    )


def linear_params(geometry: Geometry) -> int:
    """Parameters outside embeddings, vision tower and routed experts; norms are counted with them."""
    others = geometry.embedding_params + geometry.vision_params + geometry.expert_params
    return max((geometry.total_params or 0) - others, 0)


def _attention_widths(geometry: Geometry) -> tuple[int, int] | None:
    """Width of all query heads, and of all keys and values; None where attention has other matrices."""
    if geometry.attention not in _PLAIN or not (geometry.rows and geometry.heads):
        return None
    head = max(row.width for row in geometry.rows) // 2
    return geometry.heads * head, max(row.heads * row.width for row in geometry.rows)


def _uniform(geometry: Geometry) -> bool:
    return len({(row.heads, row.width) for row in geometry.rows}) == 1


def _feed_forward(geometry: Geometry, rest: int) -> int:
    if not geometry.experts:
        return geometry.intermediate or rest
    routed = (geometry.experts_per_token or 1) * (geometry.expert_intermediate or 0)
    return max(geometry.intermediate or 0, routed + rest)


def adapter_params(shape: LayerShape, rank: int, targets: Targets, *, experts: bool) -> int:
    """Parameters of an adapter: ``rank`` times input and output width of every matrix it stands beside."""
    return rank * (shape.layers * _sides(shape, targets) + (_expert_sides(shape) if experts else 0))


def _sides(shape: LayerShape, targets: Targets) -> int:
    """Input and output widths of one layer's targets, summed."""
    hidden, query, key_value = shape.hidden, shape.query, shape.key_value
    if targets == "query_value":
        return 2 * hidden + query + key_value // 2
    if targets == "attention":
        return 4 * hidden + 2 * query + key_value
    if shape.plain:
        return 7 * hidden + 2 * query + key_value + 3 * shape.feed_forward
    return _BOUNDED_MATRICES * hidden + shape.experts + math.ceil(shape.linear_params / (hidden * shape.layers))


def _expert_sides(shape: LayerShape) -> int:
    """Three matrices of every routed expert, over all layers."""
    return shape.layers * shape.experts * 3 * (shape.hidden + shape.expert_width)


def adapter_inputs(shape: LayerShape, targets: Targets) -> int:
    """Elements a token that the adapters of one layer keep of their inputs."""
    if targets == "query_value":
        return 2 * shape.hidden
    attention = 3 * shape.hidden + shape.query
    return attention if targets == "attention" else attention + 2 * shape.hidden + shape.feed_forward
