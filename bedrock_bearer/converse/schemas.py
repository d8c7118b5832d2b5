"""JSON Schemas in the forms that Bedrock takes.

See https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

MAX_NODES = 2000
"""A schema with more nodes keeps its `$ref`s: written out, it could grow without bound."""

_ANNOTATIONS = frozenset(
    {"$comment", "default", "deprecated", "discriminator", "examples", "readOnly", "title"}
    | {"writeOnly"}
)
"""Keywords that restrict nothing."""

_FORMATS = frozenset(
    {"date", "date-time", "duration", "email", "hostname", "ipv4", "ipv6", "time", "uri", "uuid"}
)
_CARRIED = {
    "array": frozenset({"items"}),
    "boolean": frozenset[str](),
    "integer": frozenset[str](),
    "null": frozenset[str](),
    "number": frozenset[str](),
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "string": frozenset({"format"}),
}
"""The keywords of each type that `outputConfig` can carry, besides those of every type."""


def name_of(title: object) -> str:
    """Return a name that AWS takes for a tool or a schema."""
    return re.sub(r"[^a-zA-Z0-9_-]+", "_", str(title)).strip("_")[:50] or "output"


def written_out(schema: Schema) -> tuple[Schema, bool]:
    """Return a schema without `$ref`, and whether it is recursive.

    Some models take nothing but `type`, `properties` and `required` at the top of a tool's schema,
    and so no `$defs`. Where a type contains itself, the inner one is described in words.
    """
    writer = _Writer(schema.get("$defs", {}))
    try:
        return writer.node({key: value for key, value in schema.items() if key != "$defs"}), (
            writer.is_recursive
        )
    except _TooLargeError:
        return schema, True


class _TooLargeError(Exception):
    """The schema has more than `MAX_NODES` nodes."""


class _Writer:
    """Puts definitions in the place of the references to them."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self.is_recursive = False
        self._definitions = definitions
        self._open: list[str] = []
        self._nodes = 0

    def node(self, schema: Any) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _TooLargeError
        if isinstance(schema, list):
            return [self.node(part) for part in schema]
        if not isinstance(schema, dict):
            return schema
        if isinstance(schema.get("$ref"), str):
            return self._referenced(schema)
        written = {
            key: self._named(value) if key == "properties" else self.node(value)
            for key, value in schema.items()
            if key not in _ANNOTATIONS
        }
        # The classes of a union are told apart by the class itself, when the reply is read.
        if "oneOf" in written:
            written["anyOf"] = written.pop("oneOf")
        return written

    def _named(self, properties: Any) -> Any:
        """Write out properties, whose names may look like keywords."""
        return {name: self.node(schema) for name, schema in properties.items()}

    def _referenced(self, schema: Schema) -> Schema:
        name = schema["$ref"].rpartition("/")[2]
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        definition = self._definitions[name]
        if name in self._open:
            self.is_recursive = True
            kind = {"type": definition["type"]} if "type" in definition else {}
            return {**kind, "description": f"Another {name}, of the form described above."}
        self._open.append(name)
        try:
            written: Schema = self.node({**definition, **rest})
        finally:
            self._open.pop()
        return written


def tool_schema(schema: Schema) -> Schema:
    """Return the form of a written-out schema of an object that a tool's input takes.

    Its description is not in it: a tool has one of its own.
    """
    kept = ("properties", "required", "$defs")
    return {"type": "object", **{key: schema[key] for key in kept if key in schema}}


def output_schema(schema: Schema, *, is_recursive: bool) -> Schema | None:
    """Return the form of a written-out schema that `outputConfig` takes.

    None if it cannot carry the type: a recursive one, an object with any keys, or one with a limit
    such as a pattern or a greatest number.
    """
    return None if is_recursive else _carried(schema)


def _carried(schema: Any) -> Schema | None:
    if not isinstance(schema, dict):
        return None
    description = {key: schema[key] for key in ("description",) if key in schema}
    rest = {key: value for key, value in schema.items() if key != "description"}
    if "anyOf" in rest:
        members = [_carried(member) for member in rest.pop("anyOf")]
        return None if rest or None in members else {"anyOf": members, **description}
    if "enum" in rest or "const" in rest:
        return schema if rest.keys() <= {"type", "enum", "const"} else None
    kind = rest.pop("type", None)
    if kind not in _CARRIED or not rest.keys() <= _CARRIED[kind]:
        return None
    if kind == "object":
        return _carried_object(schema)
    if kind == "array":
        items = _carried(rest.get("items"))
        return items and {"type": "array", "items": items, **description}
    if rest.get("format") not in _FORMATS:
        rest.pop("format", None)
    return {"type": kind, **rest, **description}


def _carried_object(schema: Schema) -> Schema | None:
    if "properties" not in schema or schema.get("additionalProperties", False) is not False:
        return None
    properties = {name: _carried(part) for name, part in schema["properties"].items()}
    if None in properties.values():
        return None
    return {**schema, "properties": properties, "additionalProperties": False}
