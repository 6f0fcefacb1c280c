"""``CUDA_VISIBLE_DEVICES`` as CUDA reads it."""

from __future__ import annotations

import pytest

from deployadvisor.hardware.visible import Device, choose, needs_uuids

CARDS = [Device(index, "H100", (f"GPU-{index}abc",)) for index in range(4)]
SLICES = [
    Device(0, "A100 MIG 3g", ("MIG-aaa", "GPU-0abc")),
    Device(0, "A100 MIG 2g", ("MIG-bbb", "GPU-0abc")),
    Device(1, "A100", ("GPU-1abc",)),
]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, {0, 1, 2, 3}),
        ("", set()),
        (" ", set()),
        ("-1", set()),
        ("0", {0}),
        ("3,1", {1, 3}),
        (" 2 , 0 ", {0, 2}),
        ("01", {1}),
        ("0,2,-1,1", {0, 2}),
        ("0,9,1", {0}),
        ("0,x,1", {0}),
        ("0,,1", {0}),
        ("GPU-2abc", {2}),
        ("gpu-2", {2}),
        ("GPU-2abc,0", {0, 2}),
        ("0,0", set()),
        ("1,GPU-1a", set()),
        ("0,9,0", {0}),
        ("GPU-", set()),
        ("GPU-9", set()),
        ("NoDevFiles", set()),
    ],
)
def test_list_of_cards(value: str | None, expected: set[int]):
    assert choose(value, None, CARDS).positions == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", {0}),
        ("1", {2}),
        ("MIG-bbb", {1}),
        ("GPU-0abc", {0}),
        ("MIG-", set()),
        ("0,GPU-0abc", set()),
        ("0,1", {0, 2}),
    ],
)
def test_a_split_card_gives_its_first_slice(value: str, expected: set[int]):
    assert choose(value, None, SLICES).positions == expected


def reasons(value: str | None, order: str | None = None, devices: list[Device] = CARDS) -> str:
    return " | ".join(problem.reason for problem in choose(value, order, devices).problems)


def test_a_bare_prefix_names_nothing_even_where_only_one_card_exists():
    assert choose("GPU-", None, CARDS[:1]).positions == set()


def test_problems_say_what_is_hidden_and_what_is_wrong():
    assert reasons(None) == ""
    assert reasons("0,1,2,3") == ""
    assert reasons("-1") == reasons("") == "it hides 4 of 4 devices"
    assert "entry 2 names no device" in reasons("0,9,1")
    assert reasons("0,0") == "it names a device twice, and CUDA then refuses to start"
    assert "GPU-2" not in reasons("GPU-2")


def test_numbers_are_ambiguous_where_cards_differ():
    assert "fastest first" in reasons("0", devices=SLICES)
    assert "fastest first" not in reasons("0", "PCI_BUS_ID", SLICES)
    assert "fastest first" not in reasons("MIG-bbb", devices=SLICES)
    assert "fastest first" not in reasons("0")


@pytest.mark.parametrize(
    ("value", "expected"), [(None, False), ("", False), ("0,1", False), ("GPU-1", True), ("0,MIG-a", True)]
)
def test_needs_uuids(value: str | None, expected: bool):
    assert needs_uuids(value) is expected


def test_a_uuid_that_only_an_unknown_device_could_have_leaves_all():
    """A device hidden wrongly is lost; one shown wrongly is missed when the engine starts."""
    devices = [Device(0, "A", (), has_uuid=False), Device(1, "B", ("GPU-1",))]
    unknown = choose("GPU-9", None, devices)
    assert unknown.positions == {0, 1}
    assert [problem.reason for problem in unknown.problems] == [
        "it names devices by UUID, and the UUIDs of 1 were not told, so which it leaves is not known"
    ]
    assert choose("GPU-1", None, devices).positions == {1}
    assert choose("9", None, devices).positions == set()
    assert choose("0", None, devices).positions == {0}
