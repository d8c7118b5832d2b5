"""Sample documents made from AWS's own service model, as botocore carries it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import botocore

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
        todo += [shape[part]["shape"] for part in ("member", "value") if part in shape]
    return found
