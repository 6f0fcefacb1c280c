"""GGUF headers: metadata and exact bytes, and nothing but ModelError for what breaks a rule."""

from __future__ import annotations

import contextlib
import struct
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployadvisor.errors import ModelError
from deployadvisor.sizing.gguf_cursor import MAX_HEADER_BYTES
from deployadvisor.sizing.gguf_header import MAX_KEYS, MAX_TENSORS, MAX_TEXTS, Omitted, read_gguf
from deployadvisor.sizing.gguf_types import REMOVED_TYPES, TENSOR_TYPES
from deployadvisor.sizing.tensors import Tensor
from tests.sizing.writers import (
    array,
    gguf_header,
    tensor_info,
    text,
    value,
    write_gguf,
    write_raw,
    write_split_gguf,
)

METADATA: dict[str, object] = {
    "general.architecture": "llama",
    "general.file_type": 15,
    "llama.block_count": 2,
    "llama.rope.freq_base": 10000.0,
    "llama.attention.head_count_kv": [8, 0],
    "llama.sliding_window_pattern": [True, False],
    "tokenizer.ggml.add_bos_token": True,
    "general.tags": ["chat", "日本語"],
    "general.large": 2**40,
}
TENSORS = {
    "token_embd.weight": ("Q6_K", (256, 10)),
    "blk.0.attn_q.weight": ("Q4_K", (512, 3)),
    "blk.0.attn_norm.weight": ("F32", (7,)),
    "scalar": ("F16", ()),
}
VALID, DATA = gguf_header(METADATA, TENSORS)
FULL = MAX_HEADER_BYTES + 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.gguf"


def header(keys: Sequence[bytes] = (), tensors: Sequence[bytes] = (), *, version: int = 3) -> bytes:
    """A header of entries as they are given."""
    counts = struct.pack("<IQQ", version, len(tensors), len(keys))
    return b"GGUF" + counts + b"".join(keys) + b"".join(tensors)


def refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_gguf(path)
    assert str(caught.value.where).startswith(str(path.parent))
    assert "\n" not in str(caught.value)
    return caught.value.message


@pytest.mark.parametrize("version", [2, 3])
def test_metadata_and_tensors(path: Path, version: int) -> None:
    gguf = read_gguf(write_gguf(path, METADATA, TENSORS, version=version))
    assert gguf.metadata == METADATA | {
        "llama.attention.head_count_kv": (8, 0),
        "llama.sliding_window_pattern": (True, False),
        "general.tags": ("chat", "日本語"),
    }
    assert gguf.tensors == (
        Tensor("token_embd.weight", "Q6_K", (256, 10), 2_100),
        Tensor("blk.0.attn_q.weight", "Q4_K", (512, 3), 864),
        Tensor("blk.0.attn_norm.weight", "F32", (7,), 28),
        Tensor("scalar", "F16", (), 2),
    )
    assert (gguf.version, gguf.alignment, gguf.files, gguf.bytes) == (version, 32, ("model.gguf",), 2_994)


def test_another_alignment(path: Path) -> None:
    gguf = read_gguf(write_gguf(path, {"general.alignment": 256}, TENSORS, alignment=256))
    assert (gguf.alignment, gguf.bytes) == (256, 2_994)


def test_all_kinds_of_numbers(path: Path) -> None:
    values: dict[int, tuple[str, float]]
    values = {0: ("B", 255), 1: ("b", -1), 2: ("H", 65535), 3: ("h", -2), 4: ("I", 2**32 - 1), 5: ("i", -3)}
    values |= {6: ("f", 0.5), 10: ("Q", 2**64 - 1), 11: ("q", -(2**63)), 12: ("d", 1e300)}
    keys = [text(str(kind)) + struct.pack(f"<I{layout}", kind, item) for kind, (layout, item) in values.items()]
    keys += [
        text(f"[{kind}]") + array(kind, [struct.pack(f"<{one}", item)] * 2) for kind, (one, item) in values.items()
    ]
    metadata = read_gguf(write_raw(path, header(keys))).metadata
    assert metadata == {str(kind): item for kind, (_, item) in values.items()} | {
        f"[{kind}]": (item, item) for kind, (_, item) in values.items()
    }


def test_a_vocabulary_is_counted_not_kept(path: Path) -> None:
    keys = {
        "tokens": [f"token {number}" for number in range(5_000)],
        "scores": array(6, [struct.pack("<f", -1.0)] * 300_000),
        "template": "x" * 70_000,
        "after": "still read",
    }
    metadata = read_gguf(write_gguf(path, keys, TENSORS)).metadata
    assert metadata == {
        "tokens": Omitted("array", 5_000),
        "scores": Omitted("array", 300_000),
        "template": Omitted("text", 70_000),
        "after": "still read",
    }


def test_a_vocabulary_need_not_be_text_in_utf_8(path: Path) -> None:
    keys = {"tokens": array(8, [text(b"\xff")] * 5_000)}
    assert read_gguf(write_gguf(path, keys, TENSORS)).metadata["tokens"] == Omitted("array", 5_000)


def test_the_blocks_are_those_of_the_published_bits_per_weight() -> None:
    bits = {block.name: 8 * block.bytes / block.elements for block in TENSOR_TYPES.values()}
    published = {
        "F32": 32,
        "F16": 16,
        "BF16": 16,
        "Q8_0": 8.5,
        "Q6_K": 6.5625,
        "Q5_K": 5.5,
        "Q4_K": 4.5,
        "MXFP4": 4.25,
    }
    published |= {"Q3_K": 3.4375, "Q2_K": 2.625, "IQ4_XS": 4.25, "IQ4_NL": 4.5, "IQ3_XXS": 3.0625, "IQ3_S": 3.4375}
    published |= {"IQ2_XXS": 2.0625, "IQ2_XS": 2.3125, "IQ2_S": 2.5625, "IQ1_S": 1.5625, "IQ1_M": 1.75, "NVFP4": 4.5}
    published |= {"TQ1_0": 1.6875, "TQ2_0": 2.0625, "Q4_0": 4.5, "Q4_1": 5, "Q5_0": 5.5, "Q5_1": 6, "Q1_0": 1.125}
    assert {name: bits[name] for name in published} == published
    assert not REMOVED_TYPES & set(TENSOR_TYPES)


def test_gpt_oss_experts_take_the_bytes_of_the_checkpoint(path: Path) -> None:
    """36 layers of 128 experts of 3 * 2880 * 2880 weights at 4.25 bits, as in gpt-oss-120b."""
    experts = {
        f"blk.{layer}.ffn_{part}_exps.weight": ("MXFP4", (2880, 2880, 128)) for layer in range(36) for part in "abc"
    }
    assert read_gguf(write_gguf(path, {}, experts)).bytes == 36 * 128 * 3 * 2880 * 2880 * 17 // 32


# Parts

PARTS = ({"a": ("F32", (3,))}, {"b": ("F16", (5,)), "c": ("F16", (1,))}, {"d": ("I8", (1,))})


@pytest.mark.parametrize("named", ["m-00001-of-00003.gguf", "m-00003-of-00003.gguf"])
def test_the_parts_of_a_split_file_are_summed(tmp_path: Path, named: str) -> None:
    write_split_gguf(tmp_path, METADATA, PARTS)
    gguf = read_gguf(tmp_path / named)
    assert [tensor.name for tensor in gguf.tensors] == ["a", "b", "c", "d"]
    assert (gguf.bytes, gguf.metadata["general.architecture"]) == (25, "llama")
    assert gguf.files == tuple(f"m-0000{number}-of-00003.gguf" for number in (1, 2, 3))


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    first = write_split_gguf(tmp_path, METADATA, PARTS)
    (tmp_path / "m-00002-of-00003.gguf").unlink()
    with pytest.raises(ModelError, match=r"m-00002-of-00003\.gguf: error: the file is missing"):
        read_gguf(first)


def test_parts_that_do_not_belong_together(tmp_path: Path) -> None:
    first = write_split_gguf(tmp_path, METADATA, PARTS)
    second, third = tmp_path / "m-00002-of-00003.gguf", tmp_path / "m-00003-of-00003.gguf"
    content = second.read_bytes()
    third.rename(second)
    second.rename(third)
    second.write_bytes(third.read_bytes())
    assert refused(first) == "split.no must be 1 in this part, not 2"
    second.write_bytes(content)
    write_gguf(third, {"split.no": 2, "split.count": 3}, PARTS[0])
    assert refused(first) == 'tensor "a" stands twice'
    write_gguf(third, {"split.no": 2, "split.count": 3}, {})
    assert refused(first) == "split.tensors.count says 4, the parts hold 3 tensors"
    write_gguf(third, {"split.no": 2}, PARTS[2])
    assert refused(first) == "split.count must be 3 in this part, not None"


def test_a_part_under_another_name(tmp_path: Path) -> None:
    first = write_split_gguf(tmp_path, METADATA, PARTS)
    renamed = first.rename(tmp_path / "model.gguf")
    assert refused(renamed) == "is one of 3 parts, but its name does not end in -00001-of-00003.gguf"
    misnamed = renamed.rename(tmp_path / "m-00001-of-00002.gguf")
    assert refused(misnamed) == "is named one of 2 parts, split.count says 3"
    single = write_gguf(tmp_path / "n-00001-of-00009.gguf", METADATA, TENSORS)
    assert refused(single) == "is named one of 9 parts, split.count says 1"
    assert read_gguf(write_gguf(tmp_path / "n-00001-of-00001.gguf", METADATA, TENSORS)).bytes == 2_994


@pytest.mark.parametrize("count", ["three", -1, 1_001])
def test_a_senseless_number_of_parts(tmp_path: Path, count: object) -> None:
    metadata = {"split.count": struct.pack("<Ii", 5, count) if count == -1 else count}
    path = write_gguf(tmp_path / "m-00001-of-01001.gguf", metadata, TENSORS)
    assert refused(path) in ("split.count must be a whole number", "1001 parts; at most 1000 are read")


# Rules


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "4 bytes should follow, the file has 0 more, at byte 0"),
        (b"PK\x03\x04" + VALID[4:], 'not a GGUF file: it begins with "PK��", at byte 0'),
        (header(version=1), "version 1 of GGUF is not read, only 2 and 3, at byte 4"),
        (header(version=4), "version 4 of GGUF is not read, only 2 and 3, at byte 4"),
        (header(version=3 << 24), "big-endian GGUF files are not read, at byte 4"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**63, 0), f"the file says that it has {2**63:,} tensors; at most"),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 2**64 - 1),
            f"the file says that it has {2**64 - 1:,} metadata keys; at",
        ),
        (
            b"GGUF" + struct.pack("<IQQ", 3, 0, 100),
            "the file says that it has 100 metadata keys, for which it is too",
        ),
        (b"GGUF" + struct.pack("<IQQ", 3, 9, 0), "the file says that it has 9 tensors, for which it is too short"),
        (header([text("") + value(1)] * 2), "a key of 0 bytes; the format allows 1 to 65,535, at byte 32"),
        (header([text("k" * 65_536) + value(1)]), "a key of 65,536 bytes; the format allows 1 to 65,535"),
        (header([text("k") + value(1)] * 2), 'key "k" stands twice, at byte 41'),
        (header([text(b"k\xff") + value(1)]), "a key is not UTF-8, at byte 33"),
        (header([text("k") + struct.pack("<I", 8) + text(b"ab\xff")]), 'the value of "k" is not UTF-8, at byte 47'),
        (header([text("k") + array(8, [text(b"\xff")])]), 'a text of "k" is not UTF-8, at byte 57'),
        (header([text("k") + struct.pack("<II", 13, 0)]), '"k" has a value of the unknown type 13, at byte 37'),
        (header([text("k") + struct.pack("<IB", 7, 2)]), '"k" must be 0 or 1, at byte 38'),
        (header([text("k") + array(9, [array(4, [])])]), '"k" is an array of arrays, which are not read'),
        (header([text("k") + array(99, [b"x"])]), '"k" has a value of the unknown type 99'),
        (
            header([text("k") + struct.pack("<IIQ", 9, 4, 2**62)]),
            f"{2**64:,} bytes should follow, the file has 0 more",
        ),
        (header([text("k") + struct.pack("<IIQ", 9, 8, 2**62)]), f'"k" has {2**62:,} texts; at most 1,500,000'),
        (header([text("k") + struct.pack("<IIQ", 9, 8, 10**6)]), "8,000,000 bytes should follow, the file has 0"),
        (header([text("k") + struct.pack("<IQ", 8, 2**63)]), f"{2**63:,} bytes should follow, the file has 0 more"),
        (header([text("general.alignment") + value(24)]), "general.alignment must be a power of two"),
        (header([text("general.alignment") + value(0)]), "general.alignment must be a power of two"),
        (header([text("general.alignment") + value("32")]), "general.alignment must be a power of two"),
        (
            header([], [tensor_info("t" * 65, 0, [1], 0)]),
            "a tensor name of 65 bytes; the format allows 64, at byte 24",
        ),
        (header([], [tensor_info(b"\xff", 0, [1], 0)]), "a tensor name is not UTF-8, at byte 32"),
        (header([], [tensor_info("t", 0, [1] * 5, 0)]), 'tensor "t" has 5 dimensions; the format allows 4'),
        (header([], [tensor_info("t", 31, [32], 0)]), 'tensor "t" has type 31, which llama.cpp no longer reads'),
        (header([], [tensor_info("t", 999, [1], 0)]), 'tensor "t" has the unknown type 999'),
        (header([], [tensor_info("t", 12, [255, 2], 0)]), 'tensor "t" has rows of 255, not whole blocks of 256'),
        (header([], [tensor_info("t", 2, [], 0)]), 'tensor "t" has rows of 1, not whole blocks of 32'),
        (header([], [tensor_info("t", 0, [2**32] * 2, 0)]), 'tensor "t" is larger than any file'),
        (header([], [tensor_info("t", 0, [2**64 - 1, 0], 0)]), 'tensor "t" is larger than any file'),
        (header([], [tensor_info("t", 0, [1], 32)]), 'the data of tensor "t" begin at 32, not 0, at byte 24'),
        (header([], [tensor_info(n, 0, [1], 0) for n in "tu"]), 'the data of tensor "u" begin at 0, not 32'),
        (header([], [tensor_info("t", 0, [1], 32 * n) for n in range(2)]), 'tensor "t" stands twice'),
        (
            header([], [tensor_info("t", 0, [100], 0)]),
            "the file is cut off: its tensors end at byte 464, the file at",
        ),
    ],
)
def test_every_rule_of_the_format(path: Path, content: bytes, message: str) -> None:
    assert refused(write_raw(path, content)).startswith(message)


def test_the_limits_are_far_above_what_is_published(path: Path) -> None:
    assert (MAX_TENSORS, MAX_KEYS, MAX_TEXTS) == (65_536, 16_384, 1_500_000)
    too_many = b"GGUF" + struct.pack("<IQQ", 3, MAX_TENSORS + 1, 0)
    assert "65,537 tensors; at most 65,536" in refused(write_raw(path, too_many, 10**8))


def test_a_header_does_not_go_on_forever(path: Path) -> None:
    key = text("k") + struct.pack("<IQ", 8, MAX_HEADER_BYTES)
    assert refused(write_raw(path, header([key]), FULL)) == (
        "the header goes on after 67,108,864 bytes, more than are read, at byte 45"
    )


@pytest.mark.parametrize("item", [value("x" * 60_000), array(0, [b"x"] * 4_096), array(8, [text("")] * 4_096)])
def test_only_so_much_metadata_is_kept(path: Path, item: bytes) -> None:
    keys = [text(f"k{number}") + item for number in range(300)]
    assert refused(write_raw(path, header(keys))).startswith("more than 1,048,576 bytes of metadata beside the voc")


# Hostile files


def peak_bytes(path: Path) -> int:
    tracemalloc.start()
    try:
        with contextlib.suppress(ModelError):
            read_gguf(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        header([text("k") + struct.pack("<IIQ", 9, 8, 100_000)]),
        header([text("k") + struct.pack("<IIQ", 9, 0, MAX_HEADER_BYTES)]),
        header([text("k") + struct.pack("<IQ", 8, MAX_HEADER_BYTES)]),
        b"GGUF" + struct.pack("<IQQ", 3, MAX_TENSORS, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, MAX_KEYS),
        header([text(f"k{n}") + array(8, [text("")] * 4_096) for n in range(40)]),
        header([text(f"k{n}") + array(0, [b"x"] * 4_096) for n in range(1_000)]),
        header([text(f"k{n}") + array(12, [b"\0" * 8] * 4_096) for n in range(100)]),
        header([text(f"k{n}") + value("é" * 20_000) for n in range(100)]),
    ],
    ids=["texts", "numbers", "text", "tensors", "keys", "short texts", "bytes", "floats", "wide texts"],
)
def test_a_full_header_of_anything_takes_little_memory(path: Path, content: bytes) -> None:
    write_raw(path, content, FULL)
    assert peak_bytes(path) < 100 * 10**6


def test_tensors_take_little_memory(path: Path) -> None:
    """A sixteenth of as many as are read."""
    infos = [tensor_info(f"{number:064}", 0, [1, 1, 1, 1], 32 * number) for number in range(MAX_TENSORS // 16)]
    write_raw(path, header([], infos), 32 * len(infos))
    assert peak_bytes(path) < 100 * 10**6 // 16


def reads_or_refuses(path: Path, content: bytes, data: int = 0) -> None:
    with contextlib.suppress(ModelError):
        read_gguf(write_raw(path, content, data))


def test_a_cut_at_every_byte_is_refused(path: Path) -> None:
    content = VALID + b"\0" * DATA
    for end in (*range(len(VALID)), len(VALID) + DATA - 1):
        refused(write_raw(path, content[:end]))


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_changed_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = bytearray(VALID)
    changes = data.draw(
        st.dictionaries(st.integers(0, len(content) - 1), st.integers(0, 255), min_size=1, max_size=4)
    )
    for at, byte in changes.items():
        content[at] = byte
    reads_or_refuses(tmp_path_factory.getbasetemp() / "changed.gguf", bytes(content), DATA)


@settings(max_examples=300, deadline=None)
@given(tail=st.binary(max_size=200), counts=st.tuples(st.integers(0, 3), st.integers(0, 3)))
def test_random_headers_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, tail: bytes, counts: tuple[int, int]
) -> None:
    content = b"GGUF" + struct.pack("<IQQ", 3, *counts) + tail
    reads_or_refuses(tmp_path_factory.getbasetemp() / "random.gguf", content)


_HUGE = st.sampled_from([0, 1, 2**16, 2**31, 2**32, 2**63, 2**64 - 1])


@settings(max_examples=200, deadline=None)
@given(at=st.sampled_from(range(len(VALID) - 8)), count=_HUGE)
def test_huge_counts_anywhere_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, at: int, count: int
) -> None:
    content = VALID[:at] + struct.pack("<Q", count) + VALID[at + 8 :]
    reads_or_refuses(tmp_path_factory.getbasetemp() / "huge.gguf", content, DATA)
