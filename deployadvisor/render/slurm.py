"""A job of Slurm that serves: what it asks of the scheduler, and the engine's command line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from types import MappingProxyType

from deployadvisor.catalog.engines import PlanField
from deployadvisor.render.host import Host, Replica
from deployadvisor.render.kubernetes_sizes import Sizes, sizes_of
from deployadvisor.render.quoting import Quoted, trusted
from deployadvisor.render.spanning import OWN_ADDRESS, leaders_address, words_for
from deployadvisor.render.view import View

WARNING_S = 120
"""How long before the time limit the job is told, to end its answers and to ask for another turn."""

_LEADER, _RENDEZVOUS = "leader", "rendezvous"
_SHELL = MappingProxyType(
    {_LEADER: "$leader", _RENDEZVOUS: "$rendezvous", f"{_LEADER}:{_RENDEZVOUS}": "$leader:$rendezvous"}
)
"""Values that are known only on the nodes, and what stands for them in the script."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command line; a port or address is known only on the node, as a variable of the script."""

    text: str
    variable: Quoted | None = None


@dataclass(frozen=True)
class Slurm:
    """What the templates of the target may say; sizes are those of one node."""

    view: View

    @cached_property
    def nodes(self) -> int:
        """Nodes of the job."""
        return self.view.advice.plan.nodes

    @property
    def spans(self) -> bool:
        """Whether one engine runs over several nodes."""
        return self.nodes > 1

    @cached_property
    def sizes(self) -> Sizes:
        """What one replica needs."""
        return sizes_of(self.view.advice, self.view.engine)

    @cached_property
    def cards(self) -> int:
        """Cards of the job on each node."""
        return self.view.advice.plan.gpus // self.nodes

    @cached_property
    def cards_of_each(self) -> int:
        """Cards of one replica on a node."""
        return self.cards // self.view.advice.plan.replicas

    @cached_property
    def cores(self) -> int:
        """Cores of the job on each node."""
        return self.sizes.cores * self.view.advice.plan.replicas

    @cached_property
    def memory_gib(self) -> int:
        """Main memory of the job on each node; Slurm's G is a GiB."""
        return math.ceil(self.sizes.memory_gib) * self.view.advice.plan.replicas

    @cached_property
    def whole_node(self) -> bool:
        """Whether nobody else may be on the node.

        Jobs share its loopback address, where an engine without a key of its own would answer to all of them; and a
        model on the processor takes all cores.
        """
        return not self.view.engine_checks_key or not self.cards

    @cached_property
    def replicas(self) -> tuple[Replica, ...]:
        """The processes of the engine."""
        return Host(self.view).replicas

    def words(self, replica: Replica) -> tuple[Word, ...]:
        """The command line of a replica after its program, as far as all of its nodes are told the same."""
        option = self.view.engine.flags.get("port")
        names = option.names if option else ()
        port = trusted(f"$port_{replica.number}")
        before = ("", *replica.arguments)
        own = (
            Word(word, port if flag in names and word == str(replica.port) else None)
            for flag, word in pairwise(before)
        )
        return (*own, *self._group_words())

    def _group_words(self) -> tuple[Word, ...]:
        """What makes one engine of several nodes: how many, where the first is, how long to wait for all."""
        if not self.spans:
            return ()
        values: Mapping[PlanField, object] = {
            "executor": "mp",
            "nodes": self.nodes,
            "leader": leaders_address(self.view.engine, _LEADER, _RENDEZVOUS),
            "leader_port": _RENDEZVOUS,
            "group_timeout": Host(self.view).start_timeout_s,
        }
        words = words_for(self.view.engine, values)
        return tuple(Word(word, trusted(_SHELL[word]) if word in _SHELL else None) for word in words)

    def environment(self, replica: Replica) -> Mapping[str, str]:
        """Variables of a replica, without the address, which is loopback only where the engine stays on one node."""
        return {name: value for name, value in replica.environment.items() if name != self.own_address}

    @cached_property
    def first_words(self) -> tuple[str, ...]:
        """What only the first of several nodes is told."""
        return tuple(words_for(self.view.engine, {"node_rank": 0})) if self.spans else ()

    @cached_property
    def rank_flag(self) -> str:
        """Option by which the others are told their number; it is known only there."""
        return self.view.engine.flags["node_rank"].names[0]

    @cached_property
    def silent_words(self) -> tuple[str, ...]:
        """What the others are told, so that only the first answers requests."""
        return tuple(words_for(self.view.engine, {"headless": True}))

    @cached_property
    def own_address(self) -> str:
        """Variable by which the engine is told the address of its node; empty where it needs none."""
        return OWN_ADDRESS.get(self.view.engine.id, "") if self.spans else ""

    @cached_property
    def warning_s(self) -> int:
        """Seconds between the signal and the time limit."""
        return WARNING_S

    @cached_property
    def training_cards(self) -> int:
        """Cards of the training job, which takes one node."""
        return max(self.cards, 1)
