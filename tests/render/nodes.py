"""Plans over several nodes, to render."""

from __future__ import annotations

from typing import Any

from deployadvisor.recommendation import Recommendation
from tests.render.factory import served

_CONTEXT = {"vllm": ("--max-model-len", "8192"), "sglang": ("--context-length", "8192", "--enable-metrics")}


def spanning(engine: str = "vllm", *, nodes: int = 2, each: int = 8, **changes: Any) -> Recommendation:
    """An answer that serves on ``nodes`` machines with ``each`` cards: tensor parallel within, pipeline between."""
    flags = ("--tensor-parallel-size", str(each), "--pipeline-parallel-size", str(nodes), *_CONTEXT[engine])
    return served(
        engine,
        cards=nodes * each,
        machine_cards=each,
        used=tuple(range(each)),
        **{"nodes": nodes, "tensor_parallel": each, "pipeline_parallel": nodes, "flags": flags, **changes},
    )
