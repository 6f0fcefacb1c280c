"""The proxy as its configuration sees it: which paths pass, where they lead, and what a client may ask for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, cached_property

from pydantic import Field

from deployadvisor.documents import read
from deployadvisor.render.addresses import Addresses
from deployadvisor.render.compose_engine import ALIAS
from deployadvisor.render.manifest import Part, validated
from deployadvisor.render.quoting import Quoted, trusted
from deployadvisor.render.view import View
from deployadvisor.resources import display_path, templates_folder

_ANY = "/*"


class Limits(Part):
    """``templates/proxy/limits.yaml``: what is more a habit than a measurement."""

    body_mb: int = Field(gt=0)
    connect_s: int = Field(gt=0)
    silence_s: int = Field(gt=0)
    """An engine may say nothing for this long: it queues, or reads a long prompt."""
    requests_per_second: int = Field(gt=0)
    """From one address; more where the profile says that more are in flight at once."""
    burst_s: int = Field(gt=0)
    """Seconds' worth of requests that may come at once."""
    path_sign: str
    """What a path may consist of beside its slashes, as a pattern that both proxies read."""
    query: str
    """What may follow the path."""


@dataclass(frozen=True)
class Door:
    """What a proxy is told."""

    view: View

    @property
    def limits(self) -> Limits:
        """Sizes and times."""
        return proxy_limits()

    @cached_property
    def upstream(self) -> str:
        """The one name that stands for everything behind the proxy."""
        if Addresses(self.view).asks_for_replicas:
            return f"{ALIAS}:{self.view.engine.port}"
        return Addresses(self.view).upstreams[0]

    @cached_property
    def requests_per_second(self) -> int:
        """What one address may send on average."""
        peak = self.view.advice.profile.get("peak_concurrency")
        return max(self.limits.requests_per_second, math.ceil(peak) if isinstance(peak, int | float) else 0)

    @cached_property
    def burst(self) -> int:
        """What one address may send at once."""
        return self.requests_per_second * self.limits.burst_s

    @cached_property
    def plain_path(self) -> Quoted:
        """Pattern of a path that means what it says: nothing encoded, nothing that leads up, no empty part."""
        return trusted(f"^(/({self.limits.path_sign})+)+{self.limits.query}$")

    @cached_property
    def path_patterns(self) -> tuple[Quoted, ...]:
        """Patterns of the paths that pass, as the client sent them."""
        paths = Addresses(self.view).api_paths
        return tuple(trusted(f"^{self._pattern(path)}{self.limits.query}$") for path in paths)

    def _pattern(self, path: str) -> str:
        if not path.endswith(_ANY):
            return path
        return f"{path.removesuffix(_ANY)}(/({self.limits.path_sign})+)+"


@cache
def proxy_limits() -> Limits:
    """The limits of every proxy."""
    path = templates_folder() / "proxy" / "limits.yaml"
    document = read(path, display_path(path))
    return validated(Limits, document.value, document)
