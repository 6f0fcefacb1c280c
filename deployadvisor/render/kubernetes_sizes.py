"""What one pod asks of its node, and how long it may take to start: computed from weights, cards and rates."""

from __future__ import annotations

import math
from dataclasses import dataclass

from deployadvisor.catalog.engines import Engine
from deployadvisor.catalog.precisions import precisions
from deployadvisor.catalog.workload import planning
from deployadvisor.errors import RenderError
from deployadvisor.figures import MemoryEstimate
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.arguments import planned_value
from deployadvisor.render.weights import is_local

_MIB_PER_GIB = 1024
_UNQUANTISED_BITS = 16


@dataclass(frozen=True, slots=True)
class Sizes:
    """Resources and times of one pod."""

    cards: int
    cores: int
    memory_gib: int
    """Main memory, the shared memory included."""
    shared_gib: int
    weights_gib: int
    """Files of the weights, rounded up."""
    volume_gib: int
    fetch_s: int
    """How long fetching may take at the planned rate."""
    start_s: int
    """How long reading the weights and warming up may take."""
    drain_s: int
    """How long an answer that has begun may take."""


def sizes_of(advice: Recommendation, engine: Engine) -> Sizes:
    """Sizes of one pod: a replica, or its part on one of several nodes.

    Raises RenderError where the size of the weights is not known.
    """
    plan, memory = advice.plan, advice.estimate.memory
    if memory is None:
        raise RenderError("the size of the weights is not known, and a volume must be sized for them")
    cards = plan.gpus // plan.replicas // plan.nodes
    stored_gib = memory.weights_gib * _stored_to_loaded(advice, engine)
    shared_gib = _whole("shared_memory_gib_per_card", cards) if cards > 1 or plan.nodes > 1 else 0
    return Sizes(
        cards=cards,
        cores=_whole("cores_beside_cards") + cards,
        memory_gib=math.ceil(_host_gib(memory, cards) + stored_gib) + shared_gib,
        shared_gib=shared_gib,
        weights_gib=math.ceil(stored_gib),
        volume_gib=math.ceil(stored_gib * copies_of(advice, engine) * _rate("volume_to_weights"))
        + _whole("volume_beside_weights_gib"),
        fetch_s=math.ceil(stored_gib * _MIB_PER_GIB / _rate("fetch_mib_s")),
        start_s=math.ceil(stored_gib * _MIB_PER_GIB / _rate("volume_read_mib_s")) + _whole("warm_up_s"),
        drain_s=_drain_s(advice),
    )


def copies_of(advice: Recommendation, engine: Engine) -> int:
    """How many times the weights lie on the volume: Ollama copies a local file into its store."""
    return 2 if engine.id == "ollama" and is_local(advice.plan.model or "") else 1


def _host_gib(memory: MemoryEstimate, cards: int) -> float:
    """Memory beside the files of the weights: a process a card, or the KV cache where the processor computes."""
    processes = max(cards, 1) * _rate("host_memory_gib_per_card")
    return processes if cards else processes + memory.kv_gib


def _stored_to_loaded(advice: Recommendation, engine: Engine) -> float:
    """The files are larger than what is loaded where the engine quantises while it loads."""
    precision = precisions().get(advice.plan.precision or "")
    if precision is None or planned_value(engine, "quantization", advice.plan) not in engine.online_quantization:
        return 1.0
    return _UNQUANTISED_BITS / precision.bits_per_weight


def _drain_s(advice: Recommendation) -> int:
    """The longest answer at the slowest estimated speed, but never less than what Kubernetes grants by itself."""
    tokens, tpot = advice.facts.get("output_tokens"), advice.estimate.tpot_ms
    if tokens is None or tpot is None or not isinstance(tokens.value, int | float):
        return _whole("drain_s")
    return max(_whole("drain_s"), math.ceil(tokens.value * tpot.high / 1000))


def _rate(name: str) -> float:
    return float(planning(name))


def _whole(name: str, times: int = 1) -> int:
    return math.ceil(float(planning(name)) * times)
