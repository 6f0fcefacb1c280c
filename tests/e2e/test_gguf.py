"""A real answer for llama.cpp on a CPU, rendered, started and asked, with llama.cpp's Python server as the engine.

``setup.sh`` compiles ``llama-server`` from a tag, which takes minutes and the internet. Where that program is there
already it compiles nothing, and here a script of that name is: it reads the rendered command line, takes the key from
the rendered variable, and serves the same model with the same library through llama-cpp-python.
"""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from deployadvisor import recommend
from deployadvisor.catalog.engines import engines
from tests.e2e.checks import ANSWER, hides_the_key, keeps_shut, refuses_without_the_key, streams, survives_a_restart
from tests.e2e.gguf_file import make_gguf
from tests.e2e.service import Service, seconds, set_up
from tests.e2e.tiny import ANSWERS

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PROFILE = {
    "name": "tiny on a cpu",
    "purpose": "prototype",
    "data_sensitivity": "confidential",
    "hardware": "cpu 16GB",
}
ENGINE_PORT = 8081
NOT_FOR_CLIENTS = ("/slots", "/props", "/metrics", "/v1/../props", "/v1/%2e%2e/slots", "/docs", "/openapi.json", "/")
SERVER = f"""\
#!{sys.executable}
import argparse
import os

import uvicorn
from llama_cpp.server.app import create_app
from llama_cpp.server.settings import ModelSettings, ServerSettings

parser = argparse.ArgumentParser(allow_abbrev=False)
for name in ("--model", "--alias", "--host"):
    parser.add_argument(name, required=True)
for name in ("--port", "--ctx-size", "--gpu-layers"):
    parser.add_argument(name, required=True, type=int)
given, _ = parser.parse_known_args()
model = ModelSettings(
    model=given.model, model_alias=given.alias, n_ctx=given.ctx_size, n_gpu_layers=given.gpu_layers, n_threads=1
)
app = create_app(server_settings=ServerSettings(api_key=os.environ["LLAMA_API_KEY"]), model_settings=[model])
app.get("/health")(lambda: {{"status": "ok"}})
uvicorn.run(app, host=given.host, port=given.port)
"""


@pytest.fixture(scope="module")
def service(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The folder, rendered, set up and started."""
    for package in ("gguf", "llama_cpp"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    file = make_gguf(model, model.parent / "tiny.gguf")
    folder = tmp_path_factory.mktemp("gguf") / "deploy"
    advice = recommend(PROFILE, model=str(file))
    assert advice.engine == "llama_cpp"
    advice.write(folder, targets=["shell"])
    programs = folder / f"engine-{engines()['llama_cpp'].version}" / "bin"
    programs.mkdir(parents=True)
    (programs / "llama-server").write_text(SERVER, encoding="utf-8")
    (programs / "llama-server").chmod(0o755)
    service = set_up(folder, "tiny")
    try:
        with seconds("start.sh for llama.cpp"):
            assert service.start() == "up: engine-1\nup: proxy\nready: ./smoke-test.sh\n"
        yield service
    finally:
        service.end()


def test_its_own_smoke_test_passes(service: Service) -> None:
    told = service.run("./smoke-test.sh", WAIT_S="10")
    assert "PASS  a wrong key is refused (401)" in told
    assert ANSWER in told


@pytest.mark.parametrize("question", ANSWERS)
def test_a_chat_is_answered_as_transformers_was_taught(service: Service, question: str) -> None:
    """The template, the tokenizer and every number went through the file and came out the same."""
    answer = service.ask(question)
    assert (answer.status, answer.words) == (200, ANSWERS[question])


def test_without_the_key_nothing_is_answered(service: Service) -> None:
    refuses_without_the_key(service)


def test_the_engine_asks_for_the_key_too(service: Service) -> None:
    with closing(http.client.HTTPConnection("127.0.0.1", ENGINE_PORT, timeout=30)) as connection:
        connection.request("GET", "/v1/models")
        assert connection.getresponse().status == 401


def test_the_model_is_listed_by_the_name_that_clients_use(service: Service) -> None:
    listed = service.send("GET", "/v1/models", None, f"Bearer {service.key}")
    assert listed.status == 200
    assert '"tiny"' in listed.text


def test_paths_that_are_not_for_clients_are_shut_even_with_the_key(service: Service) -> None:
    keeps_shut(service, NOT_FOR_CLIENTS)


def test_an_answer_is_streamed(service: Service) -> None:
    streams(service)


def test_the_key_is_in_no_command_line_and_no_log(service: Service) -> None:
    hides_the_key(service)


def test_it_survives_a_restart_with_the_same_key(service: Service) -> None:
    survives_a_restart(service, ENGINE_PORT)
