"""What is read out of nvidia-smi: documents, words on either stream, and any nonsense."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.hardware.answers import Answers
from deployadvisor.hardware.nvidia_smi import slices_named, smi_answers
from deployadvisor.hardware.system import Output

from .replay import machine_names, recording

MISMATCH, NO_DRIVER, NO_PERMISSION, NO_DEVICES, UNKNOWN = 18, 9, 4, 6, 999
DOCUMENTS = [
    answer.out
    for name in machine_names()
    for line, answer in recording(name).commands.items()
    if line == "nvidia-smi -q -x" and "<nvidia_smi_log" in answer.out
]


def document(*cards: str, before: str = "", after: str = "") -> str:
    return f"{before}<nvidia_smi_log>{''.join(cards)}</nvidia_smi_log>{after}"


def card(bus: int, **fields: str) -> str:
    told = "".join(f"<{name}>{text}</{name}>" for name, text in {"product_name": f"card {bus}", **fields}.items())
    return f"<gpu>{told}<pci><pci_bus_id>00000000:{bus:02X}:00.0</pci_bus_id></pci></gpu>"


def init_error(output: Output) -> Any:
    return smi_answers(output).values["nvmlInit"]["error"]


def names(answers: Answers) -> list[str]:
    return [each.values.get("nvmlDeviceGetName", "lost") for each in answers.parts("devices")]


# Failures


@pytest.mark.parametrize(
    ("text", "code", "expected"),
    [
        ("Failed to initialize NVML: Driver/library version mismatch\nNVML library version: 535.161\n", 18, MISMATCH),
        ("Failed to initialize NVML: Driver/library version mismatch\n", 1, MISMATCH),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure", 9, NO_DRIVER),
        ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure", 127, NO_DRIVER),
        ("Failed to initialize NVML: Insufficient Permissions\n", 4, NO_PERMISSION),
        ("No devices were found\n", 6, NO_DEVICES),
        ("No devices were found\n", 0, NO_DEVICES),
        ("Failed to initialize NVML: Unknown Error\n", 255, UNKNOWN),
        ("", 12, 12),
        ("something else", 77, None),
        ("", 0, None),
    ],
)
def test_a_failure_is_known_by_status_or_words_on_either_stream(text: str, code: int, expected: int | None):
    assert init_error(Output(text=text, code=code)) == expected
    assert init_error(Output(errors=text, code=code)) == expected


def test_an_answer_that_broke_off_is_not_repeated():
    whole = DOCUMENTS[0]
    found = smi_answers(Output(text=whole[: len(whole) // 2], code=0)).values["nvmlInit"]
    assert found == {"error": None, "words": "it ended with status 0 and no whole answer"}


def test_a_program_that_hung_said_nothing_that_counts():
    found = smi_answers(Output(text=DOCUMENTS[0], silence="it did not answer within 1 s"))
    assert found.values["nvmlInit"]["words"] == "it did not answer within 1 s"


def test_a_document_that_declares_entities_is_not_read():
    bomb = '<!DOCTYPE x [<!ENTITY a "b">]>' + document(card(1))
    assert "nvmlInit" in smi_answers(Output(text=bomb, code=0)).values


# Documents


@pytest.mark.parametrize("code", [0, 14, 15, 255, None])
def test_a_whole_document_counts_with_any_status_and_between_any_words(code: int | None):
    text = document(card(1), card(2), before="WARNING: infoROM is corrupted\n", after="\nWARNING: again <&\n")
    assert names(smi_answers(Output(text=text, code=code))) == ["card 1", "card 2"]


def test_only_the_memory_of_the_card_itself_is_its_memory():
    inner = "<total>4 MiB</total><used>0 MiB</used><free>4 MiB</free>"
    slices = f"<mig_device><fb_memory_usage>{inner}</fb_memory_usage></mig_device>"
    text = document(f"<gpu><mig_devices>{slices}</mig_devices><bar1_memory_usage>{inner}</bar1_memory_usage></gpu>")
    (found,) = smi_answers(Output(text=text, code=0)).parts("devices")
    assert "nvmlDeviceGetMemoryInfo" not in found.values
    assert found.parts("mig")[0].values["nvmlDeviceGetMemoryInfo"]["total"] == 4 << 20


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("Unable to determine the device handle for GPU0000:02:00.0: Unknown Error", ["card 1", "lost", "card 3"]),
        ("Unable to determine the device handle for GPU 0000:02:00.0: GPU is lost.", ["card 1", "lost", "card 3"]),
        ("Unable to determine the device handle for GPU1: 0000:02:00.0: Unknown Error", ["card 1", "lost", "card 3"]),
        ("Unable to determine the device handle for GPU 00000000:04:00.0: Not Found", ["card 1", "card 3", "lost"]),
        ("Unable to determine the device handle for GPU0: Unknown Error", ["lost", "card 1", "card 3"]),
        ("Unable to determine the device handle for GPU2: Unknown Error", ["card 1", "card 3", "lost"]),
        ("Unable to determine the device handle for something else", ["card 1", "card 3", "lost"]),
        ("GPU 0000:02:00.0 works", ["card 1", "card 3"]),
    ],
)
def test_lost_cards_keep_their_place(line: str, expected: list[str]):
    cards = document(card(1), card(3))
    for output in (
        Output(cards, line, 0),
        Output(f"{line}\n{cards}", "", 15),
        Output(cards, f"x\n{line}\n{line}", 0),
    ):
        assert names(smi_answers(output)) == expected


def test_a_card_that_is_only_counted_is_there():
    text = DOCUMENTS[0].replace("<attached_gpus>1<", "<attached_gpus>2<")
    assert "<attached_gpus>2<" in text
    assert smi_answers(Output(text=text, code=0)).values["nvmlDeviceGetCount"] == 2


def test_a_lost_card_alone_is_there():
    text = "Unable to determine the device handle for GPU0: 0000:C1:00.0: Unknown Error\nNo devices were found\n"
    assert names(smi_answers(Output(text=text, code=6))) == ["lost"]


# Slices


def split(*uuids: str, listed: str) -> list[dict[str, Any]]:
    part = "<mig_device><index>0</index></mig_device>"
    cards = [f"<gpu><uuid>{uuid}</uuid><mig_devices>{part * 2}</mig_devices></gpu>" for uuid in uuids]
    found = slices_named(smi_answers(Output(text=document(*cards), code=0)), Output(text=listed))
    return [dict(row.values) for each in found.parts("devices") for row in each.parts("mig")]


def test_slices_get_their_names_by_the_uuid_of_their_card():
    listed = (
        "GPU 0: A (UUID: GPU-b)\n"
        "  MIG 1g.5gb      Device  0: (UUID: MIG-1)\n"
        "  MIG 2g.10gb     Device  1: (UUID: MIG-2)\n"
        "GPU 1: A (UUID: GPU-a)\n"
        "  MIG 1c.3g.20gb  Device  0: (UUID: MIG-3)\n"
        "  MIG 1g.10gb+me  Device  1: (UUID: MIG-4)\n"
    )
    found = split("GPU-a", "GPU-b", listed=listed)
    assert [row["nvmlDeviceGetUUID"] for row in found] == ["MIG-3", "MIG-4", "MIG-1", "MIG-2"]
    assert [row["nvmlDeviceGetName"].split()[-1] for row in found] == [
        "1c.3g.20gb",
        "1g.10gb+me",
        "1g.5gb",
        "2g.10gb",
    ]


@pytest.mark.parametrize("listed", ["", "GPU 0: A (UUID: GPU-a)\n  MIG 1g.5gb Device 0: (UUID: MIG-1)\n", "nonsense"])
def test_slices_that_do_not_match_stay_nameless(listed: str):
    assert all("nvmlDeviceGetUUID" not in row for row in split("GPU-a", listed=listed))


# Anything


@given(
    st.sampled_from(DOCUMENTS), st.integers(0, 6000), st.integers(0, 200), st.text(max_size=40), st.integers(-1, 300)
)
@settings(max_examples=200, deadline=None)
def test_garbled_documents_are_read_or_refused(text: str, start: int, length: int, new: str, code: int):
    garbled = text[:start] + new + text[start + length :]
    for output in (Output(garbled, new, code), Output(new, garbled, code)):
        found = smi_answers(output)
        assert "nvmlInit" in found.values or isinstance(found.values["devices"], list)


@given(st.text(), st.text(), st.integers())
@settings(max_examples=200, deadline=None)
def test_any_words_are_read_or_refused(text: str, errors: str, code: int):
    assert smi_answers(Output(text, errors, code)).values


def test_of_megabytes_of_cards_no_more_are_read_than_there_can_be():
    flood = document(*(card(1) for _ in range(40_000)))
    found = smi_answers(Output(flood, "Unable to determine the device handle for GPU0: x\n" * 40_000, 0))
    assert len(found.parts("devices")) <= 257
