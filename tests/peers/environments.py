"""Programs that nobody here wrote, each in an environment of its own.

They pin versions that the other tests cannot share. The environments lie in `.venv-peers` and are
made when they are missing or their requirements have changed.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import venv
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".venv-peers"


def python_environment(name: str) -> Path:
    """Return the `bin` folder of a peer's virtual environment, made if need be."""
    requirements = HERE / f"requirements-{name}.txt"

    def make(folder: Path) -> None:
        venv.create(folder, with_pip=True, clear=True)
        python = str(folder / "bin/python")
        install = [python, "-m", "pip", "install", "-qq", "-r", str(requirements)]
        subprocess.run(install, check=True)

    return _environment(name, requirements, make) / "bin"


def javascript_environment() -> Path:
    """Return the folder whose `node_modules` hold the SDKs in JavaScript, made if need be."""
    package = HERE / "package.json"

    def make(folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        shutil.copy(package, folder)
        subprocess.run(
            ["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=folder, check=True
        )

    return _environment("javascript", package, make)


def _environment(name: str, requirements: Path, make: Callable[[Path], None]) -> Path:
    ENVIRONMENTS.mkdir(exist_ok=True)
    folder = ENVIRONMENTS / name
    installed = folder / "requirements.txt"
    with (ENVIRONMENTS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (installed.exists() and installed.read_text() == requirements.read_text()):
            make(folder)
            installed.write_text(requirements.read_text())
    return folder
