"""Where each engine gets a model from."""

import pytest

from deployadvisor.catalog.engines import engines
from deployadvisor.errors import RenderError
from deployadvisor.render.weights import Weights, served_name, slug, weights_for


@pytest.mark.parametrize(
    ("engine", "model", "precision", "expected"),
    [
        ("vllm", "Qwen/Qwen3-8B", "bf16", Weights("hub", "Qwen/Qwen3-8B")),
        ("vllm", "/data/my model", "bf16", Weights("folder", "/data/my model")),
        ("ollama", "Qwen/Qwen3-8B", "q4_k_m", Weights("ollama", "qwen3:8b")),
        ("ollama", "Qwen/Qwen3-8B", "q8_0", Weights("gguf_repo", "Qwen/Qwen3-8B-GGUF", "Q8_0")),
        ("ollama", "llama3.1:8b", None, Weights("ollama", "llama3.1:8b")),
        ("ollama", "/data/m.gguf", None, Weights("file", "/data/m.gguf")),
        ("llama_cpp", "Qwen/Qwen3-8B", "q4_k_m", Weights("gguf_repo", "Qwen/Qwen3-8B-GGUF", "Q4_K_M")),
        ("llama_cpp", "someone/Thing-GGUF", "q6_k", Weights("gguf_repo", "someone/Thing-GGUF", "Q6_K")),
        ("textgen", "someone/Thing-GGUF", None, Weights("gguf_repo", "someone/Thing-GGUF", "Q4_K_M")),
        ("textgen", "someone/Thing-GGUF", "mxfp4", Weights("gguf_repo", "someone/Thing-GGUF", "MXFP4")),
        ("transformers", "Qwen/Qwen3-8B", "bf16", Weights("hub", "Qwen/Qwen3-8B")),
    ],
)
def test_origin(engine: str, model: str, precision: str | None, expected: Weights) -> None:
    assert weights_for(engines()[engine], model, precision) == expected


@pytest.mark.parametrize(
    ("engine", "model", "words"),
    [
        ("llama_cpp", "nobody/unheard-of", "none are known"),
        ("llama_cpp", "/data/folder", "a folder"),
        ("vllm", "/data/m.gguf", "a .gguf file"),
        ("vllm", None, "names no model"),
        ("vllm", "--trust-remote-code", "read as an option"),
    ],
)
def test_what_the_engine_cannot_load_is_refused(engine: str, model: str | None, words: str) -> None:
    with pytest.raises(RenderError, match=words):
        weights_for(engines()[engine], model, "q4_k_m")


@pytest.mark.parametrize(
    ("engine", "weights", "expected"),
    [
        ("vllm", Weights("hub", "Qwen/Qwen3-8B"), "Qwen/Qwen3-8B"),
        ("vllm", Weights("folder", "/data/my model (v2)"), "my-model-v2"),
        ("vllm", Weights("hub", "`$(id)`"), "id"),
        ("ollama", Weights("ollama", "qwen3:8b"), "qwen3-8b"),
        ("ollama", Weights("file", "/data/My Model.gguf"), "my-model"),
        ("transformers", Weights("hub", "Qwen/Qwen3-8B"), "Qwen/Qwen3-8B"),
        ("transformers", Weights("folder", "/data/x"), "/models/model"),
    ],
)
def test_served_name(engine: str, weights: Weights, expected: str) -> None:
    assert served_name(engines()[engine], weights) == expected


@pytest.mark.parametrize("text", ["", "---", "模型", "ÄÖ"])
def test_a_slug_is_never_empty(text: str) -> None:
    assert slug(text, "deployment")
