"""Read the header of a safetensors file: names, number formats, shapes and exact bytes of all tensors.

Eight bytes of little-endian length, that much JSON, then the data without holes. The rules are those of the
reference implementation (huggingface/safetensors 24b0b28, README.md and safetensors/src/tensor.rs). Tensors
themselves are never read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from deployadvisor.documents import quoted
from deployadvisor.errors import ModelError, Where, nearest
from deployadvisor.sizing.tensors import Tensor
from deployadvisor.sizing.untrusted import json_object, opened

FORMAT_MAX_BYTES = 100_000_000
"""The longest header that the format allows."""
MAX_HEADER_BYTES = 12 * 2**20
"""The longest that is read, enough for 90,000 tensors: JSON takes many times its length in memory."""
_MAX_VALUES = 800_000
_LENGTH_BYTES = 8
_MAX_COUNT = 2**64 - 1

DTYPE_BITS: Mapping[str, int] = {
    **dict.fromkeys(("F4",), 4),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    **dict.fromkeys(("BOOL", "U8", "I8"), 8),
    **dict.fromkeys(("F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("I16", "U16", "F16", "BF16"), 16),
    **dict.fromkeys(("I32", "U32", "F32"), 32),
    **dict.fromkeys(("I64", "U64", "F64", "C64"), 64),
}
"""Bits of one element of every number format."""


@dataclass(frozen=True, slots=True)
class Header:
    """What one file says of itself: its tensors in the order in which they lie, and free-form texts."""

    tensors: tuple[Tensor, ...]
    metadata: Mapping[str, str]

    @property
    def bytes(self) -> int:
        """Bytes of all tensors."""
        return sum(tensor.bytes for tensor in self.tensors)


def read_header(path: Path) -> Header:
    """Read and check the header of one safetensors file; a broken rule of the format is a ``ModelError``."""
    with opened(path) as (file, size):
        length = _header_length(file, size, path)
        values = json_object(_header(file, length, path), path, max_values=_MAX_VALUES, start=_LENGTH_BYTES)
    metadata = _metadata(values.pop("__metadata__", None), path)
    placed = sorted((_placed(name, entry, path) for name, entry in values.items()), key=lambda item: item[:2])
    _check_no_holes(placed, size - _LENGTH_BYTES - length, path)
    return Header(tuple(tensor for _, _, tensor in placed), metadata)


def _header_length(file: BinaryIO, size: int, path: Path) -> int:
    content = file.read(_LENGTH_BYTES)
    if len(content) < _LENGTH_BYTES:
        _refuse(path, f"the file ends at byte {len(content)}, within the length of its header")
    length = int.from_bytes(content, "little")
    if length > FORMAT_MAX_BYTES:
        _refuse(path, f"a header of {length:,} bytes; the format allows {FORMAT_MAX_BYTES:,}")
    if length > size - _LENGTH_BYTES:
        _refuse(path, f"a header of {length:,} bytes does not fit into a file of {size:,}")
    if length > MAX_HEADER_BYTES:
        _refuse(path, f"a header of {length:,} bytes; at most {MAX_HEADER_BYTES:,} are read")
    return length


def _header(file: BinaryIO, length: int, path: Path) -> bytes:
    content = file.read(length)
    if not content.startswith(b"{"):
        _refuse(path, f"the header does not begin with a brace, at byte {_LENGTH_BYTES}")
    return content


def _metadata(value: object, path: Path) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        _refuse(path, "__metadata__ must be an object of texts")
    return value


def _placed(name: str, entry: object, path: Path) -> tuple[int, int, Tensor]:
    """Where the data of a tensor begin and end behind the header, and the tensor."""
    if not isinstance(entry, dict):
        _refuse(path, f"tensor {quoted(name)} is not described by an object")
    begin, end = _offsets(name, entry.get("data_offsets"), path)
    dtype, shape = entry.get("dtype"), entry.get("shape")
    stored = _stored_bytes(name, dtype, shape, path)
    if stored != end - begin:
        _refuse(path, f"tensor {quoted(name)} takes {stored:,} bytes, its data_offsets give {end - begin:,}")
    return begin, end, Tensor(name, str(dtype), tuple(shape or ()), stored)


def _offsets(name: str, offsets: object, path: Path) -> tuple[int, int]:
    if not isinstance(offsets, list) or len(offsets) != 2 or not all(map(_is_count, offsets)):
        _refuse(path, f"data_offsets of tensor {quoted(name)} must be two whole numbers")
    begin, end = offsets
    if begin > end:
        _refuse(path, f"tensor {quoted(name)} ends at byte {end:,}, before its begin at byte {begin:,}")
    return begin, end


def _stored_bytes(name: str, dtype: Any, shape: Any, path: Path) -> int:
    bits = DTYPE_BITS.get(dtype) if isinstance(dtype, str) else None
    if bits is None:
        _refuse_dtype(name, dtype, path)
    if not isinstance(shape, list) or not all(map(_is_count, shape)):
        _refuse(path, f"the shape of tensor {quoted(name)} must be whole numbers")
    for length in shape:
        bits *= length
        if bits > _MAX_COUNT:
            _refuse(path, f"tensor {quoted(name)} is larger than any file")
    if bits % 8:
        _refuse(path, f"tensor {quoted(name)} does not end on a whole byte")
    return bits // 8


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value <= _MAX_COUNT


def _check_no_holes(placed: list[tuple[int, int, Tensor]], data_bytes: int, path: Path) -> None:
    """Check that the tensors cover the data exactly once."""
    reached = 0
    for begin, end, tensor in placed:
        if begin != reached:
            what = "overlaps the one before it" if begin < reached else "leaves a hole before it"
            message = f"tensor {quoted(tensor.name)} {what}: its data begin at byte {begin:,}, not {reached:,}"
            _refuse(path, f"{message}, counted from the end of the header")
        reached = end
    if reached != data_bytes:
        what = "is cut off" if reached > data_bytes else "has bytes that belong to no tensor"
        _refuse(path, f"the file {what}: its tensors take {reached:,} bytes, {data_bytes:,} follow the header")


def _refuse_dtype(name: str, dtype: object, path: Path) -> NoReturn:
    if not isinstance(dtype, str):
        _refuse(path, f"tensor {quoted(name)} has no dtype")
    raise ModelError(
        f"tensor {quoted(name)} has the unknown dtype {quoted(dtype)}",
        where=Where(str(path)),
        allowed=DTYPE_BITS,
        suggestion=nearest(dtype[:40], DTYPE_BITS),
    )


def _refuse(path: Path, message: str) -> NoReturn:
    raise ModelError(message, where=Where(str(path)))
