"""Repositories of another publisher's model are read from their names, and only so far as these say."""

from __future__ import annotations

import pytest

from deployadvisor.catalog.models import find_model, models
from deployadvisor.catalog.precisions import precisions
from deployadvisor.catalog.republished import padded, publishers, readings, republications
from deployadvisor.errors import ModelError

REQUANTISED = {
    "Qwen/Qwen2.5-7B-Instruct-AWQ": ("Qwen/Qwen2.5-7B-Instruct", "int4"),
    "Qwen/Qwen2.5-32B-Instruct-GPTQ-Int4": ("Qwen/Qwen2.5-32B-Instruct", "int4"),
    "Qwen/Qwen2.5-7B-Instruct-GPTQ-Int8": ("Qwen/Qwen2.5-7B-Instruct", "int8_g128"),
    "Qwen/Qwen3-32B-FP8": ("Qwen/Qwen3-32B", "fp8_block"),
    "RedHatAI/Qwen3-32B-FP8": ("Qwen/Qwen3-32B", "fp8"),
    "zai-org/GLM-5-FP8": ("zai-org/GLM-5", "fp8_block"),
    "hugging-quants/Meta-Llama-3.1-70B-Instruct-AWQ-INT4": ("meta-llama/Llama-3.1-70B-Instruct", "int4"),
    "neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8": ("meta-llama/Llama-3.1-8B-Instruct", "fp8"),
    "RedHatAI/gemma-3-27b-it-quantized.w4a16": ("google/gemma-3-27b-it", "int4"),
    "RedHatAI/Llama-3.3-70B-Instruct-quantized.w8a8": ("meta-llama/Llama-3.3-70B-Instruct", "int8"),
    "redhatai/qwen3-8b-fp8-DYNAMIC": ("Qwen/Qwen3-8B", "fp8"),
    "nvidia/Llama-3.3-70B-Instruct-NVFP4": ("meta-llama/Llama-3.3-70B-Instruct", "nvfp4"),
    "unsloth/Qwen3-8B-bnb-4bit": ("Qwen/Qwen3-8B", "bnb_nf4"),
    "unsloth/Qwen3-8B": ("Qwen/Qwen3-8B", "bf16"),
}


@pytest.mark.parametrize("name", REQUANTISED)
def test_the_name_says_model_and_format(name: str) -> None:
    original, native_format = REQUANTISED[name]
    model = find_model(name)
    assert (model.id, model.base, model.native_format) == (name, original, native_format)
    assert model.total_params == models()[original].total_params
    assert model.source[0].endswith(f"all else as {original}")


@pytest.mark.parametrize("model", ["Qwen2-72B", "Qwen2.5-72B", "Qwen2-VL-72B", "Qwen2.5-VL-72B"])
@pytest.mark.parametrize("ending", ["AWQ", "GPTQ-Int4", "GPTQ-Int8"])
def test_qwen_pads_its_own_quantised_models(model: str, ending: str) -> None:
    original, found = models()[f"Qwen/{model}-Instruct"], find_model(f"qwen/{model}-Instruct-{ending}")
    assert (original.intermediate_size, found.intermediate_size) == (29568, 29696)
    assert original.total_params is not None
    assert found.total_params == original.total_params + 80 * 3 * 8192 * (29696 - 29568)
    assert "29696" in str(found.source) or "config.json" in str(found.source)


@pytest.mark.parametrize(
    "name", ["RedHatAI/Qwen2.5-72B-Instruct-AWQ", "Qwen/Qwen2.5-72B-Instruct-FP8", "unsloth/Qwen2.5-72B-Instruct"]
)
def test_nobody_else_and_nothing_else_is_padded(name: str) -> None:
    assert find_model(name).intermediate_size == 29568


def test_what_is_padded_is_a_model_and_an_ending_of_the_catalogue() -> None:
    assert set(padded()) <= set(models())
    assert {ending for entry in padded().values() for ending in entry.republished} <= set(republications())


def test_a_gguf_repository_is_the_model_with_files_there() -> None:
    model = find_model("bartowski/Qwen2.5-7B-Instruct-GGUF")
    assert model.id == "Qwen/Qwen2.5-7B-Instruct"
    assert model.gguf is not None
    assert model.gguf.repo == "bartowski/Qwen2.5-7B-Instruct-GGUF"


def test_the_catalogues_own_gguf_repository_names_its_model() -> None:
    assert find_model("Qwen/Qwen3-8B-GGUF") is models()["Qwen/Qwen3-8B"]


@pytest.mark.parametrize(
    "name",
    [
        "somebody/Qwen3-8B-AWQ",
        "somebody/Qwen3-8B",
        "Qwen3-8B-AWQ",
        "Qwen/Qwen2.5-7B-AWQ",
        "unsloth/Qwen3-8B-unsloth-bnb-4bit",
        "Qwen/Qwen3-8B-abliterated",
        "unsloth/-AWQ",
        "/",
        "",
    ],
)
def test_other_names_are_unknown(name: str) -> None:
    with pytest.raises(ModelError):
        find_model(name)


def test_an_entry_of_its_own_comes_first() -> None:
    assert find_model("nvidia/Qwen3.6-27B-NVFP4") is models()["nvidia/Qwen3.6-27B-NVFP4"]


def test_every_format_can_be_sized() -> None:
    formats = {entry.native_format for entry in republications().values()} - {None}
    assert formats <= set(precisions())


def test_no_ending_is_read_two_ways() -> None:
    entries = [entry for entry in republications().values() if not entry.repositories]
    endings = [ending.casefold() for entry in entries for ending in entry.endings]
    assert len(endings) == len(set(endings))
    assert endings[-1] == ""


def test_what_an_ending_means_for_some_repositories_is_tried_first() -> None:
    found = [reading.republication.id for reading in readings("Qwen/Qwen3-8B-FP8")]
    assert found[0] == "fp8-of-blocks"
    assert "fp8" in found
    assert next(readings("unsloth/Qwen3-8B-FP8")).republication.id == "fp8"


def test_publishers_are_compared_without_case() -> None:
    assert "redhatai" in publishers()
    assert [reading.original for reading in readings("REDHATAI/Phi-4-FP8")][:2] == ["REDHATAI/Phi-4", "Phi-4"]
