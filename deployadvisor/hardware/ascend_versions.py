"""Versions of Huawei's driver and of the CANN toolkit, from the files that their installers leave."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployadvisor.hardware.machine import Known, Text, Unknown
from deployadvisor.hardware.system import System

_ASCEND = "/usr/local/Ascend"
_INSTALLED = "/etc/ascend_install.info"
_ARCHITECTURES = {"arm64": "aarch64", "amd64": "x86_64"}
_WORD = r"([0-9]{1,5}(?:\.[0-9A-Za-z_-]{1,20}){0,4})"
_TOOLKIT = re.compile(
    rf"^(?:version={_WORD}\s*|toolkit_running_version=\[[^:\]\n]{{0,60}}:{_WORD}\]\s*)$", re.MULTILINE
)
_NO_CANN = Unknown(
    unknown="no CANN toolkit is installed here",
    remedy="run the engine in a container image that brings it, or install the toolkit",
)


def driver_version(system: System, shown: str | None) -> Text:
    """From the driver's own file, else what its program prints (``shown``)."""
    for folder in (*_driver_folders(system), _ASCEND):
        file = f"{folder}/driver/version.info"
        text = system.text(file) or ""
        found = re.search(rf"^package_version={_WORD}\s*$", text, re.MULTILINE) or re.search(
            rf"^version={_WORD}\s*$", text, re.MULTILINE | re.IGNORECASE
        )
        if found:
            return Known[str](value=found[1], source=file)
    if shown is not None:
        return Known[str](value=shown, source="npu-smi info")
    return Unknown(unknown=f"{_ASCEND}/driver/version.info does not say")


def _driver_folders(system: System) -> Iterator[str]:
    """Where the installer put the driver, if it says so and the words can be a folder."""
    text = system.text(_INSTALLED) or ""
    found = re.search(r"^Driver_Install_Path_Param=(/[\w./\-]{1,200}?)/?\s*$", text, re.MULTILINE | re.ASCII)
    if found and ".." not in found[1]:
        yield found[1]


def cann_version(system: System) -> Text:
    """The toolkit that this process would use, else the one that is installed."""
    machine = system.platform()[1]
    arch = _ARCHITECTURES.get(machine.casefold(), machine)
    for folder, shown in _toolkits(system):
        for file in (f"{arch}-linux/ascend_toolkit_install.info", "version.cfg"):
            text = system.text(f"{folder}/{file}") or ""
            if found := _TOOLKIT.search(text):
                return Known[str](value=found[1] or found[2], source=f"{shown}/{file}")
    return _by_folder(system) or _NO_CANN


def _toolkits(system: System) -> Iterator[tuple[str, str]]:
    """Folders, and how to show them: where a user keeps a toolkit is nobody's business."""
    env = system.env()
    for variable in ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME"):
        if env.get(variable, "").startswith("/"):
            yield env[variable].rstrip("/"), variable
    for folder in (f"{_ASCEND}/ascend-toolkit/latest", f"{_ASCEND}/cann"):
        yield folder, folder


def _by_folder(system: System) -> Text | None:
    """Since 8.5 the toolkit lies in ``cann-8.5.0``; of several none is known to be used."""
    found = [match[1] for name in system.names(_ASCEND) if (match := re.fullmatch(rf"cann-{_WORD}", name))]
    return Known[str](value=found[0], source=f"{_ASCEND}/cann-{found[0]}") if len(found) == 1 else None
