"""What a pinned tag was when somebody recorded it: images by digest, where a public source gives tag and digest."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from pydantic import Field

from deployadvisor.catalog.lookup import load_entries
from deployadvisor.catalog.provenance import Sourced


class ImageDigest(Sourced):
    """One tag and its digest."""

    id: str
    digest: str = Field(pattern=r"^sha256:[0-9a-f]{64}$")


def with_digest(image: str) -> str:
    """The image by tag and digest; by its tag alone where no digest is known.

    >>> with_digest("prom/prometheus:v3.5.0")[:34]
    'prom/prometheus:v3.5.0@sha256:6380'
    >>> with_digest("vllm/vllm-openai:v0.33.0")
    'vllm/vllm-openai:v0.33.0'
    """
    known = image_digests().get(image)
    return f"{image}@{known.digest}" if known else image


def without_digest(image: str) -> str:
    """The image by its tag alone, as catalogues name it."""
    return image.partition("@")[0]


@cache
def image_digests() -> Mapping[str, ImageDigest]:
    """All digests by image and tag."""
    return load_entries("image_digests", ImageDigest)
