"""Exact parameter counts from a configuration alone, by what the parameters belong to.

A family is data (``deployadvisor.catalog.families``); a layer is a mixer, a feed-forward block and norms.
Counts are those of transformers 5.23: buffers are no parameters, tied matrices count once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployadvisor.catalog.families import Family, families
from deployadvisor.sizing.params.counts import Counts
from deployadvisor.sizing.params.model import count
from deployadvisor.sizing.params.shape import ALIASES, NoFormulaError, Shape

__all__ = ["Counts", "count_config", "count_params"]

_OURS = {key: ours for ours, keys in reversed(list(ALIASES.items())) for key in keys}
_NESTED = ("sparse_attention_config",)
_TAKEN_AS_NONE_WHEN_ABSENT = frozenset(
    ("first_dense", "head_dim", "moe_intermediate_size", "num_experts", "num_key_value_heads", "shared_experts")
)
_SHAPES_OF_ONE_MODEL = _TAKEN_AS_NONE_WHEN_ABSENT | {
    "experts_per_token",
    "hidden_size",
    "intermediate_size",
    "num_attention_heads",
    "num_hidden_layers",
    "shared_intermediate_size",
    "tie_word_embeddings",
    "vocab_size",
}


def count_config(config: Mapping[str, Any], model_type: str) -> Counts | None:
    """Count the language model that a ``config.json`` describes; None where no formula fits it.

    >>> shape = {"num_hidden_layers": 28, "hidden_size": 1024, "intermediate_size": 3072, "num_attention_heads": 16,
    ...     "num_key_value_heads": 8, "vocab_size": 151936, "tie_word_embeddings": True}
    >>> count_config(shape, "qwen3").total
    596049920
    """
    family = families().get(model_type)
    nested = [part for key in _NESTED if isinstance(part := config.get(key), Mapping)]
    return _count(Shape(config, *nested, family.defaults), family) if family else None


def count_params(fields: Mapping[str, Any]) -> Counts | None:
    """Count a model given as fields of the catalogue; None where they do not say enough.

    Defaults of the configuration class stand in only for what the catalogue has no field for.
    """
    family = families().get(fields["model_type"])
    if family is None or None in family.published.values() or fields.get("tie_word_embeddings") is None:
        return None
    known = {name: value for name, value in fields.items() if value is not None}
    for part in ("mla", "linear"):
        known |= known.pop(part, {})
    usual = {_OURS.get(key, key) for key in family.defaults} & _TAKEN_AS_NONE_WHEN_ABSENT
    if not usual <= {_OURS.get(key, key) for key in known}:
        return None
    rest = {key: value for key, value in family.defaults.items() if _OURS.get(key, key) not in _SHAPES_OF_ONE_MODEL}
    return _count(Shape(known, family.published, rest), family)


def _count(shape: Shape, family: Family) -> Counts | None:
    try:
        return count(shape, family)
    except (NoFormulaError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return None
