"""The policies that govern API keys, ready to attach as identity-based or service control policy.

See https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-permissions.html.
"""

from __future__ import annotations

from typing import Any

from bedrock_bearer.access.document import PolicyDocument, Statement
from bedrock_bearer.facts import (
    AGE_KEY,
    BEDROCK_SERVICE,
    CALL_WITH_BEARER_TOKEN,
    CREATE_KEY,
    LONGEST_AGE_DAYS,
    SERVICE_NAME_KEY,
)
from bedrock_bearer.keys.description import TokenType


def deny_use(token_type: TokenType | str, *, mantle: bool = False) -> PolicyDocument:
    """Deny calls with keys of one type.

    Args:
        token_type: the type to deny.
        mantle: also on the bedrock-mantle endpoint, which has an action and a condition key of
            its own.

    Raises:
        ValueError: `token_type` is none of the two types.
    """
    denied = TokenType(token_type)
    return _document(
        _use(f"Deny{_word(denied)}KeyUse{suffix}", "Deny", service, "StringEquals", denied)
        for service, suffix in _services(mantle)
    )


def allow_only(
    token_type: TokenType | str, *, mantle: bool = False, scp: bool = False
) -> PolicyDocument:
    """Allow calls with keys of one type, and deny those with any other.

    Args:
        token_type: the type to allow.
        mantle: also on the bedrock-mantle endpoint.
        scp: for a service control policy, which only denies: the Allow is left out.

    Raises:
        ValueError: `token_type` is none of the two types.
    """
    allowed = TokenType(token_type)
    word = _word(allowed)
    statements = []
    for service, suffix in _services(mantle):
        if not scp:
            sid = f"Allow{word}KeyUse{suffix}"
            statements.append(_use(sid, "Allow", service, "StringEquals", allowed))
        sid = f"DenyAllBut{word}KeyUse{suffix}"
        statements.append(_use(sid, "Deny", service, "StringNotEquals", allowed))
    return _document(statements)


def deny_all_keys(*, mantle: bool = True) -> PolicyDocument:
    """Deny calls with any key; without `mantle`, only on the Bedrock endpoints proper."""
    actions = [f"{service}:{CALL_WITH_BEARER_TOKEN}" for service, _ in _services(mantle)]
    return _document([Statement(sid="DenyAllKeyUse", effect="Deny", action=actions, resource="*")])


def limit_key_age(days: int) -> PolicyDocument:
    """Deny the creation of long-term keys that live longer than `days`, or for ever.

    Raises:
        ValueError: `days` is not a whole number from 1 to 36600.
    """
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= LONGEST_AGE_DAYS:
        raise ValueError(f"the age must be a whole number of days from 1 to {LONGEST_AGE_DAYS}")
    return _document(
        [
            _creation("DenyKeysThatLiveTooLong", {"NumericGreaterThan": {AGE_KEY: str(days)}}),
            # Without an age a key never expires, and a numeric test finds nothing to compare.
            _creation("DenyKeysThatNeverExpire", {"Null": {AGE_KEY: "true"}}),
        ]
    )


def deny_key_creation() -> PolicyDocument:
    """Deny the creation of long-term keys."""
    return _document([_creation("DenyKeyCreation", {})])


def _services(mantle: bool) -> list[tuple[str, str]]:
    return [("bedrock", ""), ("bedrock-mantle", "OnMantle")] if mantle else [("bedrock", "")]


def _word(token_type: TokenType) -> str:
    return "ShortTerm" if token_type is TokenType.SHORT_TERM else "LongTerm"


def _use(sid: str, effect: Any, service: str, operator: str, token_type: TokenType) -> Statement:
    return Statement(
        sid=sid,
        effect=effect,
        action=f"{service}:{CALL_WITH_BEARER_TOKEN}",
        resource="*",
        condition={operator: {f"{service}:bearerTokenType": token_type.value}},
    )


def _creation(sid: str, condition: dict[str, Any]) -> Statement:
    return Statement(
        sid=sid,
        effect="Deny",
        action=CREATE_KEY,
        resource="*",
        condition={"StringEquals": {SERVICE_NAME_KEY: BEDROCK_SERVICE}, **condition},
    )


def _document(statements: Any) -> PolicyDocument:
    return PolicyDocument(version="2012-10-17", statement=list(statements))
