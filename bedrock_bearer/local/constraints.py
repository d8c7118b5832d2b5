"""Checks of a request against AWS's own service model; errors have AWS's wording.

`service_model.json` holds the shapes of the requests, taken by a script from botocore's model. The
package carries it, so that requests are checked alike whether botocore is installed or not.

AWS accepts some values that its model does not list, and members that it does not know: recorded
traffic shows both.
"""

from __future__ import annotations

import binascii
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from bedrock_bearer.local.service_errors import invalid

Path = tuple[str | int, ...]

ACCEPTED_BESIDE_THE_MODEL = {
    "ToolUseType": ("tool_use",),
    "VideoFormat": ("video/mp4",),
}
"""Values that AWS accepts although its enums lack them; its own replies hold the first."""

MAX_SHOWN_VALUE = 1_000

_JSON_NAMES: dict[type, str] = {
    bool: "Boolean",
    dict: "JSONObject",
    float: "Number",
    int: "Integer",
    list: "JSONArray",
    str: "String",
}
_FAILED = "failed to satisfy constraint"
_NUMBERS = {"integer": int, "long": int, "float": float, "double": float}
_BITS = {"integer": 32, "long": 64}


def checked(shape: str, document: Any) -> Any:
    """Return `document` without members that are null.

    Raises:
        ServiceError: it breaks the constraints of the shape, such as `ConverseRequest`.
    """
    checker = _Checker()
    cleaned = checker.read(shape, document, ())
    if not checker.broken:
        return cleaned
    count = len(checker.broken)
    errors = "1 validation error" if count == 1 else f"{count} validation errors"
    raise invalid(f"{errors} detected: {'; '.join(checker.broken)}")


def expect_kind(value: Any, kind: type, path: Path = ()) -> None:
    """Refuse a value that is not of the JSON type it has to be."""
    found = type(value)
    if found is kind or (kind is float and found is int):
        return
    raise invalid(
        f"Malformed input request: {_pointer(path)}: expected type: {_JSON_NAMES[kind]}, found:"
        f" {_JSON_NAMES.get(found, 'Null')}, please reformat your input and try again."
    )


def _pointer(path: Path) -> str:
    return "/".join(["#", *map(str, path)])


def dotted(path: Path) -> str:
    """Return a path as Bedrock's own sentences name it, such as `messages.0.content.1`."""
    return ".".join(map(str, path))


class _Checker:
    """Reads a document by the shapes; collects a sentence for each broken constraint."""

    def __init__(self) -> None:
        self.broken: list[str] = []
        self._shapes = _shapes()

    def read(self, name: str, value: Any, path: Path) -> Any:
        shape = self._shapes[name]
        kind = shape["type"]
        if shape.get("document"):
            return value
        if kind == "structure":
            return self._structure(name, shape, value, path)
        if kind == "list":
            return self._list(shape, value, path)
        if kind == "map":
            return self._map(shape, value, path)
        if kind == "boolean":
            expect_kind(value, bool, path)
            return value
        if kind in _NUMBERS:
            return self._number(shape, value, path)
        expect_kind(value, str, path)
        if kind == "blob":
            self._blob(shape, value, path)
        else:
            self._string(name, shape, value, path)
        return value

    def _structure(self, name: str, shape: dict[str, Any], value: Any, path: Path) -> Any:
        expect_kind(value, dict, path)
        members = shape.get("members", {})
        cleaned = {n: v for n, v in value.items() if not (v is None and n in members)}
        for member in shape.get("required", ()):
            if member not in cleaned:
                place = f"Value null at '{_place((*path, member))}'"
                self.broken.append(f"{place} {_FAILED}: Member must not be null")
        if shape.get("union") and sum(member in cleaned for member in members) != 1:
            raise invalid(
                f"{name} object at {dotted(path)} must set one of the following keys:"
                f" {', '.join(members)}."
            )
        for member, member_shape in members.items():
            if member in cleaned:
                cleaned[member] = self.read(member_shape, cleaned[member], (*path, member))
        return cleaned

    def _list(self, shape: dict[str, Any], value: Any, path: Path) -> Any:
        expect_kind(value, list, path)
        self._length(shape, len(value), "[]" if not value else None, path)
        return [self.read(shape["member"], item, (*path, i)) for i, item in enumerate(value)]

    def _map(self, shape: dict[str, Any], value: Any, path: Path) -> Any:
        expect_kind(value, dict, path)
        self._length(shape, len(value), None, path)
        for key in value:
            self.read(shape["key"], key, (*path, key))
        return {key: self.read(shape["value"], item, (*path, key)) for key, item in value.items()}

    def _number(self, shape: dict[str, Any], value: Any, path: Path) -> Any:
        kind = _NUMBERS[shape["type"]]
        if kind is int and type(value) is float and value.is_integer():
            value = int(value)
        expect_kind(value, kind, path)
        bits = _BITS.get(shape["type"])
        if bits is not None and not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise invalid(
                f"Malformed input request: {_pointer(path)}: the number does not fit {bits} bits,"
                " please reformat your input and try again."
            )
        if "min" in shape and value < shape["min"]:
            limit = f"Member must have value greater than or equal to {shape['min']}"
            self._add(shape, value, path, limit)
        if "max" in shape and value > shape["max"]:
            limit = f"Member must have value less than or equal to {shape['max']}"
            self._add(shape, value, path, limit)
        return value

    def _string(self, name: str, shape: dict[str, Any], value: str, path: Path) -> None:
        if "enum" in shape:
            if value not in (*shape["enum"], *ACCEPTED_BESIDE_THE_MODEL.get(name, ())):
                values = ", ".join(shape["enum"])
                self._add(shape, value, path, f"Member must satisfy enum value set: [{values}]")
            return
        if "pattern" in shape and not _pattern(shape["pattern"]).fullmatch(value):
            pattern = f"Member must satisfy regular expression pattern: {shape['pattern']}"
            self._add(shape, value, path, pattern)
        self._length(shape, len(value), value, path)

    def _blob(self, shape: dict[str, Any], value: str, path: Path) -> None:
        try:
            size = len(binascii.a2b_base64(value, strict_mode=True))
            if len(value) != -(-size // 3) * 4:
                # Python takes more padding than there may be.
                raise ValueError
        except ValueError:
            raise invalid(
                f"The value at {dotted(path)} is not valid base64. Encode it and try again."
            ) from None
        self._length(shape, size, None, path)

    def _length(self, shape: dict[str, Any], length: int, value: str | None, path: Path) -> None:
        if length < shape.get("min", 0):
            limit = f"Member must have length greater than or equal to {shape['min']}"
            self._add(shape, value, path, limit)
        if length > shape.get("max", length):
            limit = f"Member must have length less than or equal to {shape['max']}"
            self._add(shape, value, path, limit)

    def _add(self, shape: dict[str, Any], value: Any, path: Path, constraint: str) -> None:
        """Note a broken constraint; AWS does not show sensitive values."""
        hidden = value is None or shape.get("sensitive") or len(str(value)) > MAX_SHOWN_VALUE
        shown = "Value" if hidden else f"Value '{value}'"
        self.broken.append(f"{shown} at '{_place(path)}' {_FAILED}: {constraint}")


def _place(path: Path) -> str:
    """A path as these sentences name it: `messages.1.member.role`, counted from 1."""
    return ".".join(f"{part + 1}.member" if isinstance(part, int) else part for part in path)


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.ASCII)


@cache
def _shapes() -> dict[str, dict[str, Any]]:
    text = (files("bedrock_bearer.local") / "service_model.json").read_text(encoding="utf-8")
    shapes: dict[str, dict[str, Any]] = json.loads(text)
    return shapes
