"""What README.md says about a cluster: names, sizes, and where each size comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from deployadvisor.catalog.workload import planning, planning_values
from deployadvisor.render.kubernetes import scaling
from deployadvisor.render.kubernetes_names import client_label, hub_secret_name, scraper_label, secret_name
from deployadvisor.render.kubernetes_pod import user_of
from deployadvisor.render.kubernetes_sizes import Sizes, copies_of, sizes_of
from deployadvisor.render.view import View


@dataclass(frozen=True, slots=True)
class Number:
    """One row of the table of numbers."""

    name: str
    value: str
    basis: str


@dataclass(frozen=True)
class Cluster:
    """Facts of one bundle for a cluster; only for targets that have one."""

    view: View

    @cached_property
    def sizes(self) -> Sizes:
        """What one pod asks for."""
        return sizes_of(self.view.advice, self.view.engine)

    @property
    def patience_s(self) -> int:
        """How long the first rollout may take."""
        return self.sizes.fetch_s + self.sizes.start_s

    @property
    def rates(self) -> dict[str, int]:
        """MiB a second that fetching and loading are planned with, and minutes to warm up."""
        warm_up_min = round(float(planning("warm_up_s")) / 60)
        return {"fetch": _whole("fetch_mib_s"), "read": _whole("volume_read_mib_s"), "warm_up_min": warm_up_min}

    @property
    def file(self) -> str:
        """The file with the pod."""
        if self.view.behind_router:
            return "helm/values.yaml"
        if not self.view.on_kserve:
            return "kubernetes/deployment.yaml"
        return f"kserve/{'llm-' if self.view.engine.id == 'vllm' else ''}inference-service.yaml"

    @property
    def apply(self) -> str:
        """Commands that bring a change of the pod to KServe, whose Deployments start new pods of vLLM first."""
        apply, resource = "kubectl apply -k kserve/", self.view.workload.resource
        if self.view.engine.id != "vllm" or self.view.advice.plan.nodes > 1:
            return apply
        stop = f"kubectl annotate {resource} serving.kserve.io/stop"
        return f"{stop}=true --overwrite && {apply} && {stop}-"

    @property
    def secret(self) -> str:
        """The Secret with the key of the clients."""
        return secret_name(self.view.cluster_name)

    @property
    def hub_secret(self) -> str:
        """The Secret with the token for gated models."""
        return hub_secret_name(self.view.cluster_name)

    @property
    def url(self) -> str:
        """Base URL for clients in the same namespace."""
        return f"http://{self.view.cluster_name}/v1"

    @property
    def client_label(self) -> str:
        """Label of pods that may call, as YAML."""
        return _yaml(client_label(self.view.cluster_name))

    @property
    def scraper_label(self) -> str:
        """Label of pods that may read metrics, as YAML."""
        return _yaml(scraper_label(self.view.cluster_name))

    @property
    def runs_as_root(self) -> bool:
        """Whether the engine's image is not known to run as another user."""
        return user_of(self.view) is None

    @property
    def scales(self) -> bool:
        """Whether there is a file for KEDA."""
        return scaling(self.view) is not None

    @property
    def numbers(self) -> tuple[Number, ...]:
        """Every size in the manifests, with how it was computed and whence the rate comes."""
        return tuple(self._numbers())

    def _numbers(self) -> Iterator[Number]:
        sizes, words = self.sizes, self.view.words
        beside, each = _whole("cores_beside_cards"), _whole("host_memory_gib_per_card")
        yield Number(
            words("Cores, a pod", "每个 Pod 的核数"),
            str(sizes.cores),
            words(f"{beside} + 1 a card", f"{beside} + 每卡 1") + f"; {_source('cores_beside_cards')}",
        )
        yield Number(
            words("Memory, a pod", "每个 Pod 的内存"),
            f"{sizes.memory_gib} GiB",
            words(
                f"weights {sizes.weights_gib} + {each} a card{self._beside_weights()}",
                f"权重 {sizes.weights_gib} + 每卡 {each}{self._beside_weights()}",
            )
            + f"; {_source('host_memory_gib_per_card')}",
        )
        yield Number(
            words("Volume", "卷"),
            f"{sizes.volume_gib} GiB",
            f"{planning('volume_to_weights')} × {self._stored()} + {planning('volume_beside_weights_gib')}; "
            f"{_source('volume_to_weights')}",
        )
        yield Number(
            words("Time to load before a restart", "加载时限"),
            f"{sizes.start_s} s",
            f"{sizes.weights_gib} GiB / {planning('volume_read_mib_s')} MiB/s + {planning('warm_up_s')} s; "
            f"{_source('volume_read_mib_s')}; {_source('warm_up_s')}",
        )

    def _stored(self) -> str:
        """The weights, as many times as they lie on the volume."""
        times = copies_of(self.view.advice, self.view.engine)
        return f"{times} × {self.sizes.weights_gib}" if times > 1 else str(self.sizes.weights_gib)

    def _beside_weights(self) -> str:
        """What else is in the memory: shared memory of several cards, or the cache where the processor computes."""
        if self.sizes.shared_gib:
            return f" + /dev/shm {self.sizes.shared_gib}"
        return "" if self.sizes.cards else " + KV"


def _whole(name: str) -> int:
    return round(float(planning(name)))


def _source(name: str) -> str:
    return planning_values()[name].source


def _yaml(labels: dict[str, str]) -> str:
    return ", ".join(f'{key}: "{value}"' for key, value in labels.items())
