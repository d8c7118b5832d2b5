"""What a rotation has to remember, so that it can go on after it was cut short.

The files are in `$XDG_STATE_HOME/bedrock-bearer`, by default `~/.local/state/bedrock-bearer`, and
readable by their owner alone. Until a new key has been handed over, its rotation's file holds it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bedrock_bearer.errors import ConfigurationError, InvalidApiKeyError
from bedrock_bearer.keys.api_key import ApiKey

if TYPE_CHECKING:
    from bedrock_bearer.aws.long_term_keys import LongTermKey


@dataclass
class RotationState:
    """How far a rotation has come.

    Attributes:
        user_name: the IAM user.
        old_id: the id of the key to replace.
        started_at: when the rotation started.
        new_id: the id of the new key; None if IAM's answer has not come.
        key: the new key until it was handed over, else None.
        fingerprint: the new key's fingerprint, or empty.
        is_handed_over: whether the new key was handed over.
        is_reported: whether the run that handed it over came to its end.
    """

    user_name: str
    old_id: str
    started_at: datetime
    new_id: str | None = None
    key: ApiKey | None = field(default=None, repr=False)
    fingerprint: str = ""
    is_handed_over: bool = False
    is_reported: bool = False


class StateStore:
    """Reads and writes the files.

    Args:
        directory: where they are. Default: see above.

    Raises:
        ConfigurationError: a file cannot be written.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self._directory = Path(directory) if directory is not None else _default_directory()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other rotations of this machine's user out of the block.

        Raises:
            ConfigurationError: another one is running, or the directory cannot be used.
        """
        problem: str | None = None
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._directory / "lock", os.O_WRONLY | os.O_CREAT, 0o600)
        except OSError as error:
            problem = self._problem(error)
        if problem is not None:
            raise ConfigurationError(problem)
        try:
            _lock(lock)
            yield
        finally:
            os.close(lock)

    def find(self, keys: list[LongTermKey]) -> RotationState | None:
        """Return the unfinished rotation that one of these keys belongs to, or None."""
        ids = {key.credential_id for key in keys}
        for path in sorted(self._directory.glob("rotation-*.json")):
            state = _read_state(path)
            if state is not None and ids & {state.old_id, state.new_id}:
                return state
        return None

    def save(self, state: RotationState) -> None:
        """Write how far a rotation has come."""
        document: dict[str, Any] = asdict(state)
        document["started_at"] = state.started_at.isoformat()
        document["key"] = state.key.get_secret_value() if state.key is not None else None
        self._write(self._path(state), document)

    def remove(self, state: RotationState) -> None:
        """Forget a rotation."""
        problem: str | None = None
        try:
            for path in (self._path(state), self._path(state).with_suffix(".new")):
                path.unlink(missing_ok=True)
        except OSError as error:
            problem = self._problem(error)
        if problem is not None:
            raise ConfigurationError(problem)

    def note_fingerprint(self, credential_id: str, fingerprint: str) -> None:
        """Remember a key's fingerprint for `key list`."""
        self._write(
            self._directory / "fingerprints.json",
            {**self.fingerprints(), credential_id: fingerprint},
        )

    def fingerprints(self) -> dict[str, str]:
        """Return the fingerprints of the keys made here, by their credential ids."""
        with suppress(OSError, ValueError):
            known = json.loads((self._directory / "fingerprints.json").read_text())
            return {str(name): str(value) for name, value in known.items()}
        return {}

    def _path(self, state: RotationState) -> Path:
        return self._directory / f"rotation-{state.old_id}.json"

    def _write(self, path: Path, document: dict[str, Any]) -> None:
        written = path.with_suffix(".new")
        problem: str | None = None
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            written.unlink(missing_ok=True)
            file = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "w") as stream:
                json.dump(document, stream)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(written, path)
        except OSError as error:
            problem = self._problem(error)
            with suppress(OSError):
                written.unlink()
        if problem is not None:
            # The document must not stay in this frame: it may hold the key.
            document.clear()
            raise ConfigurationError(problem)

    def _problem(self, error: OSError) -> str:
        return (
            f"The state of the rotation cannot be kept in {self._directory}: "
            f"{error.strerror or type(error).__name__}. Set XDG_STATE_HOME to another directory."
        )


def _default_directory() -> Path:
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(home) / "bedrock-bearer"


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:
        return
    is_free = True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        is_free = False
    if not is_free:
        raise ConfigurationError("Another rotation is running on this machine. Try again later.")


def _read_state(path: Path) -> RotationState | None:
    """Return the state in a file; None if it is not one."""
    with suppress(OSError, ValueError, TypeError, KeyError, InvalidApiKeyError):
        document = json.loads(path.read_text())
        document["started_at"] = datetime.fromisoformat(document["started_at"])
        if document["key"] is not None:
            document["key"] = ApiKey.parse(document["key"], source=f"the rotation in {path}")
        return RotationState(**document)
    return None
