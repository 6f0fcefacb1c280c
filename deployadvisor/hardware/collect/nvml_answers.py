"""Ask NVML every question of the probe, and print each answer as a line of JSON.

A program of its own, started with the folder of ``pynvml`` as its argument: a driver that hangs or crashes must
not take the probe along. It imports nothing of the package. Before each question it prints ``[path, function]``,
after it ``[path, function, answer]``; an error is ``{"error": code, "words": text}``. Handles are not printed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

MAX_CARDS = 256
MAX_SLICES = 64
MAX_LINKS = 36

SYSTEM = ("nvmlSystemGetDriverVersion", "nvmlSystemGetCudaDriverVersion_v2")
EVERY_DEVICE = (
    "nvmlDeviceGetName",
    "nvmlDeviceGetUUID",
    "nvmlDeviceGetMemoryInfo",
    "nvmlDeviceGetComputeRunningProcesses",
)
CARD = (
    "nvmlDeviceGetMigMode",
    "nvmlDeviceGetVirtualizationMode",
    "nvmlDeviceGetCudaComputeCapability",
    "nvmlDeviceGetPciInfo",
    "nvmlDeviceGetSerial",
    "nvmlDeviceGetEccMode",
    "nvmlDeviceGetPowerManagementLimit",
    "nvmlDeviceGetCurrPcieLinkGeneration",
    "nvmlDeviceGetCurrPcieLinkWidth",
    "nvmlDeviceGetDisplayActive",
    "nvmlDeviceGetGraphicsRunningProcesses",
)
SLICE = ("nvmlDeviceGetAttributes",)

FUNCTION_NOT_FOUND = 13
P2P_OVER_NVLINK = 2  # NVML_P2P_CAPS_INDEX_NVLINK
P2P_WORKS = 0  # NVML_P2P_STATUS_OK
REMOTE_GPU = 0  # NVML_NVLINK_DEVICE_TYPE_GPU

Write = Callable[[list[Any]], None]


class RefusedError(Exception):
    """A question without an answer; it has been written down."""


class Questions:
    """One connection to NVML, and where its answers go."""

    def __init__(self, nvml: Any, write: Write) -> None:
        """Take the module ``pynvml``, or one that stands in for it."""
        self.nvml = nvml
        self.write = write

    def everything(self) -> None:
        """Ask all questions, from the driver down to slices and links."""
        try:
            self.handle([], "nvmlInit")
        except RefusedError:
            return
        for function in SYSTEM:
            self.ask([], function)
        count = self.ask([], "nvmlDeviceGetCount")
        cards = range(min(count, MAX_CARDS)) if isinstance(count, int) else ()
        handles = dict(self.handles(cards))
        for card, handle in handles.items():
            self.card(["devices", card], handle)
        for card, handle in handles.items():
            self.links(["devices", card], handle)
            self.peers(card, handle, handles)

    def handles(self, cards: Iterable[int]) -> Iterable[tuple[int, Any]]:
        """Open the cards that can be opened."""
        for card in cards:
            try:
                yield card, self.handle(["devices", card], "nvmlDeviceGetHandleByIndex", card)
            except RefusedError:
                continue

    def card(self, path: list[Any], handle: Any) -> None:
        """Ask about one card and the slices it is cut into."""
        for function in (*EVERY_DEVICE, *CARD):
            self.ask(path, function, handle)
        slots = self.ask(path, "nvmlDeviceGetMaxMigDeviceCount", handle)
        for slot in range(min(slots, MAX_SLICES)) if isinstance(slots, int) else ():
            self.slice([*path, "mig", slot], handle, slot)

    def slice(self, path: list[Any], card: Any, slot: int) -> None:
        """Ask about one slice; most slots are empty."""
        try:
            handle = self.handle(path, "nvmlDeviceGetMigDeviceHandleByIndex", card, slot)
        except RefusedError:
            return
        for function in (*EVERY_DEVICE, *SLICE):
            self.ask(path, function, handle)

    def links(self, path: list[Any], handle: Any) -> None:
        """Ask for the state of each NVLink and, of those that end at a card, for its address."""
        for link in range(MAX_LINKS):
            place = [*path, "nvlink", link]
            state = self.ask(place, "nvmlDeviceGetNvLinkState", handle, link)
            if state is None:
                return
            remote = self.ask(place, "nvmlDeviceGetNvLinkRemoteDeviceType", handle, link) if state else None
            if remote == REMOTE_GPU:
                self.ask(place, "nvmlDeviceGetNvLinkRemotePciInfo", handle, link)

    def peers(self, card: int, handle: Any, handles: dict[int, Any]) -> None:
        """Ask how the card reaches those after it: by NVLink, else where in the PCIe tree they meet (15 ms)."""
        for other, peer in handles.items():
            path = ["devices", card, "peers", other]
            if other > card and self.ask(path, "nvmlDeviceGetP2PStatus", handle, peer, P2P_OVER_NVLINK) != P2P_WORKS:
                self.ask(path, "nvmlDeviceGetTopologyCommonAncestor", handle, peer)

    def ask(self, path: list[Any], function: str, *arguments: Any) -> Any:
        """Write question and answer down; return the answer, None for an error."""
        try:
            answer = self.handle(path, function, *arguments)
        except RefusedError:
            return None
        self.write([path, function, plain(answer)])
        return answer

    def handle(self, path: list[Any], function: str, *arguments: Any) -> Any:
        """Call one function; an answer is not written down, an error is, and raises ``RefusedError``."""
        self.write([path, function])
        try:
            return getattr(self.nvml, function)(*arguments)
        except Exception as error:
            self.write([path, function, refusal(error)])
            raise RefusedError from error


def refusal(error: Exception) -> dict[str, Any]:
    """Say an error as data: NVML's own code where it has one."""
    if isinstance(error, AttributeError):
        return {"error": FUNCTION_NOT_FOUND, "words": "Function Not Found"}
    code = getattr(error, "value", None)
    words = str(error) if isinstance(code, int) else f"{type(error).__name__}: {error}"
    return {"error": code if isinstance(code, int) else None, "words": words}


def plain(answer: Any) -> Any:
    """Turn an answer of ``pynvml`` into what JSON can say; a structure becomes a mapping of its fields."""
    if answer is None or isinstance(answer, (bool, int, float, str)):
        return answer
    if isinstance(answer, bytes):
        return answer.decode("utf-8", "replace")
    if isinstance(answer, (list, tuple)):
        return [plain(part) for part in answer]
    fields = getattr(answer, "_fields_", None)
    names = [field[0] for field in fields] if fields else list(vars(answer))
    return {name: plain(getattr(answer, name)) for name in names}


def main() -> None:
    """Print the answers of the installed library."""
    sys.path.append(sys.argv[1])
    import pynvml  # noqa: PLC0415 - its folder has just become known

    def write(line: list[Any]) -> None:
        print(json.dumps(line), flush=True)  # noqa: T201 - its output is its answer

    Questions(pynvml, write).everything()


if __name__ == "__main__":
    main()
