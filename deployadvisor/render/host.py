"""An engine as a program of the machine: what installs it, and what starts each replica.

Scripts and units share this; they differ in who starts the programs and who looks after them.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from deployadvisor.catalog.drivers import needed_branch
from deployadvisor.driver_gate import build_for, needed
from deployadvisor.errors import RenderError
from deployadvisor.render.addresses import Addresses
from deployadvisor.render.arguments import native_arguments
from deployadvisor.render.compose_engine import card_numbers, command
from deployadvisor.render.layout import OnHost
from deployadvisor.render.view import View
from deployadvisor.render.visibility import visibility

LOADING_S = 1800
"""Compiling and warming up may take this long, as the health check of a container allows."""

SLOW_DISK_GIB_PER_S = 0.1
"""What a single hard disk or a network of 1 Gbit/s reads: weights on anything faster load sooner."""

_LOOKS_AT_THE_CARD = "--torch-backend=auto"
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_SYSTEM_USER_SIGNS = 24
_HIDDEN_FROM_SERVICES = ("/tmp/", "/var/tmp/")  # noqa: S108 - units get folders of their own in these places
_HOMES = ("/home/", "/root/", "/run/user/")


@dataclass(frozen=True, slots=True)
class Replica:
    """One process of the engine. ``program`` is a path in the folder of the installation."""

    number: int
    port: int
    program: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]

    @property
    def name(self) -> str:
        """What its log, process id and unit are called."""
        return f"engine-{self.number}"


@dataclass(frozen=True)
class Host:
    """What the templates of a machine without containers may say."""

    view: View

    @property
    def scheduled(self) -> bool:
        """Whether Slurm hands out machine, cards and time."""
        return self.view.serving is not None and self.view.serving.id == "slurm"

    @cached_property
    def installation(self) -> OnHost:
        """What is known of the engine outside a container."""
        found = self.view.layout.on_host
        if found is None:
            raise RenderError(f"no installation of {self.view.engine.name} outside a container is known")
        return found

    @cached_property
    def version(self) -> str:
        """The pinned version, or the earlier one that the model needs."""
        version = self.view.advice.plan.engine_version or self.view.engine.version
        if not _VERSION.fullmatch(version):
            raise RenderError(f"{version!a} is not a version")
        return version

    @cached_property
    def folder(self) -> str:
        """Folder of the engine; a version keeps its own, so that going back installs nothing."""
        return f"engine-{self.version}"

    @cached_property
    def proxy(self) -> str:
        """Program of the proxy in the folder of the installation."""
        return f"caddy-{self.view.versions['caddy'].version}/caddy"

    @cached_property
    def compiled(self) -> bool:
        """Whether the engine is compiled on the machine, because its project publishes no programs for the cards."""
        return self.view.engine.id == "llama_cpp"

    @cached_property
    def install_commands(self) -> tuple[tuple[str, ...], ...]:
        """Commands that fill the Python environment, in their order; none where the engine is compiled."""
        if self.compiled:
            return ()
        engine = self.view.engine
        first = build_for(engine, self.view.cards.compute_capability) if self.view.cards.vendor == "nvidia" else None
        before = [first.install] if first and first.install else []
        words = [
            tuple(map(self._for_the_node, shlex.split(one))) for one in [*before, self._install_of_the_version()]
        ]
        uses_uv = any(command[0] == "uv" for command in words)
        own = [("pip", "install", f"uv=={self.view.versions['uv'].version}")] if uses_uv else []
        return (*own, *words[:-1], (*words[-1], *shlex.split(self.view.requirements)))

    def _for_the_node(self, word: str) -> str:
        """Where jobs are submitted there is no card to look at, and the build for none would be taken."""
        floor = self.view.engine.gates.driver_min
        if not self.scheduled or word != _LOOKS_AT_THE_CARD or floor is None or floor.cuda is None:
            return word
        return f"--torch-backend=cu{floor.cuda.replace('.', '')}"

    def _install_of_the_version(self) -> str:
        pinned = self.view.engine.version
        return re.sub(rf"=={re.escape(pinned)}(?![\d.])", f"=={self.version}", self.view.engine.install)

    @cached_property
    def replicas(self) -> tuple[Replica, ...]:
        """The processes of the engine."""
        return tuple(self._replica(index) for index in range(self.view.advice.plan.replicas))

    def _replica(self, index: int) -> Replica:
        view = self.view
        port = Addresses(view).engine_port(index)
        own = native_arguments(view.engine, view.layout, view.weights, view.served_name, view.advice.plan, port)
        program, *words = self.installation.program
        return Replica(
            number=index + 1,
            port=port,
            program=f"{self.folder}/bin/{program}",
            arguments=(*words, *own),
            environment=self._environment(index),
        )

    def _environment(self, index: int) -> Mapping[str, str]:
        """Variables of the engine, without the slice, which the user names, and without the key."""
        view = self.view
        given = (view.layout.environment, view.layout.offline, self.installation.environment)
        values = {name: value for one in (*given, view.advice.plan.environment) for name, value in one.items()}
        if view.advice.plan.gpus and not view.cards.slices and not self.scheduled:
            values |= visibility(view.cards.vendor, card_numbers(view, index))
        return values

    @cached_property
    def key_variable(self) -> str:
        """Variable in which the engine takes the key too; empty where it takes none, or only in its command line."""
        return (self.view.engine.api_key.name or "") if self.view.engine_checks_key else ""

    @cached_property
    def user(self) -> str:
        """Account of the service; Linux takes no longer names and none that begin with a digit."""
        return f"llm-{self.view.project[:_SYSTEM_USER_SIGNS].strip('-')}"

    @cached_property
    def root(self) -> str:
        """Folder of the installed programs of a service."""
        return f"/opt/{self.view.project}"

    @cached_property
    def state(self) -> str:
        """Folder of the weights and caches of a service."""
        return f"/var/lib/{self.view.project}"

    @cached_property
    def settings(self) -> str:
        """Folder of the key and settings of a service, which only root reads."""
        return f"/etc/{self.view.project}"

    @cached_property
    def start_timeout_s(self) -> int:
        """Seconds after which a start has failed: loading from a slow disk, then compiling and warming up."""
        memory = self.view.advice.estimate.memory
        reading = memory.weights_gib / SLOW_DISK_GIB_PER_S if memory else 0
        return LOADING_S + math.ceil(reading / 60) * 60

    @cached_property
    def programs(self) -> str:
        """Folder in which the programs of all versions lie."""
        return self.root if self._as_service else "."

    @cached_property
    def cache(self) -> str:
        """Folder in which the weights lie that were fetched."""
        return self.state if self._as_service else "cache"

    @property
    def _as_service(self) -> bool:
        return self.view.serving is not None and self.view.serving.id == "systemd"

    @cached_property
    def port_option(self) -> str:
        """Word before the port in the engine's command line."""
        return self.view.engine.flags["port"].names[0]

    @cached_property
    def trial_cards(self) -> tuple[str, ...]:
        """Cards that the first replica takes, which must be free for a trial of it beside what runs."""
        plan = self.view.advice.plan
        return tuple(card_numbers(self.view, 0)) if plan.gpus and not self.view.cards.slices else ()

    @cached_property
    def trial_gib(self) -> int:
        """Memory that a trial takes where the processor computes; 0 where it is unknown."""
        memory = self.view.advice.estimate.memory
        return math.ceil(sum(term.gib for term in memory.terms)) if memory else 0

    @cached_property
    def log_command(self) -> str:
        """Command that prints the log of the engine."""
        if self._as_service:
            return f"journalctl --no-pager -u {self.view.project}-engine-1"
        return "cat logs/engine-1.log"

    @cached_property
    def shown_command(self) -> str:
        """Command that prints how the engine is started."""
        if self._as_service:
            return f"systemctl cat {self.view.project}-engine-1"
        return "cat serve.sbatch" if self.scheduled else "cat start.sh"

    @cached_property
    def metrics_command(self) -> str | None:
        """Command that prints the metrics of the first replica, with the key where the engine asks for it there."""
        engine = self.view.engine
        if engine.metrics_path is None:
            return None
        url = f"http://127.0.0.1:{self.replicas[0].port}{engine.metrics_path}"
        if not self.key_variable or engine.metrics_path in engine.api_key.open_paths:
            return f"curl -s {url}"
        return f"curl -s -H \"Authorization: Bearer $(sed -n 's/^API_KEY=//p' .env)\" {url}"

    @cached_property
    def protect_home(self) -> str:
        """How much a service sees of home folders: nothing, unless local weights lie there.

        Raises RenderError where they lie among temporary files, of which a service gets a folder of its own.
        """
        weights = self.view.weights
        if weights.is_local and weights.name.startswith(_HIDDEN_FROM_SERVICES):
            raise RenderError(f"a service cannot see {weights.name!a}: move the weights out of the temporary files")
        return "read-only" if weights.is_local and weights.name.startswith(_HOMES) else "yes"

    @cached_property
    def driver_branch(self) -> int | None:
        """Oldest driver for what is installed; None where nobody has read it, or the engine is compiled here."""
        view = self.view
        if self.compiled or self.version != view.engine.version:
            return None
        if self.installation.cuda:
            return needed_branch(self.installation.cuda, (), view.cards.compute_capability)
        need = needed(view.engine, view.cards.compute_capability)
        return need.branch if need else None


def engine_words(view: View) -> list[str]:
    """The command line of the engine where the bundle runs it."""
    if view.on_host:
        return list(Host(view).replicas[0].arguments)
    return list(command(view).get("command", []))
