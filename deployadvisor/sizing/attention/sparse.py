"""Attention over chosen tokens: rows compressed from several tokens, and an indexer beside plain keys and values."""

from __future__ import annotations

from deployadvisor.sizing.attention.config import (
    FULL,
    Config,
    Fields,
    UnclearError,
    checked,
    count,
    layer_words,
    layers,
    list_in,
    object_in,
)

_WINDOW_ONLY = "sliding_attention"
_SPARSE = "compressed_sparse_attention"
_HEAVY = "heavily_compressed_attention"
_RATES = {_SPARSE: 4, _HEAVY: 128}
_INDEXED = "minimax_m3_sparse"


def deepseek_v4(config: Config) -> Fields:
    """DeepSeek-V4: a window in every layer, and in most a row for 4 or for 128 tokens, the former with an indexer."""
    words = checked(layer_words(config) or _by_ratio(config), _WINDOW_ONLY, _SPARSE, _HEAVY)
    rates = _RATES | dict(object_in(config, "compress_rates"))
    index = {_SPARSE: count(config, "index_head_dim")}
    parts = [
        {"layers": words.count(word), "tokens_per_row": count(rates, word), "index_head_dim": index.get(word)}
        for word in _RATES
        if word in words
    ]
    if not parts:
        raise UnclearError("no layer is compressed")
    return {"attention": "compressed", "compressed": parts, "sliding_window": count(config, "sliding_window")}


def minimax_m3(config: Config) -> Fields:
    """MiniMax-M3: grouped-query attention, in most layers with an indexer of one key for all heads."""
    sparse = object_in(config, "sparse_attention_config")
    words = layer_words(config) or _by_frequency(config, sparse)
    indexed = checked(words, FULL, _INDEXED).count(_INDEXED)
    if not indexed:
        return {"attention": "gqa"}
    width = count({"index_head_dim": config.get("index_head_dim"), **sparse}, "sparse_index_dim", "index_head_dim")
    return {"attention": "gqa_indexed", "index_head_dim": width, "index_layers": indexed}


def _by_ratio(config: Config) -> tuple[str, ...]:
    """One compression ratio a layer, 0 for none; those beyond the layers are of multi-token prediction."""
    names = {0: _WINDOW_ONLY} | {rate: word for word, rate in _RATES.items()}
    ratios = list_in(config, "compress_ratios") or []
    words = layer_words({**config, "ratios": [_name(names, ratio) for ratio in ratios]}, key="ratios")
    if words is None:
        raise UnclearError("compress_ratios is missing")
    return words


def _name(names: dict[int, str], ratio: object) -> str:
    return names.get(ratio, f"ratio {ratio}"[:40]) if isinstance(ratio, int) else "no ratio"


def _by_frequency(config: Config, sparse: Config) -> tuple[str, ...]:
    if sparse.get("use_sparse_attention", True) is False:
        return (FULL,) * layers(config)
    flags = list_in(sparse, "sparse_attention_freq") or []
    words = layer_words({**config, "flags": [_INDEXED if flag else FULL for flag in flags]}, key="flags")
    if words is None:
        raise UnclearError("sparse_attention_freq is missing")
    return words
