"""Look up the shapes in a configuration under any of the names that families give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MAX_COUNT = 1_000_000_000
_POSITIVE = frozenset(("hidden_size", "num_attention_heads", "num_key_value_heads", "vocab_size"))

# Our name -> the names that configurations give it, where they have several.
ALIASES: Mapping[str, tuple[str, ...]] = {
    "num_hidden_layers": ("num_hidden_layers", "n_layer", "n_layers", "num_layers"),
    "hidden_size": ("hidden_size", "n_embd", "d_model"),
    "vocab_size": ("vocab_size", "padded_vocab_size"),
    "tie_word_embeddings": ("tie_word_embeddings", "tie_embedding"),
    "num_attention_heads": ("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads"),
    "num_key_value_heads": ("num_key_value_heads", "num_kv_heads", "multi_query_group_num", "num_attention_groups"),
    "head_dim": ("head_dim", "kv_channels", "attention_head_dim"),
    "intermediate_size": ("block_ff_dim", "intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size"),
    "num_experts": ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"),
    "experts_per_token": (
        "num_experts_per_tok",
        "experts_per_token",
        "num_experts_per_token",
        "moe_topk",
        "moe_top_k",
        "moe_k",
        "top_k_experts",
    ),
    "shared_experts": ("n_shared_experts", "num_shared_experts", "shared_experts", "moe_num_shared_experts"),
    "shared_intermediate_size": (
        "shared_expert_intermediate_size",
        "moe_shared_expert_intermediate_size",
        "shared_intermediate_size",
        "share_expert_dim",
    ),
    "first_dense": ("first_k_dense_replace", "num_dense_layers"),
    "attention_bias": ("attention_bias", "qkv_bias"),
    "mlp_bias": ("mlp_bias", "bias"),
    "index_n_heads": ("index_n_heads", "sparse_num_index_heads"),
    "index_head_dim": ("index_head_dim", "sparse_index_dim"),
    "mtp_layers": ("num_nextn_predict_layers", "mtp_num_hidden_layers"),
    "mamba_num_heads": ("mamba_num_heads", "mamba_n_heads", "num_heads"),
    "mamba_head_dim": ("mamba_head_dim", "mamba_d_head", "head_dim"),
    "ssm_state_size": ("ssm_state_size", "mamba_d_state", "state_size"),
    "n_groups": ("n_groups", "mamba_n_groups"),
    "conv_kernel": ("conv_kernel", "mamba_d_conv"),
    "expand": ("expand", "mamba_expand"),
    "dt_rank": ("mamba_dt_rank", "time_step_rank"),
    "conv_bias": ("use_conv_bias", "mamba_conv_bias", "conv_bias"),
    "mamba_bias": ("use_bias", "mamba_proj_bias"),
}


class NoFormulaError(Exception):
    """The configuration lacks a shape, or says something that the formulas do not understand."""


class Shape:
    """Values by our names: those of one layer, then of the configuration, then the defaults of the family."""

    __slots__ = ("_found", "_sources")

    def __init__(self, *sources: Mapping[str, Any]) -> None:
        """``sources``: mappings of keys to values, the one that decides first."""
        self._sources = sources
        self._found: dict[str, Any] = {}

    def with_own(self, own: tuple[tuple[str, Any], ...]) -> Shape:
        """The same shape with some values replaced."""
        return Shape(dict(own), *self._sources) if own else self

    def get(self, name: str) -> Any:
        """The value of ``name`` under any of its names; None where it is absent, or present as null."""
        if name not in self._found:
            self._found[name] = self._look_up(ALIASES.get(name, (name,)))
        return self._found[name]

    def _look_up(self, keys: tuple[str, ...]) -> Any:
        for source in self._sources:
            present = False
            for key in keys:
                if key in source:
                    present = True
                    if source[key] is not None:
                        return source[key]
            if present:
                return None
        return None

    def count(self, name: str, otherwise: int | None = None) -> int:
        """A whole number, ``otherwise`` where there is none."""
        value = self.get(name)
        if value is None:
            value = otherwise
        least = 1 if name in _POSITIVE else 0
        if type(value) is not int or not least <= value <= _MAX_COUNT:
            raise NoFormulaError(name)
        return value

    def on(self, switch: bool | str) -> bool:
        """Whether a switch of the family is on: always, never, or as the key it names says."""
        if isinstance(switch, bool):
            return switch
        value = self.get(switch)
        if value is not None and not isinstance(value, bool):
            raise NoFormulaError(switch)
        return bool(value)

    def items(self, name: str, length: int) -> list[Any] | None:
        """A list with one item a layer, cut where it goes on for prediction layers; None where it is absent."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, (list, tuple, str)) or len(value) < length:
            raise NoFormulaError(name)
        return list(value[:length])
