"""Which AMD devices a computer has: those of ROCm in its order, then those on the bus that ROCm does not know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from deployadvisor.hardware.amd_names import Role, role
from deployadvisor.hardware.amd_said import said_address, said_pci_id, said_target
from deployadvisor.hardware.amd_sysfs import DRIVER
from deployadvisor.hardware.amd_tools import said_of
from deployadvisor.hardware.answers import Answers
from deployadvisor.hardware.kfd import TOPOLOGY, Node
from deployadvisor.hardware.machine import Known, Text, Unknown, value_of
from deployadvisor.hardware.pci import PciDevice
from deployadvisor.hardware.system import System

KFD = "/dev/kfd"


@dataclass(frozen=True, slots=True)
class Found:
    """One device, and where it shows."""

    index: int
    """Its number for programs of ROCm."""
    node: Node | None = None
    device: PciDevice | None = None
    said: Answers | None = None
    """What tools say of it."""
    part: int = 0
    parts: int = 1
    """Devices that its card is split into."""

    @property
    def address(self) -> str | None:
        """Place on the bus of the whole card."""
        if self.device is not None:
            return self.device.address
        return self.node.card_address if self.node else said_address(self.said) if self.said else None

    @property
    def pci_id(self) -> str | None:
        """Vendor and device."""
        if self.device is not None:
            return self.device.pci_id
        return self.node.pci_id if self.node else said_pci_id(self.said) if self.said else None

    @property
    def target(self) -> Text:
        """Instruction set, as the kernel or else a tool names it."""
        if self.node is not None and self.node.target:
            return Known[str](value=self.node.target, source=f"{TOPOLOGY}/{self.node.number}/properties")
        return said_target(self.said) if self.said else Unknown(unknown="the compute driver does not know this card")

    @property
    def role(self) -> Role:
        """Whether it is a card."""
        return role(self.pci_id, value_of(self.target))

    @property
    def is_driven(self) -> bool:
        """Whether AMD's compute driver holds it, so that its files can be expected."""
        return self.node is not None or self.device is None or self.device.driver == DRIVER


def found_devices(nodes: Sequence[Node], on_bus: Sequence[PciDevice]) -> tuple[Found, ...]:
    """Devices of ROCm and of the bus, each once; nodes of one card are its partitions."""
    by_address = {device.address: device for device in on_bus}
    places = [_place(node, by_address) for node in nodes]
    parts = Counter(places)
    seen: Counter[str | None] = Counter()
    found: list[Found] = []
    for index, (node, place) in enumerate(zip(nodes, places, strict=True)):
        whole = parts[place] if place else 1
        found.append(Found(index, node, by_address.get(place or ""), part=seen[place], parts=whole))
        seen[place] += 1
    left = [device for device in on_bus if device.address not in seen]
    return (*found, *(Found(len(nodes) + place, device=device) for place, device in enumerate(left)))


def _place(node: Node, by_address: dict[str, PciDevice]) -> str | None:
    """The card's place: a device's own where the bus has it, else that of the card it is a part of."""
    return node.address if node.address in by_address else node.card_address


def with_said(found: Sequence[Found], cards: Sequence[Answers]) -> tuple[Found, ...]:
    """The devices with what tools said of each; where the kernel's files are hidden, those that tools know."""
    if not found:
        return tuple(Found(index, said=card) for index, card in enumerate(cards))
    by_turn = sorted({device.address or "" for device in found})
    nodes = [device.node.number if device.node else None for device in found]
    turns = [by_turn.index(device.address or "") for device in found]
    said = (
        said_of(cards, node, device.address, turn, len(by_turn))
        for device, node, turn in zip(found, nodes, turns, strict=True)
    )
    return tuple(replace(device, said=answers) for device, answers in zip(found, said, strict=True))


def given(system: System, nodes: Sequence[Node], *, inside: bool) -> tuple[Node, ...]:
    """The devices whose files were given to a container; outside of one, all."""
    return tuple(node for node in nodes if not (inside and _is_withheld(system, node)))


def _is_withheld(system: System, node: Node) -> bool:
    return node.render_file is not None and system.access(node.render_file) == "absent"


def closed_files(system: System, found: Sequence[Found]) -> Iterator[str]:
    """Device files that exist and that this user may not open."""
    files = (KFD, *(device.node.render_file for device in found if device.node and device.node.render_file))
    yield from (file for file in dict.fromkeys(files) if system.access(file) == "denied")


def physical_cards(found: Sequence[Found]) -> dict[str | None, int]:
    """Number of each card by its place, in the order of the devices."""
    places = dict.fromkeys(device.address for device in found)
    return {place: number for number, place in enumerate(places)}
