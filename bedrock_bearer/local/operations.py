"""The operations of Bedrock: their paths and the actions that policies name."""

from __future__ import annotations

from urllib.parse import unquote

from bedrock_bearer.local.http import LocalRequest

ACTION_OF_OPERATION = {
    "Converse": "bedrock:InvokeModel",
    "ConverseStream": "bedrock:InvokeModelWithResponseStream",
    "InvokeModel": "bedrock:InvokeModel",
    "InvokeModelWithResponseStream": "bedrock:InvokeModelWithResponseStream",
    "CountTokens": "bedrock:CountTokens",
    "ApplyGuardrail": "bedrock:ApplyGuardrail",
    "ListAsyncInvokes": "bedrock:ListAsyncInvokes",
    "ListFoundationModels": "bedrock:ListFoundationModels",
    "ListInferenceProfiles": "bedrock:ListInferenceProfiles",
}

MODEL_OPERATIONS = {
    "converse": "Converse",
    "converse-stream": "ConverseStream",
    "count-tokens": "CountTokens",
    "invoke": "InvokeModel",
    "invoke-with-response-stream": "InvokeModelWithResponseStream",
}


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
        case ["GET", "inference-profiles"]:
            return "ListInferenceProfiles", "", ""
    return None
