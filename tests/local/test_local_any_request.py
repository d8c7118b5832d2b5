"""Whatever JSON comes, the local Bedrock answers as HTTP and never breaks down."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.local import NOVA

from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.http import LocalRequest

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


def test_a_body_that_nests_too_deep_is_refused() -> None:
    assert raw_status(b'{"messages":' * 100_000) == 400


@pytest.mark.parametrize("value", [rb'"\ud83d"', rb'"\uDE00 x"', b"NaN", b"-Infinity", b"1e999"])
def test_json_that_no_reply_could_hold_is_refused(value: bytes) -> None:
    body = b'{"messages":[{"role":"user","content":[{"text":"Hi"}]}],"x":%s}' % value

    assert raw_status(body) == 400


def test_a_whole_surrogate_pair_is_taken() -> None:
    body = rb'{"messages":[{"role":"user","content":[{"text":"\ud83d\ude00"}]}]}'

    assert raw_status(body) == 200
