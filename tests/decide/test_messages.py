"""The exact message for everything that an author of rules can get wrong: ``messages.yaml`` is the golden table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployadvisor import documents, scenarios
from deployadvisor.decide import assumptions, reader, texts, vocabulary
from deployadvisor.decide.ruleset import Given
from deployadvisor.documents import Document
from deployadvisor.errors import DeployAdvisorError

from .examples import TITLES, words

TABLE = yaml.safe_load(Path(__file__).with_name("messages.yaml").read_text(encoding="utf-8"))
PLACE = r"^f\.yaml(:\d+:\d+)?: error: "


def _chain(step: str, length: int) -> str:
    """Terms t1, t2 … that each say ``step`` about the one above."""
    terms = (f"  t{i}: {{means: {step.replace('T', f't{i - 1}')}}}\n" for i in range(1, length))
    return "  t0: {means: {open: yes}}\n" + "".join(terms)


FILLINGS: Mapping[str, Callable[[], str]] = {
    "<400 nines>": lambda: "9" * 400,
    "<201 letters>": lambda: "x" * 201,
    "<101 values>": lambda: ", ".join(f"v{i}" for i in range(101)),
    "<101 candidates>": lambda: ", ".join(f"c{i}: {{title: T}}" for i in range(101)),
    "<1001 rules>": lambda: "".join(
        f"  - {{id: r{i}, forbid: first, because: b, when: {{open: yes}}}}\n" for i in range(1001)
    ),
    "<1001 terms>": lambda: "".join(f"  t{i}: {{means: {{open: yes}}}}\n" for i in range(1001)),
    "<40 terms that double>": lambda: _chain("{all: [{is: T}, {is: T}]}", 40),
    "<100 terms ever deeper>": lambda: _chain("{not: {is: T}}", 100),
}
"""What is too long to be written out in the table."""


def read_vocabulary(document: Document) -> None:
    assumptions.read(document, vocabulary.read(document))


def read_ruleset(document: Document) -> None:
    reader.read(document, words(), {"fruit": {"apple": Given("Apple")}})


READERS: Mapping[str, Callable[[Document], object]] = {
    "vocabulary": read_vocabulary,
    "ruleset": read_ruleset,
    "texts": texts.read_texts,
    "scenarios": scenarios.read_scenarios,
}


def content(row: Mapping[str, Any]) -> bytes:
    text: str = row["text"] * row.get("times", 1)
    for mark, filling in FILLINGS.items():
        text = text.replace(mark, filling()) if mark in text else text
    if row["file"] == "ruleset" and text.endswith("\n") and "candidates:" not in text:
        text += f"candidates: {json.dumps(TITLES)}\n"
    return text.encode(row.get("encoding", "utf-8"))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["id"])
def test_what_is_said_of_a_mistake(row: Mapping[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_bytes(content(row))
    with pytest.raises(DeployAdvisorError, match=PLACE) as caught:
        READERS[row["file"]](documents.read(path, "f.yaml"))
    assert str(caught.value) == row["message"]


def test_every_row_has_a_name_of_its_own() -> None:
    names = [row["id"] for row in TABLE]
    assert len(names) == len(set(names))


def test_only_the_size_of_a_file_has_no_line() -> None:
    assert [row["id"] for row in TABLE if row["message"].startswith("f.yaml: ")] == ["too-large"]


def test_a_message_stays_readable() -> None:
    assert [row["id"] for row in TABLE if len(row["message"]) > 200 or not row["message"].isprintable()] == []
