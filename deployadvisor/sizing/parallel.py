"""How a model can be laid out over equal cards: which layouts are legal, the smallest first, and why others are not.

Tensor parallelism divides every layer, so heads, feed-forward widths and the blocks of a quantised format must
divide evenly; pipeline parallelism deals out whole layers; expert parallelism deals out whole experts; data
parallelism copies the model. Vocabularies are padded by the engines and never stand in the way (vLLM
``VocabParallelEmbedding``, LMDeploy TurboMind ``pad_weight``, SGLang as vLLM).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deployadvisor.catalog.gpus import gpus
from deployadvisor.catalog.precisions import precisions
from deployadvisor.sizing.cards import Cards
from deployadvisor.sizing.geometry import Geometry
from deployadvisor.sizing.policy import EnginePolicy


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to use several cards; 1 everywhere is a single card."""

    tensor: int = 1
    """Cards that share every layer."""
    pipeline: int = 1
    """Groups of cards that hold consecutive layers."""
    data: int = 1
    """Groups of cards that serve requests of their own."""
    expert: int = 1
    """Cards over which whole experts are dealt; 1: every expert is divided like any other layer."""

    @property
    def cards(self) -> int:
        """Cards of the whole layout; expert parallelism reuses those of tensor and data parallelism."""
        return self.tensor * self.pipeline * self.data

    @property
    def talks(self) -> bool:
        """Whether cards exchange what they compute; plain copies do not."""
        return max(self.tensor, self.pipeline, self.expert) > 1

    def __str__(self) -> str:
        """Only what is above 1, such as ``tensor parallel 4, pipeline parallel 2``."""
        parts = {"tensor": self.tensor, "pipeline": self.pipeline, "data": self.data, "expert": self.expert}
        return ", ".join(f"{name} parallel {size}" for name, size in parts.items() if size > 1) or "one card"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Sizes that somebody asked for; None leaves one to the search."""

    tensor: int | None = None
    pipeline: int | None = None
    data: int | None = None
    expert: int | None = None

    @property
    def layout(self) -> Layout:
        """The layout asked for, 1 where nothing was."""
        return Layout(self.tensor or 1, self.pipeline or 1, self.data or 1, self.expert or 1)

    def allows(self, layout: Layout) -> bool:
        """Whether a layout has the sizes asked for."""
        pairs = (
            (self.tensor, layout.tensor),
            (self.pipeline, layout.pipeline),
            (self.data, layout.data),
            (self.expert, layout.expert),
        )
        return all(wanted in (None, size) for wanted, size in pairs)


ANY = Wanted()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A layout, and why it cannot be used when it cannot."""

    layout: Layout
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """What decides whether a layout is legal."""

    geometry: Geometry
    policy: EnginePolicy
    cards: Cards
    precision: str


def candidates(setting: Setting, wanted: Wanted = ANY) -> Iterator[Candidate]:
    """Layouts of the sizes wanted, legal and not, the ones to prefer first.

    Fewest nodes, then no more pipeline stages than nodes, then fewest cards: tensor parallelism within a node,
    pipeline stages across nodes or where nothing else divides (vLLM docs/serving/parallelism_scaling.md). Where
    nobody asked, requests are not dealt to copies, which need the memory of one each. The exception is a mixture
    of experts with latent attention, whose cache tensor parallelism cannot divide.
    """
    everything = [
        layout
        for cards in range(1, setting.cards.all + 1)
        for layout in _layouts(setting, cards, wanted)
        if wanted.allows(layout)
    ]
    for layout in sorted(everything, key=lambda layout: _preference(setting, layout)):
        yield Candidate(layout, refusal(setting, layout))


def _preference(setting: Setting, layout: Layout) -> tuple[int, bool, int, int, int]:
    nodes = nodes_of(setting.cards, layout)
    return nodes, layout.pipeline > nodes, layout.cards, layout.data, layout.pipeline


def nodes_of(cards: Cards, layout: Layout) -> int:
    """The fewest machines that have the cards of a layout."""
    return math.ceil(layout.cards / cards.count)


def _layouts(setting: Setting, cards: int, wanted: Wanted) -> Iterator[Layout]:
    """Ways to use exactly this many cards."""
    copies = wanted.data or 1
    if cards % copies:
        return
    share = cards // copies
    for pipeline in (size for size in range(1, share + 1) if share % size == 0):
        tensor = share // pipeline
        yield Layout(tensor, pipeline, copies, wanted.expert or 1)
        if pipeline == 1 and wanted.expert is None and _may_share_experts(setting, tensor, copies):
            yield Layout(tensor, 1, copies, cards)
    if wanted.data is None and wanted.expert in (None, cards) and cards > 1 and _has_latent_experts(setting):
        yield Layout(data=cards, expert=cards)


def _may_share_experts(setting: Setting, tensor: int, copies: int) -> bool:
    """Whether dealing out whole experts helps: between copies, or where they cannot be divided."""
    if not setting.geometry.experts:
        return False
    divided = Layout(tensor)
    return copies > 1 or (_heads(setting, divided) is None and _experts(setting, divided) is not None)


def _has_latent_experts(setting: Setting) -> bool:
    return bool(setting.geometry.experts) and setting.geometry.attention == "mla"


# Refusals


def refusal(setting: Setting, layout: Layout) -> str | None:
    """Why the engine cannot use a layout for this model on these cards; None when it can."""
    return next((reason for check in _CHECKS if (reason := check(setting, layout))), None)


def _enough_cards(setting: Setting, layout: Layout) -> str | None:
    if layout.cards <= setting.cards.all:
        return None
    return f"{layout} needs {layout.cards} equal cards, there are {setting.cards.all}"


def _one_slice(setting: Setting, layout: Layout) -> str | None:
    """CUDA gives a process one slice (NVIDIA MIG User Guide, "Device Enumeration")."""
    if layout.cards == 1 or not setting.cards.slices:
        return None
    return f"{layout} would join slices of split cards, and a process gets only one"


def _engine(setting: Setting, layout: Layout) -> str | None:
    policy = setting.policy
    if layout.tensor > 1 and not policy.tensor_parallel:
        return f"{policy.name} has no tensor parallelism: several cards hold different layers"
    if layout.pipeline > 1 and not (policy.pipeline_parallel or policy.layer_split):
        return f"{policy.name} has no pipeline parallelism"
    if layout.data > 1 and not policy.data_parallel:
        return f"{policy.name} has no data parallelism: run several of it"
    if layout.expert > 1 and not policy.expert_parallel:
        return f"{policy.name} has no expert parallelism"
    return None


def _one_node(setting: Setting, layout: Layout) -> str | None:
    """Tensor parallelism talks in every layer: it stays on the cards of one node, and engines of one node too."""
    if layout.tensor > setting.cards.count and setting.cards.nodes > 1:
        return f"tensor parallel {layout.tensor} would cross nodes of {setting.cards.count} cards"
    if layout.cards <= setting.cards.count:
        return None
    if not setting.policy.multi_node:
        return f"{setting.policy.name} runs on one node"
    nodes, groups = nodes_of(setting.cards, layout), layout.pipeline * layout.data
    if groups % nodes:
        return f"the {groups} groups of {layout} cannot be dealt evenly to {nodes} nodes"
    return None


def _heads(setting: Setting, layout: Layout) -> str | None:
    shape, size = setting.geometry, layout.tensor
    if size == 1:
        return None
    if shape.heads is None:
        return f"the attention heads of {shape.name} are not known"
    if shape.heads % size:
        return f"tensor parallel {size} does not divide the {shape.heads} attention heads of {shape.name}"
    kv_heads = shape.kv_heads or 1
    if kv_heads % size and size % kv_heads:
        return f"tensor parallel {size} neither divides nor repeats the {kv_heads} KV heads of {shape.name}"
    return None


def _states(setting: Setting, layout: Layout) -> str | None:
    """Heads of recurrent layers are divided like attention heads, and never repeated (vLLM ``divide``)."""
    uneven = next((state.heads for state in setting.geometry.states if state.heads % layout.tensor), None)
    if uneven is None:
        return None
    return f"tensor parallel {layout.tensor} does not divide the {uneven} recurrent heads of {setting.geometry.name}"


def _feed_forward(setting: Setting, layout: Layout) -> str | None:
    shape = setting.geometry
    return _width(setting, layout.tensor, None if shape.experts else shape.intermediate, "feed-forward width")


def _experts(setting: Setting, layout: Layout) -> str | None:
    shape = setting.geometry
    if not shape.experts:
        return "there are no experts to deal out" if layout.expert > 1 else None
    if layout.expert == 1:
        return _width(setting, layout.tensor, shape.expert_intermediate, "expert width")
    if layout.expert not in (layout.tensor * layout.data, layout.cards):
        return f"expert parallel {layout.expert} must use the {layout.tensor * layout.data} cards of a stage"
    if shape.experts % layout.expert:
        return f"expert parallel {layout.expert} does not divide the {shape.experts} experts of {shape.name}"
    return None


def _width(setting: Setting, size: int, width: int | None, what: str) -> str | None:
    """A width must divide evenly, and each part must hold whole blocks of a quantised format."""
    if size == 1 or width is None:
        return None
    if width % size:
        return f"tensor parallel {size} does not divide the {what} {width:,} of {setting.geometry.name}"
    block = _block(setting)
    if block and (width // size) % block:
        each = f"{width // size:,} of the {what} {width:,}"
        return f"tensor parallel {size} leaves {each} a card, which is no multiple of the {block} weights of a block"
    return None


def _block(setting: Setting) -> int | None:
    """Weights that share one scale along a matrix's input; None where a part may end anywhere.

    Only the checkpoint's own format counts: whoever quantises a model can pad its widths to whole blocks, as the
    publisher of Qwen2.5-72B did. LMDeploy pads while loading.
    """
    own = setting.precision == setting.geometry.native_format and not setting.policy.pads_blocks
    precision = precisions().get(setting.precision) if own else None
    return precision.group_size if precision else None


def _layers(setting: Setting, layout: Layout) -> str | None:
    layers = setting.geometry.layers
    if layout.pipeline == 1 or (layers and layout.pipeline <= layers):
        return None
    return f"pipeline parallel {layout.pipeline} has more stages than {setting.geometry.name} layers"


_CHECKS: tuple[Callable[[Setting, Layout], str | None], ...] = (
    _enough_cards,
    _one_slice,
    _engine,
    _one_node,
    _heads,
    _states,
    _feed_forward,
    _experts,
    _layers,
)


# What a legal layout should be told


def over_pcie(cards: Cards) -> bool | None:
    """Whether NVIDIA cards are joined by PCIe alone, as far as their entry says; None: nobody has read it."""
    entry = gpus().get(cards.id or "")
    return entry.nvlink_gb_s is None if entry and entry.vendor == "nvidia" else None


def interconnect_note(cards: Cards, layout: Layout) -> str | None:
    """A warning where cards that share every layer talk over PCIe; None where they do not, or nobody knows."""
    if layout.tensor == 1 or not over_pcie(cards):
        return None
    return f"no NVLink is known for {cards.name}: tensor parallel {layout.tensor} exchanges activations over PCIe"
