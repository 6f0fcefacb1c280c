"""Open-weight models: geometry, parameters, licence, quality class; and which to take when none is named.

Geometry fields have the names of the Hugging Face ``config.json``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from deployadvisor.catalog.lookup import Names, read_catalog, validate
from deployadvisor.catalog.model_checks import CHECKS
from deployadvisor.catalog.provenance import Frozen, Sourced
from deployadvisor.catalog.republished import Reading, readings
from deployadvisor.documents import Document
from deployadvisor.errors import CatalogError, ModelError, nearest

AttentionKind = Literal[
    "mha",
    "gqa",
    "gqa_swa",
    "gqa_indexed",
    "chunked",
    "mla",
    "hybrid_linear",
    "hybrid_latent",
    "compressed",
    "unknown",
]
Quality = Literal["small", "medium", "large", "frontier"]
CommercialUse = Literal["yes", "conditional", "no", "unknown"]
Role = Literal["serve", "desktop", "cpu", "lab"]


class Mla(Frozen):
    """Multi-head latent attention: one compressed vector a token and layer, shared by all heads."""

    kv_lora_rank: PositiveInt
    q_lora_rank: PositiveInt | None
    qk_rope_head_dim: NonNegativeInt
    qk_nope_head_dim: PositiveInt
    v_head_dim: PositiveInt
    index_head_dim: PositiveInt | None = None
    """Width of the sparse-attention indexer's key, cached beside the latent vector."""
    index_n_heads: PositiveInt | None = None
    index_layers: PositiveInt | None = None
    """Layers with an indexer of their own, where the others reuse its choice."""
    index_row: PositiveInt | None = None
    """Elements that an indexer caches a token, where that is more than its key (GLM-5.3-Flash: key, gate, flag)."""


class GatedDeltaNet(Frozen):
    """Linear attention of Qwen3-Next and Qwen3.5: a state of fixed size instead of a growing cache.

    Kimi Delta Attention keeps a state of the same shape, with as many key heads as value heads.
    """

    kind: Literal["gated_delta_net", "kimi_delta_attention"]
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


class ShortConvolution(Frozen):
    """Layers of LFM2: the last ``conv_L_cache`` inputs of a short convolution and nothing else."""

    kind: Literal["short_convolution"]
    conv_L_cache: PositiveInt  # noqa: N815 - the name in config.json


class LightningAttention(Frozen):
    """Linear attention of MiniMax-01: a square state a head, kept in the model's 16 bit."""

    kind: Literal["lightning_attention"]
    linear_num_heads: PositiveInt
    linear_head_dim: PositiveInt


Linear = Annotated[
    GatedDeltaNet | Mamba2 | Mamba1 | ShortConvolution | LightningAttention, Field(discriminator="kind")
]


class CompressedLayers(Frozen):
    """Layers of DeepSeek-V4 that cache one row for every ``tokens_per_row`` tokens, beside a window of full rows."""

    layers: PositiveInt
    tokens_per_row: PositiveInt
    index_head_dim: PositiveInt | None = None
    """Width of the indexer's key, compressed alike."""


class Gguf(Frozen):
    """Where the model is found in llama.cpp's format; each name was seen in a public source."""

    repo: str | None = None
    ollama: str | None = None
    """Tag in the Ollama library, such as ``qwen3:8b``."""


class Stored(Frozen):
    """Bytes of a checkpoint that lies before us, and of the parts of it that several cards divide differently."""

    bytes: PositiveInt
    sure: Literal["exact", "computed", "bound"]
    """Read from file headers; a formula over its ``config.json``; or the most it can be."""
    embeddings: int = 0
    """Input embedding and output head."""
    experts: int = 0
    """Routed experts."""
    vision: int = 0


class Model(Sourced):
    """One open-weight model. None: no source was read, or the architecture has no such part."""

    id: str
    aliases: tuple[str, ...] = ()
    base: str | None = None
    """The entry whose layers and counts this one shares; what is left out here is read there."""
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
    num_kv_shared_layers: PositiveInt | None = None
    """Layers that read the cache of an earlier layer and keep none."""
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
    compressed: tuple[CompressedLayers, ...] = ()
    index_head_dim: PositiveInt | None = None
    """Width of a sparse-attention indexer's key beside plain keys and values (MiniMax-M3)."""
    index_layers: PositiveInt | None = None
    """Layers with such an indexer."""
    attention_note: str = ""
    """What about the attention is not known, where ``attention`` is "unknown"."""

    total_params: PositiveInt | None = None
    """What an engine loads: text and vision, without multi-token prediction."""
    active_params: PositiveInt | None = None
    """Parameters of the text model that one token passes through."""
    embedding_params: int | None = None
    """Input embedding alone; an untied output head has as many again. Both are usually left unquantised."""
    embedding_note: str = ""
    """Why the embedding is not ``vocab_size * hidden_size``."""
    routed_expert_params: int | None = None
    vision_params: int | None = None
    """Part of ``total_params`` that reads images; quantised checkpoints usually leave it alone."""
    params_source: str
    native_format: str = "bf16"
    """Number format of the published checkpoint: bf16, fp8, int4, mxfp4, nvfp4."""
    files: Literal["safetensors", "gguf"] = "safetensors"
    """What the weights are stored in; a model of the catalogue can also be had as GGUF files."""
    stored: Stored | None = None
    """Weights of the very checkpoint that was read, as an engine loads them."""
    on_disk: bool = False
    """The folder or file that was named holds it; no repository is known."""

    licence: str | None = None
    commercial_use: CommercialUse = "unknown"
    licence_note: str = ""
    quality: Quality | None = None
    quality_basis: str | None = None
    trust_remote_code: bool = False
    """The repository brings code of its own that engines must be told to run, as they have none for the model."""
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
        """Check that neither attention nor recurrent layers outnumber the layers; Falcon-H1's are both at once."""
        full, sliding, recurrent = (self.full_attention_layers, self.sliding_layers, self.linear_or_ssm_layers)
        most = max((full or 0) + (sliding or 0), recurrent or 0)
        if self.num_hidden_layers and most > self.num_hidden_layers:
            kinds = (full, sliding, recurrent)
            raise ValueError(f"more layer kinds {kinds} than num_hidden_layers {self.num_hidden_layers}")
        return self

    @model_validator(mode="after")
    def attention_has_its_fields(self) -> Self:
        """Check that the kind of attention comes with the block that sizing reads."""
        needed = {
            "mla": self.mla,
            "hybrid_linear": self.linear,
            "hybrid_latent": self.mla and self.linear,
            "chunked": self.attention_chunk_size,
            "compressed": self.compressed or None,
            "gqa_indexed": self.index_head_dim and self.index_layers,
        }
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
    document = read_catalog("models")
    rows: dict[str, dict[str, Any]] = document.value["models"]
    return MappingProxyType({key: _entry(key, rows, document) for key in rows})


def _entry(key: str, rows: Mapping[str, dict[str, Any]], document: Document) -> Model:
    fields = {"id": key, **_shared(key, rows, document), **rows[key]}
    model = validate(Model, fields, document, ("models", key))
    for check in CHECKS:
        if complaint := check(model):
            raise CatalogError(f"{key}: {complaint}", where=document.where(("models", key)))
    return model


_TERMS = ("licence", "licence_note", "commercial_use", "quality", "quality_basis")
_OWN = ("aliases", "gguf", "source", "checked_on", *_TERMS)
"""Fields that an entry never takes from its base."""


def _shared(key: str, rows: Mapping[str, dict[str, Any]], document: Document) -> dict[str, Any]:
    """The fields that an entry takes from its base."""
    base = rows[key].get("base")
    if base is None:
        return {}
    if base not in rows or "base" in rows[base]:
        message = f'{key}: base: "{base}" is not an entry with a geometry of its own'
        raise CatalogError(message, where=document.where(("models", key, "base")), suggestion=nearest(base, rows))
    return {field: value for field, value in rows[base].items() if field not in _OWN}


def find_model(text: str) -> Model:
    """Return the model that an id, its part after the slash, an alias or an Ollama tag means.

    A repository of another publisher's model (``-AWQ``, ``-FP8``, ``-GGUF`` ...) is read from its name.

    >>> find_model("qwen3 8b").id
    'Qwen/Qwen3-8B'
    >>> find_model("RedHatAI/Qwen3-8B-quantized.w4a16").native_format
    'int4'
    """
    if _names().get(text) is None:
        for reading in readings(text):
            original = _repositories().get(reading.original)
            if original is not None:
                return _republished(text, models()[original], reading)
    return models()[_names().find(text)]


def _republished(name: str, original: Model, reading: Reading) -> Model:
    """The original as the repository ``name`` holds it, so far as its name says."""
    if reading.republication.gguf:
        return original.model_copy(update={"gguf": Gguf(repo=name)})
    said = f'the ending "{reading.ending}" of the name' if reading.ending else "the name"
    padded = reading.padded(original.id)
    sources = (*reading.republication.source, *(padded.source if padded else ()))
    changes = {
        "id": name,
        "aliases": (),
        "base": original.id,
        "native_format": reading.republication.native_format or original.native_format,
        "stored": None,
        "quality_basis": f"as {original.id}" if original.quality else None,
        "source": (f"{said}; all else as {original.id}", *sources),
        **(padded.fields if padded else {}),
    }
    return original.model_copy(update=changes)


@cache
def _repositories() -> Names:
    """Repository names alone: a short alias such as ``Qwen2.5-7B`` may be another model of its publisher."""
    names = {model.id: [name for name in model.aliases if "/" in name] for model in models().values()}
    spelled = {
        key: [part for name in (key, *others) for part in (name, name.partition("/")[2])]
        for key, others in names.items()
    }
    return Names(spelled, what="a model", error=ModelError)


@cache
def _names() -> Names:
    return Names({model.id: _other_names(model) for model in models().values()}, what="a model", error=ModelError)


def _other_names(model: Model) -> tuple[str, ...]:
    gguf = model.gguf or Gguf()
    return (model.id.partition("/")[2], *model.aliases, *filter(None, (gguf.ollama, gguf.repo)))


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
