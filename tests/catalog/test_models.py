"""Models: enough of them to size, geometry that is consistent, names that find them, and defaults free to use."""

from __future__ import annotations

from collections import Counter

import pytest
from pydantic import ValidationError

from deployadvisor.catalog.models import Model, find_model, model_defaults, models
from deployadvisor.errors import ModelError

SIZED = [model for model in models().values() if model.attention != "unknown"]

NAMES = {
    "qwen3-8b": "Qwen/Qwen3-8B",
    "Qwen3 8B": "Qwen/Qwen3-8B",
    "qwen3:8b": "Qwen/Qwen3-8B",
    "qwen/qwen3-8b": "Qwen/Qwen3-8B",
    "Qwen2.5-7B": "Qwen/Qwen2.5-7B-Instruct",
    "llama-3.1-8b": "meta-llama/Llama-3.1-8B-Instruct",
    "Meta-Llama-3.1-8B-Instruct": "meta-llama/Llama-3.1-8B-Instruct",
    "Llama 3.3 70B": "meta-llama/Llama-3.3-70B-Instruct",
    "mistral 7b": "mistralai/Mistral-7B-Instruct-v0.3",
    "gpt-oss-20b": "openai/gpt-oss-20b",
    "gemma-3-27b": "google/gemma-3-27b-it",
    "phi4": "microsoft/phi-4",
    "deepseek-v3": "deepseek-ai/DeepSeek-V3",
    "baichuan2-7b": "baichuan-inc/Baichuan2-7B-Chat",
    "internlm2.5-7b": "internlm/internlm2_5-7b-chat",
    "kimi k2": "moonshotai/Kimi-K2-Instruct",
}


def test_at_least_sixty_models_can_be_sized() -> None:
    assert len(SIZED) >= 60


@pytest.mark.parametrize("model", models().values(), ids=lambda model: model.id)
def test_every_name_finds_its_own_entry(model: Model) -> None:
    for name in (model.id, model.id.partition("/")[2], *model.aliases):
        assert find_model(name) is model
        assert find_model(name.upper()) is model


@pytest.mark.parametrize("name", sorted(NAMES))
def test_names_that_people_type(name: str) -> None:
    assert find_model(name).id == NAMES[name]


def test_a_misspelt_name_suggests_the_nearest() -> None:
    with pytest.raises(ModelError) as caught:
        find_model("Qwen/Qwen3-8b-instrukt")
    assert caught.value.suggestion is not None
    assert caught.value.suggestion.startswith("Qwen/Qwen3")
    assert len(caught.value.allowed) == len(models())


@pytest.mark.parametrize("model", SIZED, ids=lambda model: model.id)
def test_geometry_is_complete(model: Model) -> None:
    assert model.num_hidden_layers
    assert model.hidden_size
    assert model.num_attention_heads
    assert model.vocab_size
    assert model.max_position_embeddings
    assert model.tie_word_embeddings is not None
    assert model.total_params
    assert model.embedding_params
    if model.mla is None:
        assert model.head_dim
        assert model.num_key_value_heads


@pytest.mark.parametrize("model", SIZED, ids=lambda model: model.id)
def test_parameters_add_up(model: Model) -> None:
    assert model.total_params is not None
    parts = (model.embedding_params or 0) + (model.routed_expert_params or 0) + (model.vision_params or 0)
    assert parts < model.total_params
    assert (model.active_params or 0) <= model.total_params - (model.vision_params or 0)
    if model.num_experts and model.active_params:
        assert model.routed_expert_params
        assert model.active_params < model.total_params


@pytest.mark.parametrize("model", SIZED, ids=lambda model: model.id)
def test_windowed_models_state_their_layers(model: Model) -> None:
    if model.attention in ("gqa_swa", "chunked"):
        assert model.sliding_window or model.attention_chunk_size
        assert model.sliding_layers
        assert model.full_attention_layers is not None
    if model.attention == "hybrid_linear":
        assert model.full_attention_layers
        assert model.linear_or_ssm_layers


@pytest.mark.parametrize(
    ("model_id", "architecture", "model_type"),
    [
        ("baichuan-inc/Baichuan2-7B-Chat", "BaichuanForCausalLM", "baichuan"),
        ("baichuan-inc/Baichuan2-13B-Chat", "BaichuanForCausalLM", "baichuan"),
        ("internlm/internlm2_5-7b-chat", "InternLM2ForCausalLM", "internlm2"),
        ("internlm/internlm2-chat-20b", "InternLM2ForCausalLM", "internlm2"),
        ("internlm/internlm3-8b-instruct", "InternLM3ForCausalLM", "internlm3"),
    ],
)
def test_models_with_code_of_their_own_are_not_taken_for_llama(
    model_id: str, architecture: str, model_type: str
) -> None:
    model = models()[model_id]
    assert (model.architecture, model.model_type, model.trust_remote_code) == (architecture, model_type, True)


@pytest.mark.parametrize(
    ("model_id", "layers", "hidden", "inner", "billions"),
    [
        ("baichuan-inc/Baichuan2-7B-Chat", 32, 4096, 11008, 7.5),
        ("baichuan-inc/Baichuan2-13B-Chat", 40, 5120, 13696, 13.9),
    ],
)
def test_baichuan2_counts_to_its_published_size(
    model_id: str, layers: int, hidden: int, inner: int, billions: float
) -> None:
    """Packed query-key-value and output projections, three feed-forward matrices, two norms, untied embeddings."""
    model = models()[model_id]
    layer = 4 * hidden**2 + 3 * hidden * inner + 2 * hidden
    assert model.vocab_size == 125696
    assert model.total_params == layers * layer + hidden + 2 * 125696 * hidden
    assert model.total_params / 1e9 == pytest.approx(billions, abs=0.05)


@pytest.mark.parametrize(
    ("model_id", "native_format"),
    [
        ("deepseek-ai/DeepSeek-V3", "fp8_block"),
        ("openai/gpt-oss-120b", "mxfp4"),
        ("moonshotai/Kimi-K2.5", "int4_experts"),
        ("nvidia/Qwen3.6-27B-NVFP4", "nvfp4"),
        ("Qwen/Qwen3-8B", "bf16"),
    ],
)
def test_native_format(model_id: str, native_format: str) -> None:
    assert models()[model_id].native_format == native_format


@pytest.mark.parametrize("model", models().values(), ids=lambda model: model.id)
def test_every_entry_says_where_and_when_it_was_read(model: Model) -> None:
    assert all(model.source)
    assert model.params_source
    assert model.checked_on.isoformat() == "2026-11-22"


@pytest.mark.parametrize("model", models().values(), ids=lambda model: model.id)
def test_every_licence_is_stated_and_its_conditions_explained(model: Model) -> None:
    assert model.licence
    if model.commercial_use != "yes":
        assert model.licence_note
    if model.licence in ("apache-2.0", "mit"):
        assert model.commercial_use == "yes"


@pytest.mark.parametrize("model", models().values(), ids=lambda model: model.id)
def test_a_quality_class_names_its_measurement(model: Model) -> None:
    if model.quality_basis:
        assert model.quality_basis.startswith(("Artificial Analysis Index v4.", "LMArena text: ", "as "))


def test_a_requantised_model_has_the_class_of_its_original() -> None:
    for model in models().values():
        if model.quality_basis and model.quality_basis.startswith("as "):
            original = models().get(model.quality_basis.removeprefix("as "))
            assert original is None or original.quality == model.quality


def test_models_that_people_ask_for_first_have_gguf_files() -> None:
    for name in ("Qwen3-8B", "Qwen3-4B", "Qwen2.5-7B", "Qwen2.5-14B", "Llama-3.1-8B", "gpt-oss-20b", "phi-4"):
        gguf = find_model(name).gguf
        assert gguf is not None
        assert gguf.repo
        assert gguf.ollama


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"num_key_value_heads": 5}, "do not divide"),
        ({"sliding_layers": 40}, "more layer kinds"),
        ({"attention": "mla"}, "lacks its own fields"),
        ({"quality_basis": None}, "go together"),
        ({"layers": 36}, "Extra inputs"),
    ],
)
def test_a_wrong_entry_is_refused(change: dict[str, object], complaint: str) -> None:
    entry = models()["Qwen/Qwen3-8B"].model_dump() | change
    with pytest.raises(ValidationError, match=complaint):
        Model.model_validate(entry)


def test_defaults_cover_every_role_and_quality_once() -> None:
    roles, qualities = ("serve", "desktop", "cpu", "lab"), ("small", "medium", "large", "frontier")
    expected = {(role, quality) for role in roles for quality in qualities}
    assert Counter((default.role, default.quality) for default in model_defaults()) == Counter(expected)


def test_defaults_are_sizeable_models_free_for_commercial_use() -> None:
    for default in model_defaults():
        for model_id in default.models:
            assert models()[model_id].commercial_use == "yes"
            assert models()[model_id].attention != "unknown"


def test_defaults_go_from_more_to_less_memory() -> None:
    for default in model_defaults():
        sizes = [models()[model_id].total_params or 0 for model_id in default.models]
        assert sizes == sorted(sizes, reverse=True)


def test_defaults_are_of_the_class_asked_for() -> None:
    for default in model_defaults():
        if default.quality != "frontier":
            assert {models()[model_id].quality for model_id in default.models} == {default.quality}


def test_desktop_and_cpu_defaults_have_gguf_files() -> None:
    for default in model_defaults():
        if default.role in ("desktop", "cpu"):
            assert all(models()[model_id].gguf for model_id in default.models)
