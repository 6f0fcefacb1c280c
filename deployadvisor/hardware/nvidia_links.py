"""How NVIDIA cards reach one another: NVLink where it is up, else the level of the PCIe tree they meet at."""

from __future__ import annotations

from deployadvisor.hardware.answers import Answers, Refusal
from deployadvisor.hardware.machine import Known, Link, LinkKind, Unknown
from deployadvisor.hardware.pci import bus_address

_SWITCH = 2  # NVML_NVLINK_DEVICE_TYPE_SWITCH
_CROSSES_PROCESSORS = 40  # NVML_TOPOLOGY_NODE and above: the way leaves a host bridge
_P2P_WORKS = 0  # NVML_P2P_STATUS_OK
_SOURCE = "NVML nvmlDeviceGetTopologyCommonAncestor, nvmlDeviceGetP2PStatus"


def links(cards: list[Answers], card: int) -> Known[tuple[Link, ...]] | Unknown:
    """Links of one card to every other, by card number."""
    found = [_link(cards, card, other) for other in range(len(cards)) if other != card]
    known = tuple(link for link in found if link is not None)
    if not found:
        return Known[tuple[Link, ...]](value=(), source="the only card")
    if not known:
        return Unknown(
            unknown="the driver does not say how the cards are joined", remedy="compare nvidia-smi topo -m"
        )
    return Known[tuple[Link, ...]](value=known, source=_SOURCE)


def _link(cards: list[Answers], card: int, other: int) -> Link | None:
    pair = _pair(cards, card, other)
    if pair is None:
        return None
    if pair.ask("nvmlDeviceGetP2PStatus") == _P2P_WORKS and (lanes := _lanes(cards, card, other)) != 0:
        return Link(to=other, kind="nvlink", lanes=lanes)
    level = pair.whole("nvmlDeviceGetTopologyCommonAncestor", highest=100)
    if isinstance(level, Refusal):
        return None
    kind: LinkKind = "numa" if level > _CROSSES_PROCESSORS else "pcie"
    return Link(to=other, kind=kind)


def _pair(cards: list[Answers], card: int, other: int) -> Answers | None:
    """The answers about a pair, which are written down at the first of the two."""
    first, second = sorted((card, other))
    rows = cards[first].parts("peers")
    return rows[second] if second < len(rows) and rows[second].values else None


def _lanes(cards: list[Answers], card: int, other: int) -> int | None:
    """Links that are up and end at a switch or at the other card; None where no link was read."""
    rows = cards[card].parts("nvlink")
    up = [row for row in rows if row.ask("nvmlDeviceGetNvLinkState") == 1]
    if not rows:
        return None
    address = _address(cards[other])
    return sum(_ends_at(row, address) for row in up)


def _ends_at(row: Answers, address: str | None) -> bool:
    if row.ask("nvmlDeviceGetNvLinkRemoteDeviceType") == _SWITCH:
        return True
    remote = row.field("nvmlDeviceGetNvLinkRemotePciInfo", "busId")
    return isinstance(remote, str) and address is not None and bus_address(remote) == address


def _address(card: Answers) -> str | None:
    text = card.field("nvmlDeviceGetPciInfo", "busId")
    return bus_address(text) if isinstance(text, str) else None
