"""The fine-tuning recipe: what is decided stands in one file, the scripts only read it."""

import ast
import json
import re
import runpy
import subprocess
from pathlib import Path
from typing import Any

import pytest

from deployadvisor.hardware.machine import Accelerator, Known
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import render
from tests.render.factory import hosted, served, tuned


def test_the_recipe_holds_the_decision() -> None:
    recipe = json.loads(render(tuned("vllm"))["tune/recipe.json"].text)
    assert recipe["model"] == "Qwen/Qwen3-8B"
    assert recipe["method"] == "lora"
    assert recipe["learning_rate"].keys() == {"lora", "qlora", "full"}


def test_the_rank_is_the_one_the_engine_is_set_up_for() -> None:
    recipe = json.loads(render(tuned("vllm", flags=("--max-lora-rank", "64")))["tune/recipe.json"].text)
    assert recipe["lora"]["rank"] == 64


def test_full_tuning_trains_all_weights() -> None:
    advice = tuned("vllm").model_copy(update={"profile": {"customization": "full_tuning"}})
    assert json.loads(render(advice)["tune/recipe.json"].text)["method"] == "full"


def test_the_model_is_data_never_code() -> None:
    model = '/data/"); import os; ("'
    bundle = render(tuned("vllm", model=model))
    assert json.loads(bundle["tune/recipe.json"].text)["model"] == model
    assert not any("import os; (" in bundle[path].text for path in bundle if path.endswith(".py"))


@pytest.mark.parametrize("name", ["common", "train", "merge", "parity"])
def test_scripts_parse(name: str) -> None:
    tree = ast.parse(render(tuned("vllm"))[f"tune/{name}.py"].text)
    assert ast.get_docstring(tree)


def test_pins_are_exact() -> None:
    lines = [
        line for line in render(tuned("vllm"))["tune/requirements.txt"].text.splitlines() if not line.startswith("#")
    ]
    assert {line.split("==")[0] for line in lines} == {
        "torch",
        "transformers",
        "trl",
        "peft",
        "accelerate",
        "datasets",
        "bitsandbytes",
    }


def test_tuning_alone_is_a_bundle_too() -> None:
    bundle = render(tuned("vllm"), ["tune"])
    assert {"README.md", "advice.json", "tune/train.py", "tune/smoke-test.sh"} <= set(bundle)
    assert "compose.merged.yaml" not in bundle


def readme(advice: Recommendation) -> str:
    return render(advice)["README.md"].text


@pytest.mark.parametrize(
    ("target", "start"), [("shell", "`./stop.sh && ./setup.sh && ./start.sh`"), ("systemd", "`sudo ./install.sh`")]
)
def test_without_containers_the_merged_model_is_rendered_for_and_started(target: str, start: str) -> None:
    text = render(tuned("transformers", model="/srv/base"), [target, "tune"])["README.md"].text
    assert f"render again with the path of `tune/output/merged` as `model` and `--keep-edits`, {start}" in text


def test_parity_asks_for_the_merged_model_where_its_name_is_another() -> None:
    text = readme(tuned("transformers"))
    assert "parity.py --model /models/model\n" in text
    assert "parity.py\n" in readme(tuned("vllm"))


def test_training_takes_equal_cards_and_the_plans_own_where_others_are_busier() -> None:
    assert "CUDA_VISIBLE_DEVICES=0,1,2,3 .venv/bin/accelerate launch --num_processes 4" in readme(
        tuned("vllm", machine_cards=4, used=(1, 2))
    )
    assert "accelerate launch --num_processes" not in readme(tuned("vllm", cards=1))
    advice = tuned("vllm", machine_cards=3, used=(1, 2))
    first, *others = advice.machine.accelerators
    busy = [first, *others]
    for place, free in enumerate((1.0, 70.0, 70.0)):
        busy[place] = busy[place].model_copy(update={"memory_free_gib": Known[float](value=free, source="test")})
    text = readme(with_cards(advice, *busy))
    assert "CUDA_VISIBLE_DEVICES=1 ./smoke-test.sh" in text
    assert "CUDA_VISIBLE_DEVICES=1,2 .venv/bin/accelerate launch --num_processes 2" in text
    other = first.model_copy(update={"id": "rtx-4090", "name": "NVIDIA GeForce RTX 4090"})
    mixed = readme(with_cards(advice, other, *others))
    assert "CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=1,2 .venv/bin/accelerate launch" in mixed


def with_cards(advice: Recommendation, *cards: Accelerator) -> Recommendation:
    """The answer on a machine with these cards."""
    return advice.model_copy(update={"machine": advice.machine.model_copy(update={"accelerators": cards})})


@pytest.fixture
def common(tmp_path: Path) -> dict[str, Any]:
    bundle = render(served("transformers").model_copy(update={"profile": {"customization": "adapter"}}))
    bundle.write(tmp_path / "deploy")
    return runpy.run_path(str(tmp_path / "deploy" / "tune" / "common.py"))


def test_the_examples_are_valid_data(common: dict[str, Any]) -> None:
    here = common["HERE"]
    assert isinstance(here, Path)
    conversations = common["read_conversations"](here / "data" / "train.jsonl")
    assert [message["role"] for message in conversations[0]] == ["system", "user", "assistant"]
    assert len(conversations) == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "not {"),
        ('{"text": "x"}', "not {"),
        ('{"messages": [{"role": "user", "content": "x"}]}', "ends with a user message"),
        (
            '{"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": " "}]}',
            "a message is empty",
        ),
    ],
)
def test_wrong_data_is_named_by_line(common: dict[str, Any], tmp_path: Path, line: str, words: str) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        common["read_conversations"](path)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert words in str(caught.value)


def test_hosted_answers_have_nothing_to_train() -> None:
    assert "tune/train.py" not in render(hosted())


@pytest.mark.parametrize("target", ["compose", "airgap"])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_serves_the_result_with_files_that_are_there_for_every_later_command(target: str, lang: str) -> None:
    advice = tuned("vllm").model_copy(update={"lang": lang})
    bundle = render(advice, [target, "tune"])
    rows = re.findall(r"\(cd \.\. && echo COMPOSE_FILE=(\S+) >> \.env &&", bundle["README.md"].text)
    assert [row.split(":") for row in rows] == [
        ["compose.yaml", "compose.adapter.yaml"],
        ["compose.yaml", "compose.merged.yaml"],
    ]
    assert {name for row in rows for name in row.split(":")} <= bundle.keys()
    assert "docker compose -f" not in bundle["README.md"].text


def test_the_smoke_test_asks_for_the_model_that_is_served(tmp_path: Path) -> None:
    render(tuned("transformers"), ["compose", "tune"]).write(tmp_path / "deploy")
    script = (tmp_path / "deploy" / "smoke-test.sh").read_text(encoding="utf-8")
    head = script.partition("pass()")[0]
    for files, model in (("compose.yaml", "Qwen/Qwen3-8B"), ("compose.yaml:compose.merged.yaml", "/models/model")):
        (tmp_path / "deploy" / ".env").write_text(f"COMPOSE_FILE={files}\n", encoding="utf-8")
        (tmp_path / "deploy" / "head.sh").write_text(head + 'printf "%s" "$request"\n', encoding="utf-8")
        done = subprocess.run(["bash", tmp_path / "deploy" / "head.sh"], capture_output=True, text=True, check=True)
        assert json.loads(done.stdout)["model"] == model
    assert "compose.merged" not in render(tuned("vllm"), ["compose", "tune"])["smoke-test.sh"].text
