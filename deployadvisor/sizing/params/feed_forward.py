"""Parameters of the feed-forward part of one layer: a dense block, or a router with its experts."""

from __future__ import annotations

from deployadvisor.catalog.families import Family
from deployadvisor.sizing.params.counts import Parts
from deployadvisor.sizing.params.shape import NoFormulaError, Shape


def feed_forward(shape: Shape, family: Family, kind: str) -> Parts:
    """Parameters of a block of ``kind``: "dense", "sparse" or "none"."""
    if kind == "none":
        return Parts()
    if kind == "dense":
        return _dense(shape, family)
    parts = _experts(shape, family)
    return parts + _dense(shape, family) if family.dense_beside_experts else parts


def idle_experts(shape: Shape, routed: int) -> int:
    """Of ``routed`` parameters, those of the experts that a token is not sent to."""
    experts, used = shape.count("num_experts"), shape.count("experts_per_token")
    if not 0 < used <= experts:
        raise NoFormulaError("experts_per_token")
    return routed - routed * used // experts


def _dense(shape: Shape, family: Family) -> Parts:
    return Parts(dense_feed_forward=_block(shape, family, _dense_width(shape, family), shape.on(family.mlp_bias)))


def _block(shape: Shape, family: Family, width: int, biases: bool, inputs: int | None = None) -> int:
    """Gate (where there is one), up and down projection between ``inputs`` and ``width``."""
    hidden = shape.count("hidden_size") if inputs is None else inputs
    into = 2 if family.gated else 1
    return hidden * width * (into + 1) + (into * width + hidden if biases else 0)


def _dense_width(shape: Shape, family: Family) -> int:
    if "adjusted_width" in family.extras and shape.on("block_auto_adjust_ff_dim"):
        return _adjusted_width(shape)
    multiple = family.feed_forward_multiple
    return shape.count(family.dense_width or "intermediate_size", multiple and multiple * shape.count("hidden_size"))


def _adjusted_width(shape: Shape) -> int:
    """LFM2 takes two thirds of the stated width, scaled and rounded up."""
    width = int(2 * shape.count("intermediate_size") / 3)
    factor, multiple = shape.get("block_ffn_dim_multiplier"), shape.count("block_multiple_of")
    if factor is None:
        return width
    if isinstance(factor, bool) or not isinstance(factor, (int, float)) or not multiple:
        raise NoFormulaError("block_ffn_dim_multiplier")
    return -(-int(factor * width) // multiple) * multiple


def _experts(shape: Shape, family: Family) -> Parts:
    hidden, experts = shape.count("hidden_size"), shape.count("num_experts")
    width = shape.count("moe_intermediate_size", shape.count("intermediate_size", 0))
    latent = shape.count("moe_latent_size", 0)
    biases = shape.on(family.expert_bias)
    router = hidden * experts + experts * (family.router_bias + family.score_bias)
    if "expert_norms" in family.extras:
        router += hidden + experts
    return Parts(
        router=router,
        routed_experts=experts * _block(shape, family, width, biases, latent or hidden),
        shared_experts=_shared_experts(shape, family, width),
        other=2 * hidden * latent + (latent + hidden if latent and shape.on(family.mlp_bias) else 0),
    )


def _shared_experts(shape: Shape, family: Family, width: int) -> int:
    shared = shape.count("shared_intermediate_size", shape.count("shared_experts", 0) * width)
    if not shared:
        return 0
    gate = shape.count("hidden_size") if family.shared_gate else 0
    return _block(shape, family, shared, shape.on(family.mlp_bias)) + gate
