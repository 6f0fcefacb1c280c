"""Read a safetensors checkpoint of one file or many: exact bytes by number format and part of the model.

``model.safetensors.index.json`` names the file of every tensor. Index and headers must agree tensor by tensor;
``metadata.total_size`` is only reported, because no engine reads it and published ones are stale. Without an index
the files that engines load are taken: not the second copy that some repositories keep, no adapter, no optimiser.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NoReturn

from deployadvisor.documents import quoted
from deployadvisor.errors import ModelError, Where
from deployadvisor.sizing.safetensors_header import read_header
from deployadvisor.sizing.tensors import Share, Tensor, is_input_embedding, shares_of
from deployadvisor.sizing.untrusted import json_object, opened

INDEX = "model.safetensors.index.json"
MAX_FILES = 4_096
MAX_TENSORS = 400_000
_MAX_INDEX_BYTES = 48 * 2**20
_MAX_ENTRIES = 50_000
_NUMBERED = re.compile(r"(.*-)(\d{5})-of-(\d{5})\.safetensors")
_NO_MODEL = ("adapter", "optimizer", "scheduler", "training_args", "tokenizer")
"""Beginnings of names of files that hold no weights of the model."""
_SECOND_COPY = "consolidated"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The stored weights of a model folder."""

    files: tuple[str, ...]
    shares: tuple[Share, ...]
    """None, where the index stands for files that are missing."""
    stated_bytes: int | None
    """``metadata.total_size`` of the index."""
    embedding: Tensor | None = None
    """The largest plain matrix of input embeddings."""

    @property
    def bytes(self) -> int:
        """Bytes of all tensors, by their headers."""
        return sum(share.bytes for share in self.shares)

    @property
    def tensors(self) -> int:
        """Number of tensors."""
        return sum(share.tensors for share in self.shares)


def read_checkpoint(folder: Path, *, layers: int | None = None, whole: bool = True) -> Checkpoint | None:
    """Read all headers of a model folder; None without safetensors files. ``layers`` as in ``group_of``.

    A missing file, a name that leaves the folder, or an index that disagrees with the files is a ``ModelError``;
    unless ``whole``, an index that states its size may stand for files that are all missing.
    """
    index = folder / INDEX
    if _is_there(index):
        return _indexed(index, layers, whole=whole)
    files = _loose_files(folder)
    if not files:
        return None
    return checkpoint_of(files, _bounded(_loose_tensors(folder, files), folder), layers)


def checkpoint_of(
    files: Iterable[str], tensors: Iterable[Tensor], layers: int | None, stated_bytes: int | None = None
) -> Checkpoint:
    """Sum up the tensors of ``files`` as they come; ``layers`` as in ``group_of``."""
    embeddings: list[Tensor] = []
    shares = shares_of(_noted(tensors, embeddings, layers), layers)
    largest = max(embeddings, key=lambda tensor: tensor.elements, default=None)
    return Checkpoint(tuple(sorted(files)), shares, stated_bytes, largest)


def _noted(tensors: Iterable[Tensor], embeddings: list[Tensor], layers: int | None) -> Iterator[Tensor]:
    for tensor in tensors:
        if is_input_embedding(tensor, layers):
            embeddings.append(tensor)
        yield tensor


# With an index


def _indexed(index: Path, layers: int | None, *, whole: bool) -> Checkpoint:
    with opened(index) as (file, size):
        if size > _MAX_INDEX_BYTES:
            _refuse(index, f"the index has {size:,} bytes; at most {_MAX_INDEX_BYTES:,} are read")
        values = json_object(file.read(size), index, max_values=MAX_TENSORS)
    names = _names_by_file(values.get("weight_map"), index)
    stated = _stated_bytes(values.get("metadata"), index)
    missing = sorted(file for file in names if not os.path.lexists(index.parent / file))
    if missing and len(missing) < len(names):
        _refuse_incomplete(index, missing, len(names))
    if missing and stated and not whole:
        return Checkpoint(tuple(sorted(names)), (), stated)
    return checkpoint_of(names, _bounded(_indexed_tensors(index, names), index), layers, stated)


def _refuse_incomplete(index: Path, missing: list[str], count: int) -> NoReturn:
    are = "is" if len(missing) == 1 else "are"
    message = f"{len(missing)} of {count} shards {are} missing: {quoted(missing[0])}"
    raise ModelError(
        message + (", ..." if len(missing) > 1 else ""), where=Where(str(index)), remedy="finish the download"
    )


def _names_by_file(weight_map: object, index: Path) -> Mapping[str, set[str]]:
    if not isinstance(weight_map, dict) or not weight_map:
        _refuse(index, "weight_map must be an object that names the file of every tensor")
    names: defaultdict[str, set[str]] = defaultdict(set)
    for tensor, file in weight_map.items():
        if not isinstance(file, str):
            _refuse(index, f"weight_map names no file for tensor {quoted(tensor)}")
        names[file].add(tensor)
    if len(names) > MAX_FILES:
        _refuse(index, f"weight_map names {len(names):,} files; at most {MAX_FILES:,} are read")
    for file in names:
        _check_inside(file, index)
    return names


def _check_inside(file: str, index: Path) -> None:
    """Check that a name stays in the folder on every system; links may lead out, as those of a cache do."""
    windows, posix = PureWindowsPath(file), PurePosixPath(file)
    outside = posix.is_absolute() or windows.anchor or ".." in windows.parts
    if outside or not file.isprintable() or not file.endswith(".safetensors"):
        _refuse(index, f"weight_map names {quoted(file)}, which is no safetensors file in this folder")


def _stated_bytes(metadata: object, index: Path) -> int | None:
    stated = metadata.get("total_size") if isinstance(metadata, dict) else None
    if stated is None:
        return None
    if isinstance(stated, bool) or not isinstance(stated, (int, float)) or stated <= 0 or stated % 1:
        _refuse(index, "metadata.total_size must be a whole number of bytes")
    return int(stated)


def _indexed_tensors(index: Path, names: Mapping[str, set[str]]) -> Iterator[Tensor]:
    for file, expected in sorted(names.items()):
        tensors = read_header(index.parent / file).tensors
        _check_agreement({tensor.name for tensor in tensors}, expected, file, index)
        yield from tensors


def _check_agreement(found: set[str], expected: set[str], file: str, index: Path) -> None:
    if missing := expected - found:
        _refuse(index, f"weight_map places tensor {quoted(min(missing))} in {quoted(file)}, which does not hold it")
    if surplus := found - expected:
        _refuse(index, f"{quoted(file)} holds tensor {quoted(min(surplus))}, which weight_map does not place there")


# Without an index


def files_in(folder: Path) -> list[str]:
    """Names in a folder, sorted; a folder of more than any model has is refused."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, _MAX_ENTRIES + 1)]
    except OSError as error:
        raise ModelError(f"cannot read the folder: {error.strerror}", where=Where(str(folder))) from error
    if len(names) > _MAX_ENTRIES:
        _refuse(folder, f"the folder has more than {_MAX_ENTRIES:,} files")
    return sorted(names)


def _loose_files(folder: Path) -> tuple[str, ...]:
    """``model.safetensors``, or all files that begin so, or those of any other name."""
    if _is_there(folder / "model.safetensors"):
        return ("model.safetensors",)
    files = _model_files(folder)
    series = {(match[1], int(match[3])) for file in files if (match := _NUMBERED.fullmatch(file))}
    if len(files) > MAX_FILES or any(count > MAX_FILES for _, count in series):
        _refuse(folder, f"at most {MAX_FILES:,} safetensors files are read")
    for stem, count in series:
        _check_complete(set(files), stem, count, folder)
    return files


def _model_files(folder: Path) -> tuple[str, ...]:
    present = [name for name in files_in(folder) if name.endswith(".safetensors") and not name.startswith(_NO_MODEL)]
    named = [name for name in present if name.startswith("model")]
    others = [name for name in present if not name.startswith(_SECOND_COPY)]
    return tuple(named or others or present)


def _is_there(path: Path) -> bool:
    """Whether there is such a file or link, broken links included."""
    return path.is_symlink() or path.exists()


def _check_complete(files: set[str], stem: str, count: int, folder: Path) -> None:
    wanted = (f"{stem}{number:05}-of-{count:05}.safetensors" for number in range(1, count + 1))
    missing = next((file for file in wanted if file not in files), None)
    if missing:
        _refuse(folder / missing, "the file is missing")


def _loose_tensors(folder: Path, files: tuple[str, ...]) -> Iterator[Tensor]:
    seen: set[str] = set()
    for file in files:
        tensors = read_header(folder / file).tensors
        names = {tensor.name for tensor in tensors}
        if twice := seen & names:
            _refuse(folder / file, f"tensor {quoted(min(twice))} stands in another file too")
        seen |= names
        yield from tensors


def _bounded(tensors: Iterator[Tensor], place: Path) -> Iterator[Tensor]:
    for count, tensor in enumerate(tensors):
        if count == MAX_TENSORS:
            _refuse(place, f"more than {MAX_TENSORS:,} tensors")
        yield tensor


def _refuse(path: Path, message: str) -> NoReturn:
    raise ModelError(message, where=Where(str(path)))
