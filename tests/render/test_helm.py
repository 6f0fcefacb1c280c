"""The values for the chart: every key is read by it, and what it makes of them is closed and complete."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from deployadvisor.catalog.engines import engines
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import Bundle, render
from deployadvisor.render.check_helm import check_values, with_chart
from deployadvisor.render.check_kubernetes import check_kubernetes
from tests.render.charts.reduce import FOLDER, MODEL
from tests.render.cluster_tools import program
from tests.render.factory import FLAGS, served
from tests.render.reading import HOSTILE, yaml_of
from tests.render.test_kubernetes import handed_on
from tests.render.test_tools import run, tool

RECORD = json.loads((FOLDER / "vllm-stack-0.1.12.json").read_text(encoding="utf-8"))
REPLICAS = {"cards": 4, "tensor_parallel": 2, "replicas": 2}
SECRETS = frozenset({"support-bot-keys", "support-bot-hub-token"})
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
Change = Callable[[Any], object]


def bundle_of(advice: Recommendation) -> Bundle:
    return render(advice, ["helm"])


def values_of(advice: Recommendation) -> Any:
    return yaml_of(bundle_of(advice), "helm/values.yaml")


def folder(bundle: Bundle) -> dict[str, Any]:
    inside = [path for path in bundle if path.startswith("helm/") and path.endswith(".yaml")]
    return {path.removeprefix("helm/"): yaml_of(bundle, path) for path in inside}


def unread(values: dict[str, Any]) -> list[str]:
    """Keys that no template of the chart reads."""
    found = list(_unread(values["servingEngineSpec"], "servingEngineSpec"))
    found += _unread(values["routerSpec"], "routerSpec")
    return found + [part for part in values if part not in ("servingEngineSpec", "routerSpec")]


def _unread(data: dict[str, Any], place: str) -> Iterator[str]:
    read = RECORD["read"]
    for key, value in data.items():
        inside = f"{place}.{key}"
        if key not in read[place]:
            yield inside
        if key in PROBES and place == "servingEngineSpec":
            yield from (f"{inside}.{name}" for name in value if name not in read["probe"])
        for item in value if isinstance(value, list) else [value]:
            if inside in read and isinstance(item, dict):
                yield from _unread(item, inside)


def mistyped(values: dict[str, Any]) -> list[str]:
    return [
        error.message
        for part, schema in RECORD["schema"].items()
        for error in Draft202012Validator(schema).iter_errors(values[part])
    ]


ADVICES = {
    "one": served("vllm"),
    "replicas": served("vllm", **REPLICAS),
    "amd": served("vllm", gpu="mi300x"),
    "card": served("vllm", cards=1, tensor_parallel=1),
}


@pytest.fixture(scope="module", params=ADVICES)
def advice(request: pytest.FixtureRequest) -> Recommendation:
    return ADVICES[request.param]


@pytest.fixture(scope="module")
def values(advice: Recommendation) -> Any:
    return values_of(advice)


def test_the_chart_reads_every_key(values: Any) -> None:
    assert unread(values) == []
    assert mistyped(values) == []


@pytest.mark.parametrize(
    ("change", "key"),
    [
        (lambda v: v["servingEngineSpec"].update(runtimeClass="nvidia"), "servingEngineSpec.runtimeClass"),
        (lambda v: v["servingEngineSpec"]["modelSpec"][0].update(replicas=2), f"{MODEL}.replicas"),
        (lambda v: v["servingEngineSpec"]["modelSpec"][0]["vllmConfig"].update(args=[]), f"{MODEL}.vllmConfig.args"),
        (
            lambda v: v["servingEngineSpec"]["modelSpec"][0]["initContainer"].update(volumeMounts=[]),
            f"{MODEL}.initContainer.volumeMounts",
        ),
        (lambda v: v["servingEngineSpec"]["startupProbe"].update(period=1), "servingEngineSpec.startupProbe.period"),
        (lambda v: v["routerSpec"].update(image="x"), "routerSpec.image"),
        (lambda v: v.update(router={}), "router"),
    ],
)
def test_a_key_that_helm_would_ignore_is_found(change: Change, key: str) -> None:
    wrong = copy.deepcopy(values_of(served("vllm")))
    change(wrong)
    assert unread(wrong) == [key]


def test_a_value_of_a_wrong_type_is_found() -> None:
    wrong = copy.deepcopy(values_of(served("vllm")))
    wrong["servingEngineSpec"]["modelSpec"][0]["replicaCount"] = "2"
    assert mistyped(wrong)


def test_the_plan_reaches_the_engine_by_full_names(values: Any, advice: Recommendation) -> None:
    model = values["servingEngineSpec"]["modelSpec"][0]
    words = model["vllmConfig"]["extraArgs"]
    assert words[-len(FLAGS["vllm"]) :] == list(FLAGS["vllm"])
    assert words[:2] == ["--served-model-name", "Qwen/Qwen3-8B"]
    assert not {"--host", "--port", "--api-key"} & set(words)
    assert f"{model['repository']}:{model['tag']}" in {
        engines()["vllm"].image,
        *engines()["vllm"].image_variants.values(),
    }
    resources = model["resources"]
    card = "amd.com/gpu" if advice.plan.gpu == "mi300x" else "nvidia.com/gpu"
    assert resources["limits"][card] == str(advice.plan.gpus // advice.plan.replicas)


@pytest.mark.parametrize(("flags", "on"), [((), True), (("--no-enable-prefix-caching",), False)])
def test_the_chart_does_not_switch_prefix_caching_off_by_itself(flags: tuple[str, ...], on: bool) -> None:
    model = values_of(served("vllm", flags=(*FLAGS["vllm"], *flags)))["servingEngineSpec"]["modelSpec"][0]
    assert model["vllmConfig"]["enablePrefixCaching"] is on


def test_the_key_is_a_reference(values: Any) -> None:
    spec = values["servingEngineSpec"]
    assert spec["vllmApiKey"] == {"secretName": "support-bot-keys", "secretKey": "API_KEY"}
    (token,) = (row for row in spec["modelSpec"][0]["initContainer"]["env"] if row["name"] == "HF_TOKEN")
    assert token["valueFrom"]["secretKeyRef"]["optional"] is True


def test_no_pod_is_started_beside_one_that_holds_the_cards() -> None:
    assert values_of(served("vllm"))["servingEngineSpec"]["strategy"] == {"type": "Recreate"}
    many = values_of(served("vllm", **REPLICAS))["servingEngineSpec"]
    assert many["strategy"]["rollingUpdate"]["maxSurge"] == 0
    assert many["modelSpec"][0]["pdb"] == {"enabled": True, "maxUnavailable": 1}
    assert "podAffinity" in many["modelSpec"][0]["affinity"]


def test_only_the_door_is_open() -> None:
    found = folder(bundle_of(served("vllm")))
    router = {"app.kubernetes.io/instance": "support-bot", "app.kubernetes.io/component": "router"}
    engine = {"app.kubernetes.io/instance": "support-bot", "app.kubernetes.io/component": "serving-engine"}
    door = found["service.yaml"]["spec"]["selector"]
    assert door.items() <= found["proxy.yaml"]["spec"]["template"]["metadata"]["labels"].items()
    coming = {path: found[path]["spec"]["ingress"][0]["from"] for path in found if path.endswith("-policy.yaml")}
    assert coming["proxy-policy.yaml"] == [{"podSelector": {"matchLabels": {"support-bot-client": "true"}}}]
    assert coming["router-policy.yaml"] == [{"podSelector": {"matchLabels": door}}]
    assert {"podSelector": {"matchLabels": router}} in coming["engine-policy.yaml"]
    assert found["engine-policy.yaml"]["spec"]["podSelector"]["matchLabels"] == engine
    ports = {port["port"] for rule in found["engine-policy.yaml"]["spec"]["egress"] for port in rule["ports"]}
    assert ports == {53}


def test_the_proxy_leads_to_the_router() -> None:
    bundle = bundle_of(served("vllm"))
    caddyfile = bundle["helm/proxy/Caddyfile"].text
    assert "reverse_proxy support-bot-router-service:80 {" in caddyfile
    assert "header_up -Authorization" not in caddyfile.split("handle @api")[1]
    files = yaml_of(bundle, "helm/kustomization.yaml")
    assert "values.yaml" not in files["resources"]
    assert files["generatorOptions"] == {"disableNameSuffixHash": True}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_models_are_handed_on_as_they_are(text: str) -> None:
    model = values_of(served("vllm", model=f"org/{text}"))["servingEngineSpec"]["modelSpec"][0]
    assert handed_on(model["modelURL"]) == f"org/{text}"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40))
@settings(max_examples=15, deadline=None)
def test_any_name_makes_values_that_the_chart_reads(name: str) -> None:
    found = values_of(served("vllm").model_copy(update={"name": name}))
    assert unread(found) == []
    release = found["servingEngineSpec"]["labels"]["release"]
    assert yaml.safe_load(release) == release


GOOD = folder(bundle_of(served("vllm", **REPLICAS)))
FAULTS: dict[str, tuple[Change, str]] = {
    "no key": (lambda v: v["servingEngineSpec"].update(vllmApiKey={"secretName": "x"}), "would ask for no key"),
    "a runtime class": (lambda v: v["servingEngineSpec"].pop("runtimeClassName"), "many clusters do not have"),
    "labels": (lambda v: v["servingEngineSpec"]["labels"].update(release="test"), "engines of other releases"),
    "ingress": (lambda v: v["routerSpec"].update(ingress={"enabled": True}), "opens the router"),
    "open service": (lambda v: v["routerSpec"].update(serviceType="LoadBalancer"), "opens the router"),
    "disabled": (lambda v: v["servingEngineSpec"]["modelSpec"][0].update(enabled=False), "is not enabled"),
    "twice": (
        lambda v: v["servingEngineSpec"]["modelSpec"][0]["vllmConfig"]["extraArgs"].append("--port"),
        "--port is given by the chart as well",
    ),
    "cache": (lambda v: v["servingEngineSpec"]["modelSpec"][0].update(lmcacheConfig={"enabled": True}), "LMCache"),
    "resources": (lambda v: v["servingEngineSpec"]["modelSpec"][0].pop("resources"), "has no resources"),
}


def test_good_files_pass() -> None:
    assert list(check_values(GOOD["values.yaml"])) == []
    assert list(check_kubernetes(with_chart(GOOD, "support-bot"), engines()["vllm"], SECRETS)) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_the_values_is_named(fault: str) -> None:
    change, words = FAULTS[fault]
    wrong = copy.deepcopy(GOOD["values.yaml"])
    change(wrong)
    (found,) = check_values(wrong)
    assert words in found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v["servingEngineSpec"].update(strategy={}), "would need cards"),
        (lambda v: v["servingEngineSpec"]["vllmApiKey"].update(secretName="ghost"), "Secret ghost"),
        (lambda v: v["servingEngineSpec"]["modelSpec"][0].update(tag="latest"), "not pinned"),
        (lambda v: v["servingEngineSpec"]["modelSpec"][0].update(pvcStorage="20GB"), "no quantity of storage"),
        (lambda v: v["servingEngineSpec"]["startupProbe"]["httpGet"].update(port=1), "asks port 1"),
        (lambda v: v["routerSpec"].update(tag="latest"), "not pinned"),
        (lambda v: v["routerSpec"]["containerSecurityContext"].clear(), "keeps capabilities"),
        (lambda v: v["routerSpec"].update(containerPort=9), "asks port 8000"),
    ],
)
def test_what_the_chart_makes_is_checked_like_plain_manifests(change: Change, words: str) -> None:
    files = copy.deepcopy(GOOD)
    change(files["values.yaml"])
    found = [text for _, text in check_kubernetes(with_chart(files, "support-bot"), engines()["vllm"], SECRETS)]
    assert any(words in text for text in found), found


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_speaks_of_the_chart(lang: str) -> None:
    text = bundle_of(served("vllm").model_copy(update={"lang": lang}))["README.md"].text
    for words in (
        "helm upgrade --install support-bot vllm-stack --repo",
        "--version 0.1.12 --values helm/values.yaml",
        "kubectl apply -k helm/",
        "kubectl logs deploy/support-bot-engine-deployment-vllm -c vllm",
        "helm rollback support-bot",
    ):
        assert words in text
    assert "docker compose" not in text
    assert "deploy/support-bot " not in text
    assert "deployment.yaml" not in text.replace("`shm` (deployment.yaml)", "").replace(
        "卷的大小（deployment.yaml）", ""
    )


@pytest.mark.slow
@pytest.mark.tool
def test_kustomize_ties_together_what_goes_around_the_chart(tmp_path: Path) -> None:
    kubectl = program("kubectl")
    bundle_of(served("vllm")).write(tmp_path)
    done = subprocess.run([kubectl, "kustomize", tmp_path / "helm"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = [one for one in yaml.safe_load_all(done.stdout) if one]
    names = {one["metadata"]["name"] for one in made if one["kind"] == "ConfigMap"}
    assert names == {"support-bot-proxy", "support-bot-engine"}
    paths = []
    for number, one in enumerate(made):
        paths.append(tmp_path / f"{number}.yaml")
        paths[-1].write_text(yaml.safe_dump(one), encoding="utf-8")
    run(tool("kubernetes-validate"), "--strict", *paths)


@pytest.mark.slow
@pytest.mark.tool
@pytest.mark.parametrize("name", ADVICES)
def test_helm_makes_of_the_values_what_is_meant(name: str, tmp_path: Path) -> None:
    chart = os.environ.get("VLLM_STACK_CHART")
    if chart is None:
        pytest.skip("VLLM_STACK_CHART names no folder with the chart")
    made = templated(program("helm"), chart, ADVICES[name], tmp_path)
    (engine,) = (one for one in made if one["metadata"]["name"] == "support-bot-engine-deployment-vllm")
    found = folder(bundle_of(ADVICES[name]))
    ours = with_chart(found, "support-bot")["values.yaml"]["spec"]["template"]
    theirs = engine["spec"]["template"]
    assert ours["metadata"]["labels"].items() <= theirs["metadata"]["labels"].items()
    watched = found["pod-monitor.yaml"]["spec"]
    assert watched["selector"]["matchLabels"].items() <= theirs["metadata"]["labels"].items()
    named = {port["name"] for one in theirs["spec"]["containers"] for port in one["ports"]}
    assert watched["podMetricsEndpoints"][0]["port"] in named
    (mine,), (container,) = ours["spec"]["containers"], theirs["spec"]["containers"]
    for part in ("image", "resources", "securityContext"):
        assert container[part] == mine[part]
    assert [word for word in container["command"] if word in mine["command"]] == mine["command"]
    assert {row["name"] for row in mine["env"]} <= {row["name"] for row in container["env"]}
    (fetch,) = theirs["spec"]["initContainers"]
    assert fetch["securityContext"] == mine["securityContext"]
    assert {one["mountPath"] for one in fetch["volumeMounts"]} == {"/data", "/setup"}
    paths = []
    for number, one in enumerate(made):
        paths.append(tmp_path / f"{number}.yaml")
        paths[-1].write_text(yaml.safe_dump(one), encoding="utf-8")
    run(tool("kubernetes-validate"), "--strict", *paths)


@pytest.mark.slow
@pytest.mark.tool
@pytest.mark.parametrize("text", HOSTILE)
def test_helm_hands_hostile_models_on(text: str, tmp_path: Path) -> None:
    chart = os.environ.get("VLLM_STACK_CHART")
    if chart is None:
        pytest.skip("VLLM_STACK_CHART names no folder with the chart")
    made = templated(program("helm"), chart, served("vllm", model=f"org/{text}"), tmp_path)
    (engine,) = (one for one in made if one["metadata"]["name"] == "support-bot-engine-deployment-vllm")
    command = engine["spec"]["template"]["spec"]["containers"][0]["command"]
    assert handed_on(command[2]) == f"org/{text}"


def templated(helm: Path, chart: str, advice: Recommendation, place: Path) -> list[dict[str, Any]]:
    bundle_of(advice).write(place / "bundle")
    values = place / "bundle" / "helm" / "values.yaml"
    command = [helm, "template", "support-bot", chart, "--values", values]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = [one for one in yaml.safe_load_all(done.stdout) if one]
    return [{key: value for key, value in one.items() if value is not None} for one in found]
