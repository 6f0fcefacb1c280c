"""Saved machines: round trip, refusal to overwrite, and errors that name the line."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployadvisor.errors import DocumentError, HardwareError
from deployadvisor.hardware.machine import NOT_READ, Accelerator, value_of
from deployadvisor.hardware.saved import is_path, read_machine, save_machine

from .replay import machine_names, replay

MACHINE = replay("h200-x1")
TOTAL = f"value: {value_of(MACHINE.accelerators[0].memory_total_gib)}"


def saved(tmp_path: Path, old: str = "", new: str = "") -> str:
    path = tmp_path / "machine.yaml"
    save_machine(MACHINE, path, force=True)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1) if old else text)
    return str(path)


@pytest.mark.parametrize("name", machine_names())
@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_round_trip(name: str, suffix: str, tmp_path: Path):
    machine = replay(name)
    path = tmp_path / f"machine{suffix}"
    save_machine(machine, path)
    assert read_machine(str(path)) == machine.model_copy(update={"description": str(path)})


def test_file_says_its_schema(tmp_path: Path):
    content = yaml.safe_load(Path(saved(tmp_path)).read_text())
    assert content["schema"] == "deployadvisor/machine@1"
    assert set(content) == {"schema", "description", "nodes", "accelerators", "host", "problems"}


def test_existing_file_is_kept_without_force(tmp_path: Path):
    path = tmp_path / "machine.yaml"
    path.write_text("mine")
    with pytest.raises(HardwareError, match="exists"):
        save_machine(MACHINE, path)
    assert path.read_text() == "mine"
    save_machine(MACHINE, path, force=True)
    assert read_machine(str(path)).accelerators == MACHINE.accelerators


@pytest.mark.parametrize("name", ["machine.txt", "machine", "missing/machine.yaml"])
def test_a_path_that_cannot_be_written(name: str, tmp_path: Path):
    with pytest.raises(HardwareError, match=r"must end in|cannot write"):
        save_machine(MACHINE, tmp_path / name)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("deployadvisor/machine@1", "deployadvisor/machine@9", '"schema" must be'),
        ("vendor: nvidia", "vendor: voodoo", "accelerators.0.vendor"),
        ("vendor: nvidia", "vender: nvidia", 'did you mean "vendor"'),
        (TOTAL, "value: many", 'accelerators.0.memory_total_gib: "many" is no number; write it in GiB'),
        (TOTAL, "value: 80 GB", '"80 GB" is no number; write it in GiB (2**30 bytes), without the unit'),
        (TOTAL, "value: 0", "accelerators.0.memory_total_gib: 0 is no amount"),
        (TOTAL, "value: -1.5", "accelerators.0.memory_total_gib: -1.5 is no amount"),
        (TOTAL, "value: nan", "accelerators.0.memory_total_gib: nan is no amount"),
        ("value: linux", "value: beos", "host.os: write {value, source}"),
        ("cores:", "coers:", 'did you mean "cores"'),
    ],
)
def test_a_wrong_file_names_the_line(old: str, new: str, expected: str, tmp_path: Path):
    path = saved(tmp_path, old, new)
    line = next(number for number, text in enumerate(Path(path).read_text().splitlines(), 1) if new in text)
    with pytest.raises(HardwareError) as caught:
        read_machine(path)
    assert expected in str(caught.value)
    assert caught.value.where is not None
    assert caught.value.where.source == path
    assert abs((caught.value.where.line or 0) - line) <= 1


Edit = Callable[[dict[str, Any]], Any]


def card(content: dict[str, Any]) -> dict[str, Any]:
    return content["accelerators"][0]


def known(value: Any) -> dict[str, Any]:
    return {"value": value, "source": "a test"}


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda c: card(c).update(memory_total_gib=80), "memory_total_gib: write {value: 80, source: where it was"),
        (lambda c: card(c).update(memory_total_gib={"value": 80}), "memory_total_gib: the source is missing"),
        (lambda c: card(c).update(memory_total=known(80)), 'no such field; did you mean "memory_total_gib"'),
        (lambda c: card(c).update(power_cap_w=known("700 W")), '"700 W" is no number; write it in watts'),
        (lambda c: card(c).update(memory_free_gib=known(500)), "500 GiB is more than the total of 140.401 GiB"),
        (lambda c: card(c).update(memory_total_gib=known(143771)), "as MiB it would be 140.401 GiB"),
        (lambda c: card(c).update(memory_total_gib={"unknown": ""}), "memory_total_gib: write {value, source}"),
        (lambda c: card(c).update(driver_version=known("abc")), '"abc" is no version; write it like "580.159.04"'),
        (lambda c: card(c).update(compute_capability=known("nine")), '"nine" is no version; write it like "9.0"'),
        (lambda c: card(c).update(id="h2000"), 'did you mean "h200"'),
        (lambda c: card(c).update(id="mi300x"), '"mi300x" is made by amd, not by nvidia'),
        (lambda c: card(c).update(name="\x1b[31mred"), "name: has a character that cannot be printed"),
        (
            lambda c: card(c).update(links=known([{"to": 9, "kind": "nvlink"}])),
            "no other nvidia accelerator with",
        ),
        (lambda c: card(c).update(used_by=known([{"who": "x", "memory_gib": known(-1)}])), "-1 is no amount"),
        (lambda c: card(c).update(numa_node=known(-1)), "accelerators.0.numa_node: -1 is no amount"),
        (lambda c: card(c).update(index=-1), "accelerators.0.index: index -1 is none; number them from 0"),
        (lambda c: c["accelerators"].append(deepcopy(card(c))), "index 0 of nvidia stands here twice"),
        (lambda c: c.update(accelerators=None), "accelerators: write a list, [] for none"),
        (lambda c: c.pop("host"), "host: the field is missing"),
        (lambda c: c["host"].update(memory_available_gib=known(4000)), "4000 GiB is more than the total"),
        (lambda c: c["host"].update(cores=known(0)), "host.cores: 0 is no amount"),
    ],
)
def test_what_cannot_be_is_refused(edit: Edit, expected: str, tmp_path: Path):
    content = yaml.safe_load(Path(saved(tmp_path)).read_text())
    edit(content)
    path = tmp_path / "edited.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(HardwareError) as caught:
        read_machine(str(path))
    assert expected in str(caught.value)
    assert caught.value.where is not None


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path):
    """Fields that were added since are not required."""
    content = yaml.safe_load(Path(saved(tmp_path)).read_text())
    card_before = content["accelerators"][0]
    required = {name for name, field in Accelerator.model_fields.items() if field.is_required()}
    content["accelerators"] = [{name: value for name, value in card_before.items() if name in required}]
    path = tmp_path / "earlier.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    assert read_machine(str(path)).accelerators[0].ecc == NOT_READ


@pytest.mark.parametrize("text", ["", "[]", "8x H200", "schema: 1"])
def test_another_yaml_file_is_no_machine(text: str, tmp_path: Path):
    path = tmp_path / "other.yaml"
    path.write_text(text)
    with pytest.raises(HardwareError, match="no saved machine"):
        read_machine(str(path))


def test_broken_yaml_is_a_document_error(tmp_path: Path):
    path = tmp_path / "broken.yaml"
    path.write_text("a: [")
    with pytest.raises(DocumentError, match="not valid YAML"):
        read_machine(str(path))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("machine.yaml", True),
        ("a/b.JSON", True),
        ("./box", True),
        ("~/box", True),
        ("/box", True),
        ("8x H200", False),
        ("none", False),
        ("4090/3090", False),
    ],
)
def test_what_looks_like_a_path(value: str, expected: bool):
    assert is_path(value) is expected
