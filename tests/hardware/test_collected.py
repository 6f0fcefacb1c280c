"""The library in its own process: what it writes down is read back, and an end in the middle loses only the rest."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.hardware import collected
from deployadvisor.hardware.collect.nvml_answers import Questions, plain, refusal
from deployadvisor.hardware.collected import collect, read_answers
from deployadvisor.hardware.local import LocalSystem
from deployadvisor.hardware.probe import probe
from deployadvisor.hardware.recording import RecordedSystem
from deployadvisor.hardware.system import Output

from .fake_nvml import FakeNvml
from .replay import changed, machine_names, recording

WITH_CARDS = [name for name in machine_names() if recording(name).nvml.get("devices")]
PLAIN = [name for name in WITH_CARDS if not {"hangs", "stopped"} & set(recording(name).nvml)]


def lines(name: str) -> list[str]:
    written: list[str] = []
    Questions(FakeNvml(recording(name).nvml), lambda line: written.append(json.dumps(line))).everything()
    return written


def printed(text: str, code: int | None = 0, silence: str | None = None, errors: str = "") -> Output:
    return Output(text, errors, code, silence)


@pytest.mark.parametrize("name", PLAIN)
def test_a_library_that_answers_as_recorded_gives_the_recorded_machine(name: str):
    library = read_answers(printed("\n".join(lines(name))))
    assert library.stopped is None
    read = probe(RecordedSystem(changed(name, nvml=library.answers)))
    recorded = probe(RecordedSystem(recording(name)))
    without = {"display_attached": None}  # the fake library is too old for it
    assert [card.model_copy(update=without) for card in read.accelerators] == [
        card.model_copy(update=without) for card in recorded.accelerators
    ]
    assert read.problems == recorded.problems


def test_every_question_is_announced_before_it_is_asked():
    written = [json.loads(line) for line in lines("h200-x2")]
    for asked, answered in itertools.pairwise(written):
        if len(answered) == 3:
            assert asked == answered[:2]


@given(st.data())
@settings(deadline=None)
def test_an_end_in_the_middle_keeps_what_was_answered(data: st.DataObject):
    text = "\n".join(lines("h200-x2"))
    cut = data.draw(st.integers(0, len(text)))
    library = read_answers(printed(text[:cut], None, "it did not answer within 3 s"))
    assert library.stopped is not None
    assert "it did not answer within 3 s" in library.stopped
    machine = probe(RecordedSystem(changed("h200-x2", nvml={**library.answers, "stopped": library.stopped})))
    assert machine.problems
    assert not [problem for problem in machine.problems if "the reader failed" in problem.reason]


def test_the_question_without_an_answer_is_named():
    text = '[[], "nvmlInit"]\n[["devices", 1], "nvmlDeviceGetName"]\n'
    assert read_answers(printed(text, -11)).stopped == (
        "nvmlDeviceGetName of devices 1: its process ended with status -11"
    )


def test_a_crash_says_its_last_words():
    stopped = read_answers(printed("", 1, errors="Traceback\nImportError: no module\n")).stopped
    assert stopped == "the library: its process ended with status 1 (ImportError: no module)"


@given(
    st.text()
    | st.lists(st.sampled_from(["[[]]", '[[], "a", 1]', "[1,2,3]", "{}", "[" * 2000, '[["x",-1],"f",0]'])).map(
        "\n".join
    )
)
def test_any_output_is_read(text: str):
    assert isinstance(read_answers(printed(text)).answers, dict)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(collected, "_module_folder", lambda _name: None)
    assert collect("nvml", LocalSystem(), timeout_s=1).stopped == "the Python package nvidia-ml-py is not installed"


def test_the_installed_library_is_asked_in_a_process_of_its_own():
    library = LocalSystem().library("nvml", timeout_s=20)
    assert library.stopped is None
    assert "nvmlInit" in library.answers or "devices" in library.answers or "nvmlDeviceGetCount" in library.answers


class Structure:
    _fields_ = (("total", None), ("name", None))
    total = 5
    name = b"card"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(b"T4", "T4"), ((9, 0), [9, 0]), (Structure(), {"total": 5, "name": "card"}), (None, None), ([b"a"], ["a"])],
)
def test_answers_become_plain(answer: Any, expected: Any):
    assert plain(answer) == expected


def test_what_pynvml_trips_over_is_a_refusal():
    assert refusal(AttributeError("no such function")) == {"error": 13, "words": "Function Not Found"}
    assert refusal(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"))["error"] is None
