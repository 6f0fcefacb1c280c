"""The made-up projects repeat themselves, hold together, and between them come to every way of running a model."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from deployadvisor.catalog.engines import engines
from deployadvisor.catalog.providers import providers
from deployadvisor.plan import HOSTED_ROUTES, ROUTE_ROLES
from deployadvisor.profile import Profile
from tests.generated.profiles import decided, profiles, ways


def test_the_same_seed_makes_the_same_projects() -> None:
    assert list(profiles(40, 7)) == list(profiles(40, 7))
    assert list(profiles(40, 7)) != list(profiles(40, 8))
    assert list(profiles(40, 7))[:20] == list(profiles(20, 7))


def test_no_project_contradicts_itself() -> None:
    for answers in profiles(200, 3):
        Profile.model_validate({key: value for key, value in answers.items() if key in Profile.model_fields})


@pytest.mark.slow
def test_a_thousand_answers_come_to_every_way() -> None:
    seen: dict[str, Counter[str]] = defaultdict(Counter)
    for advice in decided(1000):
        for dimension, value in ways(advice).items():
            seen[dimension][value] += 1
    assert seen["route"].keys() == {*ROUTE_ROLES, *HOSTED_ROUTES}
    assert seen["engine"].keys() == {*engines(), "none"}
    assert seen["provider"].keys() == {*providers(), "none"}
    assert seen["vendor"].keys() >= {"nvidia", "amd", "intel", "apple", "none"}
    assert seen["platform"].keys() == {"laptop", "docker", "kubernetes", "bare_metal", "slurm", "None"}
    assert seen["lang"].keys() == {"en", "zh"}
    assert seen["nodes"].keys() >= {"1", "2"}
    assert seen["customization"].keys() == {"none", "prompting", "retrieval", "adapter", "full_tuning", "None"}
    rare = {f"{name} {value}": count for name, counts in seen.items() for value, count in counts.items() if count < 3}
    assert len(rare) < 12, rare
