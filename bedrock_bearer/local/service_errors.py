"""The errors that AWS answers with, and the layer that each comes from."""

from __future__ import annotations

from enum import StrEnum

from bedrock_bearer.facts import CALL_WITH_BEARER_TOKEN, STATUS_OF_CODE
from bedrock_bearer.local.http import LocalResponse, json_response, whole_response

MESSAGE_OF_CODE = {
    "AccessDeniedException": "You don't have access to the model with the specified model ID.",
    "ConflictException": "Error occurred because of a conflict while performing an operation.",
    "InternalServerException": "The system encountered an unexpected error during processing."
    " Try your request again.",
    "ModelErrorException": "The system encountered an unexpected error during processing."
    " Try your request again.",
    "ModelNotReadyException": "Model is not ready for inference.",
    "ModelStreamErrorException": "The system encountered an unexpected error during processing."
    " Try your request again.",
    "ModelTimeoutException": "Model has timed out in processing the request."
    " Try your request again.",
    "ResourceNotFoundException": "This model version has reached the end of its life."
    " Please refer to the AWS documentation for more details.",
    "ServiceQuotaExceededException": "Too many tokens per day, please wait before trying again.",
    "ServiceUnavailableException": "Bedrock is unable to process your request.",
    "ThrottlingException": "Too many requests, please wait before trying again.",
    "ValidationException": "The provided request is not valid",
}


class Layer(StrEnum):
    """Which layer answers: the one that checks the key, or Bedrock behind it."""

    AUTHENTICATION = "http://internal.amazon.com/coral/com.amazon.coral.service/"
    BEDROCK = "http://internal.amazon.com/coral/com.amazon.bedrock/"


class ServiceError(Exception):
    """An error that AWS answers with. Raised inside, answered as an HTTP response."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        status: int | None = None,
        layer: Layer = Layer.BEDROCK,
    ) -> None:
        self.code = code
        self.message = MESSAGE_OF_CODE.get(code, code) if message is None else message
        self.status = STATUS_OF_CODE.get(code, 400) if status is None else status
        self.layer = layer
        super().__init__(f"{code}: {self.message}")

    def response(self) -> LocalResponse:
        """Return the error as AWS sends it."""
        # The layer that checks keys writes its own sentences with a capital letter.
        capital = self.layer is Layer.AUTHENTICATION and self.code == "AccessDeniedException"
        response = json_response(self.status, {"Message" if capital else "message": self.message})
        return response.with_headers({"x-amzn-ErrorType": f"{self.code}:{self.layer.value}"})


def key_refused(message: str) -> ServiceError:
    """Return a refusal by the layer that checks keys."""
    return ServiceError("AccessDeniedException", message, layer=Layer.AUTHENTICATION)


def unknown_operation() -> LocalResponse:
    """Return the answer to a path that names no operation."""
    return whole_response(404, b"<UnknownOperationException/>\n", "application/xml")


def invalid(message: str) -> ServiceError:
    """Return Bedrock's error for an invalid request."""
    return ServiceError("ValidationException", message)


def refusal_by_policy(sentence: str, action: str) -> ServiceError:
    """Return AWS's refusal with this sentence, from the layer that checks the action."""
    if action.endswith(f":{CALL_WITH_BEARER_TOKEN}"):
        return key_refused(sentence)
    return ServiceError("AccessDeniedException", sentence)
