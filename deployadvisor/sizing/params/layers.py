"""What each layer is made of: its mixer, its feed-forward block and the shapes that only it has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import repeat
from typing import Any, NamedTuple

from deployadvisor.catalog.families import Family
from deployadvisor.sizing.params.shape import NoFormulaError, Shape

_MAX_LAYERS = 1_000
_LETTERS = {"M": "linear_attention", "*": "full_attention", "-": "mlp", "E": "moe"}
_NUMBERS = {
    "attn_type_list": {0: "linear_attention", 1: "full_attention"},
    "hybrid_layer_pattern": {0: "full_attention", 1: "sliding_attention"},
    "sparse_attention_freq": {0: "full_attention", 1: "minimax_m3_sparse"},
    "compress_ratios": {
        0: "sliding_attention",
        4: "compressed_sparse_attention",
        128: "heavily_compressed_attention",
    },
}
_COUNTED = {
    "linear_attention": "linear_or_ssm_layers",
    "sliding_attention": "sliding_layers",
    "minimax_m3_sparse": "index_layers",
}
_SAME_KIND = {"mamba": "linear_attention", "attention": "full_attention"}
_SPARSE = {"dense": "dense", "sparse": "sparse", "moe": "sparse", "hash_moe": "sparse"}

Own = tuple[tuple[str, Any], ...]
"""Values of one layer that differ from those of the configuration."""


class Layer(NamedTuple):
    """One layer; equal layers have the same parameters."""

    kind: str
    mixer: str
    feed_forward: str
    own: Own = ()


def layers_of(shape: Shape, family: Family) -> dict[Layer, int]:
    """All layers, and how many there are of each."""
    kinds = _kinds(shape, family)
    feed_forwards = _feed_forwards(shape, family, kinds)
    numbers = Counter(zip(kinds, feed_forwards, _own(shape, family, kinds), strict=False))
    return {
        Layer(kind, _mixer(family, kind), feed_forward, own): number
        for (kind, feed_forward, own), number in numbers.items()
    }


def prediction_layer(shape: Shape, family: Family) -> Layer:
    """The layer that multi-token prediction adds: full attention, and experts where the model has them."""
    kind = "full_attention"
    return Layer(kind, _mixer(family, kind), "sparse" if shape.get("num_experts") else "dense")


def _mixer(family: Family, kind: str) -> str:
    if not family.mixers:
        return family.mixer
    if kind not in family.mixers:
        raise NoFormulaError(kind)
    return family.mixers[kind]


# Kinds of layers


def _kinds(shape: Shape, family: Family) -> list[str]:
    total = _number_of_layers(shape, family)
    if not (family.mixers or family.kind_keys):
        return ["full_attention"] * total
    for read in _KIND_SOURCES:
        if kinds := read(shape, total):
            return kinds
    raise NoFormulaError("layer_types")


def _number_of_layers(shape: Shape, family: Family) -> int:
    listed = shape.get("hybrid_override_pattern") or shape.get("layers_block_type")
    total = len(listed) if family.feed_forwards and listed else shape.count("num_hidden_layers")
    if not 0 < total <= _MAX_LAYERS:
        raise NoFormulaError("num_hidden_layers")
    return total


def _named(key: str) -> Callable[[Shape, int], list[str] | None]:
    def read(shape: Shape, total: int) -> list[str] | None:
        names = shape.items(key, total)
        return names and [_SAME_KIND.get(name, str(name)) for name in names]

    return read


def _lettered(shape: Shape, total: int) -> list[str] | None:
    letters = shape.items("hybrid_override_pattern", total)
    return letters and [_translated(_LETTERS, letter) for letter in letters]


def _numbered(key: str) -> Callable[[Shape, int], list[str] | None]:
    def read(shape: Shape, total: int) -> list[str] | None:
        numbers = shape.items(key, total)
        return numbers and [_translated(_NUMBERS[key], number) for number in numbers]

    return read


def _translated(names: dict[Any, str], value: object) -> str:
    if not isinstance(value, (str, int)) or value not in names:
        raise NoFormulaError(str(value))
    return names[value]


def _listed(key: str) -> Callable[[Shape, int], list[str] | None]:
    def read(shape: Shape, total: int) -> list[str] | None:
        full = shape.get(key)
        return _full_where([i in full for i in range(total)]) if isinstance(full, list) else None

    return read


def _periodic(shape: Shape, total: int) -> list[str] | None:
    period, offset = shape.get("attn_layer_period"), shape.get("attn_layer_offset")
    if not (_is_positive(period) and isinstance(offset, int)):
        return None
    return _full_where([i % period == offset for i in range(total)])


def _every(key: str, others: str) -> Callable[[Shape, int], list[str] | None]:
    def read(shape: Shape, total: int) -> list[str] | None:
        interval = shape.get(key)
        if not _is_positive(interval):
            return None
        return _full_where([(i + 1) % interval == 0 for i in range(total)], others)

    return read


def _counted(shape: Shape, total: int) -> list[str] | None:
    """The catalogue knows how many layers of each kind there are, not where."""
    others = {kind: shape.get(key) for kind, key in _COUNTED.items() if shape.get(key)}
    if len(others) != 1:
        return None
    ((kind, count),) = others.items()
    if shape.count("full_attention_layers", total - count) != total - count:
        raise NoFormulaError("full_attention_layers")
    return ["full_attention"] * (total - count) + [kind] * count


def _full_where(full: list[bool], others: str = "linear_attention") -> list[str]:
    return ["full_attention" if is_full else others for is_full in full]


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


_KIND_SOURCES: tuple[Callable[[Shape, int], list[str] | None], ...] = (
    _named("layer_types"),
    _named("layers_block_type"),
    _lettered,
    *(_numbered(key) for key in _NUMBERS),
    _listed("full_attn_idxs"),
    _listed("attn_layer_indices"),
    _counted,
    _periodic,
    _every("full_attention_interval", "linear_attention"),
    _every("sliding_window_pattern", "sliding_attention"),
)


# Feed-forward blocks


def _feed_forwards(shape: Shape, family: Family, kinds: list[str]) -> list[str]:
    if family.feed_forwards:
        return [family.feed_forwards.get(kind, "none") for kind in kinds]
    if not shape.get("num_experts"):
        return [_feed_forward_without_experts(family)] * len(kinds)
    for key, read in _SPARSE_SOURCES:
        if shape.get(key) is not None:
            return read(shape, len(kinds))
    return ["sparse"] * len(kinds)


def _feed_forward_without_experts(family: Family) -> str:
    recurrent_only = family.mixer in {"mamba1", "mamba2"} and not family.mixers
    return "none" if recurrent_only else "dense"


def _by_name(shape: Shape, total: int) -> list[str]:
    return [_translated(_SPARSE, name) for name in shape.items("mlp_layer_types", total) or ()]


def _by_flag(shape: Shape, total: int) -> list[str]:
    """``moe_layer_freq`` is a flag a layer, or DeepSeek's number, which is 1 in every model."""
    flags = shape.get("moe_layer_freq")
    if flags == 1:
        return _after_dense(shape, total)
    if not isinstance(flags, list) or len(flags) < total:
        raise NoFormulaError("moe_layer_freq")
    return _sparse_where([bool(flag) for flag in flags[:total]])


def _by_index(shape: Shape, total: int) -> list[str]:
    listed = shape.get("moe_layers")
    if not isinstance(listed, list):
        raise NoFormulaError("moe_layers")
    return _sparse_where([i in listed for i in range(total)])


def _by_text(shape: Shape, total: int) -> list[str]:
    listed = {part.strip() for part in str(shape.get("moe_layers_enum")).split(",")}
    return _sparse_where([str(i) in listed for i in range(total)])


def _by_interleave(shape: Shape, total: int) -> list[str]:
    step = shape.count("interleave_moe_layer_step") or 1
    return _sparse_where([(i + 1) % step == 0 for i in range(total)])


def _by_period(shape: Shape, total: int) -> list[str]:
    period, offset = shape.count("expert_layer_period") or 1, shape.count("expert_layer_offset")
    return _sparse_where([i % period == offset for i in range(total)])


def _by_step(shape: Shape, total: int) -> list[str]:
    step, dense = shape.count("decoder_sparse_step") or 1, shape.get("mlp_only_layers") or []
    if not isinstance(dense, list):
        raise NoFormulaError("mlp_only_layers")
    return _sparse_where([i not in dense and (i + 1) % step == 0 for i in range(total)])


def _by_range(shape: Shape, total: int) -> list[str]:
    """Ernie 4.5: every ``moe_layer_interval`` layers between a first and a last; -1 means the last of all."""
    first, last = shape.get("moe_layer_start_index"), shape.get("moe_layer_end_index")
    step = shape.count("moe_layer_interval") or 1
    if not isinstance(first, int) or not isinstance(last, int):
        raise NoFormulaError("moe_layer_start_index")
    last = total - 1 if last == -1 else last
    return _sparse_where([(i + 1) % step == 0 and first <= i <= last for i in range(total)])


def _after_dense(shape: Shape, total: int) -> list[str]:
    dense = shape.count("first_dense", 0)
    return _sparse_where([i >= dense for i in range(total)])


def _sparse_where(sparse: list[bool]) -> list[str]:
    return ["sparse" if is_sparse else "dense" for is_sparse in sparse]


# The first key that is present decides.
_SPARSE_SOURCES: tuple[tuple[str, Callable[[Shape, int], list[str]]], ...] = (
    ("mlp_layer_types", _by_name),
    ("moe_layers_enum", _by_text),
    ("moe_layers", _by_index),
    ("moe_layer_freq", _by_flag),
    ("interleave_moe_layer_step", _by_interleave),
    ("expert_layer_period", _by_period),
    ("moe_layer_start_index", _by_range),
    ("decoder_sparse_step", _by_step),
    ("first_dense", _after_dense),
)


# Shapes of single layers


_OWN_KEYS = ("per_layer_config", "num_attention_heads_per_layer", "num_kv_shared_layers", "index_n_heads")


def _own(shape: Shape, family: Family, kinds: list[str]) -> Iterable[Own]:
    listed = any(shape.get(key) for key in _OWN_KEYS) or isinstance(shape.get("intermediate_size"), list)
    if not (listed or family.kind_keys or family.values_are_keys):
        return repeat(())
    own: list[dict[str, Any]] = [_own_by_kind(shape, family, kind) for kind in kinds]
    _add_listed(own, shape)
    _add_shared_cache(own, shape)
    _add_indexers(own, shape, kinds)
    return [tuple(values.items()) for values in own]


def _own_by_kind(shape: Shape, family: Family, kind: str) -> dict[str, Any]:
    keys = family.kind_keys.get(kind, {})
    own = {ours: value for ours, key in keys.items() if (value := _value(shape, key)) is not None}
    return own | {"kv_projections": 1} if kind in family.values_are_keys else own


def _value(shape: Shape, key: str) -> Any:
    """The value of ``key``, or of ``part`` in the mapping ``key`` where the name is ``key.part``."""
    outer, _, part = key.partition(".")
    value = shape.get(outer)
    return value.get(part) if part and value is not None else value


def _add_listed(own: list[dict[str, Any]], shape: Shape) -> None:
    """What configurations of transformers 5 say of single layers."""
    for index, values in (shape.get("per_layer_config") or {}).items():
        own[int(index)].update(values)
    for key in ("num_attention_heads", "intermediate_size"):
        listed = shape.get("num_attention_heads_per_layer" if key == "num_attention_heads" else key)
        if isinstance(listed, list):
            for values, value in zip(own, listed, strict=True):
                values[key] = value


def _add_shared_cache(own: list[dict[str, Any]], shape: Shape) -> None:
    """Gemma 3n and 4: the last layers use the keys and values of earlier ones."""
    shared = shape.count("num_kv_shared_layers", 0)
    if shared > len(own):
        raise NoFormulaError("num_kv_shared_layers")
    wide = 2 * shape.count("intermediate_size") if shape.on("use_double_wide_mlp") else None
    for values in own[len(own) - shared :]:
        values["kv_projections"] = 0
        if wide:
            values["intermediate_size"] = wide


def _add_indexers(own: list[dict[str, Any]], shape: Shape, kinds: list[str]) -> None:
    """GLM-5.2: only some layers have an indexer, the others use its choice; in MiniMax-M3 the kind says which."""
    if not shape.get("index_n_heads"):
        return
    for values, kind, has_indexer in zip(own, kinds, _indexers(shape, len(own)), strict=False):
        if not has_indexer and kind != "minimax_m3_sparse":
            values["index_n_heads"] = 0


def _indexers(shape: Shape, total: int) -> list[bool]:
    if modes := shape.items("indexer_types", total) or shape.items("index_topk_pattern", total):
        return [mode in {"full", "F"} for mode in modes]
    if (count := shape.get("index_layers")) is not None:
        return [i < count for i in range(total)]
    step, offset = shape.count("index_topk_freq", 1) or 1, shape.count("index_skip_topk_offset", 2)
    return [max(i - offset + 1, 0) % step == 0 for i in range(total)]
