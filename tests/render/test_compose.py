"""compose.yaml of every engine: what is reachable, what is secret, what the engine is told."""

from typing import Any

import pytest

from deployadvisor import recommend
from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.image_digests import image_digests, with_digest
from deployadvisor.errors import RenderError
from deployadvisor.render.bundle import Bundle, render
from deployadvisor.render.check_compose import strings
from tests.render.factory import ENGINES, FLAGS, GGUF_ENGINES, hosted, served, tuned
from tests.render.reading import engine_command, interpolated, yaml_of


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def bundle(engine: str) -> Bundle:
    return render(served(engine))


@pytest.fixture(scope="module")
def data(bundle: Bundle) -> Any:
    return yaml_of(bundle, "compose.yaml")


def test_only_the_proxy_is_published_and_on_loopback(data: Any) -> None:
    started = {name: service for name, service in data["services"].items() if "profiles" not in service}
    assert [name for name, service in started.items() if "ports" in service] == ["proxy"]
    for port in interpolated(data["services"]["proxy"]["ports"]):
        assert port.startswith("127.0.0.1:")


def test_the_engine_has_no_way_to_the_internet(data: Any) -> None:
    assert data["networks"]["inside"] == {"internal": True}
    assert data["services"]["engine"]["networks"] == ["inside"]
    assert data["services"]["fetch"]["networks"] == ["outside"]


def test_no_secret_is_written(bundle: Bundle, data: Any) -> None:
    assert "API_KEY=\n" in bundle[".env.example"].text
    keys = [text for text in strings(data) if "API_KEY" in text and "$" in text]
    assert keys
    assert set(keys) == {"${API_KEY:?set API_KEY in .env}"}


def test_the_key_reaches_engines_by_environment_only(engine: str, bundle: Bundle, data: Any) -> None:
    key = engines()[engine].api_key
    service = data["services"]["engine"]
    assert (key.name in service["environment"]) is (key.kind == "env")
    assert not {"--api-key", "--api-keys"} & set(service.get("command", ()))
    passed_on = bundle["proxy/Caddyfile"].text.count("header_up -Authorization") == 1
    assert passed_on is (key.kind == "env")


def test_containers_have_no_privileges(data: Any) -> None:
    for service in data["services"].values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["logging"]["options"]["max-size"]
        assert "privileged" not in service


def test_the_plan_reaches_the_engine(engine: str, bundle: Bundle) -> None:
    if engine == "ollama":
        assert bundle["engine/Modelfile"].text.endswith("FROM qwen3:8b\nPARAMETER num_ctx 8192\n")
        assert yaml_of(bundle, "compose.yaml")["services"]["engine"]["environment"]["OLLAMA_NUM_PARALLEL"] == "2"
        return
    command = engine_command(bundle)
    assert command[-len(FLAGS[engine]) :] == list(FLAGS[engine])
    assert command[: len(engines()[engine].image_runs)] == list(engines()[engine].image_runs)
    assert str(engines()[engine].port) in command
    assert "0.0.0.0" in command


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        ("vllm", ["Qwen/Qwen3-8B", "--served-model-name", "Qwen/Qwen3-8B"]),
        ("lmdeploy", ["lmdeploy", "serve", "api_server", "Qwen/Qwen3-8B", "--model-name", "Qwen/Qwen3-8B"]),
        ("sglang", ["sglang", "serve", "--model-path", "Qwen/Qwen3-8B", "--served-model-name", "Qwen/Qwen3-8B"]),
        ("llama_cpp", ["--hf-repo", "Qwen/Qwen3-8B-GGUF:Q4_K_M", "--alias", "Qwen/Qwen3-8B-GGUF"]),
        ("transformers", ["transformers", "serve", "Qwen/Qwen3-8B"]),
    ],
)
def test_model_and_name(engine: str, expected: list[str]) -> None:
    command = engine_command(render(served(engine)))
    left = [word for word in command if word not in FLAGS[engine]]
    assert left[: len(expected)] == expected


def test_vllm_image_is_not_told_to_serve_twice() -> None:
    assert "serve" not in engine_command(render(served("vllm")))


def test_lmdeploy_takes_the_backend_of_the_plan() -> None:
    advice = served("lmdeploy", backend="pytorch", flags=("--tp", "2"))
    command = engine_command(render(advice))
    assert command[command.index("--backend") + 1] == "pytorch"


@pytest.mark.parametrize(
    ("changes", "image"),
    [
        ({}, "openmmlab/lmdeploy:v0.18.0-cu12.8"),
        ({"gpu": "b200"}, "openmmlab/lmdeploy:v0.18.0-cu13.0"),
        ({"engine_version": "0.14.0"}, with_digest("openmmlab/lmdeploy:v0.14.0-cu12.8")),
        ({"engine_version": "0.18.0"}, "openmmlab/lmdeploy:v0.18.0-cu12.8"),
    ],
)
def test_the_image_has_kernels_for_the_cards_and_still_serves_the_model(changes: dict[str, Any], image: str) -> None:
    data = yaml_of(render(served("lmdeploy", **changes)), "compose.yaml")
    assert data["services"]["engine"]["image"] == image


def test_health_is_asked_of_the_engine_and_given_time(engine: str, data: Any) -> None:
    check = data["services"]["engine"]["healthcheck"]
    assert check["start_period"] == "30m"
    if engine != "ollama":
        assert any(f":{engines()[engine].port}{engines()[engine].health_path}" in word for word in check["test"])


def test_cards_are_reserved_by_number(engine: str, data: Any) -> None:
    (device,) = data["services"]["engine"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["capabilities"] == ["gpu"]
    assert device["device_ids"] == (["0"] if engine in GGUF_ENGINES else ["0", "1"])
    assert ("shm_size" in data["services"]["engine"]) is (engine not in GGUF_ENGINES)


def test_replicas_share_the_cards_and_the_proxy_balances() -> None:
    bundle = render(served("vllm", cards=8, tensor_parallel=2, replicas=4))
    services = yaml_of(bundle, "compose.yaml")["services"]
    numbers = [
        services[f"engine-{n}"]["deploy"]["resources"]["reservations"]["devices"][0]["device_ids"]
        for n in (1, 2, 3, 4)
    ]
    assert numbers == [["0", "1"], ["2", "3"], ["4", "5"], ["6", "7"]]
    proxy = bundle["proxy/Caddyfile"].text
    assert "engine-1:8000 engine-2:8000 engine-3:8000 engine-4:8000" in proxy
    assert "lb_policy least_conn" in proxy


def test_the_cards_are_those_of_the_plan() -> None:
    data = yaml_of(render(served("vllm", cards=2, machine_cards=4, used=(1, 3))), "compose.yaml")
    (device,) = data["services"]["engine"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["device_ids"] == ["1", "3"]


def test_replicas_deal_out_the_cards_of_the_plan() -> None:
    bundle = render(served("vllm", cards=2, tensor_parallel=1, replicas=2, machine_cards=4, used=(1, 3)))
    services = yaml_of(bundle, "compose.yaml")["services"]
    devices = [
        services[name]["deploy"]["resources"]["reservations"]["devices"][0] for name in ("engine-1", "engine-2")
    ]
    assert [device["device_ids"] for device in devices] == [["1"], ["3"]]


def test_an_answer_saved_before_plans_named_cards_takes_the_first() -> None:
    data = yaml_of(render(served("vllm", used=())), "compose.yaml")
    (device,) = data["services"]["engine"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["device_ids"] == ["0", "1"]


def test_a_slice_is_named_by_its_uuid_which_the_user_gives() -> None:
    advice = served("vllm", cards=1)
    (card,) = advice.machine.accelerators
    sliced = advice.machine.model_copy(update={"accelerators": (card.model_copy(update={"kind": "mig"}),)})
    bundle = render(advice.model_copy(update={"machine": sliced}))
    (device,) = yaml_of(bundle, "compose.yaml")["services"]["engine"]["deploy"]["resources"]["reservations"][
        "devices"
    ]
    assert device["device_ids"] == ["${MIG_DEVICE:?set MIG_DEVICE in .env}"]
    assert "# MIG_DEVICE=" in bundle[".env.example"].text
    assert "MIG_DEVICE" in bundle["README.md"].text


@pytest.mark.parametrize("engine_id", ["vllm", "ollama", "llama_cpp"])
def test_amd_cards_are_devices_and_a_rocm_image(engine_id: str) -> None:
    service = yaml_of(render(served(engine_id, gpu="mi300x")), "compose.yaml")["services"]["engine"]
    assert service["devices"] == ["/dev/kfd", "/dev/dri"]
    assert service["image"] == with_digest(engines()[engine_id].image_variants["rocm"])
    assert "deploy" not in service


def test_an_engine_without_a_rocm_image_is_refused() -> None:
    with pytest.raises(RenderError, match="no image of SGLang for AMD"):
        render(served("sglang", gpu="mi300x"))


@pytest.mark.parametrize("engine_id", ["ollama", "llama_cpp"])
def test_without_cards_the_cpu_image_runs(engine_id: str) -> None:
    service = yaml_of(render(served(engine_id, cards=0)), "compose.yaml")["services"]["engine"]
    assert service["image"] == with_digest(engines()[engine_id].image_variants["cpu"])
    assert "deploy" not in service
    assert "devices" not in service


def test_a_local_folder_is_mounted_and_nothing_is_fetched() -> None:
    advice = served("vllm", model="/data/my $model: 'x'")
    bundle = render(advice)
    services = interpolated(yaml_of(bundle, "compose.yaml"))["services"]
    assert "fetch" not in services
    assert engine_command(bundle)[0] == "/models/model"
    assert services["engine"]["volumes"][0] == {
        "type": "bind",
        "source": "/data/my $model: 'x'",
        "target": "/models/model",
        "read_only": True,
        "bind": {"create_host_path": False},
    }


def test_a_gguf_file_is_mounted() -> None:
    command = engine_command(render(served("llama_cpp", model="/data/m.gguf")))
    assert command[:2] == ["--model", "/models/model.gguf"]


def test_ollama_makes_its_model_before_the_engine_starts() -> None:
    bundle = render(served("ollama", model="/data/m.gguf"))
    fetch = yaml_of(bundle, "compose.yaml")["services"]["fetch"]
    assert "FROM /models/model.gguf\n" in bundle["engine/Modelfile"].text
    assert [mount["source"] for mount in fetch["volumes"]] == ["./engine", "/data/m.gguf", "weights"]
    assert fetch["restart"] == "no"


def test_the_web_page_stays_on_loopback() -> None:
    data = yaml_of(render(served("textgen")), "compose.yaml")
    ports = interpolated(data["services"]["proxy"]["ports"], {"BIND_ADDRESS": "0.0.0.0"})
    assert ports == ["0.0.0.0:8080:8080", "127.0.0.1:7860:8081"]


@pytest.mark.parametrize("engine_id", ["textgen", "transformers"])
def test_engines_without_an_image_are_built_pinned(engine_id: str) -> None:
    bundle = render(served(engine_id))
    dockerfile = bundle["engine/Dockerfile"].text
    assert engines()[engine_id].version in dockerfile
    assert f"FROM {engines()[engine_id].base_image}\n" in dockerfile
    assert "\nUSER app\n" in dockerfile


def test_transformers_for_amd_cards_is_built_upon_their_pytorch() -> None:
    advice = recommend(purpose="evaluation", peak_concurrency=1, requests_per_day=20, hardware="1x MI300X")
    bundle = render(advice, ["compose"])
    dockerfile, engine = bundle["engine/Dockerfile"].text, yaml_of(bundle, "compose.yaml")["services"]["engine"]
    assert "FROM rocm/pytorch:rocm" in dockerfile
    assert " torch==" not in dockerfile
    # Who owns /dev/kfd and /dev/dri is known to be root alone.
    assert "\nUSER" not in dockerfile
    assert "user" not in engine
    assert engine["devices"] == ["/dev/kfd", "/dev/dri"]


def test_the_proxy_lets_through_only_listed_paths(bundle: Bundle) -> None:
    proxy = bundle["proxy/Caddyfile"].text
    (paths,) = (line.split()[2:] for line in proxy.splitlines() if line.strip().startswith("@api path"))
    assert "/v1/chat/completions" in paths
    assert not {"/v1/*", "/*", "/metrics", "/load_model", "/v1/internal/*", "/api/*"} & set(paths)
    assert "respond 404" in proxy


def test_the_tuned_model_replaces_the_base_model() -> None:
    bundle = render(tuned("vllm"))
    override = yaml_of(bundle, "compose.merged.yaml")["services"]["engine"]
    assert override["command"] == ["/models/model", *engine_command(bundle)[1:]]
    assert override["volumes"][0]["source"] == "./tune/output/merged"


@pytest.mark.parametrize(
    ("engine_id", "changes", "expected"),
    [
        ("vllm", {}, ["--enable-lora", "--lora-modules", "support-bot-adapter=/models/adapter"]),
        ("vllm", {"flags": ("--enable-lora",)}, ["--lora-modules", "support-bot-adapter=/models/adapter"]),
        ("sglang", {}, ["--enable-lora", "--lora-paths", "support-bot-adapter=/models/adapter"]),
        ("lmdeploy", {"backend": "pytorch"}, ["--adapters", "support-bot-adapter=/models/adapter"]),
    ],
)
def test_the_adapter_is_served_beside_the_base_model(
    engine_id: str, changes: dict[str, Any], expected: list[str]
) -> None:
    bundle = render(tuned(engine_id, **changes))
    override = yaml_of(bundle, "compose.adapter.yaml")["services"]["engine"]
    assert override["command"] == [*engine_command(bundle), *expected]


def test_turbomind_gets_no_adapter() -> None:
    assert "compose.adapter.yaml" not in render(tuned("lmdeploy", backend="turbomind"))


@pytest.mark.parametrize(
    ("advice", "service", "image"),
    [
        (served("ollama"), "engine", "ollama/ollama:0.33.0"),
        (served("vllm"), "proxy", "caddy:2.11.4-alpine"),
        (hosted("openai"), "gateway", "ghcr.io/berriai/litellm:v1.104.1"),
    ],
)
def test_an_image_is_named_by_its_digest_too_where_one_is_known(advice: Any, service: str, image: str) -> None:
    target = "gateway" if service == "gateway" else "compose"
    data = yaml_of(render(advice, [target]), "compose.yaml")
    assert data["services"][service]["image"] == f"{image}@{image_digests()[image].digest}"


def test_an_image_without_a_known_digest_keeps_its_tag() -> None:
    data = yaml_of(render(served("vllm"), ["compose"]), "compose.yaml")
    assert data["services"]["engine"]["image"] == "vllm/vllm-openai:v0.33.0"
