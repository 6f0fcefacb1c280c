"""What must hold of every model in the catalogue, beyond what holds of any model that a user brings.

Each check is named after what it proves, and returns what is wrong with an entry, or None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deployadvisor.catalog.models import Model

_WHOLLY_COUNTED = ("gated_delta_net", "kimi_delta_attention", "mamba1")
"""Recurrent kinds whose models have no layers of feed-forward alone."""


def every_layer_is_of_one_kind(model: Model) -> str | None:
    """Growing, bounded and recurrent layers are together all layers that keep something."""
    recurrent = model.linear is not None and model.linear.kind in _WHOLLY_COUNTED
    mixed = model.attention in ("gqa_swa", "chunked") or recurrent
    kinds = (model.full_attention_layers, model.sliding_layers, model.linear_or_ssm_layers)
    if not mixed or model.num_hidden_layers is None or model.full_attention_layers is None:
        return None
    keeping = model.num_hidden_layers - (model.num_kv_shared_layers or 0)
    if sum(count or 0 for count in kinds) == keeping:
        return None
    return f"full, sliding and recurrent layers {kinds} are not the {keeping} layers with a cache"


def latent_attention_has_no_key_value_heads(model: Model) -> str | None:
    """The cache of latent attention has no heads, whatever ``config.json`` states."""
    if model.attention == "mla" and (model.num_key_value_heads or model.head_dim):
        return "latent attention caches one vector: leave out num_key_value_heads and head_dim"
    return None


def a_token_uses_experts_that_exist(model: Model) -> str | None:
    """Both expert counts are there, and one is part of the other."""
    if (model.num_experts is None) != (model.experts_per_token is None):
        return "num_experts and experts_per_token go together"
    if model.num_experts and (model.experts_per_token or 0) > model.num_experts:
        return f"{model.experts_per_token} experts a token of {model.num_experts}"
    return None


def a_token_uses_no_more_than_all_parameters(model: Model) -> str | None:
    """A dense model uses all of its text parameters for a token, a mixture of experts fewer."""
    if model.total_params is None or model.active_params is None:
        return None
    text = model.total_params - (model.vision_params or 0)
    if model.active_params > text or (model.active_params < text and not model.num_experts):
        return f"active_params {model.active_params} of {text} text parameters"
    return None


def embedding_is_vocabulary_times_width(model: Model) -> str | None:
    """The embedding has the size of its shape, or a note says what else it holds."""
    stated, shape = model.embedding_params, (model.vocab_size or 0) * (model.hidden_size or 0)
    if stated and shape and stated != shape and not model.embedding_note:
        return f"embedding_params {stated} is not vocab_size * hidden_size {shape}: say why in embedding_note"
    return None


def use_is_read_from_the_licence(model: Model) -> str | None:
    """A verdict on commercial use rests on a licence, and a licence gets one."""
    if (model.licence is None) != (model.commercial_use == "unknown"):
        return "licence and a known commercial_use go together"
    return None


CHECKS: tuple[Callable[[Model], str | None], ...] = (
    every_layer_is_of_one_kind,
    latent_attention_has_no_key_value_heads,
    a_token_uses_experts_that_exist,
    a_token_uses_no_more_than_all_parameters,
    embedding_is_vocabulary_times_width,
    use_is_read_from_the_licence,
)
"""All checks, in the order in which they complain."""
