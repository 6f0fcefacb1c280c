"""Which model architectures each engine serves, by the name in ``architectures`` of ``config.json``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal

from pydantic import Field

from deployadvisor.catalog.lookup import load_entries
from deployadvisor.catalog.provenance import Sourced

EngineId = Literal["transformers", "ollama", "textgen", "vllm", "lmdeploy", "llama_cpp", "sglang"]


class Architectures(Sourced):
    """What one engine's pinned version loads from a safetensors checkpoint."""

    id: EngineId
    backends: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    """Architectures of each backend, the preferred backend first; empty when no list was read."""
    complete: bool
    """Nothing but the listed architectures is served; otherwise an unlisted one may be, through a fallback."""
    converted: bool = False
    """The lists are what can be converted to GGUF; a ready GGUF file is not bound by them."""
    removed: Mapping[str, str] = Field(default_factory=dict)
    """Refused now, and the last version that served it."""

    def backend_for(self, architecture: str) -> str | None:
        """Return the preferred backend that lists the architecture.

        >>> architectures()["lmdeploy"].backend_for("MistralForCausalLM")
        'pytorch'
        """
        return next((backend for backend, names in self.backends.items() if architecture in names), None)

    def serves(self, architecture: str) -> bool | None:
        """Tell whether the engine loads the architecture; None when its lists do not settle it.

        >>> architectures()["vllm"].serves("BaichuanForCausalLM")
        False
        """
        if self.backend_for(architecture) is not None:
            return True
        return False if self.complete or architecture in self.removed else None


@cache
def architectures() -> Mapping[str, Architectures]:
    """All lists by engine id."""
    return load_entries("architectures", Architectures)
