"""Memory of fine-tuning, from a published table by method and model size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from deployadvisor.catalog.overheads import Method, finetune_tables
from deployadvisor.hardware.machine import Known, Unknown
from deployadvisor.sizing.geometry import Geometry
from deployadvisor.sizing.parallel import Cards
from deployadvisor.sizing.policy import GIB


@dataclass(frozen=True, slots=True)
class FinetuneMemory:
    """Total memory of one training run, activations included, however many cards share it."""

    gib: float
    basis: str

    def cards_needed(self, cards: Cards) -> Known[int] | Unknown:
        """How many cards like ``cards`` hold it together when weights and optimiser are sharded."""
        if isinstance(cards.free_gib, Unknown):
            return cards.free_gib
        if cards.free_gib.value <= 0:
            return Unknown(unknown=f"{cards.name} has no free memory")
        return Known[int](value=math.ceil(self.gib / cards.free_gib.value), source=self.basis)

    def fits(self, cards: Cards) -> Known[bool] | Unknown:
        """Whether ``cards`` hold it together."""
        if isinstance(cards.free_gib, Unknown):
            return cards.free_gib
        return Known[bool](value=self.gib <= cards.free_gib.value * cards.count, source=self.basis)


def finetune_memory(geometry: Geometry, method: Method) -> FinetuneMemory | Unknown:
    """Memory of ``full``, ``lora`` or ``qlora`` tuning; of a mixture of experts all experts count."""
    if geometry.total_params is None:
        return Unknown(unknown=f"the number of parameters of {geometry.name} is not known")
    table = finetune_tables()[method]
    billions = geometry.total_params / 1e9
    gigabytes = _interpolated(billions, table.billions, table.gb)
    return FinetuneMemory(gigabytes * 1e9 / GIB, f"{billions:.1f}B parameters, {table.source[0]}")


def _interpolated(size: float, sizes: Sequence[float], values: Sequence[float]) -> float:
    """Straight lines between rows; the first row for smaller models, in proportion beyond the last."""
    if size <= sizes[0]:
        return values[0]
    for left in range(len(sizes) - 1):
        if size <= sizes[left + 1]:
            part = (size - sizes[left]) / (sizes[left + 1] - sizes[left])
            return values[left] + part * (values[left + 1] - values[left])
    return values[-1] * size / sizes[-1]
