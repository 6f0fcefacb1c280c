"""What systemd lets through, or says only in its log: our own checks on unit files.

A directive that it does not know is skipped with a warning, and so is its protection; a single ``%`` is replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import groupby

Entry = tuple[str, str, str]
"""Section, directive and value of one line."""

_LINE = re.compile(r"(?P<key>[A-Za-z]+)=(?P<value>.*)")
_SECTION = re.compile(r"\[([A-Za-z]+)\]")
_COMMAND = re.compile(r"(?P<prefix>[-@:+!]*)(?P<words>.+)", re.DOTALL)
_WORD = re.compile(r'"(?P<quoted>(?:[^"\\]|\\.)*)"(?=\s|$)|(?P<plain>[^\s"\'\\]+)(?=\s|$)', re.DOTALL)
_ESCAPE = re.compile(r'\\(["\\nt])')
_MEANING = {"n": "\n", "t": "\t"}
_SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$")

_UNIT = "Description Documentation PartOf After Wants Requires StartLimitIntervalSec StartLimitBurst"
_SERVICE = """
AmbientCapabilities CapabilityBoundingSet DeviceAllow DevicePolicy DynamicUser Environment EnvironmentFile ExecStart
ExecStartPost ExecStartPre IPAddressAllow IPAddressDeny KillMode LimitMEMLOCK LimitNOFILE LoadCredential
LockPersonality MemoryDenyWriteExecute MemoryMax NoNewPrivileges OOMPolicy PrivateDevices PrivateTmp PrivateUsers
ProcSubset ProtectClock ProtectControlGroups ProtectHome ProtectHostname ProtectKernelLogs ProtectKernelModules
ProtectKernelTunables ProtectProc ProtectSystem ReadWritePaths Restart RestartSec RestrictAddressFamilies
RestrictNamespaces RestrictRealtime RestrictSUIDSGID StateDirectory StateDirectoryMode SystemCallArchitectures
SystemCallFilter TasksMax TimeoutStartSec TimeoutStopSec Type UMask User WorkingDirectory
"""
KNOWN: Mapping[str, frozenset[str]] = {
    "Unit": frozenset(_UNIT.split()),
    "Install": frozenset({"WantedBy"}),
    "Service": frozenset(_SERVICE.split()),
}
"""Directives that our units may use, by section; systemd 252 knows them all.

Source: systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.resource-control(5).
"""

_MUST_HAVE = ("ExecStart", "NoNewPrivileges", "CapabilityBoundingSet", "ProtectSystem", "Restart")


def check_unit(text: str) -> Iterator[str]:
    """Everything wrong with one unit file."""
    found: list[Entry] = []
    for item in _entries(text):
        if isinstance(item, str):
            yield item
        else:
            found.append(item)
    for section, key, value in found:
        if key not in KNOWN.get(section, frozenset()):
            yield f"[{section}] knows no {key}"
        if "%" in value.replace("%%", ""):
            yield f"{key} has a % that is not doubled"
        yield from _value_problems(key, value)
    yield from _service_problems(found)


def _entries(text: str) -> Iterator[Entry | str]:
    section = ""
    for number, line in enumerate(text.split("\n"), 1):
        header, match = _SECTION.fullmatch(line), _LINE.fullmatch(line)
        if header:
            section = header[1]
        elif match and not line.endswith("\\"):
            yield section, match["key"], match["value"]
        elif line and not line.startswith("#"):
            yield f"line {number} is neither a section, a setting nor a comment"


def _value_problems(key: str, value: str) -> Iterator[str]:
    if key.startswith("Exec"):
        yield from _command_problems(key, value)
    if key == "Environment":
        words = unit_words(value)
        if words is None:
            yield "Environment is not quoted right"
        for word in words or ():
            name, _, secret = word.partition("=")
            if secret and _SECRET.search(name):
                yield f"Environment holds the secret {name}"


def _command_problems(key: str, value: str) -> Iterator[str]:
    match = _COMMAND.fullmatch(value)
    words = unit_words(match["words"]) if match else None
    if match is None or not words:
        yield f"{key} is not quoted right"
        return
    if not words[0].startswith("/"):
        yield f"{key} starts {words[0]}, which is not a whole path"
    if "$" in value and ":" not in match["prefix"]:
        yield f"{key} has a $ that would be replaced"


def _service_problems(found: list[Entry]) -> Iterator[str]:
    settings = {key: [entry[2] for entry in rows] for key, rows in groupby(sorted(found), key=lambda entry: entry[1])}
    if not any(section == "Service" for section, _, _ in found):
        return
    yield from (f"{key} is missing" for key in _MUST_HAVE if key not in settings)
    if len(settings.get("ExecStart", ())) > 1:
        yield "ExecStart stands twice"
    if settings.get("User", ["root"]) == ["root"] and settings.get("DynamicUser") != ["yes"]:
        yield "it runs as root"


def unit_words(text: str) -> list[str] | None:
    """The words of a value as systemd splits and unquotes them, ``%%`` halved; None when they are not quoted right.

    >>> unit_words('/bin/x "two words" 100%%')
    ['/bin/x', 'two words', '100%']
    """
    rest, words = text.strip(" \t"), []
    while rest:
        match = _WORD.match(rest)
        if match is None:
            return None
        words.append(match["plain"] if match["plain"] is not None else _ESCAPE.sub(_meaning, match["quoted"]))
        rest = rest[match.end() :].lstrip(" \t")
    return [word.replace("%%", "%") for word in words]


def _meaning(match: re.Match[str]) -> str:
    return _MEANING.get(match[1], match[1])
