"""What stands in front of the engine: chosen, remembered, and told the same whichever it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deployadvisor.errors import RenderError
from deployadvisor.render import quoting
from deployadvisor.render.bundle import render
from deployadvisor.render.check import check_files
from deployadvisor.render.record import read_record
from deployadvisor.surfaces.cli import main
from tests.render.factory import ENGINES, hosted, served
from tests.render.reading import yaml_of

ANSWERS = {
    **{engine: served(engine) for engine in ENGINES},
    "replicas": served("vllm", cards=4, tensor_parallel=2, replicas=2),
    "hosted": hosted("openai", "deepseek"),
}


def nginx_paths(text: str) -> list[re.Pattern[str]]:
    return [re.compile(found) for found in re.findall(r'"~(.+)" api;', text)]


@pytest.mark.parametrize("name", ANSWERS)
def test_each_proxy_brings_its_own_files_and_no_other(name: str) -> None:
    caddy, nginx = (render(ANSWERS[name], proxy=proxy) for proxy in ("caddy", "nginx"))
    assert {path for path in caddy if path.startswith("proxy/")} == {"proxy/Caddyfile", "proxy/tls/site.caddy"}
    assert {path for path in nginx if path.startswith("proxy/")} == {
        "proxy/nginx.conf",
        "proxy/start.sh",
        "proxy/tls/listen.conf",
    }
    assert render(ANSWERS[name])["compose.yaml"].text == caddy["compose.yaml"].text


@pytest.mark.parametrize("name", ANSWERS)
def test_nginx_runs_without_rights_and_gets_the_key_by_reference(name: str) -> None:
    bundle = render(ANSWERS[name], proxy="nginx")
    proxy = yaml_of(bundle, "compose.yaml")["services"]["proxy"]
    assert proxy["image"].startswith("nginx:1.30.5")
    assert (proxy["user"], proxy["cap_drop"], proxy["read_only"]) == ("65534:65534", ["ALL"], True)
    assert "cap_add" not in proxy
    assert proxy["environment"] == {"API_KEY": "${API_KEY:?set API_KEY in .env}"}
    mounted = {mount["source"]: mount["target"] for mount in proxy["volumes"]}
    assert mounted == {"./proxy/nginx.conf": "/etc/nginx/nginx.conf", "./proxy/start.sh": "/etc/nginx/start.sh"}


def test_both_proxies_pass_the_same_paths() -> None:
    caddy = render(served("vllm"))["proxy/Caddyfile"].text
    (listed,) = (line.split()[2:] for line in caddy.splitlines() if line.strip().startswith("@api path"))
    patterns = nginx_paths(render(served("vllm"), proxy="nginx")["proxy/nginx.conf"].text)
    assert len(patterns) == len(listed)
    for path in listed:
        assert any(one.search(path.replace("*", "Qwen/Qwen3-8B")) for one in patterns)


def test_streams_are_not_held_back_and_prompts_stay_in_memory() -> None:
    text = render(served("vllm"), proxy="nginx")["proxy/nginx.conf"].text
    assert "proxy_buffering off;" in text
    sizes = dict(re.findall(r"client_(max_body|body_buffer)_size (\w+);", text))
    assert sizes == {"max_body": "32m", "body_buffer": "32m"}
    assert "proxy_read_timeout 3600s;" in text


@pytest.mark.parametrize(("peak", "expected"), [(None, 20), (5, 20), (300, 300)])
def test_the_rate_follows_the_profile(peak: int | None, expected: int) -> None:
    advice = served("vllm")
    advice = advice.model_copy(update={"profile": {"peak_concurrency": peak} if peak else {}})
    text = render(advice, proxy="nginx")["proxy/nginx.conf"].text
    assert f"rate={expected}r/s" in text
    assert f"burst={expected * 5} nodelay" in text


def test_nginx_asks_for_replicas_by_one_name() -> None:
    bundle = render(ANSWERS["replicas"], proxy="nginx")
    assert "set $engine engines:8000;" in bundle["proxy/nginx.conf"].text
    services = yaml_of(bundle, "compose.yaml")["services"]
    assert (
        services["engine-1"]["networks"] == services["engine-2"]["networks"] == {"inside": {"aliases": ["engines"]}}
    )
    assert services["proxy"]["depends_on"].keys() == {"engine-1", "engine-2"}


@pytest.mark.parametrize("proxy", ["caddy", "nginx"])
def test_the_port_with_tls_comes_beside_the_one_on_loopback(proxy: str) -> None:
    bundle = render(served("vllm"), proxy=proxy)
    base = yaml_of(bundle, "compose.yaml")["services"]["proxy"]
    tls = yaml_of(bundle, "compose.tls.yaml")["services"]["proxy"]
    assert base["ports"] == ["${BIND_ADDRESS:-127.0.0.1}:${PORT:-8080}:8080"]
    assert tls["ports"][0] == "${TLS_ADDRESS:-0.0.0.0}:${TLS_PORT:-443}:8443"
    assert not any("PRIVATE KEY" in one.text for one in bundle.values())


def test_a_saved_place_that_env_does_not_explain_is_noticed() -> None:
    for proxy in ("caddy", "nginx"):
        bundle = render(served("vllm"), proxy=proxy)
        named = set(re.findall(r"\$\{(\w+)", bundle["compose.tls.yaml"].text))
        assert named <= set(re.findall(r"^(?:# )?(\w+)=", bundle[".env.example"].text, re.MULTILINE))


@pytest.mark.parametrize("target", ["systemd", "shell", "kubernetes"])
def test_targets_without_nginx_say_so(target: str) -> None:
    with pytest.raises(RenderError, match=rf'target "{target}" does not come with nginx') as error:
        render(served("vllm"), [target], proxy="nginx")
    assert error.value.remedy == "usable here: caddy"


def test_an_unknown_proxy_is_refused() -> None:
    with pytest.raises(RenderError, match='unknown proxy "ngnix"') as error:
        render(served("vllm"), proxy="ngnix")
    assert error.value.suggestion == "nginx"


def test_the_folder_remembers_its_proxy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "deploy")
    question = ("--set", "data_sensitivity=restricted", "--set", "platform=docker", "--hardware", "1x H100")
    assert main(["recommend", *question, "--out", folder, "--proxy", "nginx"]) == 0
    asked = read_record(tmp_path / "deploy").question
    assert asked is not None
    assert asked.proxy == "nginx"
    capsys.readouterr()
    assert main(["render", folder, "--diff"]) == 0
    assert "0 updated" in capsys.readouterr().out
    assert main(["render", folder, "--proxy", "caddy"]) == 0
    assert {path.name for path in (tmp_path / "deploy" / "proxy").iterdir()} == {"Caddyfile", "tls"}
    assert main(["render", folder, "--diff"]) == 0


@pytest.mark.parametrize("text", ["a b", "a;", "a{", "$x", 'a"', "a\n", "", "é", "a#"])
def test_nginx_words_are_plain(text: str) -> None:
    with pytest.raises(RenderError, match="nginx configuration"):
        quoting.nginx(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("server {\n    listen 1;\n", "braces do not match"),
        ("server {\n    listen 1\n}\n", "line 2 does not end"),
        ('map $a $b {\n    "~^a{2}$" 1;\n}\n', ""),
    ],
)
def test_a_broken_configuration_is_noticed(text: str, problem: str) -> None:
    class File:
        def __init__(self, text: str) -> None:
            self.text = text

    found = [one.text for one in check_files({"proxy/nginx.conf": File(text)})]
    assert found == ([problem] if problem else [])
