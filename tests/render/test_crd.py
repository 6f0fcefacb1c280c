"""The reduced definitions take a good resource and refuse each fault an API server would."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from tests.render.crd import faults, known
from tests.render.crds.reduce import FOLDER, of_root

CONTAINER = {"name": "engine", "image": "example/engine:1", "ports": [{"containerPort": 8000}]}
POD = {"metadata": {"labels": {"app": "bot"}}, "spec": {"containers": [CONTAINER]}}
GOOD: dict[str, dict[str, Any]] = {
    "LeaderWorkerSet": {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "bot", "labels": {"app": "bot"}},
        "spec": {"replicas": 1, "leaderWorkerTemplate": {"size": 2, "workerTemplate": POD}},
    },
    "RayService": {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": "bot"},
        "spec": {
            "serveConfigV2": "applications: []\n",
            "rayClusterConfig": {"headGroupSpec": {"rayStartParams": {"num-gpus": "0"}, "template": POD}},
        },
    },
    "InferenceService": {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {"name": "bot"},
        "spec": {"predictor": {"minReplicas": 1, "containers": [{**CONTAINER, "name": "kserve-container"}]}},
    },
    "LLMInferenceService": {
        "apiVersion": "serving.kserve.io/v1alpha2",
        "kind": "LLMInferenceService",
        "metadata": {"name": "bot"},
        "spec": {"model": {"uri": "hf://Qwen/Qwen3-8B", "name": "bot"}, "replicas": 1},
    },
    "LLMInferenceServiceConfig": {
        "apiVersion": "serving.kserve.io/v1alpha2",
        "kind": "LLMInferenceServiceConfig",
        "metadata": {"name": "bot"},
        "spec": {"labels": {"app": "bot"}},
    },
    "ScaledObject": {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "bot"},
        "spec": {
            "scaleTargetRef": {"name": "bot"},
            "triggers": [{"type": "prometheus", "metadata": {"serverAddress": "http://prometheus:9090"}}],
        },
    },
    "PodMonitor": {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": {"name": "bot"},
        "spec": {
            "selector": {"matchLabels": {"app": "bot"}},
            "podMetricsEndpoints": [{"port": "metrics", "interval": "15s"}],
        },
    },
    "PrometheusRule": {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "bot"},
        "spec": {"groups": [{"name": "bot", "rules": [{"alert": "Down", "expr": "up == 0", "for": "2m"}]}]},
    },
    "HTTPRoute": {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "bot"},
        "spec": {"rules": [{"backendRefs": [{"name": "bot", "port": 8000}]}]},
    },
    "Gateway": {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "bot"},
        "spec": {"gatewayClassName": "any", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    },
}
NOTHING = object()
LWS_CONTAINER = "spec.leaderWorkerTemplate.workerTemplate.spec.containers.0"
BAD = [
    ("LeaderWorkerSet", "spec.leaderWorkerTemplate.sizes", 2, "sizes"),
    ("LeaderWorkerSet", "spec.leaderWorkerTemplate.size", "2", "size: '2' is not of type 'integer'"),
    ("LeaderWorkerSet", "spec.leaderWorkerTemplate.workerTemplate", NOTHING, "workerTemplate"),
    ("LeaderWorkerSet", "spec.leaderWorkerTemplate.restartPolicy", "Sometimes", "Sometimes"),
    ("LeaderWorkerSet", f"{LWS_CONTAINER}.resources", {"limits": {"memory": "32GB"}}, "32GB"),
    ("LeaderWorkerSet", f"{LWS_CONTAINER}.env", [{"name": "A", "vlaue": "1"}], "vlaue"),
    ("LeaderWorkerSet", f"{LWS_CONTAINER}.ports", [{"containerPort": 1}, {"containerPort": 1}], "two entries"),
    ("LeaderWorkerSet", f"{LWS_CONTAINER}.ports", [{"containerPort": 2**31}], "maximum"),
    ("LeaderWorkerSet", "apiVersion", "leaderworkerset.x-k8s.io/v1", None),
    ("LeaderWorkerSet", "apiVersion", "lws.x-k8s.io/v1", "apiVersion"),
    ("LeaderWorkerSet", "metadata.lables", {}, "lables"),
    ("RayService", "spec.serveConfig", {}, "serveConfig"),
    ("RayService", "spec.rayClusterConfig.headGroupSpec.rayStartParams", {"num-gpus": 0}, "0 is not of type"),
    ("RayService", "spec.rayClusterConfig.headGroupSpec.template.spec.containers.0.imagePullPolicy", 1, "is not of"),
    ("InferenceService", "spec.predictor.minReplica", 1, "minReplica"),
    ("InferenceService", "spec.predictor.model", {"modelFormat": {}}, "name"),
    ("LLMInferenceService", "spec.model.url", "hf://a/b", "url"),
    ("LLMInferenceService", "spec.model", {"name": "bot"}, "uri"),
    ("LLMInferenceServiceConfig", "spec.label", {"app": "bot"}, "label"),
    ("ScaledObject", "spec.scaleTargetRef", {}, "name"),
    ("ScaledObject", "spec.triggers", [], "triggers"),
    ("PodMonitor", "spec.podMetricsEndpoints.0.interval", "often", "does not match"),
    ("PodMonitor", "spec.selector", NOTHING, "selector"),
    ("PodMonitor", "spec.podMetricsEndpoints.0.relabelings", [{"action": "rename"}], "rename"),
    ("PrometheusRule", "spec.groups.0.rules.0.fro", "2m", "fro"),
    ("PrometheusRule", "spec.groups.0.rules.0.expr", NOTHING, "expr"),
    ("HTTPRoute", "spec.rules.0.backendRefs.0.port", 80000, "maximum"),
    ("Gateway", "spec.listeners.0.protocol", "no protocol", "does not match"),
]


def changed(resource: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    made = copy.deepcopy(resource)
    *above, last = place.split(".")
    part: Any = made
    for key in above:
        part = part[int(key) if key.isdigit() else key]
    if value is NOTHING:
        del part[last]
    else:
        part[last] = value
    return made


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_resource_is_taken(kind: str) -> None:
    assert known(GOOD[kind])
    assert faults(GOOD[kind]) == []


@pytest.mark.parametrize(("kind", "place", "value", "said"), BAD)
def test_a_fault_is_refused_for_its_own_reason(kind: str, place: str, value: Any, said: str | None) -> None:
    found = faults(changed(GOOD[kind], place, value))
    if said is None:
        assert found == []
    else:
        assert len(found) == 1
        assert said in found[0]


def test_every_definition_has_a_sample_and_stays_small() -> None:
    files = sorted(FOLDER.glob("*.json"))
    assert {path.name.partition(".")[0] for path in files} == set(GOOD)
    assert all(path.stat().st_size < 100_000 for path in files)
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{path.name}` |" in text for path in files)


def test_fields_may_stay_unknown_where_the_definition_says_so() -> None:
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    root = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"free": free, "none": {}}}}}
    schema = of_root(root, "example.org/v1", "Thing")["properties"]["spec"]
    assert schema["additionalProperties"] is False
    assert "additionalProperties" not in schema["properties"]["free"]
    assert schema["properties"]["none"] == {}
