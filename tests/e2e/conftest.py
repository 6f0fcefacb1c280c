"""The model that everything here serves; skipped as a whole where it cannot be made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.service import TIMES, program, seconds
from tests.e2e.tiny import make_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model: PyTorch and Transformers make it, caddy and curl are what serves it needs."""
    for package in ("torch", "transformers", "tokenizers"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    program("caddy")
    program("curl")
    with seconds("making the model"):
        return make_model(tmp_path_factory.mktemp("weights") / "tiny")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say where the time went."""
    for line in TIMES:
        terminalreporter.write_line(line)
