"""Where a bundle is reached: what clients call, where the proxy leads, and what each process listens at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from deployadvisor.render.api_paths import API_PATHS
from deployadvisor.render.kubernetes_names import KSERVE_PORT, POD_METRICS_PORT, POD_PROXY_PORT
from deployadvisor.render.view import View

PORT = 8080
"""Where the proxy of a bundle is published, unless ``PORT`` is set."""

GATEWAY_PORT = 4000


@dataclass(frozen=True)
class Addresses:
    """Ports, paths and addresses of one bundle."""

    view: View

    @cached_property
    def port(self) -> int:
        """Port on the host."""
        return self.view.engine.port if self.view.native else PORT

    @cached_property
    def base_url(self) -> str:
        """Base URL for an OpenAI client on the same host."""
        return f"http://127.0.0.1:{self.port}/v1"

    @cached_property
    def health_url(self) -> str:
        """Where health is asked for: one path for every engine behind the proxy."""
        path = self.view.engine.health_path if self.view.native else "/health"
        return f"http://127.0.0.1:{self.port}{path}"

    @cached_property
    def api_paths(self) -> tuple[str, ...]:
        """Paths of the OpenAI and Anthropic APIs that infer and list; the proxy passes no other."""
        return API_PATHS

    @cached_property
    def proxy_port(self) -> int:
        """Where the proxy listens: in a pod beside the ports of all engines, which it shares the address with."""
        if self.view.on_kserve:
            return KSERVE_PORT
        return POD_PROXY_PORT if self.view.in_pod else PORT

    @cached_property
    def upstreams(self) -> tuple[str, ...]:
        """Where the proxy sends requests."""
        view, replicas = self.view, range(self.view.advice.plan.replicas)
        if view.serving is not None and view.serving.id == "slurm":
            return tuple(f"{{$ENGINE_{index + 1}}}" for index in replicas)
        if view.on_host:
            return tuple(f"127.0.0.1:{self.engine_port(index)}" for index in replicas)
        if view.behind_router:
            return (f"{view.cluster_name}-router-service:80",)
        port = GATEWAY_PORT if view.hosted else self.engine_listens
        names = ("gateway",) if view.hosted else ("127.0.0.1",) if view.in_pod else view.services
        return tuple(f"{name}:{port}" for name in names)

    @cached_property
    def asks_for_replicas(self) -> bool:
        """Whether the proxy is told one name for all replicas: nginx asks again who they are, Caddy knows each."""
        return self.view.proxy == "nginx" and len(self.view.services) > 1

    @cached_property
    def upstream_health_path(self) -> str:
        """Path that tells whether the thing behind the proxy is up."""
        if self.view.on_ray:
            return "/v1/models"  # Ray's own path of health says nothing of the application
        return "/health/liveliness" if self.view.hosted else self.view.engine.health_path

    @cached_property
    def engine_listens(self) -> int:
        """Port of the engine in its container."""
        port = self.view.engine.port
        return port + 1 if self.view.on_kserve and port == KSERVE_PORT else port

    def engine_port(self, index: int) -> int:
        """Port of replica ``index`` on the machine, where the proxy has one too."""
        free = self.view.engine.port if self.view.engine.port != PORT else PORT + 1
        return free + index

    @cached_property
    def metrics_port(self) -> int:
        """Port at which the proxy of a pod hands out the metrics, or 0 where there are none without the key."""
        view, engine = self.view, self.view.engine
        if not view.in_pod or view.on_ray or engine.metrics_path is None:
            return 0
        shut = view.engine_checks_key and engine.metrics_path not in engine.api_key.open_paths
        return 0 if shut else POD_METRICS_PORT

    @cached_property
    def web_ui_port(self) -> int:
        """Port of the engine's web page, or 0."""
        return 0 if self.view.hosted or self.view.in_pod else self.view.layout.web_ui_port or 0
