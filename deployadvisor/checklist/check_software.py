"""Checks of what stands around the machine: Docker, images, registries, settings, the cluster."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from deployadvisor.checklist.asked import CONNECT_S, REGISTRY_S, SETTINGS, Asked, Found, found, words_of
from deployadvisor.checklist.check_machine import host_of
from deployadvisor.checklist.wording import limit

_GROUP_OR_OTHERS = re.compile(r"^-...(?!------)")
_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_UNKNOWN_IMAGE = re.compile(r"no such manifest|manifest unknown|not found|denied|unauthorized", re.IGNORECASE)
_TOKEN_FILE = ".cache/huggingface/token"  # noqa: S105 - where the token lies, not the token
_IMAGE_NAMES = re.compile(r"^ *- name: (\S+)\n *newName: (\S+)$", re.MULTILINE)
RESOURCES = {"nvidia": "nvidia.com/gpu", "amd": "amd.com/gpu"}
"""What a cluster calls the cards of each maker."""


def settings(asked: Asked) -> Found:
    """Whether what only people know is filled in, and kept from others; values are never shown."""
    needs, names = asked.needs, ", ".join(asked.needs.settings)
    if asked.settings_text is None and needs.settings_made_by and needs.settings == ("API_KEY",):
        return found("made", maker=needs.settings_made_by, file=SETTINGS)
    empty = [name for name in needs.settings if not asked.filled(name)]
    if asked.settings_text is None and empty:
        return found("absent", file=SETTINGS, names=names)
    if empty:
        return found("unfilled", file=SETTINGS, names=", ".join(empty))
    mode = asked.run("ls", "-ld", "--", asked.path(SETTINGS)).text[:10]
    if _GROUP_OR_OTHERS.match(mode):
        return found("open", file=SETTINGS, mode=mode)
    return found("filled", file=SETTINGS, names=names)


def docker(asked: Asked) -> Found:
    """Whether the engine of the containers answers this account."""
    answer = asked.run("docker", "version", "--format", "{{.Server.Version}}")
    if answer.missing:
        return found("absent")
    if not answer.succeeded or not answer.text.strip():
        return found("silent", words=words_of(answer))
    return found("answers", found=answer.text.strip()[:40])


def compose(asked: Asked) -> Found:
    """Version of the Compose plugin."""
    answer = asked.run("docker", "compose", "version", "--short")
    version = re.match(r"v?(\d{1,4})\.\S{0,30}", answer.text.strip())
    if version is None:
        return found("absent", words=words_of(answer))
    shown = version[0].removeprefix("v")
    needed = limit("compose")
    return found("fits", found=shown) if int(version[1]) >= needed else found("old", found=shown, needed=needed)


def toolkit(asked: Asked) -> Found:
    """What hands NVIDIA cards to containers: a runtime that Docker knows, or the hook that Docker looks for."""
    answer = asked.run("docker", "info", "--format", "{{json .Runtimes}}")
    if answer.succeeded and '"nvidia"' in answer.text:
        return found("registered")
    hook = "nvidia-container-runtime-hook"
    return found("installed", found=hook) if asked.system.has_program(hook) else found("absent")


def images(asked: Asked) -> Found:
    """Images on this machine, else in their registries."""
    lacking = [name for name in asked.needs.images if not _is_here(asked, name)]
    if not lacking:
        return found("there", names=", ".join(asked.needs.images))
    if not asked.needs.internet:
        return found("unpacked", names=", ".join(lacking))
    if not asked.network:
        return found("silent", names=", ".join(lacking))
    answers = {name: _in_registry(asked, name) for name in lacking}
    for outcome, kind in (("missing", False), ("silent", None)):
        named = [name for name, answer in answers.items() if answer is kind]
        if named:
            return found(outcome, names=", ".join(named))
    return found("found", names=", ".join(lacking))


def _is_here(asked: Asked, image: str) -> bool:
    return asked.run("docker", "image", "inspect", "--format", "{{.Id}}", image).succeeded


def _in_registry(asked: Asked, image: str) -> bool | None:
    """None where nobody answers; a registry that answers no says so in words."""
    answer = asked.run("docker", "manifest", "inspect", image, timeout_s=REGISTRY_S)
    if answer.succeeded:
        return True
    return False if _UNKNOWN_IMAGE.search(answer.errors or answer.text) else None


def registry(asked: Asked) -> Found:
    """Connections to the registries of the images."""
    return _reach(asked, asked.needs.registries)


def hub(asked: Asked) -> Found:
    """Connections to where the weights come from."""
    endpoint = asked.system.env().get("HF_ENDPOINT")
    hosts = asked.needs.hubs
    return _reach(asked, (endpoint, *hosts[1:]) if endpoint else hosts)


def provider(asked: Asked) -> Found:
    """Connections to the providers behind the gateway."""
    return _reach(asked, asked.needs.providers)


def _reach(asked: Asked, urls: Iterable[str]) -> Found:
    hosts = dict.fromkeys(host_of(url) for url in urls)
    named = ", ".join(host for host, _ in hosts)
    if not asked.needs.internet:
        return found("sealed")
    if not asked.network:
        return found("unasked", hosts=named)
    closed = [host for host, port in hosts if not asked.system.connects(host, port, timeout_s=CONNECT_S)]
    if not closed:
        return found("reached", hosts=named)
    if any(asked.system.env().get(name) for name in _PROXIES):
        return found("proxied", hosts=", ".join(closed))
    return found("closed" if _is_online(asked, closed) else "offline", hosts=", ".join(closed))


def _is_online(asked: Asked, closed: list[str]) -> bool:
    """Whether any address of the plan answers: then the way to the others is shut on purpose."""
    needs = asked.needs
    others = dict.fromkeys(host_of(url) for url in (*needs.registries, *needs.hubs, *needs.providers))
    return any(host not in closed and asked.system.connects(host, port, timeout_s=CONNECT_S) for host, port in others)


def token(asked: Asked) -> Found:
    """Whether a token of the hub is set, and where; never what it is."""
    if asked.system.env().get("HF_TOKEN"):
        return found("found", place="HF_TOKEN")
    if asked.settings.get("HF_TOKEN"):
        return found("found", place=SETTINGS)
    if asked.system.access(f"{asked.system.home()}/{_TOKEN_FILE}") == "open":
        return found("found", place=f"~/{_TOKEN_FILE}")
    return found("unset")


def kubectl(asked: Asked) -> Found:
    """Whether the cluster answers, and lets this account make deployments."""
    answer = asked.run("kubectl", "auth", "can-i", "create", "deployments")
    if answer.missing:
        return found("absent")
    said = (answer.text.strip().splitlines() or [""])[-1].strip()
    if said in ("yes", "no"):
        return found("answers" if said == "yes" else "forbidden")
    return found("silent", words=words_of(answer))


def closed_registry(asked: Asked) -> Found:
    """Whether the images of the pods have the name of a registry before their own."""
    file = asked.needs.registry_file or ""
    text = asked.system.text(asked.path(file))
    if text is None:
        return found("absent", file=file)
    rows = _IMAGE_NAMES.findall(text)
    return found("named" if rows and all(new.endswith(f"/{name}") for name, new in rows) else "unnamed", file=file)


def cluster_cards(asked: Asked) -> Found:
    """How many pods of the plan the nodes have cards for."""
    needs, each = asked.needs, max(1, asked.needs.cards.replica)
    resource = RESOURCES.get(needs.cards.vendor, RESOURCES["nvidia"])
    answer = asked.run("kubectl", "get", "nodes", "--output", "json")
    rows = _items(answer.text)
    if not answer.succeeded or rows is None:
        return found("silent", words=words_of(answer))
    offered = [str(_within(row, "status", "allocatable", resource) or "0") for row in rows]
    room = sum(int(count) // each for count in offered if count.isdecimal())
    outcome = "there" if room >= needs.replicas else "short"
    return found(outcome, found=room, needed=each, resource=resource, pods=needs.replicas)


def storage(asked: Asked) -> Found:
    """The storage class that a claim without a name gets."""
    answer = asked.run("kubectl", "get", "storageclass", "--output", "json")
    rows = _items(answer.text)
    if not answer.succeeded or rows is None:
        return found("silent", words=words_of(answer))
    mark = "storageclass.kubernetes.io/is-default-class"
    names = [
        str(_within(row, "metadata", "name"))
        for row in rows
        if _within(row, "metadata", "annotations", mark) == "true"
    ]
    return found("there", found=names[0]) if names else found("missing")


def secrets(asked: Asked) -> Found:
    """Whether the Secrets that people make are in the namespace; their content is not read."""
    missing = []
    for name in asked.needs.secrets:
        answer = asked.run("kubectl", "get", "secret", name, "--output", "name")
        if answer.missing or (not answer.succeeded and "NotFound" not in answer.errors):
            return found("silent", words=words_of(answer))
        if not answer.succeeded:
            missing.append(name)
    return found("missing" if missing else "there", names=", ".join(missing or asked.needs.secrets))


def _items(text: str) -> list[object] | None:
    """The list of an answer of kubectl, whatever shape it has."""
    try:
        rows = json.loads(text)["items"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return rows if isinstance(rows, list) else None


def _within(value: object, *keys: str) -> object:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
