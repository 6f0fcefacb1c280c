"""Several nodes by way of KServe: what it makes of the service is one engine, and it does make something of it."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployadvisor.catalog.engines import engines, known_flags
from deployadvisor.render.bundle import available_targets, render
from deployadvisor.render.check_kserve import as_made, check_group, check_kserve
from deployadvisor.render.check_kubernetes import check_kubernetes
from deployadvisor.render.check_lws import pods_of_sets
from deployadvisor.render.kserve import PRESET
from deployadvisor.render.kubernetes_names import KSERVE_PORT
from deployadvisor.render.kubernetes_sizes import sizes_of
from deployadvisor.render.preflight import requirements
from tests.render.cluster_tools import program
from tests.render.crd import faults, known
from tests.render.factory import served
from tests.render.nodes import spanning
from tests.render.reading import HOSTILE
from tests.render.test_kserve import LLM, made_by_go, rendered
from tests.render.test_kubernetes import handed_on
from tests.render.test_tools import run, tool

PARTS = ("template", "worker")
SECRETS = frozenset({"support-bot-keys", "support-bot-hub-token"})


@pytest.fixture(scope="module")
def files() -> dict[str, Any]:
    return rendered(spanning())


def spec(files: Any) -> Any:
    return files[LLM]["spec"]


def container(files: Any, part: str, name: str = "main") -> Any:
    pod = spec(files)[part]
    return next(one for one in (*pod["initContainers"], *pod["containers"]) if one["name"] == name)


def after(words: list[str], flag: str) -> str:
    return words[words.index(flag) + 1]


def made(files: Any) -> Any:
    return as_made(files)[LLM]["spec"]["leaderWorkerTemplate"]


def test_the_definitions_take_every_custom_resource(files: dict[str, Any]) -> None:
    custom = [one for path, one in files.items() if path != "placement.yaml" and "kind" in one and known(one)]
    assert {one["kind"] for one in custom} >= {"LLMInferenceService", "LLMInferenceServiceConfig"}
    assert [faults(one) for one in custom] == [[]] * len(custom)


def test_so_does_that_of_leaderworkerset_take_what_kserve_makes(files: dict[str, Any]) -> None:
    assert faults(as_made(files)[LLM]) == []
    wrong = copy.deepcopy(files)
    spec(wrong)["worker"]["container"] = []
    assert faults(as_made(wrong)[LLM])


def test_the_preset_that_kserve_lacks_is_there_and_says_nothing_of_the_project(files: dict[str, Any]) -> None:
    preset = files["worker-preset.yaml"]
    assert preset["metadata"] == {"name": PRESET} == spec(files)["baseRefs"][0]
    assert preset["spec"].items() <= spec(files).items()
    assert preset == rendered(spanning().model_copy(update={"name": "another"}))["worker-preset.yaml"]


def test_on_one_node_there_is_none_of_this() -> None:
    found = rendered(served("vllm"))
    assert not {"worker-preset.yaml", "group-policy.yaml"} & found.keys()
    assert not {"worker", "parallelism", "baseRefs"} & spec(found).keys()


def test_a_group_is_as_many_pods_as_nodes_and_its_cards_are_the_plans() -> None:
    for nodes, each in ((2, 8), (3, 4), (4, 1)):
        found = rendered(spanning(nodes=nodes, each=each))
        assert made(found)["size"] == nodes
        for part in PARTS:
            told = container(found, part)
            assert told["resources"]["limits"]["nvidia.com/gpu"] == str(each)
            assert after(told["args"], "--nnodes") == str(nodes)


def test_each_engine_is_told_its_place_in_a_command_that_is_ours(files: dict[str, Any]) -> None:
    for part in PARTS:
        told = container(files, part)
        assert told["command"] == ["vllm", "serve"]
        assert after(told["args"], "--node-rank") == "$(LWS_WORKER_INDEX)"
        assert after(told["args"], "--master-addr") == "$(LWS_LEADER_ADDRESS)"
        assert {word for word in told["args"] if word.startswith("--")} <= known_flags("vllm")
        assert {"name": "VLLM_HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}} in told["env"]


def test_only_the_leader_answers_through_the_proxy(files: dict[str, Any]) -> None:
    leader, worker = container(files, "template"), container(files, "worker")
    assert after(leader["args"], "--host") == after(worker["args"], "--host") == "127.0.0.1"
    assert [port["containerPort"] for port in leader["ports"]] == [KSERVE_PORT]
    assert [one["name"] for one in spec(files)["worker"]["containers"]] == ["main"]
    assert not {"startupProbe", "livenessProbe", "readinessProbe", "ports"} & set(worker)
    assert "--headless" in worker["args"]
    assert "--headless" not in leader["args"]
    assert not [one for one in spec(files)["worker"]["volumes"] if one["name"].startswith("proxy")]


def test_policies_and_the_service_find_what_kserve_labels(files: dict[str, Any]) -> None:
    labels = {part: made(files)[part]["metadata"]["labels"] for part in ("leaderTemplate", "workerTemplate")}
    selector = files["service.yaml"]["spec"]["selector"]
    assert selector.items() <= labels["leaderTemplate"].items()
    assert not selector.items() <= labels["workerTemplate"].items()
    rule = files["group-policy.yaml"]["spec"]
    for wanted in (rule["podSelector"], rule["ingress"][0]["from"][0]["podSelector"]):
        for each in labels.values():
            assert wanted["matchLabels"].items() <= each.items()
    assert "prometheus.io/scrape" not in spec(files)["annotations"], "KServe would put it on workers as well"


def test_each_pod_has_a_volume_of_its_own(files: dict[str, Any]) -> None:
    size = sizes_of(spanning(), engines()["vllm"]).volume_gib
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": f"{size}Gi"}}}
    for part in PARTS:
        (weights,) = (one for one in spec(files)[part]["volumes"] if one["name"] == "weights")
        assert weights["ephemeral"] == {"volumeClaimTemplate": {"spec": claim}}
        fetching = container(files, part, "fetch")["volumeMounts"][0]
        assert fetching in container(files, part)["volumeMounts"]
    assert "storage.yaml" not in files
    advice = spanning()
    twice = advice.plan.model_copy(update={"replicas": 2, "gpus": 32})
    assert "affinity" not in spec(rendered(advice.model_copy(update={"plan": twice})))["template"]


def test_the_leader_waits_for_the_slowest_node(files: dict[str, Any]) -> None:
    sizes = sizes_of(spanning(), engines()["vllm"])
    probe = container(files, "template")["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] >= sizes.fetch_s + sizes.start_s


@pytest.mark.parametrize("text", [*HOSTILE, "a/{{ .Spec }}", "a/$(LWS_WORKER_INDEX)", "a/b$$c"])
def test_hostile_models_reach_every_engine_as_they_are(text: str) -> None:
    found = rendered(spanning(model=f"org/{text}"))
    for part in PARTS:
        told = made_by_go(container(found, part))
        assert f"org/{text}" in [handed_on(word) for word in told["args"]]
    assert faults(found[LLM]) == []


def test_who_may_use_it() -> None:
    assert "kserve" in available_targets(spanning())
    assert "kserve" not in available_targets(spanning("sglang"))
    assert "kserve" not in available_targets(served("lmdeploy", nodes=2))


@pytest.mark.parametrize("target", ["kserve", "lws", "kuberay"])
def test_the_preflight_asks_for_a_pods_cards_on_each_node(target: str) -> None:
    needs = requirements(spanning(), [target])
    assert needs is not None
    assert (needs.cards.replica, needs.replicas) == (8, 2)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_speaks_of_the_group(lang: str) -> None:
    text = render(spanning().model_copy(update={"lang": lang}), ["kserve"])["README.md"].text
    for words in (
        "kubectl wait --for=condition=Ready llminferenceservice/support-bot",
        "kubectl logs -f pod/support-bot-kserve-mn-0-1 -c main",
        "kubectl delete pod/support-bot-kserve-mn-0`",
        "leaderworkerset.sigs.k8s.io/name=support-bot-kserve-mn",
        "ConfigNotFound",
    ):
        assert words in text
    for words in ("deploy/support-bot", "fetch-egress.yaml -", "ReadWriteMany` in"):
        assert words not in text


# What must be found


def swap(words: list[str], flag: str, value: str) -> None:
    words[words.index(flag) + 1] = value


FAULTS: dict[str, tuple[Callable[[Any], object], str]] = {
    "no preset": (lambda files: files.pop("worker-preset.yaml"), f"is not made without the preset {PRESET}"),
    "another preset": (
        lambda files: files["worker-preset.yaml"]["metadata"].update(name="kserve-config-llm-template"),
        "is not made without the preset",
    ),
    "talkative": (lambda files: files["worker-preset.yaml"]["spec"].update(replicas=2), "every service of the names"),
    "unnamed": (lambda files: spec(files).pop("baseRefs"), "would not be looked at again"),
    "size": (lambda files: spec(files)["parallelism"].update(pipeline=3), "a group has 3 pods"),
    "data": (
        lambda files: spec(files)["parallelism"].update(data=2, dataLocal=1),
        "preset for data parallelism",
    ),
    "workers": (lambda files: spec(files).pop("worker"), "has no workers"),
    "shell": (lambda files: container(files, "worker").pop("command"), "leaves the command of its workers"),
    "one volume": (
        lambda files: spec(files)["worker"]["volumes"].append(
            {"name": "w", "persistentVolumeClaim": {"claimName": "support-bot-weights"}}
        ),
        "the pods of worker wait for a volume",
    ),
    "storage": (
        lambda files: spec(files)["template"]["volumes"][0]["ephemeral"]["volumeClaimTemplate"]["spec"].update(
            resources={"requests": {"storage": "25GB"}}
        ),
        "'25GB' is no quantity of storage",
    ),
    "rank": (lambda files: swap(container(files, "worker")["args"], "--node-rank", "1"), "node_rank is '1'"),
    "address": (
        lambda files: swap(container(files, "worker")["args"], "--master-addr", "127.0.0.1"),
        "not told where the leader",
    ),
    "talks": (lambda files: container(files, "worker")["args"].remove("--headless"), "worker: answers requests"),
    "different": (lambda files: swap(container(files, "worker")["args"], "--max-model-len", "1"), "different things"),
    "service": (
        lambda files: files["service.yaml"]["spec"]["selector"].pop("kserve.io/component"),
        "sent to workers",
    ),
    "in": (lambda files: files["group-policy.yaml"]["spec"].pop("ingress"), "may not reach each other (ingress)"),
}


def problems(files: dict[str, Any]) -> list[str]:
    advice = spanning()
    found = (*check_kserve(files), *check_group(files, engines()["vllm"], advice.plan))
    return [problem for _, problem in found]


@pytest.mark.parametrize("fault", FAULTS)
def test_own_checks_find(fault: str, files: dict[str, Any]) -> None:
    assert problems(files) == []
    change, said = FAULTS[fault]
    wrong = copy.deepcopy(files)
    change(wrong)
    assert any(said in problem for problem in problems(wrong)), problems(wrong)


def test_config_maps_of_workers_that_keep_their_names_are_found(files: dict[str, Any]) -> None:
    wrong = copy.deepcopy(files)
    wrong["names.yaml"]["nameReference"][0]["fieldSpecs"].pop()
    assert problems(wrong) == ["ConfigMaps of LLMInferenceService worker would keep their old names"]


@pytest.mark.parametrize("part", PARTS)
def test_pods_are_checked_like_those_of_plain_manifests(part: str, files: dict[str, Any]) -> None:
    def found(of: Any) -> list[str]:
        pods = pods_of_sets(as_made(of))
        return [problem for _, problem in check_kubernetes(pods, engines()["vllm"], SECRETS)]

    assert found(files) == []
    wrong = copy.deepcopy(files)
    container(wrong, part)["volumeMounts"].append({"name": "nowhere", "mountPath": "/x"})
    container(wrong, part)["resources"]["limits"]["memory"] = "32GB"
    assert any("mounts nowhere" in problem for problem in found(wrong))
    assert any("'32GB' is no quantity" in problem for problem in found(wrong))


# The real tools


@pytest.mark.slow
@pytest.mark.tool
def test_kustomize_renames_every_config_map(tmp_path: Path) -> None:
    kubectl = program("kubectl")
    render(spanning(), ["kserve"]).write(tmp_path / "out")
    done = subprocess.run(
        [kubectl, "kustomize", tmp_path / "out/kserve"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    objects = list(yaml.safe_load_all(done.stdout))
    maps = {one["metadata"]["name"] for one in objects if one["kind"] == "ConfigMap"}
    (found,) = (one for one in objects if one["kind"] == "LLMInferenceService")
    assert faults(found) == []
    assert len([one for one in objects if one["kind"] == "LLMInferenceServiceConfig"]) == 1
    for part in PARTS:
        pod = found["spec"][part]
        used = {one["configMap"]["name"] for one in pod["volumes"] if "configMap" in one}
        assert used
        assert used <= maps
        assert (pod["nodeSelector"], pod["tolerations"]) == ({}, [])
        assert pod["containers"][0]["name"] == "main"


@pytest.mark.slow
@pytest.mark.tool
def test_kubernetes_takes_what_is_its_own_and_the_pods_that_are_made(tmp_path: Path, files: dict[str, Any]) -> None:
    render(spanning(), ["kserve"]).write(tmp_path / "out")
    own = ("service", "service-account", "network-policy", "group-policy", "fetch-egress", "route-ingress")
    paths = [tmp_path / f"out/kserve/{name}.yaml" for name in own]
    for path, data in pods_of_sets(as_made(files)).items():
        if data.get("kind") == "Deployment":
            paths.append(tmp_path / f"{path.partition('#')[2]}.yaml")
            paths[-1].write_text(yaml.safe_dump(data), encoding="utf-8")
    assert len(paths) == len(own) + 2
    run(tool("kubernetes-validate"), "--strict", *paths)
    run(tool("shellcheck"), tmp_path / "out/smoke-test.sh", tmp_path / "out/preflight.sh")
