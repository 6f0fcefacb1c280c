"""Checks of the machine itself: cards, driver, disk, ports, programs, limits, clock."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from deployadvisor.checklist.asked import CONNECT_S, Asked, Found, found, words_of
from deployadvisor.checklist.requirements import Port
from deployadvisor.checklist.wording import limit
from deployadvisor.hardware.machine import Known, Unknown, numbers_text
from deployadvisor.hardware.system import GIB

_DRIVER = ("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
_PORTS = 65_536


def driver(asked: Asked) -> Found:
    """The driver against the oldest that the engine runs with."""
    answer = asked.run(*_DRIVER)
    if answer.missing:
        return found("absent")
    version = (answer.text.strip().splitlines() or [""])[0].strip()
    branch = re.match(r"\d{1,5}(?=\.)", version)
    if not answer.succeeded or branch is None:
        return found("silent", words=words_of(answer))
    needed = asked.needs.cards.driver_branch
    if needed is None:
        return found("there", found=version)
    return found("fits" if int(branch[0]) >= needed else "old", found=version, needed=needed)


def cards(asked: Asked) -> Found:
    """Whether the cards of the plan are there."""
    wanted, numbers = asked.needs.cards, numbers_text(asked.needs.cards.numbers)
    problems = "; ".join(f"{one.what}: {one.reason}" for one in asked.machine.problems)
    if not asked.cards:
        return found("none", numbers=numbers, words=problems or "deployadvisor probe finds none")
    said = ", ".join(f"{card.index}: {card.name}{_size(card.memory_total_gib)}" for card in asked.cards)
    there = {card.index for card in asked.cards}
    fits = wanted.slices or set(wanted.numbers) <= there
    return found("there", found=said) if fits else found("missing", numbers=numbers, found=said)


def _size(total: Known[float] | Unknown) -> str:
    return f" {total.value:.1f} GiB" if isinstance(total, Known) else ""


def gpu_memory(asked: Asked) -> Found:
    """What is free on the fullest card of the plan."""
    wanted = asked.needs.cards
    if asked.running:
        return found("running")
    used = [card for card in asked.cards if wanted.slices or card.index in wanted.numbers]
    unread = [card.memory_free_gib.unknown for card in used if isinstance(card.memory_free_gib, Unknown)]
    free = [card.memory_free_gib.value for card in used if isinstance(card.memory_free_gib, Known)]
    if not used or unread:
        return found("silent", words=unread[0] if unread else "none of them answers")
    # A slice is named in the settings, by a UUID that no reading keeps: the largest is the one to hope for.
    least = max(free) if wanted.slices else min(free)
    if wanted.free_gib is None:
        return found("unsized", free=_gib(least))
    return found("enough" if least >= wanted.free_gib else "short", free=_gib(least), needed=_gib(wanted.free_gib))


def disk(asked: Asked) -> Found:
    """Room for the weights where they will lie."""
    weights = asked.needs.weights
    if weights is None or asked.running:
        return found("running")
    place = asked.expanded(weights.place) if weights.place else _docker_root(asked)
    if weights.local:
        return found("local" if asked.system.access(place) != "absent" else "missing", place=place)
    free = asked.system.disk_free_bytes(place)
    if free is None:
        return found("silent", place=place)
    if weights.gib is None:
        return found("unsized", free=_gib(free / GIB), place=place)
    outcome = "enough" if free / GIB >= weights.gib else "short"
    return found(outcome, free=_gib(free / GIB), needed=_gib(weights.gib), place=place)


_SHARED = re.compile(r"nfs|lustre|gpfs|ceph|fhgfs|panfs|gfs/gfs2|ocfs2|acfs|ibrix|(k-)?afs|cifs|smb2?|snfs|coda")
"""File systems of several machines, as ``stat`` of GNU coreutils 9.1 calls them; fhgfs is BeeGFS."""


def shared_folder(asked: Asked) -> Found:
    """Whether the folder lies on a file system that machines share; another may be handed to them as well."""
    place = str(asked.here)
    answer = asked.run("stat", "--file-system", "--format=%T", place)
    kind = answer.text.strip()
    if not answer.succeeded or not kind:
        return found("silent", place=place, words=words_of(answer))
    return found("shared" if _SHARED.fullmatch(kind) else "unsaid", place=place, kind=kind)


def _docker_root(asked: Asked) -> str:
    root = asked.run("docker", "info", "--format", "{{.DockerRootDir}}").text.strip()
    return root if root.startswith("/") else "/var/lib/docker"


def _gib(value: float) -> str:
    return f"{value:.1f}"


def ports(asked: Asked) -> Found:
    """Whether anybody listens on a port of the service, on this machine."""
    if asked.running:
        return found("running")
    numbers = [_number(asked, port) for port in asked.needs.ports]
    taken = [port for port in numbers if asked.system.connects("127.0.0.1", port, timeout_s=CONNECT_S)]
    return found("taken" if taken else "free", ports=_listed(map(str, taken or numbers)))


def _number(asked: Asked, port: Port) -> int:
    text = asked.setting(port.setting) if port.setting else ""
    return int(text) if re.fullmatch(r"[0-9]{1,5}", text) and 0 < int(text) < _PORTS else port.number


def programs(asked: Asked) -> Found:
    """Programs that scripts of the bundle call."""
    missing = [name for name in asked.needs.programs if not asked.system.has_program(name)]
    return found("missing" if missing else "there", names=_listed(missing or asked.needs.programs))


def systemd(asked: Asked) -> Found:
    """Version of systemd, which must know every directive of the units."""
    answer = asked.run("systemctl", "--version")
    version = re.match(r"systemd (\d{1,5})", answer.text)
    if version is None:
        return found("absent")
    needed = limit("systemd")
    return (
        found("fits", found=version[1])
        if int(version[1]) >= needed
        else found("old", found=version[1], needed=needed)
    )


def proxy(asked: Asked) -> Found:
    """Caddy where the installation puts it, on the path, or to be fetched."""
    place = asked.expanded(asked.needs.proxy or ".")
    if asked.system.access(place) != "absent":
        return found("there", place=place)
    if asked.system.has_program("caddy"):
        return found("path")
    return found("fetched" if asked.needs.internet else "missing")


def open_files(asked: Asked) -> Found:
    """The hard limit, up to which an engine raises its own."""
    needed, have = limit("open_files"), _limit(asked, "Max open files")
    if have is None:
        return found("silent")
    enough = have == "unlimited" or int(have) >= needed
    return found("enough" if enough else "low", found=have, needed=needed)


def locked_memory(asked: Asked) -> Found:
    """Memory that a network card may be given."""
    have = _limit(asked, "Max locked memory")
    if have is None:
        return found("silent")
    return found("enough") if have == "unlimited" else found("low", found=have)


def _limit(asked: Asked, name: str) -> str | None:
    row = rf"^{name}\s+\S+\s+(unlimited|[0-9]{{1,20}})\b"
    said = re.search(row, asked.system.text("/proc/self/limits") or "", re.MULTILINE)
    return said[1] if said else None


def shared_memory(asked: Asked) -> Found:
    """Size of ``/dev/shm``, through which the processes of one replica talk."""
    size, needed = asked.system.disk_total_bytes("/dev/shm"), limit("shared_memory_gib")  # noqa: S108 - only its size
    if not size or size < 0:
        return found("silent")
    return found("enough" if size / GIB >= needed else "low", found=_gib(size / GIB), needed=needed)


def clock(asked: Asked) -> Found:
    """Whether the system says that its clock follows a time server."""
    answer = asked.run("timedatectl", "show", "--property=NTPSynchronized", "--value")
    if answer.succeeded and answer.text.strip() == "yes":
        return found("right")
    return found("unsaid", now=asked.now.strftime("%Y-%m-%d %H:%M UTC"))


def host_of(url: str) -> tuple[str, int]:
    """Host and port of a URL, or of ``host:port``.

    >>> host_of("https://huggingface.co"), host_of("registry:5000")
    (('huggingface.co', 443), ('registry', 5000))
    """
    parts = urlsplit(url if "//" in url else f"https://{url}")
    return parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
