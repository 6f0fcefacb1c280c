"""Weights that no pod can fetch: the pod that waits for them, and nothing that would fetch."""

from __future__ import annotations

from typing import Any

import pytest

from deployadvisor.catalog.engines import engines
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import Bundle, render
from deployadvisor.render.kubernetes_sizes import sizes_of
from deployadvisor.render.targets import available_targets
from tests.render.factory import GGUF_ENGINES, served, tuned
from tests.render.reading import HOSTILE, yaml_of
from tests.render.test_kubernetes import ENGINES, container, pod, variables

FOLDER, FILE = "/data/merged", "/data/merged.gguf"


def local(engine: str, **changes: Any) -> Recommendation:
    return served(engine, model=FILE if engine in GGUF_ENGINES else FOLDER, **changes)


def bundle_of(engine: str, **changes: Any) -> Bundle:
    return render(local(engine, **changes), ["kubernetes"])


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def bundle(engine: str) -> Bundle:
    return bundle_of(engine)


def test_nothing_fetches_and_nothing_lets_it(bundle: Bundle) -> None:
    assert not {"kubernetes/fetch-egress.yaml", "kubernetes/engine/fetch.py", "kubernetes/engine/fetch.sh"} & set(
        bundle
    )
    assert "fetch-egress.yaml" not in yaml_of(bundle, "kubernetes/kustomization.yaml")["resources"]
    assert "HF_TOKEN" not in bundle["kubernetes/deployment.yaml"].text
    spec = yaml_of(bundle, "kubernetes/network-policy.yaml")["spec"]
    assert {port["port"] for rule in spec["egress"] for port in rule["ports"]} == {53}


def test_the_pod_waits_first_as_the_user_of_the_engine(engine: str, bundle: Bundle) -> None:
    first, *more = pod(bundle)["initContainers"]
    assert (first["name"], first["command"]) == ("weights", ["sh", "/setup/weights.sh", "wait"])
    assert first["securityContext"]["readOnlyRootFilesystem"] is True
    assert first["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert first["securityContext"].get("runAsUser") == container(bundle)["securityContext"].get("runAsUser")
    assert [one["name"] for one in more] == (["create"] if engine == "ollama" else [])
    files = yaml_of(bundle, "kubernetes/kustomization.yaml")["configMapGenerator"]
    assert {"engine/weights.sh", "engine/weights.sha256"} <= {path for one in files for path in one["files"]}


def test_only_what_takes_weights_in_may_write_them(engine: str, bundle: Bundle) -> None:
    for one in (*pod(bundle)["initContainers"], *pod(bundle)["containers"]):
        mounts = {mount["name"]: mount for mount in one["volumeMounts"]}
        if one["name"] == "proxy":
            assert "weights" not in mounts
            continue
        assert mounts["weights"]["mountPath"] == "/models"
        assert mounts["weights"].get("readOnly", False) is (one["name"] == "engine")


def test_the_engine_gets_the_place_and_stays_offline(engine: str, bundle: Bundle) -> None:
    told = container(bundle)
    if engine == "ollama":
        assert variables(told)["OLLAMA_MODELS"] == variables(container(bundle, "create"))["OLLAMA_MODELS"]
        assert bundle["kubernetes/engine/Modelfile"].text.splitlines()[2] == "FROM /models/model.gguf"
        return
    assert ("/models/model.gguf" if engine == "llama_cpp" else "/models/model") in told["args"]
    names = set(variables(told))
    assert ("LLAMA_ARG_OFFLINE" if engine == "llama_cpp" else "TRANSFORMERS_OFFLINE") in names


def test_a_rollout_has_time_for_people() -> None:
    spec = yaml_of(bundle_of("vllm"), "kubernetes/deployment.yaml")["spec"]
    assert spec["progressDeadlineSeconds"] > 7 * 24 * 3600


def test_ollama_has_room_for_the_file_and_for_its_copy() -> None:
    both, one = local("ollama"), served("ollama")
    entry = engines()["ollama"]
    beside = 5
    assert sizes_of(both, entry).volume_gib - beside == pytest.approx(
        2 * (sizes_of(one, entry).volume_gib - beside), abs=1
    )
    assert "2 × " in render(both, ["kubernetes"])["README.md"].text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_folder_is_one_word_of_the_script(text: str) -> None:
    bundle = render(served("vllm", model=f"/data/{text}"), ["kubernetes"])
    assert container(bundle)["args"][0] == "/models/model"
    assert bundle["load-weights.sh"].text.count("source=") == 3


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_says_how_weights_are_loaded_and_exchanged(lang: str, engine: str) -> None:
    text = render(local(engine).model_copy(update={"lang": lang}), ["kubernetes"])["README.md"].text
    assert text.count("./load-weights.sh") >= 4
    assert "-c weights" in text
    assert "-c fetch" not in text
    assert "fetch-egress" not in text
    assert "HF_TOKEN" not in text


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_tuned_weights_reach_pods_without_a_hub(lang: str) -> None:
    bundle = render(tuned("vllm").model_copy(update={"lang": lang}), ["tune", "kubernetes"])
    assert "hf upload" not in bundle["README.md"].text
    assert "compose.merged.yaml" not in bundle
    assert "docker compose" not in bundle["README.md"].text
    assert "./load-weights.sh" in bundle["README.md"].text


@pytest.mark.parametrize("target", ["kserve", "helm"])
def test_pods_that_others_make_cannot_wait(target: str) -> None:
    assert target not in available_targets(local("vllm"))
    assert "kubernetes" in available_targets(local("vllm"))
