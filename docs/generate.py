"""Rewrite what the documentation takes from the program: command output, tables, counts, schemas.

    python docs/generate.py            rewrite the pages and schemas that are out of date
    python docs/generate.py --check    name them, and fail

A page marks such a part as ``<!-- generated: KIND ARGUMENTS -->`` … ``<!-- end -->``; ``KINDS`` lists the kinds.
Commands run in a folder of their own that holds ``docs/examples`` and the files that the page tells readers to write:
a YAML block that begins with ``# FILE`` is a file, one that begins with ``# FOLDER/FILE, SECTION`` is added to that
section in a copy of the rules.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from rule_schemas import RULE_SCHEMAS

from deployadvisor import documents, recommend
from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.gpus import gpus
from deployadvisor.catalog.instances import instances
from deployadvisor.catalog.models import models
from deployadvisor.catalog.providers import providers
from deployadvisor.catalog.regulations import obligations, regulations
from deployadvisor.catalog.rentals import rentals
from deployadvisor.checklist.items import load_items
from deployadvisor.decide.findings import CODES
from deployadvisor.decide.vocabulary import Fact
from deployadvisor.profile import Profile, from_answers
from deployadvisor.report import rules_reference
from deployadvisor.rulebook import load_rules
from deployadvisor.rulecheck import load_properties
from deployadvisor.scenarios import load_scenarios
from deployadvisor.surfaces.cli import COMMANDS, cli, main
from deployadvisor.surfaces.schema_command import schema

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
REFERENCE = DOCS / "reference"
COLUMNS = "100"

_BLOCK = re.compile(r"(<!-- generated: ([^\n]*?) -->\n).*?(<!-- end -->)", re.DOTALL)
_FILE_TO_WRITE = re.compile(r"```(?:yaml|json)\n# (\S+)\n(.*?)```", re.DOTALL)
_ENTRY_TO_ADD = re.compile(r"```yaml\n# ([\w-]+)/(\S+), (\w+)\n(.*?)```", re.DOTALL)
_SECONDS = re.compile(r"\b\d+\.\d s$", re.MULTILINE)


def pages() -> tuple[Path, ...]:
    """Every page that somebody wrote, the README first."""
    return (ROOT / "README.md", *sorted(path for path in DOCS.glob("**/*.md") if path.parent != REFERENCE))


def examples() -> tuple[Path, ...]:
    """The shipped example profiles."""
    return tuple(sorted((DOCS / "examples").glob("*.yaml")))


# Commands


@contextlib.contextmanager
def sandbox(page: str = "") -> Iterator[Path]:
    """A folder to run the commands of one page in, as its reader would; the current folder meanwhile."""
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        folder = Path(name)
        shutil.copytree(DOCS / "examples", folder / "docs" / "examples")
        shutil.copytree(ROOT / "tests" / "machines", folder / "tests" / "machines")
        shutil.copytree(ROOT / "rules", folder / "my-rules")
        for path, text in _FILE_TO_WRITE.findall(page):
            (folder / path).write_text(text, encoding="utf-8")
        for copy, file, section, text in _ENTRY_TO_ADD.findall(page):
            _add_entry(folder / copy, file, section, text)
        yield folder


def _add_entry(rules: Path, file: str, section: str, text: str) -> None:
    if not rules.exists():
        shutil.copytree(ROOT / "rules", rules)
    path = rules / file
    head, heading, entries = path.read_text(encoding="utf-8").partition(f"\n{section}:\n")
    path.write_text(head + heading + textwrap.indent(text, "  ") + entries, encoding="utf-8")


def run(command: str) -> tuple[int, str]:
    """Exit code and output, errors included, of a command line that begins with ``deployadvisor``."""
    output = io.StringIO()
    columns = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = COLUMNS
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = main(shlex.split(command)[1:])
    finally:
        os.environ.pop("COLUMNS")
        if columns is not None:
            os.environ["COLUMNS"] = columns
    return code, output.getvalue()


def _session(command: str) -> str:
    code, output = run(command)
    output = _SECONDS.sub("… s", output)  # which differ from run to run
    lines = [f"$ {command}", *output.strip("\n").splitlines()]
    return _fenced("console", [*lines, "$ echo $?", str(code)] if code else lines)


def _fenced(language: str, lines: list[str]) -> str:
    return "\n".join([f"```{language}", *(line.rstrip() for line in lines), "```"])


def _commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None  # noqa: S101 - COMMANDS lists what there is
        yield name, command
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                each = command.get_command(context, inner)
                assert each is not None  # noqa: S101 - listed above
                yield f"{name} {inner}", each


def _help(_: str) -> str:
    parts = []
    for name in ("", *(name for name, _ in _commands())):
        title = f"deployadvisor {name}".strip()
        parts.append(f"## {title}\n\n" + _fenced("text", run(f"{title} --help")[1].splitlines()))
    return "\n\n".join(parts)


def _command_table(_: str) -> str:
    rows = [
        (f"`{name}`", command.get_short_help_str(limit=200).rstrip("."))
        for name, command in _commands()
        if not isinstance(command, click.Group)
    ]
    return _table(("Command", "What it does"), rows)


# Tables


def _table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _profile_table(_: str) -> str:
    facts = load_rules().vocabulary.facts
    properties = schema("profile")["properties"]
    rows = []
    for key in Profile.model_fields:
        meaning = properties[key].get("description", "").replace("``", "`")
        assumed = _assumed(facts[key]) if key in facts else "see below"
        rows.append((f"`{key}`", _values(properties[key]), meaning, assumed))
    return _table(("Key", "Values", "Meaning", "Left out"), rows)


def _values(entry: dict[str, Any]) -> str:
    """What a key accepts in words, from its JSON Schema; ``unknown`` is said once on the page."""
    kinds = entry.get("anyOf", [entry])
    return " or ".join(text for kind in kinds if (text := _kind(kind)))


def _kind(kind: dict[str, Any]) -> str:
    if "enum" in kind:
        return " · ".join(f"`{word}`" for word in kind["enum"])
    if kind["type"] in {"integer", "number"}:
        low = kind.get("minimum", kind.get("exclusiveMinimum"))
        noun = "whole number" if kind["type"] == "integer" else "number"
        return f"{noun}, {'more than' if 'exclusiveMinimum' in kind else 'from'} {low:,g} to {kind['maximum']:,.0f}"
    if kind["type"] == "array":
        inner = _kind(kind["items"])
        return f"list of {inner}" if "`" in inner else "list of words"
    return "text" if kind["type"] == "string" and "const" not in kind else ""


def _assumed(fact: Fact) -> str:
    if fact.assume is None:
        return "computed from the volume" if fact.name == "peak_concurrency" else "stays open"
    return f"`{_plain(fact.assume)}`"


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _decision_table(_: str) -> str:
    rows = []
    for scenario in load_scenarios(load_rules()):
        advice = recommend(from_answers(scenario.given, scenario.where))
        reason = advice.reasons[0].text if advice.reasons else "Missing: " + "; ".join(advice.missing)
        second = advice.plan.fallback_provider
        title = advice.title + (f", {providers()[second].name} as the second provider" if second else "")
        rows.append((scenario.situation, str(scenario.given["hardware"]), f"**{title}**", reason))
    return _table(("Situation", "Hardware", "Answer", "First reason"), rows)


def _example_table(_: str) -> str:
    rows = []
    for path in examples():
        profile = documents.read(path).value
        title = recommend(path).title
        rows.append((f"[{path.name}](examples/{path.name})", profile["name"], profile["hardware"], title))
    return _table(("File", "Project", "Hardware", "Answer"), rows)


def _code_table(_: str) -> str:
    rows = [(f"`{name}`", code.severity, code.question) for name, code in CODES.items()]
    return _table(("Code", "Severity", "Asks"), rows)


def _counts(lang: str) -> str:
    rulebook = load_rules()
    rules = list(rulebook.rules())
    sold = sum(len(provider.models) for provider in providers().values())
    numbers = {
        "models": len(models()),
        "gpus": len(gpus()),
        "engines": len(engines()),
        "providers": len(providers()),
        "sold": sold,
        "regulations": len(regulations()),
        "obligations": len(obligations()),
        "rentals": len(rentals()),
        "instances": len(instances()),
        "rules": len(rules),
        "tests": sum(len(rule.tests) for rule in rules),
        "scenarios": len(load_scenarios(rulebook)),
        "items": len(load_items().items),
    }
    return _COUNTED[lang].format(**numbers)


_COUNTED = {
    "en": """\
- {models} open-weight models (geometry, licence, quality class), {gpus} accelerators, {engines} engines in one pinned
  version each, {providers} hosted providers with {sold} current models, {regulations} regulations with {obligations}
  obligations, {rentals} rental offers, {instances} instance types of clouds. Every entry names its source and the day
  it was checked.
- {rules} rules in three decisions (route, engine, provider) with {tests} tests beside them, {scenarios} whole
  scenarios, and {items} checklist items.""",
    "zh": """\
- {models} 个开放权重模型、{gpus} 种加速卡、{engines} 个推理引擎（各锁定一个版本）、{providers} 家托管 API
  供应商（{sold} 个在售模型）、{regulations} 部法规（{obligations} 条义务）、{rentals} 条租用报价、
  {instances} 种云实例；每条都注明来源和核对日期。
- {rules} 条规则（路线、引擎、供应商三个决策），规则旁附 {tests} 个测试；
  另有 {scenarios} 个完整场景和 {items} 项启动前检查项。""",
}


def _excerpt(arguments: str) -> str:
    """One entry of a YAML file, by its id or key."""
    path, name = arguments.split()
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    whole, in_one_line = {f"- id: {name}", f"{name}:"}, f"{name}: {{"
    texts = [line.strip() for line in lines]
    start = next(at for at, text in enumerate(texts) if text in whole or text.startswith(in_one_line))
    indent = len(lines[start]) - len(lines[start].lstrip())
    inside = [lines[start]]
    for line in lines[start + 1 :]:
        if line.strip() and len(line) - len(line.lstrip()) <= indent:
            break
        inside.append(line)
    return _fenced("yaml", textwrap.dedent("\n".join(inside)).strip().splitlines())


KINDS: dict[str, Callable[[str], str]] = {
    "run": _session,
    "help": _help,
    "commands": _command_table,
    "profile": _profile_table,
    "decisions": _decision_table,
    "examples": _example_table,
    "codes": _code_table,
    "counts": _counts,
    "excerpt": _excerpt,
}


# Files


def regenerated(text: str) -> str:
    """A page with every generated part made anew."""

    def fill(block: re.Match[str]) -> str:
        kind, _, arguments = block[2].partition(" ")
        return f"{block[1]}\n{KINDS[kind](arguments)}\n\n{block[3]}"

    with sandbox(text):
        return _BLOCK.sub(fill, text)


def reference() -> Iterator[tuple[Path, str]]:
    """The pages of the rules, which are generated as a whole."""
    rulebook = load_rules()
    files = rules_reference.files(rulebook, load_properties(rulebook))
    return ((REFERENCE / name, text) for name, text in files.items())


def generated() -> Iterator[tuple[Path, str]]:
    """Every generated file and what it should hold."""
    for path in pages():
        yield path, regenerated(path.read_text(encoding="utf-8"))
    yield from reference()
    bodies = {name: schema(name) for name in ("profile", "recommendation", "machine")}
    bodies |= {name: build() for name, build in RULE_SCHEMAS.items()}
    for name, body in bodies.items():
        yield DOCS / "schemas" / f"{name}.json", json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def outdated() -> Iterator[tuple[Path, str]]:
    """The files that differ from what they should hold."""
    for path, text in generated():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            yield path, text


@click.command()
@click.option("--check", is_flag=True, help="Change nothing; exit 1 when something is out of date.")
def command(check: bool) -> None:
    """Rewrite the generated parts of the documentation."""
    stale = list(outdated())
    for path, text in stale:
        click.echo(f"{'out of date' if check else 'wrote'}: {path.relative_to(ROOT)}")
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if stale and check:
        click.echo("run: python docs/generate.py")
        sys.exit(1)


if __name__ == "__main__":
    command()
