"""Every layer keeps the keys and values of every token: all heads, groups of heads, or one for all."""

from __future__ import annotations

from deployadvisor.sizing.attention.config import (
    FULL,
    Config,
    Fields,
    UnclearError,
    checked,
    count,
    heads_fields,
    layer_words,
    layers,
    list_in,
    object_in,
)


def plain(config: Config) -> Fields:
    """All layers alike."""
    checked(layer_words(config) or (), FULL)
    return heads_fields(config)


def flagged(config: Config) -> Fields:
    """MiniMax-M2: a 1 in ``attn_type_list`` for each layer of full attention, which are all of them."""
    flags = list_in(config, "attn_type_list") or []
    words = layer_words(
        {**config, "flags": [FULL if flag == 1 else "linear_attention" for flag in flags]}, key="flags"
    )
    checked(words or (), FULL)
    return plain(config)


def falcon(config: Config) -> Fields:
    """Falcon: ``num_kv_heads`` in the new architecture, else one head for all unless ``multi_query`` is off."""
    heads = count(config, "num_attention_heads")
    stated = count(config, "num_kv_heads", "n_head_kv", default=heads)
    grouped = config.get("new_decoder_architecture") or config.get("multi_query", True) is False
    return _with_kv_heads(config, stated if grouped else 1)


def mosaic(config: Config) -> Fields:
    """MPT: ``attn_config`` says how many heads keep keys and values."""
    own, heads = object_in(config, "attn_config"), count(config, "num_attention_heads")
    kinds = {"multihead_attention": heads, "multiquery_attention": 1, "grouped_query_attention": None}
    kind = checked((str(own.get("attn_type", "multihead_attention")),), *kinds)[0]
    return _with_kv_heads(config, kinds[kind] or count(own, "kv_n_heads"))


def big_code(config: Config) -> Fields:
    """StarCoder 1: one head for all unless ``multi_query`` is off."""
    heads = count(config, "num_attention_heads")
    return _with_kv_heads(config, heads if config.get("multi_query", True) is False else 1)


def chat_glm(config: Config) -> Fields:
    """ChatGLM: groups only with ``multi_query_attention``."""
    heads = count(config, "num_attention_heads")
    groups = count(config, "multi_query_group_num", "num_key_value_heads", default=heads)
    return _with_kv_heads(config, heads if config.get("multi_query_attention") is False else groups)


def hunyuan(config: Config) -> Fields:
    """Hunyuan: with cross-layer attention only the first of every ``cla_share_factor`` layers caches."""
    total = layers(config)
    factor = count(config, "cla_share_factor", default=1) if config.get("use_cla") else 1
    caching = -(-total // factor)
    if caching == total:
        return heads_fields(config)
    return heads_fields(config) | {"full_attention_layers": caching, "num_kv_shared_layers": total - caching}


def nemotron_nas(config: Config) -> Fields:
    """Nemotron-NAS: some layers lack attention; in the others one number of query heads shares a KV head."""
    blocks = [_attention_of(block) for block in list_in(config, "block_configs") or ()]
    if len(blocks) != layers(config):
        raise UnclearError("block_configs does not describe each layer")
    caching = [block for block in blocks if not (block.get("no_op") or block.get("replace_with_linear"))]
    groups = {count(block, "n_heads_in_group") for block in caching}
    heads = count(config, "num_attention_heads")
    if len(groups) != 1 or heads % min(groups):
        raise UnclearError("layers have different numbers of key-value heads")
    fields = _with_kv_heads(config, heads // min(groups))
    return fields if len(caching) == len(blocks) else fields | {"full_attention_layers": len(caching)}


def _attention_of(block: object) -> Config:
    return object_in(block, "attention") if isinstance(block, dict) else {}


def _with_kv_heads(config: Config, kv_heads: int) -> Fields:
    stated = {**config, "num_key_value_heads": kv_heads}
    return plain(stated) | {"num_key_value_heads": kv_heads}
