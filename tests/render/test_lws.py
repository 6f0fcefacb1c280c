"""The LeaderWorkerSet: taken by its definition, and several nodes that can become one engine."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.catalog.engines import engines, known_flags
from deployadvisor.render.bundle import Bundle, available_targets, default_targets, render
from deployadvisor.render.check_kubernetes import check_kubernetes
from deployadvisor.render.check_lws import check_lws, pods_of_sets
from deployadvisor.render.kubernetes_sizes import sizes_of
from tests.render.cluster_tools import program
from tests.render.crd import faults
from tests.render.factory import served
from tests.render.nodes import spanning
from tests.render.reading import HOSTILE, yaml_of
from tests.render.test_kubernetes import handed_on
from tests.render.test_tools import run, tool

ENGINES = ("vllm", "sglang")
SET = "lws/leader-worker-set.yaml"
SECRETS = frozenset({"support-bot-keys", "support-bot-hub-token"})


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def bundle(engine: str) -> Bundle:
    return render(spanning(engine), ["lws"])


def group(bundle: Bundle) -> Any:
    return yaml_of(bundle, SET)["spec"]["leaderWorkerTemplate"]


def container(bundle: Bundle, part: str, name: str = "engine") -> Any:
    spec = group(bundle)[part]["spec"]
    return next(one for one in (*spec["initContainers"], *spec["containers"]) if one["name"] == name)


def after(words: list[str], flag: str) -> str:
    return words[words.index(flag) + 1]


def test_the_definition_takes_it(bundle: Bundle) -> None:
    assert faults(yaml_of(bundle, SET)) == []


def test_a_group_is_as_many_pods_as_nodes_and_its_cards_are_the_plans(engine: str) -> None:
    for nodes, each in ((2, 8), (3, 4), (4, 1)):
        advice = spanning(engine, nodes=nodes, each=each)
        rendered = render(advice, ["lws"])
        assert group(rendered)["size"] == nodes
        for part in ("leaderTemplate", "workerTemplate"):
            told = container(rendered, part)
            assert told["resources"]["limits"]["nvidia.com/gpu"] == str(each)
            assert after(told["args"], "--nnodes") == str(nodes)
            assert "shm" in {mount["name"] for mount in told["volumeMounts"]}


def test_each_engine_is_told_its_place(engine: str, bundle: Bundle) -> None:
    for part in ("leaderTemplate", "workerTemplate"):
        words = container(bundle, part)["args"]
        assert after(words, "--node-rank") == "$(LWS_WORKER_INDEX)"
        leader = after(words, {"vllm": "--master-addr", "sglang": "--dist-init-addr"}[engine])
        assert leader.startswith("$(LWS_LEADER_ADDRESS)")
        assert {word for word in words if word.startswith("--")} <= known_flags(engine)


def test_only_the_leader_answers_and_only_on_loopback(engine: str, bundle: Bundle) -> None:
    leader, worker = container(bundle, "leaderTemplate"), container(bundle, "workerTemplate")
    assert after(leader["args"], "--host") == "127.0.0.1"
    assert [one["name"] for one in group(bundle)["workerTemplate"]["spec"]["containers"]] == ["engine"]
    assert not {"startupProbe", "livenessProbe", "ports"} & set(worker)
    if engine == "vllm":
        assert "--headless" in worker["args"]
        assert "--headless" not in leader["args"]
    selector = yaml_of(bundle, "lws/service.yaml")["spec"]["selector"]
    labels = {part: group(bundle)[part]["metadata"]["labels"] for part in ("leaderTemplate", "workerTemplate")}
    assert selector.items() <= labels["leaderTemplate"].items()
    assert not selector.items() <= labels["workerTemplate"].items()


def test_its_own_service_and_the_projects_have_different_names(bundle: Bundle) -> None:
    assert yaml_of(bundle, SET)["metadata"]["name"] != yaml_of(bundle, "lws/service.yaml")["metadata"]["name"]


def test_pods_of_a_group_reach_each_other_and_others_reach_the_proxy_alone(bundle: Bundle) -> None:
    rule = yaml_of(bundle, "lws/group-policy.yaml")["spec"]
    project = {"app.kubernetes.io/name": "llm", "app.kubernetes.io/instance": "support-bot"}
    assert rule["podSelector"] == {"matchLabels": project}
    assert rule["ingress"] == [{"from": [{"podSelector": {"matchLabels": project}}]}]
    assert rule["egress"] == [{"to": [{"podSelector": {"matchLabels": project}}]}]
    others = yaml_of(bundle, "lws/network-policy.yaml")["spec"]
    assert {port["port"] for one in others["ingress"] for port in one["ports"]} <= {"http", "metrics"}


def test_each_node_has_its_weights_on_a_volume_of_its_own(engine: str, bundle: Bundle) -> None:
    (claim,) = group(bundle)["volumeClaimTemplates"]
    size = sizes_of(spanning(engine), engines()[engine]).volume_gib
    assert claim["spec"] == {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": f"{size}Gi"}}}
    for part in ("leaderTemplate", "workerTemplate"):
        mounts = {mount["name"]: mount["mountPath"] for mount in container(bundle, part)["volumeMounts"]}
        assert mounts["weights"] == container(bundle, part, "fetch")["volumeMounts"][0]["mountPath"]
        assert "weights" not in {one["name"] for one in group(bundle)[part]["spec"]["volumes"]}


def test_the_leader_waits_for_the_slowest_node(engine: str, bundle: Bundle) -> None:
    sizes = sizes_of(spanning(engine), engines()[engine])
    probe = container(bundle, "leaderTemplate")["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] >= sizes.fetch_s + sizes.start_s
    flag = {"vllm": "--distributed-timeout-seconds", "sglang": "--dist-timeout"}[engine]
    assert int(after(container(bundle, "workerTemplate")["args"], flag)) >= sizes.fetch_s + sizes.start_s


def test_who_may_use_it() -> None:
    assert "lws" in available_targets(spanning())
    assert "lws" in default_targets(spanning("sglang"))
    assert "lws" not in available_targets(served("vllm"))
    assert "lws" not in available_targets(served("lmdeploy", nodes=2))


# What must be found


def swap(words: list[str], flag: str, value: str) -> None:
    words[words.index(flag) + 1] = value


def leader(files: Any) -> Any:
    return files["leader-worker-set.yaml"]["spec"]["leaderWorkerTemplate"]["leaderTemplate"]["spec"]["containers"][0]


def worker(files: Any) -> Any:
    return files["leader-worker-set.yaml"]["spec"]["leaderWorkerTemplate"]["workerTemplate"]["spec"]["containers"][0]


def spec(files: Any) -> Any:
    return files["leader-worker-set.yaml"]["spec"]


FAULTS: dict[str, tuple[Callable[[Any], object], str]] = {
    "size": (lambda files: spec(files)["leaderWorkerTemplate"].update(size=3), "a group has 3 pods"),
    "restart": (
        lambda files: spec(files)["leaderWorkerTemplate"].update(restartPolicy="None"),
        "would wait for a pod",
    ),
    "start": (lambda files: spec(files).update(startupPolicy="LeaderReady"), "workers would wait"),
    "surge": (lambda files: spec(files).pop("rolloutStrategy"), "cards for a group more"),
    "storage": (
        lambda files: spec(files)["leaderWorkerTemplate"]["volumeClaimTemplates"][0]["spec"]["resources"].update(
            requests={"storage": "25GB"}
        ),
        "'25GB' is no quantity of storage",
    ),
    "nnodes": (lambda files: swap(leader(files)["args"], "--nnodes", "4"), "leader: nodes is '4', not '2'"),
    "rank": (lambda files: swap(worker(files)["args"], "--node-rank", "1"), "worker: node_rank is '1'"),
    "address": (lambda files: swap(worker(files)["args"], "--master-addr", "127.0.0.1"), "not told where the leader"),
    "talks": (lambda files: worker(files)["args"].remove("--headless"), "worker: answers requests"),
    "silent": (lambda files: leader(files)["args"].append("--headless"), "leader: does not answer"),
    "different": (lambda files: swap(worker(files)["args"], "--max-model-len", "1"), "told different things"),
    "cards": (
        lambda files: worker(files)["resources"]["limits"].update({"nvidia.com/gpu": "4"}),
        "worker: 4 cards on each of 2 nodes",
    ),
    "service": (
        lambda files: files["service.yaml"]["metadata"].update(name="support-bot-group"),
        "its own Service would be support-bot-group",
    ),
    "workers": (lambda files: files["service.yaml"]["spec"]["selector"].pop("role"), "also be sent to workers"),
    "in": (lambda files: files["group-policy.yaml"]["spec"].pop("ingress"), "may not reach each other (ingress)"),
    "out": (
        lambda files: files["group-policy.yaml"]["spec"]["egress"][0].update(ports=[{"port": 80}]),
        "may not reach each other (egress)",
    ),
    "names": (lambda files: files["names.yaml"]["nameReference"][0]["fieldSpecs"].pop(), "ConfigMaps of its workerT"),
}


def parsed(advice: Any) -> dict[str, Any]:
    rendered = render(advice, ["lws"])
    inside = [path for path in rendered if path.startswith("lws/") and path.endswith(".yaml")]
    return {path.removeprefix("lws/"): yaml_of(rendered, path) for path in inside}


@pytest.mark.parametrize("fault", FAULTS)
def test_own_checks_find(fault: str) -> None:
    advice = spanning()
    files = parsed(advice)
    assert list(check_lws(files, engines()["vllm"], advice.plan)) == []
    change, said = FAULTS[fault]
    change(files)
    assert any(said in problem for _, problem in check_lws(files, engines()["vllm"], advice.plan)), fault


@pytest.mark.parametrize("part", ["leaderTemplate", "workerTemplate"])
def test_pods_are_checked_like_those_of_plain_manifests(part: str) -> None:
    files = parsed(spanning())
    assert list(check_kubernetes(pods_of_sets(files), engines()["vllm"], SECRETS)) == []
    pod = spec(files)["leaderWorkerTemplate"][part]["spec"]
    pod["containers"][0]["volumeMounts"].append({"name": "nowhere", "mountPath": "/x"})
    pod["containers"][0]["resources"]["limits"]["memory"] = "32GB"
    found = [problem for _, problem in check_kubernetes(pods_of_sets(files), engines()["vllm"], SECRETS)]
    assert any("mounts nowhere" in problem for problem in found)
    assert any("'32GB' is no quantity" in problem for problem in found)


# Hostile text


@given(st.sampled_from(HOSTILE) | st.text(min_size=1, max_size=60))
@settings(max_examples=40, deadline=None)
def test_names_come_back_as_they_went_in(text: str) -> None:
    rendered = render(spanning().model_copy(update={"name": text}), ["lws"])
    assert faults(yaml_of(rendered, SET)) == []


@pytest.mark.parametrize("text", ["a/$(LWS_WORKER_INDEX)", "a/b$$c", "a/{{ x }}"])
def test_only_our_own_references_are_filled_in(text: str) -> None:
    told = container(render(spanning(model=text), ["lws"]), "leaderTemplate")
    assert text in [handed_on(word) for word in told["args"]]


# The real tools


@pytest.mark.slow
@pytest.mark.tool
def test_kustomize_renames_every_config_map(bundle: Bundle, tmp_path: Path) -> None:
    kubectl = program("kubectl")
    bundle.write(tmp_path / "out")
    done = subprocess.run([kubectl, "kustomize", tmp_path / "out/lws"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = list(yaml.safe_load_all(done.stdout))
    maps = {one["metadata"]["name"] for one in made if one["kind"] == "ConfigMap"}
    (found,) = (one for one in made if one["kind"] == "LeaderWorkerSet")
    assert faults(found) == []
    templates = found["spec"]["leaderWorkerTemplate"]
    for part in ("leaderTemplate", "workerTemplate"):
        pod = templates[part]["spec"]
        used = {one["configMap"]["name"] for one in pod["volumes"] if "configMap" in one}
        assert used
        assert used <= maps
        assert pod["containers"][0]["name"] == "engine"
        assert (pod["nodeSelector"], pod["tolerations"]) == ({}, [])


@pytest.mark.slow
@pytest.mark.tool
def test_kubernetes_takes_what_is_its_own(bundle: Bundle, tmp_path: Path) -> None:
    bundle.write(tmp_path / "out")
    own = ("service", "service-account", "network-policy", "group-policy", "fetch-egress")
    run(tool("kubernetes-validate"), "--strict", *(tmp_path / f"out/lws/{name}.yaml" for name in own))
    run(tool("shellcheck"), tmp_path / "out/smoke-test.sh")
