"""Reading ``config.json``: whole numbers, words for each layer, and the one way to say that something is unclear."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from deployadvisor.documents import quoted
from deployadvisor.errors import ModelError

Config = Mapping[str, Any]
Fields = dict[str, Any]
"""Fields of a catalogue ``Model``."""
Reader = Callable[[Config], Fields]

MAX_LAYERS = 1_000
_MAX_COUNT = 100_000_000

FULL = "full_attention"
SLIDING = "sliding_attention"
CHUNKED = "chunked_attention"
LINEAR = "linear_attention"

# Older names of the same layers (transformers 5.23 configuration_utils.py).
_SYNONYMS = {
    "attention": FULL,
    "mamba": LINEAR,
    "indexed_attention": FULL,
    "deepseek_sparse_attention": FULL,
    "mlp": "none",
    "moe": "none",
}


class UnclearError(Exception):
    """The configuration does not say what each layer caches; the message says to a user why."""


def layers(config: Config) -> int:
    """Number of layers."""
    return count(config, "num_hidden_layers", most=MAX_LAYERS)


def count(config: Config, *keys: str, default: int | None = None, least: int = 1, most: int = _MAX_COUNT) -> int:
    """A whole number under the first of ``keys`` that is there.

    Unclear when it is missing without a ``default``, a ``ModelError`` when it is not from ``least`` to ``most``.
    """
    key = next((key for key in keys if config.get(key) is not None), keys[0])
    value = config.get(key)
    if value is None and default is not None:
        return default
    if value is None:
        raise UnclearError(f"{key} is missing")
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ModelError(f"{key} must be a whole number from {least} to {most:,}, not {_shown(value)}")
    return value


def object_in(config: Config, key: str) -> Config:
    """An object inside the configuration; empty when it is not there."""
    value = config.get(key) or {}
    if not isinstance(value, dict):
        raise ModelError(f"{key} must be an object, not {_shown(value)}")
    return cast("Config", value)


def list_in(config: Config, key: str) -> list[Any] | None:
    """A list; None when it is missing or empty."""
    value = config.get(key) or None
    if value is not None and not isinstance(value, list):
        raise ModelError(f"{key} must be a list, not {_shown(value)}")
    return value


def layer_words(config: Config, *, key: str = "layer_types") -> tuple[str, ...] | None:
    """What each layer is, in the words of transformers; None when the list is missing."""
    words = list_in(config, key)
    if words is None:
        return None
    total = layers(config)
    predicting = count(config, "num_nextn_predict_layers", default=0, least=0)
    if not total <= len(words) <= total + predicting:
        raise UnclearError(f"{key} lists {len(words)} layers, num_hidden_layers says {total}")
    return tuple(_SYNONYMS.get(word, word) if isinstance(word, str) else _shown(word) for word in words[:total])


def checked(words: Sequence[str], *known: str) -> Sequence[str]:
    """The words, all of which must be ``known``."""
    strange = next((word for word in words if word not in known), None)
    if strange is not None:
        raise UnclearError(f"layers of kind {quoted(strange)}")
    return words


def every(period: int, total: int) -> tuple[str, ...]:
    """Full attention in the last of every ``period`` layers, windows in the others."""
    return tuple(SLIDING if (layer + 1) % period else FULL for layer in range(total))


def heads_fields(config: Config) -> Fields:
    """Plain attention, by whether query heads share keys and values."""
    heads = config.get("num_attention_heads")
    return {"attention": "mha" if config.get("num_key_value_heads", heads) == heads else "gqa"}


def _shown(value: object) -> str:
    return quoted(str(value)[:40])
