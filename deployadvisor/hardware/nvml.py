"""Ask NVML so that no failure escapes: an answer is a value or a ``Refusal``, never an exception and never 0."""
# ruff: noqa: N802 - the functions carry NVML's own names

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from deployadvisor.hardware.machine import Known, Number, Text, Unknown
from deployadvisor.hardware.system import GIB

NOT_SUPPORTED = 3
NO_PERMISSION = 4
NOT_FOUND = 6
DRIVER_NOT_LOADED = 9
LIBRARY_NOT_FOUND = 12
FUNCTION_NOT_FOUND = 13
VERSION_MISMATCH = 18


class Nvml(Protocol):
    """The part of ``pynvml`` that the probe uses; the module itself satisfies it."""

    NVMLError: type[Exception]

    def nvmlInit(self) -> None:
        """Load the library and connect to the driver."""

    def nvmlShutdown(self) -> None:
        """Disconnect."""

    def nvmlSystemGetDriverVersion(self) -> str | bytes:
        """Driver version."""

    def nvmlSystemGetCudaDriverVersion_v2(self) -> int:
        """Newest CUDA version the driver supports, 13000 for 13.0."""

    def nvmlDeviceGetCount(self) -> int:
        """Number of cards."""

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        """Card by bus order."""

    def nvmlDeviceGetName(self, handle: Any) -> str | bytes:
        """Product name of a card or slice."""

    def nvmlDeviceGetUUID(self, handle: Any) -> str | bytes:
        """Identity of a card or slice; compared, never stored."""

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:
        """``total`` and ``free`` in bytes."""

    def nvmlDeviceGetCudaComputeCapability(self, handle: Any) -> tuple[int, int]:
        """Major and minor number."""

    def nvmlDeviceGetVirtualizationMode(self, handle: Any) -> int:
        """2 inside a virtual machine that has a share of a card."""

    def nvmlDeviceGetMigMode(self, handle: Any) -> tuple[int, int]:
        """Current and pending mode; 1 is on."""

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: Any) -> int:
        """Slots for slices."""

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Any, index: int) -> Any:
        """Slice in a slot."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A question that NVML did not answer."""

    function: str
    code: int | None
    words: str

    def unknown(self) -> Unknown:
        """Say it as a machine value."""
        remedy = None
        if self.code == NO_PERMISSION:
            remedy = "run the probe as a user who may read this device"
        return Unknown(unknown=f"NVML {self.function}: {self.words}", remedy=remedy)


def ask(nvml: Nvml, function: str, *arguments: Any) -> Any:
    """Call one NVML function; any failure becomes a ``Refusal`` in NVML's own words."""
    try:
        return getattr(nvml, function)(*arguments)
    except nvml.NVMLError as error:
        return Refusal(function, getattr(error, "value", None), str(error))
    except AttributeError:
        return Refusal(function, FUNCTION_NOT_FOUND, "Function Not Found")
    except (TypeError, ValueError, OSError) as error:
        return Refusal(function, None, f"{type(error).__name__}: {error}")


def ask_text(nvml: Nvml, function: str, *arguments: Any) -> Text:
    """Ask for a text; older versions of ``pynvml`` answer in bytes."""
    answer = ask(nvml, function, *arguments)
    if isinstance(answer, Refusal):
        return answer.unknown()
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
    return Known[str](value=text, source=f"NVML {function}")


def ask_memory(nvml: Nvml, handle: Any) -> tuple[Number, Number]:
    """Total and free memory of a card or slice; a driver that answers 0 has not answered."""
    source = "NVML nvmlDeviceGetMemoryInfo"
    info = ask(nvml, "nvmlDeviceGetMemoryInfo", handle)
    if isinstance(info, Refusal):
        return info.unknown(), info.unknown()
    if info.total <= 0:
        nothing = Unknown(unknown=f"{source}: answered 0 bytes")
        return nothing, nothing
    free = Known[float](value=min(info.free, info.total) / GIB, source=f"{source} free")
    return Known[float](value=info.total / GIB, source=f"{source} total"), free


def ask_compute_capability(nvml: Nvml, handle: Any) -> Text:
    """Compute capability such as ``"9.0"``."""
    answer = ask(nvml, "nvmlDeviceGetCudaComputeCapability", handle)
    if isinstance(answer, Refusal):
        return answer.unknown()
    major, minor = answer
    return Known[str](value=f"{major}.{minor}", source="NVML nvmlDeviceGetCudaComputeCapability")


def ask_cuda_version(nvml: Nvml) -> Text:
    """Newest CUDA version that the driver supports."""
    answer = ask(nvml, "nvmlSystemGetCudaDriverVersion_v2")
    if isinstance(answer, Refusal):
        return answer.unknown()
    version = f"{answer // 1000}.{answer % 1000 // 10}"
    return Known[str](value=version, source="NVML nvmlSystemGetCudaDriverVersion_v2")
