"""An engine as a program of the machine: the same plan in scripts and in units, one key, one door."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployadvisor.catalog.engines import engines
from deployadvisor.errors import RenderError
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import Bundle, render
from deployadvisor.render.check_units import unit_words
from tests.render.factory import FLAGS, ON_HOST, answer, served
from tests.render.reading import HOSTILE

BOTH = ("shell", "systemd")
BEARER = "\"Authorization: Bearer $(sed -n 's/^API_KEY=//p' .env)\""
CPU_TORCH = "--extra-index-url=https://download.pytorch.org/whl/cpu torch==2.13.0+cpu"


def script_words(bundle: Bundle, replica: int = 1) -> list[str]:
    """The arguments that start.sh gives to a replica."""
    blocks = re.findall(r"^arguments=\(\n(.*?)^\)$", bundle["start.sh"].text, flags=re.MULTILINE | re.DOTALL)
    return shlex.split(blocks[replica - 1])


def setting(bundle: Bundle, name: str, unit: str = "engine-1.service") -> list[str]:
    """All values of a directive in a unit."""
    lines = bundle[f"units/{unit}"].text.split("\n")
    return [line.removeprefix(f"{name}=") for line in lines if line.startswith(f"{name}=")]


def unit_command(bundle: Bundle, replica: int = 1) -> list[str]:
    """The command line of a replica's service."""
    (command,) = setting(bundle, "ExecStart", f"engine-{replica}.service")
    words = unit_words(command.removeprefix(":"))
    assert words is not None
    return words


def variables(bundle: Bundle, replica: int = 1) -> dict[str, str]:
    """The environment of a replica's service."""
    words = [
        word
        for line in setting(bundle, "Environment", f"engine-{replica}.service")
        for word in unit_words(line) or ()
    ]
    return dict(word.split("=", 1) for word in words)


def arguments(advice: Recommendation, target: str, replica: int = 1) -> list[str]:
    """What the engine is told, after its own words, wherever it is told."""
    bundle = render(advice, [target])
    return script_words(bundle, replica) if target == "shell" else unit_command(bundle, replica)


@pytest.mark.parametrize("target", BOTH)
@pytest.mark.parametrize("engine", ON_HOST)
def test_the_plan_reaches_the_engine(engine: str, target: str) -> None:
    found = arguments(served(engine), target)
    assert found[-len(FLAGS[engine]) :] == list(FLAGS[engine])
    assert "127.0.0.1" in found
    assert "0.0.0.0" not in found


@pytest.mark.parametrize("engine", ON_HOST)
def test_scripts_and_units_start_the_same_command(engine: str) -> None:
    unit = unit_command(render(served(engine), ["systemd"]))
    assert unit[-len(script_words(render(served(engine), ["shell"]))) :] == script_words(
        render(served(engine), ["shell"])
    )


@pytest.mark.parametrize(
    ("engine", "program"),
    [
        ("vllm", ["bin/vllm", "serve", "Qwen/Qwen3-8B"]),
        ("lmdeploy", ["bin/lmdeploy", "serve", "api_server", "Qwen/Qwen3-8B"]),
        ("sglang", ["bin/sglang", "serve", "--model-path", "Qwen/Qwen3-8B"]),
        ("transformers", ["bin/transformers", "serve", "Qwen/Qwen3-8B"]),
        ("llama_cpp", ["bin/llama-server", "--hf-repo", "Qwen/Qwen3-8B-GGUF:Q4_K_M"]),
    ],
)
def test_the_program_lies_in_the_folder_of_its_version(engine: str, program: list[str]) -> None:
    version = engines()[engine].version
    words = unit_command(render(served(engine), ["systemd"]))
    assert words[-len(arguments(served(engine), "shell")) - 1 :][: len(program)] == [
        f"/opt/support-bot/engine-{version}/{program[0]}",
        *program[1:],
    ]
    assert f'"$here/engine-{version}/{program[0]}"' in render(served(engine), ["shell"])["start.sh"].text


@pytest.mark.parametrize("target", BOTH)
@pytest.mark.parametrize(
    ("advice", "commands"),
    [
        (served("vllm"), ["pip install uv==0.13.9", "uv pip install vllm==0.33.0 --torch-backend=auto"]),
        (served("lmdeploy"), ["pip install lmdeploy==0.18.0"]),
        (served("lmdeploy", engine_version="0.14.0"), ["pip install lmdeploy==0.14.0"]),
        (served("sglang"), ["pip install uv==0.13.9", "uv pip install --prerelease=allow sglang==0.5.23"]),
        (
            served("transformers"),
            ["pip install 'transformers[serving]==5.23.0' torch==2.13.0 accelerate==1.15.0"],
        ),
        (
            served("transformers", gpu="gtx-1080"),
            [
                "pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cu126",
                "pip install 'transformers[serving]==5.23.0' torch==2.13.0 accelerate==1.15.0",
            ],
        ),
        (
            served("transformers", cards=0),
            [f"pip install 'transformers[serving]==5.23.0' {CPU_TORCH} accelerate==1.15.0"],
        ),
    ],
)
def test_what_is_installed_is_pinned(advice: Recommendation, commands: list[str], target: str) -> None:
    script = render(advice, [target])["setup.sh"].text
    assert [line.strip() for line in script.splitlines() if " install " in line and "pip" in line] == commands


@pytest.mark.parametrize(("cards", "switch"), [(1, True), (0, False)])
def test_llama_cpp_is_compiled_from_its_tag_for_the_cards(cards: int, switch: bool) -> None:
    script = render(served("llama_cpp", cards=cards), ["shell"])["setup.sh"].text
    assert "git clone --quiet --depth 1 --branch b11151 https://github.com/ggml-org/llama.cpp" in script
    assert ("-DGGML_CUDA=ON" in script) is switch
    assert "pip install" not in script


@pytest.mark.parametrize("target", BOTH)
def test_nothing_that_was_fetched_is_run_unseen(target: str) -> None:
    for engine in ON_HOST:
        script = render(served(engine), [target])["setup.sh"].text
        assert not re.search(r"curl[^\n]*\|\s*(ba)?sh", script)
        assert "sha512sum --check" in script


@pytest.mark.parametrize("target", BOTH)
@pytest.mark.parametrize("engine", ON_HOST)
def test_no_secret_is_written(engine: str, target: str) -> None:
    bundle = render(served(engine), [target])
    assert "# API_KEY=\n" in bundle[".env.example"].text
    for path, file in bundle.items():
        if path != "advice.json":
            assert not re.search(r"API_KEY=[0-9a-f]{16}", file.text)
            assert "HF_TOKEN=hf_" not in file.text
    assert not {"--api-key", "--api-keys"} & set(arguments(served(engine), target))


@pytest.mark.parametrize("engine", ON_HOST)
def test_the_key_is_a_credential_of_the_services_that_need_it(engine: str) -> None:
    bundle, key = render(served(engine), ["systemd"]), engines()[engine].api_key
    assert setting(bundle, "LoadCredential", "proxy.service") == ["api-key:/etc/support-bot/api-key"]
    if key.kind == "env":
        assert setting(bundle, "LoadCredential") == ["api-key:/etc/support-bot/api-key"]
        assert unit_command(bundle)[:2] == ["/opt/support-bot/run-with-key.sh", key.name]
    else:
        assert setting(bundle, "LoadCredential") == []
    assert (f'{key.name}="$key" launch' in render(served(engine), ["shell"])["start.sh"].text) is (key.kind == "env")


@pytest.mark.parametrize("target", BOTH)
@pytest.mark.parametrize("engine", ON_HOST)
def test_the_proxy_is_the_only_door_and_on_loopback(engine: str, target: str) -> None:
    proxy = render(served(engine), [target])["proxy/Caddyfile"].text
    assert "http://:{$PORT:8080} {\n\tbind {$BIND_ADDRESS:127.0.0.1}\n" in proxy
    port = engines()[engine].port
    assert f"reverse_proxy 127.0.0.1:{8081 if port == 8080 else port} " in proxy
    assert "respond 404" in proxy
    assert "http://:8080" not in proxy


def test_engine_and_proxy_do_not_share_a_port() -> None:
    found = arguments(served("llama_cpp"), "shell")
    assert found[found.index("--port") + 1] == "8081"


@pytest.mark.parametrize("target", BOTH)
def test_replicas_have_ports_and_cards_of_their_own(target: str) -> None:
    advice = served("vllm", cards=4, tensor_parallel=2, replicas=2)
    bundle = render(advice, [target])
    assert "127.0.0.1:8000 127.0.0.1:8001" in bundle["proxy/Caddyfile"].text
    ports = [
        words[words.index("--port") + 1] for words in (arguments(advice, target, 1), arguments(advice, target, 2))
    ]
    assert ports == ["8000", "8001"]
    if target == "systemd":
        assert [variables(bundle, number)["CUDA_VISIBLE_DEVICES"] for number in (1, 2)] == ["0,1", "2,3"]
        assert "support-bot-engine-2.service" in setting(bundle, "Wants", "service.target")[0]
        assert "units/engine-3.service" not in bundle
    else:
        script = bundle["start.sh"].text
        assert script.index("CUDA_VISIBLE_DEVICES=0,1") < script.index("CUDA_VISIBLE_DEVICES=2,3")
        assert "names=(engine-1 engine-2 proxy)" in script


def test_the_cards_are_those_of_the_plan() -> None:
    bundle = render(served("vllm", cards=2, machine_cards=4, used=(1, 3)), ["systemd"])
    assert variables(bundle)["CUDA_VISIBLE_DEVICES"] == "1,3"
    assert variables(bundle)["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_without_cards_devices_are_hidden() -> None:
    bundle = render(served("transformers", cards=0), ["systemd"])
    assert setting(bundle, "PrivateDevices") == ["yes"]
    assert setting(bundle, "DeviceAllow") == []
    assert "nvidia" not in bundle["install.sh"].text
    assert "CUDA_VISIBLE_DEVICES" not in variables(bundle)


def test_with_cards_only_theirs_are_shown() -> None:
    bundle = render(served("vllm"), ["systemd"])
    assert setting(bundle, "DevicePolicy") == ["closed"]
    assert setting(bundle, "DeviceAllow") == ["char-nvidia* rwm"]
    assert setting(bundle, "PrivateDevices") == []
    assert len(setting(bundle, "ExecStartPre")) == 2
    assert "modprobe nvidia-uvm" in bundle["install.sh"].text


@pytest.mark.parametrize("target", BOTH)
def test_a_slice_is_named_by_its_uuid_which_the_user_gives(target: str) -> None:
    advice = served("vllm", cards=1)
    (card,) = advice.machine.accelerators
    sliced = advice.machine.model_copy(update={"accelerators": (card.model_copy(update={"kind": "mig"}),)})
    bundle = render(advice.model_copy(update={"machine": sliced}), [target])
    assert "# MIG_DEVICE=" in bundle[".env.example"].text
    assert "MIG_DEVICE" in bundle["README.md"].text
    if target == "shell":
        assert 'CUDA_VISIBLE_DEVICES="$slice"' in bundle["start.sh"].text
    else:
        assert setting(bundle, "EnvironmentFile") == ["/etc/support-bot/slice.env"]
        assert "CUDA_VISIBLE_DEVICES" not in variables(bundle)
        assert '>"$settings/slice.env"' in bundle["install.sh"].text


@pytest.mark.parametrize("unit", ["engine-1.service", "proxy.service"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NoNewPrivileges", "yes"),
        ("CapabilityBoundingSet", ""),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("Restart", "on-failure"),
        ("UMask", "0077"),
        ("RestrictNamespaces", "yes"),
        ("SystemCallArchitectures", "native"),
    ],
)
def test_services_may_do_little(unit: str, name: str, value: str) -> None:
    assert setting(render(served("vllm"), ["systemd"]), name, unit) == [value]


def test_an_engine_stays_off_the_internet_and_writes_to_one_place() -> None:
    bundle = render(served("vllm"), ["systemd"])
    assert setting(bundle, "IPAddressDeny") == ["any"]
    assert "0.0.0.0/0" not in setting(bundle, "IPAddressAllow")[0]
    assert setting(bundle, "ReadWritePaths") == ["/var/lib/support-bot"]
    assert variables(bundle)["HF_HUB_OFFLINE"] == "1"
    assert variables(bundle)["VLLM_NO_USAGE_STATS"] == "1"


@pytest.mark.parametrize(("weights_gib", "seconds"), [(15.3, 1980), (0.5, 1860), (600, 7800)])
def test_a_start_may_take_as_long_as_a_slow_disk_needs(weights_gib: float, seconds: int) -> None:
    advice = served("vllm")
    assert advice.estimate.memory is not None
    memory = advice.estimate.memory.model_copy(update={"weights_gib": weights_gib})
    estimate = advice.estimate.model_copy(update={"memory": memory})
    bundle = render(advice.model_copy(update={"estimate": estimate}), ["systemd"])
    assert setting(bundle, "TimeoutStartSec") == [str(seconds)]
    assert setting(bundle, "StartLimitIntervalSec") == [str(seconds * 4)]


def test_without_an_estimate_a_start_may_take_half_an_hour() -> None:
    advice = served("vllm")
    estimate = advice.estimate.model_copy(update={"memory": None})
    bundle = render(advice.model_copy(update={"estimate": estimate}), ["systemd"])
    assert setting(bundle, "TimeoutStartSec") == ["1800"]


@pytest.mark.parametrize(
    ("model", "protection"), [("/srv/m", "yes"), ("/home/me/m", "read-only"), ("/root/m", "read-only")]
)
def test_weights_in_a_home_folder_can_be_read(model: str, protection: str) -> None:
    assert setting(render(served("vllm", model=model), ["systemd"]), "ProtectHome") == [protection]


def test_weights_that_a_service_cannot_see_are_refused() -> None:
    advice = served("vllm", model="/tmp/m")
    with pytest.raises(RenderError, match="a service cannot see '/tmp/m'"):
        render(advice, ["systemd"])
    assert "/tmp/m" in arguments(advice, "shell")


@pytest.mark.parametrize("target", BOTH)
@pytest.mark.parametrize("engine", ["vllm", "transformers"])
def test_local_weights_keep_their_path_and_are_not_fetched(engine: str, target: str) -> None:
    model = "/data/it's a $model 50%"
    bundle = render(served(engine, model=model), [target])
    assert model in arguments(served(engine, model=model), target)
    assert "fetch.py" not in bundle["setup.sh"].text
    if engine == "transformers":
        assert shlex.quote(f'"{model}"')[2:-2] in bundle["smoke-test.sh"].text


@pytest.mark.parametrize("target", BOTH)
def test_an_engine_version_that_is_no_version_is_refused(target: str) -> None:
    with pytest.raises(RenderError, match="is not a version"):
        render(served("lmdeploy", engine_version='1"; id; "'), [target])


@pytest.mark.parametrize(
    ("name", "project", "user"),
    [
        ("Support bot", "support-bot", "llm-support-bot"),
        ("2026: a very long name of a project that goes on", None, "llm-2026-a-very-long-name-of"),
        ("客服", "deployment", "llm-deployment"),
        ("; rm -rf / %h", "rm-rf-h", "llm-rm-rf-h"),
    ],
)
def test_names_of_accounts_and_folders_are_plain(name: str, project: str | None, user: str) -> None:
    bundle = render(served("vllm").model_copy(update={"name": name}), ["systemd"])
    assert setting(bundle, "User") == [user]
    assert len(user) <= 31
    if project:
        assert setting(bundle, "WorkingDirectory") == [f"/var/lib/{project}"]


@pytest.mark.parametrize(
    ("engine", "changes", "words"),
    [
        ("vllm", {}, "NVIDIA driver 580 or newer"),
        ("lmdeploy", {}, "NVIDIA driver 580 or newer"),
        ("transformers", {"gpu": "gtx-1080"}, "NVIDIA driver 525 or newer"),
    ],
)
def test_the_driver_is_that_of_what_is_installed(engine: str, changes: dict[str, Any], words: str) -> None:
    assert words in render(served(engine, **changes), ["shell"])["README.md"].text


def test_no_driver_is_claimed_for_what_nobody_has_read() -> None:
    for advice in (served("llama_cpp"), served("lmdeploy", engine_version="0.14.0")):
        assert "NVIDIA driver" not in render(advice, ["shell"])["README.md"].text


@pytest.mark.parametrize("target", BOTH)
@pytest.mark.parametrize(
    ("engine", "row"),
    [
        ("vllm", "| read the metrics | `curl -s http://127.0.0.1:8000/metrics` |"),
        ("sglang", "| read the metrics | `curl -s http://127.0.0.1:30000/metrics` |"),
        ("llama_cpp", f"| read the metrics | `curl -s -H {BEARER} http://127.0.0.1:8081/metrics` |"),
    ],
)
def test_metrics_are_read_with_the_key_where_the_engine_asks(engine: str, row: str, target: str) -> None:
    assert row in render(served(engine), [target])["README.md"].text


def test_the_page_numbers_the_versions_of_the_tools() -> None:
    text = render(served("vllm"), ["systemd"])["README.md"].text
    assert "| Version of caddy | 2.11.4 |" in text
    assert "| Version of uv | 0.13.9 |" in text


TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=40)).map(
    lambda text: "".join(sign for sign in text if sign != "\0" and not 0xD800 <= ord(sign) <= 0xDFFF) or "x"
)
hostile = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])


def fits_a_unit(text: str) -> bool:
    """Whether a unit can hold the text: control characters end a line there, or mean nothing."""
    return not any((ord(sign) < 0x20 and sign not in "\n\t") or 0x7F <= ord(sign) < 0xA0 for sign in text)


@hostile
@given(TEXTS)
@pytest.mark.parametrize("target", BOTH)
@pytest.mark.parametrize("engine", ["vllm", "transformers"])
def test_a_model_name_reads_back_equal_or_is_refused(engine: str, target: str, text: str) -> None:
    model = f"x{text}" if text.startswith(("/", "~", ".", "-")) else text
    if model.casefold().endswith(".gguf"):
        return
    if target == "systemd" and not fits_a_unit(model):
        with pytest.raises(RenderError, match="systemd unit cannot hold"):
            render(served(engine, model=model), [target])
        return
    found = arguments(served(engine, model=model), target)
    assert model in found
    assert found.count("--port") == 1
    script = render(served(engine, model=model), [target])["setup.sh"].text
    rest = script[script.index("\nMODEL_ID=") + len("\nMODEL_ID=") : script.index(' "$engine/bin/python"')]
    assert shlex.split(rest) == [model]


@hostile
@given(TEXTS)
@pytest.mark.parametrize("target", BOTH)
def test_a_variable_of_the_plan_reads_back_equal_or_is_refused(target: str, text: str) -> None:
    advice = served("vllm", environment={"VLLM_NOTE": text})
    if target == "systemd" and not fits_a_unit(text):
        with pytest.raises(RenderError, match="systemd unit cannot hold"):
            render(advice, [target])
        return
    bundle = render(advice, [target])
    if target == "systemd":
        assert variables(bundle)["VLLM_NOTE"] == text
    else:
        script = bundle["start.sh"].text
        block = script[script.index("launch engine-1 env") : script.index('  "$here/engine')]
        assert f"VLLM_NOTE={text}" in shlex.split(block)


@hostile
@given(TEXTS)
@pytest.mark.parametrize("target", BOTH)
def test_words_of_the_user_never_become_syntax(target: str, text: str) -> None:
    plain = render(answer(**{**_fields(), "name": "plain"}), [target])
    other = render(answer(**{**_fields(), "name": "plain", "title": text, "warnings": (text,)}), [target])
    for path, file in plain.items():
        if path not in ("README.md", "advice.json", ".deployadvisor.yaml"):
            assert other[path].text == file.text


def _fields() -> dict[str, Any]:
    advice = served("vllm")
    return {name: getattr(advice, name) for name in ("route", "engine", "title", "stages", "plan", "machine")}
