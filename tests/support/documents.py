"""Runs the blocks of a Markdown file in order, as a reader pastes them.

Python blocks share one session, which takes `await` as a notebook does. Shell blocks share the
folder and the variables that they export. `python tests/support/documents.py FILE LINE` prints
the block below the line that holds LINE, for a script to run.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NOT_RUN = "<!-- not run here: "
"""Begins the comment above a block that says who runs it instead."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, its first line in the file, the line above it."""

    language: str
    text: str
    line: int
    above: str

    @property
    def runs(self) -> bool:
        return self.language in ("python", "sh") and not self.above.startswith(NOT_RUN)


def blocks(path: Path) -> list[Block]:
    """Return the fenced blocks of a Markdown file."""
    found = []
    lines = path.read_text("utf-8").splitlines()
    opened: int | None = None
    for number, line in enumerate(lines):
        if not line.startswith("```"):
            continue
        if opened is None:
            opened = number
            continue
        text = "".join(f"{each}\n" for each in lines[opened + 1 : number])
        above = next((each for each in reversed(lines[:opened]) if each), "")
        found.append(Block(lines[opened].removeprefix("```"), text, opened + 2, above))
        opened = None
    assert opened is None, f"{path}: the block of line {opened} does not end"
    return found


class Session:
    """Runs blocks one after the other.

    Args:
        folder: where they run.
        variables: the environment that they begin with.
        typed: what the reader types when a shell block asks.
    """

    def __init__(self, folder: Path, variables: dict[str, str], typed: str = "") -> None:
        self._folder = folder
        self._variables = variables
        self._typed = typed
        self._names: dict[str, Any] = {"__name__": "__main__"}
        self._runner = asyncio.Runner()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        for value in self._names.values():
            # Clients, which a reader leaves to the end of the session.
            if hasattr(value, "close") and not inspect.isclass(value):
                self._finish(value.close())
        self._runner.close()

    def run(self, block: Block, path: Path) -> None:
        """Run a block.

        Raises:
            Exception: what the Python block raises.
            CalledProcessError: a command of the shell block fails.
        """
        if block.language == "python":
            self._run_python(block, path)
        else:
            self._run_shell(block)

    def _run_python(self, block: Block, path: Path) -> None:
        # Empty lines in front give the lines in a traceback their numbers in the file.
        text = "\n" * (block.line - 1) + block.text
        flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        code = compile(text, str(path), "exec", flags=flags, dont_inherit=True)
        before, folder = dict(os.environ), Path.cwd()
        os.environ.clear()
        os.environ.update(self._variables)
        os.chdir(self._folder)
        try:
            self._finish(eval(code, self._names))
        finally:
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(before)

    def _finish(self, result: object) -> None:
        if inspect.iscoroutine(result):
            self._runner.run(result)

    def _run_shell(self, block: Block) -> None:
        kept = self._folder / ".variables"
        script = f"set -euo pipefail\n{block.text}\nenv -0 > {kept}"
        subprocess.run(
            ["bash", "-c", script],
            cwd=self._folder,
            env=self._variables,
            check=True,
            timeout=120,
            input=f"{self._typed}\n".encode(),
        )
        pairs = kept.read_text("utf-8").split("\0")
        self._variables = dict(pair.split("=", 1) for pair in pairs if "=" in pair)


if __name__ == "__main__":
    document, wanted = sys.argv[1:]
    sys.stdout.write(next(block.text for block in blocks(Path(document)) if wanted in block.text))
