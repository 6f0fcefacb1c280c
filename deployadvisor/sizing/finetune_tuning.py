"""One fine-tuning job: what is trained, on how much at once, and with which optimiser."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from deployadvisor.catalog.overheads import Method, finetune_costs
from deployadvisor.errors import CatalogError, Where, nearest
from deployadvisor.sizing.finetune_shape import Targets

Precision = Literal["mixed", "bf16"]


@dataclass(frozen=True, slots=True)
class Tuning:
    """A job; the defaults are those of the fine-tuning recipe that this project renders."""

    method: Method
    sequence_tokens: int = 2048
    micro_batch: int = 1
    """Sequences of one forward pass on one card; gradients count as kept, as accumulation over passes does."""
    rank: int = 16
    targets: Targets = "all_linear"
    """Matrices with an adapter: every linear layer, attention's four, or query and value (PEFT's default)."""
    optimizer: str = "adamw"
    trainer: str = "trl"
    """``trl`` computes the loss tile by tile; ``transformers`` holds all logits, as most other scripts do."""
    checkpointing: bool = True
    """Keep each layer's input only and compute the layer again on the way back."""
    flash_attention: bool = True
    """False: attention scores of every pair of tokens are stored."""
    varying_lengths: bool = True
    """False: sequences are packed or padded to one length, or the allocator's segments are expandable."""
    precision: Precision = "mixed"
    """Of full tuning: 32-bit weights computed with in 16 bit, or everything in 16 bit."""
    adapt_experts: bool = False
    """Adapters beside the routed experts too; ``all-linear`` does not reach experts stored as one tensor."""
    double_quantization: bool = True
    """QLoRA's scales quantised too."""
    quantized_experts: bool = False
    """QLoRA whose tool stores the routed experts in 4 bit; bitsandbytes leaves them in 16."""

    def __post_init__(self) -> None:
        """Refuse what no tool knows and sizes below one."""
        _check_word("method", self.method, get_args(Method))
        _check_word("targets", self.targets, get_args(Targets))
        _check_word("precision", self.precision, get_args(Precision))
        _check_word("optimizer", self.optimizer, finetune_costs().optimizers)
        _check_word("trainer", self.trainer, finetune_costs().trainers)
        for name, value in (("sequence_tokens", self.sequence_tokens), ("micro_batch", self.micro_batch)):
            _check_count(name, value)
        _check_count("rank", self.rank)

    @property
    def tokens(self) -> int:
        """Tokens of one forward pass on one card."""
        return self.sequence_tokens * self.micro_batch


def _check_word(name: str, value: object, allowed: Iterable[str]) -> None:
    words = tuple(allowed)
    if value not in words:
        message = f'"{value}" is no {name} of fine-tuning'
        raise CatalogError(message, where=Where(name), allowed=words, suggestion=nearest(str(value), words))


def _check_count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise CatalogError(f"{name} must be a whole number from 1, not {value!r}", where=Where(name))
