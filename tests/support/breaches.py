"""Requests that AWS's own service model allows, and requests that break one constraint each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from support.service_model import SHAPES

_NUMBERS = ("integer", "long", "float", "double")
_BITS = {"integer": 32, "long": 64}
_TEXTS = ("a", "1", "123456789012", "s3://bucket/key", "")


def valid(name: str) -> Any:
    """Return a small document that the shape allows."""
    shape = SHAPES[name]
    if shape.get("document"):
        return {"type": "object"}
    match shape["type"]:
        case "structure" if shape.get("union"):
            member = next(iter(shape["members"]))
            return {member: valid(shape["members"][member]["shape"])}
        case "structure":
            return {m: valid(shape["members"][m]["shape"]) for m in shape.get("required", ())}
        case "list":
            return [valid(shape["member"]["shape"])]
        case "map":
            return {"a": valid(shape["value"]["shape"])}
        case "blob":
            return "YQ=="
        case "boolean":
            return True
        case "string":
            return _text(shape)
        case _:
            return shape.get("min", 1)


def breaches(name: str, above: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield a description and a document for each constraint of the shape and of all below it."""
    shape = SHAPES[name]
    if shape.get("document") or name in above:
        return
    inside = (*above, name)
    yield "wrong type", [] if shape["type"] == "structure" else {"x": 1} if _is_scalar(shape) else 3
    match shape["type"]:
        case "structure":
            yield from _of_structure(shape, valid(name), inside)
        case "list":
            yield from _of_length(shape, valid(shape["member"]["shape"]))
            for what, item in breaches(shape["member"]["shape"], inside):
                yield f"[] {what}", [item]
        case "map":
            yield from _of_map(shape, inside)
        case "string":
            yield from _of_string(shape)
        case "blob":
            yield "not base64", "%%%"
            yield "base64 that ends too late", "YWJj===="
            if shape.get("min"):
                yield "too short", ""
        case kind if kind in _NUMBERS:
            if "min" in shape:
                yield "too small", shape["min"] - 1
            if "max" in shape:
                yield "too large", shape["max"] + 1
            if kind in _BITS:
                yield "beyond its bits", 2 ** (_BITS[kind] - 1)
                yield "far below its bits", -(2 ** _BITS[kind])


def _of_structure(shape: dict[str, Any], base: Any, inside: tuple[str, ...]) -> Iterator[Any]:
    members = {name: member["shape"] for name, member in shape["members"].items()}
    in_body = {n: m for n, m in members.items() if "location" not in shape["members"][n]}
    if shape.get("union"):
        yield "no member", {}
        yield "an unknown member", {"unheardOf": {}}
        if len(members) > 1:
            yield "two members", {name: valid(members[name]) for name in list(members)[:2]}
    for name in shape.get("required", ()):
        if name in in_body:
            yield f"no {name}", {n: v for n, v in base.items() if n != name}
            yield f"null as {name}", base | {name: None}
    for name, member in members.items():
        for what, value in breaches(member, inside):
            yield f".{name} {what}", {name: value} if shape.get("union") else base | {name: value}


def _of_length(shape: dict[str, Any], item: Any) -> Iterator[tuple[str, Any]]:
    if shape.get("min"):
        yield "too few", []
    if "max" in shape:
        yield "too many", [item] * (shape["max"] + 1)


def _of_map(shape: dict[str, Any], inside: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    value = valid(shape["value"]["shape"])
    if shape.get("min"):
        yield "too few", {}
    if "max" in shape:
        yield "too many", {f"k{number}": value for number in range(shape["max"] + 1)}
    for what, key in breaches(shape["key"]["shape"], inside):
        if isinstance(key, str):
            yield f"key {what}", {key: value}
    for what, item in breaches(shape["value"]["shape"], inside):
        yield f"value {what}", {"a": item}


def _of_string(shape: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    if "enum" in shape:
        yield "none of the values", "unheard-of"
    if shape.get("min"):
        yield "too short", ""
    if "max" in shape:
        yield "too long", "a" * (shape["max"] + 1)
    if "pattern" in shape and not re.fullmatch(shape["pattern"], "\u00e4 !"):
        yield "outside the pattern", "\u00e4 !"


def _is_scalar(shape: dict[str, Any]) -> bool:
    return shape["type"] not in ("structure", "list", "map")


def _text(shape: dict[str, Any]) -> str:
    if "enum" in shape:
        return str(shape["enum"][0])
    pattern = shape.get("pattern", ".*")
    return next(
        text for text in _TEXTS if re.fullmatch(pattern, text) and len(text) >= shape.get("min", 0)
    )
