"""``deployadvisor probe``: what this machine has, and why anything is unknown."""

from __future__ import annotations

from pathlib import Path

import click

from deployadvisor.hardware.local import LocalSystem
from deployadvisor.hardware.probe import probe, save_machine
from deployadvisor.hardware.recorder import record, write_recording
from deployadvisor.hardware.recording import RecordedSystem, read_recording
from deployadvisor.hardware.system import System
from deployadvisor.surfaces import options
from deployadvisor.surfaces.probe_view import show

_FILE = click.Path(path_type=Path)


@click.command(
    "probe", epilog="Example: deployadvisor probe --save server.yaml, then recommend --hardware server.yaml"
)
@options.json_option
@click.option("--save", type=_FILE, help="Write the machine to a file that --hardware reads.")
@click.option("--record", "recorded", type=_FILE, help="Write the raw answers, without identities, for a bug report.")
@click.option("--replay", "replayed", type=_FILE, help="Read a recording instead of this machine.")
@click.option("--network", is_flag=True, help="Ask too whether model hub and image registries can be reached.")
@click.option("--include-ids", is_flag=True, help="Keep UUIDs, serial numbers and bus addresses.")
@click.option("--unknown", is_flag=True, help="List every value that could not be read, and why.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
def command(
    as_json: bool,
    save: Path | None,
    recorded: Path | None,
    replayed: Path | None,
    network: bool,
    include_ids: bool,
    unknown: bool,
    force: bool,
) -> int:
    """Show accelerators, host and what to mend on this machine; nothing leaves it, and no identities are kept."""
    system: System = RecordedSystem(read_recording(replayed)) if replayed else LocalSystem()
    if recorded is not None:
        machine, recording = record(system, "describe here what is wrong")
        write_recording(recording, recorded, force=force)
    else:
        machine = probe(system, network=network, include_ids=include_ids)
    if save is not None:
        save_machine(machine, save, force=force)
    if as_json:
        options.print_json(machine.model_dump(mode="json", by_alias=True))
        return 0
    for line in show(machine, unknown=unknown):
        click.echo(line)
    for path in (save, recorded):
        if path is not None:
            click.echo(f"\nWrote {path}")
    return 0
