"""Templates quote every value by themselves, and refuse what is not there."""

import subprocess
import sys

import pytest
from jinja2.exceptions import SecurityError, UndefinedError

from deployadvisor.errors import RenderError
from deployadvisor.render.environment import environment, render_text


def test_values_are_quoted_without_a_filter() -> None:
    assert render_text("echo {{ word }}", "shell", {"word": "$(id); x"}) == "echo '$(id); x'"


def test_a_quoted_value_is_not_quoted_again() -> None:
    assert render_text("{{ word | shell }}", "markdown", {"word": "a *b*"}) == "'a *b*'"


def test_joined_text_is_quoted_as_a_whole() -> None:
    assert render_text("{{ a ~ b }}", "shell", {"a": "x", "b": " y"}) == "'x y'"


def test_template_marks_in_values_are_text() -> None:
    assert render_text("{{ word }}", "shell", {"word": "{{ 7*7 }}"}) == "'{{ 7*7 }}'"


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        render_text("{{ nothing }}", "markdown", {})


def test_none_is_never_printed() -> None:
    with pytest.raises(RenderError, match="not known"):
        render_text("{{ value }}", "markdown", {"value": None})


def test_templates_cannot_reach_python() -> None:
    with pytest.raises(SecurityError):
        render_text("{{ value.__class__.__mro__ }}", "markdown", {"value": "x"})


def test_numbers_have_separators() -> None:
    assert environment("markdown").from_string("{{ 16384 | number }} {{ 1.25 | number(1) }}").render() == "16,384 1.2"


def test_jinja_is_not_imported_before_it_is_needed() -> None:
    code = "import sys, deployadvisor.render.bundle; sys.exit('jinja2' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
