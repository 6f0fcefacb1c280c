"""A machine as the advisor sees it: every measured value is known, with its source, or unknown, with a reason.

Memory is in GiB (2**30 bytes) and is what one process may really use: the slice, the container's limit, not
the parent card or host.
"""

from __future__ import annotations

from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Known(_Frozen, Generic[T]):
    """A value and where it was read, such as ``NVML nvmlDeviceGetMemoryInfo`` or a catalogue entry."""

    value: T
    source: str


class Unknown(_Frozen):
    """A value nobody could read, why, and what the user may do about it. Never 0, never "no"."""

    unknown: str
    remedy: str | None = None


Number = Known[float] | Unknown
Text = Known[str] | Unknown
Flag = Known[bool] | Unknown


def value_of(reading: Known[T] | Unknown) -> T | None:
    """The value when known, else None; only for display and for callers that handle None themselves."""
    return reading.value if isinstance(reading, Known) else None


Vendor = Literal["nvidia", "amd", "apple", "intel", "huawei"]
Kind = Literal["gpu", "mig", "vgpu", "integrated", "npu"]


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
    driver_version: Text
    runtime_version: Text
    """CUDA version that the driver supports, such as ``"13.0"``."""
    visible: bool = True


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
    accelerators: tuple[Accelerator, ...] = ()
    host: Host
    problems: tuple[Problem, ...] = ()
