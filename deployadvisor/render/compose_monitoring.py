"""Prometheus and Grafana in ``compose.yaml``: only with ``--profile monitoring``, and only on loopback."""

from __future__ import annotations

from typing import Any

from deployadvisor.render.compose_engine import INSIDE, OUTSIDE, bind, hardening, volume
from deployadvisor.render.interpolation import Reference, optional
from deployadvisor.render.monitoring import exported, needs_key
from deployadvisor.render.view import View

Data = dict[str, Any]

PROFILE = "monitoring"
PROMETHEUS_PORT, GRAFANA_PORT = 9090, 3000
KEPT = "15d"
"""How long Prometheus keeps what it has read."""

PASSWORD_FILE = "monitoring/grafana-password"  # noqa: S105 - the name of a file that the user makes
ENGINE_KEY_FILE = "monitoring/engine-key"


def monitoring_services(view: View) -> Data:
    """Both services; none where the engine tells nothing."""
    if exported(view) is None:
        return {}
    return {"prometheus": _prometheus(view), "grafana": _grafana(view)}


def monitoring_secrets(view: View) -> Data:
    """The files with secrets, which the user makes before the profile is started for the first time."""
    if exported(view) is None:
        return {}
    key = {"engine_key": {"file": f"./{ENGINE_KEY_FILE}"}} if needs_key(view) else {}
    return {"grafana_password": {"file": f"./{PASSWORD_FILE}"}, **key}


def _prometheus(view: View) -> Data:
    """It alone reaches the engines' metrics, which the proxy does not pass."""
    return {
        "image": view.versions["prometheus"].image,
        "profiles": [PROFILE],
        "command": [
            "--config.file=/etc/prometheus/prometheus.yaml",
            "--storage.tsdb.path=/prometheus",
            f"--storage.tsdb.retention.time={KEPT}",
        ],
        "ports": _port("PROMETHEUS_PORT", PROMETHEUS_PORT),
        "volumes": [
            bind("./monitoring/prometheus.yaml", "/etc/prometheus/prometheus.yaml"),
            bind("./monitoring/alerts.yaml", "/etc/prometheus/alerts.yaml"),
            volume("prometheus", "/prometheus"),
        ],
        **({"secrets": ["engine_key"]} if needs_key(view) else {}),
        "networks": [INSIDE, OUTSIDE],
        "healthcheck": _healthcheck(PROMETHEUS_PORT, "/-/healthy"),
        **_hardened(),
    }


def _grafana(view: View) -> Data:
    return {
        "image": view.versions["grafana"].image,
        "profiles": [PROFILE],
        "ports": _port("GRAFANA_PORT", GRAFANA_PORT),
        "environment": {
            "GF_SECURITY_ADMIN_PASSWORD__FILE": "/run/secrets/grafana_password",
            "GF_USERS_ALLOW_SIGN_UP": "false",
            "GF_ANALYTICS_REPORTING_ENABLED": "false",
            "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
            "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
            "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        },
        "secrets": ["grafana_password"],
        "volumes": [
            bind("./monitoring/grafana-datasource.yaml", "/etc/grafana/provisioning/datasources/prometheus.yaml"),
            bind("./monitoring/grafana-dashboards.yaml", "/etc/grafana/provisioning/dashboards/files.yaml"),
            bind("./monitoring/dashboard.json", "/etc/grafana/dashboards/engine.json"),
            volume("grafana", "/var/lib/grafana"),
        ],
        # Not on the inner network: it asks Prometheus, never the engine.
        "networks": [OUTSIDE],
        "depends_on": {"prometheus": {"condition": "service_healthy"}},
        "healthcheck": _healthcheck(GRAFANA_PORT, "/api/health"),
        **_hardened(),
    }


def _port(variable: str, number: int) -> list[str]:
    """Loopback whatever BIND_ADDRESS says: Prometheus has no login."""
    return [Reference(f"127.0.0.1:{optional(variable, str(number))}:{number}")]


def _healthcheck(port: int, path: str) -> Data:
    return {
        "test": ["CMD", "wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:{port}{path}"],
        "interval": "10s",
        "timeout": "5s",
        "retries": 6,
    }


def _hardened() -> Data:
    """Without a tmpfs on /run, where Docker puts the secrets."""
    return {**hardening(read_only=True), "tmpfs": ["/tmp"]}  # noqa: S108 - inside the container
