"""Every known error body lands in the right class."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.shared import SHARED, needs_shared

from bedrock_bearer import errors
from bedrock_bearer.keys import KeyDescription, TokenType
from bedrock_bearer.wire.classify import error_from_event, error_from_response

SHORT = KeyDescription(TokenType.SHORT_TERM, "abcd", "env AWS_BEARER_TOKEN_BEDROCK")
LONG = KeyDescription(TokenType.LONG_TERM, "wxyz", "env AWS_BEARER_TOKEN_BEDROCK")

KINDS: dict[str, type[errors.APIError]] = {
    "missing_auth_header": errors.AuthorizationHeaderMissingError,
    "malformed_key": errors.ApiKeyRejectedError,
    "invalid_key": errors.ApiKeyRejectedError,
    "invalid_credentials": errors.ApiKeyRejectedError,
    "expired": errors.ApiKeyExpiredError,
    "expired_credentials": errors.ApiKeyExpiredError,
    "access_denied": errors.AccessDeniedError,
    "model_access_denied": errors.ModelAccessError,
    "marketplace_denied": errors.ModelAccessError,
    "use_case_form_missing": errors.ModelAccessError,
    "payment_instrument": errors.ModelAccessError,
    "account_not_ready": errors.ModelAccessError,
    "account_not_eligible": errors.ModelAccessError,
    "geo_blocked": errors.ModelAccessError,
    "model_legacy": errors.ModelAccessError,
    "model_eol": errors.ModelAccessError,
    "model_not_found": errors.ResourceNotFoundError,
    "unknown_operation": errors.ResourceNotFoundError,
    "invalid_model_id": errors.InvalidRequestError,
    "needs_inference_profile": errors.InvalidRequestError,
    "validation": errors.InvalidRequestError,
    "context_overflow": errors.InvalidRequestError,
    "unsupported_feature": errors.InvalidRequestError,
    "payload_too_large": errors.InvalidRequestError,
    "throttled": errors.ThrottlingError,
    "daily_quota": errors.DailyQuotaError,
    "model_not_ready": errors.ModelNotReadyError,
    "model_timeout": errors.ModelTimeoutError,
    "model_error": errors.ModelError,
    "internal": errors.InternalServerError,
    "service_unavailable": errors.ServiceUnavailableError,
    "gateway": errors.ServiceUnavailableError,
}

STREAM_CLASSES: dict[str, type[errors.APIError]] = {
    "modelStreamErrorException": errors.ModelError,
    "serviceUnavailableException": errors.ServiceUnavailableError,
    "throttlingException": errors.ThrottlingError,
    "internalServerException": errors.InternalServerError,
    "validationException": errors.InvalidRequestError,
}


def error_rows() -> list[dict[str, Any]]:
    path = SHARED / "data" / "errors.jsonl"
    if not path.exists():
        return []
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [row for row in rows if not row["kind"].startswith("client_side")]


def expected_class(row: dict[str, Any], key: KeyDescription) -> type[errors.APIError]:
    kind = row["kind"]
    if kind == "stream_exception":
        return STREAM_CLASSES[row["error_type"]]
    if kind not in ("explicit_deny", "implicit_deny"):
        return KINDS[kind]
    if not row["action"].endswith(":CallWithBearerToken"):
        return errors.OperationDeniedError
    if kind == "implicit_deny":
        return errors.BearerTokenNotAllowedError
    if key.token_type is TokenType.SHORT_TERM:
        return errors.ShortTermKeyDeniedError
    return errors.LongTermKeyDeniedError


def error_of(row: dict[str, Any], key: KeyDescription) -> errors.APIError:
    if row["kind"] == "stream_exception":
        return error_from_event(row["error_type"], row["body"].encode(), key, None)
    header = row["errortype_header"] or row["error_type"]
    headers = {"x-amzn-ErrorType": header} if header else {}
    status = row["status"] or {"unknown_operation": 404}.get(row["kind"], 400)
    return error_from_response(status, headers, row["body"].encode(), key)


@needs_shared
@pytest.mark.parametrize("key", [SHORT, LONG], ids=["short", "long"])
@pytest.mark.parametrize("row", error_rows(), ids=lambda row: f"{row['kind']}-{row['error_type']}")
def test_a_known_error_body_lands_in_its_class(row: dict[str, Any], key: KeyDescription) -> None:
    error = error_of(row, key)

    assert isinstance(error, expected_class(row, key))


@needs_shared
@pytest.mark.parametrize(
    "row",
    [row for row in error_rows() if row["policy_type"]],
    ids=lambda row: f"{row['policy_type']}-{row['kind']}",
)
def test_a_known_denial_names_its_action_and_policy_type(row: dict[str, Any]) -> None:
    error = error_of(row, LONG)

    assert isinstance(error, errors.AccessDeniedError)
    assert error.denial is not None
    assert (error.denial.action, error.denial.policy_type) == (row["action"], row["policy_type"])


def recorded_errors() -> list[dict[str, Any]]:
    index = SHARED / "data" / "traffic" / "index.jsonl"
    if not index.exists():
        return []
    rows = [json.loads(line) for line in index.read_text().splitlines()]
    return [row for row in rows if row["kind"] == "error" and row["status"] != 200]


def recorded_class(status: int, message: str) -> type[errors.APIError]:
    if "expired" in message and status == 403:
        return errors.ApiKeyExpiredError if "token" in message else errors.ApiKeyRejectedError
    if "end of its life" in message:
        return errors.ModelAccessError
    return {
        400: errors.InvalidRequestError,
        403: errors.ApiKeyRejectedError,
        429: errors.ThrottlingError,
    }[status]


@needs_shared
@pytest.mark.parametrize("row", recorded_errors(), ids=lambda row: row["file"].split("/")[-1][-60:])
def test_a_recorded_error_lands_in_its_class(row: dict[str, Any]) -> None:
    recorded = json.loads((SHARED / "data" / "traffic" / row["file"]).read_text())
    body = base64.b64decode(recorded["response_body_b64"])
    headers = recorded["response_headers"]
    flat = {name: value[0] if isinstance(value, list) else value for name, value in headers.items()}

    error = error_from_response(recorded["status"], flat, body, LONG)

    assert type(error) is recorded_class(recorded["status"], json.loads(body)["message"])
    assert error.message == json.loads(body)["message"]


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        (b'{"__type":"com.amazon.bedrock#ThrottlingException","message":"x"}', {}, "Throttling"),
        (b'{"code":"FTUFormNotFilled","message":"x"}', {}, "ModelAccess"),
        (b"", {"X-AMZN-ERRORTYPE": "ModelNotReadyException:http://x/#y"}, "ModelNotReady"),
        (b"<Error><Code>AccessDenied</Code><Message>No</Message></Error>", {}, "AccessDenied"),
    ],
)
def test_the_error_type_is_found_in_the_header_and_in_the_body(
    body: bytes, headers: dict[str, str], expected: str
) -> None:
    error = error_from_response(418, headers, body, LONG)

    assert type(error).__name__ == f"{expected}Error"


@pytest.mark.parametrize(
    ("status", "expected", "retryable"),
    [
        (401, errors.AuthenticationError, False),
        (403, errors.AccessDeniedError, False),
        (404, errors.ResourceNotFoundError, False),
        (408, errors.ModelTimeoutError, False),
        (424, errors.ModelError, False),
        (429, errors.ThrottlingError, True),
        (500, errors.InternalServerError, True),
        (501, errors.InternalServerError, False),
        (502, errors.ServiceUnavailableError, True),
        (503, errors.ServiceUnavailableError, True),
        (504, errors.ServiceUnavailableError, True),
    ],
)
def test_an_answer_without_a_type_is_classified_by_its_status(
    status: int, expected: type[errors.APIError], retryable: bool
) -> None:
    error = error_from_response(status, {}, b"<html><h1>Oops</h1></html>", LONG)

    assert type(error) is expected
    assert error.retryable is retryable
    assert error.message == "Oops"


def test_a_redirect_is_called_one_and_its_target_named_without_the_query() -> None:
    headers = {"location": "https://elsewhere.example/model?token=abc"}
    error = error_from_response(302, headers, b"<h1>Found</h1>", LONG)

    assert type(error) is errors.APIError
    assert "redirect to https://elsewhere.example/model (HTTP status 302)" in error.message
    assert "abc" not in error.message


@pytest.mark.parametrize(
    "body",
    [
        b'{"detail": "The gateway is closed."}',
        b'{"detail": [{"loc": ["body"], "msg": "The gateway is closed."}]}',
        b'{"type": "about:blank", "title": "Closed", "detail": "The gateway is closed."}',
        b'{"errors": [{"message": "The gateway is closed."}]}',
        b'{"errors": ["The gateway is closed."]}',
    ],
    ids=["FastAPI", "a validation error of FastAPI", "problem+json", "errors", "texts"],
)
def test_the_words_of_gateways_are_read(body: bytes) -> None:
    assert error_from_response(400, {}, body, LONG).message == "The gateway is closed."


@pytest.mark.parametrize(
    "message",
    [
        "Input is too long for requested model.",
        "The model returned the following errors: prompt is too long: 204741 tokens > 200000 max",
        "input length and `max_tokens` exceed context limit: 197626 + 8192 > 200000",
        "This model's maximum context length is 8192 tokens.",
        "Too many input tokens. Max input tokens: 8192, request input token count: 9000",
        "Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
    ],
)
def test_a_prompt_that_exceeds_the_context_window_has_a_class_of_its_own(message: str) -> None:
    headers = {"x-amzn-errortype": "ValidationException"}
    body = json.dumps({"message": message}).encode()

    assert type(error_from_response(400, headers, body, LONG)) is errors.InputTooLongError
    event = error_from_event("validationException", body, None, None)
    assert type(event) is errors.InputTooLongError


def test_a_message_with_half_a_surrogate_pair_can_be_printed() -> None:
    error = error_from_response(400, {}, b'{"message": "half \\ud800 of it"}', LONG)

    assert str(error).encode() == b"half ? of it"


def test_the_wait_that_the_service_asks_for_is_read_in_milliseconds() -> None:
    error = error_from_response(429, {"X-Amz-Retry-After": "1500"}, b"", LONG)

    assert error.retry_after == 1.5


@pytest.mark.parametrize("value", ["-1", "soon", "", "1e3", "9" * 30])
def test_a_retry_after_that_is_not_a_number_is_ignored(value: str) -> None:
    assert error_from_response(429, {"x-amz-retry-after": value}, b"", LONG).retry_after is None


@pytest.mark.parametrize(("hours", "is_said"), [(-1, True), (1, False)])
def test_an_expired_key_is_said_to_be_so_where_aws_only_calls_it_not_valid(
    hours: int, is_said: bool
) -> None:
    end = datetime.now(UTC) + timedelta(hours=hours)
    key = KeyDescription(TokenType.SHORT_TERM, "1234", "a test", expires_at=end)
    body = b'{"Message": "Authentication failed: Please make sure your API Key is valid."}'

    error = error_from_response(403, {}, body, key)

    assert isinstance(error, errors.ApiKeyRejectedError)
    assert (f"expired at {end:%Y-%m-%d %H:%M:%S} UTC" in error.message) is is_said


def test_the_marketplace_sentence_is_no_policy_denial() -> None:
    message = (
        "Model access is denied due to IAM user or service role is not authorized to perform the "
        "required AWS Marketplace actions (aws-marketplace:ViewSubscriptions) to enable access."
    )

    error = error_from_response(403, {}, json.dumps({"message": message}).encode(), LONG)

    assert type(error) is errors.ModelAccessError
    assert error.denial is None


@given(st.integers(300, 599), st.binary(max_size=300), st.text(max_size=50))
def test_any_answer_is_one_class_of_the_tree(status: int, body: bytes, error_type: str) -> None:
    error = error_from_response(status, {"x-amzn-errortype": error_type}, body, SHORT)

    assert isinstance(error, errors.APIError)
    assert error.status_code == status
