"""What AMD's programs print, in the shapes and words of several versions, and the kernel's files beside them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.hardware.amd_said import (
    rows,
    said_address,
    said_driver,
    said_ecc,
    said_memory,
    said_names,
    said_node,
    said_pci_id,
    said_power_cap,
    said_target,
)
from deployadvisor.hardware.amd_smi import amd_smi_answers
from deployadvisor.hardware.amd_tools import said_of
from deployadvisor.hardware.answers import Answers
from deployadvisor.hardware.json_text import json_document
from deployadvisor.hardware.kfd import gfx_target, numbers_in
from deployadvisor.hardware.machine import value_of
from deployadvisor.hardware.rocm_smi import rocm_smi_answers

ROCM_6 = {
    "gpu": 0,
    "asic": {"market_name": "Navi 23 [Radeon RX 6600/6600 XT", "vendor_id": "0x1002", "device_id": "0x73ff"},
    "bus": {"bdf": "0000:0b:00.0"},
    "limit": {"max_power": {"value": 100, "unit": "W"}, "socket_power": {"value": 100, "unit": "W"}},
    "driver": {"name": "amdgpu", "version": "7.0.0-3-pve"},
    "board": {"product_name": "N/A"},
    "ras": {"ecc_block_state": "N/A"},
    "vram": {"type": "GDDR6", "size": {"value": 8176, "unit": "MB"}},
}
ROCM_7 = {
    "gpu": 0,
    "asic": {"market_name": "AMD Instinct MI210", "device_id": "0x740f", "target_graphics_version": "gfx90a"},
    "bus": {"max_pcie_width": 16},
    "limit": {"ppt0": {"max_power_limit": "N/A", "socket_power_limit": {"value": 300, "unit": "W"}}},
    "driver": {"driver_name": "amdgpu", "driver_version": "Linuxversion6.14.0-24-generic(buildd@lcy02)"},
    "ras": {"ecc_block_state": {"UMC": "ENABLED", "SDMA": "DISABLED"}},
    "vram": {"size": {"value": "N/A", "unit": "MB"}},
}
WITHOUT_BUS = {"gpu": 0, "bdf": "0000:C1:00.0", "uuid": "d3ff740f-0000-1000-8000-000000000000", "node_id": 2}
METRIC = {
    "gpu": 0,
    "mem_usage": {
        "total_vram": {"value": 30576, "unit": "MB"},
        "used_vram": {"value": 20450, "unit": "MB"},
        "total_gtt": {"value": 32023, "unit": "MB"},
        "used_gtt": "N/A",
    },
}


def smi(*documents: Any) -> list[Answers]:
    return rows(amd_smi_answers(*(json.dumps(document, indent=4) for document in documents)))


def test_amd_smi_of_rocm_6():
    (card,) = smi([ROCM_6])
    assert said_address(card) == "0000:0b:00.0"
    assert said_pci_id(card) == "1002:73ff"
    assert list(said_names(card)) == ["Navi 23 [Radeon RX 6600/6600 XT"]
    assert [value_of(size) for size in said_memory(card, "vram")] == [8176 / 1024, None]
    assert (value_of(said_power_cap(card)), value_of(said_ecc(card))) == (100.0, None)
    assert value_of(said_driver(card)) == "7.0.0"


def test_amd_smi_of_rocm_7():
    (card,) = smi({"gpu_data": [ROCM_7]})
    assert said_address(card) is None
    assert value_of(said_target(card)) == "gfx90a"
    assert [value_of(size) for size in said_memory(card, "vram")] == [None, None]
    assert (value_of(said_power_cap(card)), value_of(said_ecc(card))) == (300.0, True)
    assert value_of(said_driver(card)) is None, "the kernel's banner is no version"


def test_amd_smi_asked_for_several_things_says_them_of_one_card():
    (card,) = smi({"gpu_data": [ROCM_7]}, [WITHOUT_BUS], {"gpu_data": [METRIC]})
    assert (said_address(card), said_node(card)) == ("0000:c1:00.0", 2)
    assert [value_of(size) for size in said_memory(card, "vram")] == [30576 / 1024, 20450 / 1024]
    assert [value_of(size) for size in said_memory(card, "gtt")] == [32023 / 1024, None]


@pytest.mark.parametrize(
    "document", [None, [], {}, "text", 3, {"gpu_data": {}}, {"gpu_data": [3]}, [[ROCM_6]], [{"gpu": "first"}]]
)
def test_amd_smi_of_another_shape_knows_no_card(document: Any):
    assert smi(document) == []


ROCM_SMI_4 = {
    "GPU ID": "0x6861",
    "PCI Bus": "0000:04:00.0",
    "VRAM Total Memory (B)": "17163091968",
    "VRAM Total Used Memory (B)": "17776640",
    "Card model": "0xc1e",
}
ROCM_SMI_6_0 = {
    "Device ID": "0x747e",
    "VRAM Total Memory (B)": "17163091968",
    "VRAM Total Used Memory (B)": "283090944",
    "Card series": "0x747e",
    "Card model": "0x7801",
}
ROCM_SMI_6_2 = {
    "VRAM Total Memory (B)": "21458059264",
    "VRAM Total Used Memory (B)": "27856896",
    "Card Series": "Radeon RX 7900 XT",
    "Card Model": "0x744c",
    "Node ID": "1",
    "GFX Version": "gfx1100",
}


@pytest.mark.parametrize(
    ("row", "pci_id", "names", "total_bytes"),
    [
        (ROCM_SMI_4, "1002:6861", [], 17163091968),
        (ROCM_SMI_6_0, "1002:747e", [], 17163091968),
        (ROCM_SMI_6_2, "1002:744c", ["Radeon RX 7900 XT"], 21458059264),
    ],
)
def test_rocm_smi_in_the_words_of_three_versions(row: Any, pci_id: str, names: list[str], total_bytes: int):
    (card,) = rows(rocm_smi_answers(json.dumps({"card0": row, "system": {"Driver version": "6.10.5"}})))
    assert said_pci_id(card) == pci_id, "the model of older versions is the board's number"
    assert list(said_names(card)) == names
    assert value_of(said_memory(card, "vram")[0]) == total_bytes / 2**30
    assert value_of(said_driver(card)) == "6.10.5"


def test_rocm_smi_keeps_its_own_order():
    document = {f"card{number}": {"Node ID": str(number)} for number in (10, 2, 0)}
    assert [said_node(card) for card in rows(rocm_smi_answers(json.dumps(document)))] == [0, 2, 10]


def test_another_makers_device_is_left_out():
    other = {**ROCM_6, "asic": {"market_name": "C-3000 IC Design", "vendor_id": "0x1d94"}}
    assert smi([other]) == []


# Which row belongs to which device


def card(address: str | None = None, node: int | None = None) -> Answers:
    values: dict[str, Any] = {"amdsmi_get_gpu_asic_info": {}}
    if address:
        values["amdsmi_get_gpu_device_bdf"] = address
    if node is not None:
        values["amdsmi_get_gpu_kfd_info"] = {"node_id": node}
    return Answers("a tool", values)


def test_a_row_is_found_by_node_then_place_then_turn():
    first, second = card("0000:03:00.0", node=2), card("0000:83:00.0", node=1)
    assert said_of([first, second], 1, "0000:03:00.0", 0, 2) is second
    assert said_of([first, second], None, "0000:83:00.0", 0, 2) is second
    assert said_of([card(), second], None, "0000:99:00.0", 0, 2) is None
    nameless = [card(), card()]
    assert said_of(nameless, None, "0000:99:00.0", 1, 2) is nameless[1]
    assert said_of(nameless, None, "0000:99:00.0", 1, 3) is None


# JSON among other text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', {"a": 1}),
        ("WARNING: low-power state.\n\n[1]\nbye", [1]),
        ('[WARN] careful\n{"a":\n 1}\n{"b": 2}', {"a": 1}),
        ('[\n  {"a": 1},\n  {"b"', None),
        ("", None),
        ("N/A", None),
        ("[" * 100_000, None),
        ("{" + "9" * 10, None),
        ("[" + "9" * 5000 + "]", None),
    ],
)
def test_a_document_among_other_text(text: str, expected: Any):
    assert json_document(text) == expected


@given(st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5), st.text(max_size=20))
def test_any_document_after_any_line_is_found(value: Any, line: str):
    before = "".join(letter for letter in line if letter not in "[{")
    assert json_document(f"{before}\n{json.dumps([value], indent=2)}\n") == [value]


# The kernel's numbers


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (90010, "gfx90a"),
        (90402, "gfx942"),
        (90500, "gfx950"),
        (100306, "gfx1036"),
        (110000, "gfx1100"),
        (110501, "gfx1151"),
        (120001, "gfx1201"),
        (0, None),
        (90099, None),
        (10**9, None),
    ],
)
def test_targets_from_the_kernels_number(version: int, expected: str | None):
    assert gfx_target(version) == expected


def test_properties_that_are_no_numbers_are_left_out():
    assert numbers_in("simd_count 4\nname navi\nx -1\nbig 99999999999999999999999\n domain 0\n") == {"simd_count": 4}
