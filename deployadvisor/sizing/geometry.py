"""Everything about a model that its weights and its KV cache depend on, from a catalogue entry or a local folder."""

from __future__ import annotations

from dataclasses import dataclass

from deployadvisor.catalog.models import AttentionKind, Model, Stored
from deployadvisor.catalog.precisions import FileKind
from deployadvisor.sizing.cache_layers import KvRows, KvState, cache_layers, head_dim


@dataclass(frozen=True, slots=True)
class Geometry:
    """A model as arithmetic sees it. None: not known, or the architecture has no such part."""

    name: str
    architecture: str
    attention: AttentionKind
    cache_unknown: str | None
    """Why not even a bound of the KV cache can be computed."""
    why_bounds: str | None
    """Why ``rows`` are only the most that can be cached."""
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
    stored: Stored | None
    """Weights of the very checkpoint that was read."""
    params_source: str


def geometry_of(model: Model) -> Geometry:
    """The geometry of a catalogue model, or of a folder read by ``read_folder``."""
    cache = cache_layers(model)
    return Geometry(
        name=model.id,
        architecture=model.architecture,
        attention=model.attention,
        cache_unknown=cache.unknown,
        why_bounds=cache.why_bounds,
        rows=cache.rows,
        states=cache.states,
        layers=model.num_hidden_layers,
        hidden=model.hidden_size,
        heads=model.num_attention_heads,
        kv_heads=1 if model.mla else model.num_key_value_heads,
        head_dim=head_dim(model),
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
        stored=model.stored,
        params_source=model.params_source,
    )


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
