"""One bundle as its templates see it: the answer, the engine, where it runs, and names made from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from deployadvisor.catalog.engines import Engine, engines
from deployadvisor.catalog.image_digests import with_digest
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.arguments import native_arguments
from deployadvisor.render.cards import Cards
from deployadvisor.render.hosted import MAIN, Gateway
from deployadvisor.render.kubernetes_names import Workload, dns_label, workload
from deployadvisor.render.layout import Layout, layout_of
from deployadvisor.render.loaded import weights_of
from deployadvisor.render.manifest import Manifest, Pin, Proxy
from deployadvisor.render.quoting import Quoted, trusted
from deployadvisor.render.targets import has_tuning, serving_engine
from deployadvisor.render.weights import Weights, served_name, slug, weights_for


def _by_digest(pin: Pin) -> Pin:
    return pin.model_copy(update={"image": with_digest(pin.image)}) if pin.image else pin


@dataclass(frozen=True)
class View:
    """One bundle as its templates see it. ``targets`` ends with the one that serves, if any."""

    advice: Recommendation
    targets: tuple[Manifest, ...]
    tuned: bool = False
    """Whether the merged model of ``tune/`` takes the place of the base model."""
    proxy: Proxy = "caddy"
    """What stands in front."""

    @cached_property
    def serving(self) -> Manifest | None:
        """The target that answers requests."""
        return next((one for one in self.targets if one.role == "serve"), None)

    @cached_property
    def versions(self) -> Mapping[str, Any]:
        """Pinned tools of all targets by name."""
        return {name: _by_digest(pin) for one in self.targets for name, pin in one.versions.items()}

    @cached_property
    def project(self) -> str:
        """Name of the Compose project."""
        return slug(self.advice.name, "deployment")

    @cached_property
    def engine(self) -> Engine:
        """The engine that serves; only for targets that have one."""
        return engines()[serving_engine(self.advice) or "transformers"]

    @cached_property
    def layout(self) -> Layout:
        """How the engine sits in its container."""
        return layout_of(self.engine.id)

    @cached_property
    def source(self) -> Weights:
        """Where the weights of the plan are published, or lie."""
        return weights_for(self.engine, self.advice.plan.model, self.advice.plan.precision)

    @cached_property
    def weights(self) -> Weights:
        """Where the engine gets its weights from."""
        return Weights("folder", "./tune/output/merged") if self.tuned else weights_of(self)

    @cached_property
    def base_weights(self) -> Weights:
        """What is fine-tuned, always as Transformers loads it."""
        return weights_for(engines()["transformers"], self.advice.plan.model, None)

    @cached_property
    def cards(self) -> Cards:
        """What the plan computes on."""
        return Cards(self.advice)

    @cached_property
    def gateway(self) -> Gateway:
        """The providers that the gateway calls; only for targets that have one."""
        return Gateway(self.advice)

    @cached_property
    def hosted(self) -> bool:
        """Whether requests go to a provider."""
        return self.serving is not None and self.serving.needs.serves_with == "provider"

    @cached_property
    def native(self) -> bool:
        """Whether the engine runs without a container."""
        return self.serving is not None and self.serving.id == "native"

    @cached_property
    def on_host(self) -> bool:
        """Whether the engine is a program of the machine, behind the proxy."""
        return self.serving is not None and self.serving.needs.on_host

    @cached_property
    def composed(self) -> bool:
        """Whether Docker Compose runs the engine."""
        return self.serving is not None and self.serving.id in ("compose", "airgap")

    @cached_property
    def air_gapped(self) -> bool:
        """Whether images and weights are carried to a machine without internet."""
        return self.serving is not None and self.serving.id == "airgap"

    @cached_property
    def in_pod(self) -> bool:
        """Whether the engine shares a Kubernetes pod, and so its loopback address, with the proxy."""
        return self.serving is not None and self.serving.id in ("kubernetes", "kserve", "helm", "lws", "kuberay")

    @cached_property
    def on_kserve(self) -> bool:
        """Whether KServe makes the pods."""
        return self.serving is not None and self.serving.id == "kserve"

    @cached_property
    def behind_router(self) -> bool:
        """Whether a chart's router stands between the proxy and the engine."""
        return self.serving is not None and self.serving.id == "helm"

    @cached_property
    def on_ray(self) -> bool:
        """Whether Ray starts the engine, and answers in its place."""
        return self.serving is not None and self.serving.id == "kuberay"

    @cached_property
    def workload(self) -> Workload:
        """What runs the pods, and how they are told from others."""
        target = self.serving.id if self.serving else ""
        return workload(target, self.engine.id, self.cluster_name, self.advice.plan.nodes)

    @cached_property
    def cluster_name(self) -> str:
        """Name of the objects in a cluster."""
        return dns_label(self.advice.name)

    @cached_property
    def served_name(self) -> str:
        """What clients put into ``model``."""
        if self.hosted:
            return MAIN
        # Where the engine takes a name, what was carried over or merged keeps the one it was published under.
        named = self.base_weights if self.tuned else self.source
        base = named if "served_name" in self.engine.flags else self.weights
        return served_name(self.engine, base, in_container=not self.on_host)

    @cached_property
    def adapter_name(self) -> str:
        """What clients put into ``model`` to reach the adapter."""
        return f"{self.project}-adapter"

    @cached_property
    def services(self) -> tuple[str, ...]:
        """Compose services that run the engine, one a replica; in a cluster the Deployment has the replicas."""
        replicas = 1 if self.in_pod else self.advice.plan.replicas
        return ("engine",) if replicas == 1 else tuple(f"engine-{number}" for number in range(1, replicas + 1))

    @cached_property
    def proxy_file(self) -> str:
        """The configuration of the proxy, for commands that look into it."""
        return "proxy/nginx.conf" if self.proxy == "nginx" else "proxy/Caddyfile"

    @cached_property
    def transformers_version(self) -> str:
        """Version that trains."""
        return engines()["transformers"].version

    @cached_property
    def requirements(self) -> str:
        """What a self-built image installs beside the engine."""
        return self.layout.requirements.get(self.cards.vendor, "")

    @cached_property
    def requirements_file(self) -> str:
        """The same as a file name, for engines whose requirements are files of their repository."""
        return PurePosixPath(self.requirements).name

    @cached_property
    def native_arguments(self) -> tuple[str, ...]:
        """Command line of an engine that runs without a container, after the name of the program."""
        return tuple(native_arguments(self.engine, self.layout, self.weights, self.served_name, self.advice.plan))

    @cached_property
    def needs_hub_token(self) -> bool:
        """Whether weights may have to be fetched with a login."""
        return not self.weights.is_local and self.weights.origin != "ollama"

    @cached_property
    def modelfile_source(self) -> str:
        """What the Modelfile starts from."""
        if self.weights.is_local:
            return self.weights.name if self.native else self.weights.in_container
        return self.weights.modelfile_source

    @property
    def log_command(self) -> Quoted:
        """Command that prints the engine's log."""
        return trusted(self.workload.log if self.in_pod else f"docker compose logs {self.service}")

    @property
    def inside_command(self) -> Quoted:
        """Start of a command that runs in the engine's container."""
        return trusted(self.workload.inside if self.in_pod else f"docker compose exec {self.service}")

    @property
    def setup_command(self) -> Quoted:
        """Command that prints what the container was told."""
        return trusted(f"kubectl get {self.workload.runs} -o yaml" if self.in_pod else "docker compose config")

    @property
    def service(self) -> str:
        """The service to look into first."""
        return "gateway" if self.hosted else self.services[0]

    @cached_property
    def requires_key(self) -> bool:
        """Whether clients must send the API key: always, except on a desktop's own loopback address."""
        return not self.native

    @cached_property
    def engine_checks_key(self) -> bool:
        """Whether the proxy passes the key on, because the engine takes it from its environment too."""
        return not (self.hosted or self.on_ray) and self.engine.api_key.kind == "env"

    @cached_property
    def chat_request(self) -> str:
        """A small real request as JSON text."""
        question = {"role": "user", "content": self.words("Reply with one short sentence.", "请用一句话回答：你好。")}
        return json.dumps({"model": self.served_name, "messages": [question], "max_tokens": 256}, ensure_ascii=False)

    @cached_property
    def tuning(self) -> bool:
        """Whether the bundle trains something."""
        return has_tuning(self.advice) and any(one.role == "tune" for one in self.targets)

    def words(self, english: str, chinese: str) -> str:
        """The text in the language of the answer."""
        return chinese if self.advice.lang == "zh" else english
