"""Checkpoints of many files: the sums, and an index that is believed only as far as the files agree."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.errors import ModelError
from deployadvisor.sizing.shards import INDEX, MAX_FILES, Checkpoint, read_checkpoint
from deployadvisor.sizing.tensors import Share
from tests.sizing.writers import (
    shard_name,
    write_checkpoint,
    write_index,
    write_raw,
    write_safetensors,
)

SHARDS = (
    {"model.embed_tokens.weight": ("BF16", (100, 8)), "model.layers.0.mlp.up_proj.weight": ("F8_E4M3", (16, 8))},
    {"model.layers.0.mlp.up_proj.weight_scale_inv": ("F32", (1,)), "model.layers.1.eh_proj.weight": ("BF16", (8, 8))},
    {"lm_head.weight": ("BF16", (100, 8)), "model.layers.1.mlp.up_proj.weight": ("BF16", (8, 8))},
)
NAMES = tuple(shard_name(number, 3) for number in (1, 2, 3))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "model", SHARDS)


def read(folder: Path, layers: int | None = None) -> Checkpoint:
    checkpoint = read_checkpoint(folder, layers=layers)
    assert checkpoint is not None
    return checkpoint


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_checkpoint(folder)
    assert str(caught.value.where).startswith(str(folder))
    return f"{Path(str(caught.value.where)).name}: {caught.value.message}"


def mapped(folder: Path, **places: Any) -> dict[str, Any]:
    """The weight map of the folder with tensors in other files; ... removes a tensor."""
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    changed = index["weight_map"] | places
    return {name: file for name, file in changed.items() if file is not ...}


def test_sums_by_part_and_format(folder: Path) -> None:
    checkpoint = read(folder)
    assert checkpoint.files == NAMES
    assert (checkpoint.tensors, checkpoint.bytes, checkpoint.stated_bytes) == (6, 3588, 3588)
    assert checkpoint.shares == (
        Share("embeddings", "BF16", quantised=False, tensors=1, elements=800, bytes=1600),
        Share("feed_forward", "BF16", quantised=False, tensors=1, elements=64, bytes=128),
        Share("feed_forward", "F32", quantised=True, tensors=1, elements=1, bytes=4),
        Share("feed_forward", "F8_E4M3", quantised=True, tensors=1, elements=128, bytes=128),
        Share("head", "BF16", quantised=False, tensors=1, elements=800, bytes=1600),
        Share("mtp", "BF16", quantised=False, tensors=1, elements=64, bytes=128),
    )


def test_layers_beyond_those_of_a_forward_pass_predict_tokens(folder: Path) -> None:
    sums = {share.group: share.tensors for share in read(folder, layers=1).shares}
    assert sums["mtp"] == 2


def test_a_single_file_and_numbered_files_need_no_index(folder: Path) -> None:
    (folder / INDEX).unlink()
    assert read(folder).files == NAMES
    write_safetensors(folder / "model.safetensors", {"w": ("U8", (5,))})
    assert read(folder) == Checkpoint(
        ("model.safetensors",), (Share("unknown", "U8", quantised=True, tensors=1, elements=5, bytes=5),), None
    )


def test_a_folder_without_weights(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path) is None


def test_links_into_a_cache_are_followed(folder: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    for file in (INDEX, *NAMES):
        (snapshot / file).symlink_to(folder / file)
    assert read(snapshot).bytes == 3588


def test_a_stale_total_is_reported_not_believed(folder: Path) -> None:
    write_index(folder, mapped(folder), 10**9)
    assert (read(folder).stated_bytes, read(folder).bytes) == (10**9, 3588)
    write_index(folder, mapped(folder), 3588.0)
    assert read(folder).stated_bytes == 3588
    (folder / INDEX).write_text(json.dumps({"weight_map": mapped(folder)}), encoding="utf-8")
    assert read(folder).stated_bytes is None


# Disagreement


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / NAMES[1]).unlink()
    assert refused(folder) == f'{INDEX}: 1 of 3 shards is missing: "{NAMES[1]}"'
    (folder / NAMES[0]).unlink()
    assert refused(folder) == f'{INDEX}: 2 of 3 shards are missing: "{NAMES[0]}", ...'
    (folder / NAMES[2]).unlink()
    assert refused(folder) == f"{NAMES[0]}: the file is missing"


def test_a_missing_file_of_a_series_is_named(folder: Path) -> None:
    (folder / NAMES[1]).unlink()
    (folder / INDEX).unlink()
    assert refused(folder) == f"{NAMES[1]}: the file is missing"


def test_a_broken_file_is_named(folder: Path) -> None:
    write_raw(folder / NAMES[1], b"\0")
    assert refused(folder).startswith(f"{NAMES[1]}: the file ends at byte 1")


def test_a_tensor_in_another_file_than_the_index_says(folder: Path) -> None:
    write_index(folder, mapped(folder, **{"lm_head.weight": NAMES[0]}), 3588)
    message = f'weight_map places tensor "lm_head.weight" in "{NAMES[0]}", which does not hold it'
    assert refused(folder) == f"{INDEX}: {message}"


def test_a_tensor_that_the_index_does_not_know(folder: Path) -> None:
    write_index(folder, mapped(folder, **{"lm_head.weight": ...}), 3588)
    message = f'"{NAMES[2]}" holds tensor "lm_head.weight", which weight_map does not place there'
    assert refused(folder) == f"{INDEX}: {message}"


def test_a_tensor_in_two_files_without_index(folder: Path) -> None:
    (folder / INDEX).unlink()
    write_safetensors(folder / NAMES[2], SHARDS[0])
    assert "stands in another file too" in refused(folder)


@pytest.mark.parametrize(
    "file",
    [
        "../model.safetensors",
        "sub/../../model.safetensors",
        "/etc/model.safetensors",
        "..\\model.safetensors",
        "C:model.safetensors",
        "C:\\model.safetensors",
        "\\\\host\\share\\model.safetensors",
        "model\0.safetensors",
        "model\n.safetensors",
        "model.bin",
        "",
    ],
)
def test_a_name_that_leaves_the_folder(folder: Path, file: str) -> None:
    write_index(folder, mapped(folder, **{"lm_head.weight": file}), 3588)
    assert "which is no safetensors file in this folder" in refused(folder)


def test_a_name_that_is_too_long_for_any_file(folder: Path) -> None:
    write_index(folder, mapped(folder, **{"lm_head.weight": "0" * 300 + ".safetensors"}), 3588)
    assert "1 of 4 shards is missing" in refused(folder)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to(path)])
def test_what_is_no_file_is_refused(folder: Path, make: Any) -> None:
    for file in (NAMES[0], INDEX):
        (folder / file).unlink()
        make(folder / file)
        assert refused(folder).startswith(f"{file}: ")
        assert "missing" not in refused(folder)


def test_a_loop_of_folders_ends(folder: Path) -> None:
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    write_index(folder, mapped(folder, **{"lm_head.weight": "loop/" * 60 + NAMES[2]}), 3588)
    assert "1 of 4 shards is missing" in refused(folder)


@pytest.mark.parametrize(
    ("weight_map", "total", "message"),
    [
        ([], 1, "weight_map must be an object that names the file of every tensor"),
        ({}, 1, "weight_map must be an object that names the file of every tensor"),
        ({"w": 1}, 1, 'weight_map names no file for tensor "w"'),
        ({"w": "m.safetensors"}, "many", "metadata.total_size must be a whole number of bytes"),
        ({"w": "m.safetensors"}, True, "metadata.total_size must be a whole number of bytes"),
        ({"w": "m.safetensors"}, -1, "metadata.total_size must be a whole number of bytes"),
        ({"w": "m.safetensors"}, 1.5, "metadata.total_size must be a whole number of bytes"),
        ({"w": "m.safetensors"}, float("1e999"), "not valid JSON: Infinity is not JSON"),
        ({"w": "m.safetensors"}, 1, "the file is missing"),
    ],
)
def test_an_index_that_makes_no_sense(tmp_path: Path, weight_map: object, total: object, message: str) -> None:
    write_index(tmp_path, weight_map, total)
    assert refused(tmp_path).endswith(message)


def test_more_files_than_any_model_has(tmp_path: Path) -> None:
    write_index(tmp_path, {f"w{number}": f"{number}.safetensors" for number in range(MAX_FILES + 1)}, 1)
    assert refused(tmp_path) == f"{INDEX}: weight_map names 4,097 files; at most 4,096 are read"
    (tmp_path / INDEX).unlink()
    write_raw(tmp_path / "model-00001-of-99999.safetensors", b"")
    assert refused(tmp_path).endswith("at most 4,096 safetensors files are read")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"weight_map": {"a": "x.safetensors", "a": "y.safetensors"}}'])
def test_an_index_that_is_no_json_object(tmp_path: Path, text: str) -> None:
    (tmp_path / INDEX).write_text(text, encoding="utf-8")
    assert refused(tmp_path).startswith(f"{INDEX}: not ")


def test_an_index_cut_at_any_byte_is_refused(folder: Path) -> None:
    content = (folder / INDEX).read_bytes()
    for end in range(len(content)):
        (folder / INDEX).write_bytes(content[:end])
        refused(folder)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_changed_bytes_of_the_index_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = write_checkpoint(tmp_path_factory.getbasetemp() / "changed", SHARDS)
    content = bytearray((folder / INDEX).read_bytes())
    changes = data.draw(st.dictionaries(st.integers(0, len(content) - 1), st.integers(0, 255), max_size=4))
    for at, byte in changes.items():
        content[at] = byte
    (folder / INDEX).write_bytes(content)
    with contextlib.suppress(ModelError):
        assert read(folder).bytes == 3588
