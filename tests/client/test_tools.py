"""A conversation with tools, from the functions to the last word of the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from pydantic import BaseModel
from support.clients import ClientHandle, Colour

from bedrock_bearer import run_tools, run_tools_async
from bedrock_bearer.errors import ConfigurationError
from bedrock_bearer.local import LocalBedrock, local_async_client, local_client
from bedrock_bearer.local.replies import Reply, text_reply, tool_use_reply

NOVA = "amazon.nova-micro-v1:0"


class Answer(BaseModel):
    degrees: int


def weather(city: str) -> dict[str, int]:
    """Tell the weather of a city."""
    return {"degrees": len(city)}


async def slow_weather(city: str) -> dict[str, int]:
    """Tell the weather of a city."""
    return {"degrees": len(city)}


@pytest.fixture
def bedrock() -> LocalBedrock:
    return LocalBedrock()


@pytest.fixture
def client(colour: Colour, bedrock: LocalBedrock) -> Iterator[ClientHandle]:
    made: Any = local_async_client(bedrock) if colour.is_async else local_client(bedrock)
    with ClientHandle(colour, made) as handle:
        yield handle


def model(request: Mapping[str, Any]) -> Reply:
    """Ask for the weather; then answer with it, through the tool of the output if there is one."""
    last = request["messages"][-1]["content"][-1]
    if "toolResult" not in last:
        return tool_use_reply(
            request["toolConfig"]["tools"][0]["toolSpec"]["name"], {"city": "Ulm"}
        )
    result = last["toolResult"]["content"][0]["json"]
    tools = [tool["toolSpec"]["name"] for tool in request["toolConfig"]["tools"]]
    if "answer_with_Answer" in tools:
        return tool_use_reply("answer_with_Answer", result)
    return text_reply(f"It has {result['degrees']} degrees.")


def test_a_model_asks_for_a_function_gets_its_result_and_answers(
    client: ClientHandle, bedrock: LocalBedrock
) -> None:
    bedrock.script(model, model)
    messages: list[Any] = ["How is Ulm?"]

    reply = client.converse(NOVA, messages, tools=[weather])
    while reply.stop_reason == "tool_use":
        messages += [reply.message, run_tools(reply, [weather])]
        reply = client.converse(NOVA, messages, tools=[weather])

    assert reply.text == "It has 3 degrees."


def test_async_functions_are_tools_too(
    client: ClientHandle, bedrock: LocalBedrock, colour: Colour
) -> None:
    bedrock.script(model, model)
    messages: list[Any] = ["How is Ulm?"]

    with client.stream(NOVA, messages, tools=[slow_weather]) as stream:
        reply = stream.final_response()
    if not colour.is_async:
        with pytest.raises(TypeError, match="run_tools_async"):
            run_tools(reply, [slow_weather])
        return
    results = colour.finish(run_tools_async, reply, [slow_weather])
    last = client.converse(NOVA, [*messages, reply.message, results], tools=[slow_weather])

    assert last.text == "It has 3 degrees."


def test_tools_and_an_output_type_work_together(
    client: ClientHandle, bedrock: LocalBedrock
) -> None:
    bedrock.script(model, model)
    messages: list[Any] = ["How is Ulm?"]
    options: dict[str, Any] = {"tools": [weather], "output_type": Answer}

    reply = client.converse(NOVA, messages, **options)
    assert [use.name for use in reply.tool_uses] == ["weather"]
    messages += [reply.message, run_tools(reply, [weather])]
    reply = client.converse(NOVA, messages, **options)

    assert reply.parsed == Answer(degrees=3)


def test_a_function_that_cannot_be_a_tool_is_refused_before_anything_is_sent(
    client: ClientHandle,
) -> None:
    with pytest.raises(ConfigurationError, match="cannot be a tool: a model cannot pass"):
        client.converse(NOVA, tools=[print])
