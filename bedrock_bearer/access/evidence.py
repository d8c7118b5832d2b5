"""What AWS's answers to several keys of one principal prove together."""

from __future__ import annotations

from collections.abc import Iterable

from bedrock_bearer.access.governing import GoverningPolicy
from bedrock_bearer.access.request_context import user_names
from bedrock_bearer.facts import USE_KEY
from bedrock_bearer.keys.description import KeyDescription, TokenType


def weigh(
    refused: GoverningPolicy,
    *,
    accepted: Iterable[KeyDescription] = (),
    others: Iterable[GoverningPolicy] = (),
) -> GoverningPolicy:
    """Return a verdict with what keys of the other type of the same principal got.

    Keys of other principals prove nothing: other policies hold for them. A refusal counts only with
    the same action, effect, policy type and ARN, and is outweighed by an accepted key.

    Args:
        refused: what is known of the refusal.
        accepted: keys that were accepted for `bedrock:CallWithBearerToken`.
        others: what is known of other refusals.
    """
    other_type = refused.other_type
    if other_type is None or refused.answered_for_another_principal:
        return refused
    user = _user_of(refused)
    if user is None:
        return refused
    if refused.action.lower() == USE_KEY.lower() and any(
        key.token_type is other_type and _user_of_key(key) == user for key in accepted
    ):
        return refused.with_other_type(True)
    if any(_is_alike(refused, other) and _user_of(other) == user for other in others):
        return refused.with_other_type(False)
    return refused


def _is_alike(one: GoverningPolicy, other: GoverningPolicy) -> bool:
    """Return whether two refusals are in the same words, of keys of the two types."""
    return (
        other.token_type is one.other_type
        and other.action.lower() == one.action.lower()
        and (other.effect, other.policy_type, other.policy_arn)
        == (one.effect, one.policy_type, one.policy_arn)
        and not other.answered_for_another_principal
    )


def _user_of(refused: GoverningPolicy) -> tuple[str, str] | None:
    """Return the account and name of the IAM user that was refused: only users have both types."""
    if refused.principal_arn is not None:
        return user_names(refused.principal_arn)
    return _user_of_key(refused.key) if refused.key else None


def _user_of_key(key: KeyDescription) -> tuple[str, str] | None:
    """Return the account and name of a key's IAM user, as far as the key tells."""
    if key.token_type is not TokenType.LONG_TERM or not key.account_id or not key.user_name:
        return None
    return key.account_id, key.user_name


def how_far(governing: GoverningPolicy) -> str:
    """Say how far the token type explains a denial."""
    other = governing.other_type
    if governing.other_type_accepted:
        return (
            f"a {other} key of the same principal is accepted, so a rule on "
            f"{governing.condition_key} fits ({governing.certainty})"
        )
    if governing.other_type_accepted is False:
        return f"a {other} key of the same principal is refused as well ({governing.certainty})"
    return (
        f"this key has {governing.condition_key} = {governing.condition_value or 'unknown'}, and "
        "no other key here tells whether that is why: none of the other type belongs to the same "
        f"principal ({governing.certainty})"
    )
