"""One stored tensor, and which part of a model its name says it belongs to.

Names are those of Hugging Face checkpoints and of llama.cpp. What no name tells is "unknown", not guessed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Group = Literal[
    "vision",
    "audio",
    "mtp",
    "router",
    "shared_experts",
    "experts",
    "norms",
    "recurrent",
    "attention",
    "feed_forward",
    "embeddings",
    "head",
    "unknown",
]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor as a header describes it; the shape is in the order of its format."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int

    @property
    def elements(self) -> int:
        """Stored elements; for packed integers (AWQ, GPTQ) fewer than the weights they hold."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Share:
    """All tensors of one group that are stored alike."""

    group: Group
    dtype: str
    quantised: bool
    """Packed or scaled weights, their scales included."""
    tensors: int
    elements: int
    bytes: int


# The first group with a word among the dot-separated parts of the name.
_WORDS: tuple[tuple[Group, str], ...] = (
    ("vision", "visual vision_tower vision_model vision_encoder vision_embed_tokens embed_vision vpm vit resampler"),
    ("vision", "multi_modal_projector mm_projector mlp1 image_newline image_embed img_projection patch_embed"),
    ("audio", "audio_tower audio_model audio_encoder embed_audio audio_embed audio_projection"),
    ("mtp", "mtp nextn eh_proj enorm hnorm shared_head"),
    ("router", "gate router shared_expert_gate ffn_gate_inp ffn_gate_inp_shexp exp_probs_b"),
    ("shared_experts", "shared_expert shared_experts shared_mlp ffn_gate_shexp ffn_up_shexp ffn_down_shexp"),
    ("experts", "experts ffn_gate_exps ffn_up_exps ffn_down_exps ffn_gate_up_exps"),
)
_LATER_WORDS: tuple[tuple[Group, str], ...] = (
    ("recurrent", "linear_attn mamba ssm_in ssm_x ssm_dt ssm_a ssm_d ssm_conv1d ssm_out ssm_ba ssm_alpha ssm_beta"),
    ("attention", "self_attn attn attention self_attention q_proj k_proj v_proj o_proj qkv_proj wqkv W_pack c_attn"),
    ("attention", "attn_q attn_k attn_v attn_qkv attn_output attn_gate attn_sinks attn_q_a attn_q_b"),
    ("attention", "attn_kv_a_mqa attn_kv_b attn_k_b attn_v_b indexer"),
    ("feed_forward", "mlp feed_forward ffn up_proj down_proj gate_proj gate_up_proj ffn_gate ffn_up ffn_down"),
    ("recurrent", "in_proj out_proj conv1d A_log D dt_bias"),
    ("embeddings", "embed_tokens embed_tokens_per_layer wte wpe word_embeddings tok_embeddings embed_in embeddings"),
    ("embeddings", "token_embd per_layer_token_embd position_embd"),
    ("head", "lm_head embed_out output_layer output"),
)
_INPUT_EMBEDDINGS = frozenset(("embed_tokens", "wte", "word_embeddings", "tok_embeddings", "embed_in"))
_BEFORE_NORMS = tuple((group, frozenset(words.split())) for group, words in _WORDS)
_AFTER_NORMS = tuple((group, frozenset(words.split())) for group, words in _LATER_WORDS)
_MAX_LAYER_DIGITS = 6

_UNQUANTISED = frozenset(("F64", "F32", "F16", "BF16", "C64", "I64", "U64", "I16", "U16", "BOOL"))
_SCALE_WORDS = (
    "scales weight_scale weight_scale_inv weight_scale_2 weight_global_scale input_scale input_global_scale "
    "weight_zero_point weight_shape g_idx absmax quant_map nested_absmax nested_quant_map SCB"
)
_SCALES = frozenset(_SCALE_WORDS.split())


def group_of(name: str, layers: int | None = None) -> Group:
    """The part of the model that a tensor of this name belongs to.

    With ``layers``, the number of layers that a forward pass uses, the layers after them are "mtp": DeepSeek and
    GLM store their multi-token prediction as one layer more.

    >>> group_of("model.layers.3.mlp.experts.17.down_proj.weight")
    'experts'
    """
    parts = name.split(".")
    group = _first(_BEFORE_NORMS, parts)
    if group in ("vision", "audio", "mtp"):
        return group
    if layers is not None and _layer(parts) >= layers:
        return "mtp"
    if group is not None:
        return group
    if any("norm" in part or part.startswith("ln_") for part in parts[-2:]):
        return "norms"
    return _first(_AFTER_NORMS, parts) or "unknown"


def is_quantised(name: str, dtype: str) -> bool:
    """Whether a tensor is packed or scaled weights, or the scales of some."""
    last = name.rpartition(".")[2]
    return dtype not in _UNQUANTISED or last in _SCALES or last.endswith("_scales")


def is_input_embedding(tensor: Tensor, layers: int | None = None) -> bool:
    """Whether a tensor is the plain matrix of one vector a word; ``layers`` as in ``group_of``."""
    owner, _, last = tensor.name.rpartition(".")
    return (
        last == "weight"
        and owner.rpartition(".")[2] in _INPUT_EMBEDDINGS
        and len(tensor.shape) == 2
        and not is_quantised(tensor.name, tensor.dtype)
        and group_of(tensor.name, layers) == "embeddings"
    )


def shares_of(tensors: Iterable[Tensor], layers: int | None = None) -> tuple[Share, ...]:
    """Sum the tensors by group, number format and quantisation; ``layers`` as in ``group_of``."""
    sums: dict[tuple[Group, str, bool], list[int]] = {}
    for tensor in tensors:
        key = group_of(tensor.name, layers), tensor.dtype, is_quantised(tensor.name, tensor.dtype)
        total = sums.setdefault(key, [0, 0, 0])
        total[0] += 1
        total[1] += tensor.elements
        total[2] += tensor.bytes
    return tuple(Share(*key, *total) for key, total in sorted(sums.items()))


def _first(groups: Iterable[tuple[Group, frozenset[str]]], parts: list[str]) -> Group | None:
    return next((group for group, words in groups if not words.isdisjoint(parts)), None)


def _layer(parts: list[str]) -> int:
    """The first number in a name; -1 without one."""
    numbers = (part for part in parts if part.isdecimal() and len(part) <= _MAX_LAYER_DIGITS)
    return int(next(numbers, -1))
