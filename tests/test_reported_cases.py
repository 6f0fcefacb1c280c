"""Every one of the 54 reported cases has a test, and each says where it was reported."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
MINE = (TESTS / "hardware/test_cases.py", TESTS / "test_cases_sizing.py")
WINDOWS_AND_AMD = TESTS / "hardware/test_cases_amd.py"
CASES = set(range(1, 55))


def cases(path: Path) -> list[tuple[int, str]]:
    """Number and documentation of each case in a file."""
    functions = [
        node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)
    ]
    named = [(re.match(r"test_case_(\d\d)_", function.name), function) for function in functions]
    return [(int(found[1]), ast.get_docstring(function) or "") for found, function in named if found]


def test_every_case_has_a_test() -> None:
    files = [path for path in (*MINE, WINDOWS_AND_AMD) if path.exists()]
    expected = CASES if WINDOWS_AND_AMD.exists() else CASES - set(range(15, 23))
    assert {number for path in files for number, _ in cases(path)} == expected


def test_every_case_says_where_it_was_reported() -> None:
    silent = [
        number for path in MINE for number, text in cases(path) if not re.search(r"#\d+|pull request \d+", text)
    ]
    assert silent == []
