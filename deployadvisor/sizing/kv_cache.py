"""What one sequence keeps between tokens: rows that grow with the text, windows and states that do not.

Grouped-query attention keeps ``2 * layers * kv_heads * head_dim`` elements a token; multi-head latent attention
``layers * (kv_lora_rank + qk_rope_head_dim)``, whatever the number of heads; a sliding window stops growing at
its width; linear and state-space layers keep one state. Checked against the cache that transformers 5.23 builds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from deployadvisor.catalog.overheads import Window
from deployadvisor.catalog.precisions import kv_element_bytes
from deployadvisor.hardware.machine import Unknown
from deployadvisor.sizing.cache_layers import KvRows, KvState
from deployadvisor.sizing.geometry import Geometry
from deployadvisor.sizing.kv_storage import Card

EXACT = Window(bounded=True)
"""A window that keeps exactly its own width, as transformers does."""


@dataclass(frozen=True, slots=True)
class KvCache:
    """Bytes that sequences keep; all figures are those of one replica unless ``tensor_parallel`` is given.

    Where ``least`` is set this is the most that can be cached and ``least`` what certainly is; ``why_bounds``
    says to a user what is not known.
    """

    rows: tuple[KvRows, ...]
    states: tuple[KvState, ...]
    element_bytes: float
    least: KvCache | None = None
    why_bounds: str | None = None

    @property
    def growing_bytes_per_token(self) -> int:
        """Bytes of every further token, in the layers that never forget."""
        growing = sum(rows.elements / rows.tokens_per_row for rows in self.rows if not rows.window)
        return math.ceil(growing * self.element_bytes)

    def fixed_bytes(self, context_tokens: int | None = None) -> int:
        """Bounded part of one sequence: windows filled as far as ``context_tokens`` fills them, and states."""
        kept = sum(
            rows.elements * (rows.window if context_tokens is None else min(rows.window, context_tokens))
            for rows in self.rows
            if rows.window
        )
        return math.ceil(kept * self.element_bytes) + sum(
            state.layers * state.bytes_per_layer for state in self.states
        )

    def sequence_bytes(self, context_tokens: int) -> int:
        """Bytes of one sequence of ``context_tokens``."""
        return self.growing_bytes_per_token * context_tokens + self.fixed_bytes(context_tokens)

    def card_bytes(
        self, context_tokens: int, *, tensor_parallel: int = 1, window: Window = EXACT, batch_tokens: int = 0
    ) -> float:
        """Bytes of one sequence on one of ``tensor_parallel`` cards, as an engine with ``window`` stores it.

        Cards divide the KV heads and the heads of a state, never one head: a latent row and an indexer's key lie
        on every card, and beyond the KV heads cards hold repeated heads.
        """
        card = Card(self.rows, self.states, self.element_bytes, tensor_parallel, window)
        return card.bytes(context_tokens, batch_tokens)


def kv_cache(geometry: Geometry, kv_dtype: str = "auto") -> KvCache | Unknown:
    """The KV cache of a model stored as ``kv_dtype``; Unknown, with the reason, where not even a bound is known.

    Attention of no known kind gives bounds: see ``KvCache.least``.
    """
    if geometry.cache_unknown:
        return Unknown(unknown=geometry.cache_unknown)
    size = kv_element_bytes(kv_dtype)
    if geometry.why_bounds:
        return KvCache(geometry.rows, geometry.states, size, KvCache((), (), size), geometry.why_bounds)
    return KvCache(geometry.rows, geometry.states, size)
