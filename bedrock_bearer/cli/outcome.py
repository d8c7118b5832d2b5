"""Ends a command: an exit code, and a message on stderr or one JSON document on stdout."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from bedrock_bearer import errors

if TYPE_CHECKING:
    from bedrock_bearer.keys.description import KeyDescription

OK, UNEXPECTED, USAGE, CONFIGURATION, REFUSED, LATER, REJECTED, NETWORK = range(8)
UNDECIDED, INTERRUPTED = 8, 130

_EXIT_CODES: tuple[tuple[type[errors.BedrockError], int], ...] = (
    (errors.ConfigurationError, CONFIGURATION),
    (errors.TransportError, NETWORK),
    (errors.AuthenticationError, REFUSED),
    (errors.OperationDeniedError, REFUSED),
    (errors.BearerTokenDeniedError, REFUSED),
    (errors.KeyCreationDeniedError, REFUSED),
    (errors.KeyLifecycleError, REJECTED),
    (errors.AccessDeniedError, REJECTED),
    (errors.ThrottlingError, LATER),
    (errors.ModelNotReadyError, LATER),
    (errors.ModelTimeoutError, LATER),
    (errors.InternalServerError, LATER),
    (errors.ServiceUnavailableError, LATER),
    (errors.StreamError, NETWORK),
    (errors.ResponseDecodeError, NETWORK),
    (errors.APIError, REJECTED),
)


def exit_code(error: errors.BedrockError) -> int:
    """Return the exit code for `error`."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), UNEXPECTED)


def fail(error: errors.BedrockError, *, as_json: bool) -> NoReturn:
    """Print what went wrong, on stderr or as one JSON document on stdout, and exit."""
    code = exit_code(error)
    if as_json:
        print_json({"ok": False, "error": error_document(error), "exit_code": code})
    else:
        click.echo(f"{type(error).__name__}: {error}", err=True)
        governing = getattr(error, "governing_policy", None)
        if governing is not None:
            click.echo(governing.explain(), err=True)
        if error.key is not None:
            click.echo(f"The key was {error.key}.", err=True)
    sys.exit(code)


def print_failure(kind: str, message: str, code: int, *, as_json: bool) -> None:
    """Print what went wrong where there is no error of this library."""
    if not as_json:
        click.echo(message, err=True)
        return
    unknown = dict.fromkeys(("status_code", "code", "request_id", "key"))
    error = {"type": kind, "message": message, "retryable": False, **unknown}
    # In one line: an interrupt also ends a watch, which prints a document a line.
    click.echo(json.dumps({"ok": False, "error": error, "exit_code": code}))


def error_document(error: errors.BedrockError) -> dict[str, Any]:
    """Return an error as JSON."""
    document: dict[str, Any] = {
        "type": type(error).__name__,
        "message": error.message,
        "status_code": getattr(error, "status_code", None),
        "code": getattr(error, "code", None),
        "request_id": error.request_id,
        "retryable": error.retryable,
        "key": key_document(error.key),
    }
    if isinstance(error, errors.KeyCreationDeniedError):
        for name in ("condition_key", "condition_value", "orphaned_user"):
            document[name] = getattr(error, name)
    governing = getattr(error, "governing_policy", None)
    if governing is not None:
        document["governing_policy"] = {
            name: getattr(governing, name)
            for name in (
                "action",
                "token_type",
                "condition_key",
                "condition_value",
                "effect",
                "policy_type",
                "policy_arn",
                "principal_arn",
                "account_id",
                "certainty",
            )
        }
        document["explanation"] = governing.explain()
    return document


def key_document(key: KeyDescription | None) -> dict[str, Any] | None:
    """Return what may be shown of a key, as JSON."""
    if key is None:
        return None
    return {
        "token_type": key.token_type,
        "fingerprint": key.fingerprint or None,
        "last_four": key.last_four,
        "source": key.source,
        "issued_at": key.issued_at.isoformat() if key.issued_at else None,
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "region": key.region,
        "account_id": key.account_id,
        "user_name": key.user_name,
        "access_key_id": key.access_key_id,
    }


def print_json(document: object) -> None:
    """Print one JSON document on stdout."""
    click.echo(json.dumps(document, indent=2, default=str))


def span(seconds: float) -> str:
    """Return a length of time in words."""
    minutes = int(seconds) // 60
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} days"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
