"""README.md: the page of the person on call. One page a language, with sections that the targets add."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from string import Template
from typing import Any

from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.providers import providers
from deployadvisor.driver_gate import needed
from deployadvisor.reasoning import Rejected
from deployadvisor.render import compose, compose_engine, gateway, monitoring
from deployadvisor.render.addresses import Addresses
from deployadvisor.render.airgap import Airgap
from deployadvisor.render.door import Door
from deployadvisor.render.environment import render_template, render_text
from deployadvisor.render.host import Host
from deployadvisor.render.kubernetes_page import Cluster
from deployadvisor.render.layout import Trouble
from deployadvisor.render.loaded import Loading
from deployadvisor.render.logs import Logs
from deployadvisor.render.preflight_script import Script
from deployadvisor.render.proof import Proving
from deployadvisor.render.slurm import Slurm
from deployadvisor.render.targets import may_run_windows
from deployadvisor.render.view import View
from deployadvisor.site import planned_group
from deployadvisor.sizing.cards import card_groups


def page(lang: str, given: Mapping[str, Any]) -> str:
    """README.md in the language of the answer, from what ``context`` gives."""
    text = render_template(f"common/README.{lang}.md.j2", "markdown", given)
    return re.sub(r"\n{3,}", "\n\n", text)


def context(view: View) -> Mapping[str, Any]:
    """What all templates of a bundle may use."""
    advice = view.advice
    return {
        "view": view,
        "address": Addresses(view),
        "page": Page(view),
        "host": Host(view),
        "door": Door(view),
        "logs": Logs(view),
        "cluster": Cluster(view),
        "airgap": Airgap(view),
        "loaded": Loading(view),
        "preflight": Script(view),
        "proof": Proving(view),
        "slurm": Slurm(view),
        "advice": advice,
        "plan": advice.plan,
        "lang": advice.lang,
        "troubles": [] if view.hosted or view.serving is None else troubles(view),
        "ruled_out": ruled_out(advice.rejected),
    }


@dataclass(frozen=True)
class Page:
    """Facts that only README.md mentions. None is a fact that the page leaves out."""

    view: View

    @property
    def driver_branch(self) -> int | None:
        """Oldest driver that runs the pinned build on the plan's cards."""
        need = needed(self.view.engine, self.view.cards.compute_capability)
        return need.branch if need else None

    @property
    def weights_gib(self) -> int | None:
        """Size of the weights on disk, rounded up."""
        memory = self.view.advice.estimate.memory
        return math.ceil(memory.weights_gib) if memory else None

    @property
    def local_check(self) -> str:
        """Command that shows whether local weights may be read."""
        return f"ls -l {shlex.quote(self.view.weights.name)}"

    @property
    def fetches(self) -> bool:
        """Whether a service runs before the engine starts."""
        return compose_engine.fetch_service(self.view) is not None

    @property
    def image_text(self) -> str:
        """The image of the engine."""
        return str(compose_engine.image(self.view)["image"])

    @property
    def metrics_command(self) -> str | None:
        """Command that prints the metrics, with what the image has on board."""
        engine = self.view.engine
        if engine.metrics_path is None:
            return None
        url = f"http://127.0.0.1:{Addresses(self.view).engine_listens}{engine.metrics_path}"
        if monitoring.needs_key(self.view):
            ask = f'curl -s -H "Authorization: Bearer ${engine.api_key.name}" {url}'
            return f"docker compose exec {self.view.service} sh -c {shlex.quote(ask)}"
        tools = {
            "curl": f"curl -s {url}",
            "python": f"python3 -c \"import urllib.request as r; print(r.urlopen('{url}').read().decode())\"",
        }
        return f"{self.view.inside_command} {tools[self.view.layout.probe]}"

    @property
    def monitored(self) -> bool:
        """Whether the bundle has Prometheus and Grafana."""
        return self.view.composed and monitoring.exported(self.view) is not None

    @property
    def watched(self) -> bool:
        """Whether the bundle has alert rules, for its own Prometheus or one of the user's."""
        return monitoring.watched(self.view)

    @property
    def metrics_paths(self) -> tuple[monitoring.MetricsPath, ...]:
        """Paths of the proxy for the metrics of a job's engines."""
        return monitoring.metrics_paths(self.view)

    @property
    def metrics_need_key(self) -> bool:
        """Whether Prometheus needs the key of the engine, in a file."""
        return self.watched and monitoring.needs_key(self.view)

    @property
    def training_cards(self) -> tuple[int, ...]:
        """Equal cards that training may share: the plan's, and the rest of their kind where all are equally free."""
        plan = self.view.advice.plan
        group = planned_group(self.view.advice.machine)
        if plan.rent or group is None or group.each_free_gib or group.slices:
            return plan.cards
        return group.numbers(group.count)

    @property
    def on_one_card(self) -> str:
        """What keeps a training process to the first of these cards."""
        return self._visible(self.training_cards[:1] or (0,))

    @property
    def on_all_cards(self) -> str:
        """What keeps training processes to these cards."""
        return self._visible(self.training_cards)

    def _visible(self, cards: Sequence[int]) -> str:
        """Without an order CUDA numbers unequal cards by speed, and the plan by bus."""
        unequal = len(card_groups(self.view.advice.machine)) > 1
        order = "CUDA_DEVICE_ORDER=PCI_BUS_ID " if unequal else ""
        return f"{order}CUDA_VISIBLE_DEVICES={','.join(map(str, cards))}"

    @property
    def serves_adapter(self) -> bool:
        """Whether the engine takes the adapter beside the base model."""
        return self.view.composed and bool(compose.adapter_arguments(self.view))

    @property
    def windows(self) -> bool:
        """Whether scripts of PowerShell stand beside those of a shell."""
        serving, engine = self.view.serving, self.view.engine.id
        scripts = any(one.windows and engine in one.engines for one in serving.files) if serving else False
        return scripts and may_run_windows(self.view.advice)

    def starts_with(self, override: str) -> str:
        """Command, in the folder of the recipe, that serves with this file beside ``compose.yaml`` from now on."""
        return f"(cd .. && echo COMPOSE_FILE=compose.yaml:{override} >> .env && docker compose up -d --wait)"

    @property
    def merged_name(self) -> str:
        """What clients call the merged model."""
        return replace(self.view, tuned=True).served_name

    @property
    def merged_request(self) -> str | None:
        """A small request to the merged model, where it is served beside this bundle under another name."""
        view = self.view
        renamed = view.tuning and view.composed and self.merged_name != view.served_name
        return replace(view, tuned=True).chat_request if renamed else None

    @property
    def budget_usd(self) -> float | None:
        """The budget that the gateway keeps to; None where it cannot count."""
        return gateway.budget_usd(self.view) if gateway.counted(self.view) else None

    @property
    def reach_check(self) -> str:
        """Command that shows whether the provider can be reached."""
        return f"curl -s -o /dev/null -w '%{{http_code}}\\n' {shlex.quote(self.view.gateway.direct_base_url)}/models"

    @property
    def provider_notes(self) -> tuple[str, ...]:
        """What the catalogue knows of the provider's limits and places."""
        found = [self.view.gateway.provider, *([self.view.gateway.fallback] if self.view.gateway.fallback else [])]
        notes = [(one.name, (one.rate_limit_note, one.residency, one.notes)) for one in found]
        return tuple(f"{name}: {note}" for name, texts in notes for note in texts if note)


@dataclass(frozen=True, slots=True)
class TroubleRow:
    """One line of the troubleshooting table, in one language."""

    symptom: str
    cause: str
    command: str
    source: str | None


def troubles(view: View) -> list[TroubleRow]:
    """What goes wrong with this engine, with commands for where it runs."""
    known = [row for trouble in view.layout.troubleshoot if (row := _row(trouble, view)) is not None]
    alerts = monitoring.alerts(view) if monitoring.watched(view) else ()
    return [*known, *(_alert_row(alert, view) for alert in alerts)]


def _alert_row(alert: monitoring.Alert, view: View) -> TroubleRow:
    word = {"en": "Alert", "zh": "告警"}[view.advice.lang]
    commands = {name: render_text(text, "shell", {"view": view}) for name, text in monitoring.place(view)}
    cure = Template(getattr(alert.cure, view.advice.lang)).substitute(commands)
    return TroubleRow(
        symptom=f"{word} `{alert.name}`",
        cause=f"{getattr(alert.summary, view.advice.lang)} {cure}",
        command=commands[alert.look],
        source=None,
    )


def _row(trouble: Trouble, view: View) -> TroubleRow | None:
    command = _command(trouble, view)
    if command is None or not _can_happen(trouble, view):
        return None
    return TroubleRow(
        symptom=getattr(trouble.symptom, view.advice.lang),
        cause=getattr(trouble.cause, view.advice.lang),
        command=render_text(command, "shell", {"view": view, "host": Host(view)}),
        source=trouble.source,
    )


def _can_happen(trouble: Trouble, view: View) -> bool:
    """Whether the target can get there; Ray starts the engine in a way of its own, and its page has rows for that."""
    here, plan = view.serving.id if view.serving else "", view.advice.plan
    reached = not view.on_ray and (trouble.in_pod or not view.in_pod)
    named = not trouble.targets or here in trouble.targets
    return reached and named and (not trouble.several_cards or plan.tensor_parallel * plan.pipeline_parallel > 1)


def _command(trouble: Trouble, view: View) -> str | None:
    """The command for where the engine runs; None where this cannot happen there."""
    if view.on_host:
        return trouble.host
    return trouble.native if view.native else trouble.command


@dataclass(frozen=True, slots=True)
class RuledOut:
    """Candidates that are out for one reason: a principle against them, or something they would need."""

    names: str
    because: str | None
    missing: str | None
    where: str


def ruled_out(rejected: Sequence[Rejected]) -> list[RuledOut]:
    """What the page says about rejected candidates, those with the same first objection on one line."""
    names: dict[tuple[str | None, str | None, str], list[str]] = {}
    for one in rejected:
        first = one.objections[0]
        names.setdefault((first.because, first.missing, first.where), []).append(_name(one))
    return [RuledOut(", ".join(listed), *reason) for reason, listed in names.items()]


def _name(rejected: Rejected) -> str:
    if rejected.engine:
        return engines()[rejected.engine].name if rejected.engine in engines() else rejected.engine
    if rejected.provider:
        return providers()[rejected.provider].name if rejected.provider in providers() else rejected.provider
    return (rejected.route or "").replace("_", " ")
