"""The RayService: taken by its definition, shut to strangers, and serving what was planned."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor import documents
from deployadvisor.catalog.engines import engines
from deployadvisor.errors import RenderError
from deployadvisor.render.bundle import Bundle, available_targets, default_targets, render
from deployadvisor.render.check_kuberay import check_kuberay, pods_of_ray
from deployadvisor.render.check_kubernetes import check_kubernetes
from deployadvisor.render.kuberay import KWARGS
from tests.render.cluster_tools import program
from tests.render.crd import faults
from tests.render.factory import served
from tests.render.nodes import spanning
from tests.render.reading import HOSTILE, yaml_of
from tests.render.test_tools import run, tool

SERVICE = "kuberay/ray-service.yaml"
SECRETS = frozenset({"support-bot-keys", "support-bot-hub-token"})


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return render(spanning(), ["kuberay"])


def cluster(bundle: Bundle) -> Any:
    return yaml_of(bundle, SERVICE)["spec"]["rayClusterConfig"]


def serve(bundle: Bundle) -> Any:
    return documents.parse(yaml_of(bundle, SERVICE)["spec"]["serveConfigV2"], "serveConfigV2").value


def model(bundle: Bundle) -> Any:
    (application,) = serve(bundle)["applications"]
    (found,) = application["args"]["llm_configs"]
    return found


def test_the_definition_takes_it(bundle: Bundle) -> None:
    assert faults(yaml_of(bundle, SERVICE)) == []


def test_workers_are_the_nodes_and_hold_the_cards() -> None:
    for nodes, each in ((2, 8), (3, 4), (4, 1)):
        rendered = render(spanning(nodes=nodes, each=each), ["kuberay"])
        (workers,) = cluster(rendered)["workerGroupSpecs"]
        assert workers["replicas"] == workers["minReplicas"] == workers["maxReplicas"] == nodes
        (ray,) = workers["template"]["spec"]["containers"]
        assert ray["resources"]["limits"]["nvidia.com/gpu"] == str(each)
        told = model(rendered)["engine_kwargs"]
        assert (told["tensor_parallel_size"], told["pipeline_parallel_size"]) == (each, nodes)


def test_flags_become_fields_of_their_own_kind() -> None:
    flags = (
        *("--tensor-parallel-size", "8", "--pipeline-parallel-size", "2", "--max-model-len", "8192"),
        *("--gpu-memory-utilization", "0.90", "--kv-cache-dtype", "fp8", "--dtype", "half"),
        *("--enable-prefix-caching", "--trust-remote-code", "--enable-auto-tool-choice"),
        *("--tool-call-parser", "hermes", "--reasoning-parser", "qwen3"),
    )
    assert model(render(spanning(flags=flags), ["kuberay"]))["engine_kwargs"] == {
        "tensor_parallel_size": 8,
        "pipeline_parallel_size": 2,
        "max_model_len": 8192,
        "gpu_memory_utilization": 0.9,
        "kv_cache_dtype": "fp8",
        "dtype": "half",
        "enable_prefix_caching": True,
        "trust_remote_code": True,
        "enable_auto_tool_choice": True,
        "tool_call_parser": "hermes",
        "reasoning_parser": "qwen3",
    }


def test_a_switch_that_is_turned_off_stays_off() -> None:
    advice = spanning(flags=(*spanning().plan.flags, "--no-enable-prefix-caching"))
    assert model(render(advice, ["kuberay"]))["engine_kwargs"]["enable_prefix_caching"] is False


def test_every_field_has_a_flag_that_is_its_name() -> None:
    options = engines()["vllm"].flags
    assert {options[field].names[0].removeprefix("--").replace("-", "_") for field in KWARGS} == {
        "tensor_parallel_size",
        "pipeline_parallel_size",
        "enable_expert_parallel",
        "max_model_len",
        "max_num_seqs",
        "gpu_memory_utilization",
        "dtype",
        "kv_cache_dtype",
        "enable_prefix_caching",
        "trust_remote_code",
        "enable_auto_tool_choice",
        "tool_call_parser",
        "reasoning_parser",
    }, "fields of EngineArgs and FrontendArgs as read in the wheel of vLLM 0.22.0"


def test_a_flag_that_rays_engine_is_not_known_to_have_is_refused() -> None:
    with pytest.raises(RenderError, match=r"the vLLM of Ray 2\.56\.0 is not known to have --swap-space"):
        render(spanning(flags=(*spanning().plan.flags, "--swap-space", "4")), ["kuberay"])


def test_who_may_use_it() -> None:
    assert available_targets(spanning())[-3:] == ("lws", "kserve", "kuberay")
    assert default_targets(spanning()) == ("lws",)
    for advice, words in (
        (served("vllm"), "for plans over 2 machines or more, and the plan takes 1"),
        (spanning("sglang"), "it is for vllm"),
        (spanning(gpu="mi300x"), "cannot hand amd cards"),
        (spanning(flags=(*spanning().plan.flags, "--quantization", "fp8_per_channel")), "quantises otherwise"),
    ):
        with pytest.raises(RenderError, match=words):
            render(advice, ["kuberay"])


def test_a_plan_with_adapters_is_left_to_the_set() -> None:
    plain = spanning("vllm")
    flags = (*plain.plan.flags, *engines()["vllm"].flags["lora_enable"].arguments(True))
    advice = plain.model_copy(update={"plan": plain.plan.model_copy(update={"flags": flags})})
    assert "kuberay" in available_targets(plain)
    assert "kuberay" not in available_targets(advice)


def test_nothing_answers_strangers(bundle: Bundle) -> None:
    assert serve(bundle)["http_options"] == {"host": "127.0.0.1", "port": 8000}
    assert cluster(bundle)["authOptions"] == {"mode": "token"}
    assert "reverse_proxy 127.0.0.1:8000" in bundle["kuberay/proxy/Caddyfile"].text
    policies = [yaml_of(bundle, path) for path in bundle if path.endswith("-policy.yaml")]
    open_ports = {
        (port["port"], json.dumps(peer))
        for one in policies
        for rule in one["spec"].get("ingress", ())
        for peer in rule["from"]
        for port in rule.get("ports", [{"port": "any"}])
    }
    assert {port for port, _ in open_ports} == {"http", "dashboard", "any", "metrics"}
    assert all("instance" in peer for port, peer in open_ports if port == "any")
    assert all("support-bot-metrics" in peer for port, peer in open_ports if port == "metrics")


def test_the_key_stays_with_the_proxy(bundle: Bundle) -> None:
    head, proxy = cluster(bundle)["headGroupSpec"]["template"]["spec"]["containers"]
    assert "API_KEY" not in {one["name"] for one in head["env"]}
    assert [one["name"] for one in proxy["env"]] == ["API_KEY"]
    assert "header_up -Authorization" in bundle["kuberay/proxy/Caddyfile"].text


def test_workers_find_their_weights(bundle: Bundle) -> None:
    (workers,) = cluster(bundle)["workerGroupSpecs"]
    pod = workers["template"]["spec"]
    places = {
        mount["mountPath"] for one in (*pod["initContainers"], *pod["containers"]) for mount in one["volumeMounts"]
    }
    assert "/home/ray/.cache/huggingface" in places
    assert {one["name"]: one["value"] for one in pod["containers"][0]["env"]}["HF_HUB_OFFLINE"] == "1"


# What must be found


def config(files: Any) -> Any:
    return files["ray-service.yaml"]["spec"]["rayClusterConfig"]


def told(files: Any, **changes: Any) -> None:
    spec = files["ray-service.yaml"]["spec"]
    data = yaml.safe_load(spec["serveConfigV2"])
    (found,) = data["applications"][0]["args"]["llm_configs"]
    for name, value in changes.items():
        data.update({name: value}) if name == "http_options" else found.update({name: value})
    spec["serveConfigV2"] = yaml.safe_dump(data)


FAULTS: dict[str, tuple[Callable[[Any], object], str]] = {
    "upgrade": (lambda files: files["ray-service.yaml"]["spec"].pop("upgradeStrategy"), "cards for a second cluster"),
    "token": (lambda files: config(files).pop("authOptions"), "run whatever anybody sends"),
    "version": (
        lambda files: config(files).update(rayVersion="2.55.0"),
        "rayVersion 2.55.0 is not that of the image",
    ),
    "workers": (
        lambda files: config(files)["workerGroupSpecs"][0].update(replicas=1),
        "1 workers are not the 2 nodes",
    ),
    "cards": (
        lambda files: config(files)["workerGroupSpecs"][0]["template"]["spec"]["containers"][0]["resources"][
            "limits"
        ].update({"nvidia.com/gpu": "4"}),
        "4 cards on each of 2 nodes",
    ),
    "storage": (
        lambda files: config(files)["workerGroupSpecs"][0]["template"]["spec"]["volumes"][0]["ephemeral"][
            "volumeClaimTemplate"
        ]["spec"]["resources"]["requests"].update(storage="25GB"),
        "'25GB' is no quantity of storage",
    ),
    "host": (lambda files: told(files, http_options={"host": "::"}), "listens outside of its pod"),
    "head": (lambda files: files["ray-service.yaml"]["spec"].pop("excludeHeadPodFromServeSvc"), "nobody hears it"),
    "sizes": (lambda files: told(files, engine_kwargs={"tensor_parallel_size": 16}), "is divided 16 by 1"),
    "replicas": (lambda files: told(files, deployment_config={}), "replicas for which there are no cards"),
    "service": (lambda files: files["service.yaml"]["spec"]["selector"].pop("role"), "also be sent to workers"),
    "operator": (lambda files: files.pop("operator-policy.yaml"), "the operator may not reach port 8265"),
    "group": (lambda files: files.pop("group-policy.yaml"), "may not reach each other"),
    "names": (lambda files: files["names.yaml"]["nameReference"][0]["fieldSpecs"].pop(), "ConfigMaps of its workerG"),
}


def parsed(advice: Any) -> dict[str, Any]:
    rendered = render(advice, ["kuberay"])
    inside = [path for path in rendered if path.startswith("kuberay/") and path.endswith(".yaml")]
    found = {path.removeprefix("kuberay/"): yaml_of(rendered, path) for path in inside}
    return {path: data for path, data in found.items() if isinstance(data, dict)}


@pytest.mark.parametrize("fault", FAULTS)
def test_own_checks_find(fault: str) -> None:
    advice = spanning()
    files = parsed(advice)
    assert list(check_kuberay(files, advice.plan)) == []
    change, said = FAULTS[fault]
    change(files)
    assert any(said in problem for _, problem in check_kuberay(files, advice.plan)), fault


@pytest.mark.parametrize("role", [0, 1])
def test_pods_are_checked_like_those_of_plain_manifests(role: int) -> None:
    files = parsed(spanning())
    assert list(check_kubernetes(pods_of_ray(files), engines()["vllm"], SECRETS)) == []
    groups = (config(files)["headGroupSpec"], config(files)["workerGroupSpecs"][0])
    groups[role]["template"]["spec"]["containers"][0]["image"] = "rayproject/ray-llm:latest"
    found = [problem for _, problem in check_kubernetes(pods_of_ray(files), engines()["vllm"], SECRETS)]
    assert any("is not pinned" in problem for problem in found)


# Hostile text


@given(st.sampled_from(HOSTILE) | st.text(min_size=1, max_size=60))
@settings(max_examples=40, deadline=None)
def test_names_do_not_leave_their_place(text: str) -> None:
    rendered = render(spanning().model_copy(update={"name": text}), ["kuberay"])
    assert faults(yaml_of(rendered, SERVICE)) == []


@pytest.mark.parametrize("text", ["a/it's: {x}", "a/b\nhttp_options: {host: 0.0.0.0}", "a/$(X)", "a/\U0001f600 #"])
def test_a_model_comes_through_two_layers_of_yaml(text: str) -> None:
    rendered = render(spanning(model=text), ["kuberay"])
    assert model(rendered)["model_loading_config"]["model_source"] == text
    assert serve(rendered)["http_options"]["host"] == "127.0.0.1"


# The real tools


@pytest.mark.slow
@pytest.mark.tool
def test_kustomize_renames_every_config_map_and_takes_the_patch(bundle: Bundle, tmp_path: Path) -> None:
    kubectl = program("kubectl")
    bundle.write(tmp_path / "out")
    done = subprocess.run(
        [kubectl, "kustomize", tmp_path / "out/kuberay"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    made = list(yaml.safe_load_all(done.stdout))
    maps = {one["metadata"]["name"] for one in made if one["kind"] == "ConfigMap"}
    (found,) = (one for one in made if one["kind"] == "RayService")
    assert faults(found) == []
    ray = found["spec"]["rayClusterConfig"]
    (workers,) = ray["workerGroupSpecs"]
    for group in (ray["headGroupSpec"], workers):
        used = {one["configMap"]["name"] for one in group["template"]["spec"]["volumes"] if "configMap" in one}
        assert used
        assert used <= maps
    assert (workers["template"]["spec"]["nodeSelector"], workers["template"]["spec"]["tolerations"]) == ({}, [])


@pytest.mark.slow
@pytest.mark.tool
def test_kubernetes_takes_what_is_its_own(bundle: Bundle, tmp_path: Path) -> None:
    bundle.write(tmp_path / "out")
    own = ("service", "service-account", "network-policy", "group-policy", "operator-policy", "fetch-egress")
    run(tool("kubernetes-validate"), "--strict", *(tmp_path / f"out/kuberay/{name}.yaml" for name in own))


@pytest.mark.slow
@pytest.mark.tool
def test_ray_takes_what_it_is_to_serve(bundle: Bundle) -> None:
    schema = pytest.importorskip("ray.serve.schema", reason="ray is not installed")
    config = schema.ServeDeploySchema.model_validate(serve(bundle))
    assert config.http_options.host == "127.0.0.1"
    assert config.applications[0].import_path == "ray.serve.llm:build_openai_app"
    nowhere = {**serve(bundle), "applications": [{"name": "llm", "route_prefix": "/"}]}
    with pytest.raises(ValueError, match="import_path"):
        schema.ServeDeploySchema.model_validate(nowhere)
