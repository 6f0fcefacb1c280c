"""Graphics built into processors: they are told from cards by their PCI id."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from deployadvisor.catalog.gpus import gpus
from deployadvisor.catalog.integrated import IntegratedGpu, integrated_by_pci, integrated_gpus, is_integrated

SEEN = {
    "1002:15d8": ("raven-ridge", "gfx902"),
    "1002:1636": ("renoir", "gfx90c"),
    "1002:1638": ("renoir", "gfx90c"),
    "1002:164c": ("renoir", "gfx90c"),
    "1002:1681": ("rembrandt", "gfx1035"),
    "1002:164e": ("raphael", "gfx1036"),
    "1002:13c0": ("granite-ridge", "gfx1036"),
    "1002:15bf": ("phoenix", "gfx1103"),
    "1002:1900": ("phoenix", "gfx1103"),
    "1002:150e": ("strix-point", "gfx1150"),
    "1002:1114": ("krackan", "gfx1152"),
    "8086:3e98": ("coffee-lake", None),
    "8086:9a49": ("tiger-lake", None),
    "8086:4680": ("alder-lake", None),
    "8086:46a6": ("alder-lake", None),
    "8086:a780": ("raptor-lake", None),
    "8086:7d55": ("meteor-lake", None),
    "8086:7d67": ("arrow-lake", None),
    "8086:64a0": ("lunar-lake", None),
}
CARDS = ("10de:2335", "1002:744c", "1002:7550", "8086:56a0", "8086:e20b", "8086:0bda", "19e5:d802", "1da3:1060")


@pytest.mark.parametrize("pci_id", sorted(SEEN))
def test_graphics_of_a_processor_are_known(pci_id: str) -> None:
    entry = integrated_by_pci(pci_id)
    assert entry is not None
    assert (entry.id, entry.gfx_target) == SEEN[pci_id]
    assert is_integrated(pci_id)
    assert is_integrated(pci_id.upper())


@pytest.mark.parametrize("pci_id", [*CARDS, "8086:ffff", "", "a780"])
def test_cards_and_unknown_devices_are_not_integrated(pci_id: str) -> None:
    assert integrated_by_pci(pci_id) is None
    assert not is_integrated(pci_id)


@pytest.mark.parametrize("pci_id", ["10de:2e12", "10de:2b00", "1002:1586"])
def test_chips_worth_planning_with_are_integrated_too(pci_id: str) -> None:
    assert integrated_by_pci(pci_id) is None
    assert is_integrated(pci_id)


def test_no_id_is_listed_twice() -> None:
    ids = [pci_id for entry in integrated_gpus().values() for pci_id in entry.pci_ids]
    assert len(set(ids)) == len(ids)
    assert not set(ids) & {pci_id for gpu in gpus().values() for pci_id in gpu.pci_ids}


@pytest.mark.parametrize("entry", integrated_gpus().values(), ids=lambda entry: entry.id)
def test_every_entry_says_where_it_was_read(entry: IntegratedGpu) -> None:
    assert all(entry.source)
    assert sorted(entry.pci_ids) == list(entry.pci_ids)
    assert (entry.gfx_target is not None) == (entry.vendor == "amd")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"pci_ids": []}, "at least 1 item"),
        ({"pci_ids": ["1002:164E"]}, "should match pattern"),
        ({"pci_ids": ["8086:a780"]}, "8086:a780 is not an id of amd"),
        ({"gfx_target": "1036"}, "should match pattern"),
        ({"memory_gb": 8}, "Extra inputs"),
    ],
)
def test_a_wrong_entry_is_refused(change: dict[str, object], complaint: str) -> None:
    entry = integrated_gpus()["raphael"].model_dump() | change
    with pytest.raises(ValidationError, match=complaint):
        IntegratedGpu.model_validate(entry)
