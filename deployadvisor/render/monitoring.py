"""Prometheus and Grafana around an engine: what is scraped, when somebody is called, and what there is to see.

Targets differ in where the engine is asked, under which name Prometheus keeps what it says, and in the commands of
the page.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from string import Template
from typing import Any, Literal, NamedTuple

from pydantic import Field

from deployadvisor.catalog.metrics import Metric, Metrics, metrics
from deployadvisor.documents import read
from deployadvisor.render.addresses import Addresses
from deployadvisor.render.host import engine_words
from deployadvisor.render.manifest import Part, Words, validated
from deployadvisor.render.view import View
from deployadvisor.resources import display_path, templates_folder

Data = dict[str, Any]

KEY_FILE, KEY_BESIDE = "/run/secrets/engine_key", "engine-key"
"""Where Prometheus finds the key of an engine that asks for one: in its container, or beside its configuration."""
TARGETS = "targets.json"
"""What a job notes for Prometheus, beside its configuration: it would not watch a folder that is not there yet."""
RULES = ("alert_rules", "kubernetes_alert_rules")
"""Builders of the files with alert rules."""
DATASOURCE = "prometheus"

_TROUBLES = {"en": "README.md#when-something-breaks", "zh": "README.md#出问题时"}
_NAME = re.compile(r"[a-z]+:[a-z0-9_]+|\bray_[a-z0-9_]+")
_ON_RAY, _ROUTER = "vllm_on_ray", "vllm_router"
_WIDTH, _HEIGHT, _COLUMNS = 12, 8, 2


class Alert(Part):
    """One alert rule, with what to do about it."""

    name: str
    expr: str
    wait: str = Field(alias="for")
    severity: str
    summary: Words
    cure: Words
    """What to do, where ``$start`` and ``$settings`` are those of the place."""
    look: Literal["state", "log", "flags", "errors"]
    """Which command of the place shows more, for the troubleshooting table."""


class Place(Part):
    """Where an engine runs, in commands that may use ``{{ view }}``."""

    start: str
    """Starts it again."""
    settings: str
    """The file with the arguments of the engine."""
    state: str
    log: str
    flags: str
    errors: str


class Panel(Part):
    """One chart of the dashboard."""

    title: Words
    unit: str
    expr: str


class _Alerts(Part):
    limits: Mapping[str, float]
    places: Mapping[str, Place]
    alerts: tuple[Alert, ...]


class _Panels(Part):
    panels: tuple[Panel, ...]


def exported(view: View) -> Metrics | None:
    """The metrics of the engine as it is started; None where they are not exported, not known or not within reach."""
    if view.serving is None or view.hosted or not _within_reach(view):
        return None
    engine, plan = view.engine, view.advice.plan
    if view.on_ray:
        return metrics()[_ON_RAY]
    if engine.metrics_path is None or plan.engine_version not in (None, engine.version):
        return None
    switch = engine.flags.get("metrics")
    if switch is not None and switch.names and not set(switch.names) & set(engine_words(view)):
        return None
    return metrics().get(engine.id)


def _within_reach(view: View) -> bool:
    """Whether somebody may ask: in a pod the proxy, without it Ray, or the engine behind the chart's router."""
    if view.on_ray or (view.behind_router and not needs_key(view)):
        return True
    return not view.in_pod or bool(Addresses(view).metrics_port)


def named_by(view: View) -> tuple[str, ...]:
    """Whose names the metrics have: those of Ray, where Ray hands them out, and those of a router too."""
    return (_ON_RAY if view.on_ray else view.engine.id, *((_ROUTER,) if view.behind_router else ()))


def watched(view: View) -> bool:
    """Whether the bundle has alert rules."""
    files = view.serving.files if view.serving else ()
    return any(one.data in RULES for one in files) and exported(view) is not None


def job(view: View) -> str:
    """The name under which Prometheus keeps what the engine says: one of its own where others are watched too."""
    if view.in_pod:
        return view.cluster_name
    return view.project if view.on_host else "engine"


class MetricsPath(NamedTuple):
    """Where the proxy of a job hands out the metrics of one replica."""

    name: str
    path: str
    upstream: str


def metrics_paths(view: View) -> tuple[MetricsPath, ...]:
    """A path for each replica of a job, whose engines are on loopback of a node; none for other targets."""
    if not _queued(view) or exported(view) is None:
        return ()
    ways = enumerate(Addresses(view).upstreams, start=1)
    return tuple(MetricsPath(f"engine-{number}", f"/metrics/{number}", way) for number, way in ways)


def _queued(view: View) -> bool:
    return view.serving is not None and view.serving.id == "slurm"


def router_job(view: View) -> str:
    """The name of what the chart's router says."""
    return f"{job(view)}-router"


def needs_key(view: View) -> bool:
    """Whether who reads the metrics needs the key: because the engine asks for it, or the proxy of a job."""
    return _queued(view) or _engine_asks(view)


def _engine_asks(view: View) -> bool:
    return view.engine_checks_key and view.engine.metrics_path not in view.engine.api_key.open_paths


def prometheus(view: View) -> Data | None:
    """``prometheus.yaml``: every replica, and the key by reference where the engine asks for it."""
    if exported(view) is None:
        return None
    file = KEY_BESIDE if view.on_host else KEY_FILE
    key = {"authorization": {"type": "Bearer", "credentials_file": file}} if needs_key(view) else {}
    scraped = {
        "job_name": job(view),
        "metrics_path": view.engine.metrics_path,
        **key,
        **_targets(view),
    }
    return {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "rule_files": ["alerts.yaml"],
        "scrape_configs": [scraped],
    }


def _targets(view: View) -> Data:
    """Where Prometheus finds the engines: a job notes that each time it begins.

    Prometheus looks into the file itself: a file system of several machines reports no change of another.
    """
    if _queued(view):
        return {"file_sd_configs": [{"files": [TARGETS], "refresh_interval": "30s"}]}
    return {"static_configs": [{"targets": list(Addresses(view).upstreams)}]}


def alerts(view: View) -> tuple[Alert, ...]:
    """The alerts that this engine and this profile allow, their expressions filled in."""
    found = exported(view)
    if found is None:
        return ()
    known = _alerts()
    values = {**_series(found, view), **_limits(view, known.limits), "down": _down(view)}
    filled = ((alert, _filled(alert.expr, values)) for alert in known.alerts)
    return tuple(alert.model_copy(update={"expr": expr}) for alert, expr in filled if expr is not None)


def alert_rules(view: View) -> Data | None:
    """``alerts.yaml``."""
    found = alerts(view)
    return {"groups": [{"name": job(view), "rules": [_rule(one, view) for one in found]}]} if found else None


def _down(view: View) -> str:
    """In a cluster a pod that is gone is no target any more, so that nothing would be left to be down."""
    up = _up(view)
    return f"{up} == 0 or absent({up})" if view.in_pod else f"{up} == 0"


def _up(view: View) -> str:
    return f'up{{job="{job(view)}"}}'


def place(view: View) -> Place:
    """The commands of the target that serves."""
    target = "compose" if view.composed or view.serving is None else view.serving.id
    return _alerts().places[target]


def _rule(alert: Alert, view: View) -> Data:
    lang = view.advice.lang
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.wait,
        "labels": {"severity": alert.severity},
        "annotations": {"summary": getattr(alert.summary, lang), "runbook": _TROUBLES[lang]},
    }


def dashboard(view: View) -> Data | None:
    """``dashboard.json``: the data source is a variable, so that it can be imported anywhere."""
    found = exported(view)
    if found is None:
        return None
    values = {**_series(found, view), "up": _up(view)}
    shown = ((panel, _filled(panel.expr, values)) for panel in _panels())
    charts = [(panel, expr) for panel, expr in shown if expr is not None]
    return {
        "uid": view.project[:40],
        "title": f"{view.project}: {view.engine.name}",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]},
        "panels": [_chart(index, panel, expr, view.advice.lang) for index, (panel, expr) in enumerate(charts)],
    }


def _chart(index: int, panel: Panel, expr: str, lang: str) -> Data:
    row, column = divmod(index, _COLUMNS)
    return {
        "id": index + 1,
        "type": "timeseries",
        "title": getattr(panel.title, lang),
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [{"refId": "A", "expr": expr, "legendFormat": "{{instance}}"}],
    }


def datasource(view: View) -> Data | None:
    """Grafana's data source: the Prometheus beside it."""
    if exported(view) is None:
        return None
    source = {
        "name": "Prometheus",
        "uid": DATASOURCE,
        "type": "prometheus",
        "access": "proxy",
        "url": "http://prometheus:9090",
        "isDefault": True,
        "editable": False,
    }
    return {"apiVersion": 1, "datasources": [source]}


def provider(view: View) -> Data | None:
    """Where Grafana finds the dashboard."""
    if exported(view) is None:
        return None
    folder = {"name": "deployadvisor", "type": "file", "options": {"path": "/etc/grafana/dashboards"}}
    return {"apiVersion": 1, "providers": [folder]}


def check_queries(exporters: tuple[str, ...], data: Any) -> Iterator[str]:
    """Metrics in the queries of a rendered file that nobody exports."""
    known = {metric.series for one in exporters for metric in metrics()[one].names.values()}
    found = _NAME.findall(json.dumps([*_expressions(data)]))
    yield from (f"{exporters[0]} exports no metric {name}" for name in dict.fromkeys(found) if name not in known)


def _expressions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (text for key, text in value.items() if key == "expr")
        for item in value.values():
            yield from _expressions(item)
    elif isinstance(value, list):
        for item in value:
            yield from _expressions(item)


def _filled(expr: str, values: Mapping[str, str]) -> str | None:
    """The expression with every word filled in, or None where one is not known."""
    template = Template(expr)
    return template.substitute(values) if set(template.get_identifiers()) <= set(values) else None


def _series(found: Metrics, view: View) -> Mapping[str, str]:
    beside = metrics()[_ROUTER].names if view.behind_router else {}
    asked = [*((role, one, job(view)) for role, one in found.names.items())]
    asked += [(role, one, router_job(view)) for role, one in beside.items()]
    return {role: _selector(one, name) for role, one, name in asked}


def _selector(metric: Metric, name: str) -> str:
    labels = ",".join(f'{key}="{value}"' for key, value in {"job": name, **metric.labels}.items())
    return f"{metric.series}{{{labels}}}"


def _limits(view: View, limits: Mapping[str, float]) -> Mapping[str, str]:
    """Numbers that the rules compare with: those of the plan, and targets of the profile in seconds."""
    values: dict[str, float] = {"cache_share": limits["cache_share"], "failed_share": limits["failed_share"]}
    plan = view.advice.plan
    if plan.max_concurrency:
        values["queue_limit"] = max(1, math.ceil(plan.max_concurrency / plan.replicas * limits["queue_share"]))
    for key, name in (("ttft_ms", "ttft_s"), ("tpot_ms", "tpot_s")):
        target = view.advice.profile.get(key)
        if isinstance(target, int | float):
            values[name] = target / 1000
    return {name: f"{value:g}" for name, value in values.items()}


@cache
def _alerts() -> _Alerts:
    path = templates_folder() / "monitoring" / "alerts.yaml"
    document = read(path, display_path(path))
    return validated(_Alerts, document.value, document)


@cache
def _panels() -> tuple[Panel, ...]:
    path = templates_folder() / "monitoring" / "panels.yaml"
    document = read(path, display_path(path))
    return validated(_Panels, document.value, document).panels
