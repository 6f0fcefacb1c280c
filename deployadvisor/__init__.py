"""Decide how to run a language model: which framework, which GPUs or provider, at what cost, with the files.

>>> from deployadvisor import recommend
>>> advice = recommend(data_sensitivity="public", requests_per_day=200, hardware="none")
>>> advice.route
'hosted_api'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from deployadvisor.version import __version__

if TYPE_CHECKING:
    from deployadvisor.advise import recommend
    from deployadvisor.errors import DeployAdvisorError
    from deployadvisor.estimation import Estimate, estimate
    from deployadvisor.hardware.probe import probe
    from deployadvisor.profile import Profile
    from deployadvisor.recommendation import Recommendation
    from deployadvisor.rulebook import load_rules

__all__ = [
    "DeployAdvisorError",
    "Estimate",
    "Profile",
    "Recommendation",
    "__version__",
    "estimate",
    "load_rules",
    "probe",
    "recommend",
]

# Names are looked up on first use, so that importing the package costs nothing (PEP 562).
_HOMES = {
    "DeployAdvisorError": "deployadvisor.errors",
    "Estimate": "deployadvisor.estimation",
    "Profile": "deployadvisor.profile",
    "Recommendation": "deployadvisor.recommendation",
    "estimate": "deployadvisor.estimation",
    "load_rules": "deployadvisor.rulebook",
    "probe": "deployadvisor.hardware.probe",
    "recommend": "deployadvisor.advise",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
