"""What model families are built of: which attention, which feed-forward, which extras, and the omitted keys.

One entry a ``model_type`` of ``config.json``; the formulas over them are in ``deployadvisor.sizing.params``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from deployadvisor.catalog.lookup import load_entries
from deployadvisor.catalog.provenance import Sourced

Switch = bool | str
"""Yes, no, or the key of ``config.json`` that says which."""
Mixer = Literal[
    "none",
    "attention",
    "latent",
    "compressed",
    "delta_net",
    "kimi_delta",
    "lightning",
    "mamba1",
    "mamba2",
    "short_conv",
]
FeedForward = Literal["none", "dense", "sparse"]
Extra = Literal[
    "adjusted_width",
    "alternating_updates",
    "expert_norms",
    "hyper_connections",
    "inner_norms",
    "learned_activation",
    "differential",
    "parallel_mamba",
    "per_layer_embeddings",
]


class Family(Sourced):
    """One family; the plain case is a Llama layer: grouped-query attention, gated feed-forward, two norms."""

    id: str
    also: tuple[str, ...] = ()
    """Other model types with the same language model, such as the multimodal ones that nest it."""

    built_in: bool = False
    """Transformers and the engines bring its code and its tokenizer; that of the repositories is not needed."""

    mixer: Mixer = "attention"
    mixers: Mapping[str, Mixer] = Field(default_factory=dict)
    """Mixer of each kind of layer, where layers differ."""
    feed_forwards: Mapping[str, FeedForward] = Field(default_factory=dict)
    """Feed-forward of each kind of layer, where the kind decides it; a layer then has a mixer or this, not both."""
    kind_keys: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)
    """Kind of layer -> our name -> the key that this kind reads instead."""

    qkv_bias: Switch = False
    output_bias: Switch = False
    qk_norm: Literal["none", "head", "width"] = "none"
    """Norm of queries and keys: one weight for all heads, or as wide as all of them."""
    qk_norm_if: Switch = True
    qk_norm_bias: bool = False
    sinks: tuple[str, ...] = ()
    """Kinds of layers with one learned attention sink a head; "all" where kinds do not matter."""
    values_are_keys: tuple[str, ...] = ()
    """Kinds of layers that have no projection of values, but use the keys."""
    gate: Literal["none", "query", "width", "head"] = "none"
    """Gate on the output: half of the query projection, a projection of its own, or one value a head."""

    gated: bool = True
    """Three matrices in a feed-forward block; two otherwise."""
    mlp_bias: Switch = False
    dense_width: str | None = None
    """Key that gives the width of a dense block, where it is not ``intermediate_size``."""
    feed_forward_multiple: int | None = None
    """Width of the feed-forward block in hidden sizes, where no key gives it."""
    router_bias: bool = False
    score_bias: bool = False
    """One learned value an expert, added when experts are chosen."""
    expert_bias: Switch = False
    shared_gate: bool = False
    dense_beside_experts: bool = False

    norms: int = 2
    """Norms of the hidden size in a layer."""
    norms_key: str | None = None
    """Key that gives their number, where it is present."""
    norm_bias: Switch = False
    final_norm: bool = True
    embedding_norm: bool = False
    mamba_norm: Switch = True
    """A norm inside the Mamba layer."""
    positions: str | None = None
    """Key that gives the number of learned positions."""
    positions_offset: int = 0
    head_bias: Switch = False
    extras: tuple[Extra, ...] = ()
    mtp: bool = False
    """Multi-token prediction is one more layer, a projection and three norms (DeepSeek-V3, section 2.2)."""

    when: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    """Key of ``config.json`` -> fields of this entry that change while it is true."""
    defaults: Mapping[str, Any] = Field(default_factory=dict)
    """Values of omitted keys in the configuration class."""
    published: Mapping[str, bool | int | None] = Field(default_factory=dict)
    """What all published models state, in keys that the catalogue does not have; null where they differ."""

    @model_validator(mode="after")
    def changes_are_fields(self) -> Self:
        """Check that what a switch changes is a field of an entry."""
        unknown = {field for changes in self.when.values() for field in changes} - type(self).model_fields.keys()
        if unknown:
            raise ValueError(f"when: no such field: {', '.join(sorted(unknown))}")
        return self


@cache
def families() -> Mapping[str, Family]:
    """All families by ``model_type``."""
    entries = load_entries("families", Family)
    return {name: family for family in entries.values() for name in (family.id, *family.also)}
