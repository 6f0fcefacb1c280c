"""A folder of rules as it stood at a git revision, such as ``v0.1.0``, ``HEAD~3`` or ``main:policies/rules``."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from deployadvisor.errors import DeployAdvisorError, RulesError, Where

_FOLDER = "rules"
_SECONDS = 60


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """The rule files of a revision of the repository around the current folder, in a folder that goes away again.

    Without ``:FOLDER`` it is the folder ``rules``. Errors inside name the revision, not the passing folder.
    """
    tree = revision if ":" in revision else f"{revision}:{_FOLDER}"
    with tempfile.TemporaryDirectory(prefix="rules-") as name:
        folder = Path(name)
        _extract(_git_archive(tree), folder)
        try:
            yield folder
        except DeployAdvisorError as error:
            if error.where and error.where.source.startswith(name):
                error.where = replace(error.where, source=tree + error.where.source.removeprefix(name))
            raise


def _git_archive(tree: str) -> bytes:
    top = _git(tree, "rev-parse", "--show-toplevel").decode().rstrip("\n")
    found = _git(tree, "-C", top, "rev-parse", "--verify", "--quiet", "--end-of-options", tree)
    return _git(tree, "-C", top, "archive", "--format=tar", found.decode().strip())


def _git(tree: str, *arguments: str) -> bytes:
    """What git prints. No shell, and the user's text only after ``--end-of-options``: it cannot become an option."""
    try:
        command = ["git", *arguments]
        done = subprocess.run(  # noqa: S603 - no shell, and no text of the user that could be an option
            command, capture_output=True, check=True, timeout=_SECONDS
        )
    except FileNotFoundError:
        raise _unknown(tree, "git is not installed") from None
    except subprocess.TimeoutExpired:
        raise _unknown(tree, "git does not answer") from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise _unknown(tree, reason or "git knows no such folder") from None
    return done.stdout


def _unknown(tree: str, reason: str) -> RulesError:
    return RulesError(
        f"no such file, folder or git revision: {reason}",
        where=Where(tree),
        remedy="name a rules folder, an overlay file, or a revision such as v0.1.0",
    )


def _extract(archive: bytes, folder: Path) -> None:
    """Write the YAML files at the top of the archive, and nothing else that it may hold."""
    with tarfile.open(fileobj=BytesIO(archive)) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is not None and "/" not in member.name and member.name.endswith(".yaml"):
                (folder / member.name).write_bytes(content.read())
