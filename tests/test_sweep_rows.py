"""Rows of a grid and of a file: what is read, and what is said about what cannot be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployadvisor.errors import DeployAdvisorError
from deployadvisor.sweep_rows import MAX_VALUES, Block, Grid, Table, grid, table

LIMIT = 10_000_000


def texts(rows: Grid | Table, size: int = 4) -> Iterator[tuple[str, ...]]:
    for block in rows.blocks(size):
        assert 0 < len(block) <= size
        yield from (tuple(block.text(row, key) for key in block.keys) for row in range(len(block)))


def first(rows: Grid | Table) -> Block:
    return next(rows.blocks(100))


def csv(folder: Path, text: str | bytes) -> Path:
    path = folder / "in.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


# A grid


def test_a_grid_is_every_combination_and_the_last_key_changes_fastest() -> None:
    made = grid(["internet=yes,no", "ops_capacity = nobody, part_time ,on_call"], LIMIT)
    assert len(made) == 6
    assert list(texts(made)) == list(itertools.product(("yes", "no"), ("nobody", "part_time", "on_call")))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("100:1000000:x10", ["100", "1000", "10000", "100000", "1000000"]),
        ("0:64:16", ["0", "16", "32", "48", "64"]),
        ("1:6:2", ["1", "3", "5"]),
        ("0:0.3:0.1", ["0", "0.1", "0.2", "0.3"]),
        ("1_000:2_000:x1.5", ["1000", "1500"]),
        ("5,0:20:10,5,unknown", ["5", "0", "10", "20", "unknown"]),
    ],
)
def test_values_and_ranges(text: str, values: list[str]) -> None:
    assert grid([f"requests_per_day={text}"], LIMIT).axes == {"requests_per_day": tuple(values)}


def test_words_of_a_list_are_separated_by_semicolons() -> None:
    block = first(grid(["regulations=gdpr;pipl,hipaa"], LIMIT))
    assert block.profile(0, {}, block.keys).regulations == ("gdpr", "pipl")
    assert block.profile(1, {}, block.keys).regulations == ("hipaa",)


GRID_ERRORS = [
    ("purpos=personal", '--vary purpos: error: unknown key "purpos"; did you mean "purpose"?'),
    ("purpose=persnal,production", '--vary purpose: error: purpose: "persnal" is not one of personal, prototype, '),
    ("purpose", '--vary: error: "purpose" is not key=value,value'),
    ("purpose=", "--vary purpose: error: a value is empty"),
    ("purpose=personal,", "--vary purpose: error: a value is empty"),
    ("requests_per_day=10:1:2", 'the range "10:1:2" does not grow towards its end'),
    ("requests_per_day=0:9:x2", 'the range "0:9:x2" does not grow towards its end'),
    ("requests_per_day=1:9:x1", 'the range "1:9:x1" does not grow towards its end'),
    ("requests_per_day=1:9:0", 'the range "1:9:0" does not grow towards its end'),
    ("requests_per_day=0:9000000:1", f"--vary requests_per_day: error: more than {MAX_VALUES:,} values"),
    ("requests_per_day=-5:5:5", "requests_per_day: "),
    ("peak_concurrency=1:2:0.5", "should be a whole number"),
]


@pytest.mark.parametrize(("setting", "text"), GRID_ERRORS, ids=[setting for setting, _ in GRID_ERRORS])
def test_a_bad_grid_is_refused(setting: str, text: str) -> None:
    with pytest.raises(DeployAdvisorError) as caught:
        grid([setting], LIMIT)
    assert text in str(caught.value)


def test_a_key_varies_once() -> None:
    with pytest.raises(DeployAdvisorError, match="--vary internet: error: given twice"):
        grid(["internet=yes", "internet=no"], LIMIT)


def test_an_absurd_grid_is_refused_before_it_is_made() -> None:
    with pytest.raises(DeployAdvisorError, match="the grid has 18,000 rows; the limit is 10,000; vary fewer values"):
        grid(["requests_per_day=1:9000:1", "internet=yes,no"], 10_000)


def test_a_contradiction_names_the_key() -> None:
    block = first(grid(["purpose=personal", "audience=public"], LIMIT))
    with pytest.raises(DeployAdvisorError, match=r"^--vary purpose: error: contradiction: purpose personal cannot"):
        block.profile(0, {}, block.keys)


# A file


def test_a_file_is_read_row_by_row(tmp_path: Path) -> None:
    path = csv(tmp_path, '\ufeffname,requests_per_day,regulations\r\n"a, b",100,\r\n\r\n c ,,gdpr;pipl\r\n')
    rows = table(path)
    assert rows.keys == ("name", "requests_per_day", "regulations")
    assert list(texts(rows, 1)) == [("a, b", "100", ""), ("c", "", "gdpr;pipl")]
    block = first(rows)
    assert block.lines == (2, 4)
    assert block.profile(1, {"requests_per_day": 7}, block.keys).answers() == {
        "name": "c",
        "requests_per_day": 7.0,
        "regulations": ["gdpr", "pipl"],
    }


def test_only_the_wanted_keys_are_taken(tmp_path: Path) -> None:
    block = first(table(csv(tmp_path, "name,purpose\na,personal\n")))
    assert block.profile(0, {"internet": "no"}, ["purpose"]).answers() == {"purpose": "personal", "internet": "no"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "in.csv: error: the file is empty; its first line names profile keys"),
        ("name,purpos\n", 'in.csv:1:2: error: unknown key "purpos"; did you mean "purpose"?'),
        ("name,\n", 'in.csv:1:2: error: unknown key ""'),
        ("name,purpose,name\n", 'in.csv:1:3: error: the column "name" is there twice'),
    ],
)
def test_a_bad_header_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DeployAdvisorError) as caught:
        table(csv(tmp_path, text))
    assert str(caught.value).removeprefix(f"{tmp_path}/") == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"name\nok\n\xff\n", "the file is not UTF-8 text"),
        (b"name\nok\n" + b"x" * 200_000 + b"\n", "in.csv:3: error: not valid CSV: a line has more than"),
        (b'name\nok\n"a"b\n', "in.csv:3: error: not valid CSV"),
        (b'name\n"' + b"a\n" * 100_000, "in.csv:2: error: not valid CSV: field larger than"),
    ],
)
def test_what_is_no_csv_is_refused(tmp_path: Path, text: bytes, message: str) -> None:
    with pytest.raises(DeployAdvisorError) as caught:
        list(texts(table(csv(tmp_path, text))))
    assert message in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DeployAdvisorError, match="cannot read the file: No such file"):
        table(tmp_path / "none.csv")


ROW_ERRORS = [
    ("confidental,1,gdpr", ':2:1: error: data_sensitivity: "confidental" is not one of public, internal, '),
    ("confidental,1,gdpr", 'did you mean "confidential"?'),
    ("public,many,gdpr", ':2:2: error: requests_per_day: "many" is not valid: should be a number'),
    ("public,inf,gdpr", ":2:2: error: requests_per_day: "),
    ("public,1,g d;x", ":2:3: error: regulations: "),
    ("public,1", ":2:3: error: the row has 2 cells, the header has 3"),
    ("public,1,,4", ":2:4: error: the row has 4 cells, the header has 3"),
]


@pytest.mark.parametrize(("row", "message"), ROW_ERRORS)
def test_a_bad_cell_is_named_by_row_and_column(tmp_path: Path, row: str, message: str) -> None:
    block = first(table(csv(tmp_path, f"data_sensitivity,requests_per_day,regulations\n{row}\n")))
    with pytest.raises(DeployAdvisorError) as caught:
        block.profile(0, {}, block.keys)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
