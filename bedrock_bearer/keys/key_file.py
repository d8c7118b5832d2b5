"""Writes an API key into a file."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from bedrock_bearer.errors import ConfigurationError

if TYPE_CHECKING:
    from bedrock_bearer.keys.api_key import ApiKey


def write_key_file(
    key: ApiKey, path: str | os.PathLike[str], *, replace_existing: bool = False
) -> None:
    """Write a key into a file that only its owner can read (mode 0600).

    The file is either written whole or left as it was. Of a link, the target is written.

    Args:
        key: the key.
        path: the file.
        replace_existing: whether to replace a file that exists. Default: no.

    Raises:
        ConfigurationError: the file cannot be written, or exists already.
    """
    target = os.path.realpath(os.path.expanduser(path))
    check_key_file(target, replace_existing=replace_existing)
    # Always the same name: what a run that was killed left behind is replaced by the next.
    directory, name = os.path.split(target)
    beside = os.path.join(directory, f".{name}.bedrock-bearer")
    written = beside if replace_existing else target
    problem: str | None = None
    try:
        if replace_existing:
            _remove(written)
        file = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(file, "w") as stream:
                stream.write(key.get_secret_value() + "\n")
                stream.flush()
                os.fsync(stream.fileno())
            if replace_existing:
                os.replace(written, target)
        except BaseException:
            _remove(written)
            raise
    except OSError as error:
        problem = error.strerror or type(error).__name__
    if problem is not None:
        raise ConfigurationError(f"The key file {target} cannot be written: {problem}.")


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def check_key_file(path: str | os.PathLike[str], *, replace_existing: bool = False) -> None:
    """Check that `write_key_file` can write a file, before there is a key to lose.

    Raises:
        ConfigurationError: the file cannot be written, or exists already.
    """
    target = os.path.realpath(os.path.expanduser(path))
    directory = os.path.dirname(target)
    if os.path.isdir(target) or not os.path.isdir(directory):
        raise ConfigurationError(f"The key file {target} cannot be written: no such directory.")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise ConfigurationError(f"The key file {target} cannot be written: permission denied.")
    if os.path.exists(target) and not replace_existing:
        raise ConfigurationError(f"The file {target} exists already and is not overwritten.")
