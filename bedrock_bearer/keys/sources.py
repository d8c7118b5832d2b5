"""Where a client takes its key from, before every attempt."""

from __future__ import annotations

import logging
import os
import re
import sys
import time
from collections.abc import Coroutine
from copy import copy
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from bedrock_bearer.errors import (
    ApiKeyExpiredError,
    AuthenticationError,
    BedrockError,
    ConfigurationError,
    InvalidApiKeyError,
    MissingApiKeyError,
    RegionError,
)
from bedrock_bearer.facts import (
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    LONG_TERM_PREFIX,
    LONGEST_SHORT_TERM_SECONDS,
    SHORT_TERM_PREFIX,
)
from bedrock_bearer.keys.api_key import ApiKey
from bedrock_bearer.keys.decoding import LONGEST_KEY
from bedrock_bearer.keys.description import KeyDescription, TokenType, utc_now
from bedrock_bearer.regions import region_of_environment

# What only a function or minted keys need is imported there: starting up takes time.
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import TextIO, TypeAlias

    from bedrock_bearer.keys.fallback import KeyRefusal

    GivenKey: TypeAlias = str | ApiKey
    AnyKey: TypeAlias = "GivenKey | KeySource | Callable[[], GivenKey | Awaitable[GivenKey]]"

logger = logging.getLogger("bedrock_bearer")

DEFAULT_TIMEOUT = 10.0
LONGEST_LIFETIME = timedelta(seconds=LONGEST_SHORT_TERM_SECONDS)

_MINTED = "AWS credentials"
_SESSION_MARGIN_SECONDS = 15 * 60
"""When botocore begins to renew credentials, ahead of their end."""
_REST = timedelta(seconds=30)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

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
        keys_per_call: how many times one call may be refused before it gives up.
        may_replace_key: whether another key may serve where the one described cannot.
    """

    keys_per_call: int = 2
    may_replace_key: bool = False

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

    def refused(self, key: ApiKey, error: BedrockError, *, asked_again: bool = False) -> bool:
        """Hear that `key` was refused; return whether to ask for another one at once.

        Args:
            key: the key that was refused.
            error: what it was refused with.
            asked_again: whether the call has asked again already, and was given the same key.
        """
        return False

    def accepted(self, key: ApiKey) -> None:
        """Hear that `key` was accepted."""

    def take_passed_over(self) -> Sequence[KeyRefusal]:
        """Return the keys that could not be had, each once, so that a call can tell of it."""
        return ()


class FixedKey(KeySource):
    """One key, given once."""

    def __init__(self, key: ApiKey) -> None:
        self._key = key

    def get_key(self) -> ApiKey:
        return self._key


class _RereadKey(KeySource):
    """A key that is read anew each time, and may be another one by then."""

    def refused(self, key: ApiKey, error: BedrockError, *, asked_again: bool = False) -> bool:
        """Return whether there is another key by now."""
        try:
            return self.get_key() != key
        except ConfigurationError:
            return False


class EnvironmentKey(_RereadKey):
    """The key in an environment variable, read anew each time: a rotated one is picked up.

    Args:
        name: the variable. Default: `AWS_BEARER_TOKEN_BEDROCK`, and where that is not set the
            file that `AWS_BEARER_TOKEN_BEDROCK_FILE` names.
    """

    def __init__(self, name: str | None = None) -> None:
        self._name = name
        self._last: ApiKey | None = None
        self._file: FileKey | None = None

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


class _KeptKey(KeySource):
    """Keeps the last good key, and gives it while it is valid and no newer one can be had."""

    def __init__(self) -> None:
        self._last: ApiKey | None = None
        self._problem: str | None = None

    def _took(self, key: ApiKey) -> ApiKey:
        self._last, self._problem = key, None
        return key

    def _kept(self, error: ConfigurationError) -> ApiKey:
        last = self._last
        if last is None or last.is_expired():
            # A copy: those who shared the run that failed raise it each for themselves.
            raise copy(error)
        if self._problem != error.message:
            self._problem = error.message
            logger.warning("No newer key; %s stays in use. %s", last.description, error)
        return last


class FileKey(_KeptKey, _RereadKey):
    """The key in a file, read anew each time: a rotated one, or a swapped link, is picked up.

    While the file cannot be read or holds no key, the last good key stays in use until it expires.

    Args:
        path: the file, such as a secret that Docker or Kubernetes mounts.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__()
        self.path = os.fspath(path)

    def get_key(self) -> ApiKey:
        try:
            return self._took(_read_file(self.path, self._last))
        except ConfigurationError as error:
            problem = error
        return self._kept(problem)


class CallableKey(_KeptKey):
    """The key that a function of yours returns, asked before every attempt.

    Attempts that ask at the same time share one run of a plain function. When it fails, takes too
    long or returns no key, the last good key stays in use until it expires.

    Args:
        function: returns the key, as text or `ApiKey`; a coroutine function needs an
            `AsyncBedrockClient`.
        timeout: seconds that it may take. Default 10. After a run that took longer, the last good
            key serves for half a minute before the function is asked again.
        monotonic: the clock, in seconds.
    """

    def __init__(
        self,
        function: Callable[[], GivenKey | Awaitable[GivenKey]],
        *,
        timeout: float = DEFAULT_TIMEOUT,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        from bedrock_bearer.keys.shared_run import SharedRun

        super().__init__()
        self._function = function
        self._timeout = timeout
        self._monotonic = monotonic
        self._rest_until = float("-inf")
        self._run = SharedRun(self._ask, timeout, self._too_late)

    def describe(self) -> KeyDescription | None:
        """Return None: the function is asked when a call is made."""
        return None

    def get_key(self) -> ApiKey:
        if _is_coroutine_function(self._function):
            raise ConfigurationError(
                "The function that gives the API key is a coroutine function: use it with an "
                "AsyncBedrockClient, or give BedrockClient a plain function."
            )
        resting = self._resting()
        if resting is not None:
            return resting
        return self._taken(self._run.result())

    async def get_key_async(self) -> ApiKey:
        resting = self._resting()
        if resting is not None:
            return resting
        if _is_coroutine_function(self._function):
            return self._taken(await self._await_function())
        return self._taken(await self._run.result_async())

    def refused(self, key: ApiKey, error: BedrockError, *, asked_again: bool = False) -> bool:
        """Return whether to ask the function again: once, for a key that was not accepted."""
        if self._last == key:
            self._last = None
        return isinstance(error, AuthenticationError) and not asked_again

    def _resting(self) -> ApiKey | None:
        """Return the last good key while a function that hung is left alone."""
        last = self._last
        if last is None or last.is_expired() or self._monotonic() >= self._rest_until:
            return None
        return last

    def _ask(self) -> ApiKey | ConfigurationError:
        try:
            return _key_of(self._function())
        except Exception as error:  # noqa: BLE001 - whatever it raises may hold the key
            return _failure(error)

    async def _await_function(self) -> ApiKey | ConfigurationError:
        import asyncio

        limit = asyncio.timeout(self._timeout)
        try:
            async with limit:
                return _key_of(await cast("Awaitable[object]", self._function()))
        except Exception as error:  # noqa: BLE001 - whatever it raises may hold the key
            return self._too_late() if limit.expired() else _failure(error)

    def _taken(self, outcome: ApiKey | ConfigurationError) -> ApiKey:
        if isinstance(outcome, ConfigurationError):
            return self._kept(outcome)
        return self._took(outcome)

    def _too_late(self) -> ConfigurationError:
        self._rest_until = self._monotonic() + _REST.total_seconds()
        return ConfigurationError(
            f"The function that gives the API key gave none within {self._timeout:g} s."
        )


class ShortTermKeys(KeySource):
    """Short-term keys, minted from AWS credentials with AWS's own generator as they are needed.

    One key serves all calls until `renew_before` its end; then one new one is minted, whatever the
    number of threads and tasks that ask. A key that AWS answers with "expired", because the session
    that signed it has ended, is renewed and tried once. While none can be minted, the last key
    stays in use until it expires. Needs `pip install 'bedrock-bearer[aws]'`.

    Args:
        region: the Region that the keys are for. Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, then
            the session's.
        session: a `boto3.Session`, or botocore's, that gives the credentials. Default: one made
            once from the default chain.
        lifetime: how long a key lives, 12 hours at most and by default. It ends earlier where the
            session of the credentials does.
        renew_before: how long before its end a key is replaced, so that no call begins with one
            that is about to end. Default 15 minutes; half the lifetime if that is less.
        timeout: seconds that getting the credentials may take. Default 10.
        clock: tells the time, in UTC.

    Raises:
        ConfigurationError: the lifetime is not between a second and 12 hours, or the generator is
            not installed.

    See https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-generate.html.
    """

    def __init__(
        self,
        region: str | None = None,
        *,
        session: Any = None,
        lifetime: timedelta = LONGEST_LIFETIME,
        renew_before: timedelta = timedelta(minutes=15),
        timeout: float = DEFAULT_TIMEOUT,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        from importlib.util import find_spec

        from bedrock_bearer.keys.shared_run import SharedRun

        if not timedelta(seconds=1) <= lifetime <= LONGEST_LIFETIME:
            raise ConfigurationError("lifetime= takes between one second and 12 hours.")
        if find_spec("aws_bedrock_token_generator") is None:
            raise ConfigurationError(
                "ShortTermKeys needs AWS's generator of keys: pip install 'bedrock-bearer[aws]'."
            )
        self._region = region or region_of_environment()
        self._session = self._given_session = session
        self._lifetime = lifetime
        self._renew_before = min(renew_before, lifetime / 2)
        self._timeout = timeout
        self._clock = clock
        self._credentials: Any = None
        self._key: ApiKey | None = None
        self._renew_at = _LONG_AGO
        self._ends_at = _LONG_AGO
        self._rest_until = _LONG_AGO
        self._run = SharedRun(self._mint_if_due, timeout, self._too_late)

    def describe(self) -> KeyDescription | None:
        """Return what is known before a key is minted: its type and, where set, its Region."""
        return KeyDescription(TokenType.SHORT_TERM, "", _MINTED, region=self._region)

    def get_key(self) -> ApiKey:
        key = self._fresh()
        if key is not None:
            return key
        return self._taken(self._run.result())

    async def get_key_async(self) -> ApiKey:
        key = self._fresh()
        if key is not None:
            return key
        return self._taken(await self._run.result_async())

    def refused(self, key: ApiKey, error: BedrockError, *, asked_again: bool = False) -> bool:
        """Return whether to ask again: for a key that has expired, which is then renewed."""
        if not isinstance(error, ApiKeyExpiredError):
            return False
        if self._key is key:
            self._key = self._credentials = None
        return True

    def _fresh(self) -> ApiKey | None:
        """Return the key, unless it is due to be renewed."""
        key, now = self._key, self._clock()
        if key is None or now >= self._ends_at:
            return None
        if now < self._rest_until:
            return key
        return None if now >= self._renew_at or self._session_ends_soon() else key

    def _session_ends_soon(self) -> bool:
        # Only credentials that can be renewed know when they end.
        refresh_needed = getattr(self._credentials, "refresh_needed", None)
        return refresh_needed is not None and refresh_needed(refresh_in=_SESSION_MARGIN_SECONDS)

    def _mint_if_due(self) -> ApiKey | ConfigurationError:
        """Mint a key, unless that was done meanwhile; return it, or what went wrong."""
        key = self._fresh()
        if key is not None:
            return key
        try:
            key = self._mint()
        except ConfigurationError as error:
            self._rest()
            return error.with_traceback(None)
        except Exception as error:  # noqa: BLE001 - whatever a provider of credentials raises
            self._rest()
            return _minting_failed(error)
        self._ends_at = self._clock() + self._lifetime
        self._renew_at = self._ends_at - self._renew_before
        self._rest()
        self._key = key
        return key

    def _mint(self) -> ApiKey:
        # The package has no type hints.
        generator = import_module("aws_bedrock_token_generator")
        frozen = _Loaded(self._frozen_credentials())
        return ApiKey.parse(
            generator.provide_token(self._region_to_sign_for(), frozen, self._lifetime),
            source=_MINTED,
        )

    def _frozen_credentials(self) -> Any:
        if self._credentials is None:
            if self._given_session is None:
                from botocore.session import Session

                # A new session: one that is kept never looks again for credentials of a file.
                self._session = Session()
            self._credentials = self._session.get_credentials()
        if self._credentials is None:
            raise MissingApiKeyError(
                "No API key: a short-term key is signed with AWS credentials, and none were found. "
                "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
            )
        return self._credentials.get_frozen_credentials()

    def _region_to_sign_for(self) -> str:
        region = self._region or _region_of_session(self._session)
        if not region:
            raise RegionError(
                "No AWS Region to mint a short-term key for: pass region= to ShortTermKeys, or set "
                "AWS_REGION."
            )
        return region

    def _rest(self) -> None:
        """Let a key that is still valid serve for a while before the next attempt at a new one."""
        self._rest_until = self._clock() + _REST

    def _taken(self, outcome: ApiKey | ConfigurationError) -> ApiKey:
        if isinstance(outcome, ApiKey):
            return outcome
        key = self._key
        if key is None or self._clock() >= self._ends_at:
            raise copy(outcome)
        logger.warning("No newer key; %s stays in use. %s", key.description, outcome)
        return key

    def _too_late(self) -> ConfigurationError:
        self._rest()
        return ConfigurationError(
            f"No API key could be minted: the AWS credentials did not come within "
            f"{self._timeout:g} s."
        )


class _Loaded:
    """Credentials in the form that AWS's generator takes them."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    def load(self) -> Any:
        return self._credentials


def _minting_failed(error: Exception) -> ConfigurationError:
    # botocore's own texts help; another's may hold a secret.
    is_of_botocore = type(error).__module__.startswith("botocore.")
    text = f": {error}" if is_of_botocore else "; its text is not shown, as it may hold a secret."
    return ConfigurationError(
        f"No API key could be minted: getting the AWS credentials raised "
        f"{type(error).__name__}{text}"
    )


def _region_of_session(session: Any) -> str | None:
    """Return the Region of a boto3.Session, or of botocore's."""
    is_of_boto3 = hasattr(session, "region_name")
    region = session.region_name if is_of_boto3 else session.get_config_variable("region")
    return cast("str | None", region)


def _is_coroutine_function(function: object) -> bool:
    import inspect

    call = getattr(function, "__call__", None)  # noqa: B004 - whether it can be called is known
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)


def _failure(error: Exception) -> ConfigurationError:
    return ConfigurationError(
        f"The function that gives the API key raised {type(error).__name__}; its text is not "
        "shown, as it may hold the key."
    )


def _key_of(given: object) -> ApiKey | ConfigurationError:
    if isinstance(given, ApiKey):
        return given
    if isinstance(given, Coroutine):
        given.close()
        return ConfigurationError(
            "The function that gives the API key returned a coroutine: pass the coroutine "
            "function itself, and use an AsyncBedrockClient."
        )
    return _parsed(cast("str", given), "the function that gives it")


def _parsed(text: str, source: str) -> ApiKey | InvalidApiKeyError:
    try:
        return ApiKey.parse(text, source=source)
    except InvalidApiKeyError as error:
        # Its traceback leads to this frame, which holds the text.
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
    outcome = _parsed(cast("str", api_key), "api_key argument")
    return FixedKey(outcome) if isinstance(outcome, ApiKey) else outcome


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


def _read_file(path: str, last: ApiKey | None = None) -> ApiKey:
    text = _file_text(path)
    if last is not None and last.is_text(text):
        return last
    outcome = _parsed(text, f"file {path}")
    # The text must not stay in this frame: a traceback may show its locals.
    del text
    if isinstance(outcome, ApiKey):
        return outcome
    raise outcome


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
