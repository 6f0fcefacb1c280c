"""Ask AMD's library every question of the probe, and print each answer as a line of JSON.

A program of its own, started with the folder of ``amdsmi`` as its argument: a driver that hangs or crashes must
not take the probe along. It imports nothing of the package. Before each question it prints ``[path, function]``,
after it ``[path, function, answer]``; an error is ``{"error": code, "words": text}``. Handles are not printed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

MAX_CARDS = 256

CARD = (
    "amdsmi_get_gpu_device_bdf",
    "amdsmi_get_gpu_asic_info",
    "amdsmi_get_gpu_kfd_info",
    "amdsmi_get_gpu_device_uuid",
    "amdsmi_get_gpu_board_info",
    "amdsmi_get_gpu_driver_info",
    "amdsmi_get_gpu_ecc_enabled",
    "amdsmi_get_power_cap_info",
)
MEMORY = ("amdsmi_get_gpu_memory_total", "amdsmi_get_gpu_memory_usage")
KINDS = ("VRAM", "GTT")
PROCESSES = "amdsmi_get_gpu_process_list"
"""Asked last: it looks through the files of every process."""

FUNCTION_NOT_FOUND = 13
CODES = {2: 3, 10: 4, 34: 9}
"""AMDSMI_STATUS_NOT_SUPPORTED, _NO_PERM and _DRIVER_NOT_LOADED as the numbers that the probe knows them by."""

Write = Callable[[list[Any]], None]


class RefusedError(Exception):
    """A question without an answer; it has been written down."""


class Questions:
    """One connection to the library, and where its answers go."""

    def __init__(self, library: Any, write: Write) -> None:
        """Take the module ``amdsmi``, or one that stands in for it."""
        self.library = library
        self.write = write

    def everything(self) -> None:
        """Ask all questions, card by card."""
        try:
            self.call([], "amdsmi_init")
            handles = self.call([], "amdsmi_get_processor_handles")
        except RefusedError:
            return
        cards = list(handles)[:MAX_CARDS] if isinstance(handles, (list, tuple)) else []
        for card, handle in enumerate(cards):
            self.card(["devices", card], handle)
        for card, handle in enumerate(cards):
            self.ask(["devices", card], PROCESSES, handle)
        self.ask([], "amdsmi_shut_down")

    def card(self, path: list[Any], handle: Any) -> None:
        """Ask about one card."""
        for function in CARD:
            self.ask(path, function, handle)
        for function in MEMORY:
            for kind in KINDS:
                self.memory(path, function, kind, handle)

    def memory(self, path: list[Any], function: str, kind: str, handle: Any) -> None:
        """Ask for a size of one kind of memory, which the library numbers."""
        label = f"{function}({kind})"
        number = getattr(getattr(self.library, "AmdSmiMemoryType", None), kind, None)
        if number is None:
            self.write([path, label, {"error": FUNCTION_NOT_FOUND, "words": "Function Not Found"}])
            return
        self.ask(path, function, handle, number, label=label)

    def ask(self, path: list[Any], function: str, *arguments: Any, label: str | None = None) -> None:
        """Write question and answer down."""
        try:
            answer = self.call(path, function, *arguments, label=label)
        except RefusedError:
            return
        self.write([path, label or function, plain(answer)])

    def call(self, path: list[Any], function: str, *arguments: Any, label: str | None = None) -> Any:
        """Call one function; an answer is not written down, an error is, and raises ``RefusedError``."""
        self.write([path, label or function])
        try:
            return getattr(self.library, function)(*arguments)
        except Exception as error:
            self.write([path, label or function, refusal(error)])
            raise RefusedError from error


def refusal(error: Exception) -> dict[str, Any]:
    """Say an error as data: in the library's words, with a code where it has one that the probe acts on."""
    if isinstance(error, AttributeError):
        return {"error": FUNCTION_NOT_FOUND, "words": "Function Not Found"}
    code = getattr(error, "err_code", None)
    words = " ".join(str(error).split())[:150]
    known = CODES.get(code) if isinstance(code, int) else None
    return {"error": known, "words": words if isinstance(code, int) else f"{type(error).__name__}: {words}"}


def plain(answer: Any) -> Any:
    """Turn an answer into what JSON can say; a number with a name becomes its name."""
    if isinstance(answer, Enum):
        return answer.name
    if answer is None or isinstance(answer, (bool, int, float, str)):
        return answer
    if isinstance(answer, bytes):
        return answer.decode("utf-8", "replace")
    if isinstance(answer, Mapping):
        return {str(key): plain(part) for key, part in answer.items()}
    if isinstance(answer, (list, tuple)):
        return [plain(part) for part in answer]
    return None


def main() -> None:
    """Print the answers of the installed library."""
    sys.path.append(sys.argv[1])
    import amdsmi  # noqa: PLC0415 - its folder has just become known

    def write(line: list[Any]) -> None:
        print(json.dumps(line), flush=True)  # noqa: T201 - its output is its answer

    Questions(amdsmi, write).everything()


if __name__ == "__main__":
    main()
