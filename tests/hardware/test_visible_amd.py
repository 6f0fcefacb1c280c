"""AMD's variables as ROCm and HIP read them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.hardware.visible_amd import Device, choose_amd

UUIDS = ("GPU-babababababababa", "GPU-abbaabbaabbaabba", "GPU-babaabbaabbababa", "GPU-abbababababaabba")
CARDS = [Device(uuid) for uuid in UUIDS]
"""The four devices of the examples in ROCm's amd_filter_device.h."""


def left(devices: list[Device] = CARDS, **env: str) -> set[int]:
    return set(choose_amd(env, devices).positions)


def reasons(devices: list[Device] = CARDS, **env: str) -> str:
    return " | ".join(f"{problem.what}: {problem.reason}" for problem in choose_amd(env, devices).problems)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0,1,2,3", {0, 1, 2, 3}),
        ("2", {2}),
        (" 2 , 0 ", {0, 2}),
        ("0x1", {1}),
        ("01", {1}),
        ("08", set()),
        ("", set()),
        ("-1", set()),
        ("GPU-XX", set()),
        ("3,GPU-BABABABABABABABA,4", {0, 3}),
        ("1,GPU-ABBAABBAABBAABBA,2", {1}),
        ("3,GPU-BABAABBA,GPU-XX", {2, 3}),
        ("GPU-BABA", set()),
        ("0,GPU-BABA,1", {0}),
        ("0,,1", {0}),
        ("0,9,1", {0}),
        ("1,1,2", {1}),
        ("GPU-", set()),
        ("GPU-abbaabbaabbaabba0", set()),
    ],
)
def test_rocr_visible_devices(value: str, expected: set[int]):
    assert left(ROCR_VISIBLE_DEVICES=value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", {0, 1, 2, 3}),
        ("2", {2}),
        ("2,0", {0, 2}),
        ("1,1,2", {1, 2}),
        ("0, 1", {0}),
        ("01", set()),
        ("-1", set()),
        ("0,9,1", {0}),
        ("0,,1", {0}),
        ("GPU-baba", {0}),
        ("GPU-BABA", set()),
    ],
)
@pytest.mark.parametrize("variable", ["HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"])
def test_hip_visible_devices(variable: str, value: str, expected: set[int]):
    assert left(**{variable: value}) == expected


def test_nothing_set_leaves_all():
    assert left() == {0, 1, 2, 3}
    assert reasons() == ""


def test_hip_counts_in_what_rocr_left():
    assert left(ROCR_VISIBLE_DEVICES="3,1", HIP_VISIBLE_DEVICES="0") == {3}
    assert left(ROCR_VISIBLE_DEVICES="3,1", HIP_VISIBLE_DEVICES="2") == set()


def test_hip_is_read_instead_of_cuda_unless_it_is_empty():
    assert left(HIP_VISIBLE_DEVICES="1", CUDA_VISIBLE_DEVICES="0") == {1}
    assert left(HIP_VISIBLE_DEVICES="", CUDA_VISIBLE_DEVICES="0") == {0}


def test_the_ordinal_of_opencl_hides_nothing_and_is_mentioned():
    assert left(GPU_DEVICE_ORDINAL="0") == {0, 1, 2, 3}
    assert "only OpenCL programs read it" in reasons(GPU_DEVICE_ORDINAL="0")


def test_devices_without_an_identity_have_only_numbers():
    nameless = [Device(), Device()]
    assert left(nameless, ROCR_VISIBLE_DEVICES="GPU-0000") == set()
    assert left(nameless, ROCR_VISIBLE_DEVICES="1") == {1}


def test_problems_say_what_is_hidden_and_by_what():
    assert reasons(ROCR_VISIBLE_DEVICES="0") == "ROCR_VISIBLE_DEVICES: it hides 3 of 4 devices"
    assert reasons(ROCR_VISIBLE_DEVICES="0,1", HIP_VISIBLE_DEVICES="0") == (
        "ROCR_VISIBLE_DEVICES: it hides 2 of 4 devices | HIP_VISIBLE_DEVICES: it hides 1 of 2 devices"
    )
    assert "HIP reads it too" in reasons(CUDA_VISIBLE_DEVICES="0")
    assert "entry 2 names no further device" in reasons(HIP_VISIBLE_DEVICES="0, 1,2,3")


def test_hiding_a_processors_graphics_is_no_problem():
    assert reasons([Device(), Device(counted=False)], HIP_VISIBLE_DEVICES="0") == ""


VALUES = st.one_of(st.none(), st.text(max_size=30), st.from_regex(r"(-?[0-9]{1,3}|0x[0-9]|GPU-[0-9ab]?|,| ){0,6}"))


@given(VALUES, VALUES, VALUES)
def test_any_value_leaves_some_of_the_devices(rocr: str | None, hip: str | None, cuda: str | None):
    values = {"ROCR_VISIBLE_DEVICES": rocr, "HIP_VISIBLE_DEVICES": hip, "CUDA_VISIBLE_DEVICES": cuda}
    assert left(**{name: value for name, value in values.items() if value is not None}) <= {0, 1, 2, 3}
