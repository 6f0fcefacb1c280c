"""Layers that keep a state of fixed size, alone or between layers of attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deployadvisor.sizing.attention.config import (
    FULL,
    LINEAR,
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
from deployadvisor.sizing.attention.latent import NO_HEADS, indexer, mla

# Our name -> the configuration's, for Mamba-2 as Granite 4, Bamba and Falcon-H1 call it.
_MAMBA2_NAMES = {"n_groups": "mamba_n_groups", "ssm_state_size": "mamba_d_state", "conv_kernel": "mamba_d_conv"}
_MAMBA1_NAMES = {"mamba_expand": "mamba_expand", "mamba_d_state": "mamba_d_state", "mamba_d_conv": "mamba_d_conv"}
_PURE_MAMBA1_NAMES = {"mamba_expand": "expand", "mamba_d_state": "state_size", "mamba_d_conv": "conv_kernel"}
_KIMI_NAMES = ("linear_num_heads", "linear_head_dim", "linear_conv_kernel_dim")
_DELTA_NAMES = ("num_value_heads", "num_key_heads", "value_head_dim", "key_head_dim", "conv_kernel_dim")


def delta_net(config: Config) -> Fields:
    """Qwen3-Next, Qwen3.5, OLMo-hybrid: gated delta rule but for every fourth layer."""
    words = layer_words(config) or _last_full(config, count(config, "full_attention_interval", default=4))
    shape = {f"linear_{key}": count(config, f"linear_{key}") for key in _DELTA_NAMES}
    return _hybrid(words, {"kind": "gated_delta_net", **shape})


def kimi(config: Config) -> Fields:
    """Kimi-Linear and Kimi-K3: Kimi Delta Attention between layers of latent attention."""
    own = object_in(config, "linear_attn_config")
    words = layer_words(config) or _numbered(config, own)
    return _latent_hybrid(words, _kimi_shape(config, own), mla(config))


def glm5_next(config: Config) -> Fields:
    """GLM-5.3-Flash: as Kimi-K3, with an indexer that caches key, gate and a flag of every token."""
    words = layer_words(config) or _last_full(config, 4)
    block = mla(config) | indexer(config, words)
    block["index_row"] = 2 * block["index_head_dim"] + 1
    return _latent_hybrid(words, _kimi_shape(config, object_in(config, "linear_attn_config")), block)


def nemotron_h(config: Config) -> Fields:
    """Layers are words, or one letter each: M Mamba-2, * attention, - feed-forward, E experts."""
    letters = {"M": LINEAR, "*": FULL, "-": "none", "E": "none"}
    pattern = config.get("hybrid_override_pattern")
    words = layer_words(config) or layer_words(config, key="layers_block_type")
    if words is None and isinstance(pattern, str):
        words = tuple(letters.get(letter, letter) for letter in pattern)
    if words is None or len(words) != layers(config):
        raise UnclearError("hybrid_override_pattern has not one letter a layer")
    keys = ("mamba_num_heads", "mamba_head_dim", "ssm_state_size", "n_groups", "conv_kernel")
    return _hybrid(words, {"kind": "mamba2", **{key: count(config, key) for key in keys}})


def granite_hybrid(config: Config) -> Fields:
    """Granite 4."""
    return _hybrid(layer_words(config) or (LINEAR,) * layers(config), _mamba2(config))


def bamba(config: Config) -> Fields:
    """Bamba: attention in the layers that ``attn_layer_indices`` numbers from 0."""
    attending = set(_numbers(config, "attn_layer_indices"))
    default = tuple(FULL if layer in attending else LINEAR for layer in range(layers(config)))
    return _hybrid(layer_words(config) or default, _mamba2(config))


def falcon_h1(config: Config) -> Fields:
    """Falcon-H1: attention and Mamba-2 side by side in every layer."""
    both = layers(config)
    return _side_by_side(both, both, _mamba2(config, inner=count(config, "mamba_d_ssm")))


def zamba2(config: Config) -> Fields:
    """Zamba2: Mamba-2 in every layer, and before some of them a block of attention that shares weights, not cache."""
    words = layer_words(config, key="layers_block_type") or layer_words(config)
    if words is None:
        raise UnclearError("layers_block_type is missing")
    checked(words, LINEAR, "hybrid")
    inner = count(config, "mamba_expand", default=2) * count(config, "hidden_size")
    heads = count(config, "n_mamba_heads", default=8)
    shape = {
        "kind": "mamba2",
        "mamba_num_heads": heads,
        "mamba_head_dim": _part(inner, heads),
        "ssm_state_size": count(config, "mamba_d_state", default=64),
        "n_groups": count(config, "mamba_ngroups", default=1),
        "conv_kernel": count(config, "mamba_d_conv", default=4),
    }
    fields = _side_by_side(words.count("hybrid"), len(words), shape)
    width = 2 * count(config, "hidden_size")
    return fields | {"head_dim": _part(width, count(config, "num_attention_heads"))}


def jamba(config: Config) -> Fields:
    """Jamba: attention in one of every ``attn_layer_period`` layers."""
    period = count(config, "attn_layer_period")
    offset = count(config, "attn_layer_offset", default=min(4, period - 1), least=0, most=period - 1)
    words = tuple(FULL if layer % period == offset else LINEAR for layer in range(layers(config)))
    return _hybrid(words, _mamba1(config, _MAMBA1_NAMES))


def mamba(config: Config) -> Fields:
    """Mamba and Falcon-Mamba: no attention at all."""
    return _hybrid((LINEAR,) * layers(config), _mamba1({"expand": 2, **config}, _PURE_MAMBA1_NAMES))


def mamba2(config: Config) -> Fields:
    """Mamba-2 without attention, whose ``num_heads`` and ``head_dim`` are those of the state."""
    inner = count({"expand": 2, **config}, "expand") * count(config, "hidden_size")
    heads = count(config, "num_heads")
    shape = {
        "kind": "mamba2",
        "mamba_num_heads": heads,
        "mamba_head_dim": _part(inner, heads),
        "ssm_state_size": count(config, "state_size"),
        "n_groups": count(config, "n_groups"),
        "conv_kernel": count(config, "conv_kernel"),
    }
    return _hybrid((LINEAR,) * layers(config), shape)


def short_convolution(config: Config) -> Fields:
    """LFM2: a short convolution but in the layers that ``full_attn_idxs`` numbers from 0."""
    attending = set(_numbers(config, "full_attn_idxs"))
    default = tuple(FULL if layer in attending else "conv" for layer in range(layers(config)))
    words = layer_words(config) or default
    renamed = tuple(LINEAR if word == "conv" else word for word in checked(words, FULL, "conv"))
    return _hybrid(renamed, {"kind": "short_convolution", "conv_L_cache": count(config, "conv_L_cache")})


def lightning(config: Config) -> Fields:
    """MiniMax-01: linear attention but in the layers where ``attn_type_list`` has a 1."""
    flags = list_in(config, "attn_type_list")
    words = layer_words(config)
    if words is None and flags is not None:
        words = layer_words({**config, "flags": [FULL if flag else LINEAR for flag in flags]}, key="flags")
    if words is None:
        raise UnclearError("attn_type_list is missing")
    heads = count(config, "num_attention_heads")
    width = count(config, "head_dim", default=count(config, "hidden_size", default=heads) // heads or 1)
    return _hybrid(words, {"kind": "lightning_attention", "linear_num_heads": heads, "linear_head_dim": width})


def _hybrid(words: Sequence[str], linear: Fields) -> Fields:
    checked(words, FULL, LINEAR, "none")
    if LINEAR not in words:
        raise UnclearError("no layer is recurrent")
    return _side_by_side(words.count(FULL), words.count(LINEAR), linear)


def _side_by_side(full: int, recurrent: int, linear: Fields) -> Fields:
    counts = {"full_attention_layers": full, "linear_or_ssm_layers": recurrent}
    return {"attention": "hybrid_linear", "linear": linear, **counts}


def _latent_hybrid(words: Sequence[str], linear: Fields, latent: Fields) -> Fields:
    return _hybrid(words, linear) | {"attention": "hybrid_latent", "mla": latent} | NO_HEADS


def _last_full(config: Config, period: int) -> tuple[str, ...]:
    return tuple(LINEAR if (layer + 1) % period else FULL for layer in range(layers(config)))


def _numbered(config: Config, lists: Config) -> tuple[str, ...]:
    """Layers by two lists of numbers from 1, which must name each layer once."""
    full, linear = (_numbers(lists, key) for key in ("full_attn_layers", "kda_layers"))
    total = layers(config)
    if sorted((*full, *linear)) != list(range(1, total + 1)):
        raise UnclearError(f"full_attn_layers and kda_layers do not name each of {total} layers once")
    return tuple(FULL if layer in set(full) else LINEAR for layer in range(1, total + 1))


def _numbers(config: Config, key: str) -> list[int]:
    values = list_in(config, key) or []
    if any(isinstance(value, bool) or not isinstance(value, int) for value in values):
        raise UnclearError(f"{key} does not number layers")
    return values


def _kimi_shape(config: Config, own: Config) -> Fields:
    stated = {**{key: config.get(key) for key in _KIMI_NAMES}, **own}
    heads = count(stated, "num_heads", "linear_num_heads")
    width = count(stated, "head_dim", "linear_head_dim")
    kernel = count(stated, "short_conv_kernel_size", "linear_conv_kernel_dim")
    values = (heads, heads, width, width, kernel)
    return {"kind": "kimi_delta_attention"} | {
        f"linear_{key}": value for key, value in zip(_DELTA_NAMES, values, strict=True)
    }


def _mamba2(config: Config, inner: int | None = None) -> Fields:
    """Heads times their width are the inner width, where ``mamba_d_head`` is "auto"."""
    heads = count(config, "mamba_n_heads")
    if config.get("mamba_d_head", "auto") == "auto":
        inner = inner or count(config, "mamba_expand", default=2) * count(config, "hidden_size")
        width = _part(inner, heads)
    else:
        width = count(config, "mamba_d_head")
    shape = {ours: count(config, theirs) for ours, theirs in _MAMBA2_NAMES.items()}
    return {"kind": "mamba2", "mamba_num_heads": heads, "mamba_head_dim": width, **shape}


def _mamba1(config: Config, names: Mapping[str, str]) -> Fields:
    return {"kind": "mamba1", **{ours: count(config, theirs) for ours, theirs in names.items()}}


def _part(whole: int, parts: int) -> int:
    if whole % parts:
        raise UnclearError(f"a width of {whole} does not divide into {parts} heads")
    return whole // parts
