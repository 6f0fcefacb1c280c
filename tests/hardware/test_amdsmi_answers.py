"""The program that asks AMD's library, with a module that stands in for it."""

from __future__ import annotations

import json
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any

import pytest

from deployadvisor.hardware.amd_said import rows, said_ecc, said_memory, said_power_cap
from deployadvisor.hardware.answers import library_answers
from deployadvisor.hardware.collect.amdsmi_answers import Questions, plain
from deployadvisor.hardware.collected import collect, read_answers
from deployadvisor.hardware.local import LocalSystem
from deployadvisor.hardware.machine import Unknown, value_of
from deployadvisor.hardware.system import Output


class LibraryError(Exception):
    """As ``AmdSmiLibraryException``."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.err_code = code


class Memory(IntEnum):
    VRAM = 0
    VIS_VRAM = 1
    GTT = 2


class Standin:
    """Two MI300X; the second forbids one question."""

    AmdSmiMemoryType = Memory

    def __init__(self, broken: str | None = None) -> None:
        self.broken = broken

    def __getattr__(self, name: str) -> Any:
        answers = {
            "amdsmi_init": lambda: None,
            "amdsmi_shut_down": lambda: None,
            "amdsmi_get_processor_handles": lambda: ["first", "second"],
            "amdsmi_get_gpu_device_bdf": lambda handle: "0000:0c:00.0" if handle == "first" else "0000:22:00.0",
            "amdsmi_get_gpu_asic_info": lambda _: {"market_name": "AMD Instinct MI300X", "oam_id": "N/A"},
            "amdsmi_get_gpu_memory_total": lambda _, kind: 206141652992 if kind == Memory.VRAM else 1 << 40,
            "amdsmi_get_gpu_memory_usage": lambda _, __: 296747008,
            "amdsmi_get_gpu_ecc_enabled": lambda _: 1,
            "amdsmi_get_power_cap_info": self.power,
        }
        if name == self.broken:
            raise ZeroDivisionError("a bug")
        if name not in answers:
            raise AttributeError(name)
        return answers[name]

    def power(self, handle: str) -> dict[str, Any]:
        if handle == "second":
            raise LibraryError(10, "Error code:\n\t10 | AMDSMI_STATUS_NO_PERM - Permission Denied")
        return {"power_cap": 750000000}


def asked(library: Any) -> list[list[Any]]:
    lines: list[list[Any]] = []
    Questions(library, lines.append).everything()
    return lines


def answers(library: Any) -> Any:
    text = "\n".join(json.dumps(line) for line in asked(library))
    return library_answers("amdsmi", read_answers(Output(text, code=0)))


def test_answers_arrive_under_the_names_that_the_reader_knows():
    first, second = rows(answers(Standin()))
    total, used = said_memory(first, "vram")
    assert (value_of(total), value_of(used)) == (pytest.approx(191.984, abs=1e-3), pytest.approx(0.276, abs=1e-3))
    assert value_of(said_memory(second, "gtt")[0]) == 1024.0
    assert (value_of(said_ecc(first)), value_of(said_power_cap(first))) == (True, 750.0)


def test_one_refusal_costs_one_answer_and_keeps_its_words():
    _, second = rows(answers(Standin()))
    refused = said_power_cap(second)
    assert isinstance(refused, Unknown)
    assert "AMDSMI_STATUS_NO_PERM - Permission Denied" in refused.unknown
    assert refused.remedy == "run the probe as a user who may read this device"
    assert value_of(said_ecc(second)) is True


def test_a_library_that_does_not_start_is_asked_nothing_more():
    assert [line[1] for line in asked(Standin("amdsmi_init"))] == ["amdsmi_init", "amdsmi_init"]


def test_questions_that_an_older_library_lacks_are_refused():
    (line,) = [line for line in asked(Standin()) if line[1] == "amdsmi_get_gpu_kfd_info" and len(line) == 3][:1]
    assert line[2] == {"error": 13, "words": "Function Not Found"}


def test_the_reader_knows_where_a_hanging_library_stopped():
    lines = asked(Standin())
    place = next(place for place, line in enumerate(lines) if line == [["devices", 1], "amdsmi_get_gpu_asic_info"])
    text = "\n".join(json.dumps(line) for line in lines[: place + 1])
    library = read_answers(Output(text, silence="it did not answer within 2 s"))
    assert library.stopped == "amdsmi_get_gpu_asic_info of devices 1: it did not answer within 2 s"
    assert len(library.answers["devices"]) == 2


class Kind(Enum):
    HBM = 3


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Kind.HBM, "HBM"),
        (Memory.GTT, "GTT"),
        (b"a\xff", "a\ufffd"),
        ({1: (None, 1.5)}, {"1": [None, 1.5]}),
        (object(), None),
        (True, True),
    ],
)
def test_answers_become_what_json_can_say(answer: Any, expected: Any):
    assert plain(answer) == expected


MODULE = """
class AmdSmiMemoryType:
    VRAM, GTT = 0, 2

def amdsmi_init(): pass
def amdsmi_get_processor_handles(): return [1]
def amdsmi_get_gpu_device_bdf(handle): return "0000:03:00.0"
def amdsmi_get_gpu_memory_total(handle, kind): return 17163091968 if kind == 0 else 33668050944
"""


def test_the_program_runs_in_a_process_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "amdsmi.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    library = collect("amdsmi", LocalSystem(), timeout_s=20)
    assert library.stopped is None
    (card,) = library.answers["devices"]
    assert card["amdsmi_get_gpu_device_bdf"] == "0000:03:00.0"
    assert card["amdsmi_get_gpu_memory_total(GTT)"] == 33668050944
    assert card["amdsmi_get_gpu_process_list"] == {"error": 13, "words": "Function Not Found"}
