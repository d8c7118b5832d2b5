"""Where a client takes its key from, before every attempt."""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from typing import TYPE_CHECKING, cast

from bedrock_bearer.errors import (
    ApiKeyExpiredError,
    BedrockError,
    ConfigurationError,
    InvalidApiKeyError,
    MissingApiKeyError,
)
from bedrock_bearer.keys.api_key import (
    LONG_TERM_PREFIX,
    LONGEST_KEY,
    SHORT_TERM_PREFIX,
    ApiKey,
    KeyDescription,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TextIO

logger = logging.getLogger("bedrock_bearer")

KEY_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK"
KEY_FILE_VARIABLE = "AWS_BEARER_TOKEN_BEDROCK_FILE"

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


class KeySource:
    """Gives the key for the next attempt. A subclass supplies `get_key`.

    Attributes:
        keys_per_call: how many different keys one call may try.
    """

    keys_per_call: int = 2

    def get_key(self) -> ApiKey:
        """Return the key to use now.

        Raises:
            ConfigurationError: there is none, or what is there is no key.
        """
        raise NotImplementedError

    async def get_key_async(self) -> ApiKey:
        """Return the key to use now, for a client of an event loop."""
        return self.get_key()

    def describe(self) -> KeyDescription | None:
        """Return a description of the key at hand; None where getting one takes work.

        Raises:
            ConfigurationError: there is none, or what is there is no key.
        """
        return self.get_key().description

    def refused(self, key: ApiKey, error: BedrockError) -> bool:
        """Hear that `key` was refused; return whether another one can be had at once."""
        return False

    def accepted(self, key: ApiKey) -> None:
        """Hear that `key` was accepted."""


class FixedKey(KeySource):
    """One key, given once."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key

    def get_key(self) -> ApiKey:
        return self._key


class EnvironmentKey(KeySource):
    """The key in an environment variable, read anew each time: a rotated one is picked up.

    Args:
        name: the variable. Default: `AWS_BEARER_TOKEN_BEDROCK`, and where that is not set the
            file that `AWS_BEARER_TOKEN_BEDROCK_FILE` names.
    """

    def __init__(self, name: str | None = None) -> None:
        self._name = name
        self._last: ApiKey | None = None

    def get_key(self) -> ApiKey:
        name = self._name or KEY_VARIABLE
        if self._last is not None and self._last.is_text(os.environ.get(name, "")):
            return self._last
        self._last = _read_variable(name) if self._name else _read_default()
        return self._last

    def refused(self, key: ApiKey, error: BedrockError) -> bool:
        """Return whether the variable holds another key by now."""
        return self.get_key() != key


class _KeptKey(KeySource):
    """Keeps the last good key, and gives it while it is valid and no newer one can be had."""

    def __init__(self) -> None:
        self._last: ApiKey | None = None

    def _kept(self, error: ConfigurationError) -> ApiKey:
        if self._last is None or self._last.is_expired():
            raise error.with_traceback(None)
        logger.warning("No newer key; %s stays in use. %s", self._last.description, error)
        return self._last


class FileKey(_KeptKey):
    """The key in a file, read anew each time: a rotated one, or a swapped link, is picked up.

    Args:
        path: the file, such as a secret that Docker or Kubernetes mounts.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self._path = os.fspath(path)

    def get_key(self) -> ApiKey:
        try:
            self._last = _read_file(self._path)
        except ConfigurationError as error:
            return self._kept(error)
        return self._last

    def refused(self, key: ApiKey, error: BedrockError) -> bool:
        """Return whether the file holds another key by now."""
        return self.get_key() != key


class CallableKey(_KeptKey):
    """The key that a function of yours returns, asked before every attempt.

    Args:
        function: returns the key, as text or `ApiKey`; a coroutine function needs an
            `AsyncBedrockClient`.
        timeout: seconds that it may take. Default 10.
    """

    def __init__(
        self,
        function: Callable[[], str | ApiKey | Awaitable[str | ApiKey]],
        *,
        timeout: float = 10.0,
    ) -> None:
        super().__init__()
        self._function = function
        self._timeout = timeout

    def describe(self) -> KeyDescription | None:
        return None

    def get_key(self) -> ApiKey:
        import inspect

        if inspect.iscoroutinefunction(self._function):
            raise ConfigurationError(
                "The function that gives the API key is a coroutine function: use it with an "
                "AsyncBedrockClient, or give BedrockClient a plain function."
            )
        # In a thread of its own: a function that hangs cannot be stopped, but be left behind.
        result: list[object] = []
        thread = threading.Thread(target=self._call_into, args=(result,), daemon=True)
        thread.start()
        thread.join(self._timeout)
        return self._taken(result)

    async def get_key_async(self) -> ApiKey:
        import asyncio
        import inspect

        if not inspect.iscoroutinefunction(self._function):
            return await asyncio.to_thread(self.get_key)
        result: list[object] = []
        try:
            async with asyncio.timeout(self._timeout):
                result.append(await self._function())
        except TimeoutError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it raises may hold the key
            result.append(_failure(error))
        return self._taken(result)

    def refused(self, key: ApiKey, error: BedrockError) -> bool:
        """Return whether to ask again: for a key that has expired."""
        return isinstance(error, ApiKeyExpiredError)

    def _call_into(self, result: list[object]) -> None:
        try:
            result.append(self._function())
        except Exception as error:  # noqa: BLE001 - whatever it raises may hold the key
            result.append(_failure(error))

    def _taken(self, result: list[object]) -> ApiKey:
        outcome = _outcome(result, self._timeout)
        # A traceback that shows this frame's locals must not show the key.
        result.clear()
        if isinstance(outcome, ConfigurationError):
            return self._kept(outcome)
        self._last = outcome
        return outcome


def _failure(error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"The function that gives the API key raised {type(error).__name__}; its text is not "
        "shown, as it may hold the key."
    )


def _outcome(result: list[object], timeout: float) -> ApiKey | ConfigurationError:
    if not result:
        return ConfigurationError(
            f"The function that gives the API key gave none within {timeout:g} s."
        )
    given = result[0]
    if isinstance(given, (ApiKey, ConfigurationError)):
        return given
    try:
        return ApiKey.parse(cast("str", given), source="the function that gives it")
    except InvalidApiKeyError as error:
        return error.with_traceback(None)


def key_source(api_key: object) -> KeySource | ConfigurationError:
    """Return where the key comes from: what was given, else AWS_BEARER_TOKEN_BEDROCK.

    What is wrong is returned, to be raised once no frame holds the text any more.
    """
    if api_key is None:
        return EnvironmentKey()
    if isinstance(api_key, KeySource):
        return api_key
    if isinstance(api_key, ApiKey):
        return FixedKey(api_key)
    if callable(api_key):
        return CallableKey(api_key)
    try:
        return FixedKey(ApiKey.parse(cast("str", api_key)))
    except InvalidApiKeyError as error:
        # Its traceback leads to this frame, which holds the text.
        return error.with_traceback(None)


def read_key(spec: str | None = None, *, stdin: TextIO | None = None) -> ApiKey:
    """Read a key from a source: `env:NAME`, `file:PATH`, or `-` for standard input.

    Args:
        spec: the source, never the key itself. Default: the variable `AWS_BEARER_TOKEN_BEDROCK`,
            then the file that `AWS_BEARER_TOKEN_BEDROCK_FILE` names.
        stdin: what `-` reads. Default: `sys.stdin`.

    Raises:
        MissingApiKeyError: the variable is not set or empty, or the file does not exist.
        InvalidApiKeyError: what is there is no API key.
        ConfigurationError: the source is none of these, or the file cannot be read.
    """
    if spec is None:
        return _read_default()
    problem = problem_of_spec(spec)
    if problem:
        # The string must not stay in this frame: it may be a key.
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
        # The string must not stay in this frame: it may be a key.
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
            "A key itself stands where its source is expected, and everybody on this machine can "
            "read a command line: give env:NAME, file:PATH or - (and consider renewing the key)."
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


def _read_file(path: str) -> ApiKey:
    return ApiKey.parse(_file_text(path), source=f"file {path}")


def _file_text(path: str) -> str:
    try:
        # What is not UTF-8 comes through as surrogates, which no key may hold.
        with open(os.path.expanduser(path), encoding="utf-8", errors="surrogateescape") as file:
            return file.read(LONGEST_KEY + 1)
    except FileNotFoundError:
        problem: ConfigurationError = MissingApiKeyError(f"No API key: there is no file {path}.")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        problem = ConfigurationError(f"The key file {path} cannot be read: {reason}.")
    raise problem


def _read_stdin(stdin: TextIO) -> ApiKey:
    return ApiKey.parse(_stdin_text(stdin), source="standard input")


def _stdin_text(stdin: TextIO) -> str:
    try:
        text = stdin.read(LONGEST_KEY + 1)
    except UnicodeDecodeError:
        text = None
    if text is None:
        raise InvalidApiKeyError("What stands on standard input is no text in UTF-8, and no key.")
    if not text.strip():
        raise MissingApiKeyError("No API key: standard input is empty.")
    return text
