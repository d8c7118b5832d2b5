"""Programs that nobody here wrote, each in a virtual environment of its own.

They pin older versions of botocore than the newest, which the other tests need. The environments
lie in `.venv-peers` and are made when they are missing or their requirements have changed.
"""

from __future__ import annotations

import fcntl
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".venv-peers"


def environment(name: str) -> Path:
    """Return the `bin` folder of a peer's environment, made if need be."""
    ENVIRONMENTS.mkdir(exist_ok=True)
    requirements = HERE / f"requirements-{name}.txt"
    folder = ENVIRONMENTS / name
    installed = folder / "requirements.txt"
    with (ENVIRONMENTS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installed.exists() and installed.read_text() == requirements.read_text():
            return folder / "bin"
        venv.create(folder, with_pip=True, clear=True)
        python = str(folder / "bin/python")
        install = [python, "-m", "pip", "install", "-q", "-r", str(requirements)]
        subprocess.run(install, check=True)
        installed.write_text(requirements.read_text())
    return folder / "bin"


@pytest.fixture(scope="session")
def peer() -> Callable[[str], Path]:
    """Gives the `bin` folder of a peer's environment by its name."""
    return environment
