"""Every field that the local Bedrock sends occurs in AWS's model, with the type it has there.

The padding `p` of stream events is the one exception: the model keeps silent about it, recorded
traffic does not.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore
import httpx
import pytest
from support.local import NOVA, Caller, deny_token_type
from support.shared import SHARED, needs_shared

from bedrock_bearer.local import Guardrail, LocalBedrock, Reply
from bedrock_bearer.local import replies as say
from bedrock_bearer.wire.eventstream import EventStreamDecoder

DATA = Path(botocore.__file__).parent / "data"
TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "blob": (str,),
    "timestamp": (str, int, float),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
}
UNMODELLED_VALUES = ("INFERENCE_PROFILE",)
"""AWS sends it in `inferenceTypesSupported`; its model has not heard of it."""


def service_shapes(folder: str) -> dict[str, Any]:
    model = json.loads(gzip.decompress((DATA / folder / "service-2.json.gz").read_bytes()))
    shapes: dict[str, Any] = model["shapes"]
    return shapes


RUNTIME = service_shapes("bedrock-runtime/2023-09-30")
CONTROL = service_shapes("bedrock/2023-04-20")


def differences(shapes: dict[str, Any], name: str, value: Any, path: str = "$") -> Iterator[str]:
    """Where `value` departs from the shape `name`."""
    shape = shapes[name]
    if shape.get("document"):
        return
    if shape["type"] == "structure":
        if not isinstance(value, dict):
            yield f"{path} is no object"
            return
        for missing in set(shape.get("required", ())) - set(value):
            yield f"{path}.{missing} is required"
        for member, item in value.items():
            if member not in shape["members"]:
                yield f"{path}.{member} is unknown"
                continue
            member_shape = shape["members"][member]["shape"]
            yield from differences(shapes, member_shape, item, f"{path}.{member}")
    elif shape["type"] == "list":
        for index, item in enumerate(value):
            yield from differences(shapes, shape["member"]["shape"], item, f"{path}[{index}]")
    elif shape["type"] == "map":
        for key, item in value.items():
            yield from differences(shapes, shape["value"]["shape"], item, f"{path}[{key}]")
    elif not isinstance(value, TYPES[shape["type"]]):
        yield f"{path} is no {shape['type']}"
    elif "enum" in shape and value not in [*shape["enum"], *UNMODELLED_VALUES]:
        yield f"{path} is {value!r}, which is none of the values"


def assert_shape(shapes: dict[str, Any], name: str, response: httpx.Response) -> None:
    assert response.status_code == 200, response.text
    assert list(differences(shapes, name, response.json())) == []


CITATION = {
    "title": "A book",
    "sourceContent": [{"text": "so"}],
    "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 2}},
}
GUARDED = {"guardrailIdentifier": "g1", "guardrailVersion": "1", "trace": "enabled"}

REPLIES = {
    "echo": None,
    "text": say.text_reply("Hi there!"),
    "tool use": say.tool_use_reply("weather", {"city": "Bonn"}, text="Let me see"),
    "reasoning": say.reasoning_reply("Hm.", "Yes."),
    "redacted reasoning": Reply(({"reasoningContent": {"redactedContent": "b3BhcXVl"}},)),
    "citations": say.cited_reply("So.", [CITATION]),
    "structured": say.structured_reply({"n": 1}),
    "server tool": Reply(({"toolResult": {"toolUseId": "t", "content": [{"text": "x"}]}},)),
    "extra": say.text_reply(
        "Hi",
        extra={
            "additionalModelResponseFields": {"a": 1},
            "performanceConfig": {"latency": "optimized"},
            "serviceTier": {"type": "flex"},
        },
    ),
}


@pytest.fixture
def bedrock() -> LocalBedrock:
    made = LocalBedrock()
    made.add_guardrail(Guardrail("g1", blocked_words=("secret",)))
    return made


@pytest.fixture
def caller(bedrock: LocalBedrock) -> Caller:
    return Caller(bedrock, bedrock.mint_key())


@pytest.mark.parametrize("reply", REPLIES.values(), ids=list(REPLIES))
def test_a_converse_reply_has_the_modelled_shape(
    bedrock: LocalBedrock, caller: Caller, reply: Reply | None
) -> None:
    if reply is not None:
        bedrock.script(reply)

    assert_shape(RUNTIME, "ConverseResponse", caller.converse())


@pytest.mark.parametrize("reply", REPLIES.values(), ids=list(REPLIES))
def test_each_event_of_a_stream_has_the_modelled_shape(
    bedrock: LocalBedrock, caller: Caller, reply: Reply | None
) -> None:
    if reply is not None:
        bedrock.script(reply)

    assert list(stream_differences(caller.stream())) == []


def stream_differences(response: httpx.Response) -> Iterator[str]:
    for message in EventStreamDecoder().feed(response.content):
        payload = json.loads(message.payload)
        del payload["p"]
        event = {str(message.headers[":event-type"]): payload}
        yield from differences(RUNTIME, "ConverseStreamOutput", event)


def test_a_guardrail_trace_has_the_modelled_shape(bedrock: LocalBedrock, caller: Caller) -> None:
    assert_shape(RUNTIME, "ConverseResponse", caller.converse("secret", guardrailConfig=GUARDED))
    bedrock.script(say.text_reply("secret"))
    assert_shape(RUNTIME, "ConverseResponse", caller.converse("Hi", guardrailConfig=GUARDED))
    assert list(stream_differences(caller.stream("secret", guardrailConfig=GUARDED))) == []


def test_every_other_operation_answers_in_the_modelled_shape(caller: Caller) -> None:
    messages = [{"role": "user", "content": [{"text": "Hi"}]}]
    counted = caller.post("count-tokens", {"input": {"converse": {"messages": messages}}})
    content = [{"text": {"text": "secret"}}]
    applied = caller.post_path(
        "/guardrail/g1/version/1/apply", {"source": "INPUT", "content": content}
    )

    assert_shape(RUNTIME, "CountTokensResponse", counted)
    assert_shape(RUNTIME, "ApplyGuardrailResponse", applied)
    assert_shape(RUNTIME, "ListAsyncInvokesResponse", caller.get("/async-invoke"))
    assert_shape(CONTROL, "ListFoundationModelsResponse", caller.get("/foundation-models"))
    assert_shape(CONTROL, "ListInferenceProfilesResponse", caller.get("/inference-profiles"))


def recorded_errors() -> list[tuple[dict[str, Any], str, str]]:
    """Body members, `x-amzn-ErrorType` and the sentence of each recorded refusal of a key."""
    rows = [json.loads(line) for line in (SHARED / "data/errors.jsonl").read_text().splitlines()]
    return [
        (json.loads(row["body"]), row["errortype_header"], row["kind"])
        for row in rows
        if row["errortype_header"] and row["kind"] in ("missing_auth_header", "malformed_key")
    ]


@needs_shared
def test_refusals_of_a_key_are_those_recorded(bedrock: LocalBedrock) -> None:
    keys = {"missing_auth_header": None, "malformed_key": "sk-another"}
    recorded = recorded_errors()

    answered = [Caller(bedrock, keys[kind]).converse() for _, _, kind in recorded]

    assert [(r.json(), r.headers["x-amzn-ErrorType"]) for r in answered] == [
        (body, header) for body, header, _ in recorded
    ]
    assert recorded


@needs_shared
def test_the_headers_are_among_those_recorded(bedrock: LocalBedrock, caller: Caller) -> None:
    recorded: set[str] = set()
    for path in (SHARED / "data/traffic").glob("*/*.json"):
        headers = json.loads(path.read_text()).get("response_headers") or {}
        recorded |= {name.lower() for name in headers}
    bedrock.attach_policy("dev", deny_token_type("LONG_TERM"))

    sent: set[str] = set()
    for response in (caller.converse(), caller.stream(), Caller(bedrock, None).converse()):
        sent |= {name.lower() for name in response.headers}

    assert sent <= recorded


@needs_shared
def test_the_padding_is_drawn_as_recorded(caller: Caller) -> None:
    pattern = re.compile(rb'"p":"(abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789)')
    body = b"".join(caller.stream("word " * 60, model=NOVA).content for _ in range(20))

    assert pattern.search(body)
