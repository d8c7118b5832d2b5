"""AWS's own service model, as botocore carries it, and sample documents made from it.

A newer botocore may have more than our models. The tests then leave that out, and this prints it:

    python tests/support/service_model.py

When the models have caught up, set `COMPARED_WITH` to that version of botocore, and run
`python tests/support/extract.py`.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, get_args

import botocore

from bedrock_bearer import converse
from bedrock_bearer.converse import WireModel
from bedrock_bearer.converse.base import camel_case

COMPARED_WITH = (1, 44, 8)
"""The version of botocore that the models were last compared with: they have all that it has."""

OPERATIONS = ("Converse", "ConverseStream", "CountTokens", "ApplyGuardrail")
# ConverseStream has structures of its own with the members of another: one class stands for both.
SAME_AS = {
    "ConverseStreamRequest": "ConverseRequest",
    "GuardrailStreamConfiguration": "GuardrailConfiguration",
}
# The stream itself: its members are the events, and parse_event reads them.
NOT_MODELS = {"ConverseStreamResponse", "ConverseStreamOutput"}
_FILE = Path(botocore.__file__).parent / "data/bedrock-runtime/2023-09-30/service-2.json.gz"
SERVICE: dict[str, Any] = json.loads(gzip.decompress(_FILE.read_bytes()))
SHAPES: dict[str, Any] = SERVICE["shapes"]

_SCALARS = {
    "blob": "+//+Pj8=",
    "boolean": True,
    "double": 0.5,
    "float": 1,
    "integer": 3,
    "long": 4,
    "string": "text",
}


def samples(name: str) -> list[Any]:
    """Wire documents of a shape that hold, between them, every member at every level."""
    shape = SHAPES[name]
    if shape.get("document"):
        return [{"free": [1, 0.5, None, {"x": True}]}]
    if shape["type"] == "structure":
        return _structures(shape)
    if shape["type"] == "list":
        return [samples(shape["member"]["shape"])]
    if shape["type"] == "map":
        return [{"key": sample} for sample in samples(shape["value"]["shape"])]
    if "enum" in shape:
        return list(shape["enum"])
    return [_SCALARS[shape["type"]]]


def _structures(shape: dict[str, Any]) -> list[Any]:
    each = {
        name: samples(member["shape"])
        for name, member in shape["members"].items()
        if "location" not in member and not SHAPES[member["shape"]].get("exception")
    }
    if shape.get("union") or shape.get("eventstream"):
        return [{name: value} for name, values in each.items() for value in values]
    whole = {name: values[0] for name, values in each.items()}
    return [whole] + [
        {**whole, name: value} for name, values in each.items() for value in values[1:]
    ]


def reachable(*names: str) -> set[str]:
    """The names of every shape that these shapes hold, exceptions left out."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        name = todo.pop()
        shape = SHAPES[name]
        if name in found or shape.get("exception"):
            continue
        found.add(name)
        todo += [member["shape"] for member in shape.get("members", {}).values()]
        todo += [shape[part]["shape"] for part in ("key", "member", "value") if part in shape]
    return found


ROOTS = [
    SERVICE["operations"][operation][side]["shape"]
    for operation in OPERATIONS
    for side in ("input", "output")
]


def classes_of(name: str) -> list[type[WireModel]]:
    """Our classes for a structure: one, or one for each member of a union. Empty if it is new."""
    ours: Any = getattr(converse, SAME_AS.get(name, name), None)
    if ours is None or isinstance(ours, type):
        return [ours] if ours else []
    union, *_ = get_args(ours)
    return list(get_args(union))


def wire_names(model: type[WireModel]) -> set[str]:
    """The names on the wire of a model's fields."""
    return {field.alias or camel_case(name) for name, field in model.model_fields.items()}


def documented_values(name: str) -> list[str]:
    """The values that our type of an enumeration lists. Empty if it is new."""
    ours: Any = getattr(converse, name, None)
    return list(get_args(get_args(get_args(ours)[0])[0])) if ours else []


def missing() -> list[tuple[str, str]]:
    """What AWS has and our models lack: the name of a shape, and its member or value."""
    found: list[tuple[str, str]] = []
    for name in sorted(reachable(*ROOTS)):
        shape = SHAPES[name]
        if "enum" in shape:
            ours = set(documented_values(name))
            found += [(name, value) for value in shape["enum"] if value not in ours]
        elif shape["type"] == "structure" and not shape.get("document") and name not in NOT_MODELS:
            names = set().union(*(wire_names(model) for model in classes_of(name)))
            found += [(name, member) for member in shape["members"] if member not in names]
    return found


def leave_out(what: list[tuple[str, str]]) -> None:
    """Take members and values out of the service model."""
    for name, part in what:
        if "enum" in SHAPES[name]:
            SHAPES[name]["enum"].remove(part)
        else:
            del SHAPES[name]["members"][part]


IS_NEWER = tuple(map(int, botocore.__version__.split(".")[:3])) > COMPARED_WITH
MISSING = missing()
if IS_NEWER:
    leave_out(MISSING)

if __name__ == "__main__":
    for shape_name, part_name in MISSING:
        print(f"{shape_name}: {part_name}")  # noqa: T201
    print(f"{len(MISSING)} missing of botocore {botocore.__version__}")  # noqa: T201
