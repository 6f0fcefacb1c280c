"""LLaMA-Factory and ms-swift get the same values as the recipe, under keys that their pinned versions have."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import Bundle, render
from tests.render.factory import tuned
from tests.render.reading import HOSTILE, yaml_of

KEYS = Path(__file__).parent / "tune_keys"


def names(tool: str) -> set[str]:
    lines = (KEYS / f"{tool}.txt").read_text(encoding="utf-8").splitlines()
    return {word for line in lines if not line.startswith("#") for word in line.split()}


def full() -> Recommendation:
    return tuned("vllm").model_copy(update={"profile": {"customization": "full_tuning"}})


def configurations(bundle: Bundle, tool: str) -> dict[str, Any]:
    found = [path for path in bundle if path.startswith(f"tune/{tool}/") and path.endswith(".yaml")]
    return {Path(path).stem: yaml_of(bundle, path) for path in found}


@pytest.mark.parametrize("tool", ["llama-factory", "ms-swift"])
def test_every_key_is_an_argument_of_the_pinned_version(tool: str) -> None:
    known = names(tool)
    for advice in (tuned("vllm"), full(), tuned("vllm", trust_remote_code=True)):
        for name, values in configurations(render(advice), tool).items():
            assert set(values) <= known, name


@pytest.mark.parametrize("tool", ["llama-factory", "ms-swift"])
def test_methods_exclude_each_other(tool: str) -> None:
    assert set(configurations(render(tuned("vllm")), tool)) == {"lora", "qlora", "merge"}
    assert set(configurations(render(full()), tool)) == {"full"}


@pytest.mark.parametrize("method", ["lora", "qlora", "full"])
def test_values_are_the_recipes(method: str) -> None:
    bundle = render(full() if method == "full" else tuned("vllm", flags=("--max-lora-rank", "64")))
    recipe = json.loads(bundle["tune/recipe.json"].text)
    factory = configurations(bundle, "llama-factory")[method]
    swift = configurations(bundle, "ms-swift")[method]
    for values in (factory, swift):
        assert values["num_train_epochs"] == recipe["epochs"]
        assert values["learning_rate"] == recipe["learning_rate"][method]
        assert values["gradient_accumulation_steps"] == recipe["gradient_accumulation"]
        assert values["warmup_ratio"] == recipe["warmup_ratio"]
        if method != "full":
            assert values["lora_rank"] == recipe["lora"]["rank"] == 64
            assert values["lora_alpha"] == recipe["lora"]["alpha"]
    assert factory["model_name_or_path"] == swift["model"] == recipe["model"]
    assert factory["cutoff_len"] == swift["max_length"] == recipe["max_length"]
    assert factory["val_size"] == swift["split_dataset_ratio"] == recipe["evaluation_share"]
    assert ("quantization_bit" in factory, "quant_bits" in swift) == (method == "qlora",) * 2


def test_results_lie_where_serving_looks_for_them() -> None:
    bundle = render(tuned("vllm"))
    factory, swift = configurations(bundle, "llama-factory"), configurations(bundle, "ms-swift")
    assert factory["lora"]["output_dir"] == factory["merge"]["adapter_name_or_path"] == "output/adapter"
    assert factory["merge"]["export_dir"] == swift["merge"]["output_dir"] == "output/merged"
    assert swift["merge"]["adapters"] == [f"{swift['lora']['output_dir']}/last"]
    assert configurations(render(full()), "llama-factory")["full"]["output_dir"] == "output/merged"


@pytest.mark.parametrize(
    ("gpu", "factory", "swift"), [("v100-16g", "fp16", "float16"), ("h100-sxm", "bf16", "bfloat16")]
)
def test_old_cards_get_the_format_that_they_have(gpu: str, factory: str, swift: str) -> None:
    bundle = render(tuned("vllm", gpu=gpu))
    assert configurations(bundle, "llama-factory")["lora"][factory] is True
    assert configurations(bundle, "ms-swift")["qlora"]["bnb_4bit_compute_dtype"] == swift


@pytest.mark.parametrize("text", HOSTILE)
def test_a_model_name_reads_back_equal(text: str) -> None:
    model = f"x{text}"
    bundle = render(tuned("vllm", model=model), ["tune"])
    assert configurations(bundle, "llama-factory")["merge"]["model_name_or_path"] == model
    assert configurations(bundle, "ms-swift")["lora"]["model"] == model


def test_the_data_is_found_from_where_the_tools_are_started(tmp_path: Path) -> None:
    render(tuned("vllm")).write(tmp_path / "deploy")
    info = json.loads((tmp_path / "deploy/tune/llama-factory/dataset_info.json").read_text(encoding="utf-8"))
    assert (tmp_path / "deploy/tune/llama-factory" / info["conversations"]["file_name"]).is_file()
    (data,) = configurations(render(tuned("vllm")), "ms-swift")["lora"]["dataset"]
    assert (tmp_path / "deploy/tune" / data).is_file()


PARSE = {
    "llamafactory": """
import json, sys
from transformers import HfArgumentParser
from llamafactory.hparams.parser import _TRAIN_ARGS
values = json.load(sys.stdin)
HfArgumentParser(_TRAIN_ARGS).parse_dict({**values, "use_cpu": True, "bf16": False})
""",
    "swift": """
import json, sys
from transformers import HfArgumentParser
from swift.arguments import ExportArguments, SftArguments
values = json.load(sys.stdin)
lists = {key: value if isinstance(value, list) else [value] for key, value in values.items()}
words = [word for key, value in lists.items() for word in (f"--{key}", *map(str, value))]
kind = ExportArguments if "merge_lora" in values else SftArguments
kind.__post_init__ = lambda self: None
left = HfArgumentParser(kind).parse_args_into_dataclasses(words, return_remaining_strings=True)[1]
assert not left, left
""",
}


@pytest.mark.slow
@pytest.mark.tool
@pytest.mark.parametrize(("tool", "module"), [("llama-factory", "llamafactory"), ("ms-swift", "swift")])
def test_the_tools_own_parsers_take_the_configurations(tool: str, module: str) -> None:
    found = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip(f"{module} is not installed")
    for advice in (tuned("vllm"), full()):
        for name, values in configurations(render(advice), tool).items():
            done = subprocess.run(
                [sys.executable, "-c", PARSE[module]],
                input=json.dumps(values),
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, (name, done.stderr)
