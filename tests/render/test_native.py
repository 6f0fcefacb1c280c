"""Engines on the computer itself: loopback, no cloud, the same flags."""

import re
import shlex
import subprocess

import pytest

from deployadvisor.render.bundle import Bundle, render
from tests.render import powershell
from tests.render.factory import FLAGS, on_system, served

DESKTOP = ("ollama", "llama_cpp", "textgen")


def arguments(bundle: Bundle) -> list[str]:
    lines = bundle["start.sh"].text.splitlines()
    start, end = lines.index("arguments=("), lines.index(")")
    return shlex.split("\n".join(lines[start + 1 : end]))


@pytest.mark.parametrize("engine", DESKTOP)
def test_scripts_are_there_and_run(engine: str) -> None:
    bundle = render(served(engine, gpu="m3-max"), ["native"])
    assert {"setup.sh", "start.sh", "smoke-test.sh", "README.md", "advice.json"} <= set(bundle)
    assert all(bundle[name].executable for name in ("setup.sh", "start.sh", "smoke-test.sh"))


@pytest.mark.parametrize("engine", DESKTOP)
def test_nothing_listens_beyond_loopback(engine: str) -> None:
    bundle = render(served(engine, gpu="m3-max"), ["native"])
    for path, file in bundle.items():
        # The load test asks a service, wherever that listens; it opens nothing itself.
        assert "0.0.0.0" not in file.text or path.startswith("verify/")
    if engine != "ollama":
        assert "--listen" not in arguments(bundle)


def test_ollama_stays_off_the_cloud_and_keeps_its_context() -> None:
    bundle = render(served("ollama", gpu="m3-max"), ["native"])
    start = bundle["start.sh"].text
    assert "export OLLAMA_HOST=127.0.0.1:11434\n" in start
    assert "export OLLAMA_NO_CLOUD=1\n" in start
    assert "export OLLAMA_NUM_PARALLEL=2\n" in start
    assert "PARAMETER num_ctx 8192\n" in bundle["Modelfile"].text
    assert "ollama create qwen3-8b -f Modelfile" in bundle["setup.sh"].text


def test_the_environment_of_the_plan_does_not_open_the_service() -> None:
    advice = served("ollama", environment={"OLLAMA_HOST": "0.0.0.0", "OLLAMA_NO_CLOUD": "0"})
    start = render(advice, ["native"])["start.sh"].text
    assert "0.0.0.0" not in start
    assert "OLLAMA_NO_CLOUD=0" not in start


@pytest.mark.parametrize("engine", ["llama_cpp", "textgen"])
def test_flags_reach_the_engine(engine: str) -> None:
    found = arguments(render(served(engine, gpu="m3-max"), ["native"]))
    assert found[-len(FLAGS[engine]) :] == list(FLAGS[engine])
    assert "127.0.0.1" in found


def test_a_local_file_keeps_its_name() -> None:
    name = "/data/it's $HOME `id`.gguf"
    bundle = render(served("llama_cpp", model=name), ["native"])
    assert arguments(bundle)[:2] == ["--model", name]


def test_the_smoke_test_asks_for_no_key() -> None:
    script = render(served("ollama"), ["native"])["smoke-test.sh"].text
    assert "key=none" in script
    assert "wrong-key" not in script


@pytest.mark.parametrize("engine", DESKTOP)
def test_only_the_cards_of_the_plan_are_shown_to_the_engine(engine: str) -> None:
    part = render(served(engine, gpu="rtx-4090", machine_cards=3, used=(2,)), ["native"])["start.sh"].text
    assert "export CUDA_DEVICE_ORDER=PCI_BUS_ID\nexport CUDA_VISIBLE_DEVICES=2\n" in part
    whole = render(served(engine, gpu="rtx-4090"), ["native"])["start.sh"].text
    assert "VISIBLE_DEVICES" not in whole
    assert (
        "export ROCR_VISIBLE_DEVICES=1"
        in render(served(engine, gpu="mi300x", machine_cards=2, used=(1,)), ["native"])["start.sh"].text
    )


# --- Windows -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("os", "engine", "there"),
    [
        ("windows", "ollama", True),
        (None, "llama_cpp", True),
        ("linux", "ollama", False),
        ("macos", "llama_cpp", False),
        ("windows", "textgen", False),
    ],
)
def test_windows_gets_scripts_of_its_own(os: str | None, engine: str, there: bool) -> None:
    bundle = render(on_system(os, served(engine, gpu="rtx-4090")), ["native"])
    scripts = {path for path in bundle if path.endswith(".ps1")}
    assert scripts == ({"setup.ps1", "start.ps1", "smoke-test.ps1"} if there else set())
    assert (".\\start.ps1" in bundle["README.md"].text) == there


def test_windows_gets_the_same_settings() -> None:
    bundle = render(on_system("windows", served("ollama", gpu="rtx-4090", machine_cards=3, used=(2,))), ["native"])
    shell = dict(re.findall(r"^export (\w+)=(\S+)$", bundle["start.sh"].text, re.MULTILINE))
    assert dict(re.findall(r"^\$env:(\w+) = '(.*)'$", bundle["start.ps1"].text, re.MULTILINE)) == shell
    assert "ollama create 'qwen3-8b' -f Modelfile" in bundle["setup.ps1"].text


def test_windows_gets_the_same_arguments() -> None:
    name = "/data/it's “mine” $HOME.gguf"
    bundle = render(on_system("windows", served("llama_cpp", gpu="rtx-4090", model=name)), ["native"])
    words = list(powershell.words(bundle["start.ps1"].text))
    start = words.index("@(") + 1
    given = words[start : words.index(")", start)]
    assert given == [subprocess.list2cmdline([word]) for word in arguments(bundle)]
    assert f'"{name}"' in given
