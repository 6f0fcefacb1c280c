"""How an engine lays what one sequence caches on one card: blocks, pages, packed rows, and what cards divide.

Of vLLM this is the most that one request holds (``max_memory_usage_bytes``, vllm/v1/kv_cache_interface.py). Its pool
has pages of one size over groups of equally many layers; layers that pad the last group are not counted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from deployadvisor.catalog.overheads import Window
from deployadvisor.sizing.cache_layers import KvRows, KvState

_SCALE_BYTES = 4


@dataclass(frozen=True, slots=True)
class Card:
    """One of ``tensor_parallel`` cards that hold these rows and states."""

    rows: tuple[KvRows, ...]
    states: tuple[KvState, ...]
    element_bytes: float
    tensor_parallel: int
    window: Window

    def bytes(self, context_tokens: int, batch_tokens: int) -> float:
        """Bytes of one sequence of ``context_tokens``, computed in batches of ``batch_tokens``."""
        page = self._page_row_bytes()
        block = self._block_tokens(page)
        rows = sum(
            rows.layers * self._row_bytes(rows) * self._rows_kept(rows, context_tokens, batch_tokens, block)
            for rows in self.rows
        )
        states = sum(state.layers * max(self._state_bytes(state), page * block) for state in self.states)
        return rows + states * self.window.state_pages

    def _row_bytes(self, rows: KvRows) -> float:
        """Bytes of one layer's row: divided by heads, or packed in the engine's own layout."""
        scale_block = self.window.index_scale_block
        if rows.kind == "index" and scale_block:
            return rows.width + rows.width // scale_block * _SCALE_BYTES
        elements = rows.heads * rows.width
        if self.window.equal_rows and not self.window.bounded:
            elements = max(other.heads * other.width for other in self.rows if other.kind == rows.kind)
        return self._packed_bytes(rows) or elements / min(self.tensor_parallel, rows.heads) * self.element_bytes

    def _packed_bytes(self, rows: KvRows) -> int | None:
        if self.element_bytes != 1 or all(other.kind != "index" for other in self.rows):
            return None
        fitting = (row.bytes for row in self.window.packed_rows if (row.kind, row.width) == (rows.kind, rows.width))
        return next(fitting, None)

    def _state_bytes(self, state: KvState) -> float:
        columns = max(state.kernel - self.window.columns_dropped, 0)
        whole = state.stored_bytes(columns=columns, column_bytes=self.window.column_bytes)
        return whole / min(self.tensor_parallel, state.heads)

    def _page_row_bytes(self) -> float:
        """Bytes of a token in one layer of attention that shares pages with states; 0 where nothing is shared."""
        if not (self.window.states_in_pages and self.states):
            return 0
        return max((self._row_bytes(rows) for rows in self.rows if rows.kind in ("heads", "latent")), default=0)

    def _block_tokens(self, page_row_bytes: float) -> int:
        """Tokens of a block; vLLM lengthens it until a state fits (``_align_hybrid_block_size``)."""
        block = self.window.block_tokens
        if not page_row_bytes:
            return block
        largest = max(self._state_bytes(state) for state in self.states)
        return block * math.ceil(largest / (block * page_row_bytes))

    def _rows_kept(self, rows: KvRows, context_tokens: int, batch_tokens: int, block: int) -> int:
        """Rows kept in these layers: whole blocks, and beside a window what is being computed.

        vLLM: ``(ceil(min(window - 1 + batch, context) / block) + 1) * block`` for a sliding window, without the -1
        and the +1 for a chunk.
        """
        window = self.window
        if not (rows.window and window.bounded):
            return math.ceil(math.ceil(context_tokens / rows.tokens_per_row) / block) * block
        extra, spare = (0, 0) if rows.chunked else (window.extra_tokens, window.spare_blocks)
        kept = min(rows.window + extra + window.extra_batches * batch_tokens, context_tokens)
        return (math.ceil(kept / block) + spare) * block
