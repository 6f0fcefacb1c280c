"""A stand-in for a service behind its proxy: checks the key, answers chats whole or streamed, and fails on demand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

KEY = "sk-test"


def counting(body: dict[str, Any]) -> list[str]:
    """As many numbers as were asked for."""
    return [f"{number}\n" for number in range(body.get("max_tokens", 3))]


@dataclass
class StandIn:
    """How it answers."""

    words: Callable[[dict[str, Any]], list[str]] = counting
    """The pieces of the answer to a request."""
    first_s: float = 0.0
    each_s: float = 0.0
    refuses: frozenset[str] = frozenset()
    """Fields of a request that are answered with HTTP 400."""
    counts: bool = True
    """Whether it counts tokens."""
    fails_from: int = 1_000_000
    """From this chat on, it fails …"""
    how: str = "status"
    """… with HTTP 500 (status), in the middle (drop), with an error in the stream (error) or emptily (empty)."""
    logprobs: Callable[[dict[str, Any]], list[float]] | None = None
    """Log-probabilities of the pieces; None where it knows none."""
    prompt_size: Callable[[dict[str, Any]], int] = lambda body: (
        5 + sum(len(message["content"].split()) for message in body["messages"])
    )
    """Tokens of the prompt."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""
    most_at_once: int = 0
    at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def port(self) -> str:
        """Where it listens."""
        return self.url.rsplit(":", 1)[1].removesuffix("/v1")


@contextmanager
def serving(standin: StandIn) -> Iterator[StandIn]:
    """The stand-in on a free port of this machine."""
    handler = type("Handler", (_Handler,), {"standin": standin})
    with _Server(("127.0.0.1", 0), handler) as server:
        standin.url = f"http://127.0.0.1:{server.server_port}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield standin
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    standin: ClassVar[StandIn]

    def log_message(self, *words: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        standin = self.standin
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with standin.lock:
            number = len(standin.bodies)
            standin.bodies.append(body)
            standin.at_once += 1
            standin.most_at_once = max(standin.most_at_once, standin.at_once)
        try:
            self._answer(body, failing=number >= standin.fails_from)
        finally:
            with standin.lock:
                standin.at_once -= 1

    def _answer(self, body: dict[str, Any], *, failing: bool) -> None:
        standin = self.standin
        if self.headers["Authorization"] != f"Bearer {KEY}":
            self._json(401, {"error": {"message": "wrong key"}})
        elif standin.refuses & body.keys():
            self._json(400, {"error": {"message": f"unknown field {standin.refuses & body.keys()}"}})
        elif failing and standin.how == "status":
            self._json(500, {"error": {"message": "out of memory"}})
        elif body.get("stream"):
            self._stream(body, standin.how if failing else "")
        else:
            self._json(200, self._whole(body))

    def _whole(self, body: dict[str, Any]) -> dict[str, Any]:
        pieces = self.standin.words(body)
        message = {"role": "assistant", "content": "".join(pieces)}
        choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": "stop"}
        if body.get("logprobs") and self.standin.logprobs:
            known = zip(pieces, self.standin.logprobs(body), strict=False)
            choice["logprobs"] = {"content": [{"token": piece, "logprob": value} for piece, value in known]}
        return {"object": "chat.completion", "choices": [choice], **self._usage(body, len(pieces))}

    def _usage(self, body: dict[str, Any], tokens: int) -> dict[str, Any]:
        prompt = self.standin.prompt_size(body)
        usage = {"prompt_tokens": prompt, "completion_tokens": tokens, "total_tokens": prompt + tokens}
        return {"usage": usage} if self.standin.counts else {}

    def _stream(self, body: dict[str, Any], failure: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        pieces = [] if failure == "empty" else self.standin.words(body)
        self._piece({"choices": [{"index": 0, "delta": {"role": "assistant"}}]})
        time.sleep(self.standin.first_s)
        for number, piece in enumerate(pieces):
            if failure and number == 2:
                if failure == "error":
                    self._piece({"error": {"message": "engine died"}})
                return
            self._piece({"choices": [{"index": 0, "delta": {"content": piece}}]})
            time.sleep(self.standin.each_s)
        self._piece({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]})
        if (body.get("stream_options") or {}).get("include_usage"):
            self._piece({"choices": [], **self._usage(body, len(pieces))})
        self.wfile.write(b"data: [DONE]\n\n")

    def _piece(self, data: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps({'object': 'chat.completion.chunk', **data})}\n\n".encode())

    def _json(self, status: int, data: dict[str, Any]) -> None:
        text = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
