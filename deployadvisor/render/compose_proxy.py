"""The proxy of ``compose.yaml``: the only service with a port on the host, Caddy or nginx, with or without TLS."""

from __future__ import annotations

from typing import Any

from deployadvisor.render.addresses import PORT
from deployadvisor.render.compose_engine import INSIDE, OUTSIDE, bind, hardening
from deployadvisor.render.interpolation import Reference, escaped, optional, required
from deployadvisor.render.view import View

Data = dict[str, Any]

PROXY_PORT, WEB_UI_PORT, TLS_PORT, CHALLENGE_PORT = 8080, 8081, 8443, 8480
"""Where the proxy listens in its container."""

NOBODY = "65534:65534"
_CADDY, _NGINX = "/etc/caddy", "/etc/nginx"


def proxy_service(view: View, upstreams: tuple[str, ...]) -> Data:
    """The proxy, on loopback unless BIND_ADDRESS says otherwise."""
    return {
        "image": view.versions[view.proxy].image,
        "user": NOBODY,
        **_started(view),
        "ports": _ports(view),
        "environment": {"API_KEY": required("API_KEY")},
        "networks": [INSIDE, OUTSIDE],
        "depends_on": {name: {"condition": "service_healthy"} for name in upstreams},
        "healthcheck": {
            "test": ["CMD", "wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:{PROXY_PORT}/health"],
            "interval": "10s",
            "timeout": "5s",
            "retries": 3,
        },
        **hardening(read_only=True),
        **_allowed(view),
    }


def _started(view: View) -> Data:
    """What each of them reads; nginx has no way of its own to a variable, so a script hands it the key."""
    if view.proxy == "caddy":
        return {"volumes": [bind("./proxy/Caddyfile", f"{_CADDY}/Caddyfile")]}
    return {
        "entrypoint": ["sh", f"{_NGINX}/start.sh"],
        "volumes": [bind(f"./proxy/{name}", f"{_NGINX}/{name}") for name in ("nginx.conf", "start.sh")],
    }


def _allowed(view: View) -> Data:
    if view.proxy == "nginx":
        return {"tmpfs": ["/tmp"]}  # noqa: S108 - inside the container: the key, for nginx alone
    # Caddy's binary carries this file capability and cannot be started where the capability is taken away.
    return {"tmpfs": ["/config", "/data"], "cap_add": ["NET_BIND_SERVICE"]}


def _ports(view: View) -> list[str]:
    address = optional("BIND_ADDRESS", "127.0.0.1")
    ports: list[str] = [Reference(f"{address}:{optional('PORT', str(PORT))}:{PROXY_PORT}")]
    if not view.hosted and view.layout.web_ui_port:
        # The page has no login, so it stays on loopback whatever BIND_ADDRESS says.
        default = str(view.layout.web_ui_port)
        ports.append(Reference(f"127.0.0.1:{optional('WEB_UI_PORT', default)}:{WEB_UI_PORT}"))
    return ports


def tls_file(view: View) -> Data:
    """Override that opens a port with TLS to other machines; the one without stays on loopback."""
    address = optional("TLS_ADDRESS", "0.0.0.0")  # noqa: S104 - for other machines is what it is for
    ports = [Reference(f"{address}:{optional('TLS_PORT', '443')}:{TLS_PORT}")]
    if view.proxy == "nginx":
        change: Data = {"ports": ports, "volumes": [bind("./proxy/tls", f"{_NGINX}/tls")]}
    else:
        # Who gives out certificates calls back on port 80, and what was given out must survive a restart.
        change = {
            "ports": [*ports, Reference(f"{address}:{optional('CHALLENGE_PORT', '80')}:{CHALLENGE_PORT}")],
            "environment": {
                "AUTO_HTTPS": "disable_redirects",
                "DOMAIN": required("DOMAIN"),
                "CERTIFICATE": optional("CERTIFICATE", "acme"),
                "XDG_DATA_HOME": "/certificates",
            },
            "volumes": [
                bind("./proxy/tls", f"{_CADDY}/tls"),
                bind("./proxy/certificates", "/certificates", read_only=False),
            ],
        }
    return {"services": {"proxy": escaped(change)}}
