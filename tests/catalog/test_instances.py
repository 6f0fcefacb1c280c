"""Instance types: each once, found by every way to write it, of listed cards, and in one voice with the prices."""

from __future__ import annotations

from collections import Counter

import pytest
from pydantic import ValidationError

from deployadvisor.catalog.gpus import gpus
from deployadvisor.catalog.instances import Instance, find_instance, instance_called, instances
from deployadvisor.catalog.rentals import Rental, rentals
from deployadvisor.errors import CatalogError
from deployadvisor.resources import catalog_file

PARTLY_READ = {"Standard_ND96is_H100_v5", "gpu_1x_a10", "gpu_1x_h100_pcie", "n3-H100-SXM5x8"}
"""Types whose memory no source says, or several say differently."""
RENTED = [rental for rental in rentals() if instance_called(f"{rental.provider} {rental.instance}")]


def machine(name: str) -> tuple[str, int, int | None, float | None]:
    found = instances()[name]
    return found.gpu, found.gpus, found.vcpus, found.memory_gib


@pytest.mark.parametrize(
    ("name", "gpu", "count", "vcpus", "memory_gib"),
    [
        ("p3.8xlarge", "v100-16g", 4, 32, 244),
        ("p4d.24xlarge", "a100-40g-sxm", 8, 96, 1152),
        ("p4de.24xlarge", "a100-80g-sxm", 8, 96, 1152),
        ("p5.4xlarge", "h100-sxm", 1, 16, 256),
        ("p5.48xlarge", "h100-sxm", 8, 192, 2048),
        ("p5en.48xlarge", "h200", 8, 192, 2048),
        ("g6e.12xlarge", "l40s", 4, 48, 384),
        ("Standard_NC96ads_A100_v4", "a100-80g-pcie", 4, 96, 880),
        ("Standard_NC80adis_H100_v5", "h100-nvl", 2, 80, 640),
        ("Standard_ND96asr_v4", "a100-40g-sxm", 8, 96, 900),
        ("Standard_ND96amsr_A100_v4", "a100-80g-sxm", 8, 96, 1900),
        ("Standard_ND96isr_MI300X_v5", "mi300x", 8, 96, 1850),
        ("Standard_ND128isr_NDR_GB200_v6", "gb200", 4, 128, 900),
        ("a2-megagpu-16g", "a100-40g-sxm", 16, 96, 1360),
        ("a3-highgpu-8g", "h100-sxm", 8, 208, 1872),
        ("a4x-maxgpu-4g-metal", "gb300", 4, 144, 960),
        ("g2-standard-24", "l4", 2, 24, 96),
        ("g4-standard-384", "rtx-pro-6000", 8, 384, 1440),
        ("ecs.gn7i-c8g1.2xlarge", "a10", 1, 8, 30),
        ("ecs.gn7s-c32g1.32xlarge", "a30", 4, 128, 1000),
        ("ecs.gn6e-c12g1.24xlarge", "v100-32g", 8, 96, 736),
        ("BM.GPU.MI355X.8", "mi355x", 8, 256, 3072),
        ("gpu_8x_a100", "a100-40g-sxm", 8, 124, 1800),
        ("gpu-l40s-d_4gpu-192vcpu-1152gb", "l40s", 4, 192, 1152),
        ("n3-A100x8-NVLink", "a100-80g-pcie", 8, 252, 1920),
        ("n3-H100-SXM5x8", "h100-sxm", 8, 192, None),
    ],
)
def test_what_a_type_holds(name: str, gpu: str, count: int, vcpus: int, memory_gib: float | None) -> None:
    assert machine(name) == (gpu, count, vcpus, memory_gib)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("p5.48xlarge", "p5.48xlarge"),
        ("P5.48XLARGE", "p5.48xlarge"),
        ("  aws   p5.48xlarge ", "p5.48xlarge"),
        ("Amazon p5.48xlarge", "p5.48xlarge"),
        ("ND96isr_H100_v5", "Standard_ND96isr_H100_v5"),
        ("azure ND96isr_H100_v5", "Standard_ND96isr_H100_v5"),
        ("Azure ND96isr H100 v5", "Standard_ND96isr_H100_v5"),
        ("Standard_ND96asr_A100_v4", "Standard_ND96asr_v4"),
        ("google a3-highgpu-8g", "a3-highgpu-8g"),
        ("gn7i-c8g1.2xlarge", "ecs.gn7i-c8g1.2xlarge"),
        ("aliyun ecs.gn7i-c8g1.2xlarge", "ecs.gn7i-c8g1.2xlarge"),
        ("阿里云 ecs.gn7i-c8g1.2xlarge", "ecs.gn7i-c8g1.2xlarge"),
        ("OCI VM.GPU.A10.1", "VM.GPU.A10.1"),
        ("gpu-h200-sxm 8gpu-128vcpu-1600gb", "gpu-h200-sxm_8gpu-128vcpu-1600gb"),
    ],
)
def test_ways_to_write_a_type(written: str, meant: str) -> None:
    assert find_instance(written).id == meant
    assert instance_called(written) is instances()[meant]


@pytest.mark.parametrize(
    "name", ["", "aws", "p5", "p5.48", "gpu 1x a10", "azure p5.48xlarge", "h100-sxm", "p5 48xlarge"]
)
def test_what_is_no_type_is_not_guessed(name: str) -> None:
    assert instance_called(name) is None
    with pytest.raises(CatalogError, match="is not an instance type in the catalogue") as caught:
        find_instance(name)
    assert set(caught.value.allowed) == set(instances())


@pytest.mark.parametrize(
    ("typed", "suggestion"),
    [
        ("p5.48xlarg", "p5.48xlarge"),
        ("aws p5e.84xlarge", "aws p5e.48xlarge"),
        ("a3-highgpu8g", "a3-highgpu-8g"),
        ("azure NC48ads_A100_v5", "azure NC48ads_A100_v4"),
        ("banana", None),
    ],
)
def test_a_misspelt_type_suggests_the_nearest(typed: str, suggestion: str | None) -> None:
    with pytest.raises(CatalogError) as caught:
        find_instance(typed)
    assert caught.value.suggestion == suggestion


@pytest.mark.parametrize("entry", instances().values(), ids=lambda entry: entry.id)
def test_every_type_is_of_listed_cards_sourced_and_plausible(entry: Instance) -> None:
    assert entry.gpu in gpus()
    assert entry.checked_on.isoformat() == "2026-11-28"
    assert entry.gpus in {1, 2, 4, 8, 10, 16}
    assert entry.vcpus is not None
    assert 3 <= entry.vcpus / entry.gpus <= 144
    assert (entry.memory_gib is None) == (entry.id in PARTLY_READ)
    assert entry.memory_gib is None or 14 <= entry.memory_gib / entry.gpus <= 880
    assert entry.gpus > 1 or entry.nvlink is None


@pytest.mark.parametrize("entry", instances().values(), ids=lambda entry: entry.id)
def test_links_are_those_of_the_card(entry: Instance) -> None:
    """The PCIe cards that NVLink joins all the same carry it in the name of their type."""
    linked = gpus()[entry.gpu].nvlink_gb_s is not None or entry.gpu.startswith("v100") or "NVLink" in entry.id
    assert linked or not entry.nvlink


def test_the_four_large_clouds_are_there() -> None:
    assert Counter(entry.cloud for entry in instances().values()) == {
        "aws": 51,
        "azure": 26,
        "gcp": 31,
        "alibaba": 40,
        "oracle": 19,
        "lambda": 17,
        "nebius": 17,
        "hyperstack": 24,
    }


def test_prices_and_types_agree_on_the_cards() -> None:
    stated = {rental.instance: (rental.gpu, rental.gpus) for rental in RENTED}
    assert len(stated) > 60
    assert stated == {name: machine(find_instance(name).id)[:2] for name in stated}


@pytest.mark.parametrize("cloud", ["aws", "azure", "gcp", "alibaba", "oracle"])
def test_every_price_of_a_cloud_with_types_is_of_a_known_type(cloud: str) -> None:
    priced: list[Rental] = [rental for rental in rentals() if rental.provider == cloud]
    assert [rental.instance for rental in priced if rental not in RENTED] == []


@pytest.mark.parametrize(
    "change", [{"gpu": "h1000"}, {"gpus": 0}, {"vcpus": 0}, {"memory_gib": 0}, {"cloud": "other"}, {"gpus": 1}]
)
def test_a_wrong_row_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Instance.model_validate(instances()["p5.48xlarge"].model_dump() | change)


def test_one_line_an_entry() -> None:
    lines = catalog_file("instances").read_text(encoding="utf-8").partition("\ninstances:\n")[2].splitlines()
    assert len(lines) == len(instances())
