"""A second evaluator of IAM policies, written from AWS's pages alone, to compare ours with.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

ORGANIZATION = ("resource_control", "service_control")


def decide(layers: dict[str, Any], action: str, context: dict[str, Any], resource: str) -> bool:
    """Return whether documents, by layer, allow an action; the context is complete."""
    lower = {key.lower(): value for key, value in context.items() if value is not None}
    every = [
        (layer, statement)
        for layer, documents in layers.items()
        for document in documents
        for statement in document["Statement"]
    ]
    if any(s["Effect"] == "Deny" and applies(s, action, lower, resource) for _, s in every):
        return False
    for layer in {"identity": [], **layers}:
        statements = [s for name, s in every if name == layer]
        if layer in ORGANIZATION and all(s["Effect"] == "Deny" for s in statements):
            continue
        allows = [s for s in statements if s["Effect"] == "Allow"]
        if not any(applies(s, action, lower, resource) for s in allows):
            return False
    return True


def applies(statement: dict[str, Any], action: str, context: dict[str, Any], resource: str) -> bool:
    """Return whether one statement applies."""
    if "Action" in statement:
        if not any(glob(a.lower(), action.lower()) for a in listed(statement["Action"])):
            return False
    elif any(glob(a.lower(), action.lower()) for a in listed(statement["NotAction"])):
        return False
    if "Resource" in statement:
        if not any(glob(r, resource) for r in fill(statement["Resource"], context)):
            return False
    elif any(glob(r, resource) for r in fill(statement["NotResource"], context)):
        return False
    return all(
        test(operator, context.get(key.lower()), fill(wanted, context))
        for operator, keys in statement.get("Condition", {}).items()
        for key, wanted in keys.items()
    )


def test(operator: str, given: Any, wanted: list[str]) -> bool:
    """Return whether one condition holds for a key's value; None: the key is absent."""
    values = [str(v) for v in listed(given)] if given is not None else []
    if operator == "Null":
        return ("true" in wanted) == (not values)
    quantifier, _, operator = operator.rpartition(":")
    if_exists, operator = operator.endswith("IfExists"), operator.removesuffix("IfExists")
    negated, operator = "Not" in operator, operator.replace("Not", "")
    if quantifier and not any(values):
        return quantifier == "ForAllValues"
    if not values:
        return if_exists or negated
    results = [any(compare(operator, v, w) for w in wanted) != negated for v in values]
    if quantifier:
        return any(results) if quantifier == "ForAnyValue" else all(results)
    return all(results) if negated else any(results)


test.__test__ = False  # type: ignore[attr-defined]


def compare(operator: str, value: str, wanted: str) -> bool:
    if operator == "StringEquals":
        return value == wanted
    if operator == "StringEqualsIgnoreCase":
        return value.lower() == wanted.lower()
    if operator == "StringLike":
        return glob(wanted, value)
    if operator in ("ArnLike", "ArnEquals"):
        parts, patterns = value.split(":", 5), wanted.split(":", 5)
        return len(parts) == len(patterns) == 6 and all(map(glob, patterns, parts))
    if operator == "Bool":
        return value.lower() == wanted.lower()
    if operator == "IpAddress":
        try:
            return ipaddress.ip_address(value) in ipaddress.ip_network(wanted)
        except ValueError:
            return False
    try:
        left, right = float(value), float(wanted)
    except ValueError:
        return False
    return {
        "NumericEquals": left == right,
        "NumericLessThan": left < right,
        "NumericGreaterThanEquals": left >= right,
    }[operator]


def glob(pattern: str, text: str) -> bool:
    parts = ["." if c == "?" else ".*" if c == "*" else re.escape(c) for c in pattern]
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def fill(wanted: Any, context: dict[str, Any]) -> list[str]:
    """Return texts with their variables filled in; one whose variable is absent matches nothing."""
    filled = []
    for text in listed(wanted):
        names = re.findall(r"\$\{([^}]*)\}", str(text))
        if any(not isinstance(context.get(name.lower()), str) for name in names):
            continue
        filled.append(re.sub(r"\$\{([^}]*)\}", lambda m: context[m[1].lower()], str(text)))
    return filled


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
