"""Read a model that is named by its hub id: from the local hub cache, and over the network only when allowed.

The cache is read as huggingface_hub lays it out (``models--org--name/refs`` and ``snapshots``), without that package.
From the network come ``config.json`` and the headers of the weight files, never weights.
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployadvisor.catalog.models import Model
from deployadvisor.errors import DeployAdvisorError, ModelError
from deployadvisor.sizing.folder import read_folder
from deployadvisor.sizing.shards import MAX_TENSORS, checkpoint_of
from deployadvisor.sizing.tensors import Tensor
from deployadvisor.sizing.untrusted import opened

ALLOW = "DEPLOYADVISOR_ALLOW_HUB"
_WORD = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_ID = re.compile(rf"(?P<repo>(?P<org>{_WORD})/(?P<name>{_WORD}))(?:@(?P<revision>{_WORD}(?:/{_WORD}){{0,3}}))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_YES = ("1", "true", "yes", "on")
_NOT_HERE = "is neither in the catalogue nor in the hub cache here"
_SECONDS = 120.0
_STEP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class HubId:
    """A repository and, unless it is the newest, a branch, tag or commit of it."""

    repo: str
    revision: str = "main"


def hub_id(text: str) -> HubId | None:
    """Read ``org/name`` or ``org/name@revision``; None for anything else.

    >>> hub_id("Qwen/Qwen3-8B@v1")
    HubId(repo='Qwen/Qwen3-8B', revision='v1')
    """
    match = _ID.fullmatch(text)
    return HubId(match["repo"], match["revision"] or "main") if match else None


def read_hub_model(wanted: HubId, environment: Mapping[str, str] = os.environ) -> Model:
    """Read a model from the cache, else from the hub where ``environment`` allows it; otherwise ``ModelError``."""
    folder = cached_folder(wanted, environment)
    if folder is not None:
        return _named(read_folder(folder), wanted)
    if environment.get(ALLOW, "").casefold() not in _YES:
        raise _refused(wanted, _NOT_HERE, f"set {ALLOW}=1 to ask the hub")
    if environment.get("HF_HUB_OFFLINE", "").casefold() in _YES:
        raise _refused(wanted, f"{_NOT_HERE}, and HF_HUB_OFFLINE forbids to ask the hub")
    return _named(_fetched(wanted), wanted)


def _named(model: Model, wanted: HubId) -> Model:
    return model.model_copy(update={"id": wanted.repo, "on_disk": False})


def _refused(wanted: HubId, what: str, more: str = "") -> ModelError:
    remedy = "a model outside the catalogue can be given as a local folder with config.json"
    return ModelError(f'"{wanted.repo}" {what}', remedy=f"{remedy}, or {more}" if more else remedy)


# The cache


def cached_folder(wanted: HubId, environment: Mapping[str, str]) -> Path | None:
    """The snapshot of a repository that was downloaded before, where it has a ``config.json``."""
    repo = _cache(environment) / f"models--{wanted.repo.replace('/', '--')}"
    commit = _commit(repo / "refs" / wanted.revision) or wanted.revision
    folder = repo / "snapshots" / commit
    return folder if (folder / "config.json").is_file() else None


def _cache(environment: Mapping[str, str]) -> Path:
    """As huggingface_hub finds it (constants.py): the most particular variable decides."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if environment.get(name):
            return Path(environment[name]).expanduser()
    home = environment.get("HF_HOME")
    if not home:
        home = f"{environment.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    return Path(home).expanduser() / "hub"


def _commit(reference: Path) -> str | None:
    if not reference.is_file():
        return None
    with opened(reference) as (file, _):
        text = file.read(100).decode("ascii", "replace").strip()
    return text if _COMMIT.fullmatch(text) else None


# The network


def _fetched(wanted: HubId) -> Model:
    try:
        hub = importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise _refused(wanted, "needs the hub client", "install deployadvisor[hub]") from error
    logging.getLogger("huggingface_hub.utils._http").setLevel(logging.ERROR)  # one message is enough, not one a retry
    return _within(_SECONDS, lambda: _download(hub, wanted), wanted)


def _download(hub: Any, wanted: HubId) -> Model:
    """``hub`` is the package ``huggingface_hub``."""
    place = {"repo_id": wanted.repo, "revision": wanted.revision}
    config = Path(hub.hf_hub_download(filename="config.json", etag_timeout=_STEP_SECONDS, **place))
    layers = read_folder(config.parent).num_hidden_layers
    try:
        metadata = hub.get_safetensors_metadata(**place)
    except hub.errors.NotASafetensorsRepoError:
        return read_folder(config.parent)
    files = metadata.files_metadata
    return read_folder(config.parent, checkpoint=checkpoint_of(files, _tensors(files), layers))


def _tensors(files: Mapping[str, Any]) -> Iterator[Tensor]:
    described = ((name, info) for file in files.values() for name, info in file.tensors.items())
    for count, (name, info) in enumerate(described):
        if count == MAX_TENSORS:
            raise ModelError(f"more than {MAX_TENSORS:,} tensors")
        begin, end = info.data_offsets
        yield Tensor(name, str(info.dtype), tuple(info.shape), max(end - begin, 0))


def _within(seconds: float, work: Callable[[], Model], wanted: HubId) -> Model:
    """Do ``work`` in a thread that is left behind when it takes too long; every failure is one message."""
    future: Future[Model] = Future()
    threading.Thread(target=_fulfil, args=(future, work), daemon=True).start()
    try:
        return future.result(seconds)
    except DeployAdvisorError:
        raise
    except TimeoutError as error:
        raise _refused(wanted, f"was not read from the hub within {seconds:.0f} seconds") from error
    except Exception as error:
        raise _refused(wanted, _failure(error), _help(error)) from error


def _fulfil(future: Future[Model], work: Callable[[], Model]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
        future.set_exception(error)


def _failure(error: Exception) -> str:
    first = next(iter(str(error).strip().splitlines()), "")
    text = "".join(sign for sign in first if sign.isprintable())[:120]
    return f"could not be read from the hub: {type(error).__name__}" + (f" ({text})" if text else "")


def _help(error: Exception) -> str:
    """A repository that is not found may be one that needs permission."""
    private = type(error).__name__ in ("GatedRepoError", "RepositoryNotFoundError")
    return "set HF_TOKEN to a token that may read it" if private else ""
