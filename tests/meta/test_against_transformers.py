"""Our parameters and cache bytes against models that transformers builds: shapes on the meta device, caches on a CPU.

Run with ``pytest -m meta tests/meta`` where ``torch`` and ``transformers==5.23.0`` are installed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployadvisor.catalog.families import families
from deployadvisor.catalog.models import Model, models
from deployadvisor.hardware.machine import Unknown
from deployadvisor.sizing.folder import read_folder
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.kv_cache import KvCache, kv_cache
from deployadvisor.sizing.params import count_config, count_params

from .rows import DIFFERENT_CACHES, ROWS, Row

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", "5.23", reason="transformers 5.23 is not installed")

from transformers.models.auto.configuration_auto import CONFIG_MAPPING  # noqa: E402 - after the skip
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING  # noqa: E402 - after the skip

pytestmark = [pytest.mark.meta, pytest.mark.slow]

SHORT, LONG = 256, 512
"""Tokens of the two sequences; both more than any window and whole blocks of every compressor."""


def built(config: Any) -> Any:
    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(config)


def parameters(model: Any) -> int:
    """Tied matrices count once."""
    return sum(parameter.numel() for parameter in model.parameters())


def test_forty_architectures_are_compared() -> None:
    assert len({row.model_type for row in ROWS}) >= 40


@pytest.mark.parametrize("model_type", sorted(name for name, family in families().items() if family.built_in))
def test_what_is_built_in_loads_without_code_of_the_repository(model_type: str, tmp_path: Path) -> None:
    named = {"AutoConfig": "configuration_x.Config", "AutoModelForCausalLM": "modeling_x.Model"}
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type, "auto_map": named}), encoding="utf-8")
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    assert type(config) is CONFIG_MAPPING[model_type]
    assert type(config) in MODEL_FOR_CAUSAL_LM_MAPPING


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_parameters_are_those_of_the_model(row: Row) -> None:
    config = CONFIG_MAPPING[row.model_type](**row.keywords)
    counts = count_config(config.to_dict(), row.model_type)
    assert counts is not None
    assert counts.total == parameters(built(config))


@pytest.mark.parametrize("model_type", sorted({row.model_type for row in ROWS}))
def test_omitted_keys_have_the_defaults_of_the_configuration_class(model_type: str) -> None:
    """What a ``config.json`` leaves out is what the class fills in; no formula for an empty one is no error."""
    counts = count_config({}, model_type)
    assert counts is None or counts == count_config(CONFIG_MAPPING[model_type]().to_dict(), model_type)


# Real sizes

SHAPES = (
    "num_hidden_layers",
    "hidden_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "intermediate_size",
    "vocab_size",
    "tie_word_embeddings",
    "num_experts",
    "moe_intermediate_size",
    "first_k_dense_replace",
)
RENAMED = {"experts_per_token": "num_experts_per_tok", "shared_experts": "n_shared_experts"}
NOT_SAYABLE = frozenset(("granitemoehybrid",))
"""Types whose configuration needs more, or other names, than the catalogue has."""


def one_of_each_type() -> dict[str, Model]:
    """The first catalogue model of every type that both sides count."""
    found: dict[str, Model] = {}
    for model in models().values():
        known = CONFIG_MAPPING[model.model_type] if model.model_type in CONFIG_MAPPING else None  # noqa: SIM401 - get does not see lazy entries
        if known in MODEL_FOR_CAUSAL_LM_MAPPING and model.model_type not in NOT_SAYABLE and is_plain(model):
            found.setdefault(model.model_type, model)
    return found


def is_plain(model: Model) -> bool:
    some_indexers = model.mla is not None and model.mla.index_layers is not None
    return count_params(model.model_dump()) is not None and not (model.vision_params or some_indexers)


def keywords_of(model: Model) -> dict[str, Any]:
    """Fields of the catalogue have the names of ``config.json``, but for the experts."""
    fields = model.model_dump(exclude_none=True)
    keywords = {name: fields[name] for name in SHAPES if name in fields}
    keywords |= {theirs: fields[ours] for ours, theirs in RENAMED.items() if ours in fields}
    for part in (model.mla, model.linear):
        keywords |= part.model_dump(exclude={"index_layers", "kind"}) if part else {}
    if "n_shared_experts" in keywords:
        keywords["n_routed_experts"] = keywords["num_experts"]
        keywords["shared_expert_intermediate_size"] = keywords["n_shared_experts"] * keywords["moe_intermediate_size"]
    if model.model_type == "granitemoe":
        keywords["num_local_experts"] = keywords["num_experts"]
    return keywords | dict(families()[model.model_type].published)


@pytest.mark.parametrize("model", list(one_of_each_type().values()), ids=lambda model: model.id)
def test_catalogue_models_have_their_stated_parameters(model: Model) -> None:
    config = CONFIG_MAPPING[model.model_type](**keywords_of(model))
    assert parameters(built(config)) == model.total_params


# The cache


def expected(row: Row) -> Any:
    reason = DIFFERENT_CACHES.get(row.name)
    return pytest.param(row, id=row.name, marks=[pytest.mark.xfail(reason=reason, strict=True)] if reason else [])


@pytest.mark.parametrize("row", [expected(row) for row in ROWS])
def test_cache_bytes_are_those_of_the_model(row: Row, tmp_path: Path) -> None:
    config = CONFIG_MAPPING[row.model_type](**row.keywords)
    ours = cache_of(config, tmp_path)
    short, long = (cache_bytes(config, tokens) for tokens in (SHORT, LONG))
    growing, rest = divmod(long - short, LONG - SHORT)
    assert rest == 0
    assert (ours.growing_bytes_per_token, ours.fixed_bytes(LONG)) == (growing, long - growing * LONG)


def cache_of(config: Any, folder: Path) -> KvCache:
    """Our reading of the same configuration, saved as a model folder; windows keep one row less in transformers.

    A token attends to itself and ``window - 1`` before it, and transformers stores only the latter.
    """
    (folder / "config.json").write_text(json.dumps(json_value(config.to_dict())), encoding="utf-8")
    cache = kv_cache(geometry_of(read_folder(folder)), "auto")
    assert not isinstance(cache, Unknown), cache.unknown
    rows = (replace(rows, window=rows.window - 1) if rows.window else rows for rows in cache.rows)
    return replace(cache, rows=tuple(rows))


def json_value(value: Any) -> Any:
    """Without infinities, which are no JSON."""
    if isinstance(value, dict):
        return {key: json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    return None if value == float("inf") else value


def cache_bytes(config: Any, tokens: int) -> int:
    """Bytes of the tensors in the cache after a forward pass in bf16; single numbers are counters."""
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).eval()
    with torch.no_grad():
        output = model(torch.arange(tokens)[None], use_cache=True)
    cache = output.cache_params if "cache_params" in output else output.past_key_values
    held = (tensor for tensor in tensors(cache, set()) if tensor.numel() > 1)
    return sum(tensor.numel() * tensor.element_size() for tensor in held)


def tensors(holder: Any, seen: set[int]) -> Iterator[Any]:
    """Every tensor that a cache reaches, once."""
    if id(holder) in seen:
        return
    seen.add(id(holder))
    if isinstance(holder, torch.Tensor):
        yield holder
        return
    for item in items(holder):
        yield from tensors(item, seen)


def items(holder: Any) -> list[Any]:
    if isinstance(holder, (list, tuple)):
        return list(holder)
    if isinstance(holder, dict):
        return list(holder.values())
    is_configuration = isinstance(holder, (type, transformers.PretrainedConfig))
    return [] if is_configuration else list(getattr(holder, "__dict__", {}).values())
