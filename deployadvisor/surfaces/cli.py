"""The ``deployadvisor`` command: its group, how errors are shown, and the exit codes.

Exit codes: 0 decided, 1 ``--diff`` found changes or a preflight failed, 2 bad input (nothing written), 3 blocked,
4 open. With ``--json`` only JSON goes to stdout, errors included.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Sequence

import click

from deployadvisor.errors import DeployAdvisorError
from deployadvisor.surfaces.lazy import LazyGroup
from deployadvisor.version import __version__

COMMANDS = {
    "recommend": "Recommend how to run the model of a profile, and say why.",
    "explain": "Say why, why not something else, and what would change the answer.",
    "ask": "Ask only the questions that can still change the answer.",
    "probe": "Show accelerators, memory, driver and host of this machine.",
    "estimate": "Estimate the memory a model needs.",
    "render": "Render the deployment folder of a profile or of a saved answer, or render a folder again.",
    "checklist": "Print the pre-project checklist; with --run, check this machine.",
    "rules": "Show, test, check, compare and document the rules.",
    "sweep": "Decide for a grid or a table of profiles.",
    "catalog": "List models, gpus, engines, providers or regulations.",
    "schema": "Print the JSON Schema of a file format.",
}
"""Commands and what each does, stated here so that ``--help`` need not import them."""


@click.group(
    cls=LazyGroup,
    summaries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog='Example: deployadvisor recommend project.yaml --hardware "2x A100 80GB" --out deploy/',
)
@click.version_option(__version__, prog_name="deployadvisor")
def cli() -> None:
    """Should we run this model ourselves, with which framework, on which GPUs? Decide, explain, render the files."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code instead of raising it."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    as_json = "--json" in arguments
    try:
        result = cli.main(args=list(arguments), prog_name="deployadvisor", standalone_mode=False)
    except DeployAdvisorError as error:
        return _fail(str(error), error.to_dict(), as_json, error.exit_code)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        click.echo("stopped", err=True)
        return 130
    except click.ClickException as error:
        message = error.format_message()
        message = message[0].lower() + message[1:]
        return _fail(f"error: {message}", {"kind": "UsageError", "message": message}, as_json, 2)
    except BrokenPipeError:
        # The reader (head, less) has seen enough; keep the interpreter's shutdown from complaining about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0


def _fail(text: str, error: dict[str, object], as_json: bool, code: int) -> int:
    if as_json:
        click.echo(json.dumps({"error": error}, ensure_ascii=False, indent=2))
    else:
        click.echo(text, err=True)
    return code


def run() -> None:
    """Entry point of the installed script."""
    # The process is short: collecting what it imports, and looking for pydantic plug-ins, would cost a tenth of it.
    gc.disable()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    sys.exit(main())
