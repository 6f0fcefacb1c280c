"""A thousand projects, and the targets that can run each: all of them render, and the real tools take every file."""

from __future__ import annotations

import fcntl
import hashlib
import inspect
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.providers import providers
from deployadvisor.recommendation import Recommendation
from deployadvisor.render.bundle import Bundle, available_targets, default_targets, render
from deployadvisor.render.manifest import manifests
from tests.generated.profiles import decided, ways
from tests.render import test_tools

pytestmark = [pytest.mark.slow]

PROJECTS = 1_000
SEEDS = (1, 2)
"""Of the projects, one for each process that makes them."""
ABOUT_THE_ANSWER = ("README.md", "CHECKLIST.md", "advice.json", ".deployadvisor.yaml")
"""Files in which numbers and words of one answer stand; all others are the same for many answers."""
HOLLOW = re.compile(
    r"\b(?:TODO|FIXME|CHANGEME|XXX)\b|(?<!runtimeClassName)(?:=|: +)(?:None|null|~|''|\"\")$", re.MULTILINE
)
"""What peers leave for their users to find. An empty runtime class is a chart's word for none."""
STARTS_EMPTY = re.compile(r'^ *(?:local )?(?:[a-z]+(?:="")? )*[a-z]+=""$', re.MULTILINE)
"""A line of a script whose variables are filled further down."""


def renamed(advice: Recommendation) -> Recommendation:
    """With the same name for all, so that equal folders are written once."""
    return advice.model_copy(update={"name": "support bot", "profile": {**advice.profile, "name": "support bot"}})


def bundles(seed: int) -> Iterator[tuple[Recommendation, Bundle]]:
    """Every answer of one half with the targets that it takes unasked, and with the others in turn."""
    for number, advice in enumerate(map(renamed, decided(PROJECTS // len(SEEDS), seed))):
        usual = default_targets(advice)
        for place, target in enumerate(available_targets(advice)):
            if target in usual or (number + place) % 2:
                yield advice, render(advice, [target])


def stranded(seed: int) -> Iterator[str]:
    """Why no file can be written for an answer of one half."""
    for advice in decided(PROJECTS // len(SEEDS), seed):
        if not available_targets(advice):
            offline, several = advice.profile.get("internet") == "no", advice.plan.nodes > 1
            yield "several nodes without internet" if offline and several else f"{ways(advice)}"


def is_figures(path: str) -> bool:
    """Whether a file holds values for a script and nothing else."""
    return path.startswith("verify/") and path.endswith(".json")


def key_of(bundle: Bundle) -> str:
    """The same for bundles that differ in nothing a tool would read."""
    files = {
        path: file.text for path, file in bundle.items() if path not in ABOUT_THE_ANSWER and not is_figures(path)
    }
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """All different bundles on disk, and ``counts.json``; the processes of one run share them."""
    base = tmp_path_factory.getbasetemp()
    root = (base if worker_id == "master" else base.parent) / "thousand"
    root.mkdir(exist_ok=True)
    with (root.parent / "thousand.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / "counts.json").exists():
            write_all(root)
    return root


def write_all(root: Path) -> None:
    with ProcessPoolExecutor(len(SEEDS), get_context("spawn")) as pool:
        counts = sum(pool.map(write_half, [root] * len(SEEDS), SEEDS), Counter[str]())
    (root / "counts.json").write_text(json.dumps(counts))


def write_half(root: Path, seed: int) -> Counter[str]:
    counts, seen = Counter[str](), set[str]()
    counts.update(f"no target {reason}" for reason in stranded(seed))
    for advice, bundle in bundles(seed):
        key = key_of(bundle)
        (target,) = bundle.targets
        counts[f"{target} over {advice.plan.nodes} nodes"] += 1
        counts.update([f"target {target}", *(f"{kind} {value}" for kind, value in ways(advice).items())])
        if key not in seen:
            seen.add(key)
            for path in set(bundle) - {"README.md", "advice.json"}:
                place = root / key[:12] / target / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(bundle[path].text, encoding="utf-8")
    return counts


def test_every_engine_provider_and_target_came_up(folders: Path) -> None:
    counts = json.loads((folders / "counts.json").read_text())
    wanted = {
        *(f"engine {name}" for name in engines()),
        *(f"provider {name}" for name in providers()),
        *(f"target {name}" for name in manifests()),
        *(f"vendor {name}" for name in ("nvidia", "amd", "apple", "none")),
        *(f"lang {name}" for name in ("en", "zh")),
        *(f"{name} over 2 nodes" for name in ("slurm", "lws", "kserve", "kuberay")),
    }
    assert wanted <= counts.keys(), wanted - counts.keys()
    assert sum(count for name, count in counts.items() if name.startswith("target ")) > 2 * PROJECTS


def test_every_answer_comes_with_files_but_for_closed_clusters(folders: Path) -> None:
    counts = json.loads((folders / "counts.json").read_text())
    assert {name for name in counts if name.startswith("no target")} <= {"no target several nodes without internet"}


def test_nothing_is_left_for_the_user_to_find(folders: Path) -> None:
    found = [
        (path.relative_to(folders), match[0])
        for path in folders.rglob("*")
        if path.is_file() and path.suffix not in (".md", ".py", ".json")
        for match in HOLLOW.finditer(shown(path))
    ]
    assert not found, found[:20]


def shown(path: Path) -> str:
    """The text of a file, of a script without the variables that it fills itself."""
    text = path.read_text(encoding="utf-8")
    return STARTS_EMPTY.sub("", text) if path.suffix == ".sh" else text


def checks_of_folders() -> Iterator[Callable[..., Any]]:
    """Every test of a real tool that asks for nothing but folders of bundles."""
    for name, check in vars(test_tools).items():
        if name.startswith("test_"):
            asked = set(inspect.signature(check).parameters)
            if {"folders"} <= asked <= {"folders", "tmp_path"}:
                yield check


@pytest.mark.tool
@pytest.mark.parametrize("check", list(checks_of_folders()), ids=lambda check: check.__name__.removeprefix("test_"))
def test_the_real_tool_takes_them_all(check: Callable[..., Any], folders: Path, tmp_path: Path) -> None:
    given: dict[str, Path] = {"folders": folders, "tmp_path": tmp_path}
    check(**{name: given[name] for name in inspect.signature(check).parameters})
