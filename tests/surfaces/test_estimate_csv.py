"""``estimate --csv``: a row for each row, in order, with the contract's columns, and reasons instead of errors."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployadvisor.surfaces.cli import main
from deployadvisor.surfaces.estimate_csv import FIGURES, OPTIONAL, REQUIRED, estimate_row

HEAD = "id,model,hardware,gpus,engine,precision,kv_dtype,tp,pp,ep,dp,isl,osl,concurrency"


def estimated(tmp_path: Path, *rows: str, head: str = HEAD) -> list[dict[str, str]]:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("\n".join((head, *rows)) + "\n", encoding="utf-8")
    assert main(("estimate", "--csv", str(source), "--out", str(out))) == 0
    return list(csv.DictReader(out.open(encoding="utf-8", newline="")))


def test_the_columns_are_those_of_the_contract(tmp_path: Path) -> None:
    (row,) = estimated(tmp_path, "a,Qwen/Qwen3-8B,h100-sxm,1,vllm,bf16,auto,1,1,,,1000,256,8")
    assert list(row) == [*HEAD.split(","), *FIGURES]
    assert set(HEAD.split(",")) == {*REQUIRED, *OPTIONAL}
    assert (row["id"], row["fits"], row["total_params"]) == ("a", "true", "8190735360")
    assert float(row["weights_gib"]) == pytest.approx(15.2564, abs=1e-3)
    assert float(row["kv_gib"]) == pytest.approx(8 * 1256 * 147_456 / 2**30, rel=1e-5)
    assert (row["kv_bytes_per_token"], row["kv_fixed_bytes"]) == ("147456", "0")
    assert int(row["max_concurrency"]) > 200
    assert (row["output_tok_s"], row["ttft_ms"]) == ("", "")
    assert row["basis"].endswith("speed is not estimated yet")


def test_rows_stay_in_order_and_a_bad_one_says_why(tmp_path: Path) -> None:
    rows = estimated(
        tmp_path,
        "1,Qwen/Qwen3-8B,h100-sxm,1,vllm,bf16,,,,,,1000,256,1",
        "2,Qwen/Qwen3-8,h100-sxm,1,vllm,bf16,,,,,,1000,256,1",
        "3,Qwen/Qwen3-8B,h100-sxm,1,tensorrt,bf16,,,,,,1000,256,1",
        "4,Qwen/Qwen3-8B,h300,1,vllm,bf16,,,,,,1000,256,1",
        "5,Qwen/Qwen3-8B,h100-sxm,1,vllm,bf16,,,,,,1000,many,1",
        "6,,h100-sxm,1,vllm,bf16,,,,,,1000,256,1",
        "7,Qwen/Qwen3-8B,h100-sxm,1,vllm,bf16,fp7,,,,,1000,256,1",
    )
    assert [row["id"] for row in rows] == list("1234567")
    assert [row["fits"] for row in rows] == ["true", *[""] * 6]
    reasons = [row["reason"] for row in rows]
    assert 'did you mean "Qwen/Qwen3-8B"' in reasons[1]
    assert "is not an engine in the catalogue" in reasons[2]
    assert rows[2]["kv_bytes_per_token"] == "147456", "an unknown engine changes no weight and no cache"
    assert "h300" in reasons[3]
    assert reasons[4] == 'osl: "many" is not a whole number from 1 to 1,000,000,000'
    assert reasons[5] == "model is empty"
    assert "KV cache" in reasons[6]


def test_hardware_is_one_card_and_no_whole_machine(tmp_path: Path) -> None:
    whole, several = estimated(
        tmp_path,
        "1,Qwen/Qwen3-8B,p5.48xlarge,1,vllm,bf16,,,,,,1000,256,1",
        "2,Qwen/Qwen3-8B,8x h100,2,vllm,bf16,,,,,,1000,256,1",
    )
    assert whole["fits"] == several["fits"] == ""
    assert '"p5.48xlarge" is a whole machine' in whole["reason"]
    assert '"8x h100" is more than one card' in several["reason"]


def test_cards_beyond_tensor_parallelism_are_copies(tmp_path: Path) -> None:
    one, four = estimated(
        tmp_path,
        "1,Qwen/Qwen3-8B,h100-sxm,1,vllm,bf16,,1,1,,,1000,256,8",
        "4,Qwen/Qwen3-8B,h100-sxm,4,vllm,bf16,,1,1,,,1000,256,8",
    )
    assert int(four["max_concurrency"]) == 4 * int(one["max_concurrency"])
    assert four["weights_gib"] == one["weights_gib"]


def test_copies_of_a_mixture_may_share_its_experts(tmp_path: Path) -> None:
    (row,) = estimated(tmp_path, "1,Qwen/Qwen3-235B-A22B,b200,4,vllm,bf16,,1,,,,100,860,8")
    assert row["fits"] == "true"


def test_other_columns_are_carried_along(tmp_path: Path) -> None:
    (row,) = estimated(tmp_path, "Qwen/Qwen3-8B,h100-sxm,=1+1", head="model,hardware,remark")
    assert (row["remark"], row["fits"]) == ("'=1+1", "true")


def test_a_window_counts_as_far_as_it_is_filled(tmp_path: Path) -> None:
    short, long = estimated(
        tmp_path,
        "1,google/gemma-3-27b-it,h200,1,vllm,bf16,,,,,,100,100,1",
        "2,google/gemma-3-27b-it,h200,1,vllm,bf16,,,,,,30000,2768,1",
    )
    assert short["kv_fixed_bytes"] == long["kv_fixed_bytes"]
    assert float(short["kv_gib"]) < int(short["kv_fixed_bytes"]) / 2**30
    assert float(long["kv_gib"]) == pytest.approx(2.906, abs=0.001)


def test_a_row_of_another_length_stays_a_row(tmp_path: Path) -> None:
    short, long, whole = estimated(
        tmp_path, "Qwen/Qwen3-8B", "Qwen/Qwen3-8B,h200,1,2", "Qwen/Qwen3-8B,h200", head="model,hardware"
    )
    assert short["reason"] == "hardware is empty"
    assert long["reason"] == "2 cells more than the first line has"
    assert whole["fits"] == "true"


def test_an_impossible_layout_keeps_the_weights(tmp_path: Path) -> None:
    (row,) = estimated(tmp_path, "1,Qwen/Qwen3-8B,h100-sxm,3,vllm,bf16,,3,,,,1000,256,8")
    assert (row["fits"], row["max_concurrency"]) == ("false", "")
    assert float(row["weights_gib"]) == pytest.approx(15.2564, abs=1e-3)
    assert "does not divide the 32 attention heads" in row["reason"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model,gpus\nQwen/Qwen3-8B,1\n", 'no column "hardware"'),
        ("model,hardware,concurency\nQwen/Qwen3-8B,h200,1\n", 'did you mean "concurrency"'),
        ("model,hardware,model\na,b,c\n", "stands twice"),
        ("model,hardware,fits\na,b,c\n", "is a column of the result"),
        ('model,hardware\n"open\n', "cannot read the table"),
        ("", "no column"),
        ("model;hardware\nQwen/Qwen3-8B;h200\n", "cells are separated by commas"),
    ],
)
def test_a_bad_table_writes_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, message: str
) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(text, encoding="utf-8")
    out.write_text("precious")
    assert main(("estimate", "--csv", str(source), "--out", str(out))) == 2
    assert message in capsys.readouterr().err
    assert out.read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def test_a_table_that_is_not_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(("estimate", "--csv", str(tmp_path / "no.csv"), "--out", str(tmp_path / "out.csv"))) == 2
    assert "no.csv" in capsys.readouterr().err


def test_latin_1_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_bytes("model,hardware\nGerät,h200\n".encode("latin-1"))
    assert main(("estimate", "--csv", str(source), "--out", str(tmp_path / "out.csv"))) == 2
    assert "cannot read the table" in capsys.readouterr().err


def test_json_tells_the_counts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("model,hardware\nQwen/Qwen3-8B,h200\nnobody,h200\n", encoding="utf-8")
    assert main(("estimate", "--csv", str(source), "--out", str(tmp_path / "out.csv"), "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rows"], found["estimated"]) == (2, 1)


cells = st.text(max_size=12) | st.sampled_from(
    ["Qwen/Qwen3-8B", "openai/gpt-oss-20b", "h200", "vllm", "llama_cpp", "fp8", "bf16", "1", "8", "1e99", "-3", "nan"]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(row=st.fixed_dictionaries(dict.fromkeys((*REQUIRED, *OPTIONAL), cells)))
def test_any_row_gets_an_answer(row: dict[str, str]) -> None:
    row = {
        name: text.replace("/", "") if name == "model" and text.startswith((".", "/", "~")) else text
        for name, text in row.items()
    }
    figures = estimate_row(row)
    assert set(figures) <= set(FIGURES)
    assert figures.get("reason")
    csv.writer(io.StringIO()).writerow(figures.values())
