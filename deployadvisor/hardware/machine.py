"""A machine as the advisor sees it: every measured value is known, with its source, or unknown, with a reason.

Memory is in GiB (2**30 bytes) and is what one process may really use: the slice, the container's limit, not
the parent card or host.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

MAX_NODES = 1024


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Known(_Frozen, Generic[T]):
    """A value and where it was read, such as ``NVML nvmlDeviceGetMemoryInfo`` or a catalogue entry."""

    value: T
    source: str


class Unknown(_Frozen):
    """A value nobody could read, why, and what the user may do about it. Never 0, never "no"."""

    unknown: str = Field(min_length=1)
    remedy: str | None = None


def numbers_text(numbers: Iterable[int]) -> str:
    """Numbers of cards in words, neighbours as a range.

    >>> numbers_text([0, 2, 3, 4])
    '0, 2-4'
    """
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


Number = Known[float] | Unknown
Text = Known[str] | Unknown
Flag = Known[bool] | Unknown
Words = Known[tuple[str, ...]] | Unknown
Numbers = Known[tuple[int, ...]] | Unknown

NOT_READ = Unknown(unknown="not read")
"""The reading of a file or phrase that does not mention the field."""


def value_of(reading: Known[T] | Unknown) -> T | None:
    """The value when known, else None; only for display and for callers that handle None themselves."""
    return reading.value if isinstance(reading, Known) else None


Vendor = Literal["nvidia", "amd", "apple", "intel", "huawei"]
Kind = Literal["gpu", "mig", "vgpu", "integrated", "npu"]
LinkKind = Literal["nvlink", "xgmi", "pcie", "hccs", "numa"]


class Use(_Frozen):
    """Who holds memory of an accelerator: a process, or the driver itself."""

    who: str
    """Program name and process id, or ``driver and firmware``."""
    memory_gib: Number


class Link(_Frozen):
    """How an accelerator reaches another one."""

    to: int
    """Index of the other accelerator."""
    kind: LinkKind
    """``pcie`` stays below one host bridge or processor, ``numa`` crosses the processors' own link."""
    lanes: int | None = None
    """Bonded links, such as the 18 of ``NV18``; None where the driver does not say."""


class Ids(_Frozen):
    """What identifies one device in the world: kept only when asked for with ``--include-ids``."""

    uuid: Text
    serial: Text
    pci_address: Text


class Accelerator(_Frozen):
    """One device a process may use. ``id`` is the catalogue id, or None when the card is not listed."""

    index: int
    vendor: Vendor
    name: str
    id: str | None
    kind: Kind = "gpu"
    memory_total_gib: Number
    memory_free_gib: Number
    unified_memory: bool = False
    compute_capability: Text
    """NVIDIA compute capability such as ``"9.0"``; unknown for other vendors."""
    gfx_target: Text = NOT_READ
    """AMD target such as ``"gfx942"``; unknown for other vendors."""
    driver_version: Text
    runtime_version: Text
    """CUDA version that the driver supports, such as ``"13.0"``; the installed ROCm or CANN elsewhere."""
    visible: bool = True
    card: int | None = None
    """Number of the physical card that a slice was cut from, as the driver counts; None for a whole device."""
    mig_profile: Text = NOT_READ
    """Shape of a MIG slice, such as ``"1g.18gb"``."""
    used_by: Known[tuple[Use, ...]] | Unknown = NOT_READ
    """Who holds the memory that is not free."""
    ecc: Flag = NOT_READ
    """Error correction of the memory is on."""
    power_cap_w: Number = NOT_READ
    pcie_generation: Number = NOT_READ
    """Of the link as it is trained now; an idle card may train down."""
    pcie_width: Number = NOT_READ
    numa_node: Number = NOT_READ
    display_attached: Flag = NOT_READ
    links: Known[tuple[Link, ...]] | Unknown = NOT_READ
    """To the other accelerators of this machine."""
    pci_id: Text = NOT_READ
    """Vendor and device, such as ``"10de:2335"``; the same for every card of the kind."""
    ids: Ids | None = None


class Host(_Frozen):
    """The computer around the accelerators."""

    os: Known[Literal["linux", "macos", "windows"]] | Unknown
    arch: Text
    cpu_model: Text
    cores: Number
    """Cores one process may use: affinity and cgroup quota applied."""
    memory_total_gib: Number
    memory_available_gib: Number
    container: Flag
    disk_free_gib: Number
    """Free space where models are cached."""
    kernel: Text = NOT_READ
    product: Text = NOT_READ
    """Model of the computer or board, such as ``NVIDIA DGX Spark``."""
    wsl: Flag = NOT_READ
    """Windows Subsystem for Linux: Windows holds a part of the card's memory."""
    cpu_features: Words = NOT_READ
    """Of ``avx2``, ``avx512f``, ``avx512_bf16``, ``avx512_vnni``, ``amx_tile``, ``amx_bf16``, ``asimd``, ``sve``."""
    numa_nodes: Number = NOT_READ
    shared_memory_gib: Number = NOT_READ
    """Size of ``/dev/shm``, through which tensor parallel processes talk."""
    container_tools: Words = NOT_READ
    """Container programs on the path: docker, podman, nerdctl, kubectl."""
    gpu_toolkit: Text = NOT_READ
    """What hands cards to containers, such as the NVIDIA Container Toolkit and its version."""
    open_files_limit: Text = NOT_READ
    locked_memory_limit: Text = NOT_READ
    ports_in_use: Numbers = NOT_READ
    """TCP ports that somebody listens on."""
    python: Text = NOT_READ
    hub_reachable: Flag = NOT_READ
    registry_reachable: Flag = NOT_READ


class Problem(_Frozen):
    """Something the probe could not do, in words a person can act on."""

    what: str
    reason: str
    remedy: str | None = None


class Machine(_Frozen):
    """Accelerators, host and what could not be read. ``schema`` names the file format."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    schema_: Literal["deployadvisor/machine@1"] = Field("deployadvisor/machine@1", alias="schema")
    description: str
    """How the machine was named: the phrase, the file, or ``probe``."""
    nodes: int = Field(1, ge=1, le=MAX_NODES)
    """Machines like this one that can work on one model together; the rest describes one of them."""
    accelerators: tuple[Accelerator, ...] = ()
    host: Host
    problems: tuple[Problem, ...] = ()
