"""How AMD devices reach one another: XGMI where the compute driver has such a link, else the PCIe tree."""

from __future__ import annotations

from collections.abc import Sequence

from deployadvisor.hardware.amd_cards import Card
from deployadvisor.hardware.kfd import TOPOLOGY
from deployadvisor.hardware.machine import Host, Known, Link, Unknown, value_of

Links = Known[tuple[Link, ...]] | Unknown


def links(cards: Sequence[Card], card: Card, host: Host) -> Links:
    """Links of one device to every other that counts."""
    others = [other for other in cards if other is not card]
    if not others:
        return Known[tuple[Link, ...]](value=(), source="the only card")
    found = [_link(card, other, host) for other in others]
    known = tuple(link for link in found if link is not None)
    if not known:
        return Unknown(unknown="the kernel does not say how the cards are joined", remedy="compare amd-smi topology")
    return Known[tuple[Link, ...]](value=known, source=f"{TOPOLOGY}/*/io_links, numa_node of the PCI devices")


def _are_one_card(card: Card, other: Card) -> bool:
    """Partitions of one card meet inside it."""
    return card.found.address is not None and card.found.address == other.found.address


def _link(card: Card, other: Card, host: Host) -> Link | None:
    """XGMI, or PCIe below one processor, or the link between processors; none where memory nodes are not known."""
    to = other.accelerator.index
    ours, theirs = card.found.node, other.found.node
    if ours is not None and theirs is not None and (theirs.number in ours.xgmi or _are_one_card(card, other)):
        return Link(to=to, kind="xgmi")
    if value_of(host.numa_nodes) == 1:
        return Link(to=to, kind="pcie")
    here, there = (value_of(each.accelerator.numa_node) for each in (card, other))
    if here is None or there is None:
        return None
    return Link(to=to, kind="pcie" if here == there else "numa")
