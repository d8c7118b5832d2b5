"""Checks that raw answers hold what AWS's own service models have, and nothing else.

boto3 itself skips members that its model lacks, so a wrong name would not be noticed.
"""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape


def check_answers(client: Any) -> None:
    """Check every successful answer that this boto3 client gets."""
    client.meta.events.register("before-parse", _check)


def _check(operation_model: OperationModel, response_dict: dict[str, Any], **_: Any) -> None:
    shape = operation_model.output_shape
    if response_dict["status_code"] >= 300 or shape is None:
        return
    if operation_model.metadata["protocol"] == "query":
        root = ElementTree.fromstring(response_dict["body"])
        result = _child(root, f"{operation_model.name}Result")
        _check_xml(result, shape, operation_model.name)
    else:
        _check_json(json.loads(response_dict["body"]), shape, operation_model.name)


def _child(element: ElementTree.Element, name: str) -> ElementTree.Element:
    return next(child for child in element if _name(child) == name)


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _check_names(names: list[str], shape: StructureShape, path: str) -> None:
    known = {member.serialization.get("name", name) for name, member in shape.members.items()}
    assert set(names) <= known, f"{path}: AWS's model lacks {set(names) - known}"
    missing = set(shape.required_members) - set(names)
    assert not missing, f"{path}: AWS's model requires {missing}"


def _check_xml(element: ElementTree.Element, shape: Shape, path: str) -> None:
    if isinstance(shape, StructureShape):
        _check_names([_name(child) for child in element], shape, path)
        for child in element:
            _check_xml(child, shape.members[_name(child)], f"{path}.{_name(child)}")
    elif isinstance(shape, ListShape):
        for child in element:
            assert _name(child) == "member", f"{path}: {child.tag}"
            _check_xml(child, shape.member, f"{path}[]")
    else:
        _check_text(element.text or "", shape, path)


def _check_json(value: Any, shape: Shape, path: str) -> None:
    if isinstance(shape, StructureShape):
        if shape.is_document_type:
            return
        _check_names(list(value), shape, path)
        for name, item in value.items():
            _check_json(item, shape.members[name], f"{path}.{name}")
    elif isinstance(shape, ListShape):
        for item in value:
            _check_json(item, shape.member, f"{path}[]")
    elif isinstance(shape, MapShape):
        for name, item in value.items():
            _check_json(item, shape.value, f"{path}[{name}]")
    elif shape.type_name == "string":
        _check_text(value, shape, path)


def _check_text(text: str, shape: Shape, path: str) -> None:
    allowed = getattr(shape, "enum", [])
    assert not allowed or text in allowed, f"{path}: {text!r} is not one of {allowed}"
