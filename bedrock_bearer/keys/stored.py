"""Keys in environment variables, in files and on standard input."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from bedrock_bearer.errors import (
    BedrockError,
    ConfigurationError,
    InvalidApiKeyError,
    MissingApiKeyError,
)
from bedrock_bearer.facts import (
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    LONG_TERM_PREFIX,
    SHORT_TERM_PREFIX,
)
from bedrock_bearer.keys.api_key import ApiKey
from bedrock_bearer.keys.decoding import LONGEST_KEY
from bedrock_bearer.keys.recognition import holds_key
from bedrock_bearer.keys.sources import FixedKey, KeptKey, KeySource, parse_key

if TYPE_CHECKING:
    from typing import Any, TextIO

_WRONG_VARIABLES = (
    "AWS_BEDROCK_API_KEY",
    "AWS_BEDROCK_BEARER_TOKEN",
    "AWS_BEARER_TOKEN",
    "AWS_BEARER_TOKEN_BEDROCK_RUNTIME",
    "AMAZON_BEDROCK_API_KEY",
    "BEDROCK_API_KEY",
    "BEDROCK_BEARER_TOKEN",
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class _RereadKey(KeySource):
    """A key that is read anew each time, and may have changed by then."""

    def refused(self, key: ApiKey, error: BedrockError, *, asked_again: bool = False) -> bool:
        """Return whether the key has changed since."""
        try:
            return self.get_key() != key
        except ConfigurationError:
            return False


class EnvironmentKey(_RereadKey):
    """The key in an environment variable, read anew each time, so that a rotated one is used.

    Args:
        name: the variable. Default: `AWS_BEARER_TOKEN_BEDROCK`; if that is not set, the file that
            `AWS_BEARER_TOKEN_BEDROCK_FILE` names.
    """

    def __init__(self, name: str | None = None) -> None:
        self._name = name
        self._last: ApiKey | None = None
        self._file: FileKey | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._name,)

    def get_key(self) -> ApiKey:
        name = self._name or KEY_VARIABLE
        text = os.environ.get(name, "")
        last = self._last
        if last is not None and last.is_text(text):
            return last
        if (
            self._name is None
            and not text.strip()
            and os.environ.get(KEY_FILE_VARIABLE, "").strip()
        ):
            return self._key_of_file()
        del text
        self._last = _read_variable(name) if self._name else _read_default()
        return self._last

    def _key_of_file(self) -> ApiKey:
        path = os.environ[KEY_FILE_VARIABLE].strip()
        if self._file is None or self._file.path != path:
            self._file = FileKey(path)
        return self._file.get_key()


class FileKey(KeptKey, _RereadKey):
    """The key in a file, read anew each time, so that a rotated one or a swapped link is used.

    While the file cannot be read or holds no key, the last good key stays in use until it expires.

    Args:
        path: the file, such as a secret that Docker or Kubernetes mounts.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self.path = os.fspath(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path,)

    def get_key(self) -> ApiKey:
        try:
            return self._keep_new(_read_file(self.path, self._last))
        except ConfigurationError as error:
            problem = error
        return self._last_or_raise(problem)


def read_key(spec: str | None = None, *, stdin: TextIO | None = None) -> ApiKey:
    """Read a key from a source: `env:NAME`, `file:PATH`, or `-` for standard input.

    Args:
        spec: the source, never the key itself. Default: the variable `AWS_BEARER_TOKEN_BEDROCK`,
            then the file that `AWS_BEARER_TOKEN_BEDROCK_FILE` names.
        stdin: what `-` reads. Default: `sys.stdin`.

    Raises:
        MissingApiKeyError: the variable is not set or empty, or the file does not exist.
        InvalidApiKeyError: the text found is not an API key.
        ConfigurationError: the source is none of these, or the file cannot be read.
    """
    if spec is None:
        return _read_default()
    problem = problem_of_spec(spec)
    if problem:
        # A traceback that shows this frame's locals must not show the text: it may be a key.
        del spec
        raise ConfigurationError(problem)
    if spec == "-":
        return _read_stdin(sys.stdin if stdin is None else stdin)
    kind, _, name = spec.partition(":")
    return _read_file(name) if kind == "file" else _read_variable(name)


def named_source(spec: str) -> KeySource:
    """Return the source that `env:NAME`, `file:PATH` or `-` names.

    Raises:
        ConfigurationError: the source is none of these, or standard input holds no key.
    """
    problem = problem_of_spec(spec)
    if problem:
        # A traceback that shows this frame's locals must not show the text: it may be a key.
        del spec
        raise ConfigurationError(problem)
    kind, _, name = spec.partition(":")
    if kind == "env":
        return EnvironmentKey(name)
    return FileKey(name) if kind == "file" else FixedKey(read_key("-"))


def problem_of_spec(spec: str) -> str | None:
    """Return what is wrong with the text of a source, without showing it."""
    if SHORT_TERM_PREFIX in spec or LONG_TERM_PREFIX in spec:
        return (
            "A source was expected, not the key itself: everybody on this machine can read a "
            "command line. Give env:NAME, file:PATH or -, and consider this key exposed."
        )
    kind, _, name = spec.partition(":")
    if spec == "-" or (kind == "file" and name) or (kind == "env" and _NAME.fullmatch(name)):
        return None
    return "A source of a key is env:NAME, file:PATH or - (standard input), never the key itself."


def _read_default() -> ApiKey:
    if os.environ.get(KEY_VARIABLE, "").strip():
        return _read_variable(KEY_VARIABLE)
    path = os.environ.get(KEY_FILE_VARIABLE, "").strip()
    if path:
        return _read_file(path)
    raise MissingApiKeyError(
        f"No API key: {_state(KEY_VARIABLE)}, and {_state(KEY_FILE_VARIABLE)}.{_hint()} Set "
        f"{KEY_VARIABLE} to an Amazon Bedrock API key."
    )


def _read_variable(name: str) -> ApiKey:
    if not os.environ.get(name, "").strip():
        raise MissingApiKeyError(f"No API key: {_state(name)}.{_hint()}")
    return ApiKey.parse(os.environ[name], source=f"env {name}")


def _state(name: str) -> str:
    return f"the environment variable {name} is {'empty' if name in os.environ else 'not set'}"


def _hint() -> str:
    wrong = next((name for name in _WRONG_VARIABLES if os.environ.get(name, "").strip()), None)
    return f" {wrong} is set: AWS's name for it is {KEY_VARIABLE}." if wrong else ""


def _read_file(path: str, last: ApiKey | None = None) -> ApiKey:
    text = _file_text(path)
    if last is not None and last.is_text(text):
        return last
    outcome = parse_key(text, f"file {_shown(path)}")
    # A traceback that shows this frame's locals must not show the text.
    del text
    if isinstance(outcome, ApiKey):
        return outcome
    raise outcome


def _file_text(path: str) -> str:
    try:
        # Bytes that are not UTF-8 become surrogates, which no key may hold.
        with open(os.path.expanduser(path), encoding="utf-8", errors="surrogateescape") as file:
            return file.read(LONGEST_KEY + 1)
    except FileNotFoundError:
        problem: ConfigurationError = MissingApiKeyError(
            f"No API key: there is no file {_shown(path)}."
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        problem = ConfigurationError(f"The key file {_shown(path)} cannot be read: {reason}.")
    raise problem


def _shown(path: str) -> str:
    """Return a path for a message; not a key that was given instead of one."""
    return "(a name that is not shown: it looks like a key)" if holds_key(path) else path


def _read_stdin(stdin: TextIO | None) -> ApiKey:
    if stdin is None:
        raise MissingApiKeyError("No API key: standard input is closed.")
    return ApiKey.parse(_stdin_text(stdin), source="standard input")


def _stdin_text(stdin: TextIO) -> str:
    try:
        text = stdin.read(LONGEST_KEY + 1)
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise InvalidApiKeyError("Standard input is not UTF-8 text.")
    if not text.strip():
        raise MissingApiKeyError("No API key: standard input is empty.")
    return text
