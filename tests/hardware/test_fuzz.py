"""Any text where the probe reads one: the lines of a library, files of the system, saved machines.

Nothing raises, except for a saved machine, whose errors say where.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.errors import DocumentError, HardwareError
from deployadvisor.hardware.answers import shown
from deployadvisor.hardware.cgroup import cpu_quotas, memory_limits
from deployadvisor.hardware.collected import read_answers
from deployadvisor.hardware.host import read_host
from deployadvisor.hardware.machine import Host, Known, Unknown, value_of
from deployadvisor.hardware.nvidia_compat import shadowing
from deployadvisor.hardware.nvidia_module import module_version
from deployadvisor.hardware.recording import RecordedSystem, Recording
from deployadvisor.hardware.saved import read_machine, save_machine
from deployadvisor.hardware.system import Output

from .replay import replay

MAY_BE_NOTHING = {"memory_available_gib", "disk_free_gib"}


def system(files: dict[str, str], **parts: Any) -> RecordedSystem:
    answers = {"platform": ["Linux", "x86_64"], "cores": 4}
    return RecordedSystem(
        Recording.model_validate({"about": "a test", "basis": "made up", "system": answers, "files": files, **parts})
    )


# Lines of a library's process

PATHS = st.lists(st.sampled_from(["devices", "mig", "peers", 0, 1, -1, 5000, None, "x"]), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=4), parts, max_size=3),
    max_leaves=8,
)
LINES = st.one_of(
    st.builds(lambda *line: json.dumps(line), PATHS, st.sampled_from(["nvmlInit", "devices", "mig", ""]), VALUES),
    st.builds(lambda *line: json.dumps(line), PATHS, st.just("nvmlDeviceGetName")),
    st.builds(json.dumps, VALUES),
    st.text(max_size=30),
)


@given(st.lists(LINES, max_size=12), st.integers(-11, 2), st.none() | st.text(max_size=9))
@settings(max_examples=150, deadline=None)
def test_any_lines_of_a_library_are_answers_or_nothing(lines: list[str], code: int, silence: str | None):
    found = read_answers(Output("\n".join(lines), "", code, silence))
    assert isinstance(found.answers, dict)
    assert (found.stopped is None) == (code == 0 and silence is None)


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        json.dumps([["devices", 1023] * 5000, "nvmlDeviceGetName", "x"]),
        json.dumps([["devices", 10**9], "nvmlDeviceGetName", "x"]),
        json.dumps([["devices", True], "nvmlDeviceGetName", "x"]),
        json.dumps([[{}, 1], "nvmlDeviceGetName", "x"]),
        "9" * 10_000,
    ],
)
def test_a_line_that_would_fill_the_memory_is_left_out(line: str):
    found = read_answers(Output(f'{line}\n[[], "nvmlInit", 1]\n', "", 0))
    assert found.answers["nvmlInit"] == 1
    assert len(json.dumps(found.answers)) < 10_000


def test_a_strange_answer_is_shown_short_however_deep_or_long_it_is():
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    for answer in (deep, "x" * 10_000_000, list(range(1_000_000)), {"a": deep}, 10**4000, float("nan"), "a\nb\0"):
        assert len(shown(answer)) <= 60
        assert shown(answer).isprintable()


# Files of the system

FILES = (
    "/proc/meminfo",
    "/proc/cpuinfo",
    "/proc/self/cgroup",
    "/proc/self/limits",
    "/proc/net/tcp",
    "/proc/net/tcp6",
    "/proc/device-tree/model",
    "/proc/driver/nvidia/version",
    "/sys/class/dmi/id/product_name",
    "/sys/devices/system/node/online",
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory.current",
    "/sys/fs/cgroup/memory.stat",
    "/sys/fs/cgroup/cpu.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/fs/cgroup/memory/memory.usage_in_bytes",
    "/sys/fs/cgroup/memory/memory.stat",
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us",
    "/etc/ld.so.conf.d/a.conf",
)
TRUE_TEXTS = (
    "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n",
    "model name : a processor\nflags : avx2 avx512f\n",
    "0::/a/b\n",
    "5:memory:/a\n4:cpu,cpuacct:/b\n",
    "Max open files            1024                 4096                 files\n",
    "  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A\n",
    "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.142  Release Build\n",
    "anon 5\ninactive_file 7\nactive_file 3\ntotal_inactive_file 9\n",
    "/usr/local/cuda/compat\n",
    "400000 100000\n",
    "0-3,8\n",
    "max\n",
    "4294967296\n",
)
CONTENTS = st.one_of(
    st.sampled_from(TRUE_TEXTS),
    st.sampled_from(
        ["0", "-1", "-5", "0-", "9" * 40, "٣٤٥", "1 0", "nan", "\0", "MemTotal: 0 kB", "0::/" + "a/" * 300]
    ),
    st.text(max_size=60),
    st.builds(
        lambda text, at, new: text[:at] + new + text[at + 2 :],
        st.sampled_from(TRUE_TEXTS),
        st.integers(0, 60),
        st.text(max_size=4),
    ),
)


@given(st.dictionaries(st.sampled_from(FILES), CONTENTS))
@settings(max_examples=150, deadline=None)
def test_any_files_are_a_host_of_sound_values(files: dict[str, str]):
    asked = system(files, folders={"/usr/local/cuda/compat": ["libcuda.so.570.1.2", "libcuda.so.x"]})
    for name, reading in read_host(asked):
        assert isinstance(reading, (Known, Unknown))
        assert not isinstance(reading, Unknown) or reading.unknown, name
        if isinstance(reading, Known) and isinstance(reading.value, float):
            assert reading.value > 0 or name in MAY_BE_NOTHING, f"{name} is {reading.value}"
        if isinstance(reading, Known) and isinstance(reading.value, str):
            assert reading.value.isprintable(), name
    assert (module_version(asked) or "1").replace(".", "").isdecimal()
    assert list(shadowing(asked, Unknown(unknown="not read"))) == []
    list(shadowing(asked, Known[str](value="580.142", source="a test")))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("text", ["x" * (1 << 20), "0" * (1 << 20), "0::/" + "c/" * (1 << 19), "1\n" * (1 << 18)])
def test_a_file_of_a_mebibyte_is_read_or_left_out(name: str, text: str):
    host = read_host(system({name: text}))
    assert isinstance(host, Host)
    assert len(host.model_dump_json()) < 10_000


def test_groups_deeper_than_any_kernel_makes_them_are_not_followed():
    deep = "0::/" + "a/" * 500_000
    limited = {"/proc/self/cgroup": deep, "/sys/fs/cgroup/memory.max": "4294967296", "/sys/fs/cgroup/cpu.max": "5 10"}
    assert [limit.limit_bytes for limit in memory_limits(system(limited))] == [4 << 30]
    assert [cores for cores, _ in cpu_quotas(system(limited))] == [0.5]


# Saved machines


@pytest.fixture(scope="module", params=[".yaml", ".json"])
def saved(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("machines") / f"machine{request.param}"
    save_machine(replay("mig-by-program"), path)
    return path


PIECES = (
    "",
    "null",
    "nan",
    "-1",
    "0",
    "1e999",
    "[]",
    "{}",
    ": ",
    "- ",
    '"',
    "&a",
    "*a",
    "!!x ",
    "\t",
    "\0",
    "é",
    "{unknown: }",
)


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_a_mutated_machine_file_is_read_or_refused_with_its_place(saved: Path, data: st.DataObject):
    lines = saved.read_text(encoding="utf-8").splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        row = data.draw(st.integers(0, len(lines) - 1))
        at = data.draw(st.integers(0, len(lines[row])))
        new = data.draw(st.sampled_from(PIECES) | st.text(max_size=6))
        lines[row] = lines[row][:at] + new + lines[row][at + data.draw(st.integers(0, 12)) :]
    path = saved.with_name(f"mutated{saved.suffix}")
    path.write_text("\n".join(lines), encoding="utf-8", errors="surrogatepass")
    check_read(path)


@given(content=VALUES)
@settings(max_examples=60, deadline=None)
def test_any_document_is_no_machine_or_one(saved: Path, content: Any):
    path = saved.with_name("any.json")
    path.write_text(json.dumps({"schema": "deployadvisor/machine@1", "accelerators": content, "host": content}))
    check_read(path)


def check_read(path: Path) -> None:
    try:
        machine = read_machine(str(path))
    except (HardwareError, DocumentError) as error:
        places = [error.where.source] if error.where else []
    else:
        places = [str(path)]
        totals = [value_of(card.memory_total_gib) for card in machine.accelerators]
        assert all(total is None or total > 0 for total in totals)
    assert places == [str(path)]
