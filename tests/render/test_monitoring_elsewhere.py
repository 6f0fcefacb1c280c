"""Monitoring without Compose: for the operator of a cluster, and for a Prometheus of the machine."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deployadvisor.recommendation import Recommendation
from deployadvisor.render.addresses import Addresses
from deployadvisor.render.artefacts import dump
from deployadvisor.render.bundle import Bundle, render
from deployadvisor.render.check import Issue
from deployadvisor.render.check_kubernetes import check_kubernetes
from deployadvisor.render.semantic import semantic_issues
from deployadvisor.render.targets import select
from deployadvisor.render.view import View
from tests.render.crd import faults
from tests.render.factory import served
from tests.render.nodes import spanning
from tests.render.reading import HOSTILE, yaml_of
from tests.render.test_tools import run, tool

IN_CLUSTER = {
    "vllm": (served("vllm"), "kubernetes"),
    "lmdeploy": (served("lmdeploy"), "kubernetes"),
    "sglang": (served("sglang"), "kubernetes"),
    "vllm-group": (spanning("vllm"), "lws"),
    "sglang-group": (spanning("sglang"), "lws"),
}
ON_HOST = [
    (engine, target) for engine in ("vllm", "lmdeploy", "sglang", "llama_cpp") for target in ("systemd", "shell")
]
PODS = {"kubernetes": "deployment.yaml", "lws": "leader-worker-set.yaml"}


def rules_of(bundle: Bundle, path: str) -> dict[str, Any]:
    data = yaml_of(bundle, path)
    (group,) = data.get("spec", data)["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def pod_of(bundle: Bundle, target: str) -> Any:
    spec = yaml_of(bundle, f"{target}/{PODS[target]}")["spec"]
    return spec["template"] if target == "kubernetes" else spec["leaderWorkerTemplate"]["leaderTemplate"]


@pytest.fixture(params=IN_CLUSTER)
def cluster(request: pytest.FixtureRequest) -> tuple[Recommendation, str, Bundle]:
    advice, target = IN_CLUSTER[request.param]
    return advice, target, render(advice, [target])


def test_the_operators_definitions_take_both(cluster: tuple[Recommendation, str, Bundle]) -> None:
    _, target, bundle = cluster
    for path in (f"{target}/pod-monitor.yaml", f"{target}/alert-rules.yaml"):
        assert faults(yaml_of(bundle, path)) == []


def test_neither_is_applied_with_the_folder(cluster: tuple[Recommendation, str, Bundle]) -> None:
    _, target, bundle = cluster
    resources = yaml_of(bundle, f"{target}/kustomization.yaml")["resources"]
    assert not {"pod-monitor.yaml", "alert-rules.yaml"} & set(resources)
    page = bundle["README.md"].text
    assert f"kubectl apply -f {target}/pod-monitor.yaml -f {target}/alert-rules.yaml" in page
    assert page.count('support-bot-metrics: "true"') == 2, "in the row for metrics and beside the operator's files"


def test_the_monitor_reads_the_pods_that_answer(cluster: tuple[Recommendation, str, Bundle]) -> None:
    _, target, bundle = cluster
    spec, pod = yaml_of(bundle, f"{target}/pod-monitor.yaml")["spec"], pod_of(bundle, target)
    assert spec["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    (endpoint,) = spec["podMetricsEndpoints"]
    ports = [port for one in pod["spec"]["containers"] for port in one.get("ports", ())]
    (number,) = (port["containerPort"] for port in ports if port["name"] == endpoint["port"])
    site = f"http://:{number} {{\n\t@metrics path {endpoint['path']}\n"
    assert site in bundle[f"{target}/proxy/Caddyfile"].text, "metrics at this port, without the key"


def test_of_a_group_only_the_leader_is_read() -> None:
    bundle = render(spanning("vllm"), ["lws"])
    wanted = yaml_of(bundle, "lws/pod-monitor.yaml")["spec"]["selector"]["matchLabels"]
    worker = yaml_of(bundle, "lws/leader-worker-set.yaml")["spec"]["leaderWorkerTemplate"]["workerTemplate"]
    assert not wanted.items() <= worker["metadata"]["labels"].items()


@pytest.mark.parametrize("name", [*HOSTILE, "Support bot", "客服", "x" * 80])
def test_rules_ask_for_the_job_that_the_monitor_makes(name: str) -> None:
    bundle = render(served("vllm").model_copy(update={"name": name}), ["kubernetes"])
    spec = yaml_of(bundle, "kubernetes/pod-monitor.yaml")["spec"]
    job = pod_of(bundle, "kubernetes")["metadata"]["labels"][spec["jobLabel"]]
    named = [
        re.findall(r'job="([^"]*)"', one["expr"]) for one in rules_of(bundle, "kubernetes/alert-rules.yaml").values()
    ]
    assert len(named) == 5
    assert {one for found in named for one in found} == {job}
    panels = json.loads(bundle["monitoring/dashboard.json"].text)["panels"]
    assert all(f'job="{job}"' in target["expr"] for panel in panels for target in panel["targets"])


def test_the_rules_are_those_of_compose_but_for_the_job_and_pods_that_are_gone() -> None:
    own = rules_of(render(served("vllm"), ["kubernetes"]), "kubernetes/alert-rules.yaml")
    composed = rules_of(render(served("vllm"), ["compose"]), "monitoring/alerts.yaml")
    assert own.pop("EngineDown")["expr"] == 'up{job="support-bot"} == 0 or absent(up{job="support-bot"})'
    assert composed.pop("EngineDown")["expr"] == 'up{job="engine"} == 0'
    renamed = json.loads(json.dumps(composed).replace(r"job=\"engine\"", r"job=\"support-bot\""))
    assert own == renamed


@pytest.mark.parametrize("engine", ["llama_cpp", "ollama"])
def test_nothing_watches_a_pod_that_hands_no_metrics_out(engine: str) -> None:
    bundle = render(served(engine), ["kubernetes"])
    assert not [path for path in bundle if "monitor" in path or "alert" in path]
    assert "pod-monitor" not in bundle["README.md"].text
    assert "EngineDown" not in bundle["README.md"].text


def objects(bundle: Bundle) -> dict[str, Any]:
    paths = (path for path in bundle if re.fullmatch(r"kubernetes/[^/]+\.yaml", path))
    return {path.removeprefix("kubernetes/"): yaml_of(bundle, path) for path in paths}


def test_a_monitor_that_finds_nothing_is_found() -> None:
    advice = served("vllm")
    files, engine = objects(render(advice, ["kubernetes"])), View(advice, ()).engine
    secrets = frozenset({"support-bot-keys", "support-bot-hub-token"})
    assert not list(check_kubernetes(files, engine, secrets))
    spec = files["pod-monitor.yaml"]["spec"]
    spec["selector"]["matchLabels"] = {"app": "other"}
    spec["podMetricsEndpoints"][0]["port"] = "metric"
    assert list(check_kubernetes(files, engine, secrets)) == [
        ("pod-monitor.yaml", "selects no pod of the folder"),
        ("pod-monitor.yaml", "port metric is not a port of any container"),
    ]


@pytest.mark.parametrize(("engine", "target"), ON_HOST)
def test_a_prometheus_of_the_machine_reads_every_replica_on_loopback(engine: str, target: str) -> None:
    advice = served(engine, replicas=2, cards=2 if engine != "llama_cpp" else 1, tensor_parallel=1)
    bundle = render(advice, [target])
    data = yaml_of(bundle, "monitoring/prometheus.yaml")
    (job,) = data["scrape_configs"]
    (targets,) = (one["targets"] for one in job["static_configs"])
    assert targets == [f"127.0.0.1:{Addresses(View(advice, ())).engine_port(index)}" for index in range(2)]
    assert len(set(targets)) == 2
    assert job["job_name"] == "support-bot"
    assert data["rule_files"] == ["alerts.yaml"]
    if engine == "llama_cpp":
        assert job["authorization"] == {"type": "Bearer", "credentials_file": "engine-key"}
    else:
        assert "authorization" not in job
    assert ("engine-key" in bundle["README.md"].text) is (engine == "llama_cpp")
    assert "monitoring/engine-key" not in bundle


@pytest.mark.parametrize(("engine", "target"), ON_HOST)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_alert_has_a_line_with_commands_of_the_target(engine: str, target: str, lang: str) -> None:
    bundle = render(served(engine).model_copy(update={"lang": lang}), [target])
    rows = alert_rows(bundle, rules_of(bundle, "monitoring/alerts.yaml"))
    assert not [row for row in rows if "docker" in row or "compose" in row or "$" in row]
    assert ("journalctl" in rows[1]) is (target == "systemd")
    assert "--web.listen-address=127.0.0.1:9090" in bundle["README.md"].text


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_in_a_cluster_they_are_those_of_kubectl(cluster: tuple[Recommendation, str, Bundle], lang: str) -> None:
    advice, target, _ = cluster
    bundle = render(advice.model_copy(update={"lang": lang}), [target])
    rows = alert_rows(bundle, rules_of(bundle, f"{target}/alert-rules.yaml"))
    assert not [row for row in rows if "docker" in row or "compose" in row or "$" in row]
    assert "kubectl" in rows[0]
    assert f"{target}/{PODS[target]}" in rows[2]


def alert_rows(bundle: Bundle, rules: dict[str, Any]) -> list[str]:
    """The line of each alert in the page, in the order of the rules."""
    lines = bundle["README.md"].text.splitlines()
    found = [[line for line in lines if line.startswith("|") and f"`{name}`" in line] for name in rules]
    assert all(len(one) == 1 for one in found)
    return [one[0] for one in found]


@pytest.mark.parametrize("target", ["systemd", "shell"])
def test_nothing_on_the_machine_is_watched_without_metrics(target: str) -> None:
    for advice in (served("transformers"), served("sglang", flags=("--context-length", "8192"))):
        bundle = render(advice, [target])
        assert not [path for path in bundle if path.startswith("monitoring/")]
        assert "promtool" not in bundle["README.md"].text


def test_a_wrong_name_in_the_operators_rules_is_found() -> None:
    advice = served("vllm")
    bundle = render(advice, ["kubernetes"])
    path = "kubernetes/alert-rules.yaml"
    wrong = bundle[path].text.replace("vllm:num_requests_waiting", "vllm:num_request_waiting")
    files = {**bundle, path: replace(bundle[path], text=wrong)}
    view = View(advice, select(advice, ["kubernetes"]))
    assert list(semantic_issues(files, view)) == [Issue(path, "vllm exports no metric vllm:num_request_waiting")]
    assert not list(semantic_issues(bundle, view))


@pytest.mark.slow
@pytest.mark.tool
def test_an_alert_fires_when_no_pod_is_left(tmp_path: Path) -> None:
    promtool = tool("promtool")
    for target, advice in (("kubernetes", served("vllm")), ("lws", spanning("vllm"))):
        spec = yaml_of(render(advice, [target]), f"{target}/alert-rules.yaml")["spec"]
        (tmp_path / f"{target}.yaml").write_text(dump(spec, ".yaml"), encoding="utf-8")
        run(promtool, "check", "rules", tmp_path / f"{target}.yaml")
        answers = (("1x30", []), ("0x30", [1]), ("1x10", [1]), ("1x27", []))
        cases = {
            "rule_files": [f"{target}.yaml"],
            "evaluation_interval": "1m",
            "tests": [_case(values, expected) for values, expected in answers],
        }
        (tmp_path / "test.yaml").write_text(dump(cases, ".yaml"), encoding="utf-8")
        run(promtool, "test", "rules", tmp_path / "test.yaml")


def _case(values: str, expected: list[int]) -> dict[str, Any]:
    """Up as long as the values last: what is told afterwards of a pod that is gone is nothing at all."""
    asked = {
        "expr": 'count(ALERTS{alertname="EngineDown",alertstate="firing"})',
        "eval_time": "28m",
        "exp_samples": [{"labels": "{}", "value": value} for value in expected],
    }
    series = {"series": 'up{job="support-bot",instance="support-bot-1"}', "values": values}
    return {"interval": "1m", "input_series": [series], "promql_expr_test": [asked]}
