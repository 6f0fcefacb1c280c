"""Every check of a catalogue entry sees the fault that it is named after, and no shipped entry has one."""

from __future__ import annotations

import datetime
import inspect
from pathlib import Path

import pytest

from deployadvisor.catalog import model_checks
from deployadvisor.catalog.gpus import Gpu, gpus
from deployadvisor.catalog.model_checks import CHECKS
from deployadvisor.catalog.models import Model, models
from deployadvisor.errors import CatalogError
from deployadvisor.sizing.params import count_params

COUNTED = {model: counts for model in models().values() if (counts := count_params(model.model_dump()))}

ENTRY = """\
checked_on: '2026-11-22'
sources: {config: config.json of the repository}
models:
  maker/Model-1B:
    family: Model
    architecture: LlamaForCausalLM
    model_type: llama
    attention: gqa
    num_hidden_layers: 16
    hidden_size: 2048
    vocab_size: 128256
    params_source: config
    licence: mit
    commercial_use: 'yes'
    source: [config]
"""


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Load models from a file with this text, and leave no trace in the cache."""

    def load(text: str) -> dict[str, Model]:
        path = tmp_path / "models.yaml"
        path.write_text(text, encoding="utf-8")
        monkeypatch.setattr("deployadvisor.catalog.lookup.catalog_file", lambda _: path)
        return dict(models.__wrapped__())

    return load


FAULTS = [
    ("every_layer_is_of_one_kind", "google/gemma-3-27b-it", {"sliding_layers": 51}),
    ("every_layer_is_of_one_kind", "Qwen/Qwen3.5-27B", {"linear_or_ssm_layers": 47}),
    ("every_layer_is_of_one_kind", "google/gemma-4-E4B-it", {"num_kv_shared_layers": None}),
    ("latent_attention_has_no_key_value_heads", "deepseek-ai/DeepSeek-V3", {"num_key_value_heads": 128}),
    ("latent_attention_has_no_key_value_heads", "deepseek-ai/DeepSeek-V3", {"head_dim": 56}),
    ("a_token_uses_experts_that_exist", "Qwen/Qwen3-30B-A3B", {"experts_per_token": 129}),
    ("a_token_uses_experts_that_exist", "Qwen/Qwen3-30B-A3B", {"experts_per_token": None}),
    ("a_token_uses_no_more_than_all_parameters", "Qwen/Qwen3-30B-A3B", {"active_params": 31_000_000_000}),
    ("a_token_uses_no_more_than_all_parameters", "Qwen/Qwen3-8B", {"active_params": 8_000_000_000}),
    ("embedding_is_vocabulary_times_width", "Qwen/Qwen3-8B", {"embedding_params": 1_244_659_712}),
    ("embedding_is_vocabulary_times_width", "google/gemma-4-E4B-it", {"embedding_note": ""}),
    ("use_is_read_from_the_licence", "Qwen/Qwen3-8B", {"licence": None}),
    ("use_is_read_from_the_licence", "Qwen/Qwen3-8B", {"commercial_use": "unknown"}),
]


@pytest.mark.parametrize(("check", "model_id", "change"), FAULTS)
def test_a_check_sees_its_fault_alone(check: str, model_id: str, change: dict[str, object]) -> None:
    model = models()[model_id]
    wrong = model.model_copy(update=change)
    assert getattr(model_checks, check)(model) is None
    assert [found.__name__ for found in CHECKS if found(wrong)] == [check]


def test_every_check_is_run_and_seen_to_fail() -> None:
    written = {name for name, value in vars(model_checks).items() if inspect.isfunction(value)}
    assert {check.__name__ for check in CHECKS} == written == {check for check, _, _ in FAULTS}


def test_the_guide_names_every_check() -> None:
    guide = (Path(__file__).resolve().parents[2] / "docs" / "catalogue.md").read_text(encoding="utf-8")
    loaded = (Model.__pydantic_decorators__, Gpu.__pydantic_decorators__)
    validators = {name for decorators in loaded for name in decorators.model_validators}
    assert {
        name for name in {*validators, *(check.__name__ for check in CHECKS)} if f"`{name}`" not in guide
    } == set()


def test_a_faulty_entry_is_refused_at_its_line(written) -> None:
    with pytest.raises(CatalogError, match="licence and a known commercial_use go together") as caught:
        written(ENTRY.replace("    licence: mit\n", ""))
    assert str(caught.value.where).endswith("models.yaml:5:5")


class TestBase:
    TUNED = "  tuner/Model-1B-Tuned:\n    base: maker/Model-1B\n    source: [config]\n"

    def test_an_entry_takes_layers_and_counts_from_its_base_but_no_terms(self, written) -> None:
        tuned = written(ENTRY + self.TUNED)["tuner/Model-1B-Tuned"]
        assert (tuned.num_hidden_layers, tuned.architecture) == (16, "LlamaForCausalLM")
        assert (tuned.licence, tuned.commercial_use) == (None, "unknown")

    def test_what_it_states_counts(self, written) -> None:
        tuned = written(ENTRY + self.TUNED.replace("    source", "    vocab_size: 128264\n    source"))
        assert tuned["tuner/Model-1B-Tuned"].vocab_size == 128264

    @pytest.mark.parametrize("base", ["maker/Model-2B", "tuner/Model-1B-Tuned"])
    def test_a_base_must_have_a_geometry_of_its_own(self, written, base: str) -> None:
        with pytest.raises(CatalogError, match="is not an entry with a geometry of its own") as caught:
            written(ENTRY + self.TUNED.replace("maker/Model-1B", base))
        assert caught.value.where is not None
        assert caught.value.where.line == 17

    def test_every_shipped_base_counts_as_its_tunes_do(self) -> None:
        tuned = [model for model in models().values() if model.base]
        assert len(tuned) > 80
        for model in tuned:
            base = models()[model.base or ""]
            assert (model.num_hidden_layers, model.hidden_size) == (base.num_hidden_layers, base.hidden_size)


def test_most_models_have_a_formula() -> None:
    assert len(COUNTED) > 200


@pytest.mark.parametrize("model", COUNTED, ids=lambda model: model.id)
def test_parameters_equal_our_formula(model: Model) -> None:
    counts = COUNTED[model]
    assert counts.total == (model.total_params or 0) - (model.vision_params or 0)
    assert model.active_params in (None, counts.active)
    assert (model.routed_expert_params or 0) == counts.routed_experts
    assert model.embedding_params == counts.embedding


def test_nothing_was_checked_in_the_future() -> None:
    today = datetime.datetime.now(tz=datetime.UTC).date()
    assert max(entry.checked_on for entry in (*models().values(), *gpus().values())) <= today
