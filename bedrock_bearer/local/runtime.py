"""Bedrock Runtime and the control plane: what each operation answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bedrock_bearer.local import framing, tokens
from bedrock_bearer.local.faults import Fault, FaultPlan
from bedrock_bearer.local.guardrails import Guardrail, Guardrails, guard_input, guard_output
from bedrock_bearer.local.http import Document, LocalRequest, LocalResponse, json_response
from bedrock_bearer.local.models import PROFILE_AREAS, CalledModel, ModelCatalogue
from bedrock_bearer.local.replies import Reply, Script, echo
from bedrock_bearer.local.service_errors import ServiceError, invalid
from bedrock_bearer.local.validation import (
    check_limits,
    read_apply_guardrail,
    read_converse,
    read_count_tokens,
)

PROFILE_CREATED_AT = "2025-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Call:
    """A call whose key was accepted.

    Attributes:
        name: the operation, such as `Converse`.
        target: the model or guardrail that the path names, percent-decoded; else empty.
        version: the version of the guardrail that the path names; else empty.
    """

    request: LocalRequest
    name: str
    target: str
    version: str
    region: str
    partition: str
    account_id: str
    now: datetime


class Runtime:
    """The operations that an API key may call."""

    def __init__(self, models: ModelCatalogue) -> None:
        self.models = models
        self.script = Script()
        self.guardrails = Guardrails()
        self.faults = FaultPlan()
        self._operations: dict[str, Callable[[Call], LocalResponse]] = {
            "Converse": self._converse,
            "ConverseStream": self._converse_stream,
            "CountTokens": self._count_tokens,
            "ApplyGuardrail": self._apply_guardrail,
            "ListAsyncInvokes": self._list_async_invokes,
            "InvokeModel": self._invoke_model,
            "InvokeModelWithResponseStream": self._invoke_model,
            "ListFoundationModels": self._list_foundation_models,
            "ListInferenceProfiles": self._list_inference_profiles,
        }

    def run(self, call: Call) -> LocalResponse:
        """Answer a call, with the fault that is due."""
        fault = self.faults.next_fault()
        if fault is not None and fault.instead:
            return fault.spoil(LocalResponse(200, {}))
        response = self._operations[call.name](call)
        return response if fault is None else fault.spoil(response)

    def called_model(self, call: Call) -> CalledModel:
        """Return the model that a call names."""
        return self.models.find(
            call.target, partition=call.partition, region=call.region, account=call.account_id
        )

    def _converse(self, call: Call) -> LocalResponse:
        request = self._checked_request(call, "ConverseRequest")
        return self._reply(request, lambda reply: json_response(200, reply.body(request)))

    def _converse_stream(self, call: Call) -> LocalResponse:
        request = self._checked_request(call, "ConverseStreamRequest")
        return self._reply(request, lambda reply: framing.stream_response(reply.events(request)))

    def _checked_request(self, call: Call, shape: str) -> dict[str, Any]:
        model = self.called_model(call).require()
        request = read_converse(call.request.body, call.target, shape)
        check_limits(request, model)
        return request

    def _reply(self, request: Document, render: Callable[[Reply], LocalResponse]) -> LocalResponse:
        guardrail = self._guardrail_of(request)
        blocked = guard_input(guardrail, request) if guardrail else None
        if blocked is not None:
            return render(blocked)
        step = self.script.next_step(request)
        if isinstance(step, Fault):
            return step.spoil(render(echo(request)))
        reply = step(request) if callable(step) else step or echo(request)
        if guardrail is not None:
            reply = guard_output(guardrail, request, reply)
        response = render(reply)
        return response if reply.fault is None else reply.fault.spoil(response)

    def _guardrail_of(self, request: Document) -> Guardrail | None:
        config = request.get("guardrailConfig")
        if not config:
            return None
        identifier = config.get("guardrailIdentifier", "")
        return self.guardrails.require(identifier, config.get("guardrailVersion", ""))

    def _count_tokens(self, call: Call) -> LocalResponse:
        if self.called_model(call).model is None:
            raise invalid("The provided model identifier is invalid.")
        given = read_count_tokens(call.request.body, call.target)
        if "converse" in given:
            return json_response(200, {"inputTokens": tokens.count_request(given["converse"])})
        # The body is base64: four characters for three bytes.
        count = tokens.count_text(given["invokeModel"]["body"]) * 3 // 4
        return json_response(200, {"inputTokens": count or 1})

    def _apply_guardrail(self, call: Call) -> LocalResponse:
        guardrail = self.guardrails.require(call.target, call.version)
        request = read_apply_guardrail(call.request.body, call.target, call.version)
        texts = [block["text"]["text"] for block in request["content"] if "text" in block]
        return json_response(200, guardrail.apply(texts))

    def _list_async_invokes(self, call: Call) -> LocalResponse:
        return json_response(200, {"asyncInvokeSummaries": []})

    def _invoke_model(self, call: Call) -> LocalResponse:
        raise ServiceError(
            "ValidationException",
            "This is a local Bedrock: it does not serve InvokeModel. Use Converse.",
        )

    def _list_foundation_models(self, call: Call) -> LocalResponse:
        summaries = [model.summary(call.partition, call.region) for model in self.models]
        return json_response(200, {"modelSummaries": summaries})

    def _list_inference_profiles(self, call: Call) -> LocalResponse:
        area = area_of(call.region)
        summaries = [
            {
                "createdAt": PROFILE_CREATED_AT,
                "description": f"Routes requests to {model.name} in {area.upper()} Regions.",
                "inferenceProfileArn": f"arn:{call.partition}:bedrock:{call.region}:"
                f"{call.account_id}:inference-profile/{area}.{model.id}",
                "inferenceProfileId": f"{area}.{model.id}",
                "inferenceProfileName": f"{area.upper()} {model.name}",
                "models": [{"modelArn": model.arn(call.partition, call.region)}],
                "status": "ACTIVE",
                "type": "SYSTEM_DEFINED",
                "updatedAt": PROFILE_CREATED_AT,
            }
            for model in self.models
        ]
        return json_response(200, {"inferenceProfileSummaries": summaries})


def area_of(region: str) -> str:
    """Return the area of a Region's inference profiles, such as `us` or `apac`."""
    area = "us-gov" if region.startswith("us-gov-") else region.partition("-")[0]
    return area if area in PROFILE_AREAS else "apac"
