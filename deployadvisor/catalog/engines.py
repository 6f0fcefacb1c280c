"""Inference engines: what a pinned version runs on, which models it serves, how its options are spelled.

Nothing here prefers an engine; rules do. All flags of a version stand in ``data/engine_flags``, one a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from deployadvisor.catalog.architectures import Architectures, EngineId, architectures
from deployadvisor.catalog.drivers import Build, DriverFloor
from deployadvisor.catalog.gpus import Vendor
from deployadvisor.catalog.lookup import Names, fold, load_entries
from deployadvisor.catalog.models import Role
from deployadvisor.catalog.provenance import Frozen, Sourced
from deployadvisor.errors import CatalogError
from deployadvisor.resources import catalog_file

Os = Literal["linux", "macos", "windows"]
Format = Literal["bf16", "fp16", "fp8", "int8", "awq", "gptq", "gptq_8bit", "mxfp4", "nvfp4", "gguf", "bnb", "exl3"]
"""Weight formats, all but the last three safetensors checkpoints; ``int8`` is 8-bit weights and activations."""
PlanField = Literal[
    "model",
    "served_name",
    "host",
    "port",
    "api_key",
    "metrics",
    "backend",
    "tensor_parallel",
    "pipeline_parallel",
    "expert_parallel",
    "max_model_len",
    "context",
    "max_concurrency",
    "parallel_slots",
    "continuous_batching",
    "memory_share",
    "gpu_layers",
    "dtype",
    "quantization",
    "kv_dtype",
    "enable_prefix_caching",
    "lora_enable",
    "lora_modules",
    "lora_rank",
    "lora_targets",
    "tool_choice",
    "tool_parser",
    "reasoning_parser",
    "trust_remote_code",
    "executor",
    "nodes",
    "node_rank",
    "leader",
    "leader_port",
    "headless",
    "group_timeout",
]
"""The words of our plan that an engine may have an option for."""


class Option(Frozen):
    """How one field of the plan is given to the engine."""

    names: tuple[str, ...] = ()
    """Flags that all take the value, usually one; none for a positional argument, or for a switch that is on."""
    kind: Literal["value", "list", "switch", "positional"] = "value"
    """``list`` takes several values after one flag; ``switch`` takes none and stands for "yes"."""
    disabled_by: str | None = None
    """The flag that turns off a switch that is on by default."""
    values: Mapping[str, str] = Field(default_factory=dict)
    """Our word for a value to the engine's word; a value that is not listed is passed as it is."""
    note: str | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        """Every spelling, the one that turns it off included."""
        return (*self.names, self.disabled_by) if self.disabled_by else self.names

    def arguments(self, value: object) -> tuple[str, ...]:
        """Write the option with ``value``; a switch takes True or False, a list a sequence.

        >>> engines()["llama_cpp"].flags["kv_dtype"].arguments("int8")
        ('--cache-type-k', 'q8_0', '--cache-type-v', 'q8_0')
        """
        if self.kind == "switch":
            return self.names[:1] if value else ((self.disabled_by,) if self.disabled_by else ())
        if self.kind == "list":
            items = value if isinstance(value, (list, tuple)) else (value,)
            return (self.names[0], *map(self._word, items))
        words = [(name, self._word(value)) for name in self.names]
        return tuple(part for pair in words for part in pair) or (self._word(value),)

    def _word(self, value: object) -> str:
        return self.values.get(str(value), str(value))

    @model_validator(mode="after")
    def only_positional_is_nameless(self) -> Self:
        """Check that the option can be written: by its flag, by the flag that turns it off, or by its place."""
        if bool(self.flags) == (self.kind == "positional"):
            raise ValueError("a positional option has no flag, every other kind has one")
        if self.disabled_by and self.kind != "switch":
            raise ValueError("only a switch can be turned off")
        return self


class ApiKey(Frozen):
    """How the engine is told the key that clients must send."""

    kind: Literal["env", "flag", "file", "none"]
    name: str | None = None
    open_paths: tuple[str, ...] = ()
    """Paths that stay open although a key is set."""
    note: str | None = None


class FormatSupport(Frozen):
    """One weight format the engine loads. Compute capabilities are NVIDIA's; None means no floor was read."""

    compute_capability_min: str | None = None
    native_from: str | None = None
    """From here the hardware multiplies in this format; below, weights are unpacked first."""
    backend: str | None = None
    """The only backend of the engine that loads it."""
    needs: str | None = None
    """A plug-in or package that must be installed beside the engine."""


class Gates(Frozen):
    """Where the pinned version runs at all."""

    vendors: tuple[Vendor, ...]
    os: tuple[Os, ...]
    cpu: bool
    """Serves without any accelerator."""
    compute_capability_min: str | None
    compute_capability_max: str | None = None
    stacks: tuple[str, ...] = ()
    """Software stacks of single products, such as Gaudi's ``habana``, that the pinned version has a build for."""
    gfx_targets: tuple[str, ...] = ()
    """AMD targets that the ROCm build has kernels for; empty where none were read."""
    """None where newer cards run what is compiled for older ones, or nobody has read it."""
    compiled_for: tuple[str, ...] = ()
    """Compute capabilities of the kernels in the pinned build; an ``a`` runs on exactly that one."""
    machine_code_for: tuple[str, ...] = ()
    """Of those, the ones in machine code; the driver compiles for the others. Empty: nobody has read it."""
    driver_min: DriverFloor | None
    formats: Mapping[Format, FormatSupport]

    @property
    def bf16_min_compute_capability(self) -> str | None:
        """Below this bf16 checkpoints run in fp16, or must be told to."""
        support = self.formats.get("bf16")
        return support.compute_capability_min if support else None

    @property
    def native_fp8_min(self) -> str | None:
        """From here fp8 weights are multiplied as fp8."""
        support = self.formats.get("fp8")
        return support.native_from if support else None


class Limit(Frozen):
    """Something that works only in part, for rules and warnings to refer to by its id."""

    backend: str | None = None
    text: str
    source: str


class Lora(Frozen):
    """Serving adapters unmerged."""

    supported: bool
    backend: str | None = None
    """The only backend that serves adapters."""
    ranks: tuple[PositiveInt, ...] | None = None
    """Values that the rank option accepts; None when any is, or none was read."""
    default_max: PositiveInt | None = None
    """Adapters in one batch by default."""
    note: str | None = None


class Concurrency(Frozen):
    """How requests in flight share the model."""

    batching: Literal["continuous", "optional", "slots"]
    """``optional``: one at a time unless asked for; ``slots``: a fixed number, each with its own context."""
    default: PositiveInt | None
    """Requests in flight by default; None when it depends on the card or is automatic."""
    serial_families: tuple[str, ...] = ()
    """Model families, in llama.cpp's spelling, that are served one request at a time whatever is set."""
    note: str | None = None

    def is_serial(self, model_type: str) -> bool:
        """Whether a model type of ``config.json`` is one of the serial families; underscores do not count.

        >>> engines()["ollama"].max_concurrency.is_serial("qwen3_5_moe")
        True
        """
        return fold(model_type) in map(fold, self.serial_families)


class MemoryPolicy(Frozen):
    """What the engine takes of an accelerator's memory."""

    kind: Literal["share_of_total", "share_of_free", "on_demand"]
    """``share_of_total``: weights and cache together within a share of the card; ``share_of_free``: the
    cache takes a share of what the weights leave."""
    share: float | None = Field(default=None, gt=0, le=1)
    """Default share; None when the engine computes it."""
    note: str | None = None


class ContextDefault(Frozen):
    """The context that an engine opens when none is given, on machines of at least ``min_memory_gib``."""

    min_memory_gib: NonNegativeFloat
    """Memory of all accelerators together."""
    tokens: PositiveInt


class EarlierVersion(Frozen):
    """An older version that is pinned for models which the current one has dropped."""

    version: str
    image: str
    image_basis: str
    backend: str | None = None
    architectures: tuple[str, ...]
    """What it serves and the current version does not."""
    source: str


class Engine(Sourced):
    """One engine in the one version that the rendered files pin."""

    id: EngineId
    name: str
    aliases: tuple[str, ...] = ()
    version: str
    roles: tuple[Role, ...]
    licence: str
    """SPDX identifier."""
    install: str
    """Command that installs the pinned version without a container."""
    image: str | None
    """Pinned official container image; None where the project publishes none."""
    image_basis: str | None = None
    """How the tag is known to exist."""
    image_variants: Mapping[str, str] = Field(default_factory=dict)
    """Images for other hardware: ``cpu``, ``rocm``, ``cuda`` ..."""
    base_image: str | None = None
    """Image to build on where there is no official one."""
    image_runs: tuple[str, ...] = ()
    """Words that stand before the model in a container's command."""
    port: PositiveInt
    bind_default: str
    """Address the engine listens on when none is given, outside a container."""
    health_path: str
    health_needs_key: bool = False
    metrics_path: str | None
    cache_path: str | None
    """Folder in the container that must survive a restart."""
    api_key: ApiKey
    openai_compatible: bool
    needs_auth_proxy: bool
    """The key alone does not close the service: a reverse proxy must stand in front on any network."""
    gates: Gates
    online_quantization: tuple[str, ...] = ()
    """Values that quantise an unquantised checkpoint while loading."""
    earlier: tuple[EarlierVersion, ...] = ()
    other_builds: tuple[Build, ...] = ()
    """For other drivers and cards, the one to prefer first."""
    limits: Mapping[str, Limit] = Field(default_factory=dict)
    lora: Lora
    tensor_parallel: bool
    pipeline_parallel: bool
    data_parallel: bool = False
    """Copies that share one address and deal out the requests among them."""
    expert_parallel: bool = False
    """Whole experts on different cards."""
    multi_node: bool
    max_concurrency: Concurrency
    memory_policy: MemoryPolicy
    default_context: tuple[ContextDefault, ...] = ()
    """From large to small machines; none where the engine opens the model's own context."""
    flags: Mapping[PlanField, Option] = Field(default_factory=dict)
    """Command-line options of the pinned version."""
    environment: Mapping[PlanField, Option] = Field(default_factory=dict)
    """Environment variables, where the engine is configured by them."""
    modelfile: Mapping[PlanField, Option] = Field(default_factory=dict)
    """Modelfile instructions, where a model is configured by them."""
    never: Mapping[str, str] = Field(default_factory=dict)
    """Flags that must not be written into a deployment, and why."""
    notes: str = ""

    @property
    def architectures(self) -> Architectures:
        """The model architectures this engine serves."""
        return architectures()[self.id]

    def earlier_for(self, architecture: str) -> EarlierVersion | None:
        """The older version to pin for an architecture that the current one has dropped.

        >>> engines()["lmdeploy"].earlier_for("BaichuanForCausalLM").version
        '0.14.0'
        """
        return next((version for version in self.earlier if architecture in version.architectures), None)

    def context_for(self, memory_gib: float) -> int | None:
        """Tokens of context when none is given; None for the model's own.

        >>> find_engine("ollama").context_for(24)
        32768
        """
        return next((row.tokens for row in self.default_context if memory_gib >= row.min_memory_gib), None)

    @model_validator(mode="after")
    def every_machine_has_a_context(self) -> Self:
        """Check that the rows fall from large to small machines, and the last one takes any."""
        floors = [row.min_memory_gib for row in self.default_context]
        if floors and (floors != sorted(floors, reverse=True) or floors[-1] != 0):
            raise ValueError("default_context must fall in min_memory_gib down to 0")
        return self


@cache
def engines() -> Mapping[str, Engine]:
    """All engines by id, in catalogue order."""
    return load_entries("engines", Engine)


def find_engine(text: str) -> Engine:
    """Find the engine that an id, alias or name means; case, spaces, hyphens and underscores do not count.

    >>> find_engine("llama.cpp").id
    'llama_cpp'
    """
    return engines()[_names().find(text)]


@cache
def _names() -> Names:
    return Names({engine.id: (engine.name, *engine.aliases) for engine in engines().values()}, what="an engine")


@cache
def known_flags(engine_id: str, version: str | None = None) -> frozenset[str]:
    """List every option the pinned version understands: flags; for Ollama variables and Modelfile words."""
    engine = find_engine(engine_id)
    path = catalog_file("engines").parent / "engine_flags" / f"{engine.id}-{version or engine.version}.txt"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CatalogError(f"no flag list for {engine.name} {engine.version}: {error.strerror}") from error
    return frozenset(line for line in lines if line and not line.startswith("#"))
