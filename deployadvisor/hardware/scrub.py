"""Take out of a recording what identifies a computer or its user, and keep what the probe needs to read it again.

Identifiers are replaced by numbered ones of the same shape, the same one everywhere, so that a variable that names
a card by its UUID still names it. Serial numbers become zeros, names of programs and users common words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from deployadvisor.hardware.recording import Recording

_UUID = re.compile(
    r"\b(?!4d36e968-e325-)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE
)
"""All but the name of the class of display adapters, which is the same on every Windows."""
_LONG_HEX = re.compile(
    r"\b(?!08002be10318)(?:0x)?(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{12,64}\b", re.IGNORECASE
)
_MAC = re.compile(r"\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b", re.IGNORECASE)
_SERIAL = re.compile(
    r"""((?:"[^"\n]*serial[^"\n]*"|\bserial[\w ]{0,20}|\bunique_id"?)[ \t]*[:=>][ \t]*"?)"""
    r"""(\w[\w.\-]+)""",
    re.IGNORECASE,
)
_KERNEL_ID = re.compile(r"\bunique_id[ \t]+([0-9]{1,20})\b")
"""How the kernel names an AMD card, in decimal; ``ROCR_VISIBLE_DEVICES`` has the same in 16 hexadecimal digits."""
_SERIAL_TAG = re.compile(r"(<(?:serial|board_serial|pdi|board_id)>)[^<]*(<)")
_PROGRAM_TAG = re.compile(r"(<process_name>)[^<]*(<)")
_PROGRAM_ROW = re.compile(
    r"^(\|\s*[0-9]+(?:\s+[0-9]+)?\s*\|\s*[0-9]+\s*\|)([^|\n]*\w[^|\n]*)(\|\s*[0-9]+)", re.MULTILINE
)
"""A process in the table of ``npu-smi info``: card, chip, number, name and memory."""
_WINDOWS = re.compile(r"(?:0x[0-9a-f]{16} 0x[0-9a-f]{16} 0x[0-9a-f]{16}\n)+")
"""Where a device's memory lies on the bus, which is no hardware id."""
_PROGRAM_FILE = re.compile(r"^/proc/[0-9]+/comm$")
_PREFIXED = re.compile(r"\b(GPU|MIG)-[0-9a-f-]+", re.IGNORECASE)

_KEPT = (
    "CUDA_VISIBLE_DEVICES",
    "CUDA_DEVICE_ORDER",
    "NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "HSA_OVERRIDE_GFX_VERSION",
    "ASCEND_RT_VISIBLE_DEVICES",
    "ASCEND_VISIBLE_DEVICES",
    "ZE_AFFINITY_MASK",
    "ZE_FLAT_DEVICE_HIERARCHY",
    "ZE_ENABLE_PCI_ID_DEVICE_ORDER",
    "ONEAPI_DEVICE_SELECTOR",
    "HABANA_VISIBLE_DEVICES",
    "HABANA_VISIBLE_MODULES",
)
_KEPT_AS = {
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "HF_HUB_CACHE": "/cache/hub",
    "HF_HOME": "/cache",
    "XDG_CACHE_HOME": "/cache",
}
"""Variables of which only the presence matters."""


def kept_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The variables that the probe looks at; paths and addresses in them are replaced."""
    kept = {name: env[name] for name in _KEPT if name in env}
    return {**kept, **{name: shown for name, shown in _KEPT_AS.items() if name in env}}


def scrubbed(recording: Recording) -> Recording:
    """The recording without identities."""
    home = recording.system.home
    content = recording.model_dump(mode="json")
    content["system"]["home"] = "/home/user"
    content["files"] = {path: _comm(path, text) for path, text in content["files"].items()}
    names = _Names(home, json.dumps(content))
    cleaned = {name: names.clean(part) for name, part in content.items() if name not in ("about", "basis")}
    return Recording.model_validate({"about": recording.about, "basis": recording.basis, **cleaned})


def _comm(path: str, text: str) -> str:
    """Names of other people's programs."""
    return "program\n" if _PROGRAM_FILE.match(path) else text


class _Names:
    """Replacements of one recording."""

    def __init__(self, home: str, everything: str) -> None:
        self.home = home
        uuids = dict.fromkeys(found[0].casefold() for found in _UUID.finditer(everything))
        self.uuids = {uuid: f"00000000-0000-0000-0000-{number:012x}" for number, uuid in enumerate(uuids, 1)}
        kernel_ids = dict.fromkeys(int(found[1]) for found in _KERNEL_ID.finditer(everything) if int(found[1]))
        self.kernel_ids = {known: number for number, known in enumerate(kernel_ids, 1)}
        self.uuids |= {f"{known:016x}": f"{number:016x}" for known, number in self.kernel_ids.items()}
        self.long: dict[str, str] = {}

    def clean(self, part: Any, key: str = "") -> Any:
        """Replace in keys and values alike: container ids stand in paths."""
        if isinstance(part, Mapping):
            return {self._text(str(name)): self.clean(value, str(name)) for name, value in part.items()}
        if isinstance(part, list):
            return [self.clean(each, key) for each in part]
        if not isinstance(part, str) or _WINDOWS.fullmatch(part):
            return part
        return re.sub(r"\w", "0", part) if "serial" in key.casefold() else self._text(part)

    def _text(self, text: str) -> str:
        if len(self.home) > 1:
            text = text.replace(self.home, "/home/user")
        text = _UUID.sub(lambda found: self.uuids[found[0].casefold()], text)
        text = _KERNEL_ID.sub(lambda found: f"unique_id {self.kernel_ids.get(int(found[1]), 0)}", text)
        text = _PREFIXED.sub(self._full, text)
        text = _SERIAL_TAG.sub(r"\g<1>0\g<2>", text)
        text = _PROGRAM_TAG.sub(r"\g<1>program\g<2>", text)
        text = _PROGRAM_ROW.sub(r"\g<1> program \g<3>", text)
        text = _SERIAL.sub(lambda found: found[1] + re.sub(r"\w", "0", found[2]), text)
        text = _MAC.sub("00:00:00:00:00:00", text)
        return _LONG_HEX.sub(self._numbered, text)

    def _full(self, found: re.Match[str]) -> str:
        """A beginning of a UUID, as ``CUDA_VISIBLE_DEVICES`` may hold, as the whole replaced one."""
        kind, _, digits = found[0].partition("-")
        matches = [new for old, new in self.uuids.items() if old.startswith(digits.casefold())]
        return f"{kind}-{matches[0]}" if len(matches) == 1 else found[0]

    def _numbered(self, found: re.Match[str]) -> str:
        """Container ids and hardware ids: zeros of the same length, ending in a number."""
        word = found[0]
        prefix = "0x" if word.startswith("0x") else ""
        number = f"{len(self.long) + 1:x}"
        digits = len(word) - len(prefix)
        return self.long.setdefault(word, f"{prefix}{number.rjust(digits, '0')}")
