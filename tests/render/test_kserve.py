"""What is handed to KServe: accepted by its definitions, and right on top of what KServe adds."""

from __future__ import annotations

import copy
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.catalog.engines import engines
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import Bundle, render
from deployadvisor.render.check_kserve import as_made, check_kserve, pod_of
from deployadvisor.render.check_kubernetes import check_kubernetes
from deployadvisor.render.kserve import for_go
from deployadvisor.render.kubernetes_names import KSERVE_PORT
from deployadvisor.render.manifest import manifests
from tests.render.cluster_tools import program
from tests.render.crd import faults, known
from tests.render.factory import FLAGS, served
from tests.render.reading import HOSTILE, yaml_of
from tests.render.test_kubernetes import handed_on
from tests.render.test_tools import run, tool

ENGINES = manifests()["kserve"].needs.engines
REPLICAS = {"cards": 4, "tensor_parallel": 2, "replicas": 2}
LLM, PREDICTOR = "llm-inference-service.yaml", "inference-service.yaml"

TEMPLATE: dict[str, Any] = {
    "containers": [
        {
            "name": "main",
            "image": "ghcr.io/llm-d/llm-d-cuda:v0.8.0",
            "command": ["/bin/bash", "-c", "a script that evaluates its arguments", "--"],
            "ports": [{"containerPort": 8000, "protocol": "TCP"}],
            "env": [
                {"name": "HOME", "value": "/home"},
                {"name": "VLLM_LOGGING_LEVEL", "value": "INFO"},
                {"name": "HF_HUB_CACHE", "value": "/models"},
            ],
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": False,
                "runAsNonRoot": True,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "lifecycle": {"preStop": {"exec": {"command": ["/bin/sleep", "15"]}}},
            **{
                name: {"httpGet": {"path": "/health", "port": 8000, "scheme": "HTTPS"}, "timeoutSeconds": 1}
                for name in ("startupProbe", "livenessProbe", "readinessProbe")
            },
            "volumeMounts": [
                {"mountPath": "/home", "name": "home"},
                {"mountPath": "/tmp", "name": "tmp-dir"},
                {"mountPath": "/dev/shm", "name": "dshm"},
                {"mountPath": "/models", "name": "model-cache"},
                {"mountPath": "/var/run/kserve/tls", "name": "tls-certs", "readOnly": True},
            ],
        }
    ],
    "terminationGracePeriodSeconds": 60,
    "volumes": [
        {"name": "home", "emptyDir": {}},
        {"name": "dshm", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
        {"name": "model-cache", "emptyDir": {}},
        {"name": "tmp-dir", "emptyDir": {}},
        {"name": "tls-certs", "secret": {"secretName": "made-by-kserve"}},
    ],
}
"""What KServe v0.20.0 sets on one machine, TLS switched on; read in config/llmisvcconfig/config-llm-template.yaml."""

KEYS = {"volumeMounts": "mountPath", "ports": "containerPort"}
LISTS = ("containers", "initContainers", "env", "volumes", "volumeMounts", "ports")


def merged(base: Any, change: Any, key: str = "") -> Any:
    """A strategic merge, as KServe merges a resource into its template: lists of things by what names the things."""
    if isinstance(base, dict) and isinstance(change, dict):
        return base | {name: merged(base.get(name), value, name) for name, value in change.items()}
    if isinstance(base, list) and key in LISTS:
        by = KEYS.get(key, "name")
        named = {one[by]: one for one in base}
        for one in change:
            named[one[by]] = merged(named.get(one[by]), one)
        return list(named.values())
    return change


def made_by_go(value: Any) -> Any:
    """What comes out of KServe's template, in which only ``{{`` has a meaning and back quotes quote."""
    if isinstance(value, dict):
        return {key: made_by_go(item) for key, item in value.items()}
    if isinstance(value, list):
        return [made_by_go(item) for item in value]
    if not isinstance(value, str):
        return value
    assert "{{" not in re.sub(r"\{\{`[^`]*`\}\}", "", value)
    return re.sub(r"\{\{`([^`]*)`\}\}", lambda match: match[1], value)


def folder(bundle: Bundle) -> dict[str, Any]:
    return {
        path.removeprefix("kserve/"): yaml_of(bundle, path)
        for path in bundle
        if path.startswith("kserve/") and path.endswith(".yaml")
    }


def rendered(advice: Recommendation) -> dict[str, Any]:
    return folder(render(advice, ["kserve"]))


def resource(files: Mapping[str, Any]) -> Any:
    return files[LLM] if LLM in files else files[PREDICTOR]


def container(files: Mapping[str, Any], name: str) -> Any:
    pod = pod_of(resource(files))
    return next(one for one in (*pod["initContainers"], *pod["containers"]) if one["name"] == name)


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def files(engine: str) -> dict[str, Any]:
    return rendered(served(engine))


def test_the_definitions_take_every_custom_resource(files: dict[str, Any]) -> None:
    custom = [one for path, one in files.items() if path != "placement.yaml" and "kind" in one and known(one)]
    assert {one["kind"] for one in custom} >= {"HTTPRoute", resource(files)["kind"]}
    assert [faults(one) for one in custom] == [[]] * len(custom)


def test_the_definitions_refuse_what_is_not_theirs(files: dict[str, Any]) -> None:
    wrong = copy.deepcopy(resource(files))
    wrong["spec"]["replica"] = 1
    assert faults(wrong)


def test_vllm_is_an_llm_and_every_other_engine_a_predictor(engine: str, files: dict[str, Any]) -> None:
    assert (LLM in files) is (engine == "vllm")
    assert (PREDICTOR in files) is (engine != "vllm")
    assert resource(files)["metadata"]["name"] == "support-bot"


def test_requests_reach_the_proxy_and_nothing_else(engine: str, files: dict[str, Any]) -> None:
    main = container(files, "main" if engine == "vllm" else "kserve-container")
    assert [port["containerPort"] for port in main["ports"]] == [KSERVE_PORT]
    words = [*main.get("args", ()), *(row.get("value", "") for row in main["env"])]
    assert any(word.startswith("127.0.0.1") for word in words)
    assert "0.0.0.0" not in words
    bundle = render(served(engine), ["kserve"])
    caddyfile = bundle["kserve/proxy/Caddyfile"].text
    assert f"http://:{KSERVE_PORT} {{" in caddyfile
    assert f"reverse_proxy 127.0.0.1:{8001 if engine == 'vllm' else engines()[engine].port}" in caddyfile


def test_the_plan_reaches_the_engine_word_for_word(engine: str, files: dict[str, Any]) -> None:
    if FLAGS[engine]:
        main = container(files, "main" if engine == "vllm" else "kserve-container")
        assert main["args"][-len(FLAGS[engine]) :] == list(FLAGS[engine])


def test_kserve_opens_nothing(engine: str, files: dict[str, Any]) -> None:
    found = resource(files)
    if engine == "vllm":
        assert "router" not in found["spec"]
    else:
        assert found["metadata"]["labels"]["networking.kserve.io/visibility"] == "cluster-local"
    assert files["service.yaml"]["spec"]["type"] == "ClusterIP"
    applied = files["kustomization.yaml"]["resources"]
    assert not {"route.yaml", "route-ingress.yaml", "placement.yaml", "names.yaml"} & set(applied)


def test_the_route_is_for_the_api_with_tls_only(files: dict[str, Any]) -> None:
    spec = files["route.yaml"]["spec"]
    assert spec["parentRefs"][0]["sectionName"] == "https"
    ((rule,), (match,)) = spec["rules"], spec["rules"][0]["matches"]
    assert match["path"]["value"] == "/support-bot/v1"
    assert rule["backendRefs"] == [{"name": "support-bot", "port": 80}]
    (peer,) = files["route-ingress.yaml"]["spec"]["ingress"][0]["from"]
    assert peer["podSelector"]["matchLabels"] == {"serving.kserve.io/gateway": "kserve-ingress-gateway"}


def test_no_key_is_written(engine: str, files: dict[str, Any]) -> None:
    main = container(files, "main" if engine == "vllm" else "kserve-container")
    for one in (main, container(files, "proxy")):
        for row in one["env"]:
            assert not (row["name"].endswith("KEY") and "value" in row)
    (key,) = (row for row in container(files, "proxy")["env"] if row["name"] == "API_KEY")
    assert key["valueFrom"]["secretKeyRef"] == {"name": "support-bot-keys", "key": "API_KEY"}
    assert "--api-key" not in main.get("args", ())


@pytest.mark.parametrize("gpu", ["h100-sxm", "mi300x"])
@pytest.mark.parametrize(
    "changes", [{}, REPLICAS, {"cards": 1, "tensor_parallel": 1}], ids=["two", "replicas", "one"]
)
def test_vllm_comes_out_right_on_top_of_the_template(gpu: str, changes: dict[str, Any]) -> None:
    found = rendered(served("vllm", gpu=gpu, **changes))
    pod = merged(copy.deepcopy(TEMPLATE), made_by_go(found[LLM]["spec"]["template"]))
    main = next(one for one in pod["containers"] if one["name"] == "main")
    assert main["command"] == ["vllm", "serve"]
    assert len(pod["containers"]) == 2
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert main[name]["httpGet"] == {"path": "/health", "port": "http", "scheme": "HTTP"}
    variables = {row["name"]: row.get("value") for row in main["env"]}
    assert (variables["HOME"], variables["HF_HUB_CACHE"]) == ("/home", "/home/.cache/huggingface/hub")
    mounts = {one["mountPath"]: one["name"] for one in main["volumeMounts"]}
    assert mounts["/home/.cache"] == "weights"
    assert mounts["/dev/shm"] == ("dshm" if changes.get("cards") == 1 else "shm")
    assert all(len(volume) == 2 for volume in pod["volumes"])
    assert {one["name"] for one in pod["volumes"]} >= set(mounts.values())
    security = main["securityContext"]
    assert security["runAsNonRoot"] is (gpu == "h100-sxm")
    assert security.get("runAsUser") == (2000 if gpu == "h100-sxm" else None)


def test_a_probe_of_another_kind_would_be_two_questions() -> None:
    wrong = {"containers": [{"name": "main", "livenessProbe": {"exec": {"command": ["true"]}}}]}
    (main,) = merged(copy.deepcopy(TEMPLATE), wrong)["containers"]
    assert {"exec", "httpGet"} <= set(main["livenessProbe"])


def test_what_the_fetching_container_fills_is_where_the_engine_looks() -> None:
    found = rendered(served("vllm"))
    places = {
        name: {mount["mountPath"] for mount in container(found, name)["volumeMounts"] if mount["name"] == "weights"}
        for name in ("fetch", "main")
    }
    homes = {
        name: next(row["value"] for row in container(found, name)["env"] if row["name"] == "HOME")
        for name in ("fetch", "main")
    }
    assert places["fetch"] == places["main"] == {f"{homes['fetch']}/.cache"} == {f"{homes['main']}/.cache"}


def test_a_selector_that_cannot_change_holds_nothing_that_may() -> None:
    assert rendered(served("vllm"))[LLM]["spec"]["labels"] == {"app.kubernetes.io/instance": "support-bot"}


@pytest.mark.parametrize("engine_id", ["vllm", "sglang"])
def test_services_and_policies_find_the_pods_that_kserve_makes(engine_id: str) -> None:
    found = rendered(served(engine_id, **REPLICAS))
    made = as_made(found)
    path = LLM if engine_id == "vllm" else PREDICTOR
    labels = made[path]["spec"]["template"]["metadata"]["labels"]
    assert found["service.yaml"]["spec"]["selector"].items() <= labels.items()
    assert found["network-policy.yaml"]["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert found["disruption-budget.yaml"]["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_replicas_are_fixed_and_updates_need_no_spare_cards() -> None:
    predictor = rendered(served("sglang", **REPLICAS))[PREDICTOR]["spec"]["predictor"]
    assert predictor["minReplicas"] == predictor["maxReplicas"] == 2
    assert predictor["deploymentStrategy"]["rollingUpdate"]["maxSurge"] == 0
    assert rendered(served("sglang"))[PREDICTOR]["spec"]["predictor"]["deploymentStrategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("text", [*HOSTILE, "{{ .GlobalConfig }}", "{{{{", "{{{ x }}}", "{{`{{`}}"])
def test_hostile_models_come_out_of_kserve_as_they_are(text: str) -> None:
    for engine_id in ("vllm", "lmdeploy"):
        found = rendered(served(engine_id, model=f"org/{text}"))
        pod = pod_of(resource(found))
        pod = made_by_go(pod) if engine_id == "vllm" else pod
        words = [handed_on(word) for word in pod["containers"][0]["args"]]
        assert f"org/{text}" in words
        assert faults(resource(found)) == []


@given(st.text(max_size=100))
def test_go_gives_back_every_text(text: str) -> None:
    if "`" not in text:  # back quotes that are the user's own are only told from ours by Go itself
        assert made_by_go(for_go(text)) == text


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40))
@settings(max_examples=15, deadline=None)
def test_any_name_makes_files_that_the_definitions_take(name: str) -> None:
    found = rendered(served("vllm").model_copy(update={"name": name}))
    assert faults(found[LLM]) == []
    assert found[LLM]["metadata"]["name"] == found["placement.yaml"]["metadata"]["name"]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_speaks_of_kserve(lang: str, engine: str) -> None:
    bundle = render(served(engine).model_copy(update={"lang": lang}), ["kserve"])
    text = bundle["README.md"].text
    kind = "llminferenceservice" if engine == "vllm" else "inferenceservice"
    for words in (
        "kubectl apply -k kserve/",
        f"kubectl wait --for=condition=Ready {kind}/support-bot",
        "kubectl port-forward svc/support-bot 8080:80",
        "kserve/route.yaml",
        f"kubectl annotate {kind}/support-bot serving.kserve.io/stop=true",
    ):
        assert words in text
    assert "docker compose" not in text
    assert "deploy/support-bot " not in text
    assert "kubernetes/" not in text.replace("networking.kubernetes/", "")


# Faults that the definitions let through

GOOD = {"llm": rendered(served("vllm", **REPLICAS)), "predictor": rendered(served("sglang", **REPLICAS))}
Change = Callable[[Any], object]


def main(change: Change) -> Change:
    return lambda spec: change(spec["template"]["containers"][0])


def model_server(change: Change) -> Change:
    return lambda spec: change(spec["predictor"]["containers"][0])


FAULTS: dict[str, tuple[str, Change, str]] = {
    "router": ("llm", lambda s: s.update(router={"route": {}}), "opens a route"),
    "second fetch": ("llm", lambda s: s.pop("storageInitializer"), "a second time"),
    "label": ("llm", lambda s: s["labels"].update(version="1"), "label version becomes part of a selector"),
    "go template": ("llm", main(lambda c: c["args"].append("{{ .Spec }}")), "run as a Go template"),
    "shell": ("llm", main(lambda c: c.pop("command")), "a shell that reads arguments"),
    "exec": (
        "llm",
        main(lambda c: c["livenessProbe"].update(tcpSocket={"port": "http"})),
        "livenessProbe would ask twice",
    ),
    "scheme": ("llm", main(lambda c: c["startupProbe"]["httpGet"].pop("scheme")), "leaves the scheme"),
    "root": ("llm", main(lambda c: c["securityContext"].pop("runAsNonRoot")), "leaves runAsNonRoot"),
    "cache": ("llm", main(lambda c: c["env"].pop()), "leaves HF_HUB_CACHE"),
    "two kinds": (
        "llm",
        lambda s: s["template"]["volumes"].append(
            {"name": "model-cache", "persistentVolumeClaim": {"claimName": "x"}}
        ),
        "volume model-cache would be of two kinds",
    ),
    "container": ("llm", main(lambda c: c.update(name="engine")), "KServe looks for main"),
    "no port": ("predictor", model_server(lambda c: c.pop("ports")), "names no port"),
    "name": ("predictor", model_server(lambda c: c.update(name="engine")), "KServe looks for kserve-container"),
    "one core": ("predictor", model_server(lambda c: c["resources"]["limits"].pop("cpu")), "limit of one core"),
    "scaled": ("predictor", lambda s: s["predictor"].update(maxReplicas=9), "scaled by processor load"),
}


def faulty(kind: str, change: Change) -> dict[str, Any]:
    found = copy.deepcopy(GOOD[kind])
    change(resource(found)["spec"])
    return found


def problems(found: dict[str, Any]) -> list[str]:
    return [problem for _, problem in check_kserve(found)]


@pytest.mark.parametrize("kind", GOOD)
def test_good_files_pass(kind: str) -> None:
    assert problems(GOOD[kind]) == []


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named_though_the_definitions_take_it(fault: str) -> None:
    kind, change, words = FAULTS[fault]
    found = faulty(kind, change)
    assert faults(resource(found)) == []
    (said,) = problems(found)
    assert words in said


@pytest.mark.parametrize(
    ("path", "change", "words"),
    [
        ("route.yaml", lambda d: d["spec"]["parentRefs"][0].update(sectionName="http"), "without TLS"),
        ("route.yaml", lambda d: d["spec"]["rules"][0]["matches"][0]["path"].update(value="/"), "more than the API"),
        ("route.yaml", lambda d: d["spec"]["rules"][0]["backendRefs"][0].update(port=81), "which no Service has"),
        ("names.yaml", lambda d: d["nameReference"][0]["fieldSpecs"].clear(), "keep their old names"),
        (PREDICTOR, lambda d: d["metadata"]["labels"].clear(), "opened by KServe"),
        (PREDICTOR, lambda d: d["metadata"]["annotations"].pop("serving.kserve.io/deploymentMode"), "Knative"),
    ],
)
def test_faults_around_the_resource_are_named(path: str, change: Change, words: str) -> None:
    found = copy.deepcopy(GOOD["predictor"])
    change(found[path])
    (said,) = problems(found)
    assert words in said


def test_a_folder_without_a_model_is_named() -> None:
    found = {path: data for path, data in GOOD["llm"].items() if path != LLM}
    assert problems(found) == ["0 resources of KServe serve the model"]


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        ("llm", main(lambda c: c.update(image="vllm/vllm-openai:latest")), "not pinned"),
        ("llm", main(lambda c: c["securityContext"].pop("capabilities")), "keeps capabilities"),
        ("llm", lambda s: s["labels"].clear(), None),
        ("predictor", lambda s: s["predictor"].pop("serviceAccountName"), "ServiceAccount None"),
        (
            "predictor",
            model_server(lambda c: c["resources"]["limits"].update(memory="32GB")),
            "no quantity of memory",
        ),
        ("predictor", lambda s: s["predictor"].update(deploymentStrategy={}), "would need cards"),
    ],
)
def test_pods_are_checked_like_those_of_plain_manifests(kind: str, change: Change, words: str | None) -> None:
    secrets = frozenset({"support-bot-keys", "support-bot-hub-token"})
    engine_id = "vllm" if kind == "llm" else "sglang"
    said = [text for _, text in check_kubernetes(as_made(faulty(kind, change)), engines()[engine_id], secrets)]
    assert any(words in text for text in said) if words else said == []


# Real tools


def built(kubectl: Path, advice: Recommendation, target: str, place: Path) -> list[dict[str, Any]]:
    render(advice, [target]).write(place)
    done = subprocess.run([kubectl, "kustomize", place / target], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


@pytest.mark.slow
@pytest.mark.tool
@pytest.mark.parametrize("target", ["kserve", "kubernetes"])
def test_kustomize_ties_every_folder_together(target: str, tmp_path: Path) -> None:
    kubectl = program("kubectl")
    for engine_id in manifests()[target].needs.engines:
        objects = built(kubectl, served(engine_id), target, tmp_path / engine_id)
        made = {one["metadata"]["name"] for one in objects if one["kind"] == "ConfigMap"}
        text = yaml.safe_dump([one for one in objects if one["kind"] != "ConfigMap"])
        used = set(re.findall(r"configMap:\n\s+name: (\S+)", text))
        assert len(made) == 2
        assert used == made
        assert [problem for one in objects if known_kind(one) for problem in faults(one)] == []


def known_kind(one: dict[str, Any]) -> bool:
    return one["kind"] != "Service" and known(one)


@pytest.mark.slow
@pytest.mark.tool
def test_kustomize_refuses_a_patch_for_another_object(tmp_path: Path) -> None:
    kubectl = program("kubectl")
    render(served("vllm"), ["kserve"]).write(tmp_path)
    path = tmp_path / "kserve" / "placement.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("support-bot", "ghost"), encoding="utf-8")
    done = subprocess.run([kubectl, "kustomize", path.parent], capture_output=True, text=True, check=False)
    assert done.returncode != 0


@pytest.mark.slow
@pytest.mark.tool
def test_kubernetes_takes_what_kserve_makes(tmp_path: Path) -> None:
    for engine_id in ENGINES:
        found = rendered(served(engine_id))
        for path, data in as_made(found).items():
            if data.get("apiVersion", "").partition("/")[0] in ("v1", "apps", "networking.k8s.io", "policy"):
                name = tmp_path / f"{engine_id}-{path}"
                name.write_text(yaml.safe_dump(data), encoding="utf-8")
    written = sorted(tmp_path.glob("*.yaml"))
    assert len(written) > 30
    run(tool("kubernetes-validate"), "--strict", *written)
