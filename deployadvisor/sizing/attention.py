"""Which layers of a Hugging Face ``config.json`` cache what: the kind of attention, never guessed.

A model type that neither the catalogue nor this module knows is "unsupported".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from deployadvisor.catalog.models import models

Fields = dict[str, Any]
"""Fields of a catalogue ``Model``."""
Config = Mapping[str, Any]

_UNSUPPORTED: Fields = {"attention": "unsupported"}

# Plain attention that the catalogue has no model of yet (transformers 5.23 modelling files).
_PLAIN = frozenset(
    (
        "cohere",
        "ernie4_5",
        "exaone",
        "gemma",
        "glm",
        "glm4",
        "granite",
        "internlm2",
        "internlm3",
        "llama",
        "mistral",
        "mixtral",
        "olmo",
        "olmo2",
        "phi",
        "phi3",
        "qwen2",
        "qwen2_moe",
        "qwen3",
        "qwen3_moe",
        "seed_oss",
        "smollm3",
        "stablelm",
        "starcoder2",
    )
)
_LATENT = frozenset(("deepseek_v2", "deepseek_v3", "kimi_k2", "glm4_moe_lite"))
_LATENT_INDEXED = frozenset(("deepseek_v32", "glm_moe_dsa"))
_INDEXER = frozenset(("index_head_dim", "index_n_heads", "index_topk"))
_WINDOWED = frozenset(("gemma2", "gemma3", "gemma3_text", "gemma4", "gemma4_text", "gpt_oss"))
_SHARED_CACHE = ("num_kv_shared_layers", "cross_layer_attention", "use_cla", "cla_share_factor")


def classify(config: Config, model_type: str) -> Fields:
    """The catalogue fields that say what each layer caches; ``attention`` is among them."""
    if any(config.get(key) for key in _SHARED_CACHE):
        return _UNSUPPORTED
    for applies, read in _KINDS:
        if applies(config, model_type):
            return read(config, model_type)
    return _UNSUPPORTED


def _has(*keys: str) -> Callable[[Config, str], bool]:
    return lambda config, _: any(config.get(key) is not None for key in keys)


# Latent attention


def _latent(config: Config, model_type: str) -> Fields:
    indexed = {key for key in config if key.startswith("index")}
    if not (indexed <= _INDEXER if model_type in _LATENT_INDEXED else model_type in _LATENT and not indexed):
        return _UNSUPPORTED
    keys = ("kv_lora_rank", "q_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim")
    optional = ("index_head_dim", "index_n_heads")
    return {
        "attention": "mla",
        "mla": {key: config.get(key) for key in keys} | {key: config[key] for key in optional if key in config},
        "v_head_dim": None,
    }


# Recurrent layers between full-attention layers


def _delta_net(config: Config, _: str) -> Fields:
    layers = _layer_kinds(config)
    keys = ("num_value_heads", "num_key_heads", "value_head_dim", "key_head_dim", "conv_kernel_dim")
    full = layers["full_attention"]
    if not layers:
        interval = config.get("full_attention_interval")
        full = config["num_hidden_layers"] // interval if _is_count(interval) else 0
    shape = {f"linear_{key}": config.get(f"linear_{key}") for key in keys}
    return _hybrid(full, config["num_hidden_layers"] - full, {"kind": "gated_delta_net", **shape})


def _nemotron_h(config: Config, _: str) -> Fields:
    """Layers are one letter each: M Mamba-2, * attention, - feed-forward, E experts."""
    pattern = config.get("hybrid_override_pattern")
    if not isinstance(pattern, str) or set(pattern) - set("M*-E"):
        return _UNSUPPORTED
    keys = ("mamba_num_heads", "mamba_head_dim", "ssm_state_size", "n_groups", "conv_kernel")
    shape = {key: config.get(key) for key in keys}
    return _hybrid(pattern.count("*"), pattern.count("M"), {"kind": "mamba2", **shape})


def _granite_hybrid(config: Config, _: str) -> Fields:
    layers = _layer_kinds(config)
    names = {"mamba_n_heads": "mamba_num_heads", "mamba_d_head": "mamba_head_dim", "mamba_d_state": "ssm_state_size"}
    names |= {"mamba_n_groups": "n_groups", "mamba_d_conv": "conv_kernel"}
    shape = {ours: config.get(theirs) for theirs, ours in names.items()}
    return _hybrid(layers["attention"], layers["mamba"], {"kind": "mamba2", **shape})


def _jamba(config: Config, _: str) -> Fields:
    period = config.get("attn_layer_period")
    if not _is_count(period):
        return _UNSUPPORTED
    full = config["num_hidden_layers"] // period
    shape = {key: config.get(key) for key in ("mamba_expand", "mamba_d_state", "mamba_d_conv")}
    return _hybrid(full, config["num_hidden_layers"] - full, {"kind": "mamba1", **shape})


def _hybrid(full: int, recurrent: int, linear: Fields) -> Fields:
    if not recurrent:
        return _UNSUPPORTED
    counts = {"full_attention_layers": full, "linear_or_ssm_layers": recurrent}
    return {"attention": "hybrid_linear", "linear": linear, **counts}


# Windows and chunks


def _chunked(config: Config, _: str) -> Fields:
    """Llama 4: layers without rotary positions see everything, the others one chunk."""
    layers = _layer_kinds(config)
    rotary = config.get("no_rope_layers")
    if not layers and isinstance(rotary, list):
        layers = Counter("chunked_attention" if flag else "full_attention" for flag in rotary)
    if not layers:
        return _UNSUPPORTED
    full, chunked = layers["full_attention"], layers["chunked_attention"]
    size = config["attention_chunk_size"]
    counts = {"full_attention_layers": full, "sliding_layers": chunked}
    return {"attention": "chunked", "attention_chunk_size": size, **counts}


def _windowed(config: Config, model_type: str) -> Fields:
    total = config["num_hidden_layers"]
    sliding = _sliding_layers(config, model_type, total)
    if sliding is None:
        return _UNSUPPORTED
    if not sliding:
        return _plain_kind(config)
    counts = {"full_attention_layers": total - sliding, "sliding_layers": sliding}
    return {"attention": "gqa_swa", "sliding_window": config["sliding_window"], **counts}


def _sliding_layers(config: Config, model_type: str, total: int) -> int | None:
    """Layers that the window bounds, from the first of: a list, a repeating pattern, the family's habit."""
    layers = _layer_kinds(config)
    pattern = config.get("sliding_window_pattern")
    if set(layers) - {"full_attention", "sliding_attention"}:
        return None
    if layers:
        return layers["sliding_attention"]
    if isinstance(pattern, int) and pattern > 0:
        return total - total // pattern
    if model_type == "gemma2":
        return total - total // 2
    if model_type == "mistral":
        return total
    return None


def _uses_window(config: Config, model_type: str) -> bool:
    """Qwen2 states a window that it does not use."""
    if config.get("sliding_window") is None or config.get("use_sliding_window") is False:
        return False
    return model_type in _WINDOWED or model_type in ("mistral", "mixtral") or bool(config.get("use_sliding_window"))


# Plain attention


def _plain(config: Config, _: str) -> Fields:
    return _plain_kind(config)


def _plain_kind(config: Config) -> Fields:
    heads = config.get("num_attention_heads")
    return {"attention": "mha" if config.get("num_key_value_heads", heads) == heads else "gqa"}


def _is_plain(config: Config, model_type: str) -> bool:
    recurrent = any(key.startswith(("mamba_", "ssm_", "linear_attn")) for key in config)
    return not recurrent and (model_type in _PLAIN or model_type in _plain_in_catalogue())


@cache
def _plain_in_catalogue() -> frozenset[str]:
    known = {model.model_type: model.attention for model in models().values()}
    return frozenset(name for name, attention in known.items() if attention in ("mha", "gqa"))


def _is(*model_types: str) -> Callable[[Config, str], bool]:
    return lambda _, model_type: model_type in model_types


def _layer_kinds(config: Config) -> Counter[str]:
    kinds = config.get("layer_types")
    return Counter(str(kind) for kind in kinds) if isinstance(kinds, list) else Counter()


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


# The first that applies decides.
_KINDS: tuple[tuple[Callable[[Config, str], bool], Callable[[Config, str], Fields]], ...] = (
    (_has("kv_lora_rank"), _latent),
    (_has("linear_num_value_heads"), _delta_net),
    (_is("nemotron_h"), _nemotron_h),
    (_is("granitemoehybrid"), _granite_hybrid),
    (_is("jamba"), _jamba),
    (_has("attention_chunk_size"), _chunked),
    (_uses_window, _windowed),
    (_is_plain, _plain),
)
