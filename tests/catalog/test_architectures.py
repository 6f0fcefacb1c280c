"""Which engine loads which architecture: the cases on which a recommendation turns."""

import pytest

from deployadvisor.catalog.architectures import architectures
from deployadvisor.catalog.engines import engines


def test_every_engine_has_an_entry():
    assert set(architectures()) == set(engines())


@pytest.mark.parametrize(
    ("engine", "architecture", "served"),
    [
        ("vllm", "Qwen3ForCausalLM", True),
        ("vllm", "BaichuanForCausalLM", False),
        ("vllm", "MadeUpForCausalLM", None),
        ("lmdeploy", "BaichuanForCausalLM", False),
        ("lmdeploy", "MadeUpForCausalLM", False),
        ("sglang", "BaichuanForCausalLM", True),
        ("llama_cpp", "BaichuanForCausalLM", True),
        ("ollama", "LlamaForCausalLM", True),
        ("ollama", "Qwen3ForCausalLM", False),
        ("transformers", "Qwen3ForCausalLM", None),
    ],
)
def test_serves(engine, architecture, served):
    assert engines()[engine].architectures.serves(architecture) is served


@pytest.mark.parametrize(
    ("architecture", "backend"),
    [
        ("LlamaForCausalLM", "turbomind"),
        ("MistralForCausalLM", "pytorch"),
        ("DeepseekV3ForCausalLM", "pytorch"),
        ("BaichuanForCausalLM", None),
    ],
)
def test_lmdeploy_backend(architecture, backend):
    assert architectures()["lmdeploy"].backend_for(architecture) == backend


def test_removed_architectures_are_not_listed():
    for entry in architectures().values():
        assert not [name for name in entry.removed if entry.backend_for(name)]


def test_an_import_list_does_not_bind_a_ready_gguf_file():
    assert {name for name, entry in architectures().items() if entry.converted} == {"ollama", "llama_cpp"}
