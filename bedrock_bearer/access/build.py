"""The policies that govern API keys, ready to attach as identity-based or service control policy.

By default they cover both endpoints: to prevent all use of API keys, AWS says, both actions must be
denied. See https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-permissions.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bedrock_bearer.access.document import PolicyDocument, Statement
from bedrock_bearer.facts import (
    AGE_KEY,
    BEDROCK_SERVICE,
    CREATE_KEY,
    LONGEST_AGE_DAYS,
    RESET_KEY,
    SERVICE_NAME_KEY,
    TOKEN_TYPE_KEYS,
    USE_ACTIONS,
)
from bedrock_bearer.keys.description import TokenType


def deny_use(
    token_type: TokenType | str, *, mantle: bool = True, exempt: Sequence[str] = ()
) -> PolicyDocument:
    """Deny calls with keys of one type.

    Args:
        token_type: the type to deny.
        mantle: also on the bedrock-mantle endpoint, which has an action and a condition key of its
            own. Default: yes.
        exempt: ARNs of principals that are not denied; wildcards are allowed.

    Raises:
        ValueError: `token_type` is neither of the two types.
    """
    denied = TokenType(token_type)
    return _document(
        _use(f"Deny{_word(denied)}KeyUse{suffix}", "Deny", service, "StringEquals", denied, exempt)
        for service, suffix in _services(mantle)
    )


def allow_only(
    token_type: TokenType | str,
    *,
    mantle: bool = True,
    scp: bool = False,
    exempt: Sequence[str] = (),
) -> PolicyDocument:
    """Allow calls with keys of one type, and deny those with any other.

    Args:
        token_type: the type to allow.
        mantle: also on the bedrock-mantle endpoint. Default: yes.
        scp: for a service control policy, which only denies: the Allow is left out.
        exempt: ARNs of principals that are not denied.

    Raises:
        ValueError: `token_type` is neither of the two types.
    """
    allowed = TokenType(token_type)
    word = _word(allowed)
    statements = []
    for service, suffix in _services(mantle):
        if not scp:
            sid = f"Allow{word}KeyUse{suffix}"
            statements.append(_use(sid, "Allow", service, "StringEquals", allowed, ()))
        sid = f"DenyAllBut{word}KeyUse{suffix}"
        statements.append(_use(sid, "Deny", service, "StringNotEquals", allowed, exempt))
    return _document(statements)


def deny_all_keys(*, mantle: bool = True, exempt: Sequence[str] = ()) -> PolicyDocument:
    """Deny calls with any key; without `mantle`, only on the Bedrock endpoints proper."""
    actions = [USE_ACTIONS[service] for service, _ in _services(mantle)]
    return _document([_deny("DenyAllKeyUse", actions, {}, exempt)])


def limit_key_age(
    days: int, *, deny_reset: bool = False, exempt: Sequence[str] = ()
) -> PolicyDocument:
    """Deny the creation of long-term keys that live longer than `days`, or forever.

    Args:
        days: the longest life that is allowed, in days.
        deny_reset: also deny the reset of a key, which gives a key that exists a new secret and
            asks for no age.
        exempt: ARNs of principals that are not denied.

    Raises:
        ValueError: `days` is not a whole number from 1 to 36600.
    """
    if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= LONGEST_AGE_DAYS:
        raise ValueError(f"the age must be a whole number of days from 1 to {LONGEST_AGE_DAYS}")
    too_long, forever = {"NumericGreaterThan": {AGE_KEY: str(days)}}, {"Null": {AGE_KEY: "true"}}
    statements = [
        _creation("DenyKeysThatLiveTooLong", too_long, exempt),
        # Without an age a key never expires, and a numeric test finds nothing to compare.
        _creation("DenyKeysThatNeverExpire", forever, exempt),
    ]
    if deny_reset:
        statements.append(_deny("DenyKeyReset", RESET_KEY, {}, exempt))
    return _document(statements)


def deny_key_creation(*, exempt: Sequence[str] = ()) -> PolicyDocument:
    """Deny the creation of long-term keys."""
    return _document([_creation("DenyKeyCreation", {}, exempt)])


def _services(mantle: bool) -> list[tuple[str, str]]:
    return [("bedrock", ""), ("bedrock-mantle", "OnMantle")] if mantle else [("bedrock", "")]


def _word(token_type: TokenType) -> str:
    return "ShortTerm" if token_type is TokenType.SHORT_TERM else "LongTerm"


def _use(
    sid: str,
    effect: Any,
    service: str,
    operator: str,
    token_type: TokenType,
    exempt: Sequence[str],
) -> Statement:
    return Statement(
        sid=sid,
        effect=effect,
        action=USE_ACTIONS[service],
        resource="*",
        condition={operator: {TOKEN_TYPE_KEYS[service]: token_type.value}, **_but(exempt)},
    )


def _creation(sid: str, condition: dict[str, Any], exempt: Sequence[str]) -> Statement:
    of_bedrock = {"StringEquals": {SERVICE_NAME_KEY: BEDROCK_SERVICE}}
    return _deny(sid, CREATE_KEY, {**of_bedrock, **condition}, exempt)


def _deny(
    sid: str, action: str | list[str], condition: dict[str, Any], exempt: Sequence[str]
) -> Statement:
    given: dict[str, Any] = {"condition": {**condition, **_but(exempt)}}
    if not given["condition"]:
        given = {}
    return Statement(sid=sid, effect="Deny", action=action, resource="*", **given)


def _but(exempt: Sequence[str]) -> dict[str, Any]:
    return {"ArnNotLike": {"aws:PrincipalArn": list(exempt)}} if exempt else {}


def _document(statements: Iterable[Statement]) -> PolicyDocument:
    return PolicyDocument(version="2012-10-17", statement=list(statements))
