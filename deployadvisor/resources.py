"""The one place that finds shipped data: ``rules/``, ``templates/`` and the catalogue.

In a wheel, rules and templates lie in ``deployadvisor/_data``; in a checkout they stand at the top level.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from deployadvisor.errors import DocumentError

_PACKAGE = Path(__file__).resolve().parent


@cache
def _data_folder(name: str) -> Path:
    for folder in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise DocumentError(f'this installation has no "{name}" folder', remedy="reinstall deployadvisor")


def rules_folder() -> Path:
    """Folder of the shipped rule files."""
    return _data_folder("rules")


def templates_folder() -> Path:
    """Folder of the shipped render templates, one folder a target."""
    return _data_folder("templates")


def catalog_file(name: str) -> Path:
    """Path of ``catalog/data/<name>.yaml``."""
    return _PACKAGE / "catalog" / "data" / f"{name}.yaml"


def display_path(path: Path) -> str:
    """``path`` as messages show it: relative to the shipped data or the current folder where that is shorter."""
    for base in (_PACKAGE / "_data", _PACKAGE.parent, Path.cwd()):
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix()
    return str(path)
