"""Run with a Python that has an engine installed: ask its own parser about command lines, all in one process.

``parse.py ENGINE IN OUT [MODEL]``: IN is a JSON list of command lines, the words after the program. OUT becomes a
JSON object: ``problems`` by the number of the line, all ``options``, and the names of the parsers. With the folder
MODEL of a tiny model vLLM also builds its configuration. Needs nothing of this project.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import sys
from pathlib import Path

NUMBER = re.compile(r"-\d+(\.\d+)?")


class Argparse:
    """A parser of argparse, in front of the words that it wants."""

    def __init__(self, parser, options, first=()):
        self.parser, self.options, self.first = parser, frozenset(options), list(first)

    def problem(self, words):
        said = io.StringIO()
        try:
            with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
                self.checked(self.parser.parse_args([*self.first, *words]))
        except SystemExit:
            return (said.getvalue().strip().splitlines() or ["stopped"])[-1]
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is its answer
            return f"{type(error).__name__}: {str(error).strip()[:500]}"
        return None

    def checked(self, arguments):
        """What the engine looks at after its command line, where that is possible here."""

    def names(self):
        return [], []


class Sglang(Argparse):
    def __init__(self):
        from sglang.srt.server_args import ServerArgs

        parser = argparse.ArgumentParser()
        ServerArgs.add_cli_args(parser)
        super().__init__(parser, parser._option_string_actions)

    def names(self):
        choices = self.parser._option_string_actions
        return choices["--tool-call-parser"].choices, choices["--reasoning-parser"].choices


class Lmdeploy(Argparse):
    def __init__(self):
        from lmdeploy.cli.cli import CLI
        from lmdeploy.cli.serve import SubCliServe

        SubCliServe.add_parsers()
        server = SubCliServe.subparsers.choices["api_server"]
        super().__init__(CLI.parser, server._option_string_actions, ["serve", "api_server"])

    def checked(self, arguments):
        from lmdeploy.serve.parsers.response_parser import validate_parser_names

        validate_parser_names(arguments.reasoning_parser, arguments.tool_call_parser)

    def names(self):
        from lmdeploy.serve.parsers.reasoning_parser import LEGACY_REASONING_PARSER_NAMES, ReasoningParserManager
        from lmdeploy.serve.parsers.tool_parser import ToolParserManager

        return ToolParserManager.module_dict, [*ReasoningParserManager.module_dict, *LEGACY_REASONING_PARSER_NAMES]


class Vllm(Argparse):
    def __init__(self, model):
        os.environ |= {"VLLM_TARGET_DEVICE": "cpu", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
        from vllm.entrypoints.cli.serve import ServeSubcommand
        from vllm.utils.argparse_utils import FlexibleArgumentParser

        parser = FlexibleArgumentParser()
        server = ServeSubcommand().subparser_init(parser.add_subparsers(dest="subparser"))
        super().__init__(parser, server._option_string_actions, ["serve"])
        self.model = model

    def checked(self, arguments):
        from vllm.engine.arg_utils import AsyncEngineArgs

        if self.model:
            arguments.model = arguments.model_tag = self.model
            AsyncEngineArgs.from_cli_args(arguments).create_engine_config()
        tools, reasoning = self.names()
        for name, known in ((arguments.tool_call_parser, tools), (arguments.reasoning_parser, reasoning)):
            if name and name not in known:
                raise ValueError(f"no parser {name}")

    def names(self):
        from vllm.reasoning import ReasoningParserManager
        from vllm.tool_parsers import ToolParserManager

        return ToolParserManager.list_registered(), ReasoningParserManager.list_registered()


class Transformers:
    """A command of click, which knows no abbreviations but takes no harm from being asked."""

    def __init__(self):
        from transformers.cli.transformers import app

        self.command = app.commands["serve"]
        self.options = {name for one in self.command.params for name in (*one.opts, *one.secondary_opts)}

    def problem(self, words):
        try:
            self.command.make_context("serve", list(words))
        except Exception as error:  # noqa: BLE001 - whatever an engine raises is its answer
            return f"{type(error).__name__}: {error}"
        return None

    def names(self):
        return [], []


def shortened(words, options):
    """Flags that only pass because a parser completes what is not spelled out."""
    flags = (word.partition("=")[0] for word in words if word.startswith("-") and not NUMBER.fullmatch(word))
    return [flag for flag in flags if flag not in options]


def main(engine, given, written, model=None):
    parser = {"sglang": Sglang, "lmdeploy": Lmdeploy, "transformers": Transformers}.get(engine, lambda: Vllm(model))()
    problems = {}
    for number, words in enumerate(json.loads(Path(given).read_text(encoding="utf-8"))):
        short = shortened(words, parser.options)
        problem = f"not spelled out: {' '.join(short)}" if short else parser.problem(words)
        if problem:
            problems[number] = problem
    tools, reasoning = (sorted(map(str, names)) for names in parser.names())
    result = {"problems": problems, "options": sorted(parser.options), "tool_calls": tools, "reasoning": reasoning}
    Path(written).write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
