"""The parity check: limits by precision, and run for real against a tiny model that a stand-in serves."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deployadvisor.render.bundle import render
from tests.render.factory import GGUF_ENGINES, hosted, served, tuned
from tests.render.standin import KEY, StandIn, serving


@pytest.mark.parametrize("engine", ["vllm", "lmdeploy", "sglang", "transformers"])
def test_engines_of_checkpoints_have_it(engine: str) -> None:
    bundle = render(served(engine, precision="bf16"))
    found = json.loads(bundle["verify/parity.json"].text)
    assert found["reference"] == "Qwen/Qwen3-8B"
    assert "verify/parity.py" in bundle["README.md"].text
    assert "transformers==" in bundle["verify/requirements.txt"].text


@pytest.mark.parametrize("advice", [hosted(), *map(served, GGUF_ENGINES)], ids=["hosted", *GGUF_ENGINES])
def test_others_have_nothing_that_transformers_could_load(advice: Any) -> None:
    assert not {path for path in render(advice) if "parity" in path}


def test_limits_widen_as_weights_get_fewer_bits() -> None:
    found = [
        json.loads(render(served(precision=name))["verify/parity.json"].text)
        for name in ("bf16", "fp16", "fp8", "int8", "int4")
    ]
    assert [one["min_top1_agreement"] for one in found] == [0.97, 0.97, 0.93, 0.93, 0.85]
    assert [one["max_mean_delta"] for one in found] == sorted(one["max_mean_delta"] for one in found)


def test_a_bundle_that_trains_carries_the_same_check_of_the_merged_model() -> None:
    alone, serving_too = render(tuned("vllm"), ["tune"]), render(tuned("vllm", precision="int4"))
    for path in ("parity.py", "service.py"):
        assert alone[f"tune/{path}"] == serving_too[f"tune/{path}"] == serving_too[f"verify/{path}"]
    assert not {path for path in alone if path.startswith("verify/")}
    of_engine, of_recipe = (json.loads(serving_too[f"{part}/parity.json"].text) for part in ("verify", "tune"))
    changed = {"reference": "./tune/output/merged", "prompts": "./tune/data/train.jsonl"}
    assert of_recipe == {**of_engine, **changed}
    assert json.loads(alone["tune/service.json"].text)["requires_key"] is False  # nobody knows that service


TEMPLATE = (
    "{% for m in messages %}<s>{{ m.role }} {{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant {% endif %}"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with random weights and a tokenizer of bytes, made on the spot; it says letters and digits."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    folder = tmp_path_factory.mktemp("model")
    signs = ["<s>", "</s>", *sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())]
    vocabulary = {sign: number for number, sign in enumerate(signs)}
    alphabet = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=[]))
    alphabet.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet.decoder = tokenizers.decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=alphabet, bos_token="<s>", eos_token="</s>")
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 512}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "initializer_range": 0.5}
    config = transformers.Qwen2Config(vocab_size=len(tokenizer), tie_word_embeddings=False, **sizes, **heads)
    made = transformers.Qwen2ForCausalLM(config)
    with torch.no_grad():
        for number, sign in enumerate(signs):
            if not (sign.isascii() and sign.isalnum()):
                made.lm_head.weight[number] = 0
    made.save_pretrained(folder)
    return folder


def served_by(model: Path, noise: float = 0.0, template: str = TEMPLATE) -> StandIn:
    """Greedy answers of the model itself, or of one with other weights or another chat template."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    engine = transformers.AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    torch.manual_seed(1)
    with torch.no_grad():
        for weights in engine.model.parameters():
            weights.add_(noise * weights.std() * torch.randn_like(weights))
    known: dict[str, list[tuple[str, float]]] = {}

    def prompt(body: dict[str, Any]) -> list[int]:
        made = tokenizer.apply_chat_template(
            body["messages"], add_generation_prompt=True, return_dict=True, chat_template=template
        )
        return list(made["input_ids"])

    def answer(body: dict[str, Any]) -> list[tuple[str, float]]:
        key = json.dumps(body["messages"])
        ids, found = prompt(body), known.get(key, [])
        while len(found) < body["max_tokens"]:
            with torch.no_grad():
                expected = torch.log_softmax(engine(input_ids=torch.tensor([ids])).logits[0, -1], -1)
            best = int(expected.argmax())
            found.append((tokenizer.decode([best]), float(expected[best])))
            ids.append(best)
        known[key] = found
        return found

    return StandIn(
        words=lambda body: [text for text, _ in answer(body)],
        logprobs=lambda body: [value for _, value in answer(body)],
        prompt_size=lambda body: len(prompt(body)),
    )


Ran = tuple[int, dict[str, Any], subprocess.CompletedProcess[str]]


def parity(tmp_path: Path, model: Path, standin: StandIn, *options: str) -> Ran:
    """The exit code, the report and all that was printed."""
    render(served("vllm", model=str(model))).write(tmp_path / "deploy")
    return run(tmp_path / "deploy/verify/parity.py", standin, *options)


def run(
    script: Path, standin: StandIn, *options: str
) -> tuple[int, dict[str, Any], subprocess.CompletedProcess[str]]:
    """The same for any bundle that was written."""
    with serving(standin):
        done = subprocess.run(
            [sys.executable, str(script), "--json", "--prompts", "3", *options],
            capture_output=True,
            text=True,
            check=False,
            env={"API_KEY": KEY, "PORT": standin.port, "HF_HUB_OFFLINE": "1"},
            timeout=300,
        )
    return done.returncode, json.loads(done.stdout or "{}"), done


meta = pytest.mark.meta


@meta
def test_the_same_weights_agree_on_every_token(tmp_path: Path, model: Path) -> None:
    code, report, done = parity(tmp_path, model, served_by(model))
    assert code == 0, done.stderr
    assert (report["tokens"], report["top1_agreement"]) == (192, 1.0)
    assert report["log_probabilities_compared"] == 192
    assert report["largest_delta"] < 1e-3
    assert (report["prompt_tokens_compared"], report["template_differs"]) == (3, 0)


@meta
def test_other_weights_are_found_out(tmp_path: Path, model: Path) -> None:
    code, report, _ = parity(tmp_path, model, served_by(model, noise=0.5))
    assert code == 1
    assert report["top1_agreement"] < 0.9
    assert report["mean_delta"] > 0.1
    assert report["rows"][0]["gap"] > 0


@meta
def test_another_chat_template_is_found_out(tmp_path: Path, model: Path) -> None:
    code, report, _ = parity(tmp_path, model, served_by(model, template=TEMPLATE.replace("assistant", "Assistant")))
    assert code == 1
    assert report["template_differs"] == 0  # as long, but not the same
    assert report["top1_agreement"] < 0.97
    longer = TEMPLATE.replace("{% for", "<s>w</s>{% for", 1)
    assert parity(tmp_path / "b", model, served_by(model, template=longer))[1]["template_differs"] == 3


@meta
def test_without_log_probabilities_the_text_alone_is_compared(tmp_path: Path, model: Path) -> None:
    standin = served_by(model)
    standin.refuses = frozenset({"logprobs"})
    code, report, done = parity(tmp_path, model, standin)
    assert code == 0, done.stderr
    assert report["log_probabilities_compared"] == 0
    assert report["top1_agreement"] == 1.0


@meta
def test_what_cannot_be_compared_is_said(tmp_path: Path, model: Path) -> None:
    standin = served_by(model)
    standin.fails_from = 0
    code, _, done = parity(tmp_path, model, standin)
    assert code == 2
    assert "HTTP 500" in done.stderr
    code, _, done = parity(tmp_path / "b", model, served_by(model), "--reference", str(tmp_path))
    assert code == 2


@meta
def test_a_recipe_asks_what_it_learnt_and_reads_along_with_what_it_merged(tmp_path: Path, model: Path) -> None:
    render(tuned("vllm", model=str(model)), ["tune"]).write(tmp_path)
    code, _, done = run(tmp_path / "tune/parity.py", served_by(model))
    assert code == 2
    assert "tune/output/merged is not there yet" in done.stderr
    shutil.copytree(model, tmp_path / "tune/output/merged")
    code, report, done = run(tmp_path / "tune/parity.py", served_by(model))
    assert code == 0, done.stderr
    examples = (tmp_path / "tune/data/train.jsonl").read_text(encoding="utf-8").splitlines()
    assert [row["prompt"] for row in report["rows"]] == [
        json.loads(line)["messages"][-2]["content"] for line in examples
    ]
    assert run(tmp_path / "tune/parity.py", served_by(model, noise=0.5))[0] == 1
