"""The version of NVIDIA's kernel module, which the kernel knows whatever the libraries beside it say."""

from __future__ import annotations

import re

from deployadvisor.hardware.system import System

_FILE = "/proc/driver/nvidia/version"
_VERSION = re.compile(r"Kernel Module\b[^\n]{0,60}?\s([0-9]{2,4}\.[0-9]{1,4}(?:\.[0-9]{1,4})?)\b")


def module_version(system: System) -> str | None:
    """Such as ``580.159.04``, of the open and of the proprietary module.

    The line is ``NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release Build ...`` or
    ``NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.216.03  Thu Apr ...``.
    """
    found = _VERSION.search(system.text(_FILE) or "")
    return found[1] if found else None
