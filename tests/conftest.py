"""Settings of all tests.

How long an example takes is measured by benchmarks, and never fails a test. With ``HYPOTHESIS_PROFILE=ci`` the
examples are the same at every run, so that a failure comes from the change; elsewhere they are new each time.
"""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "untimed"))
