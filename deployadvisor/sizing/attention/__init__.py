"""Which layers of a Hugging Face ``config.json`` cache what: the kind of attention, never guessed.

A model type that is not in ``families``, and a known one whose configuration says something that its reader does
not understand, is of "unknown" attention, for which sizing has bounds.
"""

from __future__ import annotations

from deployadvisor.documents import quoted
from deployadvisor.sizing.attention.config import Config, Fields, UnclearError
from deployadvisor.sizing.attention.families import attends, family_of, unread_key
from deployadvisor.sizing.attention.latent import NO_HEADS, mla

__all__ = ["attends", "classify"]


def classify(config: Config, model_type: str) -> Fields:
    """The catalogue fields that say what each layer caches; ``attention`` is among them.

    A field that is absurd or of the wrong type is a ``ModelError``, without its place in the file.

    >>> classify({"num_hidden_layers": 2, "num_attention_heads": 4}, "llama")
    {'attention': 'mha'}
    """
    try:
        return _classify(config, model_type)
    except UnclearError as unclear:
        return {"attention": "unknown", "attention_note": str(unclear), **_expanded(config)}


def _expanded(config: Config) -> Fields:
    """What latent attention would cache uncompressed: the most that is possible."""
    if not config.get("kv_lora_rank"):
        return {}
    try:
        return {"mla": mla(config), **NO_HEADS}
    except UnclearError:
        return {}


def _classify(config: Config, model_type: str) -> Fields:
    family = family_of(model_type)
    if family is None:
        raise UnclearError(f"model type {quoted(model_type)} is not known here")
    strange = unread_key(config, family)
    if strange:
        raise UnclearError(f"{quoted(strange)} is not understood for model type {quoted(model_type)}")
    return family.read(config)
