"""The operations of Bedrock: their paths and the actions that policies name."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from bedrock_bearer.local.http import LocalRequest
from bedrock_bearer.local.routes import CHAT_COMPLETIONS, MESSAGES, model_named_in

ACTION_OF_OPERATION = {
    "Converse": "bedrock:InvokeModel",
    "ConverseStream": "bedrock:InvokeModelWithResponseStream",
    "InvokeModel": "bedrock:InvokeModel",
    "InvokeModelWithResponseStream": "bedrock:InvokeModelWithResponseStream",
    "CountTokens": "bedrock:CountTokens",
    "ApplyGuardrail": "bedrock:ApplyGuardrail",
    "ListAsyncInvokes": "bedrock:ListAsyncInvokes",
    "ListFoundationModels": "bedrock:ListFoundationModels",
    "GetFoundationModel": "bedrock:GetFoundationModel",
    "ListInferenceProfiles": "bedrock:ListInferenceProfiles",
    "GetInferenceProfile": "bedrock:GetInferenceProfile",
    "CreateInferenceProfile": "bedrock:CreateInferenceProfile",
    "DeleteInferenceProfile": "bedrock:DeleteInferenceProfile",
    CHAT_COMPLETIONS: "bedrock:InvokeModel",
    MESSAGES: "bedrock:InvokeModel",
}

MODEL_OPERATIONS = {
    "converse": "Converse",
    "converse-stream": "ConverseStream",
    "count-tokens": "CountTokens",
    "invoke": "InvokeModel",
    "invoke-with-response-stream": "InvokeModelWithResponseStream",
}

CALLS_OF_A_MODEL = (*MODEL_OPERATIONS.values(), CHAT_COMPLETIONS, MESSAGES)


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose key was accepted.

    Attributes:
        name: the operation, such as `Converse`.
        target: the model or other resource that the request names; else empty.
        version: the version of the guardrail that the path names; else empty.
    """

    request: LocalRequest
    name: str
    target: str
    version: str
    region: str
    partition: str
    account_id: str

    def arn(self, kind: str, name: str) -> str:
        """Return the ARN of a resource of Bedrock in the account that calls."""
        return f"arn:{self.partition}:bedrock:{self.region}:{self.account_id}:{kind}/{name}"


def find_operation(request: LocalRequest) -> tuple[str, str, str] | None:
    """Return the operation, the model or guardrail it names, and the guardrail's version."""
    match [request.method, *(unquote(part) for part in request.path.strip("/").split("/"))]:
        case ["POST", "model", model_id, verb] if verb in MODEL_OPERATIONS:
            return MODEL_OPERATIONS[verb], model_id, ""
        case ["POST", "guardrail", identifier, "version", version, "apply"]:
            return "ApplyGuardrail", identifier, version
        case ["GET", "async-invoke"]:
            return "ListAsyncInvokes", "", ""
        case ["GET", "foundation-models"]:
            return "ListFoundationModels", "", ""
        case ["GET", "foundation-models", identifier]:
            return "GetFoundationModel", identifier, ""
        case ["GET", "inference-profiles"]:
            return "ListInferenceProfiles", "", ""
        case ["POST", "inference-profiles"]:
            return "CreateInferenceProfile", "", ""
        case [("GET" | "DELETE") as method, "inference-profiles", identifier]:
            return f"{method.title()}InferenceProfile", identifier, ""
        case ["POST", "openai", "v1", "chat", "completions"]:
            return CHAT_COMPLETIONS, model_named_in(request.body), ""
        case ["POST", "anthropic", "v1", "messages"]:
            return MESSAGES, model_named_in(request.body), ""
    return None
