"""Refuse weight files that cannot be the model which the ``config.json`` beside them describes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployadvisor.catalog.checkpoints import plausible
from deployadvisor.catalog.precisions import precisions
from deployadvisor.documents import quoted
from deployadvisor.errors import ModelError
from deployadvisor.sizing.config_file import ConfigFile
from deployadvisor.sizing.folder_weights import WeightFiles
from deployadvisor.sizing.params import Counts
from deployadvisor.sizing.quantization import Quantization
from deployadvisor.sizing.tensors import Tensor

_PLAIN_BITS = 16


def check_bytes(config: ConfigFile, files: WeightFiles, counts: Counts, quantization: Quantization | None) -> None:
    """Refuse files of far fewer or more bytes than ``counts`` make; towers beside the language model may add."""
    bits = _least_bits(files, quantization)
    expected = counts.total * bits / 8
    too_few = files.found_bytes < expected * plausible().least_share
    too_many = not config.sees and files.found_bytes * 8 > counts.total * plausible().most_bits
    if too_few or too_many:
        raise ModelError(
            f"{files.source}: config.json describes {counts.total:,} parameters,"
            f" {'at least ' if bits != _PLAIN_BITS else ''}{expected:,.0f} bytes at {bits:g} bits",
            where=config.where("num_hidden_layers"),
            remedy="finish the download, or correct config.json" if too_few else "correct config.json or the index",
        )


def _least_bits(files: WeightFiles, quantization: Quantization | None) -> float:
    """The fewest bits that a weight may take, embeddings included."""
    if quantization is None:
        packed = any(share.quantised for share in files.shares)
        return plausible().unknown_bits if packed else _PLAIN_BITS
    if quantization.bits is None:
        return plausible().unknown_bits
    known = precisions().get(quantization.format)
    named = known.bits_per_weight if known else quantization.bits
    return min(quantization.bits, named, *quantization.parts.values())


def check_embedding(config: ConfigFile, embedding: Tensor, fields: Mapping[str, Any]) -> None:
    """Refuse an input embedding whose rows or width are not those of the configuration."""
    rows, width = embedding.shape
    stated = (config.values.get(key) for key in plausible().width_keys)
    padded = abs(rows - fields["vocab_size"]) <= plausible().padding_rows
    if padded and width in (fields["hidden_size"], *stated):
        return
    raise ModelError(
        f"{quoted(embedding.name)} is {rows:,} x {width:,}, config.json says"
        f" vocab_size {fields['vocab_size']:,} and hidden_size {fields['hidden_size']:,}",
        where=config.where("vocab_size" if not padded else "hidden_size"),
        remedy="put the weights of this config.json beside it",
    )
