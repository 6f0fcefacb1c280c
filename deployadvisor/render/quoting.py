"""One quoting function for every text format that is written: a value comes out as itself or not at all.

YAML and JSON are not here: they are built as data and dumped. What a format cannot express safely raises
RenderError instead of being altered.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping

from deployadvisor.errors import RenderError


class Quoted(str):
    """Text that is already in the language of the file it goes into."""

    __slots__ = ()


def shell(value: object) -> Quoted:
    """One word of a POSIX shell.

    >>> shell("it's $HOME")
    '\\'it\\'"\\'"\\'s $HOME\\''
    """
    text = str(value)
    if "\0" in text:
        raise _refuse("a shell script", text)
    return Quoted(shlex.quote(text))


def python(value: object) -> Quoted:
    """A Python literal, in ASCII."""
    return Quoted(ascii(value))


_PRINTED_ASCII = re.compile(r"([ -~]+)")


def powershell(value: object) -> Quoted:
    """A string of PowerShell, in ASCII.

    Windows PowerShell 5 reads files in the code page of the system, and every PowerShell takes curly quotation marks
    for straight ones: all that is not ASCII is spelled out. Source: about_Quoting_Rules, about_Character_Encoding.

    >>> powershell("it's 中")
    "('it''s ' + [char]0x4E2D)"
    """
    text = str(value)
    if "\0" in text:
        raise _refuse("a PowerShell script", text)
    pieces = [_powershell_piece(piece) for piece in _PRINTED_ASCII.split(text) if piece]
    if not (pieces and pieces[0].startswith("'")):
        pieces.insert(0, "''")  # a sum that starts with a string is one
    return Quoted(pieces[0] if len(pieces) == 1 else f"({' + '.join(pieces)})")


def _powershell_piece(piece: str) -> str:
    if _PRINTED_ASCII.fullmatch(piece):
        return "'" + piece.replace("'", "''") + "'"
    units = piece.encode("utf-16-be", "surrogatepass")
    return " + ".join(f"[char]0x{units[at : at + 2].hex().upper()}" for at in range(0, len(units), 2))


def windows_word(value: object) -> Quoted:
    """One word of a command line of Windows, as a string of PowerShell.

    PowerShell 5 and 7 hand words with quotation marks to programs in different ways, so they get none that need it.
    """
    return powershell(subprocess.list2cmdline([str(value)]))


_SCRIPT_SIGNS = re.compile(r"[<>&]|\{(?=[{%#])")


def javascript(value: object) -> Quoted:
    """A string of JavaScript in ASCII, which no ``</script>`` ends and which holds no mark of a template.

    >>> javascript("</script>")
    '"\\u003c/script\\u003e"'
    """
    return Quoted(_SCRIPT_SIGNS.sub(lambda sign: f"\\u{ord(sign[0]):04x}", json.dumps(str(value))))


_CADDY_WORD = re.compile(r"[A-Za-z0-9._:/-]+")


def caddy(value: object) -> Quoted:
    """A bare token of a Caddyfile; braces, quotes, spaces and ``$`` have a meaning there and are refused."""
    return _listed(value, _CADDY_WORD, "a Caddyfile")


def nginx(value: object) -> Quoted:
    """A bare token of an nginx configuration; braces, quotes, ``;``, ``$`` and spaces have a meaning there."""
    return _listed(value, _CADDY_WORD, "an nginx configuration")


_DOCKER_WORD = re.compile(r"[A-Za-z0-9._:/@=+\[\],-]+")


def dockerfile(value: object) -> Quoted:
    """A bare word of a Dockerfile instruction."""
    return _listed(value, _DOCKER_WORD, "a Dockerfile")


_SYSTEMD_PLAIN = re.compile(r"[A-Za-z0-9._/@+,=:-]+")
_SYSTEMD_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "%": "%%"}


def systemd(value: object) -> Quoted:
    """One word of a unit file, in a command or after ``Environment=``; ``%`` would name a specifier.

    ``$`` stays: only commands expand it, and those are written with the prefix ``:`` that switches that off.
    Source: systemd.syntax(7), "Quoting", and systemd.service(5), "Command lines".

    >>> systemd('50% of "x"')
    '"50%% of \\\\"x\\\\""'
    """
    text = str(value)
    if _SYSTEMD_PLAIN.fullmatch(text):
        return Quoted(text)
    if any(sign not in _SYSTEMD_ESCAPES and (ord(sign) < 0x20 or 0x7F <= ord(sign) < 0xA0) for sign in text):
        raise _refuse("a systemd unit", text)
    if any(0xD800 <= ord(sign) <= 0xDFFF for sign in text):
        raise _refuse("a systemd unit", text)
    return Quoted('"' + "".join(_SYSTEMD_ESCAPES.get(sign, sign) for sign in text) + '"')


_ENV_PLAIN = re.compile(r"[A-Za-z0-9._:/@%+,=-]+")
_ENV_QUOTED = re.compile(r"[^'\\\x00-\x1f\x7f]+")


def env(value: object) -> Quoted:
    """A value of a ``.env`` file; single quotes keep everything else literal in Compose and in a shell."""
    text = str(value)
    if _ENV_PLAIN.fullmatch(text):
        return Quoted(text)
    if _ENV_QUOTED.fullmatch(text):
        return Quoted(f"'{text}'")
    raise _refuse("a .env file", text)


def modelfile(value: object) -> Quoted:
    """A value of an Ollama Modelfile, which has quotes but no escapes.

    A bare value runs to the end of the line; triple quotes may span lines. Runes that do not print are dropped by
    Ollama, so they are refused here. Source: ollama parser/parser.go.
    """
    text = str(value)
    lines = text.split("\n")
    if not all(line.isprintable() for line in lines) or not text or text != text.strip():
        raise _refuse("a Modelfile", text)
    if len(lines) == 1 and not text.startswith('"'):
        return Quoted(text)
    if '"""' in text or text.endswith('"'):
        raise _refuse("a Modelfile", text)
    return Quoted(f'"""{text}"""')


_MARKDOWN_SPECIAL = re.compile(r"[\\`*\[\]<>|{}~$]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|(?<= )#(?=#*$)")
_MARKDOWN_START = re.compile(r"^(?:([+-])(?=\s|$)|(#)(?=#{0,5}(?:\s|$))|([=-])(?=[=-]*$)|(\d{1,9})([.)])(?=\s|$))")


def markdown(value: object) -> Quoted:
    """Running text on one line of Markdown, in a table or not: shown as it is, never as markup or HTML."""
    escaped = _MARKDOWN_SPECIAL.sub(r"\\\g<0>", " ".join(_one_line(value).split()))
    return Quoted(_MARKDOWN_START.sub(_escape_start, escaped))


def _escape_start(match: re.Match[str]) -> str:
    *signs, number, stop = match.groups()
    return f"{number}\\{stop}" if number else f"\\{next(filter(None, signs))}"


def code(value: object) -> Quoted:
    """Inline code in Markdown, whatever backticks it holds."""
    text = _one_line(value)
    ticks = "`" * (_longest_run("`", text) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return Quoted(f"{ticks}{pad}{text}{pad}{ticks}")


def code_cell(value: object) -> Quoted:
    """Inline code in a Markdown table, where a bar ends the cell even inside code."""
    return Quoted(code(value).replace("|", "\\|"))


def fenced(text: str, language: str = "") -> Quoted:
    """A fenced Markdown block that its content cannot close."""
    fence = "`" * max(3, _longest_run("`", text) + 1)
    return Quoted(f"{fence}{language}\n{text.strip(chr(10))}\n{fence}\n")


def trusted(value: object) -> Quoted:
    """Text of the templates themselves, written in the language of the file."""
    return Quoted(value)


def _one_line(value: object) -> str:
    """Line breaks and what does not print become spaces; none stands at an end."""
    return "".join(sign if sign.isprintable() else " " for sign in str(value)).strip()


def _longest_run(sign: str, text: str) -> int:
    return max((len(run) for run in re.findall(re.escape(sign) + "+", text)), default=0)


def _listed(value: object, allowed: re.Pattern[str], place: str) -> Quoted:
    text = str(value)
    if not allowed.fullmatch(text):
        raise _refuse(place, text)
    return Quoted(text)


def _refuse(place: str, text: str) -> RenderError:
    return RenderError(f"{place} cannot hold {text!a}", remedy="use a simpler name")


QUOTING: Mapping[str, Callable[[object], Quoted]] = {
    "shell": shell,
    "powershell": powershell,
    "python": python,
    "javascript": javascript,
    "caddy": caddy,
    "nginx": nginx,
    "dockerfile": dockerfile,
    "env": env,
    "modelfile": modelfile,
    "systemd": systemd,
    "markdown": markdown,
}
"""Quoting function of every text format, by the name that manifests use."""
