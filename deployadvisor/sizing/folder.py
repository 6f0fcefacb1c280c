"""Read a local Hugging Face model folder as a catalogue model. Only data are read; no code of the folder runs."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deployadvisor.catalog.lookup import complaint
from deployadvisor.catalog.models import Model, Stored
from deployadvisor.errors import ModelError, Where
from deployadvisor.sizing.attention import classify
from deployadvisor.sizing.config_file import ConfigFile, read_config
from deployadvisor.sizing.contradiction import check_bytes, check_embedding
from deployadvisor.sizing.folder_weights import WeightFiles, read_weight_files
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.params import Counts, count_config, count_params
from deployadvisor.sizing.quantization import Quantization
from deployadvisor.sizing.quantized_size import params_in, stored_by_formula
from deployadvisor.sizing.shards import Checkpoint

_LAST_DAY = datetime.datetime(3000, 1, 1, tzinfo=datetime.UTC).timestamp()
_HALF = ("float16", "half")
_UNNAMED = "a format that config.json does not name"
_TRANSFORMERS = "transformers 5.23"
_UNCOUNTED = ("routed_expert_hidden_size",)
"""Keys of shapes that no formula knows (Kimi-K3)."""


def read_folder(path: Path, *, checkpoint: Checkpoint | None = None) -> Model:
    """Read ``path/config.json`` and the size of the weights beside it.

    Attention that cannot be classified makes a model whose ``attention`` is "unknown"; a missing, absurd or
    mistyped field raises ``ModelError`` with its place. ``checkpoint`` stands for weights that are not
    in the folder.
    """
    config_path = path / "config.json"
    if not config_path.is_file():
        raise ModelError(f"{path} has no config.json", where=Where(str(path)), remedy="name a Hugging Face folder")
    config = read_config(config_path)
    fields = config.shape() | {"model_type": config.model_type}
    fields |= _attention(config, fields)
    found = _found(path, config, fields, checkpoint)
    fields |= {"native_format": found.format, "stored": found.stored} | found.params()
    try:
        model = Model.model_validate(fields | _identity(path, config))
    except ValidationError as error:
        raise _invalid(config, error) from error
    return model if model.stored else model.model_copy(update={"stored": found.by_formula(model)})


def _attention(config: ConfigFile, fields: Mapping[str, Any]) -> dict[str, Any]:
    """What each layer caches; the message of a wrong field begins with its name."""
    known = {name: value for name, value in fields.items() if value is not None}
    try:
        return classify({**config.values, **known}, config.model_type)
    except ModelError as error:
        error.where = error.where or config.where(error.message.partition(" ")[0])
        raise


def _invalid(config: ConfigFile, error: ValidationError) -> ModelError:
    place, message = complaint(error)
    return ModelError(message, where=config.where(str(place[-1]) if place else "config.json"))


def _identity(path: Path, config: ConfigFile) -> dict[str, Any]:
    changed = min(max((path / "config.json").stat().st_mtime, 0), _LAST_DAY)
    return {
        "id": path.resolve().name,
        "on_disk": True,
        "family": config.model_type,
        "architecture": config.architecture(),
        "trust_remote_code": config.needs_code,
        "modalities": ("text", "image") if config.sees else ("text",),
        "source": (str(path / "config.json"), *_class_defaults(config)),
        "checked_on": datetime.datetime.fromtimestamp(changed, tz=datetime.UTC).date(),
    }


def _class_defaults(config: ConfigFile) -> tuple[str, ...]:
    """Says which fields ``config.json`` leaves to the configuration class."""
    names = ", ".join(config.defaults())
    return (f"defaults of {config.model_type} in {_TRANSFORMERS}: {names}",) if names else ()


# Weights and parameters


@dataclass(frozen=True, slots=True)
class _Found:
    """What files and shapes say of the weights: the best source of each figure is taken."""

    fields: Mapping[str, Any]
    format: str
    quantization: Quantization | None
    counts: Counts | None
    """Of the language model alone."""
    files: WeightFiles | None
    sees: bool
    defaulted: bool
    """Whether the configuration class gave some of the shapes."""

    @property
    def stored(self) -> Stored | None:
        """Bytes of the files; None where a formula is better than a bound."""
        by_formula = self.counts is not None and not self.sees and not self.quantization
        return self.files.stored if self.files and (self.files.shares or not by_formula) else None

    def by_formula(self, model: Model) -> Stored | None:
        """Bytes of a quantised checkpoint without weight files."""
        if self.counts is None or self.quantization is None:
            return None
        return stored_by_formula(geometry_of(model), self.counts, self.quantization)

    def params(self) -> dict[str, Any]:
        """Total, active and routed parameters of a catalogue model, and where they are from."""
        total, seen = self._total(), self.files.vision_params if self.files else None
        fields = {"total_params": total, "vision_params": seen, "params_source": self._source(total)}
        if self.counts is None or total is None:
            return fields
        idle = self.counts.total - self.counts.active if self.fields["num_experts"] else 0
        active = max(total - (seen or 0) - idle, 1)
        return fields | {"active_params": active, "routed_expert_params": self.counts.routed_experts}

    def _total(self) -> int | None:
        if self.files and self.files.plain_params:
            return self.files.plain_params
        if self.counts and not (self.sees and self.files and not self.files.shares):
            return self.counts.total + ((self.files.vision_params or 0) if self.files else 0)
        return params_in(self.files, self.quantization, self.fields) if self.files else None

    def _source(self, total: int | None) -> str:
        if self.files and (self.stored or self.files.plain_params):
            return self.files.source
        if total is None:
            return "not known: no weight files and no formula"
        source = "computed from config.json" + (" and defaults of its class" if self.defaulted else "")
        return source + (", without the part that reads images" if self.sees else "")


def _found(path: Path, config: ConfigFile, fields: dict[str, Any], checkpoint: Checkpoint | None) -> _Found:
    quantization = config.quantization()
    files = read_weight_files(
        path,
        layers=fields["num_hidden_layers"],
        tied=fields["tie_word_embeddings"],
        dtype="" if quantization else config.dtype,
        checkpoint=checkpoint,
    )
    if files and files.tied is not None:
        fields["tie_word_embeddings"] = files.tied
    counts = _counts(config, fields)
    if files:
        _check(config, files, counts, quantization, fields)
    if fields["tie_word_embeddings"] is None and counts:
        fields["tie_word_embeddings"] = not counts.lm_head
    if counts and counts.routed_experts:
        fields |= config.expert_defaults()
    number_format, defaulted = _format(config, quantization, files), bool(config.defaults())
    return _Found(fields, number_format, quantization, counts, files, config.sees, defaulted)


def _check(
    config: ConfigFile,
    files: WeightFiles,
    counts: Counts | None,
    quantization: Quantization | None,
    fields: Mapping[str, Any],
) -> None:
    """Refuse files that are of another model, or not all of this one."""
    if files.embedding:
        check_embedding(config, files.embedding, fields)
    if counts:
        check_bytes(config, files, counts, quantization)


def _counts(config: ConfigFile, fields: Mapping[str, Any]) -> Counts | None:
    if any(key in config.values for key in _UNCOUNTED):
        return None
    named = {key: fields[key] for key in ("num_hidden_layers", "hidden_size")}
    return count_config({**named, **config.values}, config.model_type) or count_params(fields)


def _format(config: ConfigFile, quantization: Quantization | None, files: WeightFiles | None) -> str:
    if quantization:
        return quantization.format
    if files and files.mostly_quantised:
        return _UNNAMED
    return "fp16" if config.dtype in _HALF else "bf16"
