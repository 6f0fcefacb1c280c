"""The manifests for a cluster: what is reachable, what is secret, what a pod asks for and is told."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.catalog.engines import engines
from deployadvisor.figures import MemoryEstimate, Range
from deployadvisor.reasoning import FactValue
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import Bundle, render
from deployadvisor.render.check_compose import strings
from deployadvisor.render.kubernetes_names import POD_METRICS_PORT, POD_PROXY_PORT, client_label, dns_label, selector
from deployadvisor.render.kubernetes_pod import literal
from deployadvisor.render.kubernetes_sizes import sizes_of
from deployadvisor.render.layout import layout_of
from deployadvisor.render.manifest import manifests
from tests.render.factory import FLAGS, served
from tests.render.reading import HOSTILE, yaml_of

ENGINES = manifests()["kubernetes"].needs.engines
REPLICAS = served("vllm", cards=4, tensor_parallel=2, replicas=2)


def manifests_of(advice: Recommendation) -> Bundle:
    return render(advice, ["kubernetes"])


def pod(bundle: Bundle) -> Any:
    return yaml_of(bundle, "kubernetes/deployment.yaml")["spec"]["template"]["spec"]


def container(bundle: Bundle, name: str = "engine") -> Any:
    found = pod(bundle)
    return next(one for one in (*found["initContainers"], *found["containers"]) if one["name"] == name)


def handed_on(text: str) -> str:
    """What Kubernetes makes of an argument: ``$$`` becomes ``$``, ``$(NAME)`` the variable."""
    return re.sub(r"\$(\$|\(\w+\))", lambda match: "$" if match[1] == "$" else "REPLACED", text)


def variables(one: Any) -> dict[str, str]:
    return {row["name"]: handed_on(row["value"]) for row in one["env"] if "value" in row}


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def bundle(engine: str) -> Bundle:
    return manifests_of(served(engine))


def test_the_engine_is_on_loopback_and_only_the_proxy_has_a_port(engine: str, bundle: Bundle) -> None:
    told = container(bundle)
    words = [*told.get("args", ()), *variables(told).values()]
    assert "0.0.0.0" not in words
    assert any(word.startswith("127.0.0.1") for word in words)
    assert "ports" not in told
    assert engines()[engine].port not in (POD_PROXY_PORT, POD_METRICS_PORT)
    assert f"http://:{POD_PROXY_PORT} {{" in bundle["kubernetes/proxy/Caddyfile"].text
    assert f"reverse_proxy 127.0.0.1:{engines()[engine].port}" in bundle["kubernetes/proxy/Caddyfile"].text


def test_the_plan_reaches_the_engine(engine: str, bundle: Bundle) -> None:
    if engine == "ollama":
        assert variables(container(bundle))["OLLAMA_NUM_PARALLEL"] == "2"
        return
    words = [handed_on(word) for word in container(bundle)["args"]]
    assert words[-len(FLAGS[engine]) :] == list(FLAGS[engine])


def test_no_secret_is_written(bundle: Bundle) -> None:
    for path in bundle:
        if path.endswith(".yaml") and path.startswith("kubernetes/"):
            for row in strings(yaml_of(bundle, path)):
                assert "Bearer" not in row
    named = {
        (row["name"], row["valueFrom"]["secretKeyRef"]["name"])
        for name in ("fetch", "engine", "proxy")
        for row in container(bundle, name)["env"]
        if "valueFrom" in row
    }
    assert ("API_KEY", "support-bot-keys") in named
    assert {secret for _, secret in named} <= {"support-bot-keys", "support-bot-hub-token"}


def test_the_key_reaches_engines_by_environment_only(engine: str, bundle: Bundle) -> None:
    key = engines()[engine].api_key
    names = {row["name"] for row in container(bundle)["env"]}
    assert (key.name in names) is (key.kind == "env")
    assert not {"--api-key", "--api-keys"} & set(container(bundle).get("args", ()))


def test_a_gated_model_can_start_without_a_token() -> None:
    (token,) = (row for row in container(manifests_of(served("vllm")), "fetch")["env"] if row["name"] == "HF_TOKEN")
    assert token["valueFrom"]["secretKeyRef"]["optional"] is True


def test_containers_have_no_privileges(bundle: Bundle) -> None:
    found = pod(bundle)
    assert found["automountServiceAccountToken"] is False
    assert found["enableServiceLinks"] is False
    assert found["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for one in (*found["initContainers"], *found["containers"]):
        assert one["securityContext"]["allowPrivilegeEscalation"] is False
        assert one["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert "hostPath" not in bundle["kubernetes/deployment.yaml"].text


@pytest.mark.parametrize(
    ("advice", "uid"),
    [
        (served("vllm"), 2000),
        (served("vllm", gpu="mi300x"), None),
        (served("sglang"), None),
        (served("ollama"), None),
    ],
    ids=["vllm", "vllm-rocm", "sglang", "ollama"],
)
def test_who_runs_the_engine_is_what_the_image_is_known_to_have(advice: Recommendation, uid: int | None) -> None:
    bundle = manifests_of(advice)
    for name in ("engine", "fetch"):
        assert container(bundle, name)["securityContext"].get("runAsUser") == uid
    assert pod(bundle)["securityContext"].get("fsGroup") == uid
    assert ("root" in bundle["README.md"].text) is (uid is None)
    place = container(bundle)["volumeMounts"][0]["mountPath"]
    assert place.startswith("/home/vllm/" if uid else "/root/")
    assert container(bundle, "proxy")["securityContext"]["runAsNonRoot"] is True


@pytest.mark.parametrize("engine_id", ENGINES)
def test_images_with_a_user_are_images_of_the_catalogue(engine_id: str) -> None:
    entry, user = engines()[engine_id], layout_of(engine_id).user
    known = {entry.image, *entry.image_variants.values(), *(one.image for one in entry.other_builds)}
    assert set(user.images if user else ()) <= known


def test_a_fixed_root_gets_folders_to_write_to() -> None:
    told = container(manifests_of(served("llama_cpp")))
    assert told["securityContext"]["readOnlyRootFilesystem"] is True
    assert {"/tmp", "/run"} <= {mount["mountPath"] for mount in told["volumeMounts"]}


@pytest.mark.parametrize(
    ("advice", "resource", "count"),
    [
        (served("vllm"), "nvidia.com/gpu", "2"),
        (REPLICAS, "nvidia.com/gpu", "2"),
        (served("llama_cpp", gpu="mi300x"), "amd.com/gpu", "1"),
    ],
    ids=["nvidia", "replicas", "amd"],
)
def test_each_pod_asks_for_the_cards_of_one_replica(advice: Recommendation, resource: str, count: str) -> None:
    resources = container(manifests_of(advice))["resources"]
    assert resources["limits"][resource] == resources["requests"][resource] == count


def test_without_cards_none_are_asked_for_and_the_cache_is_in_memory() -> None:
    advice = served("llama_cpp", cards=0)
    assert set(container(manifests_of(advice))["resources"]["limits"]) == {"memory"}
    assert sizes_of(advice, engines()["llama_cpp"]).memory_gib == 40  # 15.3 of weights, 18 of cache, 6 beside


def test_cards_of_a_pod_are_not_chosen_by_number() -> None:
    names = set(variables(container(manifests_of(served("vllm", gpu="mi300x")))))
    assert not {"ROCR_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"} & names


def test_fetching_takes_no_card() -> None:
    fetch = container(manifests_of(served("vllm")), "fetch")
    assert variables(fetch)["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert "nvidia.com/gpu" not in fetch["resources"]["limits"]


def sized(weights_gib: float, **changes: Any) -> Any:
    advice = served("vllm", **changes)
    memory = advice.estimate.memory
    assert memory is not None
    estimate = advice.estimate.model_copy(update={"memory": memory.model_copy(update={"weights_gib": weights_gib})})
    return sizes_of(advice.model_copy(update={"estimate": estimate}), engines()["vllm"])


def test_sizes_of_a_known_plan() -> None:
    found = sized(64.0)
    assert (found.cards, found.cores, found.shared_gib, found.memory_gib) == (2, 4, 4, 64 + 12 + 4)
    assert found.volume_gib == 64 * 1.25 + 5
    assert found.start_s == -(-64 * 1024 // 125) + 1800
    assert found.fetch_s == -(-64 * 1024 // 12)
    assert found.drain_s == 30


def test_one_card_needs_no_shared_memory() -> None:
    bundle = manifests_of(served("vllm", cards=1))
    assert "shm" not in {volume["name"] for volume in pod(bundle)["volumes"]}


@pytest.mark.parametrize(
    ("flags", "precision", "weights_gib"),
    [
        (("--quantization", "fp8_per_channel"), "fp8", 128),
        (("--kv-cache-dtype", "fp8"), "fp8", 64),
        (("--quantization", "awq"), "awq", 64),
    ],
)
def test_files_are_larger_than_what_is_quantised_while_loading(
    flags: tuple[str, ...], precision: str, weights_gib: int
) -> None:
    assert sized(64.0, flags=flags, precision=precision).weights_gib == pytest.approx(weights_gib, rel=0.03)


@given(st.floats(min_value=0.1, max_value=2000), st.floats(min_value=0.1, max_value=2000))
def test_more_weights_never_get_less(one: float, other: float) -> None:
    small, large = sized(min(one, other)), sized(max(one, other))
    for name in ("memory_gib", "volume_gib", "start_s", "fetch_s"):
        assert getattr(small, name) <= getattr(large, name)
    assert large.volume_gib > max(one, other)


def test_loading_has_the_time_that_was_computed(bundle: Bundle, engine: str) -> None:
    sizes = sizes_of(served(engine), engines()[engine])
    probe = container(bundle)["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= sizes.start_s
    spec = yaml_of(bundle, "kubernetes/deployment.yaml")["spec"]
    assert spec["progressDeadlineSeconds"] >= sizes.start_s + sizes.fetch_s


def test_an_answer_that_has_begun_is_finished() -> None:
    advice = served("vllm")
    slow = advice.estimate.model_copy(update={"tpot_ms": Range(value=40, low=30, high=50, basis="a formula")})
    facts = {"output_tokens": FactValue(value=4000, basis="answered", source="profile")}
    bundle = manifests_of(advice.model_copy(update={"estimate": slow, "facts": facts}))
    found = pod(bundle)
    waits = {one["name"]: int(one["lifecycle"]["preStop"]["exec"]["command"][1]) for one in found["containers"]}
    assert waits["engine"] - waits["proxy"] == 200
    assert found["terminationGracePeriodSeconds"] > waits["engine"] > waits["proxy"]
    assert container(bundle)["livenessProbe"]["terminationGracePeriodSeconds"] < waits["engine"]


def test_health_is_asked_of_the_engine_itself_and_readiness_through_the_proxy(engine: str, bundle: Bundle) -> None:
    told, entry = container(bundle), engines()[engine]
    for name in ("startupProbe", "livenessProbe"):
        command = told[name]["exec"]["command"]
        assert engine == "ollama" or f"127.0.0.1:{entry.port}{entry.health_path}" in " ".join(command)
    assert container(bundle, "proxy")["readinessProbe"]["httpGet"] == {"path": "/health", "port": "http"}


def test_no_pod_is_started_beside_one_that_holds_the_cards() -> None:
    one = yaml_of(manifests_of(served("vllm")), "kubernetes/deployment.yaml")["spec"]
    assert one["strategy"] == {"type": "Recreate"}
    many = yaml_of(manifests_of(REPLICAS), "kubernetes/deployment.yaml")["spec"]
    assert many["replicas"] == 2
    assert many["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_replicas_stay_beside_the_volume_that_they_share() -> None:
    bundle = manifests_of(REPLICAS)
    (term,) = pod(bundle)["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["labelSelector"]["matchLabels"] == selector("support-bot")
    assert yaml_of(bundle, "kubernetes/storage.yaml")["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert yaml_of(bundle, "kubernetes/disruption-budget.yaml")["spec"]["maxUnavailable"] == 1


def test_one_replica_has_no_budget_that_would_hold_up_a_drain() -> None:
    bundle = manifests_of(served("vllm"))
    assert "kubernetes/disruption-budget.yaml" not in bundle
    assert "disruption-budget.yaml" not in yaml_of(bundle, "kubernetes/kustomization.yaml")["resources"]


def test_only_labelled_pods_come_in_and_nothing_but_names_goes_out(bundle: Bundle) -> None:
    spec = yaml_of(bundle, "kubernetes/network-policy.yaml")["spec"]
    assert spec["podSelector"]["matchLabels"] == selector("support-bot")
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["ingress"][0] == {
        "from": [{"podSelector": {"matchLabels": client_label("support-bot")}}],
        "ports": [{"protocol": "TCP", "port": "http"}],
    }
    assert {port["port"] for rule in spec["egress"] for port in rule["ports"]} == {53}
    assert yaml_of(bundle, "kubernetes/service.yaml")["spec"]["type"] == "ClusterIP"


def test_the_way_to_the_weights_is_a_policy_of_its_own(bundle: Bundle) -> None:
    spec = yaml_of(bundle, "kubernetes/fetch-egress.yaml")["spec"]
    assert spec["policyTypes"] == ["Egress"]
    assert spec["egress"] == [{"ports": [{"protocol": "TCP", "port": 443}]}]


@pytest.mark.parametrize(
    ("engine_id", "shown"), [("vllm", True), ("lmdeploy", True), ("llama_cpp", False), ("ollama", False)]
)
def test_metrics_are_handed_out_where_they_need_no_key(engine_id: str, shown: bool) -> None:
    bundle = manifests_of(served(engine_id))
    names = [port["name"] for port in yaml_of(bundle, "kubernetes/service.yaml")["spec"]["ports"]]
    assert ("metrics" in names) is shown
    caddyfile = bundle["kubernetes/proxy/Caddyfile"].text
    assert (f"http://:{POD_METRICS_PORT} {{" in caddyfile) is shown
    assert "/metrics" not in re.sub(r"http://:8901 \{.*", "", caddyfile, flags=re.DOTALL)


def test_replicas_follow_the_requests_in_flight() -> None:
    spec = yaml_of(manifests_of(REPLICAS), "kubernetes/scaling-keda.yaml")["spec"]
    assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (1, 2)
    (trigger,) = spec["triggers"]
    assert trigger["metadata"]["threshold"] == "64"
    for gauge in ("vllm:num_requests_running", "vllm:num_requests_waiting"):
        assert gauge in trigger["metadata"]["query"]


@pytest.mark.parametrize(
    "advice",
    [
        served("vllm"),
        served("sglang", cards=4, tensor_parallel=2, replicas=2),
        served("vllm", cards=4, tensor_parallel=2, replicas=2, flags=()),
    ],
    ids=["one", "no-gauge", "no-limit"],
)
def test_nothing_scales_where_nothing_says_when(advice: Recommendation) -> None:
    assert "kubernetes/scaling-keda.yaml" not in manifests_of(advice)


def test_everything_is_applied_but_what_needs_more_than_a_cluster() -> None:
    bundle = manifests_of(REPLICAS)
    data = yaml_of(bundle, "kubernetes/kustomization.yaml")
    inside = {path.removeprefix("kubernetes/") for path in bundle if re.fullmatch(r"kubernetes/[^/]+\.yaml", path)}
    left_out = {"kustomization.yaml", "placement.yaml", "scaling-keda.yaml", "pod-monitor.yaml", "alert-rules.yaml"}
    assert inside - set(data["resources"]) == left_out
    assert data["patches"] == [{"path": "placement.yaml"}]
    assert "namespace" not in data


def test_files_that_a_container_reads_are_in_its_config_maps(engine: str, bundle: Bundle) -> None:
    made = yaml_of(bundle, "kubernetes/kustomization.yaml")["configMapGenerator"]
    files = {path.rpartition("/")[2] for one in made for path in one["files"]}
    script = container(bundle, "fetch")["command"][-1].removeprefix("/setup/")
    assert {"Caddyfile", script} <= files
    assert ("Modelfile" in files) is (engine == "ollama")


def test_what_the_owner_fills_in_stands_empty_in_one_file(bundle: Bundle) -> None:
    data = yaml_of(bundle, "kubernetes/placement.yaml")
    assert data["spec"]["template"]["spec"] == {"nodeSelector": {}, "tolerations": []}
    assert data["metadata"]["name"] == yaml_of(bundle, "kubernetes/deployment.yaml")["metadata"]["name"]


def test_objects_find_one_another(bundle: Bundle) -> None:
    deployment = yaml_of(bundle, "kubernetes/deployment.yaml")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    for wanted in (
        deployment["selector"]["matchLabels"],
        yaml_of(bundle, "kubernetes/service.yaml")["spec"]["selector"],
    ):
        assert wanted.items() <= labels.items()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_models_are_handed_on_as_they_are(text: str) -> None:
    model = f"org/{text}"
    bundle = manifests_of(served("vllm", model=model))
    assert handed_on(container(bundle)["args"][0]) == model
    assert variables(container(bundle, "fetch"))["MODEL_ID"] == model


ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
"""A word that begins with a dash is taken for an option, and refused where the engine has no such option."""


@given(ANY_TEXT.filter(lambda text: not text.startswith("-")))
@settings(max_examples=20, deadline=None)
def test_any_text_reads_back_as_itself(text: str) -> None:
    advice = served("vllm", flags=("--served-model-name", text), model=f"org/{text}")
    bundle = manifests_of(advice.model_copy(update={"name": text}))
    assert handed_on(container(bundle)["args"][-1]) == text
    assert handed_on(container(bundle)["args"][0]) == f"org/{text}"
    name = yaml_of(bundle, "kubernetes/deployment.yaml")["metadata"]["name"]
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name)


@given(st.text(max_size=200))
def test_a_text_is_not_replaced(text: str) -> None:
    assert handed_on(literal(text)) == text


@given(st.text(max_size=300))
def test_every_name_is_a_dns_label_with_room_for_more(text: str) -> None:
    assert re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", dns_label(text))
    assert len(f"{dns_label(text)}-fetch-egress") <= 63


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Support bot", "support-bot"),
        ("9 lives", "llm-9-lives"),
        ("--x--", "x"),
        ("Kundendienst: Antworten (v2)", "kundendienst-antworten-v2"),
    ],
)
def test_names_stay_readable(text: str, name: str) -> None:
    assert dns_label(text) == name


@pytest.mark.parametrize(("one", "other"), [("客服", "法务"), ("a" * 50 + "b", "a" * 50 + "c"), ("", "!")])
def test_names_that_lose_something_are_told_apart(one: str, other: str) -> None:
    assert dns_label(one) != dns_label(other)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_page_speaks_of_the_cluster(lang: str, engine: str) -> None:
    bundle = render(served(engine).model_copy(update={"lang": lang}), ["kubernetes"])
    text = bundle["README.md"].text
    for words in (
        "kubectl apply -k kubernetes/",
        "kubectl create secret generic support-bot-keys --from-file=API_KEY=/dev/stdin",
        "kubectl port-forward svc/support-bot 8080:80",
        "./upgrade.sh --back",
        "./versions.sh keep",
        "kubectl delete -f kubernetes/fetch-egress.yaml",
        "docs/deployment/k8s.md",
    ):
        assert words in text
    assert "docker compose" not in text
    assert not re.search(r"(?<![\w.])\.env\b", text)


def test_the_estimate_that_sizes_the_volume_is_part_of_the_answer() -> None:
    memory = served("vllm").estimate.memory
    assert isinstance(memory, MemoryEstimate)
    storage = yaml_of(manifests_of(served("vllm")), "kubernetes/storage.yaml")
    assert storage["spec"]["resources"]["requests"]["storage"] == "25Gi"
