"""Tiny writers of safetensors and GGUF files. Tensor data are a hole in the file: they take no disk."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deployadvisor.sizing.gguf_types import TENSOR_TYPES
from deployadvisor.sizing.safetensors_header import DTYPE_BITS

Described = Mapping[str, tuple[str, Sequence[int]]]
"""Number format and shape of tensors by name."""

_TYPE_NUMBERS = {block.name: number for number, block in TENSOR_TYPES.items()}
_U32, _U64, _TEXT, _ARRAY, _BOOL, _F32, _I32 = 4, 10, 8, 9, 7, 6, 5


# safetensors


def safetensors_header(tensors: Described, metadata: Mapping[str, str] | None = None) -> dict[str, Any]:
    header: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    reached = 0
    for name, (dtype, shape) in tensors.items():
        end = reached + DTYPE_BITS[dtype] * math.prod(shape) // 8
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [reached, end]}
        reached = end
    return header


def data_bytes(header: Mapping[str, Any]) -> int:
    return max((entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"), default=0)


def write_raw(path: Path, content: bytes, data: int = 0) -> Path:
    with path.open("wb") as file:
        file.write(content)
        file.truncate(len(content) + data)
    return path


def framed(header: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header


def write_safetensors(path: Path, tensors: Described, metadata: Mapping[str, str] | None = None) -> Path:
    header = safetensors_header(tensors, metadata)
    return write_raw(path, framed(json.dumps(header).encode()), data_bytes(header))


def shard_name(number: int, count: int) -> str:
    return f"model-{number:05}-of-{count:05}.safetensors"


def write_checkpoint(folder: Path, shards: Sequence[Described], total_size: object = None) -> Path:
    """Shards and their index; ``total_size`` is the true one unless given."""
    folder.mkdir(exist_ok=True)
    weight_map, size = {}, 0
    for number, tensors in enumerate(shards, start=1):
        path = write_safetensors(folder / shard_name(number, len(shards)), tensors)
        weight_map |= dict.fromkeys(tensors, path.name)
        size += data_bytes(safetensors_header(tensors))
    write_index(folder, weight_map, size if total_size is None else total_size)
    return folder


def write_index(folder: Path, weight_map: object, total_size: object) -> None:
    index = {"metadata": {"total_size": total_size}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


# GGUF


def text(value: str | bytes) -> bytes:
    content = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(content)) + content


def array(kind: int, items: Sequence[bytes]) -> bytes:
    return struct.pack("<IIQ", _ARRAY, kind, len(items)) + b"".join(items)


def value(item: object) -> bytes:
    """A metadata value as converters store it, lists of numbers as 32 bit; bytes are stored as they are."""
    if isinstance(item, bytes):
        return item
    if isinstance(item, (list, tuple)):
        kind = next((kind for kind, one in ((_BOOL, bool), (_TEXT, str)) if item and isinstance(item[0], one)), _I32)
        return array(kind, [_packed(kind, each) for each in item])
    kind = next(kind for kind, one in _KINDS if isinstance(item, one))
    if kind == _U32 and isinstance(item, int) and item >= 2**32:
        kind = _U64
    return struct.pack("<I", kind) + _packed(kind, item)


_KINDS = ((_BOOL, bool), (_U32, int), (_F32, float), (_TEXT, str))
_LAYOUTS = {_BOOL: "B", _I32: "i", _U32: "I", _U64: "Q", _F32: "f"}


def _packed(kind: int, item: object) -> bytes:
    return text(str(item)) if kind == _TEXT else struct.pack(f"<{_LAYOUTS[kind]}", item)


def tensor_info(name: str | bytes, dtype: int, shape: Sequence[int], offset: int) -> bytes:
    dimensions = b"".join(struct.pack("<Q", length) for length in shape)
    return text(name) + struct.pack("<I", len(shape)) + dimensions + struct.pack("<IQ", dtype, offset)


def stored_bytes(dtype: str, shape: Sequence[int]) -> int:
    block = TENSOR_TYPES[_TYPE_NUMBERS[dtype]]
    return math.prod(shape) // block.elements * block.bytes


def gguf_header(
    metadata: Mapping[str, object], tensors: Described, *, version: int = 3, alignment: int = 32
) -> tuple[bytes, int]:
    """The bytes before the data, padding included, and the bytes of the data."""
    content = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    content += b"".join(text(key) + value(item) for key, item in metadata.items())
    reached, end = 0, 0
    for name, (dtype, shape) in tensors.items():
        content += tensor_info(name, _TYPE_NUMBERS[dtype], shape, reached)
        end = reached + stored_bytes(dtype, shape)
        reached = -(-end // alignment) * alignment
    return content + b"\0" * (-len(content) % alignment), end


def write_gguf(path: Path, metadata: Mapping[str, object], tensors: Described, **how: int) -> Path:
    return write_raw(path, *gguf_header(metadata, tensors, **how))


def write_split_gguf(folder: Path, metadata: Mapping[str, object], parts: Sequence[Described]) -> Path:
    """All parts; the first is returned."""
    count, total = len(parts), sum(map(len, parts))
    for number, tensors in enumerate(parts):
        split = {"split.no": number, "split.count": count, "split.tensors.count": total}
        path = folder / f"m-{number + 1:05}-of-{count:05}.gguf"
        write_gguf(path, {**(metadata if number == 0 else {}), **split}, tensors)
    return folder / f"m-00001-of-{count:05}.gguf"
