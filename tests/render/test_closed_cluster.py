"""A cluster without internet: what is carried to it, and pods that ask nobody for anything."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployadvisor.recommendation import Recommendation
from deployadvisor.render.airgap import check_closed_cluster
from deployadvisor.render.bundle import Bundle, default_targets, render
from deployadvisor.render.preflight import requirements
from tests.render.cluster_tools import program
from tests.render.factory import GGUF_ENGINES, served, tuned
from tests.render.reading import yaml_of
from tests.render.test_kubernetes import ENGINES, container, pod, variables

COMPONENT = "kubernetes/registry/kustomization.yaml"


def closed(engine: str, **changes: Any) -> Recommendation:
    profile = {"internet": "no", "platform": "kubernetes"}
    return served(engine, **changes).model_copy(update={"profile": profile})


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def bundle(engine: str) -> Bundle:
    return render(closed(engine))


def test_a_closed_cluster_is_a_cluster_and_other_platforms_are_one_machine(engine: str) -> None:
    assert default_targets(closed(engine)) == ("kubernetes",)
    for platform in ("docker", None):
        advice = closed(engine).model_copy(update={"profile": {"internet": "no", "platform": platform}})
        assert default_targets(advice) == ("airgap",)


def test_pods_name_images_by_tag_and_the_list_has_them_all(bundle: Bundle) -> None:
    found = {one["image"] for one in (*pod(bundle)["initContainers"], *pod(bundle)["containers"])}
    lines = [line.split() for line in bundle["airgap/images.txt"].text.splitlines() if not line.startswith("#")]
    assert {line[0] for line in lines} == found
    assert len(lines) == len(found) == 2
    assert not [image for image in found if "@" in image]
    assert next(line[1] for line in lines if line[0].startswith("caddy:")).startswith("sha256:")
    assert {line[2] for line in lines} == {"pull"}


def test_what_would_be_pulled_from_nowhere_is_found(bundle: Bundle) -> None:
    deployment, component = yaml_of(bundle, "kubernetes/deployment.yaml"), yaml_of(bundle, COMPONENT)
    images = bundle["airgap/images.txt"].text
    assert list(check_closed_cluster(deployment, component, images)) == []
    container_of = deployment["spec"]["template"]["spec"]["containers"][0]
    container_of["image"] = "other:1"
    assert list(check_closed_cluster(deployment, component, images)) == [
        "image other:1 is not in airgap/images.txt",
        "image other:1 would not come from the registry of the closed side",
    ]


@pytest.mark.parametrize(
    ("engine_id", "place"), [("vllm", "/models/model"), ("sglang", "/models/model"), ("lmdeploy", "/models/model")]
)
def test_what_was_carried_keeps_its_name(engine_id: str, place: str) -> None:
    told = container(render(closed(engine_id)))["args"]
    assert place in told
    assert "Qwen/Qwen3-8B" in told
    assert variables(container(render(closed(engine_id))))["TRANSFORMERS_OFFLINE"] == "1"


def test_llama_cpp_finds_its_file_with_a_script() -> None:
    bundle = render(closed("llama_cpp"))
    told = container(bundle)
    assert told["command"] == ["sh", "/setup/start.sh"]
    assert "--model" not in told["args"]
    assert {"/setup", "/models"} <= {mount["mountPath"] for mount in told["volumeMounts"]}
    assert "kubernetes/engine/start.sh" in bundle


def test_ollama_serves_the_store_that_was_carried() -> None:
    bundle = render(closed("ollama"))
    assert [one["name"] for one in pod(bundle)["initContainers"]] == ["weights"]
    values = variables(container(bundle))
    assert (values["OLLAMA_MODELS"], values["OLLAMA_NOPRUNE"]) == ("/models/model", "1")
    assert '-v "$PWD/kubernetes/engine:/setup:ro"' in bundle["export.sh"].text


def test_local_weights_are_loaded_and_not_carried(engine: str) -> None:
    path = "/data/model.gguf" if engine in GGUF_ENGINES else "/data/model"
    bundle = render(closed(engine, model=path))
    assert "airgap/fetch.py" not in bundle
    assert "fetching the weights" not in bundle["export.sh"].text
    assert f"source={path}" in bundle["load-weights.sh"].text


def test_nothing_of_one_machine_is_carried_along(bundle: Bundle) -> None:
    for name in ("export.sh", "import.sh"):
        text = bundle[name].text
        assert "compose" not in text
        assert "verify.sh" not in text
        assert ".env" not in text
    assert "HF_TOKEN" not in bundle["kubernetes/deployment.yaml"].text
    assert "kubernetes/fetch-egress.yaml" not in bundle


def test_the_preflight_asks_for_the_registry_and_for_no_hub(engine: str) -> None:
    needs = requirements(closed(engine))
    assert needs is not None
    assert (needs.registry_file, needs.hubs, needs.token, needs.internet) == (COMPONENT, (), False, False)


def test_tuning_starts_from_what_was_carried() -> None:
    advice = tuned("vllm")
    profile = {**advice.profile, "internet": "no", "platform": "kubernetes"}
    bundle = render(advice.model_copy(update={"profile": profile}))
    assert bundle.targets == ("tune", "kubernetes")
    assert '"model": "../weights"' in bundle["tune/recipe.json"].text


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_leads_from_one_side_to_the_other(lang: str, engine: str) -> None:
    text = render(closed(engine).model_copy(update={"lang": lang}))["README.md"].text
    for words in ("./export.sh", "./import.sh --push", "./load-weights.sh", COMPONENT, "ImagePullBackOff"):
        assert words in text
    assert "docker compose" not in text
    assert "huggingface.co`" not in text


@pytest.mark.tool
@pytest.mark.parametrize("mirror", ["registry.example:5000", "registry.example/llm"])
def test_kustomize_puts_the_registry_before_every_image(mirror: str, bundle: Bundle, tmp_path: Path) -> None:
    kubectl = program("kubectl")
    bundle.write(tmp_path / "folder")

    def images() -> set[str]:
        command = [kubectl, "kustomize", tmp_path / "folder" / "kubernetes"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        made = next(one for one in yaml.safe_load_all(done.stdout) if one["kind"] == "Deployment")
        spec = made["spec"]["template"]["spec"]
        return {one["image"] for one in (*spec["initContainers"], *spec["containers"])}

    published = images()
    path = tmp_path / "folder" / COMPONENT
    path.write_text(named(path.read_text(encoding="utf-8"), mirror), encoding="utf-8")
    assert images() == {f"{mirror}/{image}" for image in published}


def named(component: str, mirror: str) -> str:
    """What import.sh makes of the file."""
    data = yaml.safe_load(component)
    rows = "".join(f"  - name: {one['name']}\n    newName: {mirror}/{one['name']}\n" for one in data["images"])
    return f"apiVersion: {data['apiVersion']}\nkind: {data['kind']}\nimages:\n{rows}"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_preflight_and_loading_say_that_no_registry_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    render(closed("vllm")).write(folder)
    weights = folder / "weights"
    weights.mkdir()
    (weights / "config.json").write_text("{}")
    (tmp_path / "kubectl").write_text("#!/bin/sh\necho no >&2\nexit 1\n")
    (tmp_path / "kubectl").chmod(0o755)
    variables = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}

    def said(script: str) -> str:
        done = subprocess.run([folder / script], capture_output=True, text=True, check=False, env=variables)
        return done.stdout + done.stderr

    assert "names none: pods would pull from the internet" in said("preflight.sh")
    assert "FAIL  no registry of the closed side is set" in said("load-weights.sh")
    path = folder / COMPONENT
    path.write_text(named(path.read_text(encoding="utf-8"), "registry.example:5000"), encoding="utf-8")
    assert f"{COMPONENT} names it" in said("preflight.sh")
    assert "no registry of the closed side" not in said("load-weights.sh")
