"""Gates: which engine runs on which card, driver, system and model, and the sentence behind each no."""

from __future__ import annotations

import pytest

from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.models import Role, find_model, model_defaults
from deployadvisor.compatibility import Assessment, Demand, assess_role, dtype
from deployadvisor.hardware.spec import machine_from_phrase
from deployadvisor.site import site_of

DEMAND = Demand(context_tokens=8192, average_tokens=1256, peak_concurrency=8)


def assess(
    role: Role, hardware: str, model: str = "Qwen/Qwen3-8B", os: str | None = "linux"
) -> dict[str, Assessment]:
    return assess_role(role, find_model(model), site_of(machine_from_phrase(hardware), os), DEMAND)


@pytest.mark.parametrize(
    ("engine", "hardware", "model", "attribute", "text"),
    [
        ("vllm", "1x V100 32GB", "Qwen/Qwen3-8B", "its_gpu", "starts at compute capability 7.5"),
        (
            "vllm",
            "8x Gaudi 3",
            "Qwen/Qwen3-8B",
            "its_platform",
            "has no build for habana, the software that Intel Gaudi 3",
        ),
        ("vllm", "2x RX 6800", "Qwen/Qwen3-8B", "its_gpu", "has kernels for gfx90a, gfx942"),
        ("vllm", "1x A100", "baichuan-inc/Baichuan2-7B-Chat", "its_model", "was dropped after 0.23.0"),
        ("vllm", "M3 Max 64GB", "Qwen/Qwen3-8B", "its_platform", "not on macos"),
        ("vllm", "cpu 64GB", "Qwen/Qwen3-8B", "its_platform", "no accelerator here"),
        ("lmdeploy", "8x MI300X", "Qwen/Qwen3-8B", "its_platform", "not on AMD Instinct MI300X"),
        ("lmdeploy", "8x Ascend 910B", "Qwen/Qwen3-8B", "its_platform", "no ascend image"),
        ("vllm", "1x RTX 4090", "meta-llama/Llama-3.3-70B-Instruct", "its_fit", "GiB of weights"),
    ],
)
def test_a_no_says_why(engine: str, hardware: str, model: str, attribute: str, text: str) -> None:
    found = assess("serve", hardware, model)[engine]
    assert found.attributes[attribute] == "no"
    assert text in (found.explain(attribute) or "")


def test_only_engines_made_for_a_role_stand_for_it() -> None:
    for role in ("serve", "desktop", "cpu", "lab"):
        assert set(assess(role, "1x H100")) == {name for name, engine in engines().items() if role in engine.roles}


def test_a_card_of_its_own_does_not_settle_the_system_but_the_desktop_runners_take_both() -> None:
    assert "its_platform" not in assess("serve", "1x RTX 4090", os=None)["vllm"].attributes
    assert assess("desktop", "1x RTX 4090", os=None)["ollama"].attributes["its_platform"] == "yes"


def test_memory_that_is_not_known_is_not_a_fit() -> None:
    found = assess("cpu", "none")["llama_cpp"]
    assert "its_fit" not in found.attributes
    assert found.fit is None


@pytest.mark.parametrize(("hardware", "expected"), [("1x V100", "half"), ("1x T4", "half"), ("1x A100", None)])
def test_half_precision_is_forced_where_there_is_no_bf16(hardware: str, expected: str | None) -> None:
    cards = site_of(machine_from_phrase(hardware)).cards
    assert dtype(engines()["lmdeploy"], find_model("Qwen/Qwen3-8B"), cards) == expected


def test_average_requests_are_planned_and_at_least_one_full_one() -> None:
    assert Demand(8192, 1000, 8).full_sequences(8192) == 1
    assert Demand(8192, 1000, 64).full_sequences(8192) == 8
    assert Demand(8192, 20_000, 3).full_sequences(8192) == 3


def test_a_family_served_one_request_at_a_time_does_not_hold_several() -> None:
    """Ollama's scheduler forces one slot for hybrid families, whatever OLLAMA_NUM_PARALLEL says."""
    several = assess("desktop", "1x H100", "Qwen/Qwen3.5-9B")["ollama"]
    assert several.attributes["its_fit"] == "no"
    assert several.details["its_fit"] == "serves Qwen3.5 one request at a time, 8 are in flight"
    site = site_of(machine_from_phrase("1x H100"), "linux")
    alone = Demand(context_tokens=8192, average_tokens=1256, peak_concurrency=1)
    one = assess_role("desktop", find_model("Qwen/Qwen3.5-9B"), site, alone)["ollama"]
    assert one.attributes["its_fit"] == "yes"


@pytest.mark.parametrize(
    ("model", "runs"),
    [
        ("Qwen/Qwen3-8B", {"ollama", "llama_cpp", "textgen"}),
        ("bartowski/vicuna-7b-v1.5-GGUF", {"ollama", "llama_cpp", "textgen"}),
        ("lmsys/vicuna-7b-v1.5", set()),
    ],
)
def test_engines_of_gguf_files_need_a_place_where_there_are_some(model: str, runs: set[str]) -> None:
    found = assess("desktop", "1x RTX 4090", model)
    assert {name for name, one in found.items() if one.attributes["its_model"] == "yes"} == runs
    if not runs:
        assert "none are known of lmsys/vicuna-7b-v1.5; name a .gguf file" in (
            found["ollama"].explain("its_model") or ""
        )


def test_a_folder_of_safetensors_is_for_ollama_alone_among_the_desktop_runners() -> None:
    model = find_model("lmsys/vicuna-7b-v1.5").model_copy(update={"on_disk": True})
    found = assess_role("desktop", model, site_of(machine_from_phrase("1x RTX 4090"), "linux"), DEMAND)
    assert {name: one.attributes["its_model"] for name, one in found.items()} == {
        "ollama": "yes",
        "llama_cpp": "no",
        "textgen": "no",
    }
    assert "a folder of safetensors" in (found["llama_cpp"].explain("its_model") or "")


def test_every_model_that_is_planned_unasked_for_a_desktop_has_gguf_files() -> None:
    planned = {name for row in model_defaults() if row.role in ("desktop", "cpu") for name in row.models}
    assert planned
    assert {name for name in planned if not find_model(name).gguf} == set()
