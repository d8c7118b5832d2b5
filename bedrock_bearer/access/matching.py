"""Whether a statement of a policy applies to a request; None if that is not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bedrock_bearer.access.conditions import (
    UNKNOWN,
    Context,
    MissingVariableError,
    Truth,
    UnknownVariableError,
    all_of,
    any_of,
    holds,
    like,
    negation,
    pattern,
    texts_of,
    variables_in,
)
from bedrock_bearer.access.document import Statement, as_texts
from bedrock_bearer.access.policy_set import PlacedStatement
from bedrock_bearer.access.request_context import RoleOfSession
from bedrock_bearer.facts import BEARER_SERVICES, USE_ACTIONS

PRINCIPAL_ARN = "aws:PrincipalArn"
USER_ID = "aws:userid"
SESSION = ":assumed-role/"
"""What the ARN of a role's session has. `aws:userid` ends with the session's name."""
RESOURCE = "resource"
"""What a decision depends on when the request's resource is not known."""

_NAMESPACES = (*BEARER_SERVICES, "iam")
_WITHOUT_RESOURCE = {action.lower() for action in USE_ACTIONS.values()}


@dataclass(frozen=True, slots=True)
class Request:
    """The request that policies decide on.

    Attributes:
        action: the action.
        context: the condition keys.
        resource: the ARN of the resource; `*` for an action without one; None if not known.
    """

    action: str
    context: Context
    resource: str | None

    @classmethod
    def of(
        cls, action: str, context: Mapping[str, Any] | None, resource: str, *, partial: bool = False
    ) -> Request:
        """Return a request.

        Args:
            action: the action.
            context: condition keys, compared without regard to case, and their values.
            resource: an ARN, or `*`.
            partial: whether there may be more condition keys than those given.
        """
        service = action.partition(":")[0].lower()
        foreign = tuple(f"{name}:" for name in _NAMESPACES if name != service)
        values = {key.lower(): value for key, value in (context or {}).items()}
        known = Context(values, not partial, foreign if service in _NAMESPACES else ())
        is_unknown = partial and resource == "*" and action.lower() not in _WITHOUT_RESOURCE
        return cls(action, known, None if is_unknown else resource)


def applies(placed: PlacedStatement, request: Request) -> Truth:
    """Return whether a statement applies to a request."""
    statement = placed.located.statement
    covered = covers(placed, request)
    if covered is False:
        return False
    conditions = holds(statement.condition, request.context, with_variables=placed.with_variables)
    return all_of((covered, is_for_principal(statement, request.context), conditions))


def covers(placed: PlacedStatement, request: Request) -> Truth:
    """Return whether a statement is about the action and the resource."""
    if not covers_action(placed.located.statement, request.action):
        return False
    return covers_resource(placed, request)


def covers_action(statement: Statement, action: str) -> bool:
    """Return whether a statement is about an action."""
    if statement.action is not None:
        return _any_action(statement.action, action)
    return not _any_action(statement.not_action or [], action)


def covers_resource(placed: PlacedStatement, request: Request) -> Truth:
    """Return whether a statement is about the request's resource."""
    statement = placed.located.statement
    if statement.not_resource is not None:
        return negation(_any_resource(statement.not_resource, placed, request))
    return _any_resource(statement.resource or "*", placed, request)


def is_for_principal(statement: Statement, context: Context) -> Truth:
    """Return whether a statement is for the request's principal."""
    if statement.principal is None and statement.not_principal is None:
        return True
    named = _names_principal(principals_of(statement), context)
    return named if statement.principal is not None else negation(named)


def unknown_to(placed: PlacedStatement, request: Request) -> list[str]:
    """Return the condition keys that a statement looks at and the request does not tell."""
    statement = placed.located.statement
    texts = [
        text for keys in statement.condition.values() for w in keys.values() for text in texts_of(w)
    ]
    texts += as_texts(statement.resource) + as_texts(statement.not_resource)
    keys = [key for keys in statement.condition.values() for key in keys]
    if placed.with_variables:
        keys += [name for text in texts for name in variables_in(text)]
    named = principals_of(statement)
    if named:
        keys.append(PRINCIPAL_ARN)
    if any(SESSION in name for name in named):
        keys.append(USER_ID)
    unknown = [key for key in keys if is_unknown(request.context.get(key))]
    if request.resource is None and covers_resource(placed, request) is None:
        unknown.append(RESOURCE)
    return unknown


def is_unknown(value: Any) -> bool:
    """Return whether a condition key's value is not known, or not whole."""
    return value is UNKNOWN or isinstance(value, RoleOfSession)


def _any_action(actions: str | list[str], action: str) -> bool:
    return any(
        like(pattern(wanted.lower(), _NO_CONTEXT, with_variables=False), action.lower())
        for wanted in as_texts(actions)
    )


_NO_CONTEXT = Context({})


def _any_resource(resources: str | list[str], placed: PlacedStatement, request: Request) -> Truth:
    return any_of(_is_resource(wanted, placed, request) for wanted in as_texts(resources))


def _is_resource(wanted: str, placed: PlacedStatement, request: Request) -> Truth:
    if wanted == "*":
        return True
    try:
        filled = pattern(wanted, request.context, with_variables=placed.with_variables)
    except MissingVariableError:
        return False
    except UnknownVariableError:
        return None
    return None if request.resource is None else like(filled, request.resource)


def principals_of(statement: Statement) -> list[str]:
    """Return the principals that a statement is for, or is not for."""
    given = statement.principal if statement.principal is not None else statement.not_principal
    if given is None or isinstance(given, str):
        return [given] if given else []
    return [name for value in given.values() for name in as_texts(value)]


def _names_principal(names: list[str], context: Context) -> Truth:
    if "*" in names:
        return True
    arn = context.get(PRINCIPAL_ARN)
    if arn is UNKNOWN:
        return None
    arns = arn.alternatives(names) if isinstance(arn, RoleOfSession) else [str(arn or "")]
    possible = {_is_named(names, one, context) for one in arns}
    return possible.pop() if len(possible) == 1 else None


def _is_named(names: list[str], arn: str, context: Context) -> Truth:
    if arn.count(":") < 5:
        return False
    partition, account = arn.split(":")[1:5:3]
    if any(name in (arn, account, f"arn:{partition}:iam::{account}:root") for name in names):
        return True
    role_name = arn.partition(":role/")[2].rpartition("/")[2]
    role = f"arn:{partition}:sts::{account}{SESSION}{role_name}/"
    sessions = [name.removeprefix(role) for name in names if role_name and name.startswith(role)]
    user_id = context.get(USER_ID) if sessions else None
    return None if user_id is UNKNOWN else str(user_id).partition(":")[2] in sessions
