"""Bedrock Runtime and the control plane: what each operation answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bedrock_bearer.local import framing, tokens
from bedrock_bearer.local.anthropic_messages import MessagesRequest
from bedrock_bearer.local.caching import PromptCache
from bedrock_bearer.local.catalogue import Catalogue
from bedrock_bearer.local.chat_completions import ChatRequest
from bedrock_bearer.local.echo import echo
from bedrock_bearer.local.faults import Fault, FaultPlan
from bedrock_bearer.local.guardrails import Guardrail, Guardrails, guard_input, guard_output
from bedrock_bearer.local.http import Document, LocalResponse, json_response
from bedrock_bearer.local.models import CalledModel, LocalModel, ModelCatalogue
from bedrock_bearer.local.operations import Call
from bedrock_bearer.local.replies import Reply, Script
from bedrock_bearer.local.routes import CHAT_COMPLETIONS, MESSAGES, read_request
from bedrock_bearer.local.service_errors import ServiceError, invalid
from bedrock_bearer.local.validation import (
    check_limits,
    checked_converse,
    malformed,
    read_apply_guardrail,
    read_converse,
    read_count_tokens,
)


class Runtime:
    """The operations that an API key may call."""

    def __init__(self, models: ModelCatalogue) -> None:
        self.models = models
        self.script = Script()
        self.guardrails = Guardrails()
        self.faults = FaultPlan()
        self._cache = PromptCache()
        catalogue = Catalogue(models)
        self._operations: dict[str, Callable[[Call], LocalResponse]] = {
            "Converse": self._converse,
            "ConverseStream": self._converse_stream,
            "CountTokens": self._count_tokens,
            "ApplyGuardrail": self._apply_guardrail,
            "ListAsyncInvokes": self._list_async_invokes,
            "InvokeModel": self._invoke_model,
            "InvokeModelWithResponseStream": self._invoke_model,
            CHAT_COMPLETIONS: self._chat_completions,
            MESSAGES: self._messages,
            "ListFoundationModels": catalogue.list_foundation_models,
            "GetFoundationModel": catalogue.get_foundation_model,
            "ListInferenceProfiles": catalogue.list_inference_profiles,
            "GetInferenceProfile": catalogue.get_inference_profile,
            "CreateInferenceProfile": catalogue.create_inference_profile,
            "DeleteInferenceProfile": catalogue.delete_inference_profile,
        }

    def run(self, call: Call) -> LocalResponse:
        """Answer a call, with the fault that is due."""
        fault = self.faults.next_fault()
        if fault is not None and fault.replaces_reply:
            return fault.spoil(LocalResponse(200, {}))
        try:
            response = self._operations[call.name](call)
        except RecursionError:
            raise malformed() from None
        return response if fault is None else fault.spoil(response)

    def called_model(self, call: Call) -> CalledModel:
        """Return the model that a call names."""
        return self.models.find(
            call.target, partition=call.partition, region=call.region, account=call.account_id
        )

    def _converse(self, call: Call) -> LocalResponse:
        request = self._checked_request(call, "ConverseRequest")
        return self._reply(call, request, lambda reply: json_response(200, reply.body(request)))

    def _converse_stream(self, call: Call) -> LocalResponse:
        request = self._checked_request(call, "ConverseStreamRequest")
        return self._reply(
            call, request, lambda reply: framing.stream_response(reply.events(request))
        )

    def _checked_request(self, call: Call, shape: str) -> dict[str, Any]:
        model = self.called_model(call).require()
        request = read_converse(call.request.body, call.target, shape)
        check_limits(request, model)
        return request

    def _chat_completions(self, call: Call) -> LocalResponse:
        return self._translated(call, ChatRequest, lambda model: model.has_chat_completions)

    def _messages(self, call: Call) -> LocalResponse:
        return self._translated(call, MessagesRequest, lambda model: model.is_anthropic)

    def _translated(
        self,
        call: Call,
        kind: type[ChatRequest] | type[MessagesRequest],
        is_served: Callable[[LocalModel], bool],
    ) -> LocalResponse:
        given = read_request(kind, call.request.body)
        model = self.called_model(call).model
        if model is None:
            raise ServiceError(
                "ResourceNotFoundException", f"The model '{given.model}' does not exist"
            )
        if not is_served(model):
            raise invalid(f"The model '{given.model}' isn't supported on this route")
        request = checked_converse(given.to_converse(), call.target)
        check_limits(request, model)
        return self._reply(
            call, request, lambda reply: given.response(reply, reply.token_counts(request))
        )

    def _reply(
        self, call: Call, request: Document, render: Callable[[Reply], LocalResponse]
    ) -> LocalResponse:
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
        if reply.usage is None:
            written = tokens.count_content(reply.content)
            usage = self._cache.usage(call.target, request, written)
            reply = replace(reply, usage=usage)
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
        request = read_apply_guardrail(call.request.body, call.target, call.version)
        guardrail = self.guardrails.require(call.target, call.version)
        texts = [block["text"]["text"] for block in request["content"] if "text" in block]
        return json_response(200, guardrail.apply(texts))

    def _list_async_invokes(self, call: Call) -> LocalResponse:
        return json_response(200, {"asyncInvokeSummaries": []})

    def _invoke_model(self, call: Call) -> LocalResponse:
        raise ServiceError(
            "ValidationException",
            "This is a local Bedrock: it does not serve InvokeModel. Use Converse.",
        )
