"""``config.json`` files that mean harm: refused in bounded time and memory, whatever they hold."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.errors import DeployAdvisorError
from deployadvisor.hardware.machine import Unknown
from deployadvisor.sizing.folder import read_folder
from deployadvisor.sizing.geometry import geometry_of
from deployadvisor.sizing.kv_cache import kv_cache
from deployadvisor.sizing.weights import weight_bytes

from .test_folder import GEMMA3, LLAMA, NEMOTRON, QWEN35, write
from .test_folder_published import GEMMA3_4B, LLAVA, STATES

MIB = 2**20
MOST = 16 * MIB


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "my-model"


def with_raw(folder: Path, field: str, value: str) -> Path:
    """A model with a field of this JSON text."""
    write(folder, LLAMA)
    rest = json.dumps({key: each for key, each in LLAMA.items() if key != field})
    (folder / "config.json").write_text(f'{rest[:-1]}, "{field}": {value}}}', encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('"' + "a" * MOST + '"', "more than 16,777,216 bytes"),
        ("[" + "[]," * (5 * MIB) + "1]", "more than 200,000 values"),
        ("[" + "[]," * 300_000 + "1]", "more than 200,000 values"),
        ("[" * 500_000 + "]" * 500_000, "nested deeper than 40 levels"),
        ("[" * 100 + "]" * 100, "nested deeper than 40 levels"),
        ("9" * 100_000, "not valid JSON: Exceeds the limit"),
    ],
    ids=["bytes", "lists", "values", "very deep", "deep", "digits"],
)
def test_too_much_is_refused(folder: Path, value: str, message: str) -> None:
    with pytest.raises(DeployAdvisorError, match=message):
        read_folder(with_raw(folder, "unused", value))


@pytest.mark.parametrize(
    "value", ['"' + "\\n" * (MOST // 3) + '"', '"' + "a" * (MOST - 1000) + '"', "\n" * MIB + "1"]
)
def test_a_large_file_takes_no_more_than_a_few_times_its_bytes(folder: Path, value: str) -> None:
    with_raw(folder, "unused", value)
    tracemalloc.start()
    try:
        read_folder(folder)
        assert tracemalloc.get_traced_memory()[1] < 10 * MOST
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("field", ["layers_block_type", "layer_types"])
def test_a_list_of_too_many_layers_is_refused(folder: Path, field: str) -> None:
    config = {key: value for key, value in NEMOTRON.items() if key != "num_hidden_layers"}
    with pytest.raises(DeployAdvisorError, match="num_hidden_layers must be from 1 to 1,000, not 50000"):
        read_folder(write(folder, config | {field: ["mamba"] * 50_000}))


@pytest.mark.parametrize("digits", [10, 300, 4000])
@pytest.mark.parametrize("field", ["num_hidden_layers", "hidden_size", "intermediate_size", "num_key_value_heads"])
def test_a_huge_number_is_refused_in_one_short_line(folder: Path, field: str, digits: int) -> None:
    with pytest.raises(DeployAdvisorError) as caught:
        read_folder(with_raw(folder, field, "9" * digits))
    assert field in caught.value.message
    assert len(caught.value.message) < 200


@pytest.mark.parametrize(
    "pattern",
    [
        "(" * MIB,
        "layers.1" + "." * MIB,
        "(a|_proj" * 200_000,
        "layers." * 200_000 + "x",
        "_proj" * 200_000,
        "re:(.*)*" * 200_000,
    ],
)
def test_a_long_pattern_of_modules_is_not_searched(folder: Path, pattern: str) -> None:
    section = {"quant_method": "fp8", "ignore": [pattern], "quantized_layers": {pattern: {"quant_algo": "FP8"}}}
    model = read_folder(write(folder, LLAMA | {"quantization_config": section}))
    assert model.stored is not None
    assert model.stored.sure == "bound"


# Anything, where lists and nested parts stand

_WORDS = st.sampled_from(
    ["attention", "mamba", "moe", "full_attention", "sliding_attention", "linear_attention", "?"]
)
_NUMBERS = st.integers(-(10**20), 10**20) | st.sampled_from([float("inf"), float("nan"), 1e308, True, None, "8"])
_VALUES = st.recursive(
    _WORDS | _NUMBERS,
    lambda inner: st.lists(inner, max_size=70) | st.dictionaries(_WORDS, inner, max_size=3),
    max_leaves=80,
)
_NAMES = (
    "layers_block_type layer_types num_hidden_layers intermediate_size num_experts moe_intermediate_size attn_config "
    "num_heads hidden_size n_embed num_nextn_predict_layers mtp_num_hidden_layers expert_dtype quantization_config "
    "text_config time_step_limit expand state_size n_groups attention_types model_type"
)
_FIELDS = st.sampled_from(_NAMES.split())
_CONFIGS = [
    LLAMA,
    NEMOTRON,
    GEMMA3,
    QWEN35,
    GEMMA3_4B,
    LLAVA,
    *({"model_type": name, "expand": 2, "conv_kernel": 4, **shape} for name, shape in STATES.items()),
    LLAMA | {"model_type": "mpt"},
]


def _changed(config: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    nested = config.get("text_config")
    inner = {"text_config": {**nested, **changes}} if isinstance(nested, dict) else {}
    return config | changes | inner


@settings(max_examples=250, deadline=None)
@given(
    config=st.sampled_from(_CONFIGS),
    changes=st.dictionaries(_FIELDS, _VALUES, min_size=1, max_size=3),
    without=st.sets(_FIELDS, max_size=2),
)
def test_lists_and_nested_parts_of_anything_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, config: dict[str, Any], changes: dict[str, Any], without: set[str]
) -> None:
    fields = {key: value for key, value in _changed(config, changes).items() if key not in without}
    folder = write(tmp_path_factory.getbasetemp() / "any-lists", fields)
    with contextlib.suppress(DeployAdvisorError):
        shape = geometry_of(read_folder(folder))
        weights, cache = weight_bytes(shape, shape.native_format), kv_cache(shape)
        assert isinstance(weights, Unknown) or weights.value > 0
        assert isinstance(cache, Unknown) or cache.fixed_bytes() >= 0
