"""A job of Slurm that serves: what it asks of the scheduler, and the engine's command line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from deployadvisor.render.host import Host, Replica
from deployadvisor.render.kubernetes_sizes import Sizes, sizes_of
from deployadvisor.render.view import View

WARNING_S = 120
"""How long before the time limit the job is told, to end its answers and to ask for another turn."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command line; the port of the engine is known only on the node."""

    text: str
    is_port: bool


@dataclass(frozen=True)
class Slurm:
    """What the templates of the target may say."""

    view: View

    @cached_property
    def sizes(self) -> Sizes:
        """What one replica needs."""
        return sizes_of(self.view.advice, self.view.engine)

    @cached_property
    def cards(self) -> int:
        """Cards of the job."""
        return self.view.advice.plan.gpus

    @cached_property
    def cards_of_each(self) -> int:
        """Cards of one replica."""
        return self.cards // self.view.advice.plan.replicas

    @cached_property
    def cores(self) -> int:
        """Cores of the job."""
        return self.sizes.cores * self.view.advice.plan.replicas

    @cached_property
    def memory_gib(self) -> int:
        """Main memory of the job; Slurm's G is a GiB."""
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
        """The command line of a replica after its program."""
        option = self.view.engine.flags.get("port")
        names = option.names if option else ()
        before = ("", *replica.arguments)
        return tuple(Word(word, flag in names and word == str(replica.port)) for flag, word in pairwise(before))

    @cached_property
    def warning_s(self) -> int:
        """Seconds between the signal and the time limit."""
        return WARNING_S

    @cached_property
    def training_cards(self) -> int:
        """Cards of the training job."""
        return max(self.cards, 1)
