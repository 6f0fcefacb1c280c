"""Parameters of what mixes tokens in one layer: attention of every kind, state-space and convolution layers.

Shapes: the modelling files of transformers 5.23.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deployadvisor.catalog.families import Family
from deployadvisor.sizing.params.counts import Parts
from deployadvisor.sizing.params.shape import Shape


def key_value_heads(shape: Shape) -> int:
    """Heads that are cached; one in the multi-query form of GPT-BigCode and the first Falcon."""
    if shape.on("multi_query") and not shape.on("new_decoder_architecture"):
        return 1
    return shape.count("num_key_value_heads", shape.count("num_attention_heads"))


def head_width(shape: Shape) -> int:
    """Width of a query head: ``head_dim``, or an equal share of the hidden size."""
    return shape.count("head_dim", shape.count("hidden_size") // shape.count("num_attention_heads"))


def attention(shape: Shape, family: Family, kind: str) -> Parts:
    """Multi-head, grouped-query or multi-query attention."""
    hidden, heads, width = shape.count("hidden_size"), shape.count("num_attention_heads"), head_width(shape)
    value_width = shape.count("v_head_dim", width)
    projections = shape.count("kv_projections", 2)
    kv_width = key_value_heads(shape) * (width + value_width) * projections // 2
    gates = {"query": heads * width, "width": heads * value_width, "head": heads}
    gate = gates.get(family.gate, 0)
    biased = heads * width + kv_width + (gate if family.gate == "query" else 0)
    matrices = hidden * (heads * width + kv_width + gate + heads * value_width)
    biases = shape.on(family.qkv_bias) * biased + shape.on(family.output_bias) * hidden
    parts = Parts(
        attention=matrices + biases + (heads if "all" in family.sinks or kind in family.sinks else 0),
        norms=_query_key_norms(shape, family, heads * width, projections),
    )
    return parts + _block_indexer(shape) if kind == "minimax_m3_sparse" else parts


def _block_indexer(shape: Shape) -> Parts:
    """MiniMax-M3: small queries and one key that choose blocks of tokens, each with a norm."""
    heads, width = shape.count("index_n_heads"), shape.count("index_head_dim")
    return Parts(attention=shape.count("hidden_size") * (heads + 1) * width, norms=2 * width)


def _query_key_norms(shape: Shape, family: Family, query_width: int, projections: int) -> int:
    if family.qk_norm == "none" or not shape.on(family.qk_norm_if):
        return 0
    width = head_width(shape)
    keys = key_value_heads(shape) * width if family.qk_norm == "width" else width
    queries = query_width if family.qk_norm == "width" else width
    return (queries + (keys if projections else 0)) * (1 + family.qk_norm_bias)


def latent(shape: Shape, _family: Family, _kind: str) -> Parts:
    """Multi-head latent attention (DeepSeek-V2, section 2.1), and the indexer of DeepSeek-V3.2."""
    hidden, heads = shape.count("hidden_size"), shape.count("num_attention_heads")
    rank, rotary = shape.count("kv_lora_rank"), shape.count("qk_rope_head_dim")
    plain, value = shape.count("qk_nope_head_dim"), shape.count("v_head_dim")
    query_rank = shape.count("q_lora_rank", 0)
    queries = (query_rank or hidden) * heads * (plain + rotary) + hidden * query_rank
    keys = hidden * (rank + rotary) + rank * heads * (plain + value)
    biases = shape.on("attention_bias") * (query_rank + rank + rotary + hidden)
    indexer, indexer_norm = _indexer(shape, hidden, query_rank)
    return Parts(
        attention=queries + keys + heads * value * hidden + biases + indexer,
        norms=query_rank + rank + indexer_norm,
    )


def _indexer(shape: Shape, hidden: int, query_rank: int) -> tuple[int, int]:
    heads, width = shape.count("index_n_heads", 0), shape.count("index_head_dim", 0)
    if not heads:
        return 0, 0
    return query_rank * heads * width + hidden * width + hidden * heads, 2 * width


def compressed(shape: Shape, _family: Family, kind: str) -> Parts:
    """DeepSeek-V4: one key-value head, grouped output projection, and a compressor of older tokens."""
    hidden, heads, width = shape.count("hidden_size"), shape.count("num_attention_heads"), shape.count("head_dim")
    query_rank, output_rank = shape.count("q_lora_rank"), shape.count("o_lora_rank")
    groups = shape.count("o_groups")
    queries = hidden * query_rank + query_rank * heads * width
    output = groups * output_rank * (heads * width // groups + hidden)
    older, older_norms = _compressor(shape, kind)
    return Parts(
        attention=queries + hidden * width + output + heads + older,
        norms=query_rank + width + older_norms,
    )


def _compressor(shape: Shape, kind: str) -> tuple[int, int]:
    if kind == "sliding_attention":
        return 0, 0
    hidden, width = shape.count("hidden_size"), shape.count("head_dim")
    rate = (shape.get("compress_rates") or {}).get(kind, {"compressed_sparse_attention": 4}.get(kind, 128))
    if kind == "heavily_compressed_attention":
        return (2 * hidden + rate) * width, width
    heads, index_width = shape.count("index_n_heads"), shape.count("index_head_dim")
    scorer = shape.count("q_lora_rank") * heads * index_width + hidden * heads
    return (2 * hidden + rate) * 2 * (width + index_width) + scorer, width + index_width


def delta_net(shape: Shape, _family: Family, _kind: str) -> Parts:
    """Gated DeltaNet of Qwen3-Next, Qwen3.5 and OLMo Hybrid."""
    hidden, value_heads = shape.count("hidden_size"), shape.count("linear_num_value_heads")
    value_width = shape.count("linear_value_head_dim")
    keys = shape.count("linear_num_key_heads") * shape.count("linear_key_head_dim")
    values = value_heads * value_width
    inputs = hidden * (2 * keys + 2 * values + 2 * value_heads)
    convolution = (2 * keys + values) * shape.count("linear_conv_kernel_dim")
    return Parts(recurrent=inputs + convolution + 2 * value_heads + values * hidden, norms=value_width)


def kimi_delta(shape: Shape, _family: Family, _kind: str) -> Parts:
    """Kimi Delta Attention: a decay for every channel, and gates of low rank."""
    hidden, width, heads = shape.count("hidden_size"), shape.count("linear_head_dim"), shape.count("linear_num_heads")
    inner = heads * width
    gates = 2 * (hidden * width + width * inner) + hidden * heads
    convolution = 3 * inner * shape.count("linear_conv_kernel_dim")
    return Parts(recurrent=4 * hidden * inner + gates + convolution + inner + heads, norms=width)


def lightning(shape: Shape, _family: Family, _kind: str) -> Parts:
    """Lightning attention of MiniMax-Text-01."""
    inner = shape.count("num_attention_heads") * head_width(shape)
    return Parts(recurrent=5 * shape.count("hidden_size") * inner, norms=inner)


def mamba1(shape: Shape, family: Family, _kind: str) -> Parts:
    """Mamba, with the norms that Jamba adds."""
    hidden, state = shape.count("hidden_size"), shape.count("ssm_state_size")
    inner = shape.count("expand") * hidden
    rank = -(-hidden // 16) if shape.get("dt_rank") in (None, "auto") else shape.count("dt_rank")
    convolution = inner * (shape.count("conv_kernel") + shape.on("conv_bias"))
    step = inner * (rank + 2 * state) + rank * inner + inner
    biases = shape.on("mamba_bias") * (2 * inner + hidden)
    recurrent = 3 * hidden * inner + convolution + step + inner * state + inner + biases
    return Parts(recurrent=recurrent, norms=(rank + 2 * state) * shape.on(family.mamba_norm))


def mamba2(shape: Shape, family: Family, _kind: str) -> Parts:
    """Mamba-2 of Nemotron-H, Granite 4, Bamba and Falcon-H1."""
    hidden, heads = shape.count("hidden_size"), shape.count("mamba_num_heads")
    inner = heads * _mamba_head_width(shape, hidden, heads)
    channels = inner + 2 * shape.count("n_groups") * shape.count("ssm_state_size")
    inputs = inner + channels + heads
    convolution = channels * (shape.count("conv_kernel") + shape.on("conv_bias"))
    biases = shape.on("mamba_bias") * (inputs + hidden)
    recurrent = hidden * (inputs + inner) + convolution + 3 * heads + biases
    return Parts(recurrent=recurrent, norms=inner * shape.on(family.mamba_norm))


def _mamba_head_width(shape: Shape, hidden: int, heads: int) -> int:
    if shape.get("mamba_head_dim") in (None, "auto"):
        inner = shape.get("mamba_d_ssm") or shape.count("expand") * hidden
        return int(inner) // heads
    return shape.count("mamba_head_dim")


def short_conv(shape: Shape, _family: Family, _kind: str) -> Parts:
    """Gated short convolution of LFM2."""
    hidden = shape.count("hidden_size")
    biases = shape.on("conv_bias") * 5 * hidden
    return Parts(recurrent=4 * hidden * hidden + hidden * shape.count("conv_L_cache") + biases)


def _none(_shape: Shape, _family: Family, _kind: str) -> Parts:
    return Parts()


MIXERS: Mapping[str, Callable[[Shape, Family, str], Parts]] = {
    "none": _none,
    "attention": attention,
    "latent": latent,
    "compressed": compressed,
    "delta_net": delta_net,
    "kimi_delta": kimi_delta,
    "lightning": lightning,
    "mamba1": mamba1,
    "mamba2": mamba2,
    "short_conv": short_conv,
}
"""By the name that ``families.yaml`` uses."""
