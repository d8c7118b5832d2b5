"""Errors of other SDKs, as the errors that our own client would have raised."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bedrock_bearer.access.denial import Denial
from bedrock_bearer.adapters.note import KEY_EXTENSION, KEY_METADATA, KeyNote
from bedrock_bearer.errors import APIError, BedrockError, ConfigurationError
from bedrock_bearer.facts import STATUS_OF_CODE
from bedrock_bearer.keys.api_key import ApiKey
from bedrock_bearer.keys.description import KeyDescription
from bedrock_bearer.wire.classify import error_from_event, error_from_response
from bedrock_bearer.wire.endpoint import region_of_aws_host
from bedrock_bearer.wire.scrub import REPLACEMENT

_LONGEST_TEXT = 100_000
_MOST_LINKS = 50

_LIBRARIES = frozenset(
    {
        "aiobotocore",
        "anthropic",
        "botocore",
        "httpx",
        "httpx2",
        "langchain_aws",
        "langchain_core",
        "litellm",
        "openai",
        "pydantic_ai",
        "strands",
    }
)
"""The packages whose `__context__` belongs to the error; elsewhere it may be another story."""

_OPERATIONS = frozenset(
    {
        "ApplyGuardrail",
        "Converse",
        "ConverseStream",
        "CountTokens",
        "GetAsyncInvoke",
        "GetFoundationModel",
        "GetInferenceProfile",
        "InvokeGuardrailChecks",
        "InvokeModel",
        "InvokeModelWithBidirectionalStream",
        "InvokeModelWithResponseStream",
        "ListAsyncInvokes",
        "ListFoundationModels",
        "ListInferenceProfiles",
        "StartAsyncInvoke",
    }
)
"""Operations of Bedrock, whose names no other service of AWS has."""

_ROUTES = re.compile(r"/(?:model/[^/]+/(?:converse|invoke)|openai/v1/|anthropic/v1/|async-invoke)")

_CODE_OF_SENTENCE = (
    ("too many requests, please wait", "ThrottlingException"),
    ("too many tokens, please wait", "ThrottlingException"),
    ("model is not ready for inference", "ModelNotReadyException"),
    ("model has timed out in processing", "ModelTimeoutException"),
    ("unexpected error during processing", "InternalServerException"),
    ("bedrock is unable to process your request", "ServiceUnavailableException"),
    ("input is too long for requested model", "ValidationException"),
    ("provided model identifier is invalid", "ValidationException"),
    ("model returned the following errors", "ValidationException"),
)
"""Sentences that Bedrock alone says, and the error that it says them with."""

# Every repetition below has an upper bound: the time stays linear whatever the text is.
_BOTOCORE_LINE = re.compile(
    r"An error occurred \((\w{1,100})\) when calling the (\w{1,100}) operation"
    r"(?: \(reached max retries: \d{1,9}\))?: "
)
_LITELLM_LINE = re.compile(r"BedrockException - (\w{1,100}Exception) \{")
"""How litellm words an exception inside a stream."""
_MESSAGE_IN_DICT = re.compile(r"""['"][Mm]essage['"]: (['"])(.{1,4000}?)\1[,}]""")
_STATUS = re.compile(
    r"(?:Error code:|status[_ ]code[=:]|HTTP/[12](?:\.\d)?|HTTP) {0,3}([45]\d\d)\b"
)
_KEY_IN_TEXT = re.compile(r"(?:bedrock-api-key-|ABSK)[A-Za-z0-9+/=%_-]{16,}")
_REQUEST_ID = re.compile(
    r"request[ _-]?id[\"']?\s{0,3}[:=]?\s{0,3}[\"']?"
    r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})",
    re.IGNORECASE,
)


def translate_error(
    error_or_text: BaseException | str, *, key: ApiKey | KeyDescription | None = None
) -> BedrockError | None:
    """Return the error that our own client would have raised, or None if it is not Bedrock's.

    It takes errors of boto3, aiobotocore, openai, anthropic, litellm, langchain-aws, strands,
    pydantic-ai, httpx and httpx2, whatever was raised from one of these, and plain text such as a
    log line. None of these libraries is imported. Raise the result `from None`: their errors may
    hold the request, and the key in it.

    Args:
        error_or_text: the error, or the text of one.
        key: the key that was used; its type decides between the token-type errors. Errors of
            clients with a `BearerAuth` or a `boto3_session` know it themselves.

    Raises:
        ConfigurationError: `key` is neither.
        TypeError: `error_or_text` is neither an error nor a text.

    Returns:
        The error, with what `error_or_text` tells. The `status_code` of an error that was read
        from text is 0 if the text does not give it.
    """
    if not isinstance(key, ApiKey | KeyDescription | None):
        # A traceback that shows this frame's locals must not show the key.
        del key
        raise ConfigurationError("key= takes an ApiKey or a KeyDescription.")
    note = None if key is None else KeyNote.of(key)
    if isinstance(error_or_text, str):
        return _from_text(error_or_text, note)
    if not isinstance(error_or_text, BaseException | None):
        # Its repr may hold a key.
        kind = type(error_or_text).__name__
        raise TypeError(f"translate_error takes an error or a text, not an object of type {kind}.")
    errors = list(_chain(error_or_text))
    answers = [answer for error in errors if (answer := _from_error(error, note))]
    if not answers:
        texts = (_from_text(str(error), note) for error in errors)
        return next((answer for answer in texts if answer is not None), None)
    # The error nearest to the wire tells most: wrappers make up a response of their own.
    return max(reversed(answers), key=lambda each: (bool(each.key), bool(each.request_id)))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, and the errors that caused it."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting and len(seen) < _MOST_LINKS:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting.append(each.__cause__)
        waiting += getattr(each, "exceptions", ())
        if _is_of_library(each):
            waiting.append(each.__context__)


def _is_of_library(error: BaseException) -> bool:
    return any(each.__module__.partition(".")[0] in _LIBRARIES for each in type(error).__mro__)


def _from_error(error: BaseException, note: KeyNote | None) -> BedrockError | None:
    if isinstance(error, BedrockError):
        return error
    names = {each.__name__ for each in type(error).__mro__}
    response = getattr(error, "response", None)
    if "EventStreamError" in names and isinstance(response, dict):
        return _from_stream_error(response, note)
    if "ClientError" in names and isinstance(response, dict):
        return _from_client_error(response, getattr(error, "operation_name", ""), note)
    if isinstance(getattr(response, "status_code", None), int):
        return _from_http_response(error, response, note)
    return None


# ------------------------------------------------------------------------------- botocore


def _from_client_error(
    response: dict[str, Any], operation: object, note: KeyNote | None
) -> BedrockError | None:
    error, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
    note = _note(metadata.get(KEY_METADATA)) or note
    message = _without_keys(str(error.get("Message", "")), note)
    if operation not in _OPERATIONS and not _is_denial_of_bedrock(message):
        return None
    code = str(error.get("Code") or "")
    return _built(
        metadata.get("HTTPStatusCode", 0),
        # botocore puts the status where AWS gives no code.
        None if code.isdigit() else code,
        message,
        note,
        request_id=metadata.get("RequestId"),
        headers=metadata.get("HTTPHeaders", {}),
    )


def _from_stream_error(response: dict[str, Any], note: KeyNote | None) -> BedrockError:
    error = response.get("Error", {})
    message = _without_keys(str(error.get("Message", "")), note)
    code = str(error.get("Code") or "UnknownError")
    return error_from_event(code, _document(message), _description(note), None)


# ----------------------------------------------------------------------------------- httpx


def _from_http_response(
    error: BaseException, response: Any, note: KeyNote | None
) -> BedrockError | None:
    """Read the response that openai, anthropic, litellm and httpx keep in their errors."""
    note = _note(getattr(response, "extensions", {}).get(KEY_EXTENSION)) or note
    body = _without_keys(_body_of(error, response).decode("utf-8", "replace"), note).encode()
    answer = error_from_response(response.status_code, response.headers, body, _description(note))
    is_of_bedrock = _is_of_bedrock(response) or _code_of_sentence(answer.message) is not None
    if not is_of_bedrock and not _is_telling(answer.message):
        return None
    if response.status_code >= 400:
        return answer
    # anthropic raises an error inside a stream with the status of the stream.
    code = _code_of_sentence(answer.message) or answer.code or "UnknownError"
    document = _document(answer.message)
    return error_from_event(code, document, _description(note), answer.request_id)


def _body_of(error: BaseException, response: Any) -> bytes:
    try:
        content = response.content
    except RuntimeError:
        # ResponseNotRead, of either family: a stream that nobody read.
        content = b""
    if isinstance(content, bytes) and content:
        return content
    parsed = getattr(error, "body", None)
    if isinstance(parsed, (dict, list)):
        return json.dumps(parsed, default=str).encode()
    return str(parsed or getattr(error, "message", "")).encode()


def _is_of_bedrock(response: Any) -> bool:
    try:
        url = response.request.url
    except (AttributeError, RuntimeError):
        return False
    if region_of_aws_host(getattr(url, "host", "")) is not None:
        return True
    return "x-amzn-requestid" in response.headers and _ROUTES.search(str(url)) is not None


# ------------------------------------------------------------------------------------ text


def _from_text(text: str, note: KeyNote | None) -> BedrockError | None:
    text = _without_keys(text[:_LONGEST_TEXT], note)
    line = _BOTOCORE_LINE.search(text)
    if line is None:
        message, code = _message_in(text)
        named = _LITELLM_LINE.search(text)
        code = (named[1] if named else None) or _code_of_sentence(message) or code
        is_of_bedrock = bool(named or _code_of_sentence(message)) or _is_telling(message)
    else:
        message, code = text[line.end() :].strip(), line[1]
        is_of_bedrock = line[2] in _OPERATIONS or _is_denial_of_bedrock(message)
    if not is_of_bedrock:
        return None
    status, request_id = _STATUS.search(text), _REQUEST_ID.search(text)
    return _built(
        int(status[1]) if status else STATUS_OF_CODE.get(code or "", 0),
        code,
        message,
        note,
        request_id=request_id[1] if request_id else None,
    )


def _message_in(text: str) -> tuple[str, str | None]:
    """Return the message and the code of a JSON document, or of a dict as Python prints it."""
    document = text[text.find("{") : text.rfind("}") + 1]
    try:
        value = json.loads(document)
    except (ValueError, RecursionError):
        found = _MESSAGE_IN_DICT.search(document)
        return (found[2] if found else text.strip()), None
    if not isinstance(value, dict):
        return text.strip(), None
    answer = error_from_response(0, {}, document.encode(), None)
    return answer.message, answer.code


def _code_of_sentence(message: str) -> str | None:
    lower = message.lower()
    return next((code for sentence, code in _CODE_OF_SENTENCE if sentence in lower), None)


def _is_telling(message: str) -> bool:
    """Return whether a message says by itself that it is Bedrock's."""
    known = error_from_response(0, {}, _document(message), None)
    if getattr(known, "denial", None) is not None:
        return _is_denial_of_bedrock(message)
    # AWS's other services say the same of a security token.
    return type(known) is not APIError and "security token" not in message.lower()


def _is_denial_of_bedrock(message: str) -> bool:
    denial = Denial.parse(message)
    return denial is not None and denial.action.lower().startswith(("bedrock:", "bedrock-mantle:"))


def _without_keys(text: str, note: KeyNote | None) -> str:
    return _KEY_IN_TEXT.sub(REPLACEMENT, note.clean(text) if note else text)


def _note(found: object) -> KeyNote | None:
    return found if isinstance(found, KeyNote) else None


def _description(note: KeyNote | None) -> KeyDescription | None:
    return note.description if note else None


def _document(message: str) -> bytes:
    return json.dumps({"message": message}).encode()


def _built(
    status: int,
    code: str | None,
    message: str,
    note: KeyNote | None,
    *,
    request_id: str | None,
    headers: Mapping[str, str] | None = None,
) -> BedrockError:
    known = {"x-amzn-requestid": request_id, "x-amzn-errortype": code}
    given = {**(headers or {}), **{name: value for name, value in known.items() if value}}
    error = error_from_response(status, given, _document(message), _description(note))
    # The body that AWS sent is not known.
    error.body = ""
    return error
