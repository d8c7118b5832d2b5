"""Structured output, forced tools, token counts of files and of the prompt cache."""

from __future__ import annotations

import json
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import pytest
from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter
from support.local import Caller

from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.schemas import example_of


class Colour(StrEnum):
    RED = "red"


class Leaf(BaseModel):
    kind: Literal["leaf"]
    size: float = Field(gt=2, lt=3)


class Tree(BaseModel):
    kind: Literal["tree"]
    children: list[Tree | Leaf] = Field(max_length=3)


class Chain(BaseModel):
    size: int
    next: Chain | None


class Everything(BaseModel):
    name: str = Field(min_length=9, max_length=12)
    born: date
    seen: AwareDatetime
    id: UUID
    took: timedelta
    age: int = Field(ge=18, le=99)
    colour: Colour
    tree: Tree
    leaf: Leaf | None
    pairs: list[tuple[int, str]] = Field(min_length=2)
    scores: dict[str, float]


SCHEMAS: list[Any] = [
    Everything,
    Tree,
    Chain,
    Leaf,
    list[int],
    Colour,
    int | None,
    tuple[str, bool],
]


@pytest.mark.parametrize("kind", SCHEMAS)
def test_an_example_fits_its_schema(kind: Any) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(kind)

    adapter.validate_json(json.dumps(example_of(adapter.json_schema())))


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/nowhere"},
        {"anyOf": [], "type": "string"},
        {"allOf": [{"required": ["a"], "properties": {"a": {"type": "integer"}}}]},
        {"type": "array", "minItems": 10**12},
        {"type": []},
        {"required": "x", "properties": 3},
        {"minLength": "x", "type": "string"},
        {"anyOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"$ref": "#/$defs/a"}}},
    ],
)
def test_any_schema_has_an_example(schema: Any) -> None:
    json.dumps(example_of(schema))


@pytest.mark.parametrize(
    "schema",
    [
        {"required": list("abcd"), "properties": {name: {"$ref": "#"} for name in "abcd"}},
        {"type": "array", "minItems": 100, "items": {"$ref": "#"}},
    ],
    ids=["properties", "items"],
)
def test_a_schema_that_asks_for_ever_more_has_a_small_example(schema: Any) -> None:
    assert len(json.dumps(example_of(schema))) < 100_000


@pytest.fixture
def caller(bedrock: LocalBedrock) -> Caller:
    return Caller(bedrock, bedrock.mint_key())


def text_of(response: Any) -> Any:
    return response.json()["output"]["message"]["content"][0]["text"]


def test_output_config_is_answered_with_json_that_fits(caller: Caller) -> None:
    schema = {"schema": json.dumps(Everything.model_json_schema()), "name": "everything"}
    output = {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": schema}}}

    Everything.model_validate_json(text_of(caller.converse(outputConfig=output)))


def test_anthropics_own_output_config_is_answered_too(caller: Caller) -> None:
    fields = {
        "output_config": {"format": {"type": "json_schema", "schema": Leaf.model_json_schema()}}
    }

    Leaf.model_validate_json(text_of(caller.converse(additionalModelRequestFields=fields)))


def test_a_forced_tool_is_used_with_fitting_arguments(caller: Caller) -> None:
    tool = {"toolSpec": {"name": "plant", "inputSchema": {"json": Everything.model_json_schema()}}}
    config = {"tools": [tool], "toolChoice": {"tool": {"name": "plant"}}}

    (block,) = caller.converse(toolConfig=config).json()["output"]["message"]["content"]

    Everything.model_validate_json(json.dumps(block["toolUse"]["input"]))


@pytest.mark.parametrize("kind", ["document", "video", "image"])
def test_the_base64_of_a_file_is_not_counted_as_text(caller: Caller, kind: str) -> None:
    file_format = {"document": "pdf", "video": "mp4", "image": "png"}[kind]
    file = {"format": file_format, "source": {"bytes": "A" * 4_000_000}}
    content = [
        {"text": "What is it?"},
        {kind: file | ({"name": "a"} if kind == "document" else {})},
    ]

    reply = caller.converse(messages=[{"role": "user", "content": content}])

    assert reply.json()["usage"]["inputTokens"] < 10_000


CACHED = [{"text": "You are a helpful assistant. " * 50}, {"cachePoint": {"type": "default"}}]


def test_a_cache_point_is_written_once_and_then_read(caller: Caller) -> None:
    first = caller.converse("One", system=CACHED).json()["usage"]
    second = caller.converse("Two", system=CACHED).json()["usage"]
    other = caller.converse("Two", system=[{"text": "Other."}, CACHED[1]]).json()["usage"]

    assert first["cacheReadInputTokens"] == 0 < first["cacheWriteInputTokens"]
    assert second["cacheReadInputTokens"] == first["cacheWriteInputTokens"]
    assert second["cacheWriteInputTokens"] == 0 == other["cacheReadInputTokens"]
    for usage in (first, second):
        counts = [count for name, count in usage.items() if name != "totalTokens"]
        assert sum(counts) == usage["totalTokens"]


def test_a_stream_counts_the_cache_too(caller: Caller) -> None:
    caller.converse("One", system=CACHED)

    assert b'"cacheReadInputTokens":3' in caller.stream("Two", system=CACHED).content


def test_without_a_cache_point_there_are_no_cache_counts(caller: Caller) -> None:
    assert set(caller.converse().json()["usage"]) == {"inputTokens", "outputTokens", "totalTokens"}
