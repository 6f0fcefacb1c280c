"""The cards of a plan: who made them, what they are called, and how a program is kept to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from deployadvisor.catalog.gpus import gpus
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.targets import card_vendor, uses_slice
from deployadvisor.render.visibility import visibility
from deployadvisor.site import cards_of_a_node, part_of_the_cards


@dataclass(frozen=True)
class Cards:
    """The cards that one answer computes on, if any."""

    advice: Recommendation

    @cached_property
    def vendor(self) -> str:
        """Maker of the cards in use, or ``none``."""
        return card_vendor(self.advice)

    @cached_property
    def named(self) -> str:
        """The cards in words, such as ``2 × NVIDIA H100 SXM``, or ``2 × 8 × NVIDIA H100 SXM`` of two machines."""
        plan = self.advice.plan
        if not plan.gpus:
            return plan.hardware
        name = gpus()[plan.gpu].name if plan.gpu and plan.gpu in gpus() else plan.hardware
        machines = f"{plan.nodes} × " if plan.nodes > 1 else ""
        return f"{machines}{cards_of_a_node(plan)} × {name}"

    @cached_property
    def compute_capability(self) -> str | None:
        """NVIDIA's number for what the plan's cards can do, where the catalogue knows them."""
        card = gpus().get(self.advice.plan.gpu or "")
        return card.compute_capability if card else None

    @cached_property
    def visible(self) -> Mapping[str, str]:
        """Variables that keep a program without container to the plan's cards; none where it may see them all."""
        if self.slices or part_of_the_cards(self.advice.plan, self.advice.machine) is None:
            return {}
        return visibility(self.vendor, self.advice.plan.cards)

    @cached_property
    def slices(self) -> bool:
        """Whether the plan runs on a slice of a card, which only its UUID names."""
        return uses_slice(self.advice)
