"""Reading YAML and JSON: plain values, a place for each, and one clear error for anything else."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from deployadvisor import documents
from deployadvisor.errors import DocumentError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def value_of(text: str) -> Any:
    return documents.parse(text, "f.yaml").value


def error_of(text: str, *, as_json: bool = False) -> str:
    parse = documents.parse_json if as_json else documents.parse
    with pytest.raises(DocumentError) as caught:
        parse(text, "f")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# only a comment\n", None),
        ("a: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ("%YAML 1.2\n---\na: 1\n", {"a": 1}),
        ("[yes, no, on, off, True, FALSE]", [True, False, True, False, True, False]),
        ("[~, null, '', y, n]", [None, None, "", "y", "n"]),
        ("['yes', \"no\", 'null']", ["yes", "no", "null"]),
        ("[2026-11-22, 12:30:00, 2026-11-22T10:00:00Z]", ["2026-11-22", "12:30:00", "2026-11-22T10:00:00Z"]),
        ("[0, -3, +3, 1_000, 007, 0x10, 0o7]", [0, -3, 3, 1000, "007", "0x10", "0o7"]),
        ("[1.5, .5, 1., -2.5e+3, .inf, .nan]", [1.5, 0.5, 1.0, -2500.0, ".inf", ".nan"]),
        ("[12e4567, 1e3, 1.5e3]", ["12e4567", "1e3", "1.5e3"]),  # a commit id is no number, as for PyYAML itself
        ("yes: 1\n1: 2\n", {"yes": 1, "1": 2}),
        ("<<: {b: 1}", {"<<": {"b": 1}}),
        ("a: >-\n  two\n  lines\n", {"a": "two lines"}),
    ],
)
def test_plain_values(text: str, value: Any) -> None:
    read = value_of(text)
    assert read == value
    assert json.dumps(read) == json.dumps(value), "a boolean is no number"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", 'f:3:1: error: duplicate key "a" (first on line 1)'),
        ("x: {a: 1, 'a': 2}", 'f:1:11: error: duplicate key "a" (first on line 1)'),
        ("a: &x 1", "f:1:4: error: anchors and aliases are not allowed"),
        ("a: *x", "f:1:4: error: anchors and aliases are not allowed"),
        ("&x a: 1", "f:1:1: error: keys must be plain words"),
        ("a: !!python/name:os x", 'f:1:4: error: YAML tags are not allowed: "tag:yaml.org,2002:python/name:os"'),
        ("a: !!int 3", 'f:1:4: error: YAML tags are not allowed: "tag:yaml.org,2002:int"'),
        ("a: !env HOME", 'f:1:4: error: YAML tags are not allowed: "!env"'),
        ("? [a]\n: b", "f:1:3: error: keys must be plain words"),
        ("a: 1\n---\nb: 2\n", "f:2:1: error: only one YAML document a file is allowed"),
        ("[" * 50 + "]" * 50, "f:1:42: error: nested deeper than 40 levels"),
        ("[" * 100_000, "f:1:42: error: nested deeper than 40 levels"),
    ],
)  # fmt: skip
def test_what_yaml_is_refused(text: str, message: str) -> None:
    assert error_of(text) == message


@pytest.mark.parametrize(
    ("text", "place"),
    [("- a\n" * 60_000, "50001:3"), ("[" + "a," * 60_000 + "]", "1:100002"), ("[" * 39 + "a," * 60_000, "1:99964")],
)
def test_the_number_of_values_is_bounded(text: str, place: str) -> None:
    assert error_of(text) == f"f:{place}: error: more than 50,000 values"


def test_the_number_of_json_values_is_bounded() -> None:
    text = json.dumps(list(range(60_000)), separators=(",", ":"))
    assert error_of(text, as_json=True).endswith(": error: more than 50,000 values")
    assert error_of(f'["{"a" * 2**20}"]', as_json=True) == "f: error: more than 1,048,576 bytes"


def test_a_message_stays_on_one_short_line() -> None:
    key = "a" * 500
    assert error_of(f"? {key}\n: 1\n? {key}\n: 2\n") == (
        f'f:3:3: error: duplicate key "{"a" * 59}…" (first on line 1)'
    )
    assert documents.quoted("one\ntwo\x1b[31m") == '"one\N{REPLACEMENT CHARACTER}two\N{REPLACEMENT CHARACTER}[31m"'


@pytest.mark.parametrize("text", ["a: 1", "schema: deployadvisor/ruleset@1", "[a]", ""])
def test_a_file_that_is_what_it_says_or_says_nothing(text: str) -> None:
    documents.expect_schema(documents.parse(text, "f"), "ruleset")


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (
            "deployadvisor/rulset@1",
            '"deployadvisor/rulset@1" is not deployadvisor/ruleset@1; did you mean "deployadvisor/ruleset@1"?',
        ),
        ("[3]", "\"[3]\" is not deployadvisor/ruleset@1"),
    ],
)  # fmt: skip
def test_a_file_that_says_to_be_something_else(stated: str, message: str) -> None:
    with pytest.raises(DocumentError) as caught:
        documents.expect_schema(documents.parse(f"schema: {stated}", "f"), "ruleset")
    assert str(caught.value) == f"f:1:9: error: schema: {message}"


def test_a_billion_laughs_stop_at_the_first_anchor() -> None:
    laughs = ", ".join(["*a"] * 9)
    assert error_of(f"a: &a [lol]\nb: &b [{laughs}]\n") == "f:1:4: error: anchors and aliases are not allowed"


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a: [1, 2", "f:2:1: error: not valid YAML: "),
        ("a:\n\t- b", "f:2:1: error: not valid YAML: "),
        ("a: 'b", "f:"),
        ("a: \x00", "f:1:4: error: not valid YAML: the character U+0000 is not allowed"),
        ("b: 中\na: \ud83d", "f:2:4: error: not valid YAML: the character U+D83D is not allowed"),
        ("a: " + "9" * 5000, "f:1:4: error: a number of more than 300 digits"),
    ],
)
def test_broken_yaml_is_one_line(text: str, start: str) -> None:
    message = error_of(text)
    assert message.startswith(start)
    assert "\n" not in message


def test_yaml_places() -> None:
    document = documents.parse("# head\nname: x\nrows:\n  - {id: 1, tags: [p, q]}\n  - id: 2\n", "f.yaml")
    assert str(document.where()) == "f.yaml:2:1"
    assert str(document.where(("name",))) == "f.yaml:2:7"
    assert str(document.where(("name",), key=True)) == "f.yaml:2:1"
    assert str(document.where(("rows", 0, "tags", 1))) == "f.yaml:4:23"
    assert str(document.where(("rows", 1, "id"))) == "f.yaml:5:9"
    assert str(document.where(("rows", 1, "id"), key=True)) == "f.yaml:5:5"
    assert str(document.where(("rows", 1, "left_out"))) == "f.yaml:5:5", "the nearest value around it"
    assert str(documents.parse("", "f.yaml").where(("x",))) == "f.yaml:1:1"


def test_columns_count_characters() -> None:
    assert str(documents.parse('{"\U0001f600": 中, b: 1}', "f").where(("b",))) == "f:1:13"


JSON_TEXT = '{\n\t"a":\t1,\n\t"b": {"c": ["x\\ty", "\\u4e2d \\ud83d\\ude00", true, null]}\n}\n'


def test_json_values_and_places() -> None:
    document = documents.parse_json(JSON_TEXT, "f.json")
    assert document.value == json.loads(JSON_TEXT) == {"a": 1, "b": {"c": ["x\ty", "中 \U0001f600", True, None]}}
    assert str(document.where(("a",))) == "f.json:2:7"
    assert str(document.where(("b",), key=True)) == "f.json:3:2"
    assert str(document.where(("b", "c", 1))) == "f.json:3:22"
    assert str(document.where(("b", "c", 3))) == "f.json:3:51"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', 'f:1:10: error: duplicate key "a" (first on line 1)'),
        ('{"a": 1, "\\u0061": 2}', 'f:1:10: error: duplicate key "a" (first on line 1)'),
        ('{"a": NaN}', "f: error: not valid JSON: NaN is not JSON"),
        ('{"a": -Infinity}', "f: error: not valid JSON: -Infinity is not JSON"),
        ('{"a": "\\ud83d"}', "f: error: not valid JSON: half of a surrogate pair"),
        ("", "f:1:1: error: not valid JSON: Expecting value"),
        ("{a: 1}", "f:1:2: error: not valid JSON: Expecting property name enclosed in double quotes"),
        ("[" * 50 + "]" * 50, "f:1:42: error: nested deeper than 40 levels"),
        ("[" * 100_000 + "]" * 100_000, "f: error: nested deeper than 40 levels"),
    ],
)
def test_what_json_is_refused(text: str, message: str) -> None:
    assert error_of(text, as_json=True) == message


def test_read_chooses_by_suffix(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text('{"a": "yes"}', encoding="utf-8")
    (tmp_path / "p.yaml").write_text("\ufeffa: yes\n", encoding="utf-8")
    assert documents.read(tmp_path / "p.json").value == {"a": "yes"}
    assert documents.read(tmp_path / "p.yaml", "shown").where(("a",)).source == "shown"
    assert documents.read(tmp_path / "p.yaml").value == {"a": True}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: 1\nb: caf\xe9\n", "f:2:7: error: the file is not UTF-8 text"),
        (b"\xff\xfea\x00", "f:1:1: error: the file is not UTF-8 text"),
        (b"a: " + b"x" * 2**20, "f: error: more than 1,048,576 bytes"),
        (b"a: 1\n" * 2**21, "f: error: more than 1,048,576 bytes"),
    ],
)
def test_files_that_are_not_read(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(content)
    with pytest.raises(DocumentError) as caught:
        documents.read(path, "f")
    assert str(caught.value) == message


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "no.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(DocumentError) as caught:
            documents.read(path, "f")
        assert str(caught.value) == f"f: error: cannot read the file: {reason}"


@given(VALUES, st.booleans())
def test_what_is_dumped_reads_back_equal(value: Any, indented: bool) -> None:
    assert value_of(yaml.safe_dump(value, default_flow_style=not indented)) == value


@given(st.text().filter(str.isprintable))
def test_dumped_text_in_any_script_reads_back_equal(text: str) -> None:
    assert value_of(yaml.safe_dump({text: text}, allow_unicode=True)) == {text: text}


@pytest.mark.parametrize(
    "text", ["1e3", "12e4567", "1.5e3", ".5e3", "0x1f", "1:30", "no", "2026-11-22", "=", "<<", "~"]
)
def test_text_that_looks_like_something_else_reads_back_as_text(text: str) -> None:
    assert value_of(yaml.safe_dump([text])) == [text]


@given(VALUES, st.sampled_from([None, 2, "\t"]))
def test_json_reads_back_equal_with_the_place_of_every_value(value: Any, indent: int | str | None) -> None:
    text = json.dumps({"value": value}, indent=indent)
    document = documents.parse_json(text, "f.json")
    assert document.value == {"value": value}
    for path, (line, column) in document.marks.items():
        part: Any = document.value
        for key in path:
            part = part[key]
        assert text.splitlines()[line - 1][column - 1] in json.dumps(part)[0]


@given(st.text() | st.text("{}[]:,&*!|>-?'\"#%@ \n\tab12~\\"))
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (documents.parse, documents.parse_json):
        with suppress(DocumentError):
            assert parse(text, "f").where().source == "f"


@given(st.binary(max_size=200))
def test_any_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(content)
    with suppress(DocumentError):
        assert documents.read(path).source == str(path)
