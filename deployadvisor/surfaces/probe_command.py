"""``deployadvisor probe``: what this machine has, and why anything is unknown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from deployadvisor.hardware.machine import Accelerator, Known, Machine, Unknown
from deployadvisor.hardware.probe import probe, save_machine
from deployadvisor.surfaces import options


@click.command(
    "probe", epilog="Example: deployadvisor probe --save server.yaml, then recommend --hardware server.yaml"
)
@options.json_option
@click.option("--save", type=click.Path(path_type=Path), help="Write the machine to a file that --hardware reads.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
def command(as_json: bool, save: Path | None, force: bool) -> int:
    """Show accelerators, memory, driver and host of this machine; nothing leaves it, no serial numbers are read."""
    machine = probe()
    if save is not None:
        save_machine(machine, save, force=force)
    if as_json:
        options.print_json(machine.model_dump(mode="json", by_alias=True))
    else:
        for line in show(machine):
            click.echo(line)
        if save is not None:
            click.echo(f"saved {save}")
    return 0


def show(machine: Machine) -> Iterator[str]:
    """The machine as lines."""
    host = machine.host
    yield f"host          {_text(host.os)} {_text(host.arch)}, {_text(host.cpu_model)}"
    yield f"cores         {_text(host.cores)}"
    yield f"memory        {_text(host.memory_available_gib)} GiB available of {_text(host.memory_total_gib)} GiB"
    yield f"disk here     {_text(host.disk_free_gib)} GiB free"
    yield f"container     {_text(host.container)}"
    if not machine.accelerators:
        yield "accelerators  none found"
    for card in machine.accelerators:
        yield from _card(card)
    for problem in machine.problems:
        yield f"problem       {problem.what}: {problem.reason}" + (f"; {problem.remedy}" if problem.remedy else "")


def _card(card: Accelerator) -> Iterator[str]:
    hidden = "" if card.visible else "  (not visible to this process)"
    yield f"{card.kind} {card.index:<9} {card.name} ({card.id or 'not in the catalogue'}){hidden}"
    yield f"              memory {_text(card.memory_free_gib)} GiB free of {_text(card.memory_total_gib)} GiB"
    versions = f"driver {_text(card.driver_version)}, runtime {_text(card.runtime_version)}"
    yield f"              compute capability {_text(card.compute_capability)}, {versions}"


def _text(reading: Known[Any] | Unknown) -> str:
    if isinstance(reading, Unknown):
        return f"unknown ({reading.unknown})"
    value = reading.value
    return f"{value:.1f}" if isinstance(value, float) else str(value)
