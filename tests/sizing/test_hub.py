"""Models by hub id: the cache on disk first, the network only when allowed, and one message when neither helps."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deployadvisor.errors import DocumentError, ModelError
from deployadvisor.sizing import hub
from deployadvisor.sizing.hub import HubId, cached_folder, hub_id, read_hub_model
from deployadvisor.verdict import named_model
from tests.sizing.test_folder import LLAMA

COMMIT = "0123456789abcdef0123456789abcdef01234567"
WANTED = HubId("acme/tiny")
UNHEARD_OF = LLAMA | {"model_type": "unheard_of", "num_hidden_layers": 2}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A hub cache with one model, whose files are links to blobs."""
    repo = tmp_path / "hub" / "models--acme--tiny"
    snapshot = repo / "snapshots" / COMMIT
    for folder in (repo / "refs", repo / "blobs", snapshot):
        folder.mkdir(parents=True)
    (repo / "refs" / "main").write_text(COMMIT, encoding="ascii")
    (repo / "blobs" / "1").write_text(json.dumps(LLAMA), encoding="utf-8")
    (snapshot / "config.json").symlink_to("../../blobs/1")
    return tmp_path / "hub"


def environment(cache: Path, **more: str) -> dict[str, str]:
    return {"HF_HUB_CACHE": str(cache), **more}


# Names


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acme/tiny", WANTED),
        ("acme/tiny@v1.0", HubId("acme/tiny", "v1.0")),
        ("acme/tiny@refs/pr/3", HubId("acme/tiny", "refs/pr/3")),
        ("acme", None),
        ("acme/tiny/more", None),
        ("acme/../tiny", None),
        ("../acme", None),
        ("acme/tiny@../../etc", None),
        ("acme/tiny@", None),
        ("acme/ti\nny", None),
        ("", None),
    ],
)
def test_what_is_a_hub_id(text: str, expected: HubId | None) -> None:
    assert hub_id(text) == expected


# The cache


def test_a_cached_model_is_read_like_a_folder(cache: Path) -> None:
    model = read_hub_model(WANTED, environment(cache))
    assert (model.id, model.hidden_size, model.total_params) == ("acme/tiny", 4096, 8_030_261_248)


@pytest.mark.parametrize(
    ("variable", "below"),
    [
        ("HF_HUB_CACHE", "hub"),
        ("HUGGINGFACE_HUB_CACHE", "hub"),
        ("HF_HOME", "."),
        ("XDG_CACHE_HOME", ".."),
    ],
)
def test_the_cache_is_where_the_variables_say(cache: Path, variable: str, below: str, tmp_path: Path) -> None:
    home = cache.parent / "huggingface" if variable == "XDG_CACHE_HOME" else cache.parent
    if home != cache.parent:
        home.mkdir()
        cache.rename(home / "hub")
    place = {"hub": home / "hub", ".": home, "..": home.parent}[below]
    assert cached_folder(WANTED, {variable: str(place)}) == home / "hub/models--acme--tiny/snapshots" / COMMIT


def test_a_commit_is_its_own_name(cache: Path) -> None:
    assert cached_folder(HubId("acme/tiny", COMMIT), environment(cache)) is not None
    assert cached_folder(HubId("acme/tiny", "v9"), environment(cache)) is None


@pytest.mark.parametrize("text", ["../../../outside", "", "x" * 10_000, "\0"])
def test_a_reference_that_is_no_commit_leads_nowhere(cache: Path, text: str) -> None:
    (cache / "models--acme--tiny/refs/main").write_text(text, encoding="utf-8")
    assert cached_folder(WANTED, environment(cache)) is None


def test_a_broken_cached_model_is_refused_by_its_file(cache: Path) -> None:
    (cache / "models--acme--tiny/blobs/1").write_text("{", encoding="utf-8")
    with pytest.raises(DocumentError, match=r"config\.json"):
        read_hub_model(WANTED, environment(cache))


# The network


@dataclass
class FakeHub:
    """Stands for the package; remembers what was fetched."""

    folder: Path
    tensors: Mapping[str, tuple[str, list[int]]] | None
    failure: Exception | None = None
    fetched: list[str] = field(default_factory=list)
    errors: Any = field(default_factory=lambda: SimpleNamespace(NotASafetensorsRepoError=NotASafetensorsRepoError))

    def hf_hub_download(self, *, filename: str, **place: Any) -> str:
        self.fetched.append(f"{place['repo_id']}@{place['revision']} {filename}")
        if self.failure:
            raise self.failure
        self.folder.mkdir(exist_ok=True)
        path = self.folder / filename
        path.write_text(json.dumps(UNHEARD_OF), encoding="utf-8")
        return str(path)

    def get_safetensors_metadata(self, **place: Any) -> Any:
        assert set(place) == {"repo_id", "revision"}
        if self.tensors is None:
            raise NotASafetensorsRepoError
        infos = {
            name: SimpleNamespace(dtype=dtype, shape=shape, data_offsets=(0, 2 * shape[0] * shape[1]))
            for name, (dtype, shape) in self.tensors.items()
        }
        return SimpleNamespace(files_metadata={"model.safetensors": SimpleNamespace(tensors=infos)})


class NotASafetensorsRepoError(Exception):
    """Named like the error of the package."""


class GatedRepoError(OSError):
    """Named like the error of the package."""


@pytest.fixture
def online(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    fake = FakeHub(
        tmp_path / "fetched", {f"model.layers.{n}.mlp.up_proj.weight": ("BF16", [10, 5]) for n in range(3)}
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)  # type: ignore[arg-type] - stands in for a module
    return fake


def allowed(tmp_path: Path, **more: str) -> dict[str, str]:
    return environment(tmp_path / "empty", DEPLOYADVISOR_ALLOW_HUB="1", **more)


def refused(variables: Mapping[str, str]) -> ModelError:
    with pytest.raises(ModelError) as caught:
        read_hub_model(WANTED, variables)
    assert "\n" not in str(caught.value)
    return caught.value


def test_nothing_is_fetched_unasked(tmp_path: Path, online: FakeHub) -> None:
    error = refused(environment(tmp_path / "empty"))
    assert "is neither in the catalogue nor in the hub cache here" in error.message
    assert error.remedy is not None
    assert "local folder with config.json, or set DEPLOYADVISOR_ALLOW_HUB=1" in error.remedy
    assert online.fetched == []


def test_offline_means_offline(tmp_path: Path, online: FakeHub) -> None:
    error = refused(allowed(tmp_path, HF_HUB_OFFLINE="1"))
    assert "HF_HUB_OFFLINE" in error.message
    assert online.fetched == []


def test_headers_come_from_the_hub_and_weights_do_not(tmp_path: Path, online: FakeHub) -> None:
    model = read_hub_model(HubId("acme/tiny", "v1"), allowed(tmp_path))
    assert online.fetched == ["acme/tiny@v1 config.json"]
    assert (model.id, model.total_params) == ("acme/tiny", 100)
    assert model.stored is not None
    assert (model.stored.bytes, model.stored.sure) == (200, "exact")


def test_a_repository_without_safetensors_has_a_shape(tmp_path: Path, online: FakeHub) -> None:
    online.tensors = None
    model = read_hub_model(WANTED, allowed(tmp_path))
    assert (model.hidden_size, model.total_params) == (4096, None)


def test_a_gated_repository_asks_for_a_token(tmp_path: Path, online: FakeHub) -> None:
    online.failure = GatedRepoError("403 Client Error\nmany lines")
    error = refused(allowed(tmp_path))
    assert "GatedRepoError (403 Client Error)" in error.message
    assert "set HF_TOKEN" in (error.remedy or "")


def test_a_failing_network_is_one_line(tmp_path: Path, online: FakeHub) -> None:
    online.failure = RuntimeError("\x1b[31mno\nroute")
    assert "could not be read from the hub: RuntimeError ([31mno)" in refused(allowed(tmp_path)).message


@pytest.mark.parametrize("offsets", [None, (0,), ("0", "1"), (5, 1), (0, 10**40)])
def test_an_answer_that_makes_no_sense_is_one_line(tmp_path: Path, online: FakeHub, offsets: Any) -> None:
    info = SimpleNamespace(dtype="BF16", shape=[8, 8], data_offsets=offsets)
    answer = SimpleNamespace(files_metadata={"x": SimpleNamespace(tensors={"lm_head.weight": info})})
    online.get_safetensors_metadata = lambda **_: answer  # type: ignore[method-assign] - a stand-in
    with contextlib.suppress(ModelError):
        assert read_hub_model(WANTED, allowed(tmp_path)).hidden_size == 4096


def test_without_the_package_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    error = refused(allowed(tmp_path))
    assert "needs the hub client" in error.message
    assert "install deployadvisor[hub]" in (error.remedy or "")


def test_a_hub_that_never_answers_is_given_up(
    tmp_path: Path, online: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "_SECONDS", 0.01)
    never = threading.Event()
    monkeypatch.setattr(online, "hf_hub_download", lambda **_: never.wait())
    assert "was not read from the hub within 0 seconds" in refused(allowed(tmp_path)).message
    never.set()


# As the wanted model


def test_a_cached_model_can_be_named(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(cache))
    assert named_model("acme/tiny").id == "acme/tiny"


def test_an_unknown_id_still_gets_the_nearest_of_the_catalogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.delenv("DEPLOYADVISOR_ALLOW_HUB", raising=False)
    with pytest.raises(ModelError, match="is neither in the catalogue nor in the hub cache here") as caught:
        named_model("Qwen/Qwen3-8X")
    assert caught.value.suggestion == "Qwen/Qwen3-8B"
    with pytest.raises(ModelError, match="is not a model in the catalogue"):
        named_model("no such model")
