"""Check what a machine can check before the first start, without changing anything on it.

Which checks there are depends on where the service starts. Their words, and what they tick, stand in
``rules/preflight.yaml``.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePath

from deployadvisor.checklist import check_machine, check_software
from deployadvisor.checklist.asked import Asked, Found
from deployadvisor.checklist.requirements import Requirements
from deployadvisor.checklist.results import Preflight, Result
from deployadvisor.checklist.wording import Outcome, wordings
from deployadvisor.hardware.local import LocalSystem
from deployadvisor.hardware.system import System
from deployadvisor.version import __version__

CHECKS: Mapping[str, Callable[[Asked], Found]] = {
    "settings": check_software.settings,
    "secrets": check_software.secrets,
    "docker": check_software.docker,
    "compose": check_software.compose,
    "toolkit": check_software.toolkit,
    "kubectl": check_software.kubectl,
    "programs": check_machine.programs,
    "systemd": check_machine.systemd,
    "proxy": check_machine.proxy,
    "driver": check_machine.driver,
    "cards": check_machine.cards,
    "gpu-memory": check_machine.gpu_memory,
    "closed-registry": check_software.closed_registry,
    "cluster-cards": check_software.cluster_cards,
    "disk": check_machine.disk,
    "shared-folder": check_machine.shared_folder,
    "storage": check_software.storage,
    "ports": check_machine.ports,
    "images": check_software.images,
    "registry": check_software.registry,
    "hub": check_software.hub,
    "provider": check_software.provider,
    "token": check_software.token,
    "open-files": check_machine.open_files,
    "shared-memory": check_machine.shared_memory,
    "locked-memory": check_machine.locked_memory,
    "clock": check_machine.clock,
}
"""All checks, in the order in which they are made and shown."""

_MOST_SHOWN = 300


def checks_for(needs: Requirements) -> tuple[str, ...]:
    """Names of the checks that this bundle asks for, in order."""
    here, docker = needs.place != "cluster", needs.place == "docker"
    cards, nvidia = bool(needs.cards.numbers), needs.cards.vendor == "nvidia"
    asked = {
        "settings": here and bool(needs.settings),
        "secrets": bool(needs.secrets),
        "docker": docker,
        "compose": docker,
        "toolkit": docker and cards and nvidia,
        "kubectl": not here,
        "programs": bool(needs.programs),
        "systemd": needs.unit is not None,
        "proxy": needs.proxy is not None,
        "driver": here and cards and nvidia,
        "cards": here and cards,
        "gpu-memory": here and cards,
        "closed-registry": needs.registry_file is not None,
        "cluster-cards": not here and cards,
        "disk": here and needs.weights is not None,
        "shared-folder": needs.shared_folder,
        "storage": not here and needs.weights is not None,
        "ports": bool(needs.ports),
        "images": docker and bool(needs.images),
        "registry": here and bool(needs.registries),
        "hub": here and bool(needs.hubs),
        "provider": bool(needs.providers),
        "token": here and needs.token,
        "open-files": needs.open_files,
        "shared-memory": needs.shared_memory,
        "locked-memory": needs.locked_memory,
        "clock": here,
    }
    return tuple(name for name in CHECKS if asked[name])


def preflight(
    needs: Requirements,
    *,
    lang: str = "en",
    system: System | None = None,
    folder: PurePath | None = None,
    now: datetime.datetime | None = None,
    network: bool = True,
) -> Preflight:
    """Look at this machine, or at the one that ``system`` stands for.

    Without ``network`` no other computer is asked. Nothing is changed, and no secret is shown.
    """
    time = now or datetime.datetime.now(tz=datetime.UTC)
    asked = Asked(needs, system or LocalSystem(), folder, time, network)
    return Preflight(
        checked_at=time.strftime("%Y-%m-%dT%H:%M:%SZ"),
        by=f"deployadvisor {__version__}",
        requirements=needs.digest,
        results=tuple(_results(asked, lang)),
    )


def _results(asked: Asked, lang: str) -> Iterator[Result]:
    for name in checks_for(asked.needs):
        yield result(name, CHECKS[name](asked), lang)


def result(name: str, came_to: Found, lang: str) -> Result:
    """What a check came to, in words; what tools said is bounded and on one line."""
    check = wordings().checks[name]
    outcome: Outcome = check.outcomes[came_to.outcome]
    values = {key: shown(value) for key, value in came_to.values.items()}
    return Result(
        check=name,
        title=check.title.say(lang),
        status=outcome.status,
        evidence=outcome.say(lang).format_map(values),
        remedy=outcome.remedy.say(lang).format_map(values) if outcome.remedy else None,
    )


def shown(value: object) -> str:
    """A value as it may be printed anywhere: one line of printable signs, and not too many."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in str(value)).split())
    return line if len(line) <= _MOST_SHOWN else f"{line[: _MOST_SHOWN - 1]}…"
