"""A recording holds nothing that identifies a computer or its user, and still gives the same machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.documents import read
from deployadvisor.errors import HardwareError
from deployadvisor.hardware.local import LocalSystem
from deployadvisor.hardware.machine import Known, Machine
from deployadvisor.hardware.probe import probe
from deployadvisor.hardware.recorder import record, write_recording
from deployadvisor.hardware.recording import RecordedSystem, Recording, read_recording
from deployadvisor.hardware.scrub import scrubbed

from .replay import changed, machine_names, recording

UUID = "9a3f01c7-5b2e-4f6d-8a10-77e0d2c4b6a8"
OTHER = "9a3f01c8-0000-4f6d-8a10-77e0d2c4b6a8"
CONTAINER = "3f1a" * 16


def a_recording(**parts: Any) -> Recording:
    system = {"platform": ["Linux", "x86_64"], "home": "/home/ada"}
    return Recording.model_validate({"about": "a test", "basis": "made up", "system": system, **parts})


def text_of(recorded: Recording) -> str:
    return json.dumps(recorded.model_dump(mode="json", exclude={"about", "basis"}))


@pytest.mark.parametrize(
    ("parts", "secret"),
    [
        ({"nvml": {"devices": [{"nvmlDeviceGetUUID": f"GPU-{UUID}"}]}}, UUID),
        ({"nvml": {"devices": [{"nvmlDeviceGetSerial": "1650924051378"}]}}, "1650924051378"),
        ({"env": {"CUDA_VISIBLE_DEVICES": f"GPU-{UUID}"}}, UUID),
        ({"files": {"/proc/self/cgroup": f"0::/docker/{CONTAINER}\n"}}, CONTAINER),
        ({"files": {f"/sys/fs/cgroup/docker/{CONTAINER}/memory.max": "max"}}, CONTAINER),
        ({"files": {"/proc/4711/comm": "secret-project\n"}}, "secret-project"),
        ({"files": {"/x": "ether 3c:ec:ef:12:34:56"}}, "3c:ec:ef:12:34:56"),
        ({"files": {"/home/ada/.cache/x": "in /home/ada/models"}}, "ada"),
        ({"files": {"/p/properties": "unique_id 1234567890123456789\nx 1\n"}}, "1234567890123456789"),
        ({"commands": {"a": {"out": '"Serial Number": "692251001124"'}}}, "692251001124"),
        ({"commands": {"a": {"out": "Serial Number : PCB-88F2"}}}, "PCB-88F2"),
        ({"commands": {"a": {"out": "<serial>1650924051378</serial>"}}}, "1650924051378"),
        ({"commands": {"a": {"out": "| 0       0 | 124528        | secret.py   | 17400     |\n"}}}, "secret"),
        ({"commands": {"a": {"out": "<process_name>/opt/secret/run</process_name>"}}}, "secret"),
        ({"commands": {"a": {"err": f"failed for GPU-{UUID}"}}}, UUID),
        ({"commands": {"a": {"out": '{"asic_serial": "0x1234567890ABCDEF"}'}}}, "1234567890ABCDEF"),
    ],
)
def test_an_identity_is_taken_out(parts: dict[str, Any], secret: str):
    recorded = a_recording(**parts)
    assert secret in text_of(recorded)
    assert secret not in text_of(scrubbed(recorded))


@pytest.mark.parametrize(
    "text",
    [
        "flags : avx2 serialize amx_tile\nbugs : spectre_v2\n",
        "MemTotal:       131981020 kB\n",
        '"vram": {"type": "HBM", "size": {"value": 196592, "unit": "MB"}}',
        "size_in_bytes 206141652992\n",
        "0000:65:00.0",
        "0x0000006000000000 0x00000063ffffffff 0x000000000014220c\n",
        "gfx_target_version 90402\n",
        "HardwareInformation.qwMemorySize REG_QWORD 0x600000000\n",
    ],
)
def test_what_the_probe_reads_is_kept(text: str):
    recorded = a_recording(files={"/x": text})
    assert scrubbed(recorded).files == recorded.files


def test_a_variable_still_names_its_card():
    devices = [{"nvmlDeviceGetUUID": f"GPU-{uuid}"} for uuid in (OTHER, UUID)]
    kept = scrubbed(a_recording(nvml={"devices": devices}, env={"CUDA_VISIBLE_DEVICES": "GPU-9a3f01c7"}))
    assert kept.env["CUDA_VISIBLE_DEVICES"] == kept.nvml["devices"][1]["nvmlDeviceGetUUID"]


def test_a_variable_still_names_its_amd_card():
    files = {f"/n/{node}/properties": f"unique_id {number}\n" for node, number in ((1, 0x1AC7), (2, 0x9F00D5))}
    kept = scrubbed(a_recording(files=files, env={"ROCR_VISIBLE_DEVICES": f"GPU-{0x9F00D5:016x}"}))
    assert kept.files["/n/2/properties"] == "unique_id 2\n"
    assert kept.env["ROCR_VISIBLE_DEVICES"] == f"GPU-{2:016x}"


def test_other_variables_are_left_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("HF_HOME", "/data/ada")
    _, recorded = record(LocalSystem(), "a test")
    assert recorded.env.get("HF_HOME") == "/cache"
    assert "HF_TOKEN" not in recorded.env
    assert "hf_secret" not in text_of(recorded)
    assert "/data/ada" not in text_of(recorded)


def same(machine: Machine) -> Machine:
    """Without process names, which a recording replaces."""
    cards = [
        card.model_copy(update={"used_by": len(card.used_by.value) if isinstance(card.used_by, Known) else None})
        for card in machine.accelerators
    ]
    return machine.model_copy(update={"accelerators": tuple(cards)})


@pytest.mark.parametrize("name", machine_names())
def test_a_recording_of_a_recording_is_the_same_machine(name: str, tmp_path: Path):
    machine, recorded = record(RecordedSystem(recording(name)), "again")
    path = tmp_path / "recording.yaml"
    write_recording(recorded, path)
    assert same(probe(RecordedSystem(read_recording(path)))) == same(machine)


def test_this_computer_can_be_recorded_and_replayed():
    machine, recorded = record(LocalSystem(), "here")
    replayed = probe(RecordedSystem(recorded))
    assert replayed.accelerators == machine.accelerators
    assert replayed.problems == machine.problems
    assert replayed.host.cores == machine.host.cores
    assert replayed.host.cpu_model == machine.host.cpu_model


def test_an_existing_file_is_kept(tmp_path: Path):
    path = tmp_path / "recording.yaml"
    path.write_text("mine")
    with pytest.raises(HardwareError, match="exists"):
        write_recording(recording("h200-x1"), path)
    assert path.read_text() == "mine"
    write_recording(recording("h200-x1"), path, force=True)
    assert read(path).value["about"] == recording("h200-x1").about


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=60), max_size=3), st.text(max_size=60))
@settings(deadline=None)
def test_any_texts_are_scrubbed(files: dict[str, str], out: str):
    kept = scrubbed(a_recording(files=files, commands={"a": {"out": out}}))
    assert scrubbed(kept) == kept


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("about: x", "basis: Field required"),
        ("about: x\nbasis: y\nsystem: {platform: [Linux, x86_64]}\nfiels: {}", "fiels: Extra inputs"),
        ("about: x\nbasis: y\nsystem: {platform: Linux}", "system.platform"),
        ("about: x\nbasis: y\nsystem: {platform: [Linux, x86_64]}\ncommands: {a: {code: many}}", "commands.a.code"),
    ],
)
def test_a_broken_recording_names_its_place(text: str, expected: str, tmp_path: Path):
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(HardwareError, match=expected) as error:
        read_recording(path)
    assert error.value.where is not None


def test_all_machines_say_where_they_come_from():
    for name in machine_names():
        recorded = changed(name)
        assert recorded.about.strip(), name
        assert recorded.basis.startswith(("recorded", "modelled on", "raw answers of", "made up")), name
