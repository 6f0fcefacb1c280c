"""Everything about a model that its weights and its KV cache depend on, from a catalogue entry or a local folder."""

from __future__ import annotations

from dataclasses import dataclass

from deployadvisor.catalog.models import AttentionKind, GatedDeltaNet, Linear, Mamba2, Mla, Model
from deployadvisor.catalog.precisions import FileKind

_STATE_BYTES = 4  # recurrent states are kept in fp32
_CONVOLUTION_BYTES = 2  # inputs of the short convolution stay in the model's 16 bit


@dataclass(frozen=True, slots=True)
class KvRows:
    """Layers that cache one row a token: keys and values, or one compressed vector."""

    layers: int
    heads: int
    """Heads that tensor parallelism can spread; 1 for a row that every card must hold."""
    width: int
    """Elements of one head's row, keys and values together."""
    window: int | None = None
    """Tokens after which the oldest row is dropped."""

    @property
    def elements(self) -> int:
        """Elements that one token adds over all these layers."""
        return self.layers * self.heads * self.width


@dataclass(frozen=True, slots=True)
class KvState:
    """Layers that keep a state of fixed size instead of rows."""

    layers: int
    heads: int
    bytes_per_layer: int


@dataclass(frozen=True, slots=True)
class Geometry:
    """A model as arithmetic sees it. None: not known, or the architecture has no such part."""

    name: str
    architecture: str
    attention: AttentionKind
    unsupported: str | None
    """Why the KV cache cannot be computed."""
    rows: tuple[KvRows, ...]
    states: tuple[KvState, ...]
    layers: int | None
    hidden: int | None
    heads: int | None
    kv_heads: int | None
    head_dim: int | None
    intermediate: int | None
    vocab: int | None
    tied_embeddings: bool
    experts: int | None
    experts_per_token: int | None
    expert_intermediate: int | None
    total_params: int | None
    active_params: int | None
    embedding_params: int
    """Embedding and output matrices, once when tied."""
    expert_params: int
    """Matrices of the routed experts, without biases."""
    vision_params: int
    context_limit: int | None
    native_format: str
    files: FileKind
    stored_bytes: int | None
    """Bytes of all tensors in their own format, where headers were read."""
    params_source: str


def geometry_of(model: Model) -> Geometry:
    """The geometry of a catalogue model, or of a folder read by ``read_folder``."""
    rows, states, unsupported = _cache_layers(model)
    return Geometry(
        name=model.id,
        architecture=model.architecture,
        attention=model.attention,
        unsupported=unsupported,
        rows=rows,
        states=states,
        layers=model.num_hidden_layers,
        hidden=model.hidden_size,
        heads=model.num_attention_heads,
        kv_heads=1 if model.mla else model.num_key_value_heads,
        head_dim=_head_dim(model),
        intermediate=model.intermediate_size,
        vocab=model.vocab_size,
        tied_embeddings=bool(model.tie_word_embeddings),
        experts=model.num_experts,
        experts_per_token=model.experts_per_token,
        expert_intermediate=(model.moe_intermediate_size or model.intermediate_size) if model.num_experts else None,
        total_params=model.total_params,
        active_params=_active_params(model),
        embedding_params=_embedding_params(model),
        expert_params=_expert_matrices(model),
        vision_params=model.vision_params or 0,
        context_limit=model.max_position_embeddings,
        native_format=model.native_format,
        files=model.files,
        stored_bytes=model.stored_bytes,
        params_source=model.params_source,
    )


# What is cached, layer by layer. Shapes: transformers 5.23 cache_utils.py and the configuration classes.

_Layers = tuple[tuple[KvRows, ...], tuple[KvState, ...], str | None]


def _cache_layers(model: Model) -> _Layers:
    missing = _missing_field(model)
    if model.attention == "unsupported":
        return (), (), f"not supported yet: the attention of {model.architecture}"
    if missing:
        return (), (), f"{missing} of {model.id} is not known"
    if model.mla:
        return (_latent_rows(model, model.mla),), (), None
    if model.linear:
        return (_full_rows(model),), (_state(model, model.linear),), None
    if model.attention in ("gqa_swa", "chunked"):
        return (_full_rows(model), _windowed_rows(model)), (), None
    return (_full_rows(model),), (), None


def _missing_field(model: Model) -> str | None:
    """The first field that the cache of this kind of attention needs and nobody has read."""
    needed: dict[str, object] = {"num_hidden_layers": model.num_hidden_layers}
    if model.attention != "mla":
        needed |= {"num_key_value_heads": model.num_key_value_heads, "head_dim": _head_dim(model)}
    if model.attention in ("gqa_swa", "chunked"):
        needed["sliding_window"] = _window(model)
        needed["full_attention_layers"] = _full_layers(model)
    if model.attention == "hybrid_linear":
        needed["full_attention_layers"] = model.full_attention_layers
        needed["linear_or_ssm_layers"] = model.linear_or_ssm_layers
        needed["hidden_size"] = model.hidden_size
    return next((name for name, value in needed.items() if value is None), None)


def _head_dim(model: Model) -> int | None:
    if model.head_dim or not (model.hidden_size and model.num_attention_heads):
        return model.head_dim
    return model.hidden_size // model.num_attention_heads


def _window(model: Model) -> int | None:
    return model.attention_chunk_size if model.attention == "chunked" else model.sliding_window


def _full_layers(model: Model) -> int | None:
    """Layers that keep every token; a window without layer counts bounds all of them (Mistral-7B-v0.1)."""
    if model.full_attention_layers is not None:
        return model.full_attention_layers
    if model.attention not in ("gqa_swa", "chunked"):
        return model.num_hidden_layers
    return (model.num_hidden_layers or 0) - (model.sliding_layers or model.num_hidden_layers or 0)


def _full_rows(model: Model) -> KvRows:
    """Gemma 4 and MiMo-V2 give their full-attention layers a number of heads of their own, Gemma 4 a width too."""
    heads = model.num_global_key_value_heads or model.num_key_value_heads or 0
    width = 2 * model.global_head_dim if model.global_head_dim else _row_width(model)
    return KvRows(_full_layers(model) or 0, heads, width)


def _windowed_rows(model: Model) -> KvRows:
    layers = model.sliding_layers
    if layers is None:
        layers = (model.num_hidden_layers or 0) - (_full_layers(model) or 0)
    return KvRows(layers, model.num_key_value_heads or 0, _row_width(model), _window(model))


def _row_width(model: Model) -> int:
    key = _head_dim(model) or 0
    return key + (model.v_head_dim or key)


def _latent_rows(model: Model, mla: Mla) -> KvRows:
    """Multi-head latent attention: one compressed vector, no heads to divide (DeepSeek-V2, section 2.1)."""
    width = mla.kv_lora_rank + mla.qk_rope_head_dim + (mla.index_head_dim or 0)
    return KvRows(model.num_hidden_layers or 0, 1, width)


def _state(model: Model, linear: Linear) -> KvState:
    elements, convolution, heads = _state_shape(linear, model.hidden_size or 0)
    size = elements * _STATE_BYTES + convolution * _CONVOLUTION_BYTES
    return KvState(model.linear_or_ssm_layers or 0, heads, size)


def _state_shape(linear: Linear, hidden: int) -> tuple[int, int, int]:
    """Elements of the recurrent state, of the convolution's memory, and heads, of one layer."""
    if isinstance(linear, GatedDeltaNet):
        keys = linear.linear_num_key_heads * linear.linear_key_head_dim
        values = linear.linear_num_value_heads * linear.linear_value_head_dim
        convolution = (2 * keys + values) * linear.linear_conv_kernel_dim
        return values * linear.linear_key_head_dim, convolution, linear.linear_num_key_heads
    if isinstance(linear, Mamba2):
        inner = linear.mamba_num_heads * linear.mamba_head_dim
        channels = inner + 2 * linear.n_groups * linear.ssm_state_size
        return inner * linear.ssm_state_size, channels * linear.conv_kernel, linear.mamba_num_heads
    inner = linear.mamba_expand * hidden
    return inner * linear.mamba_d_state, inner * linear.mamba_d_conv, inner


# Parameters


def _embedding_params(model: Model) -> int:
    """Vocabulary times width, twice unless tied; more where the model has embeddings in every layer (Gemma 4 E4B)."""
    matrices = 1 if model.tie_word_embeddings else 2
    return max((model.vocab_size or 0) * (model.hidden_size or 0) * matrices, model.embedding_params or 0)


def _active_params(model: Model) -> int | None:
    return model.active_params or (None if model.num_experts else model.total_params)


def _routed_params(model: Model) -> int:
    """Parameters of all routed experts; a token uses ``experts_per_token`` of ``num_experts`` of them."""
    if model.routed_expert_params is not None:
        return model.routed_expert_params
    if not (model.num_experts and model.experts_per_token and model.total_params and model.active_params):
        return 0
    idle = model.num_experts - model.experts_per_token
    return (model.total_params - model.active_params) * model.num_experts // idle if idle else 0


def _expert_matrices(model: Model) -> int:
    """Routed experts without their biases: three matrices each, in every layer after the dense ones."""
    routed = _routed_params(model)
    width = model.moe_intermediate_size or model.intermediate_size
    if not (routed and width and model.hidden_size and model.num_hidden_layers and model.num_experts):
        return routed
    layers = model.num_hidden_layers - (model.first_k_dense_replace or 0)
    return min(routed, layers * model.num_experts * 3 * model.hidden_size * width)
