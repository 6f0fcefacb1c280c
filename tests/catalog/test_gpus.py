"""Accelerators: every one is listed once, found by what people and tools call it, and says where it was read."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from deployadvisor.catalog.gpus import Gpu, find_gpu, gpus, gpus_by_pci
from deployadvisor.catalog.lookup import Names, load_entries
from deployadvisor.errors import CatalogError
from deployadvisor.resources import catalog_file

OWN_FILES = ("gpus", "integrated", "models", "model_defaults", "rentals")

PRINTED_NAMES = {
    "NVIDIA H100 80GB HBM3": "h100-sxm",
    "NVIDIA H100 PCIe": "h100-pcie",
    "NVIDIA H100 NVL": "h100-nvl",
    "NVIDIA A100-SXM4-80GB": "a100-80g-sxm",
    "NVIDIA A100-SXM4-40GB": "a100-40g-sxm",
    "NVIDIA A100 80GB PCIe": "a100-80g-pcie",
    "NVIDIA A100-PCIE-40GB": "a100-40g-pcie",
    "NVIDIA GeForce RTX 4090": "rtx-4090",
    "NVIDIA GeForce RTX 5070 Ti": "rtx-5070ti",
    "NVIDIA RTX 6000 Ada Generation": "rtx-6000-ada",
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": "rtx-pro-6000",
    "NVIDIA RTX A6000": "a6000",
    "NVIDIA L40S": "l40s",
    "NVIDIA B300 SXM6 AC": "b300",
    "NVIDIA GB10": "gb10",
    "Tesla T4": "t4",
    "Tesla V100-SXM2-16GB": "v100-16g",
    "Tesla V100-SXM2-32GB": "v100-32g",
    "AMD Instinct MI300X OAM": "mi300x",
    "AMD Instinct MI250X": "mi250x",
    "AMD Radeon RX 7900 XTX": "rx-7900xtx",
    "NVIDIA GeForce RTX 4070 Ti SUPER": "rtx-4070ti-super",
    "NVIDIA RTX A4000": "a4000",
    "Apple M4": "m4",
    "Intel(R) Arc(TM) B580 Graphics": "arc-b580",
    "Apple M3 Max": "m3-max",
    "Ascend910B": "ascend-910b",
    "Tesla K80": "k80",
    "Tesla P40": "p40",
    "Tesla M40 24GB": "m40-24g",
    "NVIDIA GH200 480GB": "gh200",
    "NVIDIA H20-3e": "h20-141g",
    "NVIDIA GeForce RTX 4090 D": "rtx-4090d",
    "NVIDIA TITAN RTX": "titan-rtx",
    "Quadro RTX 8000": "quadro-rtx-8000",
    "NVIDIA RTX 4000 SFF Ada Generation": "rtx-4000-sff-ada",
    "NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition": "rtx-pro-6000-max-q",
    "NVIDIA Thor": "jetson-thor",
    "AMD Radeon RX 7900 GRE": "rx-7900gre",
    "AMD Radeon PRO W7900 Dual Slot": "w7900",
    "AMD Radeon Pro V620": "v620",
    "AMD Radeon AI PRO R9700": "r9700",
    "AMD Instinct MI308X": "mi308x",
    "Radeon 8060S Graphics": "strix-halo",
    "Intel(R) Arc(TM) A770 Graphics": "arc-a770",
}
TYPED_NAMES = {
    "4090": "rtx-4090",
    "rtx4090": "rtx-4090",
    "h100": "h100-sxm",
    "H100 PCIe": "h100-pcie",
    "H200": "h200",
    "a100": "a100-80g-sxm",
    "A100 40GB": "a100-40g-sxm",
    "A100 80GB PCIe": "a100-80g-pcie",
    "V100": "v100-16g",
    "V100 32GB": "v100-32g",
    "m2 ultra": "m2-ultra",
    "DGX Spark": "gb10",
    "910b": "ascend-910b",
    "910B3": "ascend-910b",
    "昇腾910B": "ascend-910b",
    "华为 昇腾 910B": "ascend-910b",
    "英伟达4090显卡": "rtx-4090",
    "4090 24G": "rtx-4090",
    "A10G": "a10g",
    "a100-80g": "a100-80g-sxm",
    "A100-40G": "a100-40g-sxm",
    "h100 sxm": "h100-sxm",
    "H100 80GB SXM5": "h100-sxm",
    "RTX 6000 Ada": "rtx-6000-ada",
    "rtx a6000": "a6000",
    "MI300X": "mi300x",
    "M2 Ultra": "m2-ultra",
    "p40": "p40",
    "MI50": "mi50-16g",
    "2060": "rtx-2060",
    "2060 12g": "rtx-2060-12g",
    "4060 Ti 8GB": "rtx-4060ti-8g",
    "6800 XT": "rx-6800xt",
    "Strix Halo": "strix-halo",
    "Jetson Thor": "jetson-thor",
    "Jetson Orin 16GB": "jetson-orin-nx-16",
}
OTHER_PARTS = (
    "NVIDIA GeForce RTX 4090 Laptop GPU",
    "NVIDIA GeForce RTX 5090 D",
    "NVIDIA GeForce RTX 3050",
    "NVIDIA GeForce RTX 4060 Ti",
    "NVIDIA GeForce RTX 5060 Ti",
    "AMD Radeon RX 9060 XT",
    "GTX 1060",
    "RTX 6000",
    "910B4",
    "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
    "4090 48G",
    "昇腾",
    "RTX",
    "",
)


def test_all_accelerators_are_listed() -> None:
    assert len(gpus()) == 180


@pytest.mark.parametrize("name", sorted({*PRINTED_NAMES, *TYPED_NAMES}))
def test_names_that_people_type_and_tools_print(name: str) -> None:
    assert find_gpu(name).id == {**PRINTED_NAMES, **TYPED_NAMES}[name]


@pytest.mark.parametrize("gpu", gpus().values(), ids=lambda gpu: gpu.id)
def test_every_name_finds_its_own_entry(gpu: Gpu) -> None:
    for name in (gpu.id, gpu.name, *gpu.aliases):
        assert find_gpu(name) is gpu
        assert find_gpu(name.upper().replace(" ", "-")) is gpu


@pytest.mark.parametrize("name", OTHER_PARTS)
def test_other_parts_are_not_taken_for_a_listed_one(name: str) -> None:
    with pytest.raises(CatalogError) as caught:
        find_gpu(name)
    assert set(caught.value.allowed) == set(gpus())


@pytest.mark.parametrize(("typed", "meant"), [("rtx 4091", "rtx-4090"), ("h1000", "h100-sxm"), ("mi300", "mi300x")])
def test_a_misspelt_name_suggests_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(CatalogError) as caught:
        find_gpu(typed)
    assert caught.value.suggestion is not None
    assert find_gpu(caught.value.suggestion).id == meant


def test_one_name_never_means_two_entries() -> None:
    with pytest.raises(CatalogError, match="names two entries"):
        Names({"a100-40g": ("A100",), "a100-80g": ("a-100",)}, what="an accelerator")


@pytest.mark.parametrize("gpu", gpus().values(), ids=lambda gpu: gpu.id)
def test_every_entry_says_where_and_when_it_was_read(gpu: Gpu) -> None:
    assert all(gpu.source)
    assert gpu.checked_on.isoformat() in {"2026-11-22", "2026-11-28"}


@pytest.mark.parametrize("gpu", gpus().values(), ids=lambda gpu: gpu.id)
def test_a_process_sees_about_the_marketed_memory(gpu: Gpu) -> None:
    if gpu.memory_gib is not None:
        assert gpu.memory_gb is not None
        assert 0.93 < gpu.memory_gib / gpu.memory_gb <= 1.01


@pytest.mark.parametrize(
    ("gpu_id", "gib"),
    [("h100-sxm", 81559 / 1024), ("h200", 143771 / 1024), ("rtx-4090", 24564 / 1024), ("l40s", 46068 / 1024)],
)
def test_memory_is_the_drivers_total_where_one_was_read(gpu_id: str, gib: float) -> None:
    gpu = gpus()[gpu_id]
    assert gpu.usable_memory_gib == pytest.approx(gib, abs=0.002)
    assert gpu.memory_basis.startswith("nvidia-smi total, ")


def test_memory_falls_back_to_decimal_gigabytes() -> None:
    gpu = gpus()["gaudi3"]
    assert gpu.usable_memory_gib == pytest.approx(128e9 / 2**30)
    assert "lower bound" in gpu.memory_basis


@pytest.mark.parametrize(
    ("gpu_id", "gib"),
    [("mi210", 63.98), ("mi250x", 63.98), ("mi300x", 191.98), ("mi325x", 255.98), ("mi355x", 287.98)],
)
def test_instinct_memory_is_what_pytorch_counts(gpu_id: str, gib: float) -> None:
    assert gpus()[gpu_id].usable_memory_gib == gib
    assert gpus()[gpu_id].memory_basis.startswith("PyTorch total, ")


def test_unified_memory_of_apple_is_sold_in_binary_gigabytes() -> None:
    assert gpus()["m1-max"].usable_memory_gib == 64
    assert gpus()["m1-max"].memory_basis.startswith("largest size sold, ")


def test_one_entry_is_one_device() -> None:
    die, card = gpus()["mi250x"], gpus()["mi210"]
    assert (die.memory_gb, die.memory_bandwidth_gb_s) == (card.memory_gb, card.memory_bandwidth_gb_s)
    assert "2x MI250X" in die.notes


def test_unknown_memory_stays_unknown() -> None:
    gpu = gpus()["m5-ultra"]
    assert gpu.usable_memory_gib is None
    assert gpu.memory_bandwidth_gb_s is None
    assert gpu.memory_basis == "unknown"


PCI_IDS = {
    "10de:102d": ["k80"],
    "10de:1b38": ["p40"],
    "10de:17fd": ["m40-12g", "m40-24g"],
    "10de:1eb8": ["t4"],
    "10de:1db4": ["v100-16g"],
    "10de:1db6": ["v100-32g"],
    "10de:20b0": ["a100-40g-sxm"],
    "10de:20b2": ["a100-80g-sxm"],
    "10de:20b5": ["a100-80g-pcie"],
    "10de:20f1": ["a100-40g-pcie"],
    "10de:2204": ["rtx-3090"],
    "10de:2236": ["a10"],
    "10de:25b6": ["a16", "a2"],
    "10de:2321": ["h100-nvl"],
    "10de:2330": ["h100-sxm"],
    "10de:2331": ["h100-pcie"],
    "10de:2335": ["h200"],
    "10de:2342": ["gh200"],
    "10de:2684": ["rtx-4090"],
    "10de:26b9": ["l40s"],
    "10de:27b8": ["l4"],
    "10de:2803": ["rtx-4060ti-8g"],
    "10de:2805": ["rtx-4060ti-16g"],
    "10de:2901": ["b200"],
    "10de:2b85": ["rtx-5090"],
    "10de:2bb5": ["rtx-pro-6000"],
    "10de:2d04": ["rtx-5060ti-8g", "rtx-5060ti-16g"],
    "10de:2e12": ["gb10"],
    "1002:1586": ["strix-halo"],
    "1002:66a1": ["mi50-16g", "mi50-32g", "mi60"],
    "1002:73bf": ["rx-6800", "rx-6800xt", "rx-6900xt"],
    "1002:740c": ["mi250", "mi250x"],
    "1002:740f": ["mi210"],
    "1002:744c": ["rx-7900gre", "rx-7900xt", "rx-7900xtx"],
    "1002:744a": ["w7900"],
    "1002:74a1": ["mi300x"],
    "1002:74a2": ["mi308x"],
    "1002:74a5": ["mi325x"],
    "1002:75a3": ["mi355x"],
    "1002:7550": ["rx-9070", "rx-9070xt"],
    "8086:56a0": ["arc-a770"],
    "8086:e20b": ["arc-b580"],
    "8086:e211": ["arc-b60"],
    "1da3:1060": ["gaudi3"],
    "19e5:d802": ["ascend-910b"],
    "19e5:d803": ["ascend-910c"],
}
TARGETS = {
    "mi50-32g": "gfx906",
    "mi100": "gfx908",
    "mi250x": "gfx90a",
    "mi300x": "gfx942",
    "mi308x": "gfx942",
    "mi355x": "gfx950",
    "rx-6800": "gfx1030",
    "rx-7900xtx": "gfx1100",
    "rx-7800xt": "gfx1101",
    "rx-7600": "gfx1102",
    "strix-halo": "gfx1151",
    "rx-9060xt-16g": "gfx1200",
    "r9700": "gfx1201",
}


@pytest.mark.parametrize("pci_id", sorted(PCI_IDS))
def test_a_pci_id_leads_to_all_parts_that_have_it(pci_id: str) -> None:
    assert [gpu.id for gpu in gpus_by_pci(pci_id)] == PCI_IDS[pci_id]
    assert gpus_by_pci(pci_id.upper()) == gpus_by_pci(pci_id)


@pytest.mark.parametrize("pci_id", ["10de:2717", "10de:22a3", "1002:164e", "8086:a780", "2335", ""])
def test_laptop_parts_switches_and_unknown_ids_lead_nowhere(pci_id: str) -> None:
    assert gpus_by_pci(pci_id) == ()


@pytest.mark.parametrize("gpu", gpus().values(), ids=lambda gpu: gpu.id)
def test_pci_ids_are_listed_once_and_lead_back(gpu: Gpu) -> None:
    assert sorted(set(gpu.pci_ids)) == list(gpu.pci_ids)
    assert all(gpu in gpus_by_pci(pci_id) for pci_id in gpu.pci_ids)


def test_only_chips_without_a_pci_device_have_no_id() -> None:
    without = {gpu.id for gpu in gpus().values() if not gpu.pci_ids and gpu.vendor != "apple"}
    assert without == {f"jetson-orin-{board}" for board in ("nano", "nx-8", "nx-16", "32", "64")}


def test_amd_parts_have_their_compiler_target() -> None:
    assert {gpu_id: gpus()[gpu_id].gfx_target for gpu_id in TARGETS} == TARGETS
    assert all((gpu.gfx_target is not None) == (gpu.vendor == "amd") for gpu in gpus().values())


def test_consumer_parts() -> None:
    consumer = {gpu.id for gpu in gpus().values() if gpu.consumer}
    assert {"rtx-3090", "rtx-4090", "rtx-5090", "arc-b580", "m4-max"} <= consumer
    assert not consumer & {"h100-sxm", "l40s", "a6000", "rtx-6000-ada", "rtx-pro-6000", "mi300x"}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"memory_gib_source": None}, "go together"),
        ({"memory_options_gb": [36, 64]}, "not the largest"),
        ({"memory_gigs": 80}, "Extra inputs"),
        ({"source": []}, "at least 1 item"),
        ({"memory_gib": 199.0, "memory_gib_source": "nvidia-smi"}, "is more than memory_gb"),
        ({"memory_gb": None, "memory_gib": 192.0, "memory_gib_source": "nvidia-smi"}, "is more than memory_gb"),
        ({"fp8_dense_tflops": 653.7}, "rates fall"),
        ({"memory_bandwidth_gb_s": 5.3}, "greater than or equal to 50"),
        ({"memory_bandwidth_gb_s": 5_300_000}, "less than or equal to 50000"),
        ({"fp16_dense_tflops": 1_307_000}, "less than or equal to 20000"),
        ({"memory_gb": -192}, "greater than 0"),
        ({"pci_ids": ["1002:74A1"]}, "should match pattern"),
        ({"pci_ids": ["74a1"]}, "should match pattern"),
        ({"pci_ids": ["10de:2330"]}, "10de:2330 is not an id of amd"),
        ({"pci_ids": ["1234:74a1"]}, "1234:74a1 is not an id of amd"),
        ({"pci_ids": []}, "pci_ids and pci_ids_source go together"),
        ({"pci_ids_source": None}, "pci_ids and pci_ids_source go together"),
        ({"gfx_target": "942"}, "should match pattern"),
        ({"gfx_target": None}, "gfx_target and gfx_target_source go together"),
        ({"gfx_target_source": None}, "gfx_target and gfx_target_source go together"),
        ({"vendor": "nvidia", "pci_ids": [], "pci_ids_source": None}, "only AMD has a gfx_target"),
    ],
)
def test_a_wrong_entry_is_refused(change: dict[str, object], complaint: str) -> None:
    entry = gpus()["mi300x"].model_dump() | change
    with pytest.raises(ValidationError, match=complaint):
        Gpu.model_validate(entry)


def test_a_wrong_source_key_is_refused_at_its_line(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    path = tmp_path / "gpus.yaml"
    path.write_text("checked_on: '2026-11-22'\nsources: {book: A book}\ngpus:\n  t4:\n    source: [bok]\n")
    monkeypatch.setattr("deployadvisor.catalog.lookup.catalog_file", lambda _: path)
    with pytest.raises(CatalogError) as caught:
        load_entries("gpus", Gpu)
    assert caught.value.suggestion == "book"
    assert caught.value.where is not None
    assert caught.value.where.line == 5


@pytest.mark.parametrize("name", OWN_FILES)
def test_no_unverified_fact_is_shipped(name: str) -> None:
    text = catalog_file(name).read_text(encoding="utf-8")
    assert not re.search(r"\[[K?]\]|UNVERIFIED|TODO", text)
