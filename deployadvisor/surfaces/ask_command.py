"""``deployadvisor ask``: one question at a time, only those that can still change the answer, then the verdict."""

from __future__ import annotations

import math
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import yaml

from deployadvisor.advise import recommend
from deployadvisor.errors import DeployAdvisorError, ProfileError, RenderError, Where
from deployadvisor.interview import Interview, Question, begin
from deployadvisor.profile import Profile
from deployadvisor.recommendation import Recommendation
from deployadvisor.rulebook import load_rules
from deployadvisor.surfaces import options, view
from deployadvisor.surfaces.ask_answers import read_answer

_EPILOG = """\b
Examples:
  deployadvisor ask --out project.yaml
  deployadvisor ask --hardware "2x RTX 4090" --set purpose=production
  deployadvisor ask project.yaml --out complete.yaml --lang zh
"""
_INDENT = " " * 5
_SHOWN = 4
_MAX_ANSWER = 1_000
_COMMANDS: Final = {
    **dict.fromkeys(("?", "help", "帮助"), "help"),
    **dict.fromkeys(("-", "don't know", "dont know", "do not know", "unknown", "不知道"), "skip"),
    **dict.fromkeys(("b", "back", "返回"), "back"),
    **dict.fromkeys(("q", "quit", "stop", "退出", "停止"), "stop"),
}

_WORDS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "start": "Only questions that can still change the answer are asked. ? help · - don't know · b back · q stop",
        "possible": "still possible",
        "certain": "settled: {title}; what follows chooses the engine or the provider",
        "nothing": "no route",
        "more": "{count} more",
        "left": "at most {count} questions left",
        "left_1": "the last question",
        "first": "this is the first question",
        "blank": "an answer, or - when you do not know, ? for help",
        "not_one_of": '"{text}" is not one of {words}',
        "several": '"{text}" could be {words}',
        "not_a_number": '"{text}" is not a number; 50000, 50_000, 50,000 and 50k are the same',
        "did_you_mean": 'did you mean "{word}"?',
        "help": "-  I don't know, leave it open    b  back to the question before    q  stop here, keep the answers",
        "help_choice": "Answer with a word, its first letters, or its number.",
        "help_flag": "Answer yes or no.",
        "help_number": "Answer with a number: 50000, 50_000, 50,000 or 50k.",
        "help_regulations": "Answer with one or several, with commas between them, or none: {words}.",
        "help_languages": "Answer with codes such as en, zh, de, with commas between them.",
        "help_model": "Answer with a name that deployadvisor catalog models lists, or a folder with config.json; "
        "- when you have none in mind.",
        "help_hardware": "Answer with none, probe (this machine), a saved machine file, or a phrase: 1x H100, "
        "2x RTX 4090, M3 Max 64GB.",
        "open": "More answers are needed",
        "status": "open · rules {version}",
        "open_possible": "Still possible",
        "open_question": "Next question",
        "shares": "shares of the profiles that the rules can still tell apart",
        "next": "Next",
        "goes_on": "{command}   goes on",
        "assumes": "{command}   answers with what the rules assume for the rest",
        "wrote": "Wrote {path}.",
    },
    "zh": {
        "start": "只问仍可能改变结论的问题。? 帮助 · - 不知道 · b 返回 · q 停止",
        "possible": "仍可能",
        "certain": "已确定：{title}；接下来的问题决定引擎或供应商",
        "nothing": "无路可走",
        "more": "另有 {count} 种",
        "left": "最多还有 {count} 个问题",
        "left_1": "最后一个问题",
        "first": "这已是第一个问题",
        "blank": "请作答；不知道请输入 -，帮助请输入 ?",
        "not_one_of": "“{text}”不在可选范围内：{words}",
        "several": "“{text}”可能是 {words}",
        "not_a_number": "“{text}”不是数字；50000、50_000、50,000、50k、5万 是同一个数",
        "did_you_mean": "是否指“{word}”？",
        "help": "-  不知道，留待确定    b  返回上一题    q  到此为止，保留已有回答",
        "help_choice": "请输入选项、选项的开头几个字母或编号。",
        "help_flag": "请回答 yes（是）或 no（否）。",
        "help_number": "请输入数字：50000、50_000、50,000、50k 或 5万。",
        "help_regulations": "请输入一项或多项，用逗号分隔；没有请输入“无”：{words}。",
        "help_languages": "请输入语言代码，如 zh、en，用逗号分隔。",
        "help_model": "请输入 deployadvisor catalog models 列出的模型，或含 config.json 的文件夹；没有意向请输入 -。",
        "help_hardware": "请输入 none（没有）、probe（本机）、已保存的机器文件，或一句描述：1x H100、"
        "2x RTX 4090、M3 Max 64GB。",
        "open": "还需要更多答案",
        "status": "待定 · 规则 {version}",
        "open_possible": "仍可能",
        "open_question": "下一个问题",
        "shares": "占规则仍能区分的情形的比例",
        "next": "下一步",
        "goes_on": "{command}   继续",
        "assumes": "{command}   其余按规则的假设给出结论",
        "wrote": "已写入 {path}。",
    },
}


@click.command("ask", epilog=_EPILOG)
@click.argument("profile_path", metavar="[PROFILE]", required=False)
@click.option("--out", type=click.Path(path_type=Path), help="Write the answers to this profile file.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@click.option(
    "--hardware",
    help='What to run on: probe, none, a machine file, an instance type, or a phrase like "2x RTX 4090".',
)
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Answer one question; repeatable.")
@options.rules_option
@options.overlay_option
@options.lang_option
def command(
    profile_path: str | None,
    settings: tuple[str, ...],
    hardware: str | None,
    rules_folder: Path | None,
    overlays: tuple[Path, ...],
    lang: str,
    out: Path | None,
    force: bool,
) -> int:
    """Ask what PROFILE (YAML or JSON) leaves out, as far as it can change the answer; answers may be piped in."""
    if profile_path == "-":
        raise ProfileError("standard input holds the answers", where=Where("-"), remedy="name a profile file")
    if out is not None:
        _refuse_existing(out, force)
    rulebook = load_rules(rules_folder, overlays)
    interview = _converse(begin(options.read_profile(profile_path, settings), rulebook, hardware, lang))
    advice = None if interview.outcome.status == "open" else _verdict(interview, rules_folder, overlays)
    click.echo("\n".join(_open(interview) if advice is None else view.show(advice)))
    if out is not None:
        _write(interview.profile, out, force)
    click.echo("\n".join(_next_steps(interview, out, _same_rules(rules_folder, overlays, lang))) + "\n")
    return options.EXIT_CODES[advice.status if advice else "open"]


# The conversation


def _converse(interview: Interview) -> Interview:
    """Ask until no answer can change the outcome, or until the user stops."""
    words = _WORDS[interview.lang]
    if interview.next:
        click.echo(f"\n  {click.style(words['start'], dim=True)}")
    while interview.next:
        click.echo("\n".join(_shown(interview, interview.next)))
        after = _exchange(interview, interview.next)
        if after is None:
            break
        interview = after
    return interview


def _exchange(interview: Interview, question: Question) -> Interview | None:
    """Read lines until one moves the interview; None when the user stops."""
    words = _WORDS[interview.lang]
    while (line := _read()) is not None:
        meant = _COMMANDS.get(line.casefold().replace("’", "'"))
        if meant == "stop":
            return None
        if meant == "skip":
            return interview.skip()
        if meant == "back" and interview.previous:
            return interview.back()
        if meant or not line:
            said = _help(question, words) if meant == "help" else words["first" if meant else "blank"]
        else:
            try:
                return interview.answer(read_answer(question, line, words))
            except DeployAdvisorError as error:
                said = _said(error, words)
        click.echo("\n".join(_wrapped(said)))
    return None


def _read() -> str | None:
    """One line of the user, None at the end; what is piped in is shown, so that a transcript can be read."""
    click.echo("     > ", nl=False)
    try:
        line = sys.stdin.readline()
    except UnicodeDecodeError as error:
        raise ProfileError("the answers are not UTF-8 text", where=Where("stdin")) from error
    typed = "".join(character if character.isprintable() else " " for character in line[:_MAX_ANSWER])
    if not line or not sys.stdin.isatty():
        click.echo(typed.rstrip())
    return typed.strip() if line else None


# What is shown


def _shown(interview: Interview, question: Question) -> Iterator[str]:
    words, outcome = _WORDS[interview.lang], interview.outcome
    yield f"\n  {len(interview.history) + 1:<2} {click.style(question.text, bold=True)}"
    yield from _wrapped(question.why)
    if choices := _choices(question):
        yield from _wrapped(choices)
    left = words["left_1"] if outcome.left_at_most == 1 else words["left"].format(count=outcome.left_at_most)
    if outcome.route:
        state = words["certain"].format(title=interview.title(outcome.route))
    else:
        state = f"{words['possible']}: {_possible(interview, _SHOWN)}"
    yield from (click.style(text, dim=True) for text in _wrapped(f"{left} · {state}"))


def _choices(question: Question) -> str:
    """The words that answer, numbered, with their order; for a number its unit."""
    if question.kind in ("ordinal", "choice", "flag"):
        joint = " < " if question.kind == "ordinal" else "   "
        return joint.join(f"{position} {word}" for position, word in enumerate(question.values, start=1))
    return question.unit


def _possible(interview: Interview, shown: int) -> str:
    """What can still come out, the largest share first."""
    words, shares = _WORDS[interview.lang], interview.outcome.shares
    names = (interview.title(route) if route else words["nothing"] for route in shares)
    parts = [f"{name} {_percent(share)}" for name, share in zip(names, shares.values(), strict=True)]
    rest = [words["more"].format(count=len(parts) - shown)] if len(parts) > shown else []
    return " · ".join([*parts[:shown], *rest])


def _percent(share: float) -> str:
    return "<1 %" if share < 0.01 else ">99 %" if share > 0.99 else f"{share:.0%}".replace("%", " %")


def _help(question: Question, words: dict[str, str]) -> str:
    kind = "choice" if question.kind == "ordinal" else question.kind
    text = words[f"help_{question.key if kind in ('list', 'text') else kind}"]
    return f"{text.format(words=', '.join(question.values))}\n{words['help']}"


def _said(error: DeployAdvisorError, words: dict[str, str]) -> str:
    hint = words["did_you_mean"].format(word=error.suggestion) if error.suggestion else ""
    return "; ".join(part for part in (error.message, hint, error.remedy) if part)


def _wrapped(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from view.wrapped(_INDENT, line, len(_INDENT))


# The end


def _verdict(interview: Interview, rules_folder: Path | None, overlays: tuple[Path, ...]) -> Recommendation:
    """The answer on what was said. What was left open cannot change it any more, so it takes what is assumed."""
    left_open = {key: None for key, value in interview.profile.answers().items() if value == "unknown"}
    return recommend(
        interview.profile.model_copy(update=left_open),
        hardware=interview.machine or "none",
        rules=rules_folder,
        overlay=overlays,
        lang=interview.lang,
    )


def _open(interview: Interview) -> Iterator[str]:
    words = _WORDS[interview.lang]
    status = words["status"].format(version=interview.rulebook.version)
    yield f"\n  {click.style(words['open'], bold=True)}    {click.style(status, dim=True)}\n"
    yield f"  {words['open_possible']} ({words['shares']})"
    yield from _wrapped(_possible(interview, len(interview.outcome.shares)))
    if interview.next:
        yield f"\n  {words['open_question']}"
        yield from _wrapped(interview.next.text)
    yield ""


def _next_steps(interview: Interview, out: Path | None, same_rules: str) -> Iterator[str]:
    words, status = _WORDS[interview.lang], interview.outcome.status
    if out is not None:
        yield "  " + words["wrote"].format(path=out)
    project = (shlex.quote(str(out)) if out else _as_options(interview.profile)) + same_rules
    if status == "decided":
        yield f"  {words['next']}: deployadvisor recommend {project} --out deploy/"
    if status == "open":
        yield f"  {words['next']}: {words['goes_on'].format(command=f'deployadvisor ask {project}')}"
        yield f"  {words['next']}: {words['assumes'].format(command=f'deployadvisor recommend {project}')}"


def _same_rules(rules_folder: Path | None, overlays: tuple[Path, ...], lang: str) -> str:
    """The options that a further command needs to answer as this one did."""
    rules = ["--rules", str(rules_folder)] if rules_folder else []
    layers = [word for path in overlays for word in ("--overlay", str(path))]
    language = ["--lang", lang] if lang != "en" else []
    return "".join(f" {shlex.quote(word)}" for word in (*rules, *layers, *language))


def _as_options(profile: Profile) -> str:
    """The answers as options, ready to be pasted."""
    return " ".join(f"--set {shlex.quote(f'{key}={_as_yaml(key, value)}')}" for key, value in _plain(profile).items())


def _as_yaml(key: str, value: Any) -> str:
    if key == "internet":
        return str(value)  # a flag reads yes and no without quotes
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=math.inf)
    return text.removesuffix("...\n").strip()


def _plain(profile: Profile) -> dict[str, Any]:
    """The answers as plain values, whole numbers without a fraction."""
    return {
        key: int(value) if isinstance(value, float) and value.is_integer() else value
        for key, value in profile.answers().items()
    }


def _refuse_existing(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise RenderError(f"{path} exists", remedy="write elsewhere, or use --force")
    if not path.absolute().parent.is_dir():
        raise RenderError(f"cannot write {path}: no such folder")


def _write(profile: Profile, path: Path, force: bool) -> None:
    """Write the profile beside its place and move it there, so that it is whole or not there at all."""
    _refuse_existing(path, force)
    try:
        with tempfile.TemporaryDirectory(dir=path.absolute().parent) as folder:
            whole = Path(folder) / path.name
            whole.write_text(yaml.safe_dump(_plain(profile), sort_keys=False, allow_unicode=True), encoding="utf-8")
            whole.replace(path)
    except OSError as error:
        raise RenderError(f"cannot write {path}: {error.strerror}") from error
