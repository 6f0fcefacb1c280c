"""Multi-head latent attention: one compressed vector a token and layer, and the key of a sparse-attention indexer."""

from __future__ import annotations

from collections.abc import Sequence

from deployadvisor.sizing.attention.config import (
    FULL,
    MAX_LAYERS,
    Config,
    Fields,
    UnclearError,
    checked,
    count,
    layer_words,
    layers,
    list_in,
)

# Configurations state head counts that the cache does not have.
NO_HEADS: Fields = {"num_key_value_heads": None, "head_dim": None, "v_head_dim": None}


def latent(config: Config) -> Fields:
    """DeepSeek-V2 and V3, Kimi-K2."""
    checked(layer_words(config) or (), FULL)
    return {"attention": "mla", "mla": mla(config)} | NO_HEADS


def indexed(config: Config) -> Fields:
    """DeepSeek-V3.2 and GLM-5: an indexer in every layer, or in some whose choice the others share."""
    checked(layer_words(config) or (), FULL)
    words = (FULL,) * layers(config)
    return {"attention": "mla", "mla": mla(config) | indexer(config, words)} | NO_HEADS


def mla(config: Config) -> Fields:
    """The block ``mla`` of a catalogue model."""
    rank = config.get("q_lora_rank")
    return {
        "kv_lora_rank": count(config, "kv_lora_rank"),
        "q_lora_rank": None if rank is None else count(config, "q_lora_rank"),
        "qk_rope_head_dim": count(config, "qk_rope_head_dim", least=0),
        "qk_nope_head_dim": count(config, "qk_nope_head_dim"),
        "v_head_dim": count(config, "v_head_dim"),
    }


def indexer(config: Config, words: Sequence[str]) -> Fields:
    """The indexer's part of that block; layers of attention have one, or share that of a layer before."""
    fields = {"index_head_dim": count(config, "index_head_dim"), "index_n_heads": count(config, "index_n_heads")}
    modes = [mode for word, mode in zip(words, _indexer_modes(config), strict=True) if word == FULL]
    own = modes.count("full")
    if not own:
        raise UnclearError("no layer has an indexer")
    return fields if own == len(modes) else fields | {"index_layers": own}


def _indexer_modes(config: Config) -> Sequence[str]:
    """For each layer "full" or "shared": listed, or full in every so many layers from an offset on."""
    stated = _indexer_words(config)
    if stated is not None:
        return checked(stated, "full", "shared")
    period = count(config, "index_topk_freq", default=1, most=MAX_LAYERS)
    offset = count(config, "index_skip_topk_offset", default=2, least=0)
    return ["shared" if max(layer - offset + 1, 0) % period else "full" for layer in range(layers(config))]


def _indexer_words(config: Config) -> tuple[str, ...] | None:
    """From a list of words, or one letter a layer: F runs the indexer, S reuses its choice."""
    pattern = config.get("index_topk_pattern")
    if isinstance(pattern, str) and not list_in(config, "indexer_types"):
        letters = {"F": "full", "S": "shared"}
        return layer_words({**config, "letters": [letters.get(letter, letter) for letter in pattern]}, key="letters")
    return layer_words(config, key="indexer_types")
