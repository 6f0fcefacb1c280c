"""Which cards a program without a container sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

_VISIBLE = {"nvidia": "CUDA_VISIBLE_DEVICES", "amd": "ROCR_VISIBLE_DEVICES"}
"""Variable of each maker's driver that hides all cards but those it lists."""


def visibility(vendor: str, cards: Iterable[object]) -> Mapping[str, str]:
    """Variables that hide all cards but these from a program, numbered as they sit on the bus."""
    name = _VISIBLE.get(vendor)
    if name is None:
        return {}
    order = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if vendor == "nvidia" else {}
    return {**order, name: ",".join(map(str, cards))}
