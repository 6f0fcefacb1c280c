"""Safetensors headers: exact bytes, every rule of the format, and nothing but ModelError for the rest."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.errors import ModelError
from deployadvisor.sizing.safetensors_header import MAX_HEADER_BYTES, Header, read_header
from deployadvisor.sizing.tensors import Tensor
from tests.sizing.writers import data_bytes, framed, safetensors_header, write_raw, write_safetensors

TENSORS = {
    "model.embed_tokens.weight": ("BF16", (100, 8)),
    "model.layers.0.mlp.down_proj.weight": ("F8_E4M3", (16, 16)),
    "model.layers.0.mlp.down_proj.weight_scale_inv": ("F32", ()),
    "empty": ("F16", (0, 4)),
}
VALID = json.dumps(safetensors_header(TENSORS, {"format": "pt"})).encode()
DATA = data_bytes(safetensors_header(TENSORS))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


def write_header(path: Path, header: object, data: int | None = None) -> Path:
    content = json.dumps(header).encode()
    return write_raw(path, framed(content), DATA if data is None else data)


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_header(path)
    assert str(caught.value.where) == str(path)
    assert "\n" not in str(caught.value)
    return caught.value.message


def changed(**fields: Any) -> dict[str, Any]:
    """A header of one tensor of 256 bytes with other ``fields``."""
    entry = {"dtype": "BF16", "shape": [16, 8], "data_offsets": [0, 256]} | fields
    return {"w": {key: value for key, value in entry.items() if value is not ...}}


def test_names_formats_shapes_and_bytes(path: Path) -> None:
    header = read_header(write_safetensors(path, TENSORS, {"format": "pt"}))
    assert header == Header(
        (
            Tensor("model.embed_tokens.weight", "BF16", (100, 8), 1600),
            Tensor("model.layers.0.mlp.down_proj.weight", "F8_E4M3", (16, 16), 256),
            Tensor("model.layers.0.mlp.down_proj.weight_scale_inv", "F32", (), 4),
            Tensor("empty", "F16", (0, 4), 0),
        ),
        {"format": "pt"},
    )
    assert header.bytes == 1860


def test_the_order_of_the_header_does_not_count(path: Path) -> None:
    backwards = dict(reversed(safetensors_header(TENSORS).items()))
    names = [tensor.name for tensor in read_header(write_header(path, backwards)).tensors]
    assert sorted(names) == sorted(TENSORS)
    assert names[0] == "model.embed_tokens.weight"


def test_formats_smaller_than_a_byte(path: Path) -> None:
    assert read_header(write_safetensors(path, {"w": ("F4", (3, 2)), "v": ("F6_E3M2", (4,))})).bytes == 6


def test_spaces_after_the_header_and_a_file_without_tensors(path: Path) -> None:
    assert read_header(write_raw(path, framed(b"{}      "))) == Header((), {})


def test_a_large_file_is_not_read(path: Path) -> None:
    write_safetensors(path, {"w": ("BF16", (1_000_000, 1_000_000))})
    assert read_header(path).bytes == 2 * 10**12


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (changed(dtype="BF15"), 'tensor "w" has the unknown dtype "BF15"'),
        (changed(dtype=[["F16"]]), 'tensor "w" has no dtype'),
        (changed(dtype=...), 'tensor "w" has no dtype'),
        (changed(shape=...), 'the shape of tensor "w" must be whole numbers'),
        (changed(shape=[16, -8]), 'the shape of tensor "w" must be whole numbers'),
        (changed(shape=[16, 8.0]), 'the shape of tensor "w" must be whole numbers'),
        (changed(shape=[True, 128]), 'the shape of tensor "w" must be whole numbers'),
        (changed(shape=[2**64]), 'the shape of tensor "w" must be whole numbers'),
        (changed(shape=[2**40, 2**40]), 'tensor "w" is larger than any file'),
        (changed(shape=[2**60] * 1000 + [0]), 'tensor "w" is larger than any file'),
        (changed(dtype="F4", shape=[3]), 'tensor "w" does not end on a whole byte'),
        (changed(shape=[16, 9]), 'tensor "w" takes 288 bytes, its data_offsets give 256'),
        (changed(data_offsets=[0]), 'data_offsets of tensor "w" must be two whole numbers'),
        (changed(data_offsets="01"), 'data_offsets of tensor "w" must be two whole numbers'),
        (changed(data_offsets=[-256, 0]), 'data_offsets of tensor "w" must be two whole numbers'),
        (changed(data_offsets=[256, 0]), 'tensor "w" ends at byte 0, before its begin at byte 256'),
        (changed(data_offsets=[8, 264]), 'tensor "w" leaves a hole before it: its data begin at byte 8, not 0'),
        (
            {name: changed()["w"] for name in "wv"},
            'tensor "v" overlaps the one before it: its data begin at byte 0, not 256',
        ),
        ({"w": [1]}, 'tensor "w" is not described by an object'),
        ({"__metadata__": {"format": 1}}, "__metadata__ must be an object of texts"),
        ({"__metadata__": ["pt"]}, "__metadata__ must be an object of texts"),
        ({}, "the file has bytes that belong to no tensor: its tensors take 0 bytes, 256 follow the header"),
    ],
)
def test_every_rule_of_the_format(path: Path, header: object, message: str) -> None:
    found = refused(write_header(path, header, 256))
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file ends at byte 0, within the length of its header"),
        (b"\0" * 7, "the file ends at byte 7, within the length of its header"),
        (b"\0" * 8, "the header does not begin with a brace, at byte 8"),
        (b"\xff" * 8, "a header of 18,446,744,073,709,551,615 bytes; the format allows 100,000,000"),
        (struct.pack("<Q", 100) + b"{}", "a header of 100 bytes does not fit into a file of 10"),
        (framed(b" {}"), "the header does not begin with a brace, at byte 8"),
        (framed(b"{} x"), "not valid JSON: Extra data, at byte 11"),
        (framed(b'{"a": "\xff"}'), "not UTF-8 text, at byte 15"),
        (framed('{"é": '.encode()), "not valid JSON: Expecting value, at byte 15"),
        (framed(b'{"a": NaN}'), "not valid JSON: NaN is not JSON"),
        (framed(b'{"a": 1, "a": 1}'), 'not valid JSON: duplicate key "a"'),
        (framed(b'{"\\ud800": {}}'), "not valid JSON: half of a surrogate pair"),
        (framed(b'{"a":' + b"[" * 100_000), "the JSON is nested too deep"),
        (framed(b'{"a":' + b"9" * 5_000 + b"}"), "not valid JSON: "),
    ],
)
def test_what_is_no_header_names_the_byte(path: Path, content: bytes, message: str) -> None:
    assert refused(write_raw(path, content)).startswith(message)


def test_a_dtype_with_a_slip_is_suggested(path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        read_header(write_header(path, changed(dtype="F8_E4M4"), 256))
    assert caught.value.suggestion == "F8_E4M3"


def test_a_cut_file_says_how_much_is_there(path: Path) -> None:
    message = refused(write_raw(path, framed(VALID), DATA - 1))
    assert message == f"the file is cut off: its tensors take {DATA:,} bytes, {DATA - 1:,} follow the header"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Path.mkdir, "is not a regular file"),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.symlink_to(path), "cannot read the file: Too many levels of symbolic links"),
        (lambda path: path.symlink_to("nowhere"), "the file is missing"),
    ],
)
def test_only_regular_files_are_opened(path: Path, make: Any, message: str) -> None:
    make(path)
    assert refused(path) == message


def test_a_name_that_no_file_can_have(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be the name of a file"):
        read_header(tmp_path / "a\0b")


# Hostile files


def peak_bytes(path: Path) -> int:
    tracemalloc.start()
    try:
        with pytest.raises(ModelError):
            read_header(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("unit", [b"[],", b"{},", b'"\\u00e9",', b"0,", b'{"":0},', b'"\xf0\x9f\x98\x80",'])
def test_a_full_header_of_anything_takes_little_memory(path: Path, unit: bytes) -> None:
    room = MAX_HEADER_BYTES - 20
    write_raw(path, framed(b'{"a":[' + unit * (room // len(unit)) + b"0]}"))
    assert peak_bytes(path) < 110 * 10**6


def test_one_long_text_takes_little_memory(path: Path) -> None:
    write_raw(path, framed(b'{"a":"' + b"x" * (MAX_HEADER_BYTES - 20) + b'"}'))
    assert peak_bytes(path) < 110 * 10**6


def test_a_longer_header_is_not_read(path: Path) -> None:
    write_raw(path, struct.pack("<Q", MAX_HEADER_BYTES + 1), 2 * MAX_HEADER_BYTES)
    assert peak_bytes(path) < 10**6


def reads_or_refuses(path: Path, content: bytes, data: int) -> None:
    with contextlib.suppress(ModelError):
        read_header(write_raw(path, content, data))


def test_a_cut_at_every_byte_is_refused(path: Path) -> None:
    content = framed(VALID)
    for end in range(len(content)):
        refused(write_raw(path, content[:end]))


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_changed_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(framed(VALID))
    changes = data.draw(
        st.dictionaries(st.integers(0, len(content) - 1), st.integers(0, 255), min_size=1, max_size=4)
    )
    for at, byte in changes.items():
        content[at] = byte
    reads_or_refuses(tmp_path_factory.getbasetemp() / "changed.safetensors", bytes(content), DATA)


@settings(max_examples=200, deadline=None)
@given(header=st.binary(max_size=200), data=st.integers(0, 100))
def test_random_headers_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, header: bytes, data: int
) -> None:
    reads_or_refuses(tmp_path_factory.getbasetemp() / "random.safetensors", framed(b"{" + header), data)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 2**70) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
_ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F16", "F4", "U8"]) | _JSON,
        "shape": st.lists(st.integers(0, 4), max_size=3) | _JSON,
        "data_offsets": st.lists(st.integers(0, 64), min_size=2, max_size=2) | _JSON,
    },
)


@settings(max_examples=300, deadline=None)
@given(header=st.dictionaries(st.text(max_size=5) | st.just("__metadata__"), _ENTRY | _JSON, max_size=3))
def test_whatever_the_header_says_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, header: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "said.safetensors"
    reads_or_refuses(path, framed(json.dumps(header).encode()), 0)
