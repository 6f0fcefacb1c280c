"""Intel GPUs and Gaudi: one test a recorded machine, and laws of what the programs print and the variables select."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.hardware.gaudi import COMMAND as HL_SMI_WORDS
from deployadvisor.hardware.gaudi import read_rows
from deployadvisor.hardware.host import read_host
from deployadvisor.hardware.intel import read_intel
from deployadvisor.hardware.intel_smi import LIST, read_discovery
from deployadvisor.hardware.intel_visible import MASK, SELECTOR, choose
from deployadvisor.hardware.machine import Accelerator, Known, Machine, Unknown, value_of
from deployadvisor.hardware.probe import READERS_S, probe
from deployadvisor.hardware.reading import patience
from deployadvisor.hardware.recording import RecordedSystem, Recording
from deployadvisor.hardware.saved_checks import mistakes
from deployadvisor.hardware.system import Output

from .replay import changed, machine_names, probed, recording, replay
from .test_nvidia import check_laws

XPU_SMI = " ".join(LIST)
HL_SMI = " ".join(HL_SMI_WORDS)
GPUS = [name for name in machine_names() if name.startswith(("arc", "flex", "max-1"))]
GAUDIS = [name for name in machine_names() if name.startswith("gaudi")]
LISTED = [
    name for name in GPUS if XPU_SMI in recording(name).commands and "{" in recording(name).commands[XPU_SMI].out
]
MIB = 2**20


def asked(name: str, command: str, **answer: object) -> Machine:
    """A recorded machine whose program answers otherwise."""
    return probe(RecordedSystem(changed(name, commands={command: answer})))


def check(machine: Machine) -> None:
    """The laws of every reader, and a file that can be read again."""
    check_laws(machine)
    assert [mistake.message for mistake in mistakes(machine)] == []


def only(machine: Machine) -> Accelerator:
    (card,) = machine.accelerators
    return card


def total_mib(card: Accelerator) -> float:
    return round((value_of(card.memory_total_gib) or 0) * 1024, 3)


def free_mib(card: Accelerator) -> float:
    return round((value_of(card.memory_free_gib) or 0) * 1024, 3)


def said(machine: Machine, what: str) -> list[str]:
    return [problem.reason for problem in machine.problems if what in problem.what]


# GPUs that xpu-smi tells of


def test_arc_a770():
    machine = replay("arc-a770")
    card = only(machine)
    assert (card.vendor, card.kind, card.id, card.index, card.visible) == ("intel", "gpu", "arc-a770", 0, True)
    assert card.name == "Intel(R) Arc(TM) A770 Graphics"
    assert (total_mib(card), free_mib(card)) == (16288, 12646)
    assert value_of(card.driver_version) == "6.8.0", "xpu-smi shows a checksum"
    assert "i915" in getattr(card.driver_version, "source", "")
    assert value_of(card.runtime_version) == "1.6.33578"
    assert "Level Zero" in getattr(card.runtime_version, "source", "")
    assert (value_of(card.pcie_generation), value_of(card.pcie_width), value_of(card.ecc)) == (4, 16, False)
    assert (value_of(card.numa_node), value_of(card.display_attached), value_of(card.pci_id)) == (
        0,
        True,
        "8086:56a0",
    )
    assert [problem for problem in machine.problems if "NVIDIA" not in problem.what] == []


def test_a_processors_own_graphics_are_not_counted_and_free_memory_needs_privileges():
    machine = replay("arc-b580-and-built-in")
    card = only(machine)
    assert (card.id, card.index, card.name) == ("arc-b580", 0, "Intel Arc B580"), "xpu-smi prints no name"
    assert value_of(card.memory_total_gib) == 12809404416 / 2**30
    assert isinstance(card.memory_free_gib, Unknown)
    assert "only to privileged users" in card.memory_free_gib.unknown
    assert "CAP_PERFMON" in (card.memory_free_gib.remedy or "")
    assert "only to privileged users" in said(machine, "free memory of Intel Arc B580")[0]
    (note,) = said(machine, "Graphics of Alder Lake")
    assert "works in the host's memory" in note


def test_a_laptop_with_nothing_but_built_in_graphics():
    machine = replay("intel-built-in-only")
    assert machine.accelerators == ()
    assert len(said(machine, "Graphics of Raptor Lake")) == 1
    assert said(machine, "Intel GPUs") == []


def test_error_correction_takes_an_eighth_of_the_memory_and_not_the_identity():
    machine = replay("arc-b60-x2")
    assert [card.id for card in machine.accelerators] == ["arc-b60"] * 2
    assert [total_mib(card) for card in machine.accelerators] == [24480, 21414]
    assert [value_of(card.ecc) for card in machine.accelerators] == [False, True]
    assert round(free_mib(machine.accelerators[0])) == 24269
    assert [card.index for card in machine.accelerators] == [0, 1]


def test_each_card_is_asked_for_where_the_list_is_brief():
    machine = replay("max-1100-x2")
    assert [card.id for card in machine.accelerators] == ["max-1100"] * 2
    assert [value_of(card.memory_total_gib) for card in machine.accelerators] == [51522830336 / 2**30] * 2
    assert [value_of(card.memory_free_gib) for card in machine.accelerators] == [51493543936 / 2**30, 12.0]
    assert value_of(machine.accelerators[0].driver_version) == "23.10.72_PSB_231129.76"
    assert [value_of(card.pci_id) for card in machine.accelerators] == ["8086:0bda"] * 2


def test_the_tiles_of_a_card_are_devices_unless_the_cards_are_wanted_whole():
    flat = replay("max-1550")
    assert [(card.index, card.card, total_mib(card)) for card in flat.accelerators] == [(0, 0, 62244), (1, 0, 62244)]
    assert "one of 2 tiles" in getattr(flat.accelerators[0].memory_total_gib, "source", "")
    whole = only(replay("max-1550", ZE_FLAT_DEVICE_HIERARCHY="COMPOSITE"))
    assert (whole.card, total_mib(whole)) == (None, 2 * 62244)


# GPUs that xpu-smi does not tell of


def test_a_product_is_known_by_its_pci_id_and_its_memory_is_said_not_to_be_measured():
    card = only(replay("arc-a770-without-xpu-smi"))
    assert card.id == "arc-a770"
    assert isinstance(card.memory_total_gib, Known)
    assert card.memory_total_gib.value == pytest.approx(16e9 / 2**30)
    assert card.memory_total_gib.source.startswith("not measured: catalogue, arc-a770, by PCI id 8086:56a0")
    assert isinstance(card.memory_free_gib, Unknown)
    assert "xpu-smi" in (card.memory_free_gib.remedy or "")


def test_a_memory_window_that_is_smaller_speaks_against_the_catalogue():
    card = only(replay("arc-a770-small-window"))
    assert (value_of(card.memory_total_gib) or 8) <= 8


def test_intels_own_driver_shows_the_memory():
    card = only(replay("flex-170-own-driver"))
    file = "/sys/bus/pci/devices/0000:03:00.0/drm/card1/lmem_total_bytes"
    assert card.memory_total_gib == Known[float](value=15193866240 / 2**30, source=file)
    assert value_of(card.memory_free_gib) == 15122579456 / 2**30
    assert card.id == "flex-170"


def test_early_xe_shows_the_memory_of_each_tile():
    folder = "/sys/bus/pci/devices/0000:03:00.0"
    files = {f"{folder}/tile{tile}/physical_vram_size_bytes": f"{6 << 30}\n" for tile in (0, 1)}
    card = only(probe(RecordedSystem(changed("arc-xpu-smi-hangs", files=files))))
    assert card.memory_total_gib == Known[float](value=12, source=f"{folder}/tile*/physical_vram_size_bytes")


@pytest.mark.parametrize(
    ("name", "reason", "remedy"),
    [
        ("arc-level-zero-fails", "Failed to initialize Level Zero. Error code: 0x78000001", "try xpu-smi"),
        ("arc-xpu-smi-hangs", "it did not answer within 3 s", "try xpu-smi"),
        ("arc-denied", "this user may not open /dev/dri/renderD128", "group render"),
        ("arc-denied", "No device discovered", "try xpu-smi"),
        ("arc-a770-without-xpu-smi", "not installed here", "install xpu-smi"),
    ],
)
def test_a_failing_program_says_why_and_hides_no_card(name: str, reason: str, remedy: str):
    machine = replay(name)
    card = only(machine)
    assert isinstance(card.memory_total_gib, Known)
    assert isinstance(card.memory_free_gib, Unknown)
    (problem,) = [problem for problem in machine.problems if reason in problem.reason]
    assert problem.what == "Intel GPUs"
    assert remedy in (problem.remedy or "")


def test_a_container_without_the_card():
    machine = replay("arc-none-given")
    assert machine.accelerators == ()
    assert said(machine, "Intel GPUs") == ["1 on the bus of the computer, none of them given to this container"]


def test_a_card_without_a_driver_is_there_and_cannot_be_used():
    machine = replay("arc-without-driver")
    assert only(machine).visible is False
    assert said(machine, "Intel Arc B580") == ["no kernel driver holds it"]
    link = "/sys/bus/pci/devices/0000:03:00.0/driver"
    given_away = probe(RecordedSystem(changed("arc-without-driver", links={link: "vfio-pci"})))
    assert said(given_away, "Intel Arc B580") == ["the driver vfio-pci keeps it for virtual machines"]


def test_a_virtual_function_is_no_second_card():
    assert only(replay("arc-b60-with-virtual-function")).id == "arc-b60"


def test_a_card_that_nobody_knows_has_no_memory_and_a_number():
    folder = "/sys/bus/pci/devices/0000:03:00.0"
    files = {f"{folder}/class": "0x030000", f"{folder}/vendor": "0x8086", f"{folder}/device": "0xffff"}
    machine = probed({"system": {"platform": ["Linux", "x86_64"]}, "files": files})
    card = only(machine)
    assert (card.id, card.name) == (None, "Intel GPU 8086:ffff")
    assert isinstance(card.memory_total_gib, Unknown)
    check(machine)


@pytest.mark.parametrize(
    ("device", "window_bytes", "counted"),
    [("0xffff", 256 * MIB, False), ("0xffff", 8192 * MIB, True), ("0x56a0", 256 * MIB, True)],
)
def test_what_stands_in_the_processors_place(device: str, window_bytes: int, counted: bool):
    folder = "/sys/bus/pci/devices/0000:00:02.0"
    resource = f"0x0 0x0 0x0\n0x0 0x0 0x0\n0x{2**40:x} 0x{2**40 + window_bytes - 1:x} 0x14220c\n"
    files = {f"{folder}/class": "0x030000", f"{folder}/vendor": "0x8086", f"{folder}/device": device}
    machine = probed({"system": {"platform": ["Linux", ""]}, "files": {**files, f"{folder}/resource": resource}})
    assert len(machine.accelerators) == counted


@pytest.mark.parametrize("name", [*GPUS, *GAUDIS])
@pytest.mark.parametrize("first_answers", [True, False])
def test_programs_that_hang_take_no_more_time_than_there_is(name: str, first_answers: bool):
    commands = recording(name).commands
    hanging = {
        command: {"hangs": True} for command in commands if not (first_answers and command in (XPU_SMI, HL_SMI))
    }
    system = RecordedSystem(changed(name, commands=hanging))
    read_intel(system, read_host(system), patience(system.clock, READERS_S))
    assert system.clock() < READERS_S


def test_many_cards_that_hang_one_by_one_take_no_more_time_than_there_is():
    brief = [{"device_id": number, "device_name": f"card {number}"} for number in range(60)]
    commands = {XPU_SMI: {"out": json.dumps({"device_list": brief})}}
    commands |= {f"xpu-smi discovery -d {number} -j": {"hangs": True} for number in range(60)}
    content = {"about": "a test", "basis": "made up", "system": {"platform": ["Linux", ""]}, "commands": commands}
    system = RecordedSystem(Recording.model_validate(content))
    reading = read_intel(system, read_host(system), patience(system.clock, READERS_S))
    assert system.clock() < READERS_S + 0.1
    assert len(reading.accelerators) == 60


def test_cards_that_only_xpu_smi_shows_have_its_pci_id():
    files = {"/proc/meminfo": "MemTotal: 65536000 kB\n"}
    blind = recording("max-1100-x2").model_copy(update={"files": files, "links": {}})
    machine = probe(RecordedSystem(blind))
    assert [(card.id, value_of(card.pci_id)) for card in machine.accelerators] == [("max-1100", "8086:0bda")] * 2
    assert value_of(machine.accelerators[0].memory_total_gib) == 51522830336 / 2**30


# Visibility of GPUs


@pytest.mark.parametrize(
    ("env", "left"),
    [
        ({}, {0, 1, 2}),
        ({MASK: ""}, {0, 1, 2}),
        ({MASK: "default"}, {0, 1, 2}),
        ({MASK: "1"}, {1}),
        ({MASK: "2, 0"}, {0, 2}),
        ({MASK: "0,7"}, {0}),
        ({MASK: "0.1"}, set()),
        ({MASK: "0.1", "ZE_FLAT_DEVICE_HIERARCHY": "COMPOSITE"}, {0}),
        ({MASK: "x"}, set()),
        ({SELECTOR: "level_zero:gpu"}, {0, 1, 2}),
        ({SELECTOR: "*:*"}, {0, 1, 2}),
        ({SELECTOR: "LEVEL_ZERO:0,2"}, {0, 2}),
        ({SELECTOR: "level_zero:0;level_zero:1"}, {0, 1}),
        ({SELECTOR: "level_zero:*;!level_zero:1"}, {0, 2}),
        ({SELECTOR: "!opencl:*"}, {0, 1, 2}),
        ({SELECTOR: "!level_zero:0"}, {1, 2}),
        ({SELECTOR: "opencl:gpu"}, set()),
        ({SELECTOR: "level_zero:cpu"}, set()),
        ({SELECTOR: "level_zero:9"}, set()),
        ({SELECTOR: "level_zero"}, set()),
        ({SELECTOR: "level_one:0"}, set()),
        ({SELECTOR: "!level_zero:0;level_zero:1"}, set()),
        ({MASK: "1,2", SELECTOR: "level_zero:0"}, {1}),
    ],
)
def test_variables_select_as_documented(env: dict[str, str], left: set[int]):
    assert choose(env, 3).positions == left


@pytest.mark.parametrize(
    ("env", "variable", "reason"),
    [
        ({MASK: "0,7"}, MASK, "1 of its 2 entries name no device here"),
        ({MASK: "1"}, MASK, "it hides 2 of 3 devices"),
        ({MASK: "0.0", "ZE_FLAT_DEVICE_HIERARCHY": "COMPOSITE"}, MASK, "it names single tiles"),
        ({SELECTOR: "level_zero"}, SELECTOR, "refuses to start"),
        ({SELECTOR: "opencl:gpu"}, SELECTOR, "it selects no GPU of Level Zero"),
        ({SELECTOR: "level_zero:1"}, SELECTOR, "it hides 2 of 3 devices"),
    ],
)
def test_what_a_variable_hides_is_told(env: dict[str, str], variable: str, reason: str):
    told = {problem.what: problem.reason for problem in choose(env, 3).problems}
    assert reason in told[variable] or any(reason in problem.reason for problem in choose(env, 3).problems)


def test_a_mask_may_name_the_built_in_graphics_only():
    assert only(replay("arc-b580-and-built-in", ZE_AFFINITY_MASK="1")).visible is False
    assert only(replay("arc-b580-and-built-in", ZE_AFFINITY_MASK="0")).visible is True
    by_place = only(replay("arc-b580-and-built-in", ZE_AFFINITY_MASK="1", ZE_ENABLE_PCI_ID_DEVICE_ORDER="1"))
    assert (by_place.index, by_place.visible) == (1, True), "built-in graphics stand first on the bus"


WORDS = st.text(max_size=15) | st.from_regex(
    r"(!?(level_zero|opencl|\*):(gpu|cpu|\*|[0-9](\.[0-9])?)[,;]?){0,3}", fullmatch=True
)


@given(WORDS, WORDS, st.integers(0, 5))
def test_any_values_leave_some_of_the_devices(mask: str, selector: str, count: int):
    choice = choose({MASK: mask, SELECTOR: selector}, count)
    assert choice.positions <= frozenset(range(count))


@given(WORDS)
def test_taking_away_never_adds(selector: str):
    every = choose({SELECTOR: selector}, 4)
    fewer = choose({SELECTOR: f"{selector};!level_zero:1"}, 4)
    assert fewer.positions <= every.positions


# Laws of what xpu-smi prints

NUMBERS = st.integers(-5, 1 << 60) | st.sampled_from(["", "unknown", "-1", "0", "12", "1.5", "9" * 40])
SHAPES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=8),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=8), parts, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    (
        *("device_id", "device_name", "pci_bdf_address", "pci_device_id", "number_of_tiles", "uuid", "device_list"),
        *("memory_physical_size_byte", "memory_free_size_byte", "memory_ecc_state", "driver_version"),
        *("pcie_generation", "pcie_max_link_width", "serial_number"),
    )
)


@given(st.sampled_from(LISTED), st.lists(st.dictionaries(KEYS, SHAPES, max_size=6), max_size=3) | SHAPES)
@settings(max_examples=150, deadline=None)
def test_any_shape_of_answer_is_read(name: str, devices: Any):
    check(asked(name, XPU_SMI, out=json.dumps({"device_list": devices})))


@given(st.sampled_from(LISTED), st.dictionaries(KEYS, SHAPES, max_size=4))
@settings(max_examples=100, deadline=None)
def test_nonsense_of_one_card_is_unknown(name: str, values: dict[str, Any]):
    text = recording(name).commands[XPU_SMI].out
    document = json.loads(text[text.index("{") :]) if "device_list" in text else {}
    rows = document.get("device_list")
    changed_rows = [{**row, **values} for row in rows] if isinstance(rows, list) else rows
    check(asked(name, XPU_SMI, out=json.dumps({"device_list": changed_rows})))


@given(st.sampled_from(LISTED), st.floats(0, 1), st.text(max_size=10), st.sampled_from([0, 1]), st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_garbled_answer_hides_no_card(name: str, part: float, noise: str, code: int, hangs: bool):
    text = recording(name).commands[XPU_SMI].out
    place = int(len(text) * part)
    machine = asked(name, XPU_SMI, out=text[:place] + noise + text[place + len(noise) :], code=code, hangs=hangs)
    check(machine)
    assert len(machine.accelerators) >= len([card for card in replay(name).accelerators if card.card is None])


@given(st.text(max_size=100))
def test_any_text_is_a_failure_or_cards(text: str):
    found = read_discovery(Output(text, code=0))
    assert found.devices or found.failure is not None or "device_list" in text


@pytest.mark.parametrize("out", ['{"device_list": []}', '{"error": "no"}', "{", "[]", "", '{"a": {' * 3000])
def test_answers_without_cards_leave_the_cards_of_the_bus(out: str):
    machine = asked("arc-a770", XPU_SMI, out=out)
    assert only(machine).id == "arc-a770"
    assert len(said(machine, "Intel GPUs")) == 1


# Gaudi


def test_gaudi_beside_a_gpu_is_numbered_after_it():
    gaudi = recording("gaudi3-x8")
    both = changed("arc-a770", files=gaudi.files, links=gaudi.links, commands=gaudi.commands)
    machine = probe(RecordedSystem(both))
    numbered = [(card.id, card.index) for card in machine.accelerators]
    assert numbered == [("arc-a770", 0), *(("gaudi3", number) for number in range(1, 9))]
    check(machine)


def test_eight_gaudi_3_in_the_order_of_their_indices():
    machine = replay("gaudi3-x8")
    assert [card.index for card in machine.accelerators] == list(range(8))
    assert {(card.vendor, card.kind, card.id, card.name) for card in machine.accelerators} == {
        ("intel", "gpu", "gaudi3", "Intel Gaudi HL-325L")
    }
    first = machine.accelerators[0]
    assert (total_mib(first), free_mib(first)) == (131072, 130400)
    assert (value_of(first.driver_version), value_of(first.pcie_generation), value_of(first.numa_node)) == (
        "1.20.1",
        5,
        1,
    )
    assert said(machine, "Gaudi") == []


def test_modules_are_named_by_their_own_numbers():
    machine = replay("gaudi3-x8", HABANA_VISIBLE_MODULES="0,1,2,3", HABANA_VISIBLE_DEVICES="0")
    assert [card.index for card in machine.accelerators if card.visible] == [4, 5, 6, 7]
    assert said(machine, "HABANA_VISIBLE_MODULES") == ["it hides 4 of 8 accelerators"]


def test_an_accelerator_without_a_module_number_stays_visible():
    rows = recording("gaudi3-x8").commands[HL_SMI].out.replace("3, 6, ", "3, N/A, ")
    answers = changed("gaudi3-x8", commands={HL_SMI: {"out": rows}}, env={"HABANA_VISIBLE_MODULES": "5"})
    machine = probe(RecordedSystem(answers))
    assert [card.index for card in machine.accelerators if card.visible] == [0, 3]


def test_gaudi_without_its_tools_has_the_memory_of_the_product():
    machine = replay("gaudi2-without-hl-smi")
    assert [card.id for card in machine.accelerators] == ["gaudi2"] * 2
    first = machine.accelerators[0]
    assert isinstance(first.memory_total_gib, Known)
    assert first.memory_total_gib.source.startswith("not measured: catalogue, gaudi2")
    assert isinstance(first.memory_free_gib, Unknown)
    assert value_of(first.driver_version) == "1.15.0"
    assert said(machine, "Intel Gaudi") == ["hl-smi is not installed here, or not on the path"]


def test_gaudi_before_the_one_that_hangs_are_read():
    machine = replay("gaudi3-hangs")
    assert [card.index for card in machine.accelerators] == list(range(8))
    assert [card.index for card in machine.accelerators if value_of(card.memory_free_gib)] == [1, 3]
    assert "hl-smi: it did not answer within 3 s" in said(machine, "Gaudi")


def test_gaudi_of_another_container():
    machine = replay("gaudi3-none-given")
    assert machine.accelerators == ()
    assert said(machine, "Gaudi") == ["8 on the bus of the computer, none given to this container"]


def test_gaudi_1_has_its_own_memory():
    card = only(replay("gaudi1"))
    assert card.id not in ("gaudi2", "gaudi3")
    assert (card.name, total_mib(card), free_mib(card)) == ("Intel Gaudi HL-205", 32768, 32256)


ROWS = recording("gaudi3-x8").commands[HL_SMI].out


@given(st.integers(0, len(ROWS)))
def test_rows_that_are_cut_invent_nothing(place: int):
    whole = {row.index: row for row in read_rows(ROWS)}
    for row in read_rows(ROWS[:place]):
        assert row.total_mib in (None, whole[row.index].total_mib)
        assert row.free_mib in (None, whole[row.index].free_mib)


@given(st.sampled_from(GAUDIS), st.data())
@settings(max_examples=150, deadline=None)
def test_any_garbled_rows_are_read(name: str, data: st.DataObject):
    text = ROWS
    for _ in range(data.draw(st.integers(1, 5))):
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + data.draw(st.text(max_size=4)) + text[place + data.draw(st.integers(0, 60)) :]
    machine = asked(name, HL_SMI, out=text, code=data.draw(st.sampled_from([0, 1])), hangs=data.draw(st.booleans()))
    check(machine)
    assert machine.accelerators or said(machine, "Gaudi")


@given(st.text(max_size=20))
@settings(deadline=None)
def test_any_list_of_modules_is_read(value: str):
    assert len(replay("gaudi3-x8", HABANA_VISIBLE_MODULES=value).accelerators) == 8
