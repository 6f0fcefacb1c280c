"""Open-weight models: geometry, parameters, licence, quality class; and which to take when none is named.

Geometry fields have the names of the Hugging Face ``config.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from deployadvisor.catalog.lookup import Names, load_entries, read_catalog, validate
from deployadvisor.catalog.provenance import Frozen, Sourced
from deployadvisor.errors import CatalogError, ModelError

AttentionKind = Literal["mha", "gqa", "gqa_swa", "chunked", "mla", "hybrid_linear", "unsupported"]
Quality = Literal["small", "medium", "large", "frontier"]
CommercialUse = Literal["yes", "conditional", "no", "unknown"]
Role = Literal["serve", "desktop", "cpu", "lab"]


class Mla(Frozen):
    """Multi-head latent attention: one compressed vector a token and layer, shared by all heads."""

    kv_lora_rank: PositiveInt
    q_lora_rank: PositiveInt | None
    qk_rope_head_dim: PositiveInt
    qk_nope_head_dim: PositiveInt
    v_head_dim: PositiveInt
    index_head_dim: PositiveInt | None = None
    """Width of the sparse-attention indexer's key, cached beside the latent vector."""
    index_n_heads: PositiveInt | None = None
    index_layers: PositiveInt | None = None
    """Layers with an indexer of their own, where the others reuse its choice."""


class GatedDeltaNet(Frozen):
    """Linear attention of Qwen3-Next and Qwen3.5: a state of fixed size instead of a growing cache."""

    kind: Literal["gated_delta_net"]
    linear_num_value_heads: PositiveInt
    linear_num_key_heads: PositiveInt
    linear_value_head_dim: PositiveInt
    linear_key_head_dim: PositiveInt
    linear_conv_kernel_dim: PositiveInt


class Mamba2(Frozen):
    """Mamba-2 layers of Nemotron-H and Granite 4."""

    kind: Literal["mamba2"]
    mamba_num_heads: PositiveInt
    mamba_head_dim: PositiveInt
    ssm_state_size: PositiveInt
    n_groups: PositiveInt
    conv_kernel: PositiveInt


class Mamba1(Frozen):
    """Mamba layers of Jamba; the inner width is ``mamba_expand * hidden_size``."""

    kind: Literal["mamba1"]
    mamba_expand: PositiveInt
    mamba_d_state: PositiveInt
    mamba_d_conv: PositiveInt


Linear = Annotated[GatedDeltaNet | Mamba2 | Mamba1, Field(discriminator="kind")]


class Gguf(Frozen):
    """Where the model is found in llama.cpp's format; each name was seen in a public source."""

    repo: str | None = None
    ollama: str | None = None
    """Tag in the Ollama library, such as ``qwen3:8b``."""


class Model(Sourced):
    """One open-weight model. None: no source was read, or the architecture has no such part."""

    id: str
    aliases: tuple[str, ...] = ()
    family: str
    architecture: str
    model_type: str
    attention: AttentionKind

    num_hidden_layers: PositiveInt | None = None
    hidden_size: PositiveInt | None = None
    num_attention_heads: PositiveInt | None = None
    num_key_value_heads: PositiveInt | None = None
    head_dim: PositiveInt | None = None
    v_head_dim: PositiveInt | None = None
    """Width of a value head where it differs from ``head_dim``."""
    intermediate_size: PositiveInt | None = None
    vocab_size: PositiveInt | None = None
    max_position_embeddings: PositiveInt | None = None
    tie_word_embeddings: bool | None = None
    sliding_window: PositiveInt | None = None
    attention_chunk_size: PositiveInt | None = None
    full_attention_layers: int | None = None
    """Layers whose cache grows with every token, where that is not all of them."""
    sliding_layers: int | None = None
    """Layers bounded by ``sliding_window`` or ``attention_chunk_size``."""
    linear_or_ssm_layers: int | None = None
    global_head_dim: PositiveInt | None = None
    """Head width of the full-attention layers where it differs; ``head_dim`` is then the windowed layers'."""
    num_global_key_value_heads: PositiveInt | None = None
    """Key-value heads of the full-attention layers where they differ from ``num_key_value_heads``."""
    num_experts: PositiveInt | None = None
    experts_per_token: PositiveInt | None = None
    shared_experts: int | None = None
    moe_intermediate_size: PositiveInt | None = None
    first_k_dense_replace: int | None = None
    """Dense layers before the first mixture-of-experts layer."""
    mla: Mla | None = None
    linear: Linear | None = None

    total_params: PositiveInt | None = None
    """What an engine loads: text and vision, without multi-token prediction."""
    active_params: PositiveInt | None = None
    """Parameters of the text model that one token passes through."""
    embedding_params: int | None = None
    """Input embedding alone; an untied output head has as many again. Both are usually left unquantised."""
    routed_expert_params: int | None = None
    vision_params: int | None = None
    """Part of ``total_params`` that reads images; quantised checkpoints usually leave it alone."""
    params_source: str
    native_format: str = "bf16"
    files: Literal["safetensors", "gguf"] = "safetensors"
    """What the weights are stored in; a model of the catalogue can also be had as GGUF files."""
    stored_bytes: int | None = None
    """Bytes of the tensors, where their headers were read."""
    """Number format of the published checkpoint: bf16, fp8, int4, mxfp4, nvfp4."""

    licence: str | None = None
    commercial_use: CommercialUse = "unknown"
    licence_note: str = ""
    quality: Quality | None = None
    quality_basis: str | None = None
    trust_remote_code: bool = False
    """The repository brings code of its own that engines are told to run."""
    gguf: Gguf | None = None
    modalities: tuple[str, ...] = ("text",)

    @model_validator(mode="after")
    def query_heads_share_key_heads_evenly(self) -> Self:
        """Check that grouped-query attention has whole groups."""
        heads, groups = self.num_attention_heads, self.num_key_value_heads
        if heads and groups and heads % groups:
            raise ValueError(f"{heads} attention heads do not divide into {groups} key-value heads")
        return self

    @model_validator(mode="after")
    def layer_kinds_add_up(self) -> Self:
        """Check that growing, bounded and recurrent layers do not outnumber the layers."""
        kinds = (self.full_attention_layers, self.sliding_layers, self.linear_or_ssm_layers)
        if self.num_hidden_layers and sum(count or 0 for count in kinds) > self.num_hidden_layers:
            raise ValueError(f"more layer kinds {kinds} than num_hidden_layers {self.num_hidden_layers}")
        return self

    @model_validator(mode="after")
    def attention_has_its_fields(self) -> Self:
        """Check that the kind of attention comes with the block that sizing reads."""
        needed = {"mla": self.mla, "hybrid_linear": self.linear, "chunked": self.attention_chunk_size}
        if self.attention in needed and needed[self.attention] is None:
            raise ValueError(f'attention "{self.attention}" lacks its own fields')
        return self

    @model_validator(mode="after")
    def class_has_a_basis(self) -> Self:
        """Refuse a class that does not say which measurement it rests on."""
        if (self.quality is None) != (self.quality_basis is None):
            raise ValueError("quality and quality_basis go together")
        return self


class ModelDefault(Sourced):
    """Models to try, best first, when the user names none."""

    role: Role
    quality: Quality
    models: tuple[str, ...] = Field(min_length=1)
    why: str


@cache
def models() -> Mapping[str, Model]:
    """All models by Hugging Face id, in catalogue order."""
    return load_entries("models", Model)


def find_model(text: str) -> Model:
    """Return the model that an id, its part after the slash, an alias or an Ollama tag means.

    >>> find_model("qwen3 8b").id
    'Qwen/Qwen3-8B'
    """
    return models()[_names().find(text)]


@cache
def _names() -> Names:
    return Names({model.id: _other_names(model) for model in models().values()}, what="a model", error=ModelError)


def _other_names(model: Model) -> tuple[str, ...]:
    tags = (model.gguf.ollama,) if model.gguf and model.gguf.ollama else ()
    return (model.id.partition("/")[2], *model.aliases, *tags)


@cache
def model_defaults() -> tuple[ModelDefault, ...]:
    """Default models for every role and quality, in file order."""
    document = read_catalog("model_defaults")
    rows = enumerate(document.value["model_defaults"])
    defaults = tuple(validate(ModelDefault, row, document, ("model_defaults", i)) for i, row in rows)
    for default in defaults:
        _check_defaults_may_be_used(default)
    return defaults


def _check_defaults_may_be_used(default: ModelDefault) -> None:
    """Nobody should be given a model unasked that their licence may forbid."""
    for model_id in default.models:
        if model_id not in models() or models()[model_id].commercial_use != "yes":
            raise CatalogError(f'default "{model_id}" is not a catalogue model free for commercial use')
