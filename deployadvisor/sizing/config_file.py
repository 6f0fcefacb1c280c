"""Read the fields of a Hugging Face ``config.json`` that sizing needs; each error names its file, line and field."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployadvisor.catalog.families import families
from deployadvisor.documents import Document, KeyPath, Limits, read
from deployadvisor.errors import ModelError, Where
from deployadvisor.sizing.attention import attends
from deployadvisor.sizing.params.shape import ALIASES
from deployadvisor.sizing.quantization import Quantization, quantization_of

_LIMITS = Limits(bytes=16 * 2**20, values=200_000, constants=True)
"""Quantisers list every module of a model: MiniMax-M3-NVFP4 has a file of 3 MB with 67,000 values."""
_MAX_COUNT = 100_000_000
_MAX_LAYERS = 1_000

_SHAPE = ("num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads", "head_dim")
_WIDTHS = ("v_head_dim", "intermediate_size", "vocab_size", "global_head_dim", "num_global_key_value_heads")
_EXPERTS = ("num_experts", "experts_per_token", "moe_intermediate_size")
_CONTEXT = ("seq_length", "model_max_length", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length")
# Our name -> the names that configurations give it, the usual one first.
_NAMES = {ours: ALIASES.get(ours, (ours,)) for ours in (*_SHAPE, *_WIDTHS, *_EXPERTS, "shared_experts")} | {
    "hidden_size": (*ALIASES["hidden_size"], "n_embed"),
    "num_key_value_heads": (*ALIASES["num_key_value_heads"], "n_head_kv"),
    "max_position_embeddings": ("max_position_embeddings", *_CONTEXT),
    "first_k_dense_replace": ALIASES["first_dense"],
}
_HEADS = ("num_attention_heads", "num_key_value_heads", "head_dim", "v_head_dim")
_REQUIRED = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")
_DEFAULTED = (*_SHAPE, "intermediate_size", "vocab_size")
_MAY_BE_ZERO = ("shared_experts", "first_k_dense_replace", "num_experts", "experts_per_token")
_MAY_DIFFER = ("intermediate_size", "num_experts", "moe_intermediate_size")
"""Given as one number or, by some families, as a list of one for each layer; the largest is taken."""
_BY_LAYER = ("layers_block_type", "layer_types")
_AHEAD = ALIASES["mtp_layers"]
_NESTED: tuple[KeyPath, ...] = (
    ("text_config",),
    ("llm_config",),
    ("language_config",),
    ("thinker_config", "text_config"),
    ("language_model",),
)
"""Where multimodal models keep the language model's part."""
_QUANTIZATION = ("quantization_config", "compression_config")
_VISION = ("vision_config", "vision_tower", "mm_vision_tower", "vit_config")


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One ``config.json``: the whole document, and the language model's part of it."""

    document: Document
    inside: KeyPath
    values: Mapping[str, Any]
    """Fields of the language model; what its part does not say stands around it."""

    @property
    def model_type(self) -> str:
        """The word that names the modelling code."""
        value = self.values.get("model_type")
        if not isinstance(value, str) or not value:
            raise self.mistyped("model_type", "a word", value)
        return value

    @property
    def dtype(self) -> str:
        """Number format of weights that are not quantised."""
        names = (self.values.get(key) for key in ("dtype", "torch_dtype"))
        return next((name.rpartition(".")[2] for name in names if isinstance(name, str)), "bfloat16")

    @property
    def sees(self) -> bool:
        """Whether the model reads pictures."""
        around = _at(self.document.value, self.inside[:-1])
        return any(source.get(key) is not None for source in (self.document.value, around) for key in _VISION)

    @property
    def needs_code(self) -> bool:
        """Whether the repository brings code of its own that nothing else has."""
        family = families().get(self.model_type)
        brings = any("auto_map" in source for source in (self.document.value, self.values))
        return brings and not (family and family.built_in)

    def where(self, field: str) -> Where:
        """Place of a field, in the language model's part first."""
        place = (*self.inside, field)
        return self.document.where(place if place in self.document.marks else (field,))

    def mistyped(self, field: str, wanted: str, value: object) -> ModelError:
        """The error for a field that is missing or not as it should be."""
        found = "is missing" if value is None else f"must be {wanted}, not {json.dumps(value)[:40]}"
        return ModelError(f"{field} {found}", where=self.where(field))

    def shape(self) -> dict[str, Any]:
        """Fields of a catalogue model that are whole numbers, and whether embeddings are tied."""
        fields: dict[str, Any] = {ours: self._count(ours) for ours in _NAMES} | self.defaults(_DEFAULTED)
        missing = next((ours for ours in _REQUIRED if fields[ours] is None and ours not in self._without), None)
        if missing:
            raise self.mistyped(missing, "a whole number", None)
        if not fields["num_experts"]:
            fields |= {"num_experts": None, "experts_per_token": None}
        fields |= dict.fromkeys(self._without) or self._head_shape(fields)
        tied = self.values.get("tie_word_embeddings")
        if tied is not None and not isinstance(tied, bool):
            raise self.mistyped("tie_word_embeddings", "true or false", tied)
        self._check_layer_lists(fields["num_hidden_layers"])
        return fields | {"tie_word_embeddings": tied}

    def defaults(self, wanted: Iterable[str] = _DEFAULTED) -> dict[str, int]:
        """What the class gives fields that a nested part omits, where transformers saves no defaults."""
        family = families().get(self.model_type) if self.inside else None
        stated = family.defaults if family else {}
        absent = (ours for ours in wanted if ours not in self._without and self._layers(ours) is None)
        values = {ours: self._stated(ours, stated)[1] for ours in absent if not self._named(ours)}
        return {ours: value for ours, value in values.items() if isinstance(value, int)}

    def expert_defaults(self) -> dict[str, int]:
        """As ``defaults``, for a model that is known to have experts."""
        return self.defaults(_EXPERTS)

    def architecture(self) -> str:
        """The first of ``architectures``, else the model type."""
        names = self.document.value.get("architectures") or self.values.get("architectures") or [self.model_type]
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise self.mistyped("architectures", "a list of names", names)
        return str(names[0])

    def quantization(self) -> Quantization | None:
        """How the weights are quantised, wherever it stands: here, in a nested part or beside the file."""
        for inside in ((), *(self.inside[: end + 1] for end in range(len(self.inside)))):
            source = _at(self.document.value, inside)
            for key in _QUANTIZATION:
                if source.get(key) is not None:
                    return quantization_of(self._with_experts(source[key]), self.document.where((*inside, key)))
        return _modelopt_file(Path(self.document.source).with_name("hf_quant_config.json"))

    def _with_experts(self, section: object) -> object:
        """The section, with the format of the experts that DeepSeek-V4 states outside of it."""
        stated = self.values.get("expert_dtype")
        return {"expert_dtype": stated, **section} if stated and isinstance(section, dict) else section

    def _head_shape(self, fields: Mapping[str, Any]) -> dict[str, int]:
        heads, hidden = fields["num_attention_heads"], fields["hidden_size"]
        if heads > hidden:
            message = f"num_attention_heads {heads:,} is more than hidden_size {hidden:,}"
            raise ModelError(message, where=self.where("num_attention_heads"))
        found = {"num_key_value_heads": fields["num_key_value_heads"] or heads}
        if fields["head_dim"] is not None or self.values.get("kv_lora_rank") is not None:
            return found
        if hidden % heads:
            message = f"hidden_size {hidden} does not divide into {heads} attention heads, and head_dim is missing"
            raise ModelError(message, where=self.where("hidden_size"))
        return found | {"head_dim": hidden // heads}

    @property
    def _without(self) -> tuple[str, ...]:
        """Fields that a model without attention does not have, whatever its state calls so."""
        return () if attends(self.model_type) else _HEADS

    def _named(self, ours: str) -> bool:
        """Whether a field is there under any of its names; null counts as there."""
        return any(name in self.values for name in _NAMES[ours])

    def _stated(self, ours: str, source: Mapping[str, Any]) -> tuple[str, Any]:
        found = ((name, source[name]) for name in _NAMES[ours] if source.get(name) is not None)
        return next(found, (ours, None))

    def _layers(self, ours: str) -> int | None:
        """The number of layers by a list that has one entry for each."""
        lists = (self.values.get(key) for key in _BY_LAYER) if ours == "num_hidden_layers" else ()
        return next((len(kinds) for kinds in lists if isinstance(kinds, list) and kinds), None)

    def _count(self, ours: str) -> int | None:
        """One whole number under any of its names; None when it is absent."""
        name, value = self._stated(ours, self.values)
        if value is None:
            value = self._layers(ours)
        if value is None or ours in self._without:
            return None
        values = value if isinstance(value, list) and value and ours in _MAY_DIFFER else [value]
        if None in values:
            raise self.mistyped(name, "whole numbers", value)
        return max(self._checked(name, ours, value) for value in values)

    def _checked(self, name: str, ours: str, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.mistyped(name, "a whole number", value)
        least = 0 if ours in _MAY_BE_ZERO else 1
        most = _MAX_LAYERS if ours == "num_hidden_layers" else _MAX_COUNT
        if not least <= value <= most:
            raise self.mistyped(name, f"from {least} to {most:,}", value)
        return value

    def _check_layer_lists(self, layers: int) -> None:
        """Lists may go on for the layers of multi-token prediction."""
        ahead = sum(value for key in _AHEAD if type(value := self.values.get(key)) is int and value > 0)
        for key in _BY_LAYER:
            kinds = self.values.get(key)
            if isinstance(kinds, list) and kinds and not layers <= len(kinds) <= layers + ahead:
                message = f"{key} lists {len(kinds)} layers, num_hidden_layers says {layers}"
                raise ModelError(message, where=self.where(key))


def read_config(path: Path) -> ConfigFile:
    """Read ``config.json``; only values are read, no code that it names runs."""
    document = read(path, limits=_LIMITS)
    if not isinstance(document.value, dict):
        raise ModelError("config.json is not an object", where=document.where())
    nested = document.value.get("text_config", {})
    if not isinstance(nested, dict):
        raise ConfigFile(document, (), document.value).mistyped("text_config", "an object", nested)
    inside = next((place for place in _NESTED if _at(document.value, place)), ())
    around, part = _at(document.value, inside[:-1]), _at(document.value, inside)
    return ConfigFile(document, inside, {**document.value, **around, **part})


def _at(value: Any, place: KeyPath) -> Mapping[str, Any]:
    """The object at ``place``; an empty one where there is none."""
    for key in place:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _modelopt_file(path: Path) -> Quantization | None:
    """ModelOpt's own file, in checkpoints whose ``config.json`` says nothing of it."""
    if not path.is_file():
        return None
    document = read(path, limits=_LIMITS)
    section = document.value.get("quantization") if isinstance(document.value, dict) else None
    if not isinstance(section, dict):
        raise ModelError("quantization must be an object", where=document.where())
    return quantization_of({"quant_method": "modelopt"} | section, document.where(("quantization",)))
