"""Files that are not what they should be are noticed before they are written."""

import re

import pytest

from deployadvisor.render.bundle import RenderedFile
from deployadvisor.render.check import Issue, check_files, env_names, hollow


def problems(path: str, text: str, allowed: str = "") -> list[str]:
    return [issue.text for issue in check_files({path: RenderedFile(text)}, allowed)]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.yaml", "key: value\n"),
        ("a.json", "{}\n"),
        ("a.jsonl", '{"a": 1}\n{"a": 2}\n'),
        (".env.example", "# comment\n# API_KEY=\nPORT=8080\n\n"),
        ("a.sh", "#!/bin/sh\nset -eu\n"),
        ("a.py", "x = 1\n"),
        ("proxy/Caddyfile", ":8080 {\n}\n"),
    ],
)
def test_good_files_pass(path: str, text: str) -> None:
    assert problems(path, text) == []


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("README.md", " \n", "is empty"),
        ("README.md", "text", "line break"),
        ("a.yaml", "key: [\n", "not valid YAML"),
        ("a.yaml", "key:\n", "key has no value"),
        ("a.yaml", "list: [TODO]\n", r"list\[0\] has no value"),
        ("a.yaml", "a: {b: ''}\n", "a.b has no value"),
        ("a.json", "{\n", "not valid JSON"),
        ("a.jsonl", "{}\n{\n", "line 2"),
        (".env.example", "API_KEY=\n", "API_KEY is empty"),
        (".env.example", "what is this\n", "neither NAME=value nor a comment"),
        ("a.sh", "set -eu\n", "#!/"),
        ("a.sh", "#!/bin/sh\necho\n", "set -eu"),
        ("a.py", "def\n", "line 1"),
        ("proxy/Caddyfile", ":8080 {\n", "braces"),
        ("client.mjs", "const x = {{ x }};\n", "template mark"),
        ("client.mjs", "const x = 1;", "line break"),
        ("Modelfile", "FROM {{ x }}\n", "template mark"),
    ],
)
def test_bad_files_are_named(path: str, text: str, words: str) -> None:
    found = problems(path, text)
    assert len(found) == 1
    assert re.search(words, found[0])


def test_braces_of_the_user_are_not_template_marks() -> None:
    assert problems("README.md", "# \\{\\{ 7\\*7 \\}\\} {{ 7*7 }}\n", allowed="name {{ 7*7 }}") == []


def test_words_of_the_user_are_values() -> None:
    assert problems("a.yaml", "name: TODO\n", allowed="project TODO") == []


def test_an_issue_names_its_file() -> None:
    assert str(Issue("a.yaml", "is empty")) == "a.yaml: is empty"


def test_hollow_values_are_found_at_any_depth() -> None:
    assert list(hollow({"a": [{"b": None}], "c": "None", "d": "fine", "e": 0, "f": False})) == [
        ("a[0].b", ""),
        ("c", "None"),
    ]


def test_variables_count_whether_set_or_commented_out() -> None:
    assert env_names("# API_KEY=\nPORT=1\n# Some words = no\n#X=y\n") == {"API_KEY", "PORT", "X"}
