"""Read a local Hugging Face model folder as a catalogue model. Only JSON is read; no code of the folder runs."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deployadvisor.catalog.models import Model
from deployadvisor.catalog.precisions import precisions
from deployadvisor.documents import Document, read
from deployadvisor.errors import ModelError, Where
from deployadvisor.sizing.attention import classify
from deployadvisor.sizing.params import count_params
from deployadvisor.sizing.shards import INDEX, read_checkpoint

_MAX_INDEX_BYTES = 64 * 1024 * 1024
_MAX_COUNT = 100_000_000
_MAX_LAYERS = 1_000

# Our name -> the names that configurations give it, the usual one first.
_NAMES = {
    "num_hidden_layers": ("num_hidden_layers", "num_layers", "n_layer"),
    "hidden_size": ("hidden_size", "n_embd"),
    "num_attention_heads": ("num_attention_heads", "n_head"),
    "num_key_value_heads": ("num_key_value_heads", "multi_query_group_num"),
    "head_dim": ("head_dim", "kv_channels", "attention_head_dim"),
    "v_head_dim": ("v_head_dim",),
    "intermediate_size": ("intermediate_size", "ffn_hidden_size"),
    "vocab_size": ("vocab_size", "padded_vocab_size"),
    "max_position_embeddings": ("max_position_embeddings", "seq_length", "model_max_length"),
    "global_head_dim": ("global_head_dim",),
    "num_global_key_value_heads": ("num_global_key_value_heads",),
    "num_experts": ("num_experts", "num_local_experts", "n_routed_experts"),
    "experts_per_token": ("num_experts_per_tok", "experts_per_token", "num_experts_per_token"),
    "shared_experts": ("n_shared_experts", "num_shared_experts"),
    "moe_intermediate_size": ("moe_intermediate_size",),
    "first_k_dense_replace": ("first_k_dense_replace",),
}
_REQUIRED = ("num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size")
_MAY_BE_ZERO = ("shared_experts", "first_k_dense_replace")
_DTYPE_BYTES = {"bfloat16": 2, "float16": 2, "half": 2, "float32": 4}


def read_folder(path: Path) -> Model:
    """Read ``path/config.json`` and the size of the weights beside it.

    Attention that cannot be classified makes a model whose ``attention`` is "unsupported"; a missing, absurd
    or mistyped field raises ``ModelError`` with its place.
    """
    config_path = path / "config.json"
    if not config_path.is_file():
        raise ModelError(f"{path} has no config.json", where=Where(str(path)), remedy="name a Hugging Face folder")
    document = read(config_path)
    config = _text_config(document)
    model_type = _model_type(document, config)
    fields = _shape(document, config) | {"model_type": model_type}
    _check_layer_types(document, config, fields["num_hidden_layers"])
    fields |= classify({**config, **_without_none(fields)}, model_type)
    fields["native_format"] = _native_format(document)
    fields |= _params(path, document, fields) | _identity(path, document)
    try:
        return Model.model_validate(fields)
    except ValidationError as error:
        raise _invalid(document, error) from error


def _without_none(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _invalid(document: Document, error: ValidationError) -> ModelError:
    first = error.errors()[0]
    field = str(first["loc"][-1]) if first["loc"] else "config.json"
    return ModelError(f"{field}: {first['msg'].lower()}", where=document.where((field,)))


# The configuration


def _text_config(document: Document) -> dict[str, Any]:
    """The language model's part, which multimodal models nest."""
    if not isinstance(document.value, dict):
        raise ModelError("config.json is not an object", where=document.where())
    nested = document.value.get("text_config", {})
    if not isinstance(nested, dict):
        raise _mistyped(document, "text_config", "an object", nested)
    return {**document.value, **nested}


def _model_type(document: Document, config: Mapping[str, Any]) -> str:
    value = config.get("model_type")
    if not isinstance(value, str) or not value:
        raise _mistyped(document, "model_type", "a word", value)
    return value


def _mistyped(document: Document, field: str, wanted: str, value: object) -> ModelError:
    found = "is missing" if value is None else f"must be {wanted}, not {json.dumps(value)[:40]}"
    nested = isinstance(document.value, dict) and isinstance(document.value.get("text_config"), dict)
    place = ("text_config", field) if nested and field in document.value["text_config"] else (field,)
    return ModelError(f"{field} {found}", where=document.where(place))


def _shape(document: Document, config: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {ours: _count(document, config, ours) for ours in _NAMES}
    heads, hidden = fields["num_attention_heads"], fields["hidden_size"]
    if fields["num_key_value_heads"] is None:
        fields["num_key_value_heads"] = heads
    if fields["head_dim"] is None and config.get("kv_lora_rank") is None:
        if hidden % heads:
            message = f"hidden_size {hidden} does not divide into {heads} attention heads, and head_dim is missing"
            raise ModelError(message, where=document.where(("hidden_size",)))
        fields["head_dim"] = hidden // heads
    tied = config.get("tie_word_embeddings")
    if tied is not None and not isinstance(tied, bool):
        raise _mistyped(document, "tie_word_embeddings", "true or false", tied)
    return fields | {"tie_word_embeddings": tied}


def _count(document: Document, config: Mapping[str, Any], ours: str) -> int | None:
    """One whole number under any of its names; None when it is absent and may be."""
    name = next((name for name in _NAMES[ours] if config.get(name) is not None), None)
    if name is None:
        if ours in _REQUIRED:
            raise _mistyped(document, ours, "a whole number", None)
        return None
    value = config[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise _mistyped(document, name, "a whole number", value)
    least = 0 if ours in _MAY_BE_ZERO else 1
    most = _MAX_LAYERS if ours == "num_hidden_layers" else _MAX_COUNT
    if not least <= value <= most:
        raise _mistyped(document, name, f"from {least} to {most:,}", value)
    return value


def _check_layer_types(document: Document, config: Mapping[str, Any], layers: int) -> None:
    kinds = config.get("layer_types")
    if isinstance(kinds, list) and len(kinds) != layers:
        message = f"layer_types lists {len(kinds)} layers, num_hidden_layers says {layers}"
        raise ModelError(message, where=document.where(("layer_types",)))


def _identity(path: Path, document: Document) -> dict[str, Any]:
    config = document.value
    architectures = config.get("architectures") or [config.get("model_type", "unknown")]
    if not isinstance(architectures, list) or not all(isinstance(name, str) for name in architectures):
        raise _mistyped(document, "architectures", "a list of names", architectures)
    return {
        "id": path.resolve().name,
        "family": str(config.get("model_type", "unknown")),
        "architecture": architectures[0],
        "trust_remote_code": "auto_map" in config,
        "modalities": ("text", "image") if "vision_config" in config else ("text",),
        "source": (str(path / "config.json"),),
        "checked_on": datetime.date.fromtimestamp((path / "config.json").stat().st_mtime),
    }


# Number format


def _native_format(document: Document) -> str:
    config = document.value
    quantization = config.get("quantization_config")
    if quantization is None and isinstance(config.get("text_config"), dict):
        quantization = config["text_config"].get("quantization_config")
    if quantization is None:
        return "fp16" if _dtype(config) in ("float16", "half") else "bf16"
    if not isinstance(quantization, dict):
        raise _mistyped(document, "quantization_config", "an object", quantization)
    return _quantised_format(quantization)


def _dtype(config: Mapping[str, Any]) -> str:
    nested = config.get("text_config")
    inner = nested if isinstance(nested, dict) else {}
    names = (source.get(key) for source in (inner, config) for key in ("dtype", "torch_dtype"))
    return next((name for name in names if isinstance(name, str)), "bfloat16")


def _quantised_format(quantization: Mapping[str, Any]) -> str:
    """Our name of a checkpoint's quantisation; its own name where we have none, which sizing then refuses."""
    method = str(quantization.get("quant_method", "unknown"))
    if method in ("awq", "gptq"):
        return _integer_format(quantization.get("bits"), quantization.get("group_size", 128))
    if method == "modelopt":
        return str(quantization.get("quant_algo", method)).casefold()
    if method == "compressed-tensors":
        return _compressed_format(quantization) or method
    return method


def _compressed_format(quantization: Mapping[str, Any]) -> str | None:
    groups = quantization.get("config_groups")
    first = next(iter(groups.values()), None) if isinstance(groups, dict) else None
    weights = first.get("weights") if isinstance(first, dict) else None
    if not isinstance(weights, dict):
        return None
    bits, kind = weights.get("num_bits"), weights.get("type")
    if kind == "float":
        return {8: "fp8", 4: "nvfp4"}.get(bits) if isinstance(bits, int) else None
    if bits == 4 and "self_attn" in json.dumps(quantization.get("ignore", [])):
        return "int4_experts"
    return _integer_format(bits, weights.get("group_size"))


def _integer_format(bits: object, group_size: object) -> str:
    if bits == 8:
        return "int8"
    if bits != 4:
        return f"int{bits}"
    name = f"int4_g{group_size}"
    return name if name in precisions() else "int4"


# Parameters


def _params(path: Path, document: Document, fields: dict[str, Any]) -> dict[str, Any]:
    """Total, active and routed parameters: from the weight files where their bytes say it, else from shapes."""
    counts = count_params(fields)
    size, source = _weight_file_bytes(path, fields["num_hidden_layers"])
    total = _params_in(size, document, fields)
    if counts is None:
        basis = f"{source}, {size:,} bytes" if total else "not known: no weight files and no formula"
        return {"total_params": total, "params_source": basis}
    if total is None or fields.get("tie_word_embeddings"):
        total, source = counts.total, "computed from config.json"
    idle = counts.total - counts.active
    return {
        "total_params": total,
        "active_params": max(total - idle, 1),
        "routed_expert_params": counts.routed_experts,
        "params_source": source,
    }


def _params_in(size: int | None, document: Document, fields: Mapping[str, Any]) -> int | None:
    """Parameters in ``size`` bytes of the checkpoint's own format, embeddings being 16 bit."""
    precision = precisions().get(fields["native_format"])
    if size is None or precision is None or precision.scope != "linear":
        return None
    if precision.bits_per_weight == precision.embeddings_bits:
        return size // _DTYPE_BYTES.get(_dtype(document.value), 2)
    matrices = 1 if fields.get("tie_word_embeddings") else 2
    embeddings = int(fields["vocab_size"] * fields["hidden_size"] * matrices)
    linear_bytes = max(size - embeddings * 2, 0)
    return embeddings + int(linear_bytes * 8 / precision.bits_per_weight)


def _weight_file_bytes(path: Path, layers: int) -> tuple[int | None, str]:
    """Bytes that an engine loads, by the headers of the files; by the index alone before they are downloaded."""
    index = path / INDEX
    if index.is_file() and not any(path.glob("model*.safetensors")):
        return _indexed_bytes(index), f"{index.name} metadata.total_size"
    checkpoint = read_checkpoint(path, layers=layers)
    if checkpoint is None:
        return None, ""
    loaded = sum(share.bytes for share in checkpoint.shares if share.group != "mtp")
    return loaded, f"headers of {len(checkpoint.files)} safetensors files"


def _indexed_bytes(index: Path) -> int:
    """``metadata.total_size``; read as plain JSON, since the index of a large model names every tensor."""
    where = Where(str(index))
    if index.stat().st_size > _MAX_INDEX_BYTES:
        raise ModelError(f"the file is larger than {_MAX_INDEX_BYTES:,} bytes", where=where)
    try:
        size = json.loads(index.read_text(encoding="utf-8"))["metadata"]["total_size"]
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise ModelError("metadata.total_size cannot be read", where=where) from error
    if isinstance(size, bool) or not isinstance(size, int) or size <= 0:
        raise ModelError(f"metadata.total_size must be a whole number of bytes, not {size!r}", where=where)
    return size
