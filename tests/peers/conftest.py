"""Programs that nobody here wrote, each in an environment of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from peers.environments import python_environment


@pytest.fixture(scope="session")
def peer() -> Callable[[str], Path]:
    """Gives the `bin` folder of a peer's environment by its name."""
    return python_environment
