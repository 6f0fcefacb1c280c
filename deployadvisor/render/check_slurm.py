"""What sbatch lets through: our own checks on the options of a batch script.

It reads ``#SBATCH`` lines only above the first command and says nothing about those below.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_NUMBER = re.compile(r"[1-9]\d*")
_NOTHING = re.compile(r"")

KNOWN: Mapping[str, re.Pattern[str]] = {
    "--job-name": re.compile(r"[a-z0-9][a-z0-9-]*"),
    "--nodes": _NUMBER,
    "--ntasks": _NUMBER,
    "--cpus-per-task": _NUMBER,
    "--mem": re.compile(r"[1-9]\d*[KMGT]"),
    "--gres": re.compile(r"gpu:([a-z0-9_]+:)?[1-9]\d*"),
    "--exclusive": re.compile(r"(user)?"),
    "--signal": re.compile(r"B:(USR1|TERM)@[1-9]\d*"),
    "--requeue": _NOTHING,
    "--no-requeue": _NOTHING,
    "--open-mode": re.compile(r"append|truncate"),
    "--output": re.compile(r"logs/[a-z-]+-%j\.log"),
}
"""Options of sbatch that our jobs use, with the form of their values. Source: sbatch(1), Slurm 22.05."""

_MUST_HAVE = ("--job-name", "--nodes", "--ntasks", "--cpus-per-task", "--mem", "--signal", "--output")


def check_batch_script(text: str, cards: int) -> Iterator[str]:
    """What sbatch lets through: options that it never reads, and requests that do not fit the plan."""
    lines = text.splitlines()
    first_command = next(
        (at for at, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines)
    )
    found: dict[str, str] = {}
    for at, line in enumerate(lines):
        if not line.startswith("#SBATCH"):
            continue
        if at > first_command:
            yield f"{line} stands after the first command, where sbatch does not look"
        name, _, value = line.removeprefix("#SBATCH").strip().partition("=")
        if name in found:
            yield f"{name} stands twice"
        found[name] = value
    yield from _option_problems(found)
    yield from (f"{name} is missing" for name in _MUST_HAVE if name not in found)
    asked = found.get("--gres", "gpu:0").rpartition(":")[2]
    if asked != str(cards):
        yield f"--gres asks for {asked} cards, and the plan has {cards}"


def _option_problems(found: dict[str, str]) -> Iterator[str]:
    for name, value in found.items():
        if name not in KNOWN:
            yield f"sbatch has no option {name} that a job here may use"
        elif not KNOWN[name].fullmatch(value):
            yield f"{name}={value} is not a value of that option"
