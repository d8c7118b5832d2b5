"""A small value that fits a JSON schema, for structured replies and forced tools."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 32
MAX_VALUES = 1_000
"""So many values are made for one schema; a recursive schema could ask for any number."""
DEPTH_OF_NULLS = 8
"""Below this depth a value is null where it may be: the schema may be recursive."""

_TEXT_OF_FORMAT = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "duration": "PT1S",
    "email": "somebody@example.com",
    "hostname": "example.com",
    "ipv4": "127.0.0.1",
    "ipv6": "::1",
    "time": "00:00:00Z",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def example_of(schema: Any) -> Any:
    """Return a small value that fits a schema: its required properties and no others.

    It knows the keywords that structured output takes, `$ref` within the schema among them, but
    not `pattern`.
    """
    return _Examples(schema).of(schema, 0)


class _Examples:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._left = MAX_VALUES

    def of(self, schema: Any, depth: int) -> Any:
        self._left -= 1
        if not isinstance(schema, Mapping) or depth > MAX_DEPTH or self._left < 0:
            return {}
        if "$ref" in schema:
            return self.of(self._find(schema["$ref"]), depth + 1)
        if "const" in schema:
            return schema["const"]
        for values in ("enum", "examples"):
            if _items(schema.get(values)):
                return schema[values][0]
        for choice in ("anyOf", "oneOf"):
            if options := _items(schema.get(choice)):
                if depth > DEPTH_OF_NULLS and {"type": "null"} in options:
                    return None
                return self.of(self._merged(schema, options[0], choice), depth + 1)
        if _items(schema.get("allOf")):
            merged: Any = schema
            for part in schema["allOf"]:
                merged = self._merged(merged, part, "allOf")
            return self.of(merged, depth + 1)
        return self._of_type(schema, depth)

    def _of_type(self, schema: Mapping[str, Any], depth: int) -> Any:
        kind = schema.get("type") or ("array" if "items" in schema else "object")
        if isinstance(kind, list):
            kind = kind[0] if kind else "object"
        match kind:
            case "object":
                properties = _mapping(schema.get("properties"))
                names = [n for n in _items(schema.get("required")) if isinstance(n, str)]
                return {name: self.of(properties.get(name, {}), depth + 1) for name in names}
            case "array":
                first = [self.of(item, depth + 1) for item in _items(schema.get("prefixItems"))]
                missing = min(_integer(schema.get("minItems")) - len(first), 100)
                items = schema.get("items", {})
                return first + [self.of(items, depth + 1) for _ in range(missing)]
            case "string":
                text = _TEXT_OF_FORMAT.get(str(schema.get("format")), "text")
                length = min(_integer(schema.get("minLength")), 10_000)
                longest = schema.get("maxLength")
                text = text.ljust(length, "t")
                return text[:longest] if isinstance(longest, int) and longest >= 0 else text
            case "integer":
                return int(self._number(schema, 1))
            case "number":
                return self._number(schema, 0.5)
            case "boolean":
                return True
        return None

    def _number(self, schema: Mapping[str, Any], step: float) -> float:
        """A number within the limits of a schema; 1 if there are none."""
        low = _limit(schema, "minimum", "exclusiveMinimum", step)
        high = _limit(schema, "maximum", "exclusiveMaximum", -step)
        number = max(1.0, low) if low is not None else 1.0
        return number if high is None or number <= high else high

    def _find(self, reference: Any) -> Any:
        """What `#/$defs/Name` names within the schema."""
        found: Any = self._root
        for part in str(reference).removeprefix("#").strip("/").split("/"):
            if part:
                found = _mapping(found).get(part.replace("~1", "/").replace("~0", "~"))
        return found

    def _merged(self, schema: Mapping[str, Any], part: Any, keyword: str) -> dict[str, Any]:
        for _ in range(MAX_DEPTH):
            if not isinstance(part, Mapping) or "$ref" not in part:
                break
            part = self._find(part["$ref"])
        rest = {name: value for name, value in schema.items() if name != keyword}
        part = _mapping(part)
        merged = {**rest, **part}
        if "properties" in rest and "properties" in part:
            merged["properties"] = {**_mapping(rest["properties"]), **_mapping(part["properties"])}
            merged["required"] = [*_items(rest.get("required")), *_items(part.get("required"))]
        return merged


def _limit(schema: Mapping[str, Any], inclusive: str, exclusive: str, step: float) -> float | None:
    for name, more in ((inclusive, 0.0), (exclusive, step)):
        value = schema.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value + more
    return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _integer(value: Any) -> int:
    return value if isinstance(value, int) else 0
