"""``deployadvisor rules``: the group; each of its commands is a module of its own."""

from __future__ import annotations

import click

from deployadvisor.surfaces.lazy import LazyGroup

SUMMARIES = {
    "show": "Print rules: all of them, or those named.",
    "test": "Run the tests inside the rules and the scenarios.",
    "check": "Prove what the rules promise, and find gaps.",
    "diff": "Compare the answers of two folders of rules.",
    "docs": "Write the reference pages of the rules.",
}


@click.group(
    "rules",
    cls=LazyGroup,
    summaries=SUMMARIES,
    prefix="rules_",
    epilog="Example: deployadvisor rules show engine-needs-a-gpu-server",
)
def command() -> None:
    """Show, test, check, compare and document the rules."""
