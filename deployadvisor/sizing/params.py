"""Exact parameter counts of plain decoder models, from their shapes alone.

A layer is attention (query, key, value, output), norms and a gated feed-forward block; families differ in
biases, norms and whether the feed-forward block is a mixture of experts. Shapes: the modelling files of
transformers 5.23.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class _Family:
    """What a family has beyond the Llama layer."""

    qkv_bias: bool = False
    qk_norm: bool = False
    norms: int = 2
    output_bias: bool = False
    sinks: bool = False
    """One learned attention sink a head."""
    expert_bias: bool = False
    """Biases in the router and in every expert matrix."""


_LLAMA = _Family()
_FAMILIES = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "mixtral": _LLAMA,
    "phi3": _LLAMA,
    "baichuan": _LLAMA,
    "internlm2": _LLAMA,
    "internlm3": _LLAMA,
    "qwen2": _Family(qkv_bias=True),
    "glm": _Family(qkv_bias=True),
    "chatglm": _Family(qkv_bias=True),
    "glm4": _Family(qkv_bias=True, norms=4),
    "qwen3": _Family(qk_norm=True),
    "qwen3_moe": _Family(qk_norm=True),
    "gpt_oss": _Family(qkv_bias=True, output_bias=True, sinks=True, expert_bias=True),
    "gemma2": _Family(norms=4),
    "gemma3_text": _Family(qk_norm=True, norms=4),
}


_NEEDED = (
    "num_hidden_layers",
    "hidden_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
    "vocab_size",
)


@dataclass(frozen=True, slots=True)
class Counts:
    """Parameters of a whole model; ``routed_experts`` are those of which a token uses only some."""

    total: int
    routed_experts: int
    active: int


def count_params(fields: dict[str, Any]) -> Counts | None:
    """Count the parameters of a model given as catalogue fields; None for a family without a formula here."""
    family = _FAMILIES.get(fields["model_type"])
    needed = _NEEDED if not fields.get("num_experts") else (*_NEEDED, "experts_per_token")
    if family is None or fields.get("shared_experts") or not all(fields.get(name) for name in needed):
        return None
    layers, hidden = fields["num_hidden_layers"], fields["hidden_size"]
    attention = _attention(fields, family) + family.norms * hidden
    shared, routed = _feed_forward(fields, family)
    total = _embeddings(fields) + hidden + layers * (attention + shared + routed)
    experts = fields.get("num_experts")
    used = routed * fields["experts_per_token"] // experts if experts else 0
    return Counts(total, layers * routed, total - layers * (routed - used))


def _feed_forward(fields: dict[str, Any], family: _Family) -> tuple[int, int]:
    """Parameters of one layer that every token uses, and those of all its routed experts."""
    hidden, experts = fields["hidden_size"], fields.get("num_experts")
    if not experts:
        return 3 * hidden * fields["intermediate_size"], 0
    width = fields.get("moe_intermediate_size") or fields["intermediate_size"]
    router = hidden * experts + (experts if family.expert_bias else 0)
    biases = 2 * width + hidden if family.expert_bias else 0
    return router, experts * (3 * hidden * width + biases)


def _attention(fields: dict[str, Any], family: _Family) -> int:
    hidden, width = fields["hidden_size"], fields["head_dim"]
    heads, kv_heads = fields["num_attention_heads"], fields["num_key_value_heads"]
    projected = (heads + 2 * kv_heads) * width
    extras = (
        (family.qkv_bias, projected),
        (family.output_bias, hidden),
        (family.qk_norm, 2 * width),
        (family.sinks, heads),
    )
    small = sum(int(count) for present, count in extras if present)
    return int(projected * hidden + heads * width * hidden + small)


def _embeddings(fields: dict[str, Any]) -> int:
    matrices = 1 if fields.get("tie_word_embeddings") else 2
    return int(fields["vocab_size"] * fields["hidden_size"] * matrices)
