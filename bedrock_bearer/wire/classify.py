"""From what AWS answered to one class of the exception tree.

The order: the sentences about the key, IAM's denial sentence, the sentences about model access,
then the error's name, then the status. See
https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from bedrock_bearer import errors
from bedrock_bearer.access.denial import Denial
from bedrock_bearer.access.governing import GoverningPolicy
from bedrock_bearer.keys.description import KeyDescription, TokenType, utc_now

MAX_BODY_CHARACTERS = 4096
"""How much of a body an error keeps."""

_LONGEST_CODE = 200
_LONGEST_TARGET = 200
_MOST_ERRORS = 5

RETRYABLE_STATUSES = frozenset({500, 502, 503, 504})

_KEY_SENTENCES: tuple[tuple[str, type[errors.APIError]], ...] = (
    ("authorization header is missing", errors.AuthorizationHeaderMissingError),
    ("missing authentication token", errors.AuthorizationHeaderMissingError),
    ("bearer token has expired", errors.ApiKeyExpiredError),
    ("security token included in the request is expired", errors.ApiKeyExpiredError),
    ("invalid api key format", errors.ApiKeyRejectedError),
    ("make sure your api key is valid", errors.ApiKeyRejectedError),
    ("invalid bearer token", errors.ApiKeyRejectedError),
    ("security token included in the request is invalid", errors.ApiKeyRejectedError),
)

_MODEL_ACCESS_SENTENCES = (
    "don't have access to the model",
    "model access is denied",
    "is not available for this account",
    "aws-marketplace:",
    "invalid_payment_instrument",
    "account is currently being verified",
    "use case details have not been submitted",
    "not filled out the request form",
    "marked by provider as legacy",
    "end of its life",
    "not allowed from unsupported countries",
    "account is not authorized to invoke this api operation",
)

_TOO_LONG_SENTENCES = (
    "input is too long",
    "prompt is too long",
    "exceed context limit",
    "exceeds the context window",
    "maximum context length",
    "too many input tokens",
    "input tokens exceeded",
    "input tokens exceeds",
    "too many total text bytes",
)

_CLASSES_BY_CODE: dict[str, type[errors.APIError]] = {
    "accessdenied": errors.AccessDeniedError,
    "badcscore": errors.ModelAccessError,
    "ftuformnotfilled": errors.ModelAccessError,
    "expiredtoken": errors.ApiKeyExpiredError,
    "unrecognizedclient": errors.ApiKeyRejectedError,
    "invalidclienttokenid": errors.ApiKeyRejectedError,
    "invalidsignature": errors.ApiKeyRejectedError,
    "incompletesignature": errors.ApiKeyRejectedError,
    "signaturedoesnotmatch": errors.ApiKeyRejectedError,
    "invalid_api_key": errors.ApiKeyRejectedError,
    "missingauthenticationtoken": errors.AuthorizationHeaderMissingError,
    "validation": errors.InvalidRequestError,
    "serialization": errors.InvalidRequestError,
    "conflict": errors.InvalidRequestError,
    "resourcenotfound": errors.ResourceNotFoundError,
    "unknownoperation": errors.ResourceNotFoundError,
    "throttling": errors.ThrottlingError,
    "throttled": errors.ThrottlingError,
    "throttledrequest": errors.ThrottlingError,
    "requestthrottled": errors.ThrottlingError,
    "toomanyrequests": errors.ThrottlingError,
    "requestlimitexceeded": errors.ThrottlingError,
    "bandwidthlimitexceeded": errors.ThrottlingError,
    "slowdown": errors.ThrottlingError,
    "servicequotaexceeded": errors.ServiceQuotaError,
    "modelnotready": errors.ModelNotReadyError,
    "modeltimeout": errors.ModelTimeoutError,
    "model": errors.ModelError,
    "modelstream": errors.ModelError,
    "internalserver": errors.InternalServerError,
    "internalfailure": errors.InternalServerError,
    "serviceunavailable": errors.ServiceUnavailableError,
}

_CLASSES_BY_STATUS: dict[int, type[errors.APIError]] = {
    401: errors.AuthenticationError,
    403: errors.AccessDeniedError,
    404: errors.ResourceNotFoundError,
    408: errors.ModelTimeoutError,
    424: errors.ModelError,
    429: errors.ThrottlingError,
    502: errors.ServiceUnavailableError,
    503: errors.ServiceUnavailableError,
    504: errors.ServiceUnavailableError,
}

_CODE_IN_XML = re.compile(r"<Code>([^<]{1,200})</Code>|^\s*<(\w{1,200}Exception)\s*/?>")
_MESSAGE_IN_XML = re.compile(r"<Message>([^<]{1,4000})</Message>", re.IGNORECASE)


def error_from_response(
    status: int, headers: Mapping[str, str], body: bytes, key: KeyDescription | None
) -> errors.APIError:
    """Return the error that an HTTP answer stands for.

    Args:
        status: the HTTP status.
        headers: the answer's headers, looked up in any case.
        body: the answer's body.
        key: the key that was used; its type decides between the token-type exceptions.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    text = body.decode("utf-8", "replace")
    document = _json_object(text)
    return _build(
        status=status,
        code=_code(lower.get("x-amzn-errortype"), document, text),
        message=_redirect(status, lower) or _message(document, text) or _nothing_said(status),
        body=text,
        key=key,
        request_id=lower.get("x-amzn-requestid"),
        retry_after=retry_after_seconds(lower),
    )


def error_from_event(
    exception_type: str, payload: bytes, key: KeyDescription | None, request_id: str | None
) -> errors.APIError:
    """Return the error that an exception event inside a stream stands for.

    Args:
        exception_type: the event's `:exception-type` (or `:error-code`) header.
        payload: the event's payload.
        key: the key that was used.
        request_id: AWS's id of the request.
    """
    text = payload.decode("utf-8", "replace")
    error = _build(
        status=200,
        code=exception_type[:1].upper() + exception_type[1:],
        message=_message(_json_object(text), text) or exception_type,
        body=text,
        key=key,
        request_id=request_id,
        retry_after=None,
    )
    error.during_stream = True
    return error


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Return the wait that the service asked for, from lower-case headers; None if none or bad.

    `x-amz-retry-after` is in milliseconds, HTTP's own `Retry-After` in seconds.
    """
    for name, per_second in (("x-amz-retry-after", 1000), ("retry-after", 1)):
        value = headers.get(name, "").strip()
        if value.isascii() and value.isdigit() and len(value) <= 9:
            return int(value) / per_second
    return None


def _build(
    *,
    status: int,
    code: str | None,
    message: str,
    body: str,
    key: KeyDescription | None,
    request_id: str | None,
    retry_after: float | None,
) -> errors.APIError:
    details: dict[str, Any] = {
        "status_code": status,
        "code": code,
        "body": body[:MAX_BODY_CHARACTERS],
        "request_id": request_id,
        "retry_after": retry_after,
        "key": key,
    }
    sentence = _by_key_sentence(message)
    if sentence is not None:
        message += _expired(key)
        return sentence(message, **details)
    denial = Denial.parse(message)
    if denial is not None:
        return _denied(denial, message, key, details)
    error_class = _by_sentence(message) or _by_code(code) or _by_status(status)
    if error_class is errors.InvalidRequestError and _is_too_long(message):
        error_class = errors.InputTooLongError
    error = error_class(message, **details)
    if not _may_retry(error_class, code, status):
        error.retryable = False
    return error


def _expired(key: KeyDescription | None) -> str:
    """Say that a key has expired, which AWS's sentence about a key that is not valid does not."""
    if key is None or key.expires_at is None or key.expires_at > utc_now():
        return ""
    return f" The key itself says that it expired at {key.expires_at:%Y-%m-%d %H:%M:%S} UTC."


def _may_retry(error_class: type[errors.APIError], code: str | None, status: int) -> bool:
    if error_class not in (errors.InternalServerError, errors.ServiceUnavailableError):
        return True
    return _by_code(code) is error_class or status in RETRYABLE_STATUSES


def _denied(
    denial: Denial, message: str, key: KeyDescription | None, details: dict[str, Any]
) -> errors.AccessDeniedError:
    governing = GoverningPolicy.from_denial(denial, key)
    if governing is None:
        return errors.OperationDeniedError(message, denial=denial, **details)
    error_class = errors.BearerTokenDeniedError
    if denial.effect == "implicit":
        error_class = errors.BearerTokenNotAllowedError
    elif denial.effect == "explicit" and governing.token_type is not None:
        error_class = {
            TokenType.SHORT_TERM: errors.ShortTermKeyDeniedError,
            TokenType.LONG_TERM: errors.LongTermKeyDeniedError,
        }[governing.token_type]
    return error_class(message, denial=denial, governing_policy=governing, **details)


def _by_key_sentence(message: str) -> type[errors.APIError] | None:
    lower = message.lower()
    return next((found for part, found in _KEY_SENTENCES if part in lower), None)


def _by_sentence(message: str) -> type[errors.APIError] | None:
    lower = message.lower().replace("\u2019", "'")
    if "too many tokens per day" in lower:
        return errors.DailyQuotaError
    if "too many connections" in lower:
        return errors.ThrottlingError
    if lower.strip(" .") == "operation not allowed":
        return errors.ModelAccessError
    if any(part in lower for part in _MODEL_ACCESS_SENTENCES):
        return errors.ModelAccessError
    return None


def _is_too_long(message: str) -> bool:
    lower = message.lower().replace("`", "")
    return any(part in lower for part in _TOO_LONG_SENTENCES)


def _by_code(code: str | None) -> type[errors.APIError] | None:
    if code is None:
        return None
    stem = code.lower()
    for suffix in ("exception", "error", "fault"):
        stem = stem.removesuffix(suffix)
    return _CLASSES_BY_CODE.get(stem) or _CLASSES_BY_CODE.get(code.lower())


def _by_status(status: int) -> type[errors.APIError]:
    if status in _CLASSES_BY_STATUS:
        return _CLASSES_BY_STATUS[status]
    if status >= 500:
        return errors.InternalServerError
    return errors.InvalidRequestError if status >= 400 else errors.APIError


def _code(header: str | None, document: dict[str, Any] | None, text: str) -> str | None:
    """Return the error's bare name: `Name`, out of `Name:http://...`, `ns#Name` or an envelope."""
    candidates = [header]
    if document is not None:
        envelope = document.get("error")
        if isinstance(envelope, dict):
            candidates += [envelope.get("code"), envelope.get("type")]
        candidates += [document.get("__type"), document.get("code"), document.get("Code")]
    else:
        found = _CODE_IN_XML.search(text[:MAX_BODY_CHARACTERS])
        candidates += [found.group(1) or found.group(2)] if found else []
    for candidate in candidates:
        if isinstance(candidate, str) and candidate.strip():
            name = candidate.split(":", 1)[0].rsplit("#", 1)[-1].strip()[:_LONGEST_CODE]
            return name.encode("utf-8", "replace").decode()
    return None


def _message(document: dict[str, Any] | None, text: str) -> str:
    if document is None:
        found = _MESSAGE_IN_XML.search(text[:MAX_BODY_CHARACTERS])
        return found.group(1) if found else _plain(text)
    envelope = document.get("error")
    candidates = [document.get(name) for name in ("Message", "message", "errorMessage")]
    if isinstance(envelope, dict):
        candidates.append(envelope.get("message"))
    # What gateways write: FastAPI's `detail`, RFC 9457's `detail` and `title`, a list of `errors`.
    candidates += [envelope, document.get("detail"), document.get("title"), document.get("errors")]
    return next((text for value in candidates if (text := _text(value))), "")


def _text(value: object) -> str:
    """Return what a value of an error's JSON says, at most so much of it."""
    if isinstance(value, list):
        return "; ".join(filter(None, map(_text, value[:_MOST_ERRORS])))[:MAX_BODY_CHARACTERS]
    if isinstance(value, dict):
        names = ("message", "detail", "msg", "title", "reason")
        value = next((value[name] for name in names if isinstance(value.get(name), str)), "")
    if not isinstance(value, str):
        return ""
    # Half of a surrogate pair, which JSON can hold, could not be printed.
    return value[:MAX_BODY_CHARACTERS].encode("utf-8", "replace").decode()


def _nothing_said(status: int) -> str:
    return f"HTTP status {status} without an explanation"


def _redirect(status: int, headers: Mapping[str, str]) -> str:
    if not 300 <= status < 400:
        return ""
    # A query may hold anything.
    target = headers.get("location", "").partition("?")[0][:_LONGEST_TARGET]
    where = f" to {target}" if target.isprintable() and target else ""
    return (
        f"The endpoint answers with a redirect{where} (HTTP status {status}), which is not "
        "followed: the key goes to the endpoint alone. Set endpoint_url= to where calls belong."
    )


def _plain(text: str) -> str:
    """Return a bare sentence as it is, and of a page of HTML its words."""
    words = re.sub(r"<[^<>]{0,500}>", " ", text[:MAX_BODY_CHARACTERS])
    return " ".join(words.split())


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
