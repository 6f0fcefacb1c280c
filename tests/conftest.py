"""Settings of all tests: how long an example takes is measured by benchmarks, and never fails a test."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
