"""The conditions of a policy statement.

See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from bedrock_bearer.access.request_context import RoleOfSession


class Unknown(Enum):
    """The value of a condition key that is not known."""

    UNKNOWN = "unknown"


UNKNOWN: Final = Unknown.UNKNOWN

Truth = bool | None
"""None if it depends on something unknown."""


@dataclass(frozen=True, slots=True)
class Context:
    """The condition keys of a request.

    Attributes:
        values: the keys in lower case, and their values: one, a list, or None for an absent key.
        is_complete: whether all other keys are absent; if not, they are unknown.
        foreign: prefixes of keys that this request never carries.
    """

    values: Mapping[str, Any]
    is_complete: bool = True
    foreign: tuple[str, ...] = ()

    def get(self, key: str) -> Any:
        """Return a key's value, None if it is absent, or UNKNOWN."""
        lower = key.lower()
        if lower in self.values or self.is_complete or lower.startswith(self.foreign):
            return self.values.get(lower)
        return UNKNOWN

    def with_values(self, values: Mapping[str, Any]) -> Context:
        """Return the context with more keys known."""
        return replace(self, values={**self.values, **values})


class Wildcard(Enum):
    """A character of a pattern that matches other characters."""

    ANY = "*"
    ONE = "?"


Pattern = Sequence[str | Wildcard]
"""A text's characters and its wildcards."""


class MissingVariableError(Exception):
    """A policy variable has no value in the request's context, and no default."""


class UnknownVariableError(Exception):
    """A policy variable has a value that is not known."""


def all_of(truths: Iterable[Truth]) -> Truth:
    """Return False if one is False, else None if one is unknown, else True."""
    known = True
    for truth in truths:
        if truth is False:
            return False
        known = known and truth is not None
    return True if known else None


def any_of(truths: Iterable[Truth]) -> Truth:
    """Return True if one is True, else None if one is unknown, else False."""
    negated = all_of(negation(truth) for truth in truths)
    return negation(negated)


def negation(truth: Truth) -> Truth:
    """Return the opposite; of what is unknown, None."""
    return None if truth is None else not truth


def is_operator(name: str) -> bool:
    """Return whether `name` is a condition operator of IAM."""
    _, base, if_exists = operator_parts(name)
    return base in _TESTS or (base == "null" and not if_exists)


def holds(
    condition: Mapping[str, Mapping[str, Any]], context: Context, *, with_variables: bool
) -> Truth:
    """Return whether all of a statement's conditions hold.

    Args:
        condition: the Condition element.
        context: the request's condition keys.
        with_variables: whether `${...}` is a policy variable.
    """
    return all_of(
        _holds(operator, key, wanted, context, with_variables)
        for operator, keys in condition.items()
        for key, wanted in keys.items()
    )


def about_key(condition: Mapping[str, Mapping[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    """Return the part of a statement's conditions that tests one condition key."""
    return {
        operator: {name: wanted for name, wanted in keys.items() if name.lower() == key.lower()}
        for operator, keys in condition.items()
    }


def pattern(text: str, context: Context, *, with_variables: bool) -> Pattern:
    """Return a text with its variables filled in; wildcards in their values are plain characters.

    See https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html.

    Raises:
        MissingVariableError: a variable has no value.
        UnknownVariableError: a variable's value is not known.
    """
    if not with_variables or "${" not in text:
        return _plain_pattern(text)
    found: list[str | Wildcard] = []
    position = 0
    while position < len(text):
        end = text.find("}", position) if text.startswith("${", position) else -1
        if end >= 0:
            found.extend(_variable(text[position + 2 : end], context))
            position = end + 1
            continue
        character = text[position]
        found.append(Wildcard(character) if character in "*?" else character)
        position += 1
    return found


@lru_cache(maxsize=2048)
def _plain_pattern(text: str) -> Pattern:
    return [Wildcard(character) if character in "*?" else character for character in text]


def variables_in(text: str) -> list[str]:
    """Return the names of the condition keys that a text uses as policy variables."""
    contents = [part.partition("}")[0] for part in text.split("${")[1:] if "}" in part]
    return [name.partition(",")[0].strip() for name in contents if name not in ("*", "?", "$")]


def _variable(content: str, context: Context) -> str:
    if content in ("*", "?", "$"):
        return content
    name, comma, default = content.partition(",")
    value = context.get(name.strip())
    if value is UNKNOWN:
        raise UnknownVariableError(name)
    if value is not None and not isinstance(value, (list, tuple, set, frozenset)):
        return _text(value)
    if comma:
        return default.strip().strip("'")
    raise MissingVariableError(name)


def like(wanted: Pattern, text: str) -> bool:
    """Return whether a text matches a pattern, in at most the product of their lengths."""
    at = position = 0
    star, resume = -1, 0
    while position < len(text):
        if at < len(wanted) and wanted[at] in (Wildcard.ONE, text[position]):
            at += 1
            position += 1
        elif at < len(wanted) and wanted[at] is Wildcard.ANY:
            star, resume = at, position
            at += 1
        elif star >= 0:
            resume += 1
            at, position = star + 1, resume
        else:
            return False
    return all(part is Wildcard.ANY for part in wanted[at:])


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


def operator_parts(operator: str) -> tuple[str, str, bool]:
    """Return the set operator, the base operator, both in lower case, and whether IfExists."""
    quantifier, colon, base = operator.lower().partition(":")
    if not colon:
        quantifier, base = "", quantifier
    elif quantifier not in ("forallvalues", "foranyvalue"):
        return "", operator, False
    return quantifier, base.removesuffix("ifexists"), base.endswith("ifexists")


def _holds(operator: str, key: str, wanted: Any, context: Context, with_variables: bool) -> Truth:
    quantifier, base, if_exists = operator_parts(operator)
    value = context.get(key)
    if value is UNKNOWN:
        return None
    texts = texts_of(wanted)
    if isinstance(value, RoleOfSession):
        possible = {
            _holds(operator, key, wanted, context.with_values({key.lower(): arn}), with_variables)
            for arn in value.alternatives(texts)
        }
        return possible.pop() if len(possible) == 1 else None
    values = _values(value)
    if base == "null":
        return any((text.lower() == "true") == (not values) for text in texts)
    negated, test = _TESTS[base]
    if quantifier and not any(values):
        # The set operators ask for no more than this: with them, IfExists changes nothing.
        return quantifier == "forallvalues"
    if not values:
        return if_exists or negated
    matches = [_matches_one(test, value, texts, context, with_variables) for value in values]
    if negated:
        matches = [negation(match) for match in matches]
    if quantifier == "foranyvalue":
        return any_of(matches)
    return all_of(matches) if quantifier or negated else any_of(matches)


def texts_of(wanted: Any) -> list[str]:
    """Return what a condition compares a key with, as texts."""
    return [_text(item) for item in (wanted if isinstance(wanted, list) else [wanted])]


def _values(value: Any) -> list[str]:
    """Return the values that the request has for a key, as texts: none if it is absent or empty."""
    items = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    return [_text(item) for item in items if item is not None]


Test = Callable[[str, Pattern, str], bool]
"""Takes the request's value, and the policy's as a pattern and as text; tells if they match."""


def _matches_one(
    test: Test, value: str, texts: list[str], context: Context, with_variables: bool
) -> Truth:
    return any_of(_matches(test, value, text, context, with_variables) for text in texts)


def _matches(test: Test, value: str, text: str, context: Context, with_variables: bool) -> Truth:
    try:
        filled = pattern(text, context, with_variables=with_variables)
    except MissingVariableError:
        return False
    except UnknownVariableError:
        return None
    return test(value, filled, text)


def _literal(wanted: Pattern) -> str:
    return "".join(part if isinstance(part, str) else part.value for part in wanted)


def _string_equals(value: str, wanted: Pattern, _: str) -> bool:
    return value == _literal(wanted)


def _string_equals_ignore_case(value: str, wanted: Pattern, _: str) -> bool:
    return value.casefold() == _literal(wanted).casefold()


def _string_like(value: str, wanted: Pattern, _: str) -> bool:
    return like(wanted, value)


def _arn_like(value: str, wanted: Pattern, _: str) -> bool:
    """Compare ARNs part by part: only in the last part does a wildcard match a colon."""
    parts: list[list[str | Wildcard]] = [[]]
    for part in wanted:
        if part == ":" and len(parts) < 6:
            parts.append([])
        else:
            parts[-1].append(part)
    values = value.split(":", 5)
    return len(values) == len(parts) == 6 and all(map(like, parts, values))


def _numeric(compare: Callable[[Decimal, Decimal], bool]) -> Test:
    def test(value: str, _: Pattern, text: str) -> bool:
        try:
            return compare(Decimal(value), Decimal(text))
        except InvalidOperation:
            return False

    return test


def _date(compare: Callable[[datetime, datetime], bool]) -> Test:
    def test(value: str, _: Pattern, text: str) -> bool:
        left, right = read_date(value), read_date(text)
        return left is not None and right is not None and compare(left, right)

    return test


def read_date(text: str) -> datetime | None:
    try:
        if text.lstrip("-").replace(".", "", 1).isdigit():
            return datetime.fromtimestamp(float(text), UTC)
        read = datetime.fromisoformat(f"{text}-01" if len(text) == len("2026-01") else text)
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _bool(value: str, _: Pattern, text: str) -> bool:
    return value.lower() == text.lower()


def _binary_equals(value: str, _: Pattern, text: str) -> bool:
    try:
        return base64.b64decode(value, validate=True) == base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False


def _ip_address(value: str, _: Pattern, text: str) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False


_TESTS: dict[str, tuple[bool, Test]] = {
    "stringequals": (False, _string_equals),
    "stringnotequals": (True, _string_equals),
    "stringequalsignorecase": (False, _string_equals_ignore_case),
    "stringnotequalsignorecase": (True, _string_equals_ignore_case),
    "stringlike": (False, _string_like),
    "stringnotlike": (True, _string_like),
    "numericequals": (False, _numeric(lambda a, b: a == b)),
    "numericnotequals": (True, _numeric(lambda a, b: a == b)),
    "numericlessthan": (False, _numeric(lambda a, b: a < b)),
    "numericlessthanequals": (False, _numeric(lambda a, b: a <= b)),
    "numericgreaterthan": (False, _numeric(lambda a, b: a > b)),
    "numericgreaterthanequals": (False, _numeric(lambda a, b: a >= b)),
    "dateequals": (False, _date(lambda a, b: a == b)),
    "datenotequals": (True, _date(lambda a, b: a == b)),
    "datelessthan": (False, _date(lambda a, b: a < b)),
    "datelessthanequals": (False, _date(lambda a, b: a <= b)),
    "dategreaterthan": (False, _date(lambda a, b: a > b)),
    "dategreaterthanequals": (False, _date(lambda a, b: a >= b)),
    "bool": (False, _bool),
    "binaryequals": (False, _binary_equals),
    "ipaddress": (False, _ip_address),
    "notipaddress": (True, _ip_address),
    "arnequals": (False, _arn_like),
    "arnnotequals": (True, _arn_like),
    "arnlike": (False, _arn_like),
    "arnnotlike": (True, _arn_like),
}
"""For each operator: whether it is negated, and the test itself."""
