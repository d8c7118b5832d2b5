"""Whatever JSON comes, the local Bedrock answers as HTTP and never breaks down."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.local import NOVA, statement

from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.http import LocalRequest
from bedrock_bearer.local.schemas import example_of

scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text()
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def members(**kinds: Any) -> st.SearchStrategy[Any]:
    """An object with some of these members, each as it should be or not."""
    optional = {name: kind | anything for name, kind in kinds.items()}
    return st.fixed_dictionaries({}, optional=optional) | anything


text = st.sampled_from(["", " ", "Hello", "t1"])
schemas = st.sampled_from([{}, {"type": "array", "items": {}}, {"type": ["null"]}, {"enum": [1]}])
blocks = members(
    text=text,
    toolUse=members(toolUseId=text, name=text, input=anything),
    toolResult=members(toolUseId=text, content=st.lists(members(text=text, json=anything))),
    guardContent=members(text=members(text=text)),
    document=members(name=text),
    image=anything,
)
messages = members(role=st.sampled_from(["user", "assistant"]), content=st.lists(blocks))
tools = members(toolSpec=members(name=text, inputSchema=members(json=schemas)))
requests = members(
    messages=st.lists(messages, max_size=3),
    system=st.lists(blocks, max_size=1),
    inferenceConfig=members(maxTokens=st.integers(), stopSequences=st.lists(text)),
    toolConfig=members(
        tools=st.lists(tools, max_size=2),
        toolChoice=members(any=st.just({}), tool=members(name=text)),
    ),
    guardrailConfig=members(guardrailIdentifier=text, guardrailVersion=text),
    outputConfig=members(textFormat=members(structure=members(jsonSchema=members(schema=schemas)))),
)

BEDROCK = LocalBedrock()
KEY = BEDROCK.mint_key()


def status(verb: str, body: Any) -> int:
    return raw_status(json.dumps(body).encode(), verb)


def raw_status(body: bytes, verb: str = "converse") -> int:
    path = f"/model/{NOVA.replace(':', '%3A')}/{verb}"
    headers = {"authorization": f"Bearer {KEY}"}
    return BEDROCK.handle(LocalRequest("POST", path, "", "localhost", headers, body)).status


@settings(max_examples=300, deadline=None)
@given(requests)
def test_any_request_is_answered(request: Any) -> None:
    assert status("converse", request) in (200, 400)
    assert status("converse-stream", request) in (200, 400)


@settings(max_examples=100, deadline=None)
@given(members(converse=requests, invokeModel=members(body=text)))
def test_any_count_is_answered(given_input: Any) -> None:
    assert status("count-tokens", {"input": given_input}) in (200, 400)


parts = members(
    type=st.sampled_from(
        ["text", "tool_use", "tool_result", "thinking", "image", "image_url", "function"]
    ),
    text=text,
    id=text,
    name=text,
    input=anything,
    tool_use_id=text,
    content=text | st.lists(members(type=text, text=text), max_size=2),
    thinking=text,
    signature=text,
    source=members(type=st.just("base64"), media_type=text, data=text),
)
turns = members(
    role=st.sampled_from(["user", "assistant", "tool", "system"]),
    content=text | st.lists(parts, max_size=3),
    tool_calls=st.lists(members(id=text, function=members(name=text, arguments=text)), max_size=2),
    tool_call_id=text,
)
functions = members(
    type=st.just("function"),
    name=text,
    input_schema=members(type=st.just("object")) | schemas,
    function=members(name=text, parameters=schemas),
)
bodies = members(
    model=st.sampled_from(["openai.gpt-oss-20b-1:0", "anthropic.claude-sonnet-4-6", "none"]),
    messages=st.lists(turns, max_size=3),
    max_tokens=st.integers(1, 9),
    stream=st.booleans(),
    stop=text | st.lists(text),
    stop_sequences=st.lists(text),
    system=text | st.lists(parts, max_size=1),
    tools=st.lists(functions, max_size=2),
    tool_choice=members(type=st.sampled_from(["any", "tool", "function"]), name=text),
    response_format=members(json_schema=members(schema=schemas)),
    output_config=members(format=members(schema=schemas)),
)


def other_status(path: str, body: Any) -> int:
    headers = {"authorization": f"Bearer {KEY}"}
    data = json.dumps(body).encode()
    return BEDROCK.handle(LocalRequest("POST", path, "", "localhost", headers, data)).status


@settings(max_examples=400, deadline=None)
@given(bodies)
def test_any_request_of_another_route_is_answered(body: Any) -> None:
    assert other_status("/openai/v1/chat/completions", body) in (200, 400, 404)
    assert other_status("/anthropic/v1/messages", body) in (200, 400, 404)


HELLO = {"messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize(
    "members",
    [
        {"response_format": {"json_schema": 3}},
        {"tool_choice": {"function": 3}},
        {"tools": [{"type": "function", "function": {"name": "a", "parameters": {"x": 1}}}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "function": 3}]}]},
    ],
)
def test_a_chat_completion_of_wrong_types_is_refused(members: dict[str, Any]) -> None:
    body = {"model": "openai.gpt-oss-20b-1:0", **HELLO, **members}

    assert other_status("/openai/v1/chat/completions", body) == 400


@pytest.mark.parametrize(
    "block",
    [
        3,
        {"type": "text", "text": 3},
        {"type": "tool_result", "tool_use_id": 3, "content": [3]},
        {"type": "tool_result", "tool_use_id": "a", "content": 3},
        {"type": "tool_use", "id": [], "name": {}, "input": 3},
        {"type": "image", "source": {"type": "base64", "media_type": 3, "data": 3}},
    ],
)
def test_a_message_of_wrong_types_is_refused(block: Any) -> None:
    messages = [{"role": "user", "content": [block]}]
    body = {"model": "anthropic.claude-sonnet-4-6", "max_tokens": 9, "messages": messages}

    assert other_status("/anthropic/v1/messages", body) == 400


@settings(max_examples=100, deadline=None)
@given(members(inferenceProfileName=text, modelSource=members(copyFrom=text)))
def test_any_request_for_a_profile_is_answered(body: Any) -> None:
    assert other_status("/inference-profiles", body) in (201, 400)


@settings(max_examples=200, deadline=None)
@given(anything)
def test_any_schema_has_an_example(schema: Any) -> None:
    json.dumps(example_of(schema))


def test_a_body_that_nests_too_deep_is_refused() -> None:
    assert raw_status(b'{"messages":' * 100_000) == 400


@pytest.mark.parametrize(
    "value",
    [rb'"\ud83d"', rb'"\uDE00 x"', b'"\xed\xa0\x80"', b'"\xff"', b"NaN", b"-Infinity", b"1e999"],
)
def test_json_that_no_reply_could_hold_is_refused(value: bytes) -> None:
    body = b'{"messages":[{"role":"user","content":[{"text":"Hi"}]}],"x":%s}' % value

    assert raw_status(body) == 400


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_json_that_is_not_utf8_is_refused(encoding: str) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": [{"text": "Hi"}]}]})

    assert raw_status(body.encode(encoding)) == 400


@pytest.mark.parametrize("path", ["/openai/v1/chat/completions", "/anthropic/v1/messages"])
def test_a_model_that_is_no_text_is_refused_whatever_the_key_may_do(path: str) -> None:
    bedrock = LocalBedrock()
    key = bedrock.mint_key(policies=[statement("Allow", "bedrock:CallWithBearerToken")])
    body = json.dumps({"model": "\ud83d", "messages": [{"role": "user", "content": "Hi"}]})
    request = LocalRequest(
        "POST", path, "", "localhost", {"authorization": f"Bearer {key}"}, body.encode()
    )

    assert 400 <= bedrock.handle(request).status < 500


def test_a_whole_surrogate_pair_is_taken() -> None:
    body = rb'{"messages":[{"role":"user","content":[{"text":"\ud83d\ude00"}]}]}'

    assert raw_status(body) == 200
