"""The operations of AWS that a client calls: each one's path, its body, and how its reply is read.

A new operation is one function here, one method on each client, and its models.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from bedrock_bearer.converse.base import load_json, read_model
from bedrock_bearer.converse.options import ConverseOptions
from bedrock_bearer.converse.request import ConverseRequest, checked_model_id
from bedrock_bearer.converse.response import ConverseResponse
from bedrock_bearer.errors import (
    BedrockError,
    ConfigurationError,
    InvalidRequestError,
    OutputError,
    ResponseDecodeError,
)
from bedrock_bearer.signatures import check_options
from bedrock_bearer.wire.endpoint import path_segment

# What only a stream or a rarer operation needs is imported there: starting up takes time.
if TYPE_CHECKING:
    from bedrock_bearer.converse.apply_guardrail import ApplyGuardrailResponse
    from bedrock_bearer.converse.base import WireModel
    from bedrock_bearer.converse.count_tokens import CountTokensResponse
    from bedrock_bearer.converse.output import Output
    from bedrock_bearer.keys.description import KeyDescription
    from bedrock_bearer.stream_reader import StreamReader
    from bedrock_bearer.wire.messages import WireResponse

Reply = TypeVar("Reply")
Model = TypeVar("Model", bound="WireModel")

_NOT_BEDROCK = "Does the endpoint lead to Amazon Bedrock, or to a proxy's own page?"


@dataclass(frozen=True, slots=True)
class Operation(Generic[Reply]):
    """One request to AWS, and how its reply is read.

    Attributes:
        name: AWS's name of the operation.
        method: the HTTP method.
        path: the path behind the endpoint's.
        body: the JSON that is sent.
        read: makes the typed reply of a 200 response. For a stream it is given the head of the
            response, with an empty body, and returns the stream's reader.
        model_id: the model, profile or prompt, as it was passed; None where there is none.
        told: what the call's `CallRecord` tells of the request, by its attributes.
        fallback: gives the operation to try at once after a refusal; None if there is none.
    """

    name: str
    method: str
    path: str
    body: bytes
    read: Callable[[WireResponse, KeyDescription], Reply]
    model_id: str | None = None
    told: Mapping[str, Any] = field(default_factory=dict)
    fallback: Callable[[BedrockError], Operation[Reply] | None] | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The key was accepted, and its principal may list asynchronous invocations.

    Attributes:
        key: a description of the key that was accepted.
        request_id: AWS's id of the request.
    """

    key: KeyDescription
    request_id: str | None


def converse(
    model_id: str, messages: Any, options: Mapping[str, Any], output_type: Any = None
) -> Operation[ConverseResponse[Any]]:
    """Return a Converse call.

    Raises:
        ConfigurationError: an argument is not valid.
        TypeError: there is no such option.
    """
    check_options("converse", options, ConverseOptions)
    if output_type is not None:
        return _for_output(converse, model_id, messages, options, output_type)
    request, body = _request(ConverseRequest.build, model_id, messages, **options)
    path = f"/model/{path_segment(model_id)}/converse"
    return Operation("Converse", "POST", path, body, _read_converse, model_id, _told(request))


def converse_stream(
    model_id: str, messages: Any, options: Mapping[str, Any], output_type: Any = None
) -> Operation[StreamReader]:
    """Return a ConverseStream call.

    Raises:
        ConfigurationError: an argument is not valid.
        TypeError: there is no such option.
    """
    check_options("converse_stream", options, ConverseOptions)
    if output_type is not None:
        return _for_output(converse_stream, model_id, messages, options, output_type)
    request, body = _request(ConverseRequest.build, model_id, messages, **options)
    path = f"/model/{path_segment(model_id)}/converse-stream"
    return Operation(
        "ConverseStream", "POST", path, body, _read_converse_stream, model_id, _told(request)
    )


def count_tokens(
    model_id: str, messages: Any, options: Mapping[str, Any]
) -> Operation[CountTokensResponse]:
    """Return a CountTokens call.

    Raises:
        ConfigurationError: an argument is not valid.
        TypeError: there is no such option.
    """
    from bedrock_bearer.converse.count_tokens import CountTokensRequest

    _, body = _request(CountTokensRequest.build, model_id, messages, **options)
    path = f"/model/{path_segment(model_id)}/count-tokens"
    return Operation("CountTokens", "POST", path, body, _read_count, model_id)


def apply_guardrail(
    identifier: str, version: str, content: Any, **options: Any
) -> Operation[ApplyGuardrailResponse]:
    """Return an ApplyGuardrail call.

    Raises:
        ConfigurationError: an argument is not valid.
    """
    from bedrock_bearer.converse.apply_guardrail import ApplyGuardrailRequest

    _, body = _request(ApplyGuardrailRequest.build, identifier, version, content, **options)
    guardrail = path_segment(identifier, "guardrail identifier")
    path = f"/guardrail/{guardrail}/version/{path_segment(version, 'guardrail version')}/apply"
    told = {"guardrail": identifier}
    return Operation("ApplyGuardrail", "POST", path, body, _read_guardrail, told=told)


def list_async_invokes() -> Operation[ProbeResult]:
    """Return a ListAsyncInvokes call for one invocation: free, and authenticated."""
    return Operation("ListAsyncInvokes", "GET", "/async-invoke?maxResults=1", b"", _read_probe)


# ------------------------------------------------------------------------------- structured output


def _for_output(
    build: Callable[..., Operation[Any]],
    model_id: str,
    messages: Any,
    options: Mapping[str, Any],
    output_type: Any,
) -> Operation[Any]:
    """Return a call that asks for an output: in the best way first, in another if AWS refuses."""
    from bedrock_bearer.converse.output import output_of

    try:
        output = output_of(output_type)
        ways = output.ways(checked_model_id(model_id))
        return _asking_for_output(build, output, ways, model_id, messages, options)
    except (ValueError, TypeError) as error:
        problem = str(error)
    raise ConfigurationError(f"The call was not sent: {problem}")


def _asking_for_output(
    build: Callable[..., Operation[Any]],
    output: Output[Any],
    ways: list[str],
    model_id: str,
    messages: Any,
    options: Mapping[str, Any],
    first_refusal: BedrockError | None = None,
) -> Operation[Any]:
    way, *others = ways
    operation = build(model_id, messages, output.options_with_output(way, options))

    def fallback(error: BedrockError) -> Operation[Any] | None:
        # AWS bills nothing for a 400.
        is_refusal = isinstance(error, InvalidRequestError) and output.is_refusal(
            way, error.message
        )
        if not is_refusal:
            return None
        refusal = first_refusal or error
        if not others:
            # No way helps: the request itself is wrong. The best way's refusal says most.
            raise refusal
        return _asking_for_output(build, output, others, model_id, messages, options, refusal)

    def read(response: WireResponse, key: KeyDescription) -> Any:
        if first_refusal is not None:
            output.remember(model_id, way)
        result = operation.read(response, key)
        if isinstance(result, ConverseResponse):
            return _with_output(result, output)
        result.output_of = partial(_with_output, output=output)
        return result

    told = {**operation.told, "output_format": "json"}
    return replace(operation, read=read, fallback=fallback, told=told)


def _with_output(reply: ConverseResponse[Any], output: Output[Any]) -> ConverseResponse[Any]:
    if not output.is_in(reply):
        reply.with_output(
            None,
            missing=f"There is no {output.name} in this reply: the model asks for tools first. "
            "Append its message and that of run_tools to the messages, and call again.",
        )
        return reply
    try:
        reply.with_output(output.read(reply))
        return reply
    except ValueError as error:
        problem, cause = str(error), error.__cause__
    raise OutputError(
        problem, reply=reply, status_code=200, request_id=reply.request_id, key=reply.key
    ) from cause


# ------------------------------------------------------------------------------ bodies and replies


def _request(build: Callable[..., Model], *arguments: Any, **options: Any) -> tuple[Model, bytes]:
    try:
        request = build(*arguments, **options)
        return request, request.to_wire_json()
    except (ValueError, RecursionError) as error:
        problem = str(error) or type(error).__name__
    raise ConfigurationError(f"The call was not sent: {problem}")


def _told(request: ConverseRequest) -> dict[str, Any]:
    told: dict[str, Any] = {"tags": request.request_metadata or {}}
    if config := request.inference_config:
        told["max_tokens"] = config.max_tokens
        told["temperature"] = config.temperature
        told["top_p"] = config.top_p
        told["stop_sequences"] = tuple(config.stop_sequences or ())
    if request.guardrail_config:
        told["guardrail"] = request.guardrail_config.guardrail_identifier
    if request.output_config and request.output_config.text_format:
        told["output_format"] = "json"
    return told


def _read_converse(response: WireResponse, key: KeyDescription) -> ConverseResponse:
    reply: ConverseResponse = _validated(ConverseResponse, response)
    return reply.with_origin(request_id=response.request_id, key=key)


def _read_converse_stream(head: WireResponse, key: KeyDescription) -> StreamReader:
    from bedrock_bearer.stream_reader import StreamReader

    if "vnd.amazon.eventstream" not in head.headers.get("content-type", "").lower():
        raise ResponseDecodeError(
            f"The reply is not an event stream. {_NOT_BEDROCK}",
            status_code=head.status,
            request_id=head.request_id,
        )
    return StreamReader(key, head.request_id)


def _read_count(response: WireResponse, key: KeyDescription) -> CountTokensResponse:
    from bedrock_bearer.converse.count_tokens import CountTokensResponse

    count: CountTokensResponse = _validated(CountTokensResponse, response)
    return count


def _read_guardrail(response: WireResponse, key: KeyDescription) -> ApplyGuardrailResponse:
    from bedrock_bearer.converse.apply_guardrail import ApplyGuardrailResponse

    outcome: ApplyGuardrailResponse = _validated(ApplyGuardrailResponse, response)
    return outcome


def _read_probe(response: WireResponse, key: KeyDescription) -> ProbeResult:
    _json_object(response)
    return ProbeResult(key, response.request_id)


def _validated(model: type[Any], response: WireResponse) -> Any:
    try:
        return read_model(model, _json_object(response))
    except ValueError:
        problem = f"The reply does not have the form of a {model.__name__}."
    raise _decode_error(problem, response)


def _json_object(response: WireResponse) -> dict[str, Any]:
    document: Any = None
    with contextlib.suppress(ValueError, RecursionError):
        document = load_json(response.body)
    if not isinstance(document, dict):
        raise _decode_error(
            f"The reply is not the JSON that the API promises. {_NOT_BEDROCK}", response
        )
    return document


def _decode_error(message: str, response: WireResponse) -> ResponseDecodeError:
    from bedrock_bearer.wire.classify import MAX_BODY_CHARACTERS

    return ResponseDecodeError(
        message,
        status_code=response.status,
        body=response.body[:MAX_BODY_CHARACTERS].decode("utf-8", "replace"),
        request_id=response.request_id,
    )
