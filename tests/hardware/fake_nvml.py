"""Stands in for the module ``pynvml``: answers from a recording, as the library itself would."""
# ruff: noqa: N802 - the functions carry NVML's own names

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pynvml


class FakeNvml:
    """A handle is the mapping of a card's or slice's answers."""

    def __init__(self, driver: Mapping[str, Any]) -> None:
        self.driver = driver

    def nvmlInit(self) -> None:
        return self._answer(self.driver, "nvmlInit", None)

    def nvmlDeviceGetCount(self) -> int:
        return self._answer(self.driver, "nvmlDeviceGetCount", len(self.driver["devices"]))

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        card = self.driver["devices"][index]
        self._answer(card, "nvmlDeviceGetHandleByIndex", None)
        return card

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: Any) -> int:
        return self._answer(handle, "nvmlDeviceGetMaxMigDeviceCount", len(handle.get("mig", ())) + 1)

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: Any, index: int) -> Any:
        empty = {"nvmlDeviceGetMigDeviceHandleByIndex": {"error": 6}}
        slots = [empty, *handle.get("mig", ())]  # the first slot is empty, and so are those after the last slice
        slot = slots[index] if index < len(slots) else empty
        self._answer(slot, "nvmlDeviceGetMigDeviceHandleByIndex", None)
        return slot

    def nvmlDeviceGetNvLinkState(self, handle: Any, link: int) -> int:
        return self._of_part(handle, "nvlink", link, "nvmlDeviceGetNvLinkState")

    def nvmlDeviceGetNvLinkRemoteDeviceType(self, handle: Any, link: int) -> int:
        return self._of_part(handle, "nvlink", link, "nvmlDeviceGetNvLinkRemoteDeviceType")

    def nvmlDeviceGetP2PStatus(self, handle: Any, peer: Any, _index: int) -> int:
        return self._of_part(handle, "peers", self.driver["devices"].index(peer), "nvmlDeviceGetP2PStatus")

    def nvmlDeviceGetTopologyCommonAncestor(self, handle: Any, peer: Any) -> int:
        other = self.driver["devices"].index(peer)
        return self._of_part(handle, "peers", other, "nvmlDeviceGetTopologyCommonAncestor")

    def __getattr__(self, function: str) -> Any:
        if not function.startswith("nvml") or function == "nvmlDeviceGetDisplayActive":
            raise AttributeError(function)  # an older pynvml lacks some functions
        return lambda handle=self.driver: self._answer(handle, function)

    def _of_part(self, handle: Any, part: str, index: int, function: str) -> Any:
        rows = handle.get(part, ())
        return self._answer(rows[index] if index < len(rows) else {}, function)

    def _answer(self, answers: Mapping[str, Any], function: str, default: Any = {"error": 3}) -> Any:  # noqa: B006 - read only
        answer = answers.get(function, default)
        if isinstance(answer, Mapping):
            if "error" in answer:
                raise pynvml.NVMLError(answer["error"])
            return SimpleNamespace(**answer)
        if function.endswith("RunningProcesses") and isinstance(answer, list):
            return [SimpleNamespace(**process) for process in answer]
        return answer.encode() if function == "nvmlDeviceGetName" else answer  # older ones answer in bytes
