"""Names that drivers report, and sizes inside written names."""

from __future__ import annotations

import pytest

from deployadvisor.errors import HardwareError
from deployadvisor.hardware.names import identify, take_size


@pytest.mark.parametrize(
    ("name", "total_gib", "expected"),
    [
        ("NVIDIA H200", 140.4, "h200"),
        ("NVIDIA H100 80GB HBM3", 79.6, "h100-sxm"),
        ("NVIDIA H100 PCIe", 79.6, "h100-pcie"),
        ("NVIDIA H100 NVL", 93.6, "h100-nvl"),
        ("NVIDIA A100-SXM4-80GB", 80.0, "a100-80g-sxm"),
        ("NVIDIA A100-SXM4-40GB", 39.6, "a100-40g-sxm"),
        ("NVIDIA A100-PCIE-40GB", 39.6, "a100-40g-pcie"),
        ("NVIDIA A100 80GB PCIe", 79.3, "a100-80g-pcie"),
        ("Tesla V100-SXM2-32GB", 31.7, "v100-32g"),
        ("Tesla T4", 15.0, "t4"),
        ("NVIDIA A10G", 22.5, "a10g"),
        ("NVIDIA GeForce RTX 4090", 23.99, "rtx-4090"),
        ("NVIDIA GeForce RTX 4060 Ti", 16.0, "rtx-4060ti-16g"),
        ("NVIDIA GeForce RTX 4060 Ti", 8.0, "rtx-4060ti-8g"),
        ("NVIDIA GeForce RTX 4060 Ti", 12.0, None),
        ("NVIDIA GeForce RTX 4060 Ti", None, None),
        ("NVIDIA GeForce RTX 3060", 8.0, None),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", 16.0, None),
        ("NVIDIA GeForce RTX 3090 Ti", 24.0, "rtx-3090ti"),
        ("NVIDIA GeForce RTX 3070 Ti", 8.0, "rtx-3070ti"),
        ("NVIDIA GeForce RTX 3080", 12.0, "rtx-3080-12g"),
        ("NVIDIA GeForce RTX 3080", 20.0, None),
        ("NVIDIA H100 80GB HBM3", None, "h100-sxm"),
        ("NVIDIA GH200 480GB", 95.0, "gh200"),
        ("NVIDIA GH200 480GB", 143.0, None),
        ("Jetson Orin", 30.6, "jetson-orin-32"),
        ("Jetson Orin", 61.4, "jetson-orin-64"),
        ("Jetson Orin", 15.3, "jetson-orin-nx-16"),
        ("Jetson Orin", 7.4, "jetson-orin-nano"),
        ("Jetson Orin", 3.3, None),
        ("Tesla K80", 11.17, "k80"),
        ("Tesla M40 24GB", 22.5, "m40-24g"),
        ("Tesla M40", 11.2, "m40-12g"),
        ("Tesla P40", 22.4, "p40"),
        ("Tesla P100-PCIE-16GB", 15.9, "p100-16g"),
        ("NVIDIA GeForce RTX 2060", 6.0, "rtx-2060"),
        ("NVIDIA GeForce RTX 2060", 12.0, "rtx-2060-12g"),
        ("NVIDIA GeForce RTX 3050", 8.0, "rtx-3050-8g"),
        ("NVIDIA GeForce RTX 3050", 6.0, None),
        ("NVIDIA GeForce GTX 1060 6GB", 6.0, "gtx-1060-6g"),
        ("NVIDIA GeForce GTX 1060 3GB", 3.0, None),
        ("NVIDIA RTX 5000 Ada Generation", 32.0, "rtx-5000-ada"),
        ("Quadro RTX 6000", 22.5, "quadro-rtx-6000"),
        ("NVIDIA RTX PRO 5000 72GB Blackwell", 71.5, "rtx-pro-5000-72g"),
        ("NVIDIA RTX PRO 5000 Blackwell", 47.8, "rtx-pro-5000"),
        ("NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition", 95.6, "rtx-pro-6000-max-q"),
        ("NVIDIA H200 NVL", 140.4, "h200-nvl"),
        ("NVIDIA H20", 95.6, "h20"),
        ("NVIDIA H20-3e", 140.4, "h20-141g"),
        ("NVIDIA Thor", 122.8, "jetson-thor"),
        ("AMD Radeon RX 6800", 15.98, "rx-6800"),
        ("AMD Radeon RX 9060 XT", 15.92, "rx-9060xt-16g"),
        ("AMD Radeon RX 9060 XT", 8.0, "rx-9060xt-8g"),
        ("AMD Radeon Pro W7900", 47.98, "w7900"),
        ("AMD Radeon Pro W7800", 47.98, "w7800-48g"),
        ("AMD Instinct MI50", 31.98, "mi50-32g"),
        ("AMD Instinct MI308X", 191.98, "mi308x"),
        ("", 10.0, None),
    ],
)
def test_identify(name: str, total_gib: float | None, expected: str | None):
    entry = identify(name, total_gib)
    assert (entry.id if entry else None) == expected


@pytest.mark.parametrize(
    ("text", "words", "size_gib"),
    [
        ("A100 80GB PCIe", "A100 PCIe", 80),
        ("H100 MIG 1g.10gb", "H100 MIG 1g.10gb", None),
        ("M3 Max (64 GB)", "M3 Max", 64),
        ("1.5TB", "", 1536),
        ("512 MiB", "", 0.5),
        ("Ascend 910B", "Ascend 910B", None),
        ("a100-80g-sxm", "a100-80g-sxm", None),
        ("RTX 4090", "RTX 4090", None),
        ("GB10", "GB10", None),
        ("GB200", "GB200", None),
    ],
)
def test_take_size(text: str, words: str, size_gib: float | None):
    assert take_size(text) == (words, size_gib)


def test_an_unknown_unit_is_an_error():
    with pytest.raises(HardwareError, match='unknown memory unit "XB"'):
        take_size("80XB")
