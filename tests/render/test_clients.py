"""The gateway's clients at work: each asks a stand-in of the gateway, which answers in pieces."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deployadvisor.catalog.providers import providers
from deployadvisor.render.bundle import Bundle, render
from tests.render.factory import hosted
from tests.render.reading import HOSTILE

KEY = "sk-Ab+c/d.e=0123"
PIECES = ("Hel", 'lo "你好"', "\n\\n", " \U0001f600")
ANSWER = "".join(PIECES)


class Gateway(ThreadingHTTPServer):
    """Notes what it is asked. ``mood`` is how it answers, ``failures`` how often it is down before."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.mood, self.failures = "well", 0
        self.asked: list[dict[str, Any]] = []
        self.seen_by_others: list[bool] = []
        self.first_piece_read = threading.Event()


class Handler(BaseHTTPRequestHandler):
    """Server-sent events as the gateway writes them."""

    server: Gateway

    def do_POST(self) -> None:
        """Refuse, fail or answer."""
        self.server.seen_by_others.append(shown_to_others(KEY))
        self.server.asked.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        if self.headers["authorization"] != f"Bearer {KEY}" or self.path != "/v1/chat/completions":
            self.send_error(401)
        elif self.server.failures > 0:
            self.server.failures -= 1
            self.send_error(503)
        else:
            self._answer()

    def _answer(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self._event({"choices": [{"index": 0, "delta": {"role": "assistant"}}]})
        for piece in PIECES:
            self._event({"choices": [{"index": 0, "delta": {"content": piece}}]})
            if self.server.mood == "slow" and not self.server.first_piece_read.wait(20):
                return
        if self.server.mood == "error":
            self._event({"error": {"message": "out of credit", "code": 500}})
        if self.server.mood in ("well", "slow"):
            self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            self._event({"choices": [], "usage": {"total_tokens": 7}})
            self.wfile.write(b"data: [DONE]\n\n")

    def _event(self, data: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(data)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def shown_to_others(secret: str) -> bool:
    """Whether a command line of this machine holds it."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if secret.encode() in path.read_bytes():
                return True
        except OSError:
            continue
    return False


OPENAI = """\
// Stands in for the SDK: as much of it as the client calls, without its retries.
export default class OpenAI {
  constructor({ baseURL, apiKey, timeout, maxRetries }) {
    if (!(timeout > 0 && maxRetries > 0)) throw new Error("no time-out, or no retry");
    this.chat = { completions: { create: (request) => ask(baseURL, apiKey, request) } };
  }
}

async function ask(baseURL, apiKey, request) {
  const headers = { authorization: "Bearer " + apiKey, "content-type": "application/json" };
  const body = JSON.stringify(request);
  const answer = await fetch(baseURL + "/chat/completions", { method: "POST", headers, body });
  if (!answer.ok) throw new Error(answer.status + " status code");
  return events(answer.body.pipeThrough(new TextDecoderStream()));
}

async function* events(body) {
  let rest = "";
  for await (const piece of body) {
    const lines = (rest + piece).split("\\n");
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data: {")) continue;
      const event = JSON.parse(line.slice(6));
      if (event.error) throw new Error(event.error.message);
      yield event;
    }
  }
}
"""


def add_stand_in(folder: Path) -> None:
    """Put the module where Node.js looks for the SDK."""
    module = folder / "node_modules" / "openai"
    module.mkdir(parents=True)
    (module / "package.json").write_text('{"name": "openai", "type": "module", "main": "index.js"}', encoding="utf-8")
    (module / "index.js").write_text(OPENAI, encoding="utf-8")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    server = Gateway()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    render(hosted()).write(tmp_path / "gateway")
    return tmp_path / "gateway"


def command_of(client: str, folder: Path) -> list[str]:
    """How the README starts the client; skips where its program is not installed."""
    program = "node" if client == "client.mjs" else "curl"
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    if client == "client.mjs":
        add_stand_in(folder)
        return ["node", client]
    return [f"./{client}"]


@pytest.fixture(params=["client.sh", "client.mjs"])
def command(request: pytest.FixtureRequest, folder: Path) -> list[str]:
    return command_of(request.param, folder)


def settings(gateway: Gateway, **changes: str) -> dict[str, str]:
    """The environment of a client of this gateway."""
    address = f"http://127.0.0.1:{gateway.server_port}/v1"
    return {**os.environ, "GATEWAY_URL": address, "API_KEY": KEY, "no_proxy": "127.0.0.1", **changes}


def ask(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", timeout=60, check=False
    )


def text_of(printed: str) -> str:
    """The answer in what a client printed: without jq, curl's client prints the events."""
    if not printed.startswith('{"choices"'):
        return printed.removesuffix("\n")
    choices = [json.loads(line)["choices"] for line in printed.splitlines()]
    return "".join(one[0]["delta"].get("content", "") for one in choices if one)


@pytest.mark.tool
def test_a_client_prints_the_answer(command: list[str], folder: Path, gateway: Gateway) -> None:
    done = ask([*command, "How are you?"], folder, settings(gateway))
    assert (done.returncode, text_of(done.stdout), done.stderr) == (0, ANSWER, "")
    question = {"role": "user", "content": "How are you?"}
    assert gateway.asked == [{"model": "chat", "messages": [question], "stream": True}]
    assert gateway.seen_by_others == [False]


@pytest.mark.tool
def test_a_client_prints_each_piece_when_it_comes(command: list[str], folder: Path, gateway: Gateway) -> None:
    gateway.mood = "slow"
    started = subprocess.Popen(command, cwd=folder, env=settings(gateway), stdout=subprocess.PIPE)
    with started:
        assert started.stdout is not None
        assert started.stdout.read(3)  # the rest is sent only after this, and not at all if it takes too long
        gateway.first_piece_read.set()
        assert started.stdout.read()
    assert started.returncode == 0


@pytest.mark.tool
@pytest.mark.parametrize(
    ("mood", "key", "words"),
    [("well", "sk-wrong", "401"), ("error", KEY, "out of credit"), ("cut", KEY, "broke off|no complete answer")],
)
def test_a_client_says_what_went_wrong(
    command: list[str], folder: Path, gateway: Gateway, mood: str, key: str, words: str
) -> None:
    gateway.mood = mood
    done = ask(command, folder, settings(gateway, API_KEY=key))
    assert done.returncode == 1 or (command[0] != "node" and done.returncode)
    assert any(one in done.stderr for one in words.split("|"))
    assert key not in done.stdout + done.stderr


@pytest.mark.tool
def test_a_client_asks_for_its_key(command: list[str], folder: Path, gateway: Gateway) -> None:
    done = ask(command, folder, settings(gateway, API_KEY=""))
    assert done.returncode == 1
    assert "API_KEY is not set" in done.stderr
    assert gateway.asked == []


# --- curl ----------------------------------------------------------------------------------------------------------


@pytest.mark.tool
def test_curl_tries_again_while_the_gateway_is_down(folder: Path, gateway: Gateway) -> None:
    gateway.failures = 2
    done = ask(command_of("client.sh", folder), folder, settings(gateway))
    assert (done.returncode, text_of(done.stdout)) == (0, ANSWER)
    assert len(gateway.asked) == 3


@pytest.mark.tool
def test_curl_reads_key_and_port_from_the_settings(folder: Path, gateway: Gateway) -> None:
    (folder / ".env").write_text(
        f"API_KEY={KEY}\nBIND_ADDRESS=0.0.0.0\nPORT={gateway.server_port}\n", encoding="utf-8"
    )
    unset = {
        name: value for name, value in settings(gateway).items() if name not in ("GATEWAY_URL", "API_KEY", "PORT")
    }
    done = ask(command_of("client.sh", folder), folder, unset)
    assert (done.returncode, text_of(done.stdout)) == (0, ANSWER)


@pytest.mark.tool
def test_curl_prints_the_events_where_jq_is_not_installed(folder: Path, gateway: Gateway, tmp_path: Path) -> None:
    command = command_of("client.sh", folder)
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("bash", "env", "cat", "curl", "dirname", "sed", "tail", "tr"):
        (programs / name).symlink_to(shutil.which(name) or pytest.skip(f"{name} is not installed"))
    done = ask(command, folder, settings(gateway, PATH=str(programs)))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith('{"choices"')
    assert text_of(done.stdout) == ANSWER


QUESTIONS = (*HOSTILE, "tab\there", "\n", "", "a\n\nb\n", "\x7f", '\\"', "100%s %n \\u0041")


@pytest.mark.tool
def test_curl_sends_every_question_as_it_is(folder: Path, gateway: Gateway) -> None:
    command = command_of("client.sh", folder)
    for question in QUESTIONS:
        assert ask([*command, question], folder, settings(gateway)).returncode == 0
    assert [one["messages"][0]["content"] for one in gateway.asked] == list(QUESTIONS)


# --- what is written -----------------------------------------------------------------------------------------------


def test_npm_installs_exactly_one_pinned_package() -> None:
    package = json.loads(render(hosted())["package.json"].text)
    assert package["private"] is True
    assert package["dependencies"] == {"openai": "7.59.0"}
    assert package["engines"] == {"node": ">=22.0.0"}


def direct_part(bundle: Bundle) -> str:
    return bundle["client.mjs"].text.partition("function direct()")[2].partition("\n}")[0]


def test_around_the_gateway_only_what_nobody_knows_has_to_be_set() -> None:
    assert direct_part(render(hosted("openai"))).count("required(") == 1
    asked = direct_part(render(hosted("azure_openai")))
    assert all(f'required("{name}")' in asked for name in ("AZURE_OPENAI_BASE_URL", "AZURE_OPENAI_API_KEY"))


@pytest.mark.parametrize("provider", sorted(providers()))
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_clients_are_written_for_every_provider(provider: str, lang: str) -> None:
    bundle = render(hosted(provider).model_copy(update={"lang": lang}))
    assert 'from "openai"' in bundle["client.mjs"].text
    assert bundle["client.sh"].executable
    for started in ("client.py", "node client.mjs", "./client.sh"):
        assert started in bundle["README.md"].text
