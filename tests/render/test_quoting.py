"""A value comes out of each format as itself, or RenderError says that the format cannot hold it."""

import ast
import json
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor.errors import RenderError
from deployadvisor.render import quoting
from deployadvisor.render.check_units import unit_words
from tests.render import powershell
from tests.render.reading import HOSTILE

TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60))


@given(TEXTS.filter(lambda text: "\0" not in text))
def test_shell_reads_back_one_equal_word(text: str) -> None:
    assert shlex.split(quoting.shell(text)) == [text]


@given(TEXTS)
def test_python_reads_back_equal(text: str) -> None:
    assert ast.literal_eval(quoting.python(text)) == text


@given(st.one_of(TEXTS, st.text(alphabet=st.characters(), max_size=60)))
def test_javascript_is_one_string_in_ascii_that_reads_back_equal(text: str) -> None:
    quoted = quoting.javascript(text)
    assert json.loads(quoted) == text
    assert quoted.isascii()
    assert quoted.isprintable()
    assert not {"<", ">", "&"} & set(quoted)
    assert not any(mark in quoted for mark in ("{{", "{%", "{#"))


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("gpt-6", '"gpt-6"'),
        ("it's", '"it\'s"'),
        ('"\\\n', r'"\"\\\n"'),
        ("</script>", r'"\u003c/script\u003e"'),
        ("a && b", r'"a \u0026\u0026 b"'),
        ("{{ x }} {y}", r'"\u007b{ x }} {y}"'),
        ("${x} `y`", '"${x} `y`"'),
        ("\u2028\ud800\0", r'"\u2028\ud800\u0000"'),
    ],
)
def test_javascript_escapes_what_ends_a_string_or_a_script(text: str, quoted: str) -> None:
    assert quoting.javascript(text) == quoted


@given(st.one_of(TEXTS, st.text(alphabet=st.characters(), max_size=60)).filter(lambda text: "\0" not in text))
def test_powershell_is_one_string_in_ascii_that_reads_back_equal(text: str) -> None:
    quoted = quoting.powershell(text)
    assert quoted.isascii()
    assert quoted.isprintable()
    assert powershell.errors(f"$x = {quoted}") == []
    assert list(powershell.words(f"$x = {quoted}")) == ["$x", "=", text]


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", "''"),
        ("it's $HOME `n", "'it''s $HOME `n'"),
        ("\u2019; rm", "('' + [char]0x2019 + '; rm')"),
        ("模a", "('' + [char]0x6A21 + 'a')"),
        ("\U0001f600\n", "('' + [char]0xD83D + [char]0xDE00 + [char]0x000A)"),
    ],
)
def test_powershell_spells_out_what_is_not_ascii(text: str, quoted: str) -> None:
    assert quoting.powershell(text) == quoted


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("--ctx-size", "'--ctx-size'"),
        ("", "'\"\"'"),
        ("C:\\my models\\m.gguf", "'\"C:\\my models\\m.gguf\"'"),
        ("C:\\my models\\", "'\"C:\\my models\\\\\"'"),
        ('{"a": 1}', '\'"{\\"a\\": 1}"\''),
        ("it's", "'it''s'"),
    ],
)
def test_a_word_for_a_program_of_windows_is_quoted_for_it_first(word: str, quoted: str) -> None:
    assert quoting.windows_word(word) == quoted


def test_powershell_refuses_what_no_program_can_be_given() -> None:
    with pytest.raises(RenderError, match="PowerShell"):
        quoting.powershell("a\0b")


@given(TEXTS)
def test_env_is_one_line_that_reads_back_equal_or_is_refused(text: str) -> None:
    try:
        quoted = quoting.env(text)
    except RenderError:
        return
    assert "\n" not in quoted
    assert quoted.removeprefix("'").removesuffix("'") == text


@given(TEXTS)
def test_systemd_is_one_word_on_one_line_that_reads_back_equal_or_is_refused(text: str) -> None:
    try:
        quoted = quoting.systemd(text)
    except RenderError:
        assert any(ord(sign) < 0x20 or 0x7F <= ord(sign) < 0xA0 or 0xD800 <= ord(sign) <= 0xDFFF for sign in text)
        return
    assert "\n" not in quoted
    assert not quoted.endswith("\\")
    assert "%" not in quoted.replace("%%", "")
    assert unit_words(f"/bin/x {quoted} end") == ["/bin/x", text, "end"]


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("--max-model-len", "--max-model-len"),
        ("", '""'),
        (";", '";"'),
        ("a b", '"a b"'),
        ("100%", '"100%%"'),
        ("%h", '"%%h"'),
        ("$HOME", '"$HOME"'),
        ('say "x"', '"say \\"x\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("two\nlines", '"two\\nlines"'),
        ("it's", '"it\'s"'),
    ],
)
def test_systemd_quotes_what_has_a_meaning(text: str, quoted: str) -> None:
    assert quoting.systemd(text) == quoted


@pytest.mark.parametrize("text", ["nul\0", "carriage\rreturn", "bell\a", "\x85"])
def test_systemd_refuses_what_ends_a_line_or_does_not_print(text: str) -> None:
    with pytest.raises(RenderError, match="systemd unit"):
        quoting.systemd(text)


def ollama_value(text: str) -> str:
    """How parser.go reads the rest of an instruction: trimmed, one pair of quotes removed."""
    trimmed = text.strip()
    for quote in ('"""', '"'):
        if trimmed.startswith(quote):
            assert trimmed.endswith(quote)
            return trimmed[len(quote) : -len(quote)]
    assert "\n" not in trimmed
    return trimmed


@given(TEXTS)
def test_modelfile_reads_back_equal_or_is_refused(text: str) -> None:
    try:
        quoted = quoting.modelfile(text)
    except RenderError:
        return
    assert ollama_value(quoted) == text


@pytest.mark.parametrize("text", ["", " x", 'x"""\ny', 'two\nlines"', "bell\a"])
def test_modelfile_refuses_what_it_cannot_express(text: str) -> None:
    with pytest.raises(RenderError, match="Modelfile"):
        quoting.modelfile(text)


@pytest.mark.parametrize("text", ["engine:8000", "/v1/models", "a-b.c_d"])
def test_caddy_passes_tokens(text: str) -> None:
    assert quoting.caddy(text) == text


@pytest.mark.parametrize("text", ["", "a b", "a{b}", "a\nb", "$x", '"', "`", "a;b", "#"])
def test_caddy_refuses_everything_else(text: str) -> None:
    with pytest.raises(RenderError, match="Caddyfile"):
        quoting.caddy(text)


@pytest.mark.parametrize("text", ["a b", "a\nRUN id", "$X", "`id`", "a;b"])
def test_dockerfile_refuses_more_than_a_word(text: str) -> None:
    with pytest.raises(RenderError, match="Dockerfile"):
        quoting.dockerfile(text)


@given(TEXTS)
def test_markdown_shows_the_text_and_nothing_else(text: str) -> None:
    markdown_it = pytest.importorskip("markdown_it")
    tokens = markdown_it.MarkdownIt("commonmark").parse(quoting.markdown(text))
    shown = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in shown} <= {"text", "text_special"}
    assert "".join(child.content for child in shown) == " ".join(
        "".join(sign if sign.isprintable() else " " for sign in text).split()
    )


@given(TEXTS)
def test_markdown_stays_in_its_table_cell(text: str) -> None:
    markdown_it = pytest.importorskip("markdown_it")
    table = f"| a | b |\n|---|---|\n| {quoting.markdown(text)} | {quoting.code_cell(text)} |\n"
    tokens = markdown_it.MarkdownIt("commonmark").enable("table").parse(table)
    assert [token.type for token in tokens].count("td_open") == 2
    assert not [token for token in tokens if token.type.startswith("html")]


@given(TEXTS, TEXTS)
def test_code_cannot_leave_its_fence(before: str, after: str) -> None:
    markdown_it = pytest.importorskip("markdown_it")
    block = quoting.fenced(f"{before}\n{after}", "text")
    assert [token.type for token in markdown_it.MarkdownIt("commonmark").parse(block)] == ["fence"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max_model_len", "max_model_len"),
        ("_private_", r"\_private\_"),
        ("0.33.0", "0.33.0"),
        ("1. first", r"1\. first"),
        ("-1", "-1"),
        ("- item", r"\- item"),
        ("# title", r"\# title"),
        ("#1", "#1"),
        ("AT&T", "AT&T"),
        ("&lt;", r"\&lt;"),
    ],
)
def test_markdown_escapes_only_what_has_a_meaning(text: str, expected: str) -> None:
    assert quoting.markdown(text) == expected
