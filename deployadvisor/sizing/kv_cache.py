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
from deployadvisor.sizing.geometry import Geometry, KvRows, KvState

EXACT = Window(bounded=True)
"""A window that keeps exactly its own width, as transformers does."""


@dataclass(frozen=True, slots=True)
class KvCache:
    """Bytes that sequences keep; all figures are those of one replica unless ``split`` is given."""

    rows: tuple[KvRows, ...]
    states: tuple[KvState, ...]
    element_bytes: float

    @property
    def growing_bytes_per_token(self) -> int:
        """Bytes of every further token, in the layers that never forget."""
        return math.ceil(sum(rows.elements for rows in self.rows if not rows.window) * self.element_bytes)

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

        Cards divide the KV heads, never one head: a latent row lies on every card, and beyond ``kv_heads``
        cards heads are repeated.
        """
        kept = sum(
            rows.elements
            / min(tensor_parallel, rows.heads)
            * _tokens_kept(rows, context_tokens, window, batch_tokens)
            for rows in self.rows
            if rows.elements
        )
        state = sum(group.layers * group.bytes_per_layer / min(tensor_parallel, group.heads) for group in self.states)
        return kept * self.element_bytes + state


def kv_cache(geometry: Geometry, kv_dtype: str = "auto") -> KvCache | Unknown:
    """The KV cache of a model stored as ``kv_dtype``; Unknown, with the reason, where no formula is known."""
    if geometry.unsupported:
        return Unknown(unknown=geometry.unsupported)
    return KvCache(geometry.rows, geometry.states, kv_element_bytes(kv_dtype))


def _tokens_kept(rows: KvRows, context_tokens: int, window: Window, batch_tokens: int) -> int:
    """Tokens an engine keeps in these layers: whole blocks, and beside a window what is being computed.

    vLLM: ``(ceil(min(window - 1 + batch, context) / block) + 1) * block`` (vllm/v1/kv_cache_interface.py).
    """
    block = window.block_tokens
    if not (rows.window and window.bounded):
        return math.ceil(context_tokens / block) * block
    kept = min(rows.window + window.extra_tokens + window.extra_batches * batch_tokens, context_tokens)
    return (math.ceil(kept / block) + window.spare_blocks) * block
