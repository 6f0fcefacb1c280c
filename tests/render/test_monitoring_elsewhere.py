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
from deployadvisor.render.check_helm import with_chart
from deployadvisor.render.check_kserve import as_made
from deployadvisor.render.check_kuberay import pods_of_ray
from deployadvisor.render.check_kubernetes import check_kubernetes
from deployadvisor.render.check_lws import pods_of_sets
from deployadvisor.render.semantic import semantic_issues
from deployadvisor.render.targets import select
from deployadvisor.render.view import View
from tests.render.crd import faults
from tests.render.factory import served
from tests.render.nodes import spanning
from tests.render.reading import HOSTILE, yaml_of
from tests.render.test_tools import run, tool

IN_CLUSTER = {
    "vllm": (served("vllm"), "kubernetes", "deployment.yaml"),
    "lmdeploy": (served("lmdeploy"), "kubernetes", "deployment.yaml"),
    "sglang": (served("sglang"), "kubernetes", "deployment.yaml"),
    "vllm-group": (spanning("vllm"), "lws", "leader-worker-set.yaml"),
    "sglang-group": (spanning("sglang"), "lws", "leader-worker-set.yaml"),
    "vllm-kserve": (served("vllm"), "kserve", "llm-inference-service.yaml"),
    "vllm-kserve-group": (spanning("vllm"), "kserve", "llm-inference-service.yaml"),
    "lmdeploy-kserve": (served("lmdeploy"), "kserve", "inference-service.yaml"),
    "sglang-kserve": (served("sglang"), "kserve", "inference-service.yaml"),
    "vllm-helm": (served("vllm"), "helm", "values.yaml"),
}
ON_RAY = (spanning("vllm"), "kuberay", "ray-service.yaml")
"""Ray's own names, in every pod of Ray."""
ON_HOST = [
    (engine, target) for engine in ("vllm", "lmdeploy", "sglang", "llama_cpp") for target in ("systemd", "shell")
]


def rules_of(bundle: Bundle, path: str) -> dict[str, Any]:
    data = yaml_of(bundle, path)
    (group,) = data.get("spec", data)["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def pods_of(bundle: Bundle, target: str) -> list[Any]:
    """The pods that the objects of a folder come to, whoever makes them."""
    files = objects(bundle, target)
    made = with_chart(pods_of_ray(pods_of_sets(as_made(files))), "support-bot").values()
    return [one["spec"]["template"] for one in made if one.get("kind") == "Deployment" and "selector" in one["spec"]]


def pod_of(bundle: Bundle, target: str) -> Any:
    """The pods that the monitor reads."""
    wanted = yaml_of(bundle, f"{target}/pod-monitor.yaml")["spec"]["selector"]["matchLabels"]
    (found,) = (one for one in pods_of(bundle, target) if wanted.items() <= one["metadata"]["labels"].items())
    return found


@pytest.fixture(params=IN_CLUSTER)
def cluster(request: pytest.FixtureRequest) -> tuple[Recommendation, str, Bundle]:
    advice, target, _ = IN_CLUSTER[request.param]
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
    assert ("`engine-policy.yaml` " if target == "helm" else "`network-policy.yaml` ") in page


def test_the_monitor_reads_the_pods_that_answer(cluster: tuple[Recommendation, str, Bundle]) -> None:
    _, target, bundle = cluster
    spec, pod = yaml_of(bundle, f"{target}/pod-monitor.yaml")["spec"], pod_of(bundle, target)
    assert pod["metadata"]["labels"][spec["jobLabel"]] == "support-bot"
    (endpoint,) = spec["podMetricsEndpoints"]
    ports = [port for one in pod["spec"]["containers"] for port in one.get("ports", ())]
    (number,) = (port["containerPort"] for port in ports if port["name"] == endpoint["port"])
    if target == "helm":
        assert [one["name"] for one in pod["spec"]["containers"]] == ["vllm"], "the engine itself"
        return
    site = f"http://:{number} {{\n\t@metrics path {endpoint['path']}\n"
    assert site in bundle[f"{target}/proxy/Caddyfile"].text, "metrics at this port, without the key"


@pytest.mark.parametrize("target", ["lws", "kserve"])
def test_of_a_group_only_the_leader_is_read(target: str) -> None:
    bundle = render(spanning("vllm"), [target])
    assert len(pods_of(bundle, target)) == 2
    assert "proxy" in {one["name"] for one in pod_of(bundle, target)["spec"]["containers"]}


def test_whoever_reads_metrics_is_let_in_there_and_nowhere_else(cluster: tuple[Recommendation, str, Bundle]) -> None:
    _, target, bundle = cluster
    pod, reader = pod_of(bundle, target), {"support-bot-metrics": "true"}
    (endpoint,) = yaml_of(bundle, f"{target}/pod-monitor.yaml")["spec"]["podMetricsEndpoints"]
    ports = [port for one in pod["spec"]["containers"] for port in one.get("ports", ())]
    (number,) = (port["containerPort"] for port in ports if port["name"] == endpoint["port"])
    opened = [
        (one["spec"]["podSelector"]["matchLabels"], port["port"])
        for one in objects(bundle, target).values()
        if one.get("kind") == "NetworkPolicy"
        for rule in one["spec"].get("ingress", ())
        if {"podSelector": {"matchLabels": reader}} in rule["from"]
        for port in rule["ports"]
    ]
    (port,) = (port for selected, port in opened if selected.items() <= pod["metadata"]["labels"].items())
    assert port in (endpoint["port"], number)
    assert len(opened) == (2 if target == "helm" else 1), "engine and router, or the proxy alone"


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
@pytest.mark.parametrize("target", ["kubernetes", "kserve"])
def test_nothing_watches_a_pod_that_hands_no_metrics_out(engine: str, target: str) -> None:
    bundle = render(served(engine), [target])
    assert not [path for path in bundle if "monitor" in path or "alert" in path]
    assert "pod-monitor" not in bundle["README.md"].text
    assert "EngineDown" not in bundle["README.md"].text


def objects(bundle: Bundle, target: str = "kubernetes") -> dict[str, Any]:
    paths = (path for path in bundle if re.fullmatch(rf"{target}/[^/]+\.yaml", path))
    found = {path.removeprefix(f"{target}/"): yaml_of(bundle, path) for path in paths}
    return {path: data for path, data in found.items() if isinstance(data, dict)}


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
@pytest.mark.parametrize("name", IN_CLUSTER)
def test_in_a_cluster_they_are_those_of_kubectl(name: str, lang: str) -> None:
    advice, target, file = IN_CLUSTER[name]
    bundle = render(advice.model_copy(update={"lang": lang}), [target])
    rows = alert_rows(bundle, rules_of(bundle, f"{target}/alert-rules.yaml"))
    assert not [row for row in rows if "docker" in row or "compose" in row or "$" in row]
    assert "kubectl" in rows[0]
    (cache,) = (row for row in rows if "`CacheNearlyFull`" in row)
    assert f"{target}/{file}`" in cache


# The router of the production stack


def test_the_routers_metrics_are_a_job_of_their_own_behind_the_proxy() -> None:
    bundle = render(served("vllm"), ["helm"])
    monitor = yaml_of(bundle, "helm/router-monitor.yaml")
    assert faults(monitor) == []
    assert "router-monitor.yaml" not in yaml_of(bundle, "helm/kustomization.yaml")["resources"]
    spec = monitor["spec"]
    (pod,) = (
        one
        for one in pods_of(bundle, "helm")
        if spec["selector"]["matchLabels"].items() <= one["metadata"]["labels"].items()
    )
    (proxy,) = pod["spec"]["containers"]
    assert proxy["name"] == "proxy"
    (endpoint,) = spec["podMetricsEndpoints"]
    (number,) = (port["containerPort"] for port in proxy["ports"] if port["name"] == endpoint["port"])
    caddyfile = bundle["helm/proxy/Caddyfile"].text
    site = caddyfile[caddyfile.index(f"http://:{number} {{") :]
    assert "@metrics path /metrics\n" in site
    assert "reverse_proxy support-bot-router-service:80" in site
    assert "API_KEY" not in site
    job = {"action": "replace", "targetLabel": "job", "replacement": "support-bot-router"}
    assert job in endpoint["relabelings"]
    rules = rules_of(bundle, "helm/alert-rules.yaml")
    asked = rules.pop("RouterFindsNoEngine")["expr"]
    assert asked.count('vllm:healthy_pods_total{job="support-bot-router"}') == 2
    assert not [one for one in rules.values() if "router" in one["expr"]]
    assert "-f helm/alert-rules.yaml -f helm/router-monitor.yaml" in bundle["README.md"].text


def test_elsewhere_there_is_no_router_to_watch() -> None:
    for advice, target in ((served("vllm"), "kubernetes"), ON_RAY[:2]):
        bundle = render(advice, [target])
        assert "RouterFindsNoEngine" not in rules_of(bundle, f"{target}/alert-rules.yaml")
        assert f"{target}/router-monitor.yaml" not in bundle


# Ray


def test_every_pod_of_ray_is_read_at_rays_own_port() -> None:
    advice, target, _ = ON_RAY
    bundle = render(advice, [target])
    spec, pods = yaml_of(bundle, f"{target}/pod-monitor.yaml")["spec"], pods_of(bundle, target)
    assert faults(yaml_of(bundle, f"{target}/pod-monitor.yaml")) == []
    assert faults(yaml_of(bundle, f"{target}/alert-rules.yaml")) == []
    assert len(pods) == 2
    for pod in pods:
        assert spec["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        (named,) = (
            (one["name"], port["containerPort"])
            for one in pod["spec"]["containers"]
            for port in one.get("ports", ())
            if port["name"] == spec["podMetricsEndpoints"][0]["port"]
        )
        assert named in (("ray-head", 8080), ("ray-worker", 8080))
    cluster = yaml_of(bundle, f"{target}/ray-service.yaml")["spec"]["rayClusterConfig"]
    for part in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert part["rayStartParams"]["metrics-export-port"] == "8080"
    rules = yaml_of(bundle, f"{target}/network-policy.yaml")["spec"]["ingress"]
    assert {"podSelector": {"matchLabels": {"support-bot-metrics": "true"}}} in rules[1]["from"]
    assert [port["port"] for port in rules[1]["ports"]] == ["metrics"]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_queries_and_words_are_those_of_ray(lang: str) -> None:
    advice, target, file = ON_RAY
    bundle = render(advice.model_copy(update={"lang": lang}), [target])
    rules = rules_of(bundle, f"{target}/alert-rules.yaml")
    asked = [one["expr"] for one in rules.values()]
    asked += [
        one["expr"]
        for panel in json.loads(bundle["monitoring/dashboard.json"].text)["panels"]
        for one in panel["targets"]
    ]
    assert not [one for one in asked if "vllm:" in one]
    assert len([one for one in asked if "ray_vllm_" in one]) == len(asked) - 2, "all but those about pods"
    rows = alert_rows(bundle, rules)
    assert "serve status" in rows[0]
    assert f"{target}/{file}`" in rows[2]
    page = bundle["README.md"].text
    assert f"kubectl apply -f {target}/pod-monitor.yaml -f {target}/alert-rules.yaml" in page
    assert "shm_size" not in page
    assert "gauge" in page


def test_a_name_that_ray_does_not_give_is_found() -> None:
    advice, target, _ = ON_RAY
    bundle = render(advice, [target])
    path = f"{target}/alert-rules.yaml"
    view = View(advice, select(advice, [target]))
    assert not list(semantic_issues(bundle, view))
    for wrong in ("vllm:num_requests_waiting", "ray_vllm_num_request_waiting"):
        text = bundle[path].text.replace("ray_vllm_num_requests_waiting", wrong)
        found = semantic_issues({**bundle, path: replace(bundle[path], text=text)}, view)
        assert list(found) == [Issue(path, f"vllm_on_ray exports no metric {wrong}")]


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
    for name in ("vllm", "vllm-group", "vllm-kserve", "sglang-kserve", "vllm-kserve-group", "vllm-helm", "ray"):
        advice, target, _ = {**IN_CLUSTER, "ray": ON_RAY}[name]
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


@pytest.mark.parametrize("engine", ["vllm", "lmdeploy", "sglang", "llama_cpp"])
def test_a_job_is_watched_like_a_script_but_found_by_what_it_notes(engine: str) -> None:
    job, script = (render(served(engine), [target]) for target in ("slurm", "shell"))
    assert rules_of(job, "monitoring/alerts.yaml") == rules_of(script, "monitoring/alerts.yaml")
    (scraped,) = yaml_of(job, "monitoring/prometheus.yaml")["scrape_configs"]
    assert scraped["file_sd_configs"] == [{"files": ["targets.json"], "refresh_interval": "30s"}]
    assert scraped["authorization"] == {"type": "Bearer", "credentials_file": "engine-key"}
    assert "monitoring/targets.json" in job["serve.sbatch"].text
    assert "http://127.0.0.1:8080/metrics/1" in job["README.md"].text


def test_the_proxy_of_a_job_hands_out_the_metrics_of_each_replica() -> None:
    bundle = render(served("vllm", cards=4, tensor_parallel=2, replicas=2), ["slurm"])
    proxy = bundle["proxy/Caddyfile"].text
    for number in (1, 2):
        lines = (
            f"@metrics_{number} path_regexp ^/metrics/{number}$",
            f"handle @metrics_{number} {{",
            "\trewrite * /metrics",
            f"\treverse_proxy {{$ENGINE_{number}}}",
        )
        assert "\n\t".join(lines) in proxy
    assert proxy.index("handle @locked") < proxy.index("@metrics_1")


def test_a_job_without_metrics_has_no_way_to_them() -> None:
    bundle = render(served("transformers"), ["slurm"])
    assert "@metrics" not in bundle["proxy/Caddyfile"].text
    assert "targets.json" not in bundle["serve.sbatch"].text
    assert not [path for path in bundle if path.startswith("monitoring/")]
