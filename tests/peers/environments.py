"""Programs that nobody here wrote, and the environments that they run in.

Those that pin versions which the other tests cannot share have one of their own. These lie in
`.venv-peers` and are made when they are missing or their requirements have changed.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
ENVIRONMENTS = HERE.parents[1] / ".venv-peers"


def python_environment(name: str) -> Path:
    """Return the `bin` folder of a peer's environment, made if need be: else that of the tests."""
    requirements = HERE / f"requirements-{name}.txt"
    if not requirements.exists():
        return Path(sys.executable).parent
    uv = shutil.which("uv")

    def make(folder: Path) -> None:
        venv.create(folder, with_pip=uv is None, clear=True)
        python = str(folder / "bin/python")
        # uv takes a tenth of the time.
        pip = [uv, "pip", "install", "--python", python] if uv else [python, "-m", "pip", "install"]
        subprocess.run([*pip, "-q", "-r", str(requirements)], check=True)

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
