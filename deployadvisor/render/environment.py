"""Jinja2 for text files: sandboxed, strict, and quoting every value for the format by itself.

There is one environment a format. Whatever a template prints with ``{{ }}`` goes through the quoting function of
that format unless a filter has quoted it already, so that a forgotten filter cannot inject anything.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from deployadvisor.errors import RenderError
from deployadvisor.render import quoting
from deployadvisor.resources import templates_folder

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import SandboxedEnvironment


def render_template(name: str, language: str, context: Mapping[str, Any]) -> str:
    """Fill the template ``name`` (a path in ``templates/``), quoting values for ``language``."""
    return environment(language).get_template(name).render(context)


def render_text(text: str, language: str, context: Mapping[str, Any]) -> quoting.Quoted:
    """Fill a template that stands in a data file, such as a command of a troubleshooting table."""
    return quoting.Quoted(_compiled(text, language).render(context))


@lru_cache(maxsize=512)
def _compiled(text: str, language: str) -> Template:
    return environment(language).from_string(text)


@cache
def environment(language: str) -> SandboxedEnvironment:
    """The environment of one format; Jinja2 is imported here because it costs most of our start-up time."""
    from jinja2 import FileSystemLoader, StrictUndefined  # noqa: PLC0415 - slow to import
    from jinja2.sandbox import SandboxedEnvironment  # noqa: PLC0415 - slow to import

    made = SandboxedEnvironment(
        loader=FileSystemLoader(templates_folder()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        finalize=_finalizer(quoting.QUOTING[language]),
    )
    made.filters.update(
        quoting.QUOTING,
        code=quoting.code,
        code_cell=quoting.code_cell,
        fenced=quoting.fenced,
        trusted=quoting.trusted,
        windows_word=quoting.windows_word,
        ascii_json=ascii_json,
        number=number,
    )
    return made


def _finalizer(quote: Callable[[object], quoting.Quoted]) -> Callable[[object], object]:
    def finalize(value: object) -> object:
        if value is None:
            raise RenderError("a template printed a value that is not known")
        if isinstance(value, quoting.Quoted | int | float):
            return value
        return quote(value)

    return finalize


def ascii_json(text: str) -> str:
    """The same JSON in ASCII.

    >>> ascii_json('{"a": "中"}')
    '{"a": "\\u4e2d"}'
    """
    return json.dumps(json.loads(text))


def number(value: float, digits: int = 0) -> quoting.Quoted:
    """A number with thousands separators and a fixed count of decimals.

    >>> number(16384), number(27.63, 1)
    ('16,384', '27.6')
    """
    return quoting.Quoted(f"{value:,.{digits}f}")
