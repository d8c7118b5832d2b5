"""Ways to hand a new key over to where it is used."""

from __future__ import annotations

import base64
import os
import select
import stat
import subprocess
import sys
from collections.abc import Callable
from typing import TextIO

from bedrock_bearer.aws.long_term_keys import NewKey
from bedrock_bearer.errors import BedrockError, ConfigurationError, KeyLifecycleError
from bedrock_bearer.keys.api_key import ApiKey
from bedrock_bearer.keys.key_file import check_key_file, write_key_file
from bedrock_bearer.keys.stored import read_key
from bedrock_bearer.wire.scrub import REPLACEMENT, Scrubber


class Handover:
    """Puts a new key where it is used. A subclass supplies `deliver`.

    Attributes:
        is_atomic: whether a key that could not be delivered has certainly not arrived.
        is_readable: whether `read_back` can tell which key is there.
        is_once: whether the key goes to whoever runs the program, and cannot be given again later.
        where: where the key goes, in words.
    """

    is_atomic: bool = False
    is_readable: bool = False
    is_once: bool = False
    where: str = "its place"

    def check(self) -> None:
        """Raise now what would keep a key from arriving, before there is a key to lose."""

    def deliver(self, new: NewKey) -> None:
        """Put the key in its place.

        Raises:
            BedrockError: that failed.
        """
        raise NotImplementedError

    def read_back(self) -> ApiKey | None:
        """Return the key that is in that place now; None if there is none."""
        return None

    def has_not_arrived(self, error: BaseException) -> bool:
        """Return whether, after `deliver` raised `error`, the key is certainly not in its place.

        An interrupt may come after the key was put there.
        """
        return self.is_atomic and isinstance(error, Exception)


class ToFunction(Handover):
    """Calls a function with the key; if it raises, the key has not arrived."""

    is_atomic = True

    def __init__(self, function: Callable[[ApiKey], object]) -> None:
        self._function = function

    def deliver(self, new: NewKey) -> None:
        self._function(new.key)


class ToFile(Handover):
    """Writes the key into a file, which holds either the old or the new key at any moment.

    Args:
        path: the file. It is readable by its owner alone (mode 0600).
        replace_existing: whether to replace a file that exists. Default: no.
    """

    is_atomic = True
    is_readable = True

    def __init__(self, path: str, *, replace_existing: bool = False) -> None:
        self._path = path
        self._replace_existing = replace_existing
        self.where = path

    def check(self) -> None:
        check_key_file(self._path, replace_existing=self._replace_existing)

    def deliver(self, new: NewKey) -> None:
        write_key_file(new.key, self._path, replace_existing=self._replace_existing)

    def read_back(self) -> ApiKey | None:
        try:
            return read_key(f"file:{self._path}")
        except BedrockError:
            return None


class ToCommand(Handover):
    """Gives the key to a shell command on its standard input; the command must exit with 0.

    The input is the key alone, without a line break. What the command prints goes to `output`,
    with the key replaced, even if it is cut, wrapped or encoded in base64.

    Args:
        command: the command, such as `aws secretsmanager put-secret-value ...`.
        output: a text stream. Default: standard error.
    """

    def __init__(self, command: str, *, output: TextIO | None = None) -> None:
        self._command = command
        self._output = output
        self.where = "the standard input of the command"

    def check(self) -> None:
        if not self._command.strip():
            raise ConfigurationError("The command that takes the key is empty.")

    def deliver(self, new: NewKey) -> None:
        secret = new.key.get_secret_value()
        done = subprocess.run(  # noqa: S603 - the caller's own command
            ["/bin/sh", "-c", self._command],
            input=secret.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        said = done.stdout.decode(errors="replace")
        # A Secret of Kubernetes shows it in base64.
        said = said.replace(base64.b64encode(secret.encode()).decode(), REPLACEMENT)
        del secret
        scrubber = Scrubber()
        scrubber.learn(new.key)
        said = scrubber.text(said)
        print(said, end="", file=self._output or sys.stderr)
        if done.returncode != 0:
            raise KeyLifecycleError(
                f"The command that takes the new key ended with exit code {done.returncode}. "
                "Whether it has stored the key is not known."
            )


class ToStream(Handover):
    """Writes the key to a stream, such as standard output, and checks that it was taken.

    Args:
        stream: a text stream. Default: standard output.
        render: makes the text to write. Default: the key and a line break.
    """

    is_once = True
    where = "standard output"

    def __init__(
        self, stream: TextIO | None = None, *, render: Callable[[NewKey], str] | None = None
    ) -> None:
        self._stream = stream
        self._render = render or (lambda new: new.key.get_secret_value())

    def check(self) -> None:
        if self._stream is None and sys.stdout is None:
            raise ConfigurationError("Standard output is closed.")

    def deliver(self, new: NewKey) -> None:
        stream = self._stream or sys.stdout
        problem: str | None = None
        try:
            stream.write(self._render(new) + "\n")
            stream.flush()
            _check_taken(stream)
        except OSError as error:
            problem = error.strerror or type(error).__name__
        if problem is not None:
            raise KeyLifecycleError(f"The new key was not written to {self.where}: {problem}.")


def _check_taken(stream: TextIO) -> None:
    """Raise an OSError if what was written is not on the disk, or if nobody reads the pipe."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        # A stream in memory.
        return
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        os.fsync(descriptor)
    elif stat.S_ISFIFO(mode) and hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, 0)
        if any(event & select.POLLERR for _, event in poll.poll(0)):
            raise BrokenPipeError(32, "nobody reads the pipe")
