"""Where the weights come from, and what the engine and its clients call the model."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from deployadvisor.catalog.engines import Engine
from deployadvisor.catalog.models import Gguf, find_model
from deployadvisor.errors import ModelError, RenderError

Origin = Literal["hub", "folder", "file", "gguf_repo", "ollama"]

_GGUF_QUANT = re.compile(r"i?q\d\w*", re.IGNORECASE)
_OLLAMA_TAG = re.compile(r"[a-z0-9._-]+(/[a-z0-9._-]+)?:[a-z0-9._-]+", re.IGNORECASE)
_OLLAMA_LIBRARY_QUANT = "q4_k_m"
"""What a plain tag of the Ollama library is quantised to, unless the model was published in fewer bits."""

CARRIED = "./weights"
"""Folder of a bundle in which weights are carried to a machine without internet, as plain files."""

IN_CONTAINER = PurePosixPath("/models")
"""Local weights are mounted under fixed names here, so that no name on the host reaches a command line."""


@dataclass(frozen=True, slots=True)
class Weights:
    """One model and how the engine gets it. ``name`` is a Hub id, a path on the host or an Ollama tag."""

    origin: Origin
    name: str
    quant: str | None = None
    """GGUF file to take out of a repository that holds several, such as ``Q4_K_M``."""

    @property
    def is_local(self) -> bool:
        """Whether the weights lie on this machine already."""
        return self.origin in ("folder", "file")

    @property
    def in_container(self) -> str:
        """What the engine in a container is given: the mounted path, or the name to look up."""
        if self.origin == "folder":
            return str(IN_CONTAINER / "model")
        return str(IN_CONTAINER / "model.gguf") if self.origin == "file" else self.reference

    @property
    def reference(self) -> str:
        """Name with the quantisation, as llama.cpp and Ollama write it."""
        return f"{self.name}:{self.quant}" if self.quant else self.name

    @property
    def pattern(self) -> str:
        """Files of the wanted quantisation in a repository."""
        return f"*{self.quant}*.gguf" if self.quant else "*.gguf"

    @property
    def modelfile_source(self) -> str:
        """What stands after ``FROM`` in a Modelfile for weights that are not local."""
        return f"hf.co/{self.reference}" if self.origin == "gguf_repo" else self.reference


def weights_for(engine: Engine, model: str | None, precision: str | None) -> Weights:
    """How ``engine`` gets ``model``; raises RenderError where no file in its format is known."""
    if not model:
        raise RenderError("the plan names no model", remedy="set model in the profile")
    if model.startswith("-"):
        raise RenderError(f"the model {model!a} would be read as an option of the command line")
    local = _local(model)
    if local:
        return _loadable(local, engine)
    if not _reads_only_gguf(engine):
        return Weights("hub", model)
    quant = _quant(engine, precision)
    if "gguf" in model.casefold():
        return Weights("gguf_repo", model, quant)
    if engine.id == "ollama" and _OLLAMA_TAG.fullmatch(model):
        return Weights("ollama", model)
    return _from_catalogue(engine, model, quant)


def carried_over(engine: Engine, weights: Weights) -> Weights:
    """The same weights after they were carried over; the store of Ollama keeps its names."""
    if weights.is_local or engine.id == "ollama":
        return weights
    return Weights("folder", CARRIED)


def _quant(engine: Engine, precision: str | None) -> str | None:
    """GGUF spelling of the precision. TextGen fetches by file name, so it always needs one."""
    if precision and (engine.id == "textgen" or _GGUF_QUANT.fullmatch(precision)):
        return precision.upper()
    return _OLLAMA_LIBRARY_QUANT.upper() if engine.id == "textgen" else None


def is_local(model: str) -> bool:
    """Whether the model is a path on this machine.

    >>> is_local("./model"), is_local("Qwen/Qwen3-8B")
    (True, False)
    """
    return _local(model) is not None


def _local(model: str) -> Weights | None:
    """Paths are told from Hub ids by how they are written; nothing is looked up on disk."""
    looks_local = model.startswith(("/", "./", "../", "~")) or model in (".", "..")
    path = str(Path(model).expanduser().absolute())
    if model.casefold().endswith(".gguf"):
        return Weights("file", path)
    return Weights("folder", path) if looks_local else None


def _loadable(weights: Weights, engine: Engine) -> Weights:
    """Refuse local weights in a form that the engine does not load."""
    if weights.origin == "folder" and engine.id in ("llama_cpp", "textgen"):
        raise RenderError(f"{engine.name} loads a .gguf file, and {weights.name} is a folder")
    if weights.origin == "file" and not _reads_only_gguf(engine):
        raise RenderError(f"{engine.name} loads a folder of safetensors, and {weights.name} is a .gguf file")
    return weights


def _reads_only_gguf(engine: Engine) -> bool:
    """Ollama also imports some safetensors folders, but not from the Hub."""
    return not {"bf16", "fp16"} & set(engine.gates.formats) or engine.id in ("ollama", "textgen")


def _from_catalogue(engine: Engine, model: str, quant: str | None) -> Weights:
    gguf = _gguf_of(model)
    library_tag_fits = quant in (None, _OLLAMA_LIBRARY_QUANT.upper()) or not gguf.repo
    if engine.id == "ollama" and gguf.ollama and library_tag_fits:
        return Weights("ollama", gguf.ollama)
    if gguf.repo:
        return Weights("gguf_repo", gguf.repo, quant)
    raise RenderError(
        f"{engine.name} needs GGUF weights, and none are known for {model}",
        remedy="set model to a .gguf file or to a GGUF repository",
    )


def _gguf_of(model: str) -> Gguf:
    try:
        return find_model(model).gguf or Gguf()
    except ModelError:
        return Gguf()


_UNSAFE_IN_NAME = re.compile(r"[^A-Za-z0-9._/-]+")


def served_name(engine: Engine, weights: Weights, *, in_container: bool = True) -> str:
    """What clients put into ``model``: the Hub id where there is one, in signs that every client may send.

    Transformers has no option for it and answers only to what it was started with.
    """
    if "served_name" not in engine.flags and engine.id != "ollama":
        return weights.in_container if in_container else weights.name
    if engine.id == "ollama":
        return slug(PurePosixPath(weights.reference.replace(":", "-")).name.removesuffix(".gguf"))
    plain = PurePosixPath(weights.name).name.removesuffix(".gguf") if weights.is_local else weights.name
    return _UNSAFE_IN_NAME.sub("-", plain).strip("-/.") or "model"


def slug(text: str, fallback: str = "model") -> str:
    """Lower-case letters, digits and hyphens: what Compose projects and Ollama models may be called.

    >>> slug("Kundendienst: Antworten (v2)")
    'kundendienst-antworten-v2'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")[:60].strip("-") or fallback
