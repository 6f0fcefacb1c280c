"""Ascend NPUs: one test a recorded machine, and laws of the table, the errors and the variables."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.hardware.ascend import read_ascend
from deployadvisor.hardware.ascend_smi import Chip, read_table
from deployadvisor.hardware.ascend_visible import VARIABLE, visible_numbers
from deployadvisor.hardware.host import read_host
from deployadvisor.hardware.machine import Accelerator, Known, Machine, Unknown, value_of
from deployadvisor.hardware.probe import READERS_S, probe
from deployadvisor.hardware.reading import patience
from deployadvisor.hardware.recording import RecordedSystem
from deployadvisor.hardware.saved_checks import mistakes

from .replay import changed, machine_names, recording, replay
from .test_nvidia import check_laws

COMMAND = "npu-smi info"
RECORDED = [name for name in machine_names() if name.startswith("ascend")]
TABLES = {
    name: answer.out
    for name in RECORDED
    if (answer := recording(name).commands.get(COMMAND)) is not None and "| NPU" in answer.out
}


def asked(name: str, **answer: object) -> Machine:
    """A recorded machine whose program answers otherwise."""
    return probe(RecordedSystem(changed(name, commands={COMMAND: answer})))


def check(machine: Machine) -> None:
    """The laws of every reader, and a file that can be read again."""
    check_laws(machine)
    assert [mistake.message for mistake in mistakes(machine)] == []


def memory_mib(card: Accelerator) -> tuple[float, float | None]:
    free = value_of(card.memory_free_gib)
    return (value_of(card.memory_total_gib) or 0) * 1024, None if free is None else free * 1024


def uses(card: Accelerator) -> dict[str, float]:
    assert isinstance(card.used_by, Known)
    return {use.who: round((value_of(use.memory_gib) or 0) * 1024) for use in card.used_by.value}


def said(machine: Machine, what: str = "Ascend") -> list[str]:
    return [problem.reason for problem in machine.problems if what in problem.what]


def test_eight_910b():
    machine = replay("ascend-910b-x8")
    assert [card.index for card in machine.accelerators] == list(range(8))
    assert {(card.vendor, card.kind, card.name, card.id) for card in machine.accelerators} == {
        ("huawei", "npu", "Ascend 910B1", "ascend-910b")
    }
    first = machine.accelerators[0]
    assert memory_mib(first) == (65536, 65536 - 3437)
    assert (value_of(first.driver_version), value_of(first.runtime_version)) == ("24.1.0", "8.0.0")
    assert (value_of(first.pci_id), value_of(first.pcie_generation), value_of(first.pcie_width)) == (
        "19e5:d802",
        4,
        16,
    )
    assert [value_of(card.numa_node) for card in machine.accelerators] == [1, 0, 1, 0, 1, 0, 1, 0]
    assert uses(first) == {"process 641248": 113, "driver and firmware": 3324}
    assert isinstance(first.compute_capability, Unknown)
    assert "neither" in first.compute_capability.unknown
    assert said(machine) == []


def test_the_smaller_910b4_is_not_taken_for_the_larger():
    machine = replay("ascend-910b4-x8")
    first = machine.accelerators[0]
    assert (len(machine.accelerators), first.name) == (8, "Ascend 910B4")
    assert first.id != "ascend-910b", "that one has 64 GB"
    assert memory_mib(first) == (32768, 32768 - 2828)
    assert first.driver_version == Known[str](value="24.1.rc3", source="/usr/local/Ascend/driver/version.info")
    assert value_of(first.runtime_version) == "8.0.RC3"


def test_both_dies_of_a_910c_are_devices():
    machine = replay("ascend-910c-x16")
    assert [card.index for card in machine.accelerators] == list(range(16))
    assert {card.id for card in machine.accelerators} == {"ascend-910c"}
    assert [card.card for card in machine.accelerators[:4]] == [0, 0, 1, 1]
    assert memory_mib(machine.accelerators[1]) == (65536, 65536 - 52518)
    assert uses(machine.accelerators[1]) == {"process 4071418": 49681, "driver and firmware": 2837}
    assert len(uses(machine.accelerators[0])) == 5
    assert value_of(machine.accelerators[0].runtime_version) == "8.2.RC1"


def test_dies_of_a_910c_are_known_without_the_bus():
    machine = replay("ascend-910c-container")
    assert [card.id for card in machine.accelerators] == ["ascend-910c"] * 4
    assert uses(machine.accelerators[3])["python (990711)"] == 7746
    assert isinstance(machine.accelerators[0].numa_node, Unknown)


def test_cards_with_two_chips_of_two_sizes():
    machine = replay("ascend-310p-duo")
    assert [round(memory_mib(card)[0]) for card in machine.accelerators] == [47304, 46717] * 2 + [44280, 43693] * 2
    assert [card.card for card in machine.accelerators] == [1, 1, 2, 2, 4, 4, 5, 5]
    assert {card.name for card in machine.accelerators} == {"Ascend 310P3"}
    assert "chip 0 of NPU 4 reports the health Critical" in said(machine)


@pytest.mark.parametrize(
    ("name", "indices", "totals_mib"),
    [
        ("ascend-310", [3, 4, 5, 6], [8192] * 4),
        ("ascend-310p-odd-number", [0, 1], [44280, 43693]),
        ("ascend-310b-kit", [0], [15609]),
        ("ascend-910a", [0, 1], [32768, 32768]),
        ("ascend-910b2c-busy", [0, 1], [65536, 65536]),
        ("ascend-910b4-wide", [0], [32768]),
        ("ascend-950", [0], [86016]),
    ],
)
def test_every_layout_of_the_table_is_read(name: str, indices: list[int], totals_mib: list[int]):
    machine = replay(name)
    assert [card.index for card in machine.accelerators] == indices
    assert [memory_mib(card)[0] for card in machine.accelerators] == totals_mib


def test_a_chip_that_only_the_bus_names_is_found_in_the_catalogue():
    machine = replay("ascend-910b2c-busy")
    assert [card.id for card in machine.accelerators] == ["ascend-910b"] * 2
    assert uses(machine.accelerators[0]) == {"python3.8 (124528)": 17400, "driver and firmware": 3301}


def test_warnings_of_the_program_are_passed_on():
    assert "npu-smi warns that the driver package may not be completely installed" in said(replay("ascend-910a"))
    assert "chip 0 of NPU 0 reports the health Alarm" in said(replay("ascend-310b-kit"))


# What does not answer


@pytest.mark.parametrize(
    ("name", "count", "reason", "remedy"),
    [
        ("ascend-other-container", 4, "library does not start (npu-smi info: dcmi error -8005)", "another container"),
        (
            "ascend-device-used",
            2,
            "belong to another container (npu-smi info: dcmi error -8020)",
            "stop the container",
        ),
        ("ascend-no-program", 8, "npu-smi is not installed here", "install the Ascend driver"),
        ("ascend-denied", 1, "may not open /dev/davinci_manager", "HwHiAiUser"),
        ("ascend-no-card", 0, "the driver sees no NPU", "lspci"),
        ("ascend-none-given", 0, "8 on the bus of the computer, none given", 'ASCEND_VISIBLE_DEVICES="void"'),
    ],
)
def test_npus_that_cannot_be_asked_say_why(name: str, count: int, reason: str, remedy: str):
    machine = replay(name)
    assert len(machine.accelerators) == count
    for card in machine.accelerators:
        assert isinstance(card.memory_total_gib, Unknown)
        assert reason in card.memory_total_gib.unknown
        assert card.kind == "npu"
    (problem,) = [problem for problem in machine.problems if problem.what == "Ascend NPUs"]
    assert reason in problem.reason
    assert remedy in (problem.remedy or "")


def test_chips_before_the_one_that_hangs_are_read():
    machine = replay("ascend-hangs")
    assert [value_of(card.memory_total_gib) for card in machine.accelerators] == [64, 64, 64, *[None] * 5]
    assert [card.index for card in machine.accelerators] == list(range(8))
    assert "npu-smi info: it did not answer within 3.3 s" in said(machine)


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_program_that_hangs_takes_no_more_time_than_there_is(name: str):
    system = RecordedSystem(changed(name, commands={COMMAND: {"hangs": True}}))
    read_ascend(system, read_host(system), patience(system.clock, READERS_S))
    assert 1 < system.clock() < READERS_S


def test_an_unknown_error_is_repeated_in_one_line():
    machine = asked("ascend-910b-x8", out="dcmi\x1b[31m odd\nret is -8999", code=1)
    assert "npu-smi info gave no table that can be read: dcmi [31m odd ret is -8999" in said(machine)
    assert len(machine.accelerators) == 8


def test_a_full_chip_has_no_free_memory_to_plan_with():
    machine = asked("ascend-910b-x8", out=TABLES["ascend-910b-x8"].replace("3437 / 65536", "65536/ 65536"))
    (free,) = {card.memory_free_gib for card in machine.accelerators[:1]}
    assert isinstance(free, Unknown)
    assert "all memory is in use" in free.unknown


def test_a_server_board_with_a_screen_is_no_npu():
    files = {path: text for path, text in recording("ascend-no-program").files.items() if "0000:" not in path}
    board = "/sys/bus/pci/devices/0000:03:00.0"
    files |= {f"{board}/class": "0x030000", f"{board}/vendor": "0x19e5", f"{board}/device": "0x1711"}
    machine = probe(RecordedSystem(recording("ascend-no-program").model_copy(update={"files": files})))
    assert (machine.accelerators, said(machine)) == ((), [])


# Visibility


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("1", {1}),
        ("1,2,3", {1, 2, 3}),
        ("1, 2,3", {1}),
        ("1,2,-1,3", {1, 2}),
        ("1,3,8", {1, 3}),
        ("3,1", {3}),
        ("2,2", {2}),
        ("0-3", {0}),
        ("", set()),
        ("all", set()),
    ],
)
def test_visible_devices_are_read_as_cann_documents_it(value: str, left: set[int]):
    numbers, problems = visible_numbers({VARIABLE: value}, range(8))
    assert numbers == left
    assert problems, "hidden NPUs are told"


def test_visible_devices_apply_to_logical_numbers():
    machine = replay("ascend-910c-container", ASCEND_RT_VISIBLE_DEVICES="2,3", ASCEND_VISIBLE_DEVICES="4-7")
    assert [card.visible for card in machine.accelerators] == [False, False, True, True]
    assert said(machine, VARIABLE) == ["it hides 2 of 4 NPUs"]


@given(st.text(max_size=20) | st.from_regex(r"([0-9]{1,3},?){0,6}", fullmatch=True))
def test_any_value_leaves_some_of_the_numbers(value: str):
    numbers, _ = visible_numbers({VARIABLE: value}, range(4))
    assert numbers <= frozenset(range(4))


# Laws of the table


def chips(text: str) -> dict[tuple[int, int], Chip]:
    return {(chip.card, chip.chip): chip for chip in read_table(text).chips}


@given(st.sampled_from(sorted(TABLES)), st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_a_table_that_is_cut_invents_nothing(name: str, part: float):
    text = TABLES[name]
    whole = chips(text)
    for place, chip in chips(text[: int(len(text) * part)]).items():
        assert chip.total_mib in (None, whole[place].total_mib)
        assert chip.used_mib in (None, whole[place].used_mib)


@given(st.sampled_from(sorted(TABLES)), st.data())
@settings(max_examples=200, deadline=None)
def test_any_garbled_table_is_read(name: str, data: st.DataObject):
    text = TABLES[name]
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(text)))
        text = text[:place] + data.draw(st.text(max_size=4)) + text[place + data.draw(st.integers(0, 30)) :]
    check(asked(name, out=text, code=data.draw(st.sampled_from([0, 0, 1, 187]))))


@given(st.sampled_from(RECORDED), st.text(max_size=200), st.booleans())
@settings(max_examples=100, deadline=None)
def test_nonsense_leaves_npus_that_nobody_knows(name: str, text: str, hangs: bool):
    machine = asked(name, out=text, hangs=hangs)
    check(machine)
    assert machine.accelerators or said(machine)


@given(st.text(max_size=100), st.text(max_size=100))
@settings(max_examples=50, deadline=None)
def test_any_installer_files_are_read(driver: str, toolkit: str):
    files = {
        "/usr/local/Ascend/driver/version.info": driver,
        "/usr/local/Ascend/ascend-toolkit/latest/version.cfg": f"toolkit_running_version=[{toolkit}",
        "/etc/ascend_install.info": f"Driver_Install_Path_Param={toolkit}",
    }
    check(probe(RecordedSystem(changed("ascend-910b4-x8", files=files))))


def test_the_driver_may_be_installed_elsewhere():
    files = {
        "/etc/ascend_install.info": "Driver_Install_Path_Param=/opt/huawei\n",
        "/opt/huawei/driver/version.info": "Version=24.0\npackage_version=24.1.rc3.9\n",
    }
    machine = probe(RecordedSystem(changed("ascend-910b4-x8", files=files)))
    assert machine.accelerators[0].driver_version == Known[str](
        value="24.1.rc3.9", source="/opt/huawei/driver/version.info"
    )


@pytest.mark.parametrize(
    ("env", "files", "folders", "version", "source"),
    [
        (
            {"ASCEND_HOME_PATH": "/home/me/cann"},
            {"/home/me/cann/version.cfg": "toolkit_running_version=[7.7:8.3.RC1]\n"},
            {},
            "8.3.RC1",
            "ASCEND_HOME_PATH/version.cfg",
        ),
        ({}, {}, {"/usr/local/Ascend": ["cann", "cann-8.5.0", "driver"]}, "8.5.0", "/usr/local/Ascend/cann-8.5.0"),
        ({}, {}, {"/usr/local/Ascend": ["cann-8.5.0", "cann-9.0.0"]}, None, None),
    ],
)
def test_the_toolkit_is_found(env, files, folders, version, source):
    old = recording("ascend-910b4-wide")
    machine = probe(
        RecordedSystem(
            old.model_copy(
                update={"env": env, "files": {**old.files, **files}, "folders": {**old.folders, **folders}}
            )
        )
    )
    runtime = machine.accelerators[0].runtime_version
    assert value_of(runtime) == version
    assert (runtime.source if isinstance(runtime, Known) else None) == source


def test_a_table_that_lists_fewer_chips_than_there_are_says_so():
    command = "npu-smi info"
    whole = recording("ascend-hangs").commands[command].out
    machine = probe(RecordedSystem(changed("ascend-hangs", commands={command: {"out": whole}})))
    assert len(machine.accelerators) == 3
    assert "npu-smi info lists 3 of 8 devices that the system has" in [problem.reason for problem in machine.problems]
