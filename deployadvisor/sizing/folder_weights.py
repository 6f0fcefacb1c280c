"""The weight files beside a ``config.json``: bytes an engine loads, exact by their headers or a bound without them.

Files that hold pickled Python objects are never opened; their sizes are a bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from deployadvisor.catalog.models import Stored
from deployadvisor.sizing.shards import INDEX, Checkpoint, files_in, read_checkpoint
from deployadvisor.sizing.tensors import Group, Share, Tensor

_PICKLED = (("pytorch_model", ".bin"), ("consolidated.", ".pth"))
_HALF_BYTES = 2
_DTYPE_BYTES = {"float32": 4, "float": 4, "float64": 8}
_WIDE = ("F32", "F64")


@dataclass(frozen=True, slots=True)
class WeightFiles:
    """What the weight files of one folder say."""

    stored: Stored
    source: str
    found_bytes: int
    """What is to be compared with the shapes: as loaded where headers were read, else as stored."""
    shares: tuple[Share, ...] = ()
    """What is loaded, by part; none where no headers were read."""
    tied: bool | None = None
    """Whether the output head is the input embedding; None: nothing says so."""
    embedding: Tensor | None = None
    """The plain matrix of input embeddings."""

    @property
    def plain_params(self) -> int | None:
        """Parameters, where headers were read and no weight is quantised."""
        plain = self.shares and not any(share.quantised for share in self.shares)
        return _elements(self.shares) if plain else None

    @property
    def mostly_quantised(self) -> bool:
        """Whether the headers show more bytes of packed weights than of plain ones."""
        return 2 * sum(share.bytes for share in self.shares if share.quantised) > self.stored.bytes

    @property
    def vision_params(self) -> int | None:
        """Parameters that read pictures or sound."""
        seen = [share for share in self.shares if share.group in ("vision", "audio") and not share.quantised]
        return _elements(seen) or None


def read_weight_files(
    folder: Path, *, layers: int, tied: bool | None, dtype: str, checkpoint: Checkpoint | None = None
) -> WeightFiles | None:
    """Read the headers of the weight files, or what their index or their sizes say; None without any.

    ``layers`` as in ``group_of``; ``checkpoint`` stands for headers that were read elsewhere.
    """
    checkpoint = checkpoint or read_checkpoint(folder, layers=layers, whole=False)
    if checkpoint is None:
        return _pickled(folder, dtype)
    if not checkpoint.shares:
        return _bound(f"{INDEX} metadata.total_size", checkpoint.stated_bytes or 0, dtype)
    return _by_headers(checkpoint, tied)


def _by_headers(checkpoint: Checkpoint, tied: bool | None) -> WeightFiles | None:
    loaded = tuple(share for share in checkpoint.shares if share.group != "mtp")
    heads = [share for share in loaded if share.group == "head"]
    if tied is None and any(share.group == "embeddings" for share in loaded):
        tied = not heads
    if tied:
        loaded = tuple(_without_copy(loaded))
    if not any(share.bytes for share in loaded):
        return None
    count = len(checkpoint.files)
    source = f"headers of {count} safetensors file{'s' if count > 1 else ''}"
    if _is_wide(loaded):
        loaded = tuple(replace(share, bytes=share.elements * _HALF_BYTES) for share in loaded)
        source += ", stored in 32 bit and loaded in 16"
    stored = _stored(loaded)
    said = f"{source}, {stored.bytes:,} bytes"
    return WeightFiles(stored, said, stored.bytes, loaded, tied, checkpoint.embedding)


def _without_copy(shares: tuple[Share, ...]) -> Iterator[Share]:
    """All but an output head that is stored although it is the input embedding."""
    embeddings = _elements(share for share in shares if share.group == "embeddings")
    return (share for share in shares if share.group != "head" or share.elements > embeddings)


def _is_wide(shares: tuple[Share, ...]) -> bool:
    """Whether plain weights are kept in twice what engines load; a few such tensors in a checkpoint are no reason."""
    wide = _elements(share for share in shares if share.dtype in _WIDE)
    return 2 * wide > _elements(shares) and not any(share.quantised for share in shares)


def _stored(shares: tuple[Share, ...]) -> Stored:
    sizes: Counter[Group] = Counter()
    for share in shares:
        sizes[share.group] += share.bytes
    return Stored(
        bytes=sizes.total(),
        sure="exact",
        embeddings=sizes["embeddings"] + sizes["head"],
        experts=sizes["experts"],
        vision=sizes["vision"] + sizes["audio"],
    )


def _elements(shares: Iterable[Share]) -> int:
    return sum(share.elements for share in shares)


# Without headers


def _pickled(folder: Path, dtype: str) -> WeightFiles | None:
    present = files_in(folder)
    kinds = ([name for name in present if name.startswith(begin) and name.endswith(end)] for begin, end in _PICKLED)
    names = next((found for found in kinds if found), [])
    size = sum((folder / name).stat().st_size for name in names if (folder / name).is_file())
    if not size:
        return None
    return _bound(f"sizes of {len(names)} pickled files, which are not opened", size, dtype)


def _bound(source: str, size: int, dtype: str) -> WeightFiles:
    return WeightFiles(Stored(bytes=_as_loaded(size, dtype), sure="bound"), f"{source}, {size:,} bytes", size)


def _as_loaded(size: int, dtype: str) -> int:
    """Engines load in 16 bit what is stored in more."""
    return max(size * _HALF_BYTES // _DTYPE_BYTES.get(dtype, _HALF_BYTES), 1)
