"""The host: limits of control groups, containers, and systems without ``/proc``."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.hardware.host import read_host
from deployadvisor.hardware.local import LocalSystem
from deployadvisor.hardware.machine import Host, Known, Unknown, value_of
from deployadvisor.hardware.recording import RecordedSystem, Recording
from deployadvisor.hardware.system import GIB

MEMINFO = "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n"  # 16 and 8 GiB


def host(files: dict[str, str] | None = None, env: dict[str, str] | None = None, **system: Any) -> Host:
    answers = {"platform": ["Linux", "x86_64"], "cores": 8, **system}
    return recorded(files={"/proc/meminfo": MEMINFO} | (files or {}), system=answers, env=env or {})


def recorded(**parts: Any) -> Host:
    return read_host(RecordedSystem(Recording.model_validate({"about": "a host", "basis": "made up", **parts})))


def v2(limit: str, usage: str = "0", stat: str = "", group: str = "/") -> dict[str, str]:
    folder = f"/sys/fs/cgroup{group}".rstrip("/")
    return {
        "/proc/self/cgroup": f"0::{group}\n",
        f"{folder}/memory.max": limit,
        f"{folder}/memory.current": usage,
        f"{folder}/memory.stat": stat,
    }


def v1(limit: str, usage: str = "0", stat: str = "") -> dict[str, str]:
    folder = "/sys/fs/cgroup/memory"
    return {
        f"{folder}/memory.limit_in_bytes": limit,
        f"{folder}/memory.usage_in_bytes": usage,
        f"{folder}/memory.stat": stat,
    }


@pytest.mark.parametrize(
    ("files", "total_gib", "available_gib"),
    [
        ({}, 16, 8),
        (v2("max\n"), 16, 8),
        (v2(str(4 * GIB)), 4, 4),
        (v2(str(4 * GIB), str(GIB)), 4, 3),
        (v2(str(4 * GIB), str(3 * GIB), f"anon 1\ninactive_file {2 * GIB}\n"), 4, 3),
        (v2(str(4 * GIB), str(5 * GIB)), 4, 0),
        (v2(str(64 * GIB)), 16, 8),
        (v2(str(4 * GIB), group="/a/b"), 4, 4),
        (
            v2("max", group="/a/b")
            | {"/sys/fs/cgroup/a/memory.max": str(2 * GIB), "/sys/fs/cgroup/a/memory.current": "0"},
            2,
            2,
        ),
        (v2("nonsense"), 16, 8),
        (v2(""), 16, 8),
        (v1("9223372036854771712"), 16, 8),
        (v1(str(4 * GIB), str(3 * GIB), f"inactive_file 5\ntotal_inactive_file {GIB}\n"), 4, 2),
    ],
)
def test_memory_is_what_the_group_leaves(files: dict[str, str], total_gib: float, available_gib: float):
    read = host(files)
    assert value_of(read.memory_total_gib) == total_gib
    assert value_of(read.memory_available_gib) == available_gib


def test_a_limit_names_its_file():
    total = host(v2(str(4 * GIB))).memory_total_gib
    assert isinstance(total, Known)
    assert total.source == "/sys/fs/cgroup/memory.max"


def test_unreadable_usage_leaves_the_available_memory_unknown():
    files = v2(str(4 * GIB))
    del files["/sys/fs/cgroup/memory.current"]
    read = host(files)
    assert value_of(read.memory_total_gib) == 4
    assert isinstance(read.memory_available_gib, Unknown)
    assert "memory.max" in read.memory_available_gib.unknown


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 8),
        ({"/sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
        ({"/sys/fs/cgroup/cpu.max": "250000 100000\n"}, 2.5),
        ({"/sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 8),
        ({"/sys/fs/cgroup/cpu.max": "broken\n"}, 8),
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n", "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "0\n"}, 8),
    ],
)
def test_cores_are_what_affinity_and_quota_leave(files: dict[str, str], cores: float):
    assert value_of(host(files).cores) == cores


@pytest.mark.parametrize(
    ("files", "env", "expected"),
    [
        ({}, {}, False),
        ({"/.dockerenv": ""}, {}, True),
        ({"/run/.containerenv": ""}, {}, True),
        ({"/proc/self/cgroup": "0::/kubepods/pod1\n"}, {}, True),
        ({"/proc/self/cgroup": "0::/user.slice\n"}, {}, False),
        ({}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, True),
    ],
)
def test_container(files: dict[str, str], env: dict[str, str], expected: bool):
    assert value_of(host(files, env).container) is expected


def test_a_group_path_cannot_leave_its_mount():
    files = v2(str(4 * GIB)) | {"/proc/self/cgroup": "0::/../../etc\n"}
    assert value_of(host(files).memory_total_gib) == 4


def test_windows_has_no_proc_and_asks_psutil():
    read = recorded(system={"platform": ["Windows", "AMD64"], "cores": 8, "memory_bytes": [16 * GIB, 4 * GIB]})
    assert value_of(read.os) == "windows"
    assert value_of(read.arch) == "x86_64"
    assert (value_of(read.memory_total_gib), value_of(read.memory_available_gib)) == (16, 4)
    assert value_of(read.container) is False


def test_a_silent_system_is_unknown_everywhere():
    read = recorded(system={"platform": ["Plan9", ""]})
    assert value_of(read.container) is value_of(read.wsl) is False
    assert value_of(read.container_tools) == ()
    for field in set(Host.model_fields) - {"container", "wsl", "container_tools"}:
        reading = getattr(read, field)
        assert isinstance(reading, Unknown), field
        assert reading.unknown


FILES = (
    "/proc/meminfo",
    "/proc/cpuinfo",
    "/proc/self/cgroup",
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory.current",
    "/sys/fs/cgroup/memory.stat",
    "/sys/fs/cgroup/cpu.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)
CONTENTS = st.one_of(
    st.text(max_size=40), st.sampled_from(["0", "-1", "max", "1 1", "MemTotal: 0 kB", MEMINFO, "9" * 30])
)


@given(st.dictionaries(st.sampled_from(FILES), CONTENTS))
@settings(max_examples=200, deadline=None)
def test_any_files_are_read(files: dict[str, str]):
    read = recorded(files=files, system={"platform": ["Linux", "x86_64"], "cores": 4})
    assert value_of(read.memory_total_gib) != 0


def test_this_computer_can_be_read():
    read = read_host(LocalSystem())
    assert (value_of(read.memory_total_gib) or 0) > 0
    assert (value_of(read.cores) or 0) > 0


def test_a_file_that_is_not_there_is_none():
    assert LocalSystem().text("/nowhere/at/all") is None
    assert LocalSystem().access("/nowhere/at/all") == "absent"
