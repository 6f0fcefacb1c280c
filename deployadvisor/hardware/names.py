"""Find the catalogue entry for a card's written name, whether the memory size stands in the name or beside it.

People write ``A100 80GB PCIe``, drivers answer ``NVIDIA A100-SXM4-80GB``. Names and aliases are the
catalogue's; this module only knows which words of a name tell variants of one card apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from functools import lru_cache

from deployadvisor.catalog.gpus import Gpu, find_gpu, gpu_called, gpus
from deployadvisor.errors import HardwareError

_SIZE = re.compile(r"(?<![\w.-])(-?[0-9]+(?:\.[0-9]+)?)\s*([a-z]{1,6}b|g|t)(?!\w|\.\w)", re.IGNORECASE)
_GIB_PER_UNIT = {"MB": 2**-10, "MIB": 2**-10, "G": 1, "GB": 1, "GIB": 1, "T": 2**10, "TB": 2**10, "TIB": 2**10}
_EMPTY_BRACKETS = re.compile(r"\(\s*\)")
_BRANDS = frozenset(("nvidia", "tesla", "geforce", "amd", "instinct", "radeon", "intel", "apple", "huawei"))
_FORM = re.compile(r"sxm[0-9]?|pcie|nvl|oam")
_FORM_WORD = re.compile(rf"\b(?:{_FORM.pattern})\b", re.IGNORECASE)
_MEMORY_WORD = re.compile(r"[0-9]+g(b|ib)?|hbm[0-9]e?")

# A size is written rounded; a driver's total lacks what ECC and firmware keep.
_WRITTEN_TOLERANCE = 0.05
_MEASURED_TOLERANCE = 0.10


def take_size(text: str) -> tuple[str, float | None]:
    """Split the first memory size off ``text``: ``("A100 PCIe", 80.0)`` for ``A100 80GB PCIe``.

    Memory is sold in binary units, so GB and GiB both mean 2**30 bytes.
    """
    found = _SIZE.search(text)
    if found is None:
        return text.strip(), None
    unit = found[2].upper()
    if unit not in _GIB_PER_UNIT:
        raise HardwareError(f'unknown memory unit "{found[2]}"', allowed=("MB", "GB", "TB"), remedy="write GB")
    rest = _EMPTY_BRACKETS.sub(" ", f"{text[: found.start()]} {text[found.end() :]}")
    return " ".join(rest.split()), float(found[1]) * _GIB_PER_UNIT[unit]


def find_card(text: str) -> tuple[Gpu, float | None]:
    """The catalogue entry that ``text`` names, and the memory size in GiB written in it, if any.

    ``CatalogError`` for an unknown name, ``HardwareError`` for a size that the card does not come in.
    """
    card, size_gib = _card(text)
    return card or find_gpu(take_size(text)[0]), size_gib


def _card(text: str) -> tuple[Gpu | None, float | None]:
    """The same, with None for an unknown name: what the nearest name is, only a message needs."""
    words, size_gib = take_size(text)
    if size_gib is not None and size_gib <= 0:
        raise HardwareError(f"a card has more than {size_gib:g} GB")
    exact = gpu_called(text)
    if exact:
        return exact, size_gib
    base = gpu_called(words) or gpu_called(_FORM_WORD.sub(" ", words))
    family = _family(words, base)
    if size_gib is None or not family:
        return gpu_called(words), size_gib
    for card in family:
        if _is_sold_with(card, size_gib):
            return card, size_gib
    raise _no_such_size(words, size_gib, _family(words, base, any_form=True))


def identify(name: str, total_gib: float | None) -> Gpu | None:
    """The entry for a name that a driver reports, or None when name or measured memory fits no entry."""
    try:
        card = _card(name)[0]
    except HardwareError:
        card = None
    if total_gib is None or (card and _measures(card, total_gib)):
        return card
    siblings = _family(_SIZE.sub(" ", name), card)
    return next((sibling for sibling in siblings if _measures(sibling, total_gib)), None)


def sizes_gb(cards: Iterable[Gpu]) -> tuple[str, ...]:
    """What the catalogue sells ``cards`` with, as ``80 GB (h100-sxm)``."""
    return tuple(f"{size:g} GB ({card.id})" for card in cards for size in _sizes(card))


def _sizes(card: Gpu) -> tuple[float, ...]:
    return card.memory_options_gb or ((card.memory_gb,) if card.memory_gb is not None else ())


def _is_sold_with(card: Gpu, size_gib: float) -> bool:
    """Apple chips are checked against their range by the caller: any size up to the largest is sold or was."""
    if card.vendor == "apple":
        return True
    return any(abs(size_gib - size) <= _WRITTEN_TOLERANCE * size for size in _sizes(card))


def _measures(card: Gpu, total_gib: float) -> bool:
    sizes = (*_sizes(card), *((card.memory_gib,) if card.memory_gib else ()))
    return not sizes or any(abs(total_gib - size) <= _MEASURED_TOLERANCE * size for size in sizes)


def _family(words: str, base: Gpu | None, *, any_form: bool = False) -> tuple[Gpu, ...]:
    """Variants of one card, those shaped like ``base`` first: same name but for brand, shape and memory."""
    cores = {_core(words), _core(base.name)} if base else {_core(words)}
    forms = frozenset[str]() if any_form else _forms(words)
    cards = [card for card in gpus().values() if _is_called(card, cores) and _has_forms(card, forms)]
    return tuple(sorted(cards, key=lambda card: base is None or _shape(card) != _shape(base)))


def _is_called(card: Gpu, cores: Set[frozenset[str]]) -> bool:
    return any(core and core in cores for core in map(_core, (card.name, *card.aliases)))


def _has_forms(card: Gpu, forms: frozenset[str]) -> bool:
    own = frozenset().union(*(_forms(label) for label in (card.name, card.form_factor or "", *card.aliases)))
    return all(any(word.startswith(form) for word in own) for form in forms)


def _shape(card: Gpu) -> str:
    return (card.form_factor or "").rstrip("0123456789")


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]+", text.casefold()))


@lru_cache(maxsize=4096)
def _forms(text: str) -> frozenset[str]:
    return frozenset(word for word in _words(text) if _FORM.fullmatch(word))


@lru_cache(maxsize=4096)
def _core(text: str) -> frozenset[str]:
    words = _words(text) - _BRANDS - _forms(text)
    return frozenset(word for word in words if not _MEMORY_WORD.fullmatch(word))


def _no_such_size(words: str, size_gib: float, family: Iterable[Gpu]) -> HardwareError:
    sold = sizes_gb(family)
    message = f'no "{words}" has {size_gib:g} GB; the catalogue has {", ".join(sold) or "no size for it"}'
    return HardwareError(message, allowed=sold)
