"""Our model against AWS's own, read out of the newest botocore."""

from __future__ import annotations

import json
from typing import Any

import botocore
import pytest
from support.service_model import (
    IS_NEWER,
    MISSING,
    NOT_MODELS,
    ROOTS,
    SHAPES,
    classes_of,
    documented_values,
    leave_out,
    missing,
    reachable,
    samples,
    wire_names,
)

from bedrock_bearer.converse import (
    ApplyGuardrailRequest,
    ApplyGuardrailResponse,
    ConverseRequest,
    ConverseResponse,
    CountTokensRequest,
    CountTokensResponse,
    UnknownEvent,
    UnknownMember,
    WireModel,
    parse_event,
)

MODELS: dict[str, type[WireModel]] = {
    "ConverseRequest": ConverseRequest,
    "ConverseStreamRequest": ConverseRequest,
    "ConverseResponse": ConverseResponse,
    "ApplyGuardrailRequest": ApplyGuardrailRequest,
    "ApplyGuardrailResponse": ApplyGuardrailResponse,
    "CountTokensRequest": CountTokensRequest,
    "CountTokensResponse": CountTokensResponse,
}
SHAPE_NAMES = reachable(*ROOTS)
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


def strangers(value: Any, place: str = "") -> list[str]:
    """Return the places where a model holds something that it has no field or class for."""
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
    """Compare as JSON text: 1 is not 1.0 and not true."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def test_the_models_have_every_member_and_value_that_aws_documents() -> None:
    added = ", ".join(f"{name}: {part}" for name, part in MISSING)
    if IS_NEWER and added:
        pytest.skip(f"botocore {botocore.__version__} is newer than our models and adds {added}")
    assert added == ""


def test_what_aws_adds_is_found_and_left_out() -> None:
    tokens = SHAPES["TokenUsage"]["members"]
    tokens["hologramTokens"] = {"shape": "Integer"}
    SHAPES["ImageFormat"]["enum"].append("holo")

    added = missing()
    leave_out(added)

    assert added == [("ImageFormat", "holo"), ("TokenUsage", "hologramTokens")]
    assert missing() == []


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
def test_a_literal_lists_the_values_that_aws_documents_in_their_order(name: str) -> None:
    assert documented_values(name) == SHAPES[name]["enum"]


@pytest.mark.parametrize("name", MODELS)
def test_a_document_with_every_member_is_read_by_fields_alone_and_given_back(name: str) -> None:
    for sample in samples(name):
        model = MODELS[name].model_validate(sample)
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
