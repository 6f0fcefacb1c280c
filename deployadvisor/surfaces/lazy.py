"""A command group that imports a command's module only when that command runs, so ``--help`` and errors stay fast."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from deployadvisor.errors import nearest


class LazyGroup(click.Group):
    """A group of commands that are known by name and help text before their modules are imported.

    The command ``sweep`` of a group with the prefix ``rules_`` is ``command`` in ``surfaces/rules_sweep_command.py``.
    """

    def __init__(self, *args: Any, summaries: Mapping[str, str], prefix: str = "", **options: Any) -> None:
        """``summaries`` says what each command does, in the order of ``--help``."""
        super().__init__(*args, **options)
        self.summaries = summaries
        self.prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of ``--help``."""
        return list(self.summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in self.summaries:
            return None
        module = importlib.import_module(f"deployadvisor.surfaces.{self.prefix}{cmd_name}_command")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Names and summaries, without an import."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name; a misspelt one is answered with the nearest."""
        if args and args[0] not in self.summaries and not args[0].startswith("-"):
            match = nearest(args[0], self.summaries)
            hint = f'; did you mean "{match}"?' if match else ""
            raise click.UsageError(f'no command "{args[0]}"{hint}', ctx)
        return super().resolve_command(ctx, args)
