"""Both proxies really run in front of a stand-in for the engine, and do the same."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployadvisor.render.bundle import render
from tests.render.factory import served
from tests.render.proxy_at_work import KEY, SECRET, Service, at_work

pytestmark = [pytest.mark.slow, pytest.mark.tool]

PROXIES = ("caddy", "nginx")

TRICKS = (
    "/metrics",
    "/METRICS",
    "//metrics",
    "/v1/../metrics",
    "/v1/models/../../metrics",
    "/v1/models/..%2f..%2fmetrics",
    "/v1/%2e%2e/metrics",
    "/v1/models/%2e%2e/%2e%2e/metrics",
    "/%6d%65%74%72%69%63%73",
    "/metrics/../v1/models",
    "/metrics/%2e%2e/v1/models",
    "/metrics/..%2fv1%2fmodels",
    "/metrics%2f..%2fv1/models",
    "/metrics/./../v1/models",
    "/metrics;/../v1/models",
    "/./metrics",
    "/v1/models/..;/metrics",
    "/v1\\..\\metrics",
    "/v1/models/x/..",
    "/v1/models/x//..//..//..//metrics",
    "/health/../metrics",
    "/health/..%2fmetrics",
    "/metrics?/v1/models",
    "/metrics#/v1/models",
    "/-/health",
    "/-/401",
    "http://engine/metrics",
)
"""Paths that lead to the metrics of some engine, or past the list, however somebody reads them."""


@pytest.fixture(scope="module", params=PROXIES)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with at_work(served("vllm"), request.param, tmp_path_factory.mktemp(request.param) / "bundle") as running:
        yield running


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/Qwen/Qwen3-8B", "/v1/models/a%2Fb:1.5?limit=%20"])
def test_the_right_key_passes(service: Service, path: str) -> None:
    assert (service.ask(path).status, service.seen[-1]) == (200, (path, f"Bearer {KEY}"))


@pytest.mark.parametrize("key", [None, "", "wrong", KEY + "x", KEY[:-1], KEY.lower(), KEY.replace(".", "x"), "a\tb"])
def test_no_other_key_passes(service: Service, key: str | None) -> None:
    before = len(service.seen)
    answer = service.ask("/v1/models", key)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert b"authentication_error" in answer.body
    assert len(service.seen) == before


@pytest.mark.parametrize("path", TRICKS)
def test_no_spelling_leads_past_the_list(service: Service, path: str) -> None:
    before = len(service.seen)
    with_key, without = service.ask(path), service.ask(path, None)
    assert SECRET not in with_key.body + without.body
    assert with_key.status in (400, 403, 404)
    assert without.status in (400, 401, 403, 404)
    assert len(service.seen) == before


@pytest.mark.parametrize("path", ["/v1/load_lora_adapter", "/v1", "/v1/models/", "/tokenize", "/docs", "/"])
def test_what_is_not_listed_is_shut(service: Service, path: str) -> None:
    assert service.ask(path).status == 404
    assert service.ask(path, None).status == 401


def test_health_needs_no_key_and_takes_none_along(service: Service) -> None:
    assert (service.ask("/health", None).status, service.seen[-1]) == (200, ("/health", None))
    assert (service.ask("/health").status, service.seen[-1]) == (200, ("/health", None))


def test_pieces_arrive_as_they_are_made(service: Service) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)
    begun = time.monotonic()
    connection.request("POST", "/v1/chat/completions", b"{}", {"Authorization": f"Bearer {KEY}"})
    response = connection.getresponse()
    first = response.read1(100)
    waited = time.monotonic() - begun
    assert (first, response.read()) == (b"data: one\n\n", b"data: two\n\n")
    assert waited < 0.9 < time.monotonic() - begun


def test_a_body_may_be_large_but_not_too_large(service: Service) -> None:
    assert service.ask("/v1/chat/completions", method="POST", body=b"x" * 20_000_000).status == 200
    too_large = service.ask("/v1/chat/completions", method="POST", body=b"x" * 40_000_000)
    assert too_large.status in (413, 502)  # Caddy 2.6 takes it for a fault of the engine


def test_nginx_says_when_to_wait(tmp_path: Path) -> None:
    with at_work(served("vllm"), "nginx", tmp_path / "bundle") as service:
        answers = [service.ask("/v1/models") for _ in range(200)]
    refused = [one for one in answers if one.status == 429]
    assert 50 < len(refused) < 100
    assert refused[0].headers["retry-after"] == "1"
    assert b"rate_limit_error" in refused[0].body


@pytest.mark.parametrize("proxy", PROXIES)
def test_an_engine_without_use_for_the_key_does_not_get_it(tmp_path: Path, proxy: str) -> None:
    with at_work(served("transformers"), proxy, tmp_path / "bundle") as service:
        assert (service.ask("/v1/models").status, service.seen[-1]) == (200, ("/v1/models", None))


@pytest.mark.parametrize("key", ["", 'a"; return 200; #', "a b", "a\nb", "$remote_addr", "a{1}", "é"])
def test_nginx_does_not_start_with_a_key_that_could_be_configuration(tmp_path: Path, key: str) -> None:
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    render(served("vllm"), proxy="nginx").write(tmp_path / "bundle")
    done = subprocess.run(
        ["sh", "proxy/start.sh"], cwd=tmp_path / "bundle", env={"API_KEY": key}, capture_output=True, check=False
    )
    assert (done.returncode, b"API_KEY" in done.stderr) == (1, True)


@pytest.mark.parametrize("proxy", PROXIES)
def test_tls_with_a_certificate_of_ones_own(tmp_path: Path, proxy: str) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate, private = tmp_path / "fullchain.pem", tmp_path / "key.pem"
    name = ["-subj", "/CN=llm.example.org", "-addext", "subjectAltName=DNS:llm.example.org"]
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(private)]
    subprocess.run([*make, "-out", str(certificate), *name], check=True, capture_output=True)
    tls = {"DOMAIN": "llm.example.org", "CERTIFICATE": "files", "AUTO_HTTPS": "disable_redirects"}
    with at_work(served("vllm"), proxy, tmp_path / "bundle", tls=tls, files=(certificate, private)) as service:
        place = f"llm.example.org:{service.tls_port}"
        trust = ["--cacert", str(certificate), "--resolve", f"{place}:127.0.0.1"]
        ask = [
            "curl",
            "--silent",
            "--show-error",
            *trust,
            "--write-out",
            " %{http_code} %{http_version}",
            f"https://{place}/v1/models",
        ]
        with_key = subprocess.run([*ask, "-H", f"Authorization: Bearer {KEY}"], capture_output=True, check=True)
        without = subprocess.run(ask, capture_output=True, check=True)
        old = subprocess.run([*ask, "--tls-max", "1.1"], capture_output=True, check=False)
    assert with_key.stdout == b"fine 200 2"
    assert without.stdout.endswith(b" 401 2")
    assert old.returncode == 35
