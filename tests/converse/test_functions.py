"""Functions as tools: what the model is told of them, and how they are called."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field

from bedrock_bearer import run_tools, run_tools_async
from bedrock_bearer.converse import (
    BytesSource,
    CachePointBlock,
    CachePointContent,
    ConverseRequest,
    ConverseResponse,
    CountTokensRequest,
    ImageBlock,
    ImageContent,
    TextContent,
    ToolConfiguration,
    ToolInputSchema,
    ToolSpecification,
    ToolSpecTool,
)
from bedrock_bearer.converse.functions import Functions


class Unit(StrEnum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


class Place(BaseModel):
    city: str
    country: str = "DE"


@dataclass
class Forecast:
    day: date
    degrees: float


def weather(place: Place, day: date, unit: Unit = Unit.CELSIUS) -> Forecast:
    """Forecast the weather.

    Only for the next ten days.

    Args:
        place: where; a city
            and its country.
        day (date): which day.

    Returns:
        The forecast.
    """
    return Forecast(day, 20.0 if unit is Unit.CELSIUS else 293.0)


def add(a: int, b: int = 2) -> int:
    """Add two numbers.

    :param a: the first number
    :param int b: the second number
    :returns: the sum
    """
    return a + b


def fail(reason: str) -> None:
    raise LookupError(reason)


async def slow(text: str) -> str:
    await asyncio.sleep(0)
    return text.upper()


def specification(tool: Any) -> dict[str, Any]:
    wire = ConverseRequest.build("m", "Hi", tools=[tool]).to_wire()
    found: dict[str, Any] = wire["toolConfig"]["tools"][0]["toolSpec"]
    return found


def schema(tool: Any) -> dict[str, Any]:
    found: dict[str, Any] = specification(tool)["inputSchema"]["json"]
    return found


def asking(*uses: tuple[str, Any], **more: Any) -> ConverseResponse:
    content = [
        {"toolUse": {"toolUseId": f"t{number}", "name": name, "input": given, **more}}
        for number, (name, given) in enumerate(uses)
    ]
    wire = {"output": {"message": {"role": "assistant", "content": content}}}
    return ConverseResponse.model_validate({**wire, "stopReason": "tool_use"})


def results(reply: ConverseResponse, functions: Functions) -> list[dict[str, Any]]:
    message = run_tools(reply, functions).to_wire()
    assert message["role"] == "user"
    return [block["toolResult"] for block in message["content"]]


def text_of(function: Callable[..., Any], given: Any) -> str:
    (result,) = results(asking((function.__name__, given)), [function])
    return str(result["content"][0]["text"])


def test_a_function_becomes_a_specification_by_its_signature_and_its_docstring() -> None:
    assert specification(weather) == {
        "name": "weather",
        "description": "Forecast the weather.\n\nOnly for the next ten days.",
        "inputSchema": {
            "json": {
                "type": "object",
                "properties": {
                    "place": {
                        "type": "object",
                        "description": "where; a city and its country.",
                        "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
                        "required": ["city"],
                    },
                    "day": {"type": "string", "format": "date", "description": "which day."},
                    "unit": {"type": "string", "enum": ["celsius", "kelvin"]},
                },
                "required": ["place", "day"],
            }
        },
    }


def test_arguments_may_be_described_in_the_style_of_sphinx() -> None:
    spec = specification(add)
    assert spec["description"] == "Add two numbers."
    assert spec["inputSchema"]["json"]["properties"] == {
        "a": {"type": "integer", "description": "the first number"},
        "b": {"type": "integer", "description": "the second number"},
    }


def test_a_function_without_arguments_or_docstring_is_a_tool() -> None:
    def now() -> str:
        return "noon"

    assert specification(now) == {
        "name": "now",
        "inputSchema": {"json": {"type": "object", "properties": {}}},
    }
    assert text_of(now, {}) == text_of(now, "") == "noon"


def test_limits_literals_and_optional_arguments_are_in_the_schema() -> None:
    def search(
        query: Annotated[str, Field(min_length=1, description="what to look for")],
        order: Literal["new", "old"],
        limit: Optional[int] = None,  # noqa: UP045
    ) -> str:
        return f"{query} {order} {limit}"

    assert schema(search)["properties"] == {
        "query": {"type": "string", "minLength": 1, "description": "what to look for"},
        "order": {"type": "string", "enum": ["new", "old"]},
        "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    }
    assert text_of(search, {"query": "a", "order": "new"}) == "a new None"


def test_parameters_may_have_the_names_of_pydantics_methods() -> None:
    def odd(schema: str, model_dump: int, _private: str = "p", copy: bool = False) -> str:
        return f"{schema} {model_dump} {_private} {copy}"

    assert text_of(odd, {"schema": "a", "model_dump": 1}) == "a 1 p False"
    assert text_of(odd, {"schema": "a", "model_dump": 1, "_private": "q"}) == "a 1 q False"


def test_methods_partials_classes_and_callable_objects_are_tools() -> None:
    class Shop:
        def price(self, item: str) -> int:
            return len(item)

        def __call__(self, item: str) -> str:
            return item

    assert text_of(Shop().price, {"item": "tea"}) == "3"
    assert results(asking(("Shop", {"item": "tea"})), [Shop()])[0]["content"] == [{"text": "tea"}]
    assert results(asking(("Place", {"city": "Ulm"})), [Place])[0]["content"] == [
        {"json": {"city": "Ulm", "country": "DE"}}
    ]
    sum_ = functools.partial(add, b=5)
    assert results(asking(("total", {"a": 1})), {"total": sum_})[0]["content"] == [{"text": "6"}]


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (lambda *many: many, "a model cannot pass \\*many"),
        (lambda **many: many, "a model cannot pass \\*\\*many"),
        (print, "a model cannot pass \\*args"),
    ],
)
def test_what_a_model_cannot_call_is_refused(function: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=f"cannot be a tool: {problem}"):
        ConverseRequest.build("m", "Hi", tools=[function])


def test_an_annotation_without_a_schema_is_refused() -> None:
    def odd(things: Iterator[object] | Path | asyncio.Lock) -> None: ...

    with pytest.raises(ValueError, match="the function odd cannot be a tool"):
        ConverseRequest.build("m", "Hi", tools=[odd])


def test_tools_are_functions_specifications_models_and_dicts() -> None:
    named = ToolSpecification(name="a", input_schema=ToolInputSchema(json={"type": "object"}))
    wire = ConverseRequest.build(
        "m",
        "Hi",
        tools=[
            add,
            named,
            ToolSpecTool(tool_spec=named),
            {"toolSpec": {"name": "b", "inputSchema": {"json": {"type": "object"}}}},
            {"name": "c", "inputSchema": {"json": {"type": "object"}}},
            CachePointContent(cache_point=CachePointBlock(type="default")),
        ],
    ).to_wire()

    tools = wire["toolConfig"]["tools"]
    assert [tool["toolSpec"]["name"] for tool in tools[:5]] == ["add", "a", "a", "b", "c"]
    assert tools[5] == {"cachePoint": {"type": "default"}}


def test_tools_join_a_tool_configuration() -> None:
    config = ToolConfiguration.model_validate(
        {"tools": [{"systemTool": {"name": "web"}}], "toolChoice": {"any": {}}}
    )

    for given in (config, config.to_wire()):
        wire = ConverseRequest.build("m", "Hi", tool_config=given, tools=[add]).to_wire()
        assert [next(iter(tool)) for tool in wire["toolConfig"]["tools"]] == [
            "systemTool",
            "toolSpec",
        ]
        assert wire["toolConfig"]["toolChoice"] == {"any": {}}


def test_the_tokens_of_tools_can_be_counted() -> None:
    wire = CountTokensRequest.build("m", "Hi", tools=[add]).to_wire()
    (tool,) = wire["input"]["converse"]["toolConfig"]["tools"]
    assert tool["toolSpec"]["name"] == "add"


@pytest.mark.parametrize("tools", [add, "add", {"name": "add"}, 3])
def test_tools_that_are_not_a_list_are_refused(tools: Any) -> None:
    with pytest.raises(ValueError, match="tools: Input should be a list of tools"):
        ConverseRequest.build("m", "Hi", tools=tools)


def test_functions_are_called_with_their_own_types_and_results_go_back_in_order() -> None:
    place = {"city": "Ulm"}
    reply = asking(
        ("weather", {"place": place, "day": "2026-01-02", "unit": "kelvin"}), ("add", {"a": 1})
    )

    assert results(reply, [add, weather]) == [
        {"toolUseId": "t0", "content": [{"json": {"day": "2026-01-02", "degrees": 293.0}}]},
        {"toolUseId": "t1", "content": [{"text": "3"}]},
    ]


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ("text", [{"text": "text"}]),
        ("", [{"text": ""}]),
        (None, [{"text": "null"}]),
        (1.5, [{"text": "1.5"}]),
        (["a", 1], [{"text": '["a", 1]'}]),
        ([], [{"text": "[]"}]),
        ({"a": date(2026, 1, 2)}, [{"json": {"a": "2026-01-02"}}]),
        ([Place(city="Ulm")], [{"text": '[{"city": "Ulm", "country": "DE"}]'}]),
        (TextContent(text="x"), [{"text": "x"}]),
        (
            [
                TextContent(text="x"),
                ImageContent(image=ImageBlock(format="png", source=BytesSource(bytes=b"a"))),
            ],
            [{"text": "x"}, {"image": {"format": "png", "source": {"bytes": "YQ=="}}}],
        ),
    ],
    ids=str,
)
def test_a_result_is_sent_as_text_json_or_blocks(value: Any, content: Any) -> None:
    def give() -> Any:
        return value

    (result,) = results(asking(("give", {})), [give])
    assert result == {"toolUseId": "t0", "content": content}


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (("fail", {"reason": "no such city"}), "LookupError: no such city"),
        (("fail", {}), "The arguments do not fit. reason: Field required"),
        (("add", {"a": "x"}), "The arguments do not fit. a: Input should be a valid integer"),
        (("add", {"a": 1, "c": 1}), "The arguments do not fit. c: Extra inputs are not permitted"),
        (("add", '{"a": 1'), "The arguments do not fit. Invalid JSON"),
        (("add", [1]), "The arguments do not fit. Input should be an object"),
        (("hologram", {}), "There is no tool 'hologram'. The tools are: add, fail."),
    ],
    ids=str,
)
def test_what_goes_wrong_is_told_to_the_model(use: tuple[str, Any], text: str) -> None:
    (result,) = results(asking(use), [add, fail])
    assert result["status"] == "error"
    assert result["content"][0]["text"].startswith(text)


def test_a_result_that_json_cannot_hold_is_told_to_the_model() -> None:
    def give() -> object:
        return object()

    (result,) = results(asking(("give", {})), [give])
    assert result["status"] == "error"
    assert "serialize" in result["content"][0]["text"]


def test_the_tools_of_the_service_are_not_run() -> None:
    with pytest.raises(ValueError, match="asks for no tool"):
        run_tools(asking(("add", {"a": 1}), type="server_tool_use"), [add])


def test_a_reply_that_asks_for_no_tool_is_an_error() -> None:
    with pytest.raises(ValueError, match="asks for no tool: it stopped with 'end_turn'"):
        run_tools(ConverseResponse(stop_reason="end_turn"), [add])


def test_an_interrupt_in_a_tool_is_not_swallowed() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tools(asking(("stop", {})), [stop])


def test_an_async_function_needs_the_async_twin() -> None:
    with pytest.raises(TypeError, match="slow is async: await run_tools_async"):
        run_tools(asking(("slow", {"text": "a"})), [slow])


async def test_async_functions_run_at_the_same_time_and_sync_ones_too() -> None:
    both = asyncio.Barrier(2)

    async def meet(text: str) -> str:
        await both.wait()
        return text

    async def fails() -> None:
        raise LookupError("no")

    reply = asking(
        ("meet", {"text": "a"}), ("add", {"a": 1}), ("meet", {"text": "b"}), ("fails", {})
    )
    message = await run_tools_async(reply, [meet, add, fails])

    found = [block["toolResult"] for block in message.to_wire()["content"]]
    assert [result["content"][0]["text"] for result in found] == ["a", "3", "b", "LookupError: no"]
    assert found[3]["status"] == "error"


def test_the_message_can_be_sent() -> None:
    reply = asking(("add", {"a": 1}))
    wire = ConverseRequest.build(
        "m", ["Hi", reply.message, run_tools(reply, [add])], tools=[add]
    ).to_wire()
    assert json.dumps(wire["messages"][2]) == json.dumps(
        {
            "role": "user",
            "content": [{"toolResult": {"toolUseId": "t0", "content": [{"text": "3"}]}}],
        }
    )
