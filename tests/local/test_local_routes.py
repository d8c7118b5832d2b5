"""The routes of other APIs, called with the SDKs that know them: openai and anthropic."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from pydantic import BaseModel
from support.local import deny_token_type, statement

from bedrock_bearer.local import LocalBedrock, faults
from bedrock_bearer.local import replies as say
from bedrock_bearer.local.server import LocalServer

GPT = "openai.gpt-oss-20b-1:0"
CLAUDE = "anthropic.claude-sonnet-4-6"
HELLO: Any = [{"role": "user", "content": "Hello"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
TOOL: Any = {"name": "weather", "input_schema": SCHEMA}


@pytest.fixture
def server(bedrock: LocalBedrock) -> Iterator[LocalServer]:
    with LocalServer(bedrock) as running:
        yield running


def openai_client(server: LocalServer, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{server.url}/openai/v1", api_key=key, max_retries=0)


def anthropic_client(server: LocalServer, key: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=f"{server.url}/anthropic", api_key=key, max_retries=0)


@pytest.fixture
def chat(bedrock: LocalBedrock, server: LocalServer) -> Iterator[Any]:
    with openai_client(server, bedrock.mint_key()) as client:
        yield client.chat.completions


@pytest.fixture
def messages(bedrock: LocalBedrock, server: LocalServer) -> Iterator[Any]:
    with anthropic_client(server, bedrock.mint_key()) as client:
        yield client.messages


def test_a_chat_completion_has_text_and_usage(chat: Any) -> None:
    reply = chat.create(model=GPT, messages=HELLO)

    assert reply.choices[0].message.content == "Hello! How can I help you today?"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


def test_a_chat_completion_is_streamed(chat: Any) -> None:
    options = {"include_usage": True}
    chunks = list(chat.create(model=GPT, messages=HELLO, stream=True, stream_options=options))

    texts = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    assert "".join(texts) == "Hello! How can I help you today?"
    assert len(texts) > 3
    assert chunks[-1].usage.completion_tokens > 0


def test_a_chat_completion_calls_a_forced_tool_and_reads_its_result(chat: Any) -> None:
    asked = chat.create(model=GPT, messages=HELLO, tools=[FUNCTION], tool_choice="required")
    (call,) = asked.choices[0].message.tool_calls
    result = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    turns = [*HELLO, asked.choices[0].message, result]

    answered = chat.create(model=GPT, messages=turns, tools=[FUNCTION])

    assert (call.function.name, json.loads(call.function.arguments)) == (
        "weather",
        {"city": "text"},
    )
    assert asked.choices[0].finish_reason == "tool_calls"
    assert answered.choices[0].message.content == "The tool answered: sunny"


def test_a_chat_completion_calls_the_tool_that_is_named(chat: Any) -> None:
    other: Any = {"type": "function", "function": {"name": "time", "parameters": SCHEMA}}
    named: Any = {"type": "function", "function": {"name": "weather"}}
    reply = chat.create(model=GPT, messages=HELLO, tools=[other, FUNCTION], tool_choice=named)

    assert [call.function.name for call in reply.choices[0].message.tool_calls] == ["weather"]


@pytest.mark.parametrize("stop", ["STOP", ["HALT", "STOP"]])
def test_a_chat_completion_ends_at_a_sequence_that_stops_it(
    chat: Any, stop: str | list[str]
) -> None:
    turns: Any = [{"role": "user", "content": "Say STOP now"}]
    whole = chat.create(model=GPT, messages=turns).choices[0]
    stopped = chat.create(model=GPT, messages=turns, stop=stop).choices[0]

    assert "STOP now" in whole.message.content
    assert stopped.finish_reason == "stop"
    assert "now" not in stopped.message.content


@pytest.mark.parametrize("arguments", ["{", "[]"])
def test_a_tool_call_whose_arguments_are_no_object_is_refused(chat: Any, arguments: str) -> None:
    function = {"name": "weather", "arguments": arguments}
    call = {"id": "call_1", "type": "function", "function": function}
    turns: Any = [*HELLO, {"role": "assistant", "tool_calls": [call]}]
    with pytest.raises(openai.BadRequestError, match="JSON object"):
        chat.create(model=GPT, messages=turns, tools=[FUNCTION])


def test_a_chat_completion_streams_a_tool_call(chat: Any) -> None:
    stream = chat.create(
        model=GPT, messages=HELLO, tools=[FUNCTION], tool_choice="required", stream=True
    )

    calls = [c for chunk in stream for c in chunk.choices[0].delta.tool_calls or ()]
    assert [call.function.name for call in calls] == ["weather"]


class City(BaseModel):
    name: str
    people: int


def test_a_chat_completion_fits_a_schema(chat: Any) -> None:
    reply = chat.parse(model=GPT, messages=HELLO, response_format=City)

    assert isinstance(reply.choices[0].message.parsed, City)


def test_a_message_has_text_and_usage(messages: Any) -> None:
    reply = messages.create(model=CLAUDE, messages=HELLO, max_tokens=100)

    assert reply.content[0].text == "Hello! How can I help you today?"
    assert reply.stop_reason == "end_turn"
    assert reply.usage.output_tokens > 0


def test_a_message_is_streamed(bedrock: LocalBedrock, messages: Any) -> None:
    bedrock.script(say.reasoning_reply("Hm, well.", "Yes, of course."))
    with messages.stream(model=CLAUDE, messages=HELLO, max_tokens=100) as stream:
        texts = list(stream.text_stream)
        reply = stream.get_final_message()

    assert "".join(texts) == "Yes, of course."
    assert [block.type for block in reply.content] == ["thinking", "text"]
    assert reply.stop_reason == "end_turn"


@pytest.mark.parametrize("streamed", [False, True])
def test_a_message_uses_a_forced_tool_and_reads_its_result(messages: Any, streamed: bool) -> None:
    request: Any = {"model": CLAUDE, "messages": HELLO, "max_tokens": 100, "tools": [TOOL]}
    forced = request | {"tool_choice": {"type": "tool", "name": "weather"}}
    if streamed:
        with messages.stream(**forced) as stream:
            asked = stream.get_final_message()
    else:
        asked = messages.create(**forced)
    result = {"type": "tool_result", "tool_use_id": asked.content[0].id, "content": "sunny"}
    turns = [
        *HELLO,
        {"role": "assistant", "content": asked.content},
        {"role": "user", "content": [result]},
    ]

    answered = messages.create(**request | {"messages": turns})

    assert (asked.content[0].name, asked.content[0].input) == ("weather", {"city": "text"})
    assert asked.stop_reason == "tool_use"
    assert answered.content[0].text == "The tool answered: sunny"


def test_a_message_uses_one_of_its_tools_when_any_will_do(messages: Any) -> None:
    reply = messages.create(
        model=CLAUDE, messages=HELLO, max_tokens=100, tools=[TOOL], tool_choice={"type": "any"}
    )

    assert [block.type for block in reply.content] == ["tool_use"]


def test_instructions_count_as_input_on_each_route(chat: Any, messages: Any) -> None:
    instruction = "Answer as briefly as you can, in one word if there is one."
    system: Any = {"role": "system", "content": instruction}
    completions = [chat.create(model=GPT, messages=turns) for turns in (HELLO, [system, *HELLO])]
    request: Any = {"model": CLAUDE, "messages": HELLO, "max_tokens": 100}
    replies = [messages.create(**request), messages.create(**request, system=instruction)]

    short, long = (completion.usage.prompt_tokens for completion in completions)
    assert short < long
    assert replies[0].usage.input_tokens < replies[1].usage.input_tokens


CITED = say.cited_reply("So it is.", [{"title": "A book"}])
REDACTED = say.Reply(({"reasoningContent": {"redactedContent": "YWJj"}}, {"text": "Yes."}))


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_cited_text_is_text_on_each_route(
    bedrock: LocalBedrock, chat: Any, messages: Any, streamed: bool
) -> None:
    bedrock.script(CITED, CITED)

    if streamed:
        chunks = list(chat.create(model=GPT, messages=HELLO, stream=True))
        of_chat = "".join(c.choices[0].delta.content or "" for c in chunks)
    else:
        of_chat = chat.create(model=GPT, messages=HELLO).choices[0].message.content

    assert of_chat == "So it is."
    assert message_of(messages, streamed).content[0].text == "So it is."


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_redacted_reasoning_comes_as_it_is_and_can_be_sent_back(
    bedrock: LocalBedrock, messages: Any, streamed: bool
) -> None:
    bedrock.script(REDACTED)

    message = message_of(messages, streamed)
    turns = [*HELLO, {"role": "assistant", "content": message.content}, *HELLO]
    answered = messages.create(model=CLAUDE, max_tokens=100, messages=turns)

    assert [block.type for block in message.content] == ["redacted_thinking", "text"]
    assert message.content[0].data == "YWJj"
    assert answered.stop_reason == "end_turn"


def test_a_message_tells_the_sequence_that_stopped_it(messages: Any) -> None:
    turns: Any = [{"role": "user", "content": "Say STOP now"}]
    reply = messages.create(
        model=CLAUDE, max_tokens=100, messages=turns, stop_sequences=["HALT", "STOP"]
    )

    assert (reply.stop_reason, reply.stop_sequence) == ("stop_sequence", "STOP")


def message_of(messages: Any, streamed: bool) -> Any:
    request: Any = {"model": CLAUDE, "max_tokens": 100, "messages": HELLO}
    if not streamed:
        return messages.create(**request)
    with messages.stream(**request) as stream:
        return stream.get_final_message()


def test_a_denied_key_is_refused_on_each_route(bedrock: LocalBedrock, server: LocalServer) -> None:
    bedrock.attach_policy(None, deny_token_type("SHORT_TERM"))
    key = bedrock.mint_key()

    with (
        openai_client(server, key) as chat,
        pytest.raises(openai.AuthenticationError, match="bedrock:CallWithBearerToken"),
    ):
        chat.chat.completions.create(model=GPT, messages=HELLO)
    with (
        anthropic_client(server, key) as claude,
        pytest.raises(anthropic.PermissionDeniedError, match="bedrock:CallWithBearerToken"),
    ):
        claude.messages.create(model=CLAUDE, messages=HELLO, max_tokens=9)


def test_a_policy_on_a_model_holds_on_each_route(
    bedrock: LocalBedrock, chat: Any, messages: Any
) -> None:
    bedrock.attach_policy("dev", statement("Deny", "bedrock:InvokeModel"))

    with pytest.raises(openai.AuthenticationError, match="bedrock:InvokeModel"):
        chat.create(model=GPT, messages=HELLO)
    with pytest.raises(anthropic.PermissionDeniedError, match="bedrock:InvokeModel"):
        messages.create(model=CLAUDE, messages=HELLO, max_tokens=9)


def test_a_key_that_is_not_known_is_refused_on_each_route(server: LocalServer) -> None:
    with openai_client(server, "sk-another") as chat, pytest.raises(openai.AuthenticationError):
        chat.chat.completions.create(model=GPT, messages=HELLO)
    with (
        anthropic_client(server, "sk-another") as claude,
        pytest.raises(anthropic.AuthenticationError),
    ):
        claude.messages.create(model=CLAUDE, messages=HELLO, max_tokens=9)


def test_a_model_of_another_route_is_refused(chat: Any, messages: Any) -> None:
    with pytest.raises(openai.BadRequestError, match="isn't supported on this route"):
        chat.create(model=CLAUDE, messages=HELLO)
    with pytest.raises(anthropic.BadRequestError, match="isn't supported on this route"):
        messages.create(model=GPT, messages=HELLO, max_tokens=9)


def test_a_model_that_does_not_exist_is_not_found(chat: Any, messages: Any) -> None:
    with pytest.raises(openai.NotFoundError):
        chat.create(model="openai.gpt-99", messages=HELLO)
    with pytest.raises(anthropic.NotFoundError):
        messages.create(model="anthropic.claude-99", messages=HELLO, max_tokens=9)


BREACHES: list[dict[str, Any]] = [
    {"messages": []},
    {"messages": [{"role": "robot", "content": "Hi"}]},
    {"max_tokens": 0},
    {"tools": [{"name": "a b", "type": "function"}]},
]


@pytest.mark.parametrize("breach", [*BREACHES, {"temperature": 3}])
def test_a_chat_completion_that_is_not_valid_is_refused(chat: Any, breach: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError):
        chat.create(**{"model": GPT, "messages": HELLO, **breach})


@pytest.mark.parametrize("breach", BREACHES)
def test_a_message_that_is_not_valid_is_refused(messages: Any, breach: dict[str, Any]) -> None:
    with pytest.raises(anthropic.BadRequestError):
        messages.create(**{"model": CLAUDE, "messages": HELLO, "max_tokens": 9, **breach})


def test_a_message_fits_a_schema(messages: Any) -> None:
    reply = messages.parse(model=CLAUDE, messages=HELLO, max_tokens=99, output_format=City)

    assert isinstance(reply.parsed_output, City)


def test_an_error_inside_a_stream_is_raised(
    bedrock: LocalBedrock, chat: Any, messages: Any
) -> None:
    bedrock.inject(faults.exception_in_stream(message="It broke."), times=2)

    with pytest.raises(openai.APIError, match="It broke"):
        list(chat.create(model=GPT, messages=HELLO, stream=True))
    with pytest.raises(anthropic.APIError, match="It broke"):
        list(messages.create(model=CLAUDE, messages=HELLO, max_tokens=9, stream=True))


def test_a_stream_that_breaks_off_is_an_error(
    bedrock: LocalBedrock, chat: Any, messages: Any
) -> None:
    bedrock.inject(faults.close_mid_frame(), times=2)

    with pytest.raises(openai.APIConnectionError):
        list(chat.create(model=GPT, messages=HELLO, stream=True))
    with pytest.raises((anthropic.APIConnectionError, httpx2.TransportError)):
        list(messages.create(model=CLAUDE, messages=HELLO, max_tokens=9, stream=True))


def test_faults_have_the_form_of_the_route(bedrock: LocalBedrock, chat: Any, messages: Any) -> None:
    bedrock.inject(faults.throttling(), times=2)

    with pytest.raises(openai.RateLimitError, match="Too many requests"):
        chat.create(model=GPT, messages=HELLO)
    with pytest.raises(anthropic.RateLimitError, match="Too many requests"):
        messages.create(model=CLAUDE, messages=HELLO, max_tokens=9)
