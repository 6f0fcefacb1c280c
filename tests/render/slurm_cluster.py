"""A cluster on this machine: munged, slurmctld and a slurmd a node below a folder, without cgroups.

Several nodes are several daemons with ports of their own; Debian's slurmd takes the name of its node (``-N``).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "srun")

_CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SchedulerParameters=sched_interval=2,bf_interval=2
NodeName=DEFAULT CPUs=32 CoresPerSocket=32 RealMemory=900000 Gres=gpu:2
{nodes}
PartitionName=gpu Nodes=ALL Default=YES MaxTime=1-00:00:00 State=UP
"""


_NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} State=UNKNOWN"


def lacking() -> str | None:
    """Why no cluster can be started here, or None."""
    if os.geteuid() != 0:
        return "only root starts the daemons"
    missing = [name for name in PROGRAMS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    return f"{missing[0]} is not installed" if missing else None


@contextlib.contextmanager
def cluster(folder: Path, nodes: Sequence[str] = ("one",)) -> Iterator[dict[str, str]]:
    """Variables for a shell that submits there; the cluster ends with the block."""
    for name in ("state", *(f"spool-{node}" for node in nodes)):
        (folder / name).mkdir()
    port, *ports = free_ports(1 + len(nodes))
    host = socket.gethostname().split(".")[0]
    lines = "\n".join(_NODE.format(name=name, host=host, port=own) for name, own in zip(nodes, ports, strict=True))
    text = _CONFIGURATION.format(host=host, folder=folder, port=port, nodes=lines)
    (folder / "slurm.conf").write_text(text, encoding="utf-8")
    (folder / "gres.conf").write_text("AutoDetect=off\nName=gpu File=/dev/zero,/dev/null\n", encoding="utf-8")
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    variables = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    try:
        munge = [f"--{name}={folder}/{file}" for name, file in _MUNGE.items()]
        _start("munged", "--force", *munge, **variables)
        _start("slurmctld", "-c", **variables)
        for node in nodes:
            _start("slurmd", "-c", "-N", node, **variables)
        _await_idle(variables, len(nodes))
        yield variables
    finally:
        for name in (*(f"slurmd-{node}" for node in nodes), "slurmctld", "munged"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int((folder / f"{name}.pid").read_text(encoding="utf-8")), signal.SIGTERM)


_MUNGE = {
    "key-file": "munge.key",
    "socket": "munge.socket",
    "pid-file": "munged.pid",
    "log-file": "munged.log",
    "seed-file": "munge.seed",
}


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


def _start(*command: str, **variables: str) -> None:
    subprocess.run(command, check=True, env={**os.environ, **variables}, capture_output=True)


def _await_idle(variables: dict[str, str], nodes: int) -> None:
    for _ in range(60):
        done = subprocess.run(
            ["sinfo", "-h", "-N", "-o", "%T"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **variables},
        )
        if done.stdout.split() == ["idle"] * nodes:
            return
        time.sleep(0.5)
    raise RuntimeError(f"the nodes did not come up: {done.stdout}{done.stderr}")
