"""What sbatch lets through: our own checks on the options of a batch script.

It reads ``#SBATCH`` lines only above the first command and says nothing about those below.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Generator, Iterator, Mapping
from itertools import pairwise

from deployadvisor.catalog.engines import Engine, PlanField
from deployadvisor.figures import Plan

_NUMBER = re.compile(r"[1-9]\d*")
_NOTHING = re.compile(r"")

KNOWN: Mapping[str, re.Pattern[str]] = {
    "--job-name": re.compile(r"[a-z0-9][a-z0-9-]*"),
    "--nodes": _NUMBER,
    "--ntasks": _NUMBER,
    "--ntasks-per-node": re.compile(r"1"),
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

_MUST_HAVE = ("--job-name", "--nodes", "--cpus-per-task", "--mem", "--signal", "--output")


def check_batch_script(text: str, cards: int, nodes: int = 1) -> Iterator[str]:
    """What sbatch lets through: options that it never reads, and requests that do not fit ``cards`` on each node."""
    found = yield from _options(text.splitlines())
    yield from _option_problems(found)
    yield from (f"{name} is missing" for name in _MUST_HAVE if name not in found)
    asked = found.get("--gres", "gpu:0").rpartition(":")[2]
    if asked != str(cards):
        yield f"--gres asks for {asked} cards, and the plan has {cards}"
    if found.get("--nodes", "1") != str(nodes):
        yield f"--nodes asks for {found['--nodes']}, and the plan has {nodes}"
    tasks = "--ntasks" if nodes == 1 else "--ntasks-per-node"
    if found.get(tasks) != "1":
        yield f"{tasks} is not 1"


def _options(lines: list[str]) -> Generator[str, None, dict[str, str]]:
    """The options of a script, with complaints about those that sbatch reads otherwise than they stand there."""
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
    return found


def _option_problems(found: dict[str, str]) -> Iterator[str]:
    for name, value in found.items():
        if name not in KNOWN:
            yield f"sbatch has no option {name} that a job here may use"
        elif not KNOWN[name].fullmatch(value):
            yield f"{name}={value} is not a value of that option"


RANK = "engine/rank.sh"
"""Script of the other nodes."""

_KEEPS_THE_KEY = re.compile(r"API_KEY|\$\{?key\b")
_TOGETHER = {"--ntasks-per-node": "1", "--relative": "1", "--kill-on-bad-exit": "1", "--export": "ALL"}


def check_step(script: str, rank: str, engine: Engine, plan: Plan) -> Iterator[tuple[str, str]]:
    """Path and fault of a job over several nodes whose processes would not become one engine, or outlive it."""
    try:
        yield from _faults(script, rank, engine, plan)
    except ValueError as error:
        yield "serve.sbatch", f"its commands cannot be read: {error}"


def _faults(script: str, rank: str, engine: Engine, plan: Plan) -> Iterator[tuple[str, str]]:
    commands = [one for one in script.replace("\\\n", " ").splitlines() if re.search(r"(^|[ (])srun ", one)]
    steps = [one for one in commands if RANK in one]
    if len(steps) != 1:
        yield "serve.sbatch", f"{len(steps)} steps start the other nodes"
    for command in steps:
        yield from (("serve.sbatch", problem) for problem in _step_problems(command, plan))
    if any(_KEEPS_THE_KEY.search(one) for one in commands):
        yield "serve.sbatch", "a step would carry the key to the other nodes"
    if _KEEPS_THE_KEY.search(rank):
        yield RANK, "the other nodes answer nobody and need no key"
    yield from (("serve.sbatch", problem) for problem in _group_problems(script, engine, plan))
    yield from ((RANK, problem) for problem in _rank_problems(rank, engine))


def _step_problems(command: str, plan: Plan) -> Iterator[str]:
    others, each = str(plan.nodes - 1), plan.gpus // plan.nodes
    told = dict(one.partition("=")[::2] for one in shlex.split(command) if one.startswith("--"))
    wanted = {"--nodes": others, "--ntasks": others, "--gres": f"gpu:{each}", **_TOGETHER}
    for name, value in wanted.items():
        if told.get(name) != value:
            yield f"srun has {name}={told.get(name)} and needs {value}"


def _group_problems(script: str, engine: Engine, plan: Plan) -> Iterator[str]:
    """Whether all nodes are told the same, and the first its number."""
    words = shlex.split(script.partition("arguments=(")[2].rpartition("\n)\n")[0])
    if _told(engine, "nodes", words) != str(plan.nodes):
        yield f"the engine is told of {_told(engine, 'nodes', words)} nodes instead of {plan.nodes}"
    if not (_told(engine, "leader", words) or "").startswith("$leader"):
        yield "the engine is not told where the first node is"
    alone = {
        name for field in ("node_rank", "headless") if (option := engine.flags.get(field)) for name in option.names
    }
    yield from (f"{word} is told to all nodes" for word in words if word in alone)
    if not re.search(
        rf'"\$\{{arguments\[@\]\}}" {re.escape(engine.flags["node_rank"].names[0])} 0$', script, re.MULTILINE
    ):
        yield "the first node is not told that it is the first"


def _told(engine: Engine, field: PlanField, words: list[str]) -> str | None:
    option = engine.flags.get(field)
    return next((value for flag, value in pairwise(words) if option and flag in option.names), None)


def _rank_problems(rank: str, engine: Engine) -> Iterator[str]:
    if f'{engine.flags["node_rank"].names[0]} "$rank"' not in rank:
        yield "a node is not told which one it is"
    headless = engine.flags.get("headless")
    if headless and headless.names[0] not in rank:
        yield "the other nodes would answer requests"
