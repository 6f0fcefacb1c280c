"""Read a GGUF file as a catalogue model: shape and cache from its metadata, parameters from its tensors."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deployadvisor.catalog.lookup import complaint
from deployadvisor.catalog.models import Model
from deployadvisor.documents import quoted
from deployadvisor.errors import ModelError, Where
from deployadvisor.sizing.gguf_attention import READERS, Keys, unknown
from deployadvisor.sizing.gguf_header import Gguf, Omitted, read_gguf
from deployadvisor.sizing.gguf_types import FILE_TYPES
from deployadvisor.sizing.tensors import Tensor, group_of

_PART = re.compile(r"-[0-9]{5}-of-[0-9]{5}$")
_EMBEDDINGS = ("token_embd.weight", "per_layer_token_embd.weight")
_OUTPUT = "output.weight"
_CONSTANTS = ("rope_freqs.", "rope_factors_")
"""Tensors that are computed, not learned."""
_LAST_DAY = datetime.datetime(3000, 1, 1, tzinfo=datetime.UTC).timestamp()


def read_gguf_model(path: Path) -> Model:
    """Read one GGUF file, or a split one by the name of any part, as a model.

    A file that is no language model is a ``ModelError``; an architecture without a formula makes a model whose
    ``attention`` is "unknown".
    """
    return model_of(read_gguf(path), path)


def model_of(gguf: Gguf, path: Path) -> Model:
    """The model that a header describes; ``path`` is where it was read."""
    architecture = _architecture(gguf, path)
    keys = Keys(gguf, path, architecture)
    fields = (
        _shape(keys, gguf) | READERS.get(architecture, unknown)(keys) | _params(keys, gguf) | _identity(gguf, path)
    )
    fields |= {"architecture": architecture, "model_type": architecture, "family": architecture}
    try:
        return Model.model_validate(fields)
    except ValidationError as error:
        raise ModelError(complaint(error)[1], where=Where(str(path))) from error


def _architecture(gguf: Gguf, path: Path) -> str:
    where = Where(str(path))
    kind, name = gguf.metadata.get("general.type", "model"), gguf.metadata.get("general.architecture")
    if not isinstance(name, str) or not name:
        raise ModelError("general.architecture is missing", where=where)
    if kind != "model" or name == "clip":
        raise ModelError(f"not a language model: type {quoted(kind)}, architecture {quoted(name)}", where=where)
    if not gguf.tensors:
        raise ModelError("the file holds no tensors", where=where)
    return name


# Shape


def _shape(keys: Keys, gguf: Gguf) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "num_hidden_layers": keys.layers,
        "hidden_size": keys.needed("embedding_length"),
        "num_attention_heads": _widest(keys, "attention.head_count"),
        "intermediate_size": _widest(keys, "feed_forward_length"),
        "vocab_size": _vocabulary(keys, gguf),
        "max_position_embeddings": keys.whole("context_length"),
        "tie_word_embeddings": all(tensor.name != _OUTPUT for tensor in gguf.tensors),
    }
    experts = keys.whole("expert_count", least=0)
    if not experts:
        return fields
    return fields | {
        "num_experts": experts,
        "experts_per_token": keys.needed("expert_used_count", most=experts),
        "shared_experts": keys.whole("expert_shared_count", least=0),
        "moe_intermediate_size": _widest(keys, "expert_feed_forward_length"),
        "first_k_dense_replace": keys.whole("leading_dense_block_count", least=0, most=keys.layers),
    }


def _widest(keys: Keys, name: str) -> int | None:
    """A width that may differ by layer and be 0 in layers without such a block."""
    return max(keys.per_layer(name) or (0,)) or None


def _vocabulary(keys: Keys, gguf: Gguf) -> int | None:
    """Rows of the embedding; in their place what the metadata say."""
    embedding = next((tensor for tensor in gguf.tensors if tensor.name == _EMBEDDINGS[0]), None)
    if embedding is not None and len(embedding.shape) == 2:
        return embedding.shape[1]
    tokens = gguf.metadata.get("tokenizer.ggml.tokens")
    counted = tokens.length if isinstance(tokens, Omitted) else len(tokens) if isinstance(tokens, tuple) else None
    return keys.whole("vocab_size") or counted


# Parameters


def _params(keys: Keys, gguf: Gguf) -> dict[str, Any]:
    learned = [tensor for tensor in gguf.tensors if not tensor.name.startswith(_CONSTANTS)]
    used = [tensor for tensor in learned if group_of(tensor.name, keys.layers) != "mtp"]
    total = _elements(used)
    routed = _elements(tensor for tensor in used if _is_routed(tensor))
    experts, active = keys.whole("expert_count", least=0), keys.whole("expert_used_count", least=0)
    idle = routed - routed * (active or 0) // experts if experts else 0
    return {
        "total_params": total,
        "active_params": total - idle,
        "routed_expert_params": routed,
        "embedding_params": _elements(tensor for tensor in used if tensor.name in _EMBEDDINGS),
        "embedding_note": "counted in the file",
        "params_source": f"{len(gguf.tensors):,} tensors of the file, {gguf.bytes:,} bytes",
        "native_format": _format(gguf),
        "files": "gguf",
        "stored": _stored(used),
    }


def _stored(used: list[Tensor]) -> dict[str, Any]:
    embeddings = (tensor for tensor in used if group_of(tensor.name) in ("embeddings", "head"))
    routed = (tensor for tensor in used if _is_routed(tensor))
    sizes = {"bytes": used, "embeddings": embeddings, "experts": routed}
    return {"sure": "exact"} | {part: sum(tensor.bytes for tensor in tensors) for part, tensors in sizes.items()}


def _is_routed(tensor: Tensor) -> bool:
    """Experts in one tensor, or in one each as files of 2023 have them."""
    return "_exps." in tensor.name or bool(_OLD_EXPERT.search(tensor.name))


_OLD_EXPERT = re.compile(r"\.ffn_(?:gate|up|down)\.[0-9]{1,4}\.")


def _elements(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.elements for tensor in tensors)


def _format(gguf: Gguf) -> str:
    """The name of the mix; without one, the tensor type that takes most of the file."""
    stated = gguf.metadata.get("general.file_type")
    if isinstance(stated, int) and stated in FILE_TYPES:
        return FILE_TYPES[stated]
    sizes: dict[str, int] = {}
    for tensor in gguf.tensors:
        sizes[tensor.dtype] = sizes.get(tensor.dtype, 0) + tensor.bytes
    return max(sizes, key=lambda name: sizes[name]).lower()


def _identity(gguf: Gguf, path: Path) -> dict[str, Any]:
    changed = min(max(path.stat().st_mtime, 0), _LAST_DAY)
    return {
        "id": _PART.sub("", path.stem),
        "on_disk": True,
        "source": tuple(str(path.with_name(file)) for file in gguf.files),
        "checked_on": datetime.datetime.fromtimestamp(changed, tz=datetime.UTC).date(),
    }
