"""Drivers: which branch came with which CUDA release, and what the catalogue of engines makes of it."""

from __future__ import annotations

import pytest

from deployadvisor.catalog.drivers import (
    branch_for,
    capability,
    families,
    last_branch,
    needed_branch,
    releases,
)
from deployadvisor.catalog.engines import engines


@pytest.mark.parametrize(
    ("cuda", "branch"),
    [("11.8", 520), ("12.0", 525), ("12.4", 550), ("12.8", 570), ("12.9", 575), ("13.0", 580), ("13.4", 615)],
)
def test_the_branch_that_came_with_a_release(cuda: str, branch: int) -> None:
    """docs.nvidia.com/cuda/cuda-toolkit-release-notes."""
    assert releases()[cuda].branch == branch
    assert branch_for(cuda) == branch


def test_a_release_that_is_not_listed_counts_as_the_one_before() -> None:
    assert (branch_for("12.7"), branch_for("99.0"), branch_for("10.2")) == (560, 615, None)


def test_later_releases_came_with_later_branches() -> None:
    order = list(releases())
    assert order == sorted(order, key=capability)
    branches = [release.branch for release in releases().values()]
    assert branches == sorted(set(branches))


def test_a_family_begins_with_its_first_release() -> None:
    """docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html."""
    assert {name: family.branch for name, family in families().items()} == {"11": 450, "12": 525, "13": 580}
    for name, family in families().items():
        assert family.branch == releases()[f"{name}.0"].branch


def test_images_let_older_branches_pass_and_no_newer_ones() -> None:
    for release in releases().values():
        assert all(branch < release.branch for branch in release.image_branches)
    assert releases()["12.8"].image_branches == (470, 535, 550, 560, 565)
    assert releases()["12.9"].image_branches == (535, 550, 560, 565, 570)


@pytest.mark.parametrize(
    ("has", "last"), [("3.7", 470), ("5.2", 580), ("6.1", 580), ("7.0", 580), ("7.5", None), ("12.0", None)]
)
def test_older_generations_have_a_last_branch(has: str, last: int | None) -> None:
    assert last_branch(has) == last


@pytest.mark.parametrize(
    ("built_for", "has", "branch"),
    [
        ((), "9.0", 525),
        (("8.6",), "8.6", 525),
        (("8.6",), "8.9", 525),
        (("8.6",), "8.0", 570),
        (("8.6",), "9.0", 570),
        (("12.0a",), "12.0", 525),
        (("12.0a",), "12.1", 570),
        (("8.6",), None, 525),
    ],
)
def test_what_is_no_machine_code_takes_the_driver_of_the_release(
    built_for: tuple[str, ...], has: str | None, branch: int
) -> None:
    assert needed_branch("12.8", built_for, has) == branch


def test_floors_of_engines_are_those_of_the_cuda_they_are_built_with() -> None:
    for engine in engines().values():
        floor = engine.gates.driver_min
        if floor and floor.cuda:
            assert floor.major == needed_branch(floor.cuda, (), None), engine.id
            assert floor.cuda in releases()
        for build in engine.other_builds:
            assert build.cuda in releases()
            assert build.image or build.install, engine.id
            assert (build.image is None) == (build.image_basis is None), engine.id


def test_machine_code_is_part_of_what_a_build_is_compiled_for() -> None:
    for engine in engines().values():
        assert set(engine.gates.machine_code_for) <= set(engine.gates.compiled_for), engine.id


def test_the_builds_that_older_drivers_are_left_with() -> None:
    known = {
        engine.id: [(build.version, build.cuda) for build in engine.other_builds] for engine in engines().values()
    }
    assert known == {
        "transformers": [("5.23.0", "12.6")],
        "ollama": [],
        "textgen": [],
        "vllm": [("0.29.0", "12.9"), ("0.19.1", "12.9")],
        "lmdeploy": [("0.18.0", "13.0")],
        "llama_cpp": [],
        "sglang": [("0.5.19", "12.9")],
    }
