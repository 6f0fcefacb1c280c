"""The service that the scripts of this folder ask: where it is, its key, and one chat, whole or streamed.

Without ``--url`` only this bundle's own address is asked, as service.json and .env name it. Redirects and proxies of
the environment are not followed, so that neither key nor text goes anywhere else.
"""

from __future__ import annotations

import argparse
import http.client
import ipaddress
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
DOT_ENV = HERE.parent / ".env"
ANYWHERE = {"", "0.0.0.0", "::"}


class ChatError(Exception):
    """A chat that was refused, broke off or made no sense."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Service:
    """An endpoint of the OpenAI API."""

    base_url: str
    model: str
    key: str
    paid: bool


def cannot_run(text: str) -> NoReturn:
    """Say why there is no result, and end with 2: neither passed nor failed."""
    print(f"CANNOT RUN  {text}", file=sys.stderr)
    raise SystemExit(2)


def values(name: str) -> dict[str, Any]:
    """The values of a JSON file of this folder."""
    try:
        return json.loads((HERE / name).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        cannot_run(f"{name}: {error}")


def add_service_arguments(parser: argparse.ArgumentParser) -> None:
    """Options that say which service is asked."""
    parser.add_argument("--url", help="another service, with /v1; its key is taken from the variable API_KEY only")
    parser.add_argument("--model", help="name of the model there")
    parser.add_argument("--timeout", type=float, default=600, help="seconds without a sign before a chat has failed")


def chosen_service(options: argparse.Namespace) -> Service:
    """The bundle's own service, or the one that was named."""
    known = values("service.json")
    model = options.model or known["model"]
    if options.url:
        parts = urlsplit(options.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            cannot_run(f"--url {options.url}: not http://… or https://…")
        return Service(options.url.rstrip("/"), model, os.environ.get("API_KEY") or "none", known["paid"])
    key = setting("API_KEY") or ("" if known["requires_key"] else "none")
    if not key:
        cannot_run("API_KEY is neither set nor in .env")
    return Service(own_address(known["base_url"]), model, key, known["paid"])


def own_address(base_url: str) -> str:
    """The address of service.json, at the port and address that .env publishes it on; refuses any other."""
    parts = urlsplit(base_url)
    published = setting("BIND_ADDRESS")
    host = published if published not in ANYWHERE else parts.hostname or ""
    if host != published and not is_loopback(host):
        cannot_run(f"{base_url} is not on this machine; if you mean it, say --url {base_url}")
    port = setting("PORT") or parts.port or 80
    return f"http://[{host}]:{port}{parts.path}" if ":" in host else f"http://{host}:{port}{parts.path}"


def is_loopback(host: str) -> bool:
    """Whether this name or address never leaves the machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def setting(name: str) -> str:
    """A variable, or its value in .env, which is read as text and never run."""
    found = os.environ.get(name, "")
    if not found and DOT_ENV.is_file():
        for line in DOT_ENV.read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{name}="):
                found = line.partition("=")[2].strip().strip("'\"")
    return found


def chat(service: Service, body: dict[str, Any], timeout: float) -> dict[str, Any]:
    """The whole answer to one chat; raises ChatError."""
    connection, answer = _ask(service, body, timeout)
    try:
        found = json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ChatError(f"the answer broke off or is no JSON: {error!r}") from error
    finally:
        connection.close()
    if not isinstance(found, dict) or not found.get("choices"):
        raise ChatError(f"the answer holds no choice: {json.dumps(found)[:200]}")
    return found


def stream(service: Service, body: dict[str, Any], timeout: float) -> Iterator[dict[str, Any]]:
    """The pieces of one chat as they arrive; raises ChatError when it ends before it is finished."""
    connection, answer = _ask(service, {**body, "stream": True}, timeout)
    finished = False
    try:
        for line in answer:
            if not line.startswith(b"data:"):
                continue
            data = line[5:].strip()
            if data == b"[DONE]":
                finished = True
                break
            piece = json.loads(data)
            if piece.get("error"):
                raise ChatError(f"the service broke off: {json.dumps(piece['error'])[:200]}")
            finished = finished or any(choice.get("finish_reason") for choice in piece.get("choices") or ())
            yield piece
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ChatError(f"the stream broke off: {error!r}") from error
    finally:
        connection.close()
    if not finished:
        raise ChatError("the stream ended before the answer was finished: the connection was dropped")


def _ask(
    service: Service, body: dict[str, Any], timeout: float
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    parts = urlsplit(service.base_url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=timeout)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {service.key}"}
    data = json.dumps({"model": service.model, **body}).encode()
    try:
        connection.request("POST", f"{parts.path}/chat/completions", data, headers)
        answer = connection.getresponse()
        text = "" if answer.status == 200 else answer.read(500).decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise ChatError(f"{service.base_url}: {error!r}") from error
    if answer.status != 200:
        connection.close()
        raise ChatError(f"HTTP {answer.status}: {text[:300]}", answer.status)
    return connection, answer
