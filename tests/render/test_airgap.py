"""The bundle for a machine without internet: what is carried, and that nothing asks anybody for anything."""

from __future__ import annotations

from typing import Any

import pytest

from deployadvisor.figures import Estimate
from deployadvisor.hardware.machine import Known
from deployadvisor.render.airgap import check_airgap
from deployadvisor.render.bundle import default_targets, render
from tests.render.factory import ENGINES, GGUF_ENGINES, machine, served, tuned
from tests.render.reading import HOSTILE, yaml_of

OFFLINE = {"profile": {"internet": "no"}}


def compose(engine: str, **changes: Any) -> Any:
    return yaml_of(render(served(engine, **changes), ["airgap"]), "compose.yaml")


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_pulled_built_or_fetched(engine: str) -> None:
    services = compose(engine)["services"]
    assert {one["pull_policy"] for one in services.values()} == {"never"}
    assert not [name for name, one in services.items() if "build" in one]
    assert "fetch" not in services
    assert "HF_TOKEN" not in str(services)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_image_is_listed_once(engine: str) -> None:
    bundle = render(served(engine), ["airgap"])
    lines = [line.split() for line in bundle["airgap/images.txt"].text.splitlines() if not line.startswith("#")]
    images = {one["image"] for one in yaml_of(bundle, "compose.yaml")["services"].values()}
    assert {line[0] for line in lines} == images
    assert len(lines) == len(images)
    built = [line[0] for line in lines if line[2] == "build"]
    assert len(built) == (engine in ("transformers", "textgen"))


@pytest.mark.parametrize(
    ("engine", "target"),
    [
        ("vllm", "/models/model"),
        ("transformers", "/models/model"),
        ("llama_cpp", "/models/model"),
        ("textgen", "/models/model"),
        ("ollama", "/root/.ollama/models"),
    ],
)
def test_the_weights_are_mounted_from_the_folder_and_cannot_be_written(engine: str, target: str) -> None:
    mounts = compose(engine)["services"]["engine"]["volumes"]
    (weights,) = (one for one in mounts if one["source"] == "./weights")
    assert (weights["type"], weights["target"], weights["read_only"]) == ("bind", target, True)


@pytest.mark.parametrize(
    ("engine", "names"),
    [
        ("vllm", {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "VLLM_NO_USAGE_STATS"}),
        ("llama_cpp", {"LLAMA_ARG_OFFLINE"}),
        ("ollama", {"OLLAMA_NO_CLOUD", "OLLAMA_NOPRUNE"}),
    ],
)
def test_engines_are_told_to_stay_offline(engine: str, names: set[str]) -> None:
    assert names <= set(compose(engine)["services"]["engine"]["environment"])


def test_clients_call_the_model_as_they_would_elsewhere() -> None:
    words = compose("vllm")["services"]["engine"]["command"]
    assert words[words.index("--served-model-name") + 1] == "Qwen/Qwen3-8B"
    assert words[0] == "/models/model"


def test_llama_cpp_gets_its_file_from_a_script() -> None:
    engine = compose("llama_cpp")["services"]["engine"]
    assert engine["entrypoint"] == ["sh", "/setup/start.sh"]
    assert "--model" not in engine["command"]


@pytest.mark.parametrize("engine", ENGINES)
def test_local_weights_are_not_carried(engine: str) -> None:
    path = "/data/model.gguf" if engine in GGUF_ENGINES else "/data/model"
    bundle = render(served(engine, model=path), ["airgap"])
    assert yaml_of(bundle, "airgap/weights.yaml") == {"carried": False, "place": path}
    assert "fetching the weights" not in bundle["export.sh"].text
    assert path in bundle["verify.sh"].text
    services = yaml_of(bundle, "compose.yaml")["services"]
    assert [one["networks"] for name, one in services.items() if name == "fetch"] == (
        [["inside"]] if engine == "ollama" else []
    )


def test_a_size_that_nobody_knows_is_said() -> None:
    bundle = render(served().model_copy(update={"estimate": Estimate()}), ["airgap"])
    assert yaml_of(bundle, "airgap/weights.yaml")["size_gib"] == "not known"


def test_images_are_for_the_closed_machine() -> None:
    assert "linux/amd64" in render(served(), ["airgap"])["export.sh"].text
    found = machine("h100-sxm", 2)
    arm = found.host.model_copy(update={"arch": Known[str](value="aarch64", source="test")})
    advice = served().model_copy(update={"machine": found.model_copy(update={"host": arm})})
    assert "linux/arm64" in render(advice, ["airgap"])["export.sh"].text


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_model_is_one_word_of_the_export(name: str) -> None:
    if name.startswith("-"):
        return
    text = render(served(model=f"org/{name}"), ["airgap"])["export.sh"].text
    assert "-e MODEL_ID=" in text


@pytest.mark.parametrize(
    ("platform", "expected"), [("docker", "airgap"), ("bare_metal", "systemd"), ("kubernetes", "kubernetes")]
)
def test_it_is_taken_where_there_is_no_internet(platform: str, expected: str) -> None:
    advice = served().model_copy(update={"profile": {"internet": "no", "platform": platform}})
    assert default_targets(advice) == (expected,)


def test_tuning_starts_from_what_was_carried() -> None:
    bundle = render(tuned().model_copy(update={"profile": {**tuned().profile, "internet": "no"}}))
    assert bundle.targets == ("tune", "airgap")
    assert '"model": "../weights"' in bundle["tune/recipe.json"].text
    assert "compose.adapter.yaml" in bundle


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pull_policy": "missing"}, "service engine may pull its image"),
        ({"build": {"context": "."}}, "service engine is built, which needs the internet"),
        ({"image": "other:1"}, "image other:1 is not in airgap/images.txt"),
    ],
)
def test_what_would_need_the_internet_is_found(change: dict[str, Any], words: str) -> None:
    bundle = render(served(), ["airgap"])
    data = yaml_of(bundle, "compose.yaml")
    images = bundle["airgap/images.txt"].text
    assert list(check_airgap(data, images)) == []
    data["services"]["engine"].update(change)
    assert list(check_airgap(data, images)) == [words]


def test_nginx_is_carried_instead_of_caddy_where_it_is_asked_for() -> None:
    bundle = render(served(), ["airgap"], proxy="nginx")
    assert "nginx:" in bundle["airgap/images.txt"].text
    assert "caddy:" not in bundle["airgap/images.txt"].text
    assert {"proxy/nginx.conf", "proxy/start.sh"} <= set(bundle)
