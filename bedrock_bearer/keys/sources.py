"""Reads keys from where they are kept: a variable, a file, standard input."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from bedrock_bearer.errors import ConfigurationError, InvalidApiKeyError, MissingApiKeyError
from bedrock_bearer.keys.api_key import LONG_TERM_PREFIX, LONGEST_KEY, SHORT_TERM_PREFIX, ApiKey

if TYPE_CHECKING:
    from typing import TextIO

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
