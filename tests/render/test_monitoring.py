"""Monitoring: queries that name real metrics, limits of the plan, and nothing open to the outside."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from deployadvisor.catalog.metrics import metrics
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import Bundle, render
from deployadvisor.render.check_compose import check_compose
from deployadvisor.render.monitoring import check_queries
from tests.render.factory import served
from tests.render.reading import interpolated, yaml_of

MONITORED = ("vllm", "lmdeploy", "sglang", "llama_cpp")
FILES = {
    "monitoring/prometheus.yaml",
    "monitoring/alerts.yaml",
    "monitoring/dashboard.json",
    "monitoring/grafana-datasource.yaml",
    "monitoring/grafana-dashboards.yaml",
}
ALERTS = {
    "vllm": ["EngineDown", "QueueGrowing", "CacheNearlyFull", "RequestsFail", "RequestsPushedOut"],
    "lmdeploy": ["EngineDown", "QueueGrowing", "CacheNearlyFull"],
    "sglang": ["EngineDown", "QueueGrowing", "CacheNearlyFull", "RequestsFail", "RequestsPushedOut"],
    "llama_cpp": ["EngineDown", "QueueGrowing"],
}


def rules(bundle: Bundle) -> dict[str, Any]:
    (group,) = yaml_of(bundle, "monitoring/alerts.yaml")["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def services(bundle: Bundle) -> dict[str, Any]:
    found: dict[str, Any] = yaml_of(bundle, "compose.yaml")["services"]
    return found


def wanting(**profile: Any) -> Recommendation:
    advice = served("vllm")
    return advice.model_copy(update={"profile": {**advice.profile, **profile}})


@pytest.mark.parametrize("engine", MONITORED)
def test_every_engine_with_metrics_is_watched(engine: str) -> None:
    bundle = render(served(engine))
    assert set(bundle) >= FILES
    assert list(rules(bundle)) == ALERTS[engine]
    assert set(services(bundle)) >= {"prometheus", "grafana"}


@pytest.mark.parametrize("engine", ["ollama", "textgen", "transformers"])
def test_an_engine_without_metrics_is_not(engine: str) -> None:
    bundle = render(served(engine))
    assert not FILES & set(bundle)
    assert not {"prometheus", "grafana"} & set(services(bundle))
    assert "monitoring" not in bundle["README.md"].text
    assert "secrets" not in yaml_of(bundle, "compose.yaml")


def test_nothing_is_watched_whose_metrics_are_switched_off() -> None:
    assert not FILES & set(render(served("sglang", flags=("--context-length", "8192"))))


def test_an_earlier_version_is_not_watched_by_names_of_a_later_one() -> None:
    assert not FILES & set(render(served("vllm", engine_version="0.19.1")))


@pytest.mark.parametrize("engine", MONITORED)
def test_every_query_names_a_metric_of_the_engine(engine: str) -> None:
    bundle = render(served(engine))
    dashboard = json.loads(bundle["monitoring/dashboard.json"].text)
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    queries += [rule["expr"] for rule in rules(bundle).values()]
    known = {metric.series for metric in metrics()[engine].names.values()}
    named = {name for query in queries for name in re.findall(r"[a-z]+:\w+", query)}
    assert named <= known
    assert len(named) >= 4
    assert all("$" not in query for query in queries)
    assert not list(check_queries((engine,), dashboard))


def test_a_metric_that_does_not_exist_is_found() -> None:
    wrong = {"panels": [{"targets": [{"expr": "rate(vllm:num_request_waiting[5m]) or vllm:kv_cache_usage_perc"}]}]}
    assert list(check_queries(("vllm",), wrong)) == ["vllm exports no metric vllm:num_request_waiting"]


def test_panels_stand_beside_each_other_and_take_any_data_source() -> None:
    dashboard = json.loads(render(served("vllm"))["monitoring/dashboard.json"].text)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len(places) == 12
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {"${datasource}"}
    assert [variable["type"] for variable in dashboard["templating"]["list"]] == ["datasource"]


def test_limits_come_from_the_plan_and_the_profile() -> None:
    found = rules(render(wanting(ttft_ms=800, tpot_ms=50.0)))
    assert found["QueueGrowing"]["expr"].endswith("> 8"), "half of the 16 that the plan admits"
    assert found["FirstTokenSlow"]["expr"].endswith("> 0.8")
    assert found["NextTokenSlow"]["expr"].endswith("> 0.05")
    assert "FirstTokenSlow" not in rules(render(wanting(ttft_ms="unknown")))


def test_the_queue_of_a_replica_is_its_share() -> None:
    bundle = render(served("vllm", cards=4, tensor_parallel=2, replicas=2))
    assert rules(bundle)["QueueGrowing"]["expr"].endswith("> 4")
    (job,) = yaml_of(bundle, "monitoring/prometheus.yaml")["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["engine-1:8000", "engine-2:8000"]}]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_every_alert_leads_to_its_line_in_the_page(lang: str) -> None:
    bundle = render(wanting(ttft_ms=800, tpot_ms=50).model_copy(update={"lang": lang}))
    page = bundle["README.md"].text
    headings = {line[3:].lower().replace(" ", "-") for line in page.splitlines() if line.startswith("## ")}
    for name, rule in rules(bundle).items():
        assert f"`{name}`" in page
        assert rule["annotations"]["runbook"].removeprefix("README.md#") in headings
    assert "docker compose --profile monitoring up -d --wait" in page


@pytest.mark.parametrize("engine", MONITORED)
def test_only_loopback_read_only_and_by_profile(engine: str) -> None:
    found = services(render(served(engine)))
    for name, port in (("prometheus", "9090"), ("grafana", "3000")):
        service = interpolated(found[name], {"BIND_ADDRESS": "192.0.2.1"})
        assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
        assert service["profiles"] == ["monitoring"]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert all(mount["read_only"] for mount in service["volumes"] if mount["type"] == "bind")
    assert "inside" not in found["grafana"]["networks"], "it asks Prometheus, never the engine"
    assert "inside" in found["prometheus"]["networks"]
    assert not any(
        "prometheus" in service.get("depends_on", {}) for name, service in found.items() if name != "grafana"
    )


@pytest.mark.parametrize("engine", MONITORED)
def test_metrics_do_not_pass_the_proxy(engine: str) -> None:
    assert "metrics" not in render(served(engine))["proxy/Caddyfile"].text


def test_passwords_and_keys_are_files_of_the_user() -> None:
    bundle = render(served("llama_cpp"))
    data = yaml_of(bundle, "compose.yaml")
    assert data["secrets"] == {
        "grafana_password": {"file": "./monitoring/grafana-password"},
        "engine_key": {"file": "./monitoring/engine-key"},
    }
    assert not {"monitoring/grafana-password", "monitoring/engine-key"} & set(bundle)
    (job,) = yaml_of(bundle, "monitoring/prometheus.yaml")["scrape_configs"]
    assert job["authorization"] == {"type": "Bearer", "credentials_file": "/run/secrets/engine_key"}
    assert "monitoring/engine-key" in bundle["README.md"].text
    assert "GF_SECURITY_ADMIN_PASSWORD" not in data["services"]["grafana"]["environment"]


@pytest.mark.parametrize("engine", ["vllm", "lmdeploy", "sglang"])
def test_engines_that_show_metrics_to_everybody_get_no_key(engine: str) -> None:
    bundle = render(served(engine))
    assert "authorization" not in bundle["monitoring/prometheus.yaml"].text
    assert "secrets" not in services(bundle)["prometheus"]


def test_a_secret_that_is_not_declared_is_found() -> None:
    data = yaml_of(render(served("vllm")), "compose.yaml")
    del data["secrets"]
    names = frozenset({"API_KEY", "BIND_ADDRESS", "PORT", "PROMETHEUS_PORT", "GRAFANA_PORT", "HF_TOKEN"})
    assert list(check_compose(data, names)) == ["service grafana: secret grafana_password is not declared"]


def test_the_command_for_metrics_sends_the_key_where_it_is_asked_for() -> None:
    assert "Authorization: Bearer $LLAMA_API_KEY" in render(served("llama_cpp"))["README.md"].text
    assert "Authorization: Bearer $V" not in render(served("vllm"))["README.md"].text
