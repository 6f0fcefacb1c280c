"""Cloud instance types: the cards, the processors and the memory of one machine, whatever region it stands in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Literal, Self

from pydantic import PositiveFloat, PositiveInt, model_validator

from deployadvisor.catalog.gpus import gpus
from deployadvisor.catalog.lookup import Names, load_entries
from deployadvisor.catalog.provenance import Sourced

Cloud = Literal["aws", "azure", "gcp", "alibaba", "oracle", "lambda", "nebius", "hyperstack"]

_OTHER_WORDS: Mapping[Cloud, tuple[str, ...]] = {
    "aws": ("amazon",),
    "gcp": ("google",),
    "alibaba": ("aliyun", "阿里云"),
    "oracle": ("oci",),
}
_LEFT_OUT: Mapping[Cloud, str] = {"azure": "Standard_", "alibaba": "ecs."}
"""What all types of a cloud begin with, and people leave out."""
_SPACED: tuple[Cloud, ...] = ("azure", "nebius")
"""Clouds that write their types with spaces in price lists and forms, with underscores in their interfaces."""


class Instance(Sourced):
    """One instance type. None means that no source was read, never "no"."""

    id: str
    """The type as the interface of its cloud spells it."""
    aliases: tuple[str, ...] = ()
    """Other names that the cloud has for it."""
    cloud: Cloud
    gpu: str
    """Catalogue id of the accelerator."""
    gpus: PositiveInt
    vcpus: PositiveInt | None = None
    """Hardware threads, as the cloud counts them."""
    memory_gib: PositiveFloat | None = None
    """Memory as sold; the guest sees a little less."""
    local_disk_gb: PositiveFloat | None = None
    """Disks of the machine itself, which lose their content when it stops."""
    nvlink: bool | None = None
    """Whether NVLink joins the cards inside the machine."""
    network_gbps: PositiveFloat | None = None
    """As the cloud states it, with or without the fabric between machines."""

    @model_validator(mode="after")
    def gpu_is_in_the_catalogue(self) -> Self:
        """Refuse a machine that could not be sized."""
        if self.gpu not in gpus():
            raise ValueError(f'"{self.gpu}" is not an accelerator in the catalogue')
        return self

    @model_validator(mode="after")
    def one_card_is_joined_with_nothing(self) -> Self:
        """Refuse a statement about links where there is one card."""
        if self.gpus == 1 and self.nvlink is not None:
            raise ValueError("nvlink says how several cards are joined, and this is one")
        return self


@cache
def instances() -> Mapping[str, Instance]:
    """All instance types by name, grouped by cloud."""
    return load_entries("instances", Instance)


def find_instance(text: str) -> Instance:
    """Return the instance type that ``text`` names, with or without its cloud; case does not count.

    >>> find_instance("AWS p5.48xlarge").id
    'p5.48xlarge'
    """
    return instances()[_names().find(text)]


def instance_called(text: str) -> Instance | None:
    """As ``find_instance``, but None for a name that no type has, without a search for the nearest."""
    name = _names().get(text)
    return None if name is None else instances()[name]


@cache
def _names() -> Names:
    names = {entry.id: tuple(_spellings(entry)) for entry in instances().values()}
    return Names(names, what="an instance type", folding=_fold)


def _fold(text: str) -> str:
    """Unlike the names of cards, hyphens count: "gpu 1x A10" is no Lambda type but a card badly put."""
    return " ".join(text.casefold().split())


def _spellings(entry: Instance) -> Iterator[str]:
    """Every way to write a type: short or whole, as in price lists, and each with its cloud before it."""
    whole = (entry.id, *entry.aliases)
    written = dict.fromkeys((*whole, *(name.removeprefix(_LEFT_OUT.get(entry.cloud, "")) for name in whole)))
    if entry.cloud in _SPACED:
        written |= dict.fromkeys(name.replace("_", " ") for name in tuple(written))
    for name in written:
        yield name
        yield from (f"{word} {name}" for word in (entry.cloud, *_OTHER_WORDS.get(entry.cloud, ())))
