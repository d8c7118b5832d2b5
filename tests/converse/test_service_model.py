"""Our model against AWS's own, read out of the newest botocore."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from support.service_model import SERVICE, SHAPES, reachable, samples

from bedrock_bearer import converse
from bedrock_bearer.converse import (
    ConverseRequest,
    ConverseResponse,
    CountTokensRequest,
    CountTokensResponse,
    UnknownEvent,
    UnknownMember,
    WireModel,
    parse_event,
)
from bedrock_bearer.converse.base import camel_case

OPERATIONS = ("Converse", "ConverseStream", "CountTokens")
ROOTS: dict[str, type[WireModel]] = {
    "ConverseRequest": ConverseRequest,
    "ConverseStreamRequest": ConverseRequest,
    "ConverseResponse": ConverseResponse,
    "CountTokensRequest": CountTokensRequest,
    "CountTokensResponse": CountTokensResponse,
}
# ConverseStream has structures of its own with the members of another: one class stands for both.
SAME_AS = {
    "ConverseStreamRequest": "ConverseRequest",
    "GuardrailStreamConfiguration": "GuardrailConfiguration",
}
# The stream itself: its members are the events, and parse_event reads them.
NOT_MODELS = {"ConverseStreamResponse", "ConverseStreamOutput"}

SHAPE_NAMES = reachable(
    *(
        SERVICE["operations"][operation][side]["shape"]
        for operation in OPERATIONS
        for side in ("input", "output")
    )
)
STRUCTURES = sorted(
    name
    for name in SHAPE_NAMES - NOT_MODELS
    if SHAPES[name]["type"] == "structure" and not SHAPES[name].get("document")
)
EVENTS = [
    (kind, payload)
    for sample in samples("ConverseStreamOutput")
    for kind, payload in sample.items()
]


def wire_names(model: type[WireModel]) -> set[str]:
    return {field.alias or camel_case(name) for name, field in model.model_fields.items()}


def classes_of(name: str) -> list[type[WireModel]]:
    ours: Any = getattr(converse, SAME_AS.get(name, name))
    if isinstance(ours, type):
        return [ours]
    union, *_ = get_args(ours)
    return list(get_args(union))


def strangers(value: Any, place: str = "") -> list[str]:
    """The places where a model holds something it has no field or class for."""
    if isinstance(value, UnknownMember):
        return [f"{place}: {value!r}"]
    if isinstance(value, WireModel):
        found = [f"{place}.{name}" for name in value.model_extra or {}]
        for name, part in vars(value).items():
            found += strangers(part, f"{place}.{name}")
        return found
    if isinstance(value, dict):
        return [s for name, part in value.items() for s in strangers(part, f"{place}.{name}")]
    if isinstance(value, list):
        return [s for part in value for s in strangers(part, f"{place}[]")]
    return []


def same_json(one: Any, other: Any) -> bool:
    """Equal as JSON text: 1 is not 1.0 and not true."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


@pytest.mark.parametrize("name", STRUCTURES)
def test_every_member_of_a_structure_has_a_field_of_the_same_name(name: str) -> None:
    ours = set().union(*(wire_names(model) for model in classes_of(name)))
    assert set(SHAPES[name]["members"]) <= ours


@pytest.mark.parametrize("name", [name for name in STRUCTURES if SHAPES[name].get("union")])
def test_no_class_of_a_union_stands_for_two_members(name: str) -> None:
    models = [model for model in classes_of(name) if not issubclass(model, UnknownMember)]
    if len(models) == 1:
        assert wire_names(models[0]) == set(SHAPES[name]["members"])
    else:
        assert {frozenset(wire_names(model)) for model in models} == {
            frozenset([member]) for member in SHAPES[name]["members"]
        }


@pytest.mark.parametrize("name", sorted(name for name in SHAPE_NAMES if "enum" in SHAPES[name]))
def test_every_documented_value_of_an_enumeration_is_in_its_literal(name: str) -> None:
    union = get_args(getattr(converse, name))[0]
    literal = get_args(union)[0]
    assert list(get_args(literal)) == SHAPES[name]["enum"]


@pytest.mark.parametrize("name", ROOTS)
def test_a_document_with_every_member_is_read_by_fields_alone_and_given_back(name: str) -> None:
    for sample in samples(name):
        model = ROOTS[name].model_validate(sample)
        assert strangers(model) == []
        assert same_json(model.to_wire(), sample)


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in EVENTS}))
def test_an_event_with_every_member_is_read_by_fields_alone_and_given_back(kind: str) -> None:
    for event_kind, payload in EVENTS:
        if event_kind != kind:
            continue
        event = parse_event(kind, payload)
        assert not isinstance(event, UnknownEvent)
        assert event.event_type == kind
        assert strangers(event) == []
        assert same_json(event.to_wire(), payload)
