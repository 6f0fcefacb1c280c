"""Layers that a sliding window or a chunk bounds, all of them or between layers of full attention."""

from __future__ import annotations

from deployadvisor.sizing.attention.config import (
    CHUNKED,
    FULL,
    SLIDING,
    Config,
    Fields,
    Reader,
    UnclearError,
    checked,
    count,
    every,
    heads_fields,
    layer_words,
    layers,
    list_in,
    object_in,
)

Words = tuple[str, ...]


def interleaved(period: int, period_key: str = "sliding_window_pattern", *, shared: int = 0) -> Reader:
    """Full attention in the last of every ``period`` layers, unless the configuration says otherwise.

    ``shared`` layers at the end read the cache of earlier ones where ``num_kv_shared_layers`` is not stated.
    """

    def read(config: Config) -> Fields:
        words = layer_words(config) or every(_period(config, period_key, period), layers(config))
        return _windowed(config, words, shared=shared)

    return read


def gemma4(config: Config) -> Fields:
    """Gemma 4: full layers have a head width of their own, and heads of their own where keys serve as values."""
    words = (*(layer_words(config) or every(6, layers(config)))[:-1], FULL)
    fields = _windowed(config, words)
    own = _overrides(config, words, FULL)
    if own:
        width, heads = count(own, "head_dim", default=count(config, "head_dim")), own.get("num_key_value_heads")
    else:
        width = count(config, "global_head_dim", default=512)
        heads = config.get("num_global_key_value_heads") if config.get("attention_k_eq_v", True) else None
    kv_heads = None if heads is None else count({"num_global_key_value_heads": heads}, "num_global_key_value_heads")
    return fields | {"global_head_dim": width, "num_global_key_value_heads": kv_heads}


def first_full(config: Config) -> Fields:
    """CWM: full attention in the first of every four layers."""
    default = tuple(SLIDING if layer % 4 else FULL for layer in range(layers(config)))
    return _windowed(config, layer_words(config) or default)


def all_layers(config: Config) -> Fields:
    """Mistral and others: the window, where there is one, bounds every layer."""
    kind = FULL if config.get("sliding_window") is None else SLIDING
    return _windowed(config, layer_words(config) or (kind,) * layers(config))


def late_layers(config: Config) -> Fields:
    """Qwen2: a window is stated always, used with ``use_sliding_window``, and then after ``max_window_layers``."""
    used = config.get("use_sliding_window") and config.get("sliding_window") is not None
    total = layers(config)
    early = min(count(config, "max_window_layers", default=28, least=0), total) if used else total
    return _windowed(config, layer_words(config) or (FULL,) * early + (SLIDING,) * (total - early))


def listed(config: Config) -> Fields:
    """Families whose windows only ``layer_types`` tells; without a window in use all layers are full."""
    words = layer_words(config)
    if words is None and config.get("sliding_window") is not None and config.get("use_sliding_window", True):
        raise UnclearError("sliding_window without layer_types")
    return _windowed(config, words or (FULL,) * layers(config))


def mimo(config: Config) -> Fields:
    """MiMo-V2: windowed layers have key-value heads of their own, twice as many where not stated."""
    pattern = list_in(config, "hybrid_layer_pattern")
    flags = layer_words({**config, "pattern": [SLIDING if flag else FULL for flag in pattern or ()]}, key="pattern")
    default = (FULL, *every(6, layers(config))[1:])
    window = count(config, "sliding_window", "sliding_window_size")
    fields = _windowed({**config, "sliding_window": window}, layer_words(config) or flags or default)
    own = {"swa_num_key_value_heads": 2 * count(config, "num_key_value_heads")} | _stated(config)
    return fields | _own_heads(config, "swa_num_key_value_heads", own, swa="swa_")


def step(config: Config) -> Fields:
    """Step-3.5 and later: windowed layers may have heads of their own, under ``attention_other_setting``."""
    words = layer_words(config) or (FULL,) * layers(config)
    groups = count(config, "num_attention_groups", "num_key_value_heads")
    stated = {**config, "num_key_value_heads": groups}
    other = {**_overrides(config, words, SLIDING), **object_in(config, "attention_other_setting")}
    fields = _windowed(stated, words) | {"num_key_value_heads": groups}
    return fields | _own_heads(stated, "num_attention_groups", other)


def llama4(config: Config) -> Fields:
    """Llama 4: layers without rotary positions see everything, the others one chunk."""
    total = layers(config)
    interval = count(config, "no_rope_layer_interval", default=4)
    rotary = list_in(config, "no_rope_layers") or [(layer + 1) % interval for layer in range(total)]
    flags = layer_words({**config, "rope": [CHUNKED if flag else FULL for flag in rotary]}, key="rope")
    words = checked(layer_words(config) or flags or (), CHUNKED, FULL)
    chunked = words.count(CHUNKED)
    if not chunked or config.get("attention_chunk_size") is None:
        return heads_fields(config)
    counts = {"full_attention_layers": total - chunked, "sliding_layers": chunked}
    return {"attention": "chunked", "attention_chunk_size": count(config, "attention_chunk_size"), **counts}


def _period(config: Config, key: str, default: int) -> int:
    """A number, or one letter a layer of the period: ``LLLG``."""
    pattern = config.get(key)
    if isinstance(pattern, str) and pattern.endswith("G") and set(pattern[:-1]) == {"L"}:
        return len(pattern)
    return count(config, key, default=default)


def _windowed(config: Config, words: Words, *, shared: int = 0) -> Fields:
    checked(words, FULL, SLIDING)
    sharing = count(config, "num_kv_shared_layers", default=shared, least=0)
    caching = words[: len(words) - sharing]
    if not caching:
        raise UnclearError(f"num_kv_shared_layers is {sharing} of {len(words)} layers")
    sliding = caching.count(SLIDING)
    counts: Fields = {"num_kv_shared_layers": sharing} if sharing else {}
    if not (sliding and _bounds_anything(config)):
        return heads_fields(config) | counts | ({"full_attention_layers": len(caching)} if sharing else {})
    counts |= {"full_attention_layers": len(caching) - sliding, "sliding_layers": sliding}
    return {"attention": "gqa_swa", "sliding_window": count(config, "sliding_window"), **counts}


def _bounds_anything(config: Config) -> bool:
    """Whether there is a window, and one shorter than the longest text (Phi-3 states a longer one)."""
    window, longest = config.get("sliding_window", 0), config.get("max_position_embeddings")
    if window is None or not isinstance(longest, int):
        return window is not None
    return count(config, "sliding_window", default=1) < longest


def _overrides(config: Config, words: Words, kind: str) -> Config:
    """What transformers saves of layers that differ: the same of all layers of ``kind``, nothing of others."""
    saved = {key: value for key, value in object_in(config, "per_layer_config").items() if value}
    expected = {str(layer) for layer, word in enumerate(words) if word == kind}
    values = list(saved.values())
    if not saved:
        return {}
    if set(saved) != expected or any(value != values[0] for value in values):
        raise UnclearError("per_layer_config differs between layers of one kind")
    return object_in({"per_layer_config": values[0]}, "per_layer_config")


def _stated(config: Config) -> Fields:
    return {key: value for key, value in config.items() if value is not None}


def _own_heads(config: Config, heads_key: str, windowed: Config, swa: str = "") -> Fields:
    """Key-value heads of windowed layers, which ``num_key_value_heads`` of a catalogue model means."""
    full = count(config, "num_key_value_heads")
    widths = ("head_dim", "v_head_dim")
    if any(windowed.get(f"{swa}{key}", config.get(key)) != config.get(key) for key in widths):
        raise UnclearError("windowed layers have a head_dim of their own")
    own = count(windowed, heads_key, default=full)
    if own == full:
        return {}
    return {"num_key_value_heads": own, "num_global_key_value_heads": full}
