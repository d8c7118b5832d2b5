"""Finds what a policy that governs API keys lets through against its author's intent.

See https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-permissions.html.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bedrock_bearer.access.conditions import (
    Context,
    Truth,
    about_key,
    any_of,
    holds,
    operator_parts,
    texts_of,
)
from bedrock_bearer.access.document import PolicyDocument, Statement, as_texts, read_document
from bedrock_bearer.access.matching import Request, applies, covers_action, covers_resource
from bedrock_bearer.access.policy_set import IDENTITY, VPC_ENDPOINT, Layer, PlacedStatement
from bedrock_bearer.access.questions import Question, creation_of_key, use_of_key
from bedrock_bearer.facts import (
    AGE_KEY,
    BEARER_SERVICES,
    CALL_WITH_BEARER_TOKEN,
    CREATE_KEY,
    LONGEST_AGE_DAYS,
    RESET_KEY,
    TOKEN_TYPE_KEYS,
    USE_ACTIONS,
)
from bedrock_bearer.keys.description import TokenType

Severity = Literal["error", "warning", "information"]

_ENDPOINTS = {"bedrock": "Bedrock's own endpoints", "bedrock-mantle": "the bedrock-mantle endpoint"}
_INVOCATIONS = {
    "bedrock": ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"),
    "bedrock-mantle": ("bedrock-mantle:CreateInference",),
}
_OPERATIONS = {
    "bedrock:converse": "bedrock:InvokeModel",
    "bedrock:conversestream": "bedrock:InvokeModelWithResponseStream",
    "bedrock:createinference": "bedrock-mantle:CreateInference",
    "bedrock-mantle:converse": "bedrock-mantle:CreateInference",
    "bedrock-mantle:invokemodel": "bedrock-mantle:CreateInference",
    "bedrock-mantle:invokemodelwithresponsestream": "bedrock-mantle:CreateInference",
}
"""What policies name as if it were an action, and the action that governs it."""
_ENDPOINT_PREFIXES = ("bedrock-runtime", "bedrock-agent", "bedrock-agent-runtime")
_KEY_ACTIONS = {
    "listservicespecificcredentials",
    *(f"{verb}servicespecificcredential" for verb in ("create", "delete", "reset", "update")),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a policy lets through, or that has no effect.

    Attributes:
        id: the kind of finding, such as `mantle-open`.
        severity: `error`, `warning` or `information`.
        statement: the index of the statement, counted from 0; None for the document as a whole.
        message: what is wrong and what that lets through.
        example: a request that shows it.
        fix: how to mend it.
    """

    id: str
    severity: Severity
    statement: int | None
    message: str
    example: str
    fix: str


def lint(
    document: PolicyDocument | Mapping[str, Any] | str, policy_type: str | None = None
) -> list[Finding]:
    """Return what is wrong with a policy that governs API keys.

    Args:
        document: the policy, as model, dict or JSON.
        policy_type: what kind of policy it is, in AWS's words (`service control policy`). Default:
            unknown.

    Raises:
        ValueError: IAM would not take the document.
    """
    policy = _Policy(read_document(document), policy_type)
    return [
        *_foreign_keys(policy),
        *_unknown_values(policy),
        *_resources(policy),
        *_unknown_actions(policy),
        *_open_endpoints(policy),
        *_ages(policy),
        *_resets(policy),
        *_invocations(policy),
    ]


class _Policy:
    """A document, and what its statements say to a request."""

    def __init__(self, document: PolicyDocument, policy_type: str | None) -> None:
        self.policy_type = policy_type
        self.placed = Layer.of(policy_type or IDENTITY, [(0, document)]).statements
        self.statements = [placed.located.statement for placed in self.placed]

    def denies(self, question: Question) -> Truth:
        """Return whether a Deny applies; None if that depends on something unknown."""
        return _any(self.placed, "Deny", question)

    def allows(self, question: Question) -> Truth:
        """Return whether an Allow applies; None if that depends on something unknown."""
        return _any(self.placed, "Allow", question)


def _any(placed: Sequence[PlacedStatement], effect: str, question: Question) -> Truth:
    request = Request.of(question.action, question.context, "*", partial=True)
    return any_of(applies(one, request) for one in placed if one.located.statement.effect == effect)


def _foreign_keys(policy: _Policy) -> Iterator[Finding]:
    for index, statement in enumerate(policy.statements):
        for service in BEARER_SERVICES:
            other = _other(service)
            own, foreign = TOKEN_TYPE_KEYS[service].lower(), TOKEN_TYPE_KEYS[other].lower()
            if foreign not in _tested(statement) or not _names_prefix(statement, service):
                continue
            always = _holds_without(statement, foreign)
            if own in _tested(statement) and always:
                continue
            effect = "holds for keys of both types" if always else "never holds"
            yield Finding(
                "wrong-namespace-key",
                "error",
                index,
                f"The condition tests {TOKEN_TYPE_KEYS[other]}, which a request for "
                f"{USE_ACTIONS[service]} never carries: for it, the test {effect}.",
                f"a SHORT_TERM or LONG_TERM key on {_ENDPOINTS[service]}",
                "Write a statement for each of the two actions, and test "
                f"{TOKEN_TYPE_KEYS[service]} in the one for {USE_ACTIONS[service]}.",
            )


def _names_prefix(statement: Statement, service: str) -> bool:
    """Return whether a statement covers the use of keys by actions of this service alone."""
    action = USE_ACTIONS[service]
    return any(
        text.lower().startswith(f"{service}:") and covers_action(_just(text), action)
        for text in as_texts(statement.action)
    )


def _holds_without(statement: Statement, condition_key: str) -> bool:
    """Return whether all that a statement tests of a key holds where the request has none."""
    tests = about_key(statement.condition, condition_key)
    return bool(holds(tests, Context({}), with_variables=False))


def _unknown_values(policy: _Policy) -> Iterator[Finding]:
    known = [token_type.value for token_type in TokenType]
    for index, statement in enumerate(policy.statements):
        for operator, keys in statement.condition.items():
            base = operator_parts(operator)[1]
            if base == "null":
                continue
            for key, wanted in keys.items():
                if not key.lower().endswith(":bearertokentype"):
                    continue
                for text in texts_of(wanted):
                    if "${" in text or any(_matches(base, text, value) for value in known):
                        continue
                    yield Finding(
                        "unknown-value",
                        "error",
                        index,
                        f"{text!r} is not a token type: AWS knows SHORT_TERM and LONG_TERM, in "
                        "this case.",
                        f"{key} = SHORT_TERM and {key} = LONG_TERM, neither of which {operator} "
                        "compares as meant",
                        "Write SHORT_TERM or LONG_TERM.",
                    )


def _matches(base: str, text: str, value: str) -> bool:
    test = base.replace("not", "")
    return bool(holds({test: {"a": text}}, Context({"a": value}), with_variables=False))


def _resources(policy: _Policy) -> Iterator[Finding]:
    for index, placed in enumerate(policy.placed):
        for service in BEARER_SERVICES:
            if not _names(placed.located.statement, service):
                continue
            action = USE_ACTIONS[service]
            if covers_resource(placed, Request.of(action, {}, "*", partial=True)) is not False:
                continue
            yield Finding(
                "resource-on-bearer-action",
                "error",
                index,
                f"{action} has no resource: a statement that names one never matches it.",
                f"{action} on *",
                f"Put {action} into a statement of its own, with Resource *.",
            )


def _unknown_actions(policy: _Policy) -> Iterator[Finding]:
    for index, statement in enumerate(policy.statements):
        for action in as_texts(statement.action) + as_texts(statement.not_action):
            fix = _fix_of_unknown(action.lower())
            if fix is not None:
                yield Finding(
                    "unknown-action",
                    "error",
                    index,
                    f"{action} is not an action of AWS: a statement about it has no effect.",
                    f"a call that {action} was meant to cover",
                    fix,
                )


def _fix_of_unknown(action: str) -> str | None:
    """Return what to write in place of an action that does not exist; None if it may exist."""
    service, _, name = action.partition(":")
    bearer = " and ".join(USE_ACTIONS.values())
    if action in _OPERATIONS:
        return f"Write {_OPERATIONS[action]}."
    if service in _ENDPOINT_PREFIXES:
        return f"Write bedrock: it is the prefix of the actions of {service}."
    if service in (*BEARER_SERVICES, "iam") and "apikey" in name:
        return f"Write {CREATE_KEY} for the creation of keys, {bearer} for their use."
    if "*" in name or "?" in name:
        return None
    # Other services have actions of their own about bearer tokens.
    if (
        service in BEARER_SERVICES
        and "bearertoken" in name
        and name != CALL_WITH_BEARER_TOKEN.lower()
    ):
        return f"Write {bearer}."
    if "servicespecificcredential" in name and (service != "iam" or name not in _KEY_ACTIONS):
        return f"Write {CREATE_KEY}."
    return None


def _open_endpoints(policy: _Policy) -> Iterator[Finding]:
    if policy.policy_type == VPC_ENDPOINT:
        # A VPC endpoint leads to one of the two services, and has a policy of its own.
        return
    denied = {service: _denied_types(policy, service) for service in BEARER_SERVICES}
    for service, finding in (("bedrock-mantle", "mantle-open"), ("bedrock", "bedrock-open")):
        closed = denied[_other(service)]
        left_open = [kind for kind in closed if kind not in denied[service]]
        # A policy that denies types on both endpoints has chosen which to leave open.
        if not left_open or (service == "bedrock" and denied["bedrock"]):
            continue
        kinds = " and ".join(left_open)
        action = USE_ACTIONS[service]
        yield Finding(
            finding,
            "warning",
            _first_naming(policy, _other(service)),
            f"{kinds} keys are denied on {_ENDPOINTS[_other(service)]}, but not on "
            f"{_ENDPOINTS[service]}, which has an action of its own.",
            f"{action} with {TOKEN_TYPE_KEYS[service]} = {left_open[0]}",
            f"Deny {action} as well (its condition key is {TOKEN_TYPE_KEYS[service]}).",
        )


def _denied_types(policy: _Policy, service: str) -> list[str]:
    """Return the token types of which some are denied by statements about keys."""
    mantle = service == "bedrock-mantle"
    about_keys = [placed for placed in policy.placed if _is_about_keys(placed)]
    return [
        kind.value
        for kind in TokenType
        if _any(about_keys, "Deny", use_of_key(kind, mantle=mantle)) is not False
    ]


def _is_about_keys(placed: PlacedStatement) -> bool:
    """Return whether a statement is meant for the use of keys, not for Bedrock in general."""
    statement = placed.located.statement
    if any(_names(statement, service) or _tests_type(statement) for service in BEARER_SERVICES):
        return True
    # A NotAction is a list of the services that are in use.
    if statement.condition or statement.not_action is not None:
        return False
    return any(covers_action(statement, action) for action in USE_ACTIONS.values())


def _ages(policy: _Policy) -> Iterator[Finding]:
    forever, longest = _creation(None), _creation(LONGEST_AGE_DAYS)
    for index, statement in enumerate(policy.statements):
        tests = _tested(statement).get(AGE_KEY.lower(), [])
        if not tests or not covers_action(statement, CREATE_KEY):
            continue
        if statement.effect == "Deny":
            is_cap = any("numericgreater" in operator_parts(test)[1] for test in tests)
            lets_through = is_cap and policy.denies(forever) is False
        else:
            lets_through = policy.allows(longest) is False and policy.allows(forever) is not False
        if lets_through:
            yield Finding(
                "age-without-null",
                "error",
                index,
                "The age is limited, but a key that never expires is let through: its request "
                f"carries no {AGE_KEY}, and the limit has nothing to compare.",
                f"{forever.action} without an age (--never-expires)",
                "Add a statement with the condition "
                f'"Null": {{"{AGE_KEY}": "true"}} that denies the creation.',
            )
            return


def _creation(days: int | None) -> Question:
    """Return the question about the creation of a key of any service: others have keys, too."""
    of_bedrock = creation_of_key(days)
    return replace(of_bedrock, asked={AGE_KEY: days})


def _resets(policy: _Policy) -> Iterator[Finding]:
    for index, statement in enumerate(policy.statements):
        limits = statement.effect == "Deny" and AGE_KEY.lower() in _tested(statement)
        if not limits or not covers_action(statement, CREATE_KEY):
            continue
        # The request of a reset carries no age: a limit on it has nothing to compare.
        if (
            policy.denies(Question(RESET_KEY, {AGE_KEY: None}, creation_of_key(None).known))
            is False
        ):
            yield Finding(
                "reset-open",
                "information",
                index,
                "The creation of keys is limited, but not their reset, which gives a key that "
                "exists a new secret.",
                RESET_KEY,
                f"Deny {RESET_KEY} as well, if that is not wanted.",
            )
        return


def _invocations(policy: _Policy) -> Iterator[Finding]:
    if policy.policy_type not in (None, IDENTITY):
        return
    for service in BEARER_SERVICES:
        mantle = service == "bedrock-mantle"
        allowing = [
            index
            for index, statement in enumerate(policy.statements)
            if statement.effect == "Allow"
            and statement.principal is None
            and _names(statement, service)
        ]
        is_allowed = any(
            policy.allows(use_of_key(kind, mantle=mantle)) is not False
            and policy.denies(use_of_key(kind, mantle=mantle)) is not True
            for kind in TokenType
        )
        if not allowing or not is_allowed:
            continue
        known = use_of_key(TokenType.SHORT_TERM).known
        if all(policy.allows(Question(a, {}, known)) is False for a in _INVOCATIONS[service]):
            actions = " and ".join(_INVOCATIONS[service])
            yield Finding(
                "invoke-not-allowed",
                "information",
                allowing[0],
                "This policy allows the use of keys, but not the invocation of a model: another "
                "policy has to.",
                _INVOCATIONS[service][0],
                f"Allow {actions} on the models, unless another policy does.",
            )


def _other(service: str) -> str:
    return next(other for other in BEARER_SERVICES if other != service)


def _first_naming(policy: _Policy, service: str) -> int | None:
    indexes = (
        index
        for index, statement in enumerate(policy.statements)
        if statement.effect == "Deny" and covers_action(statement, USE_ACTIONS[service])
    )
    return next(indexes, None)


def _names(statement: Statement, service: str) -> bool:
    """Return whether a statement names the use of keys, not only all of a service's actions."""
    action = USE_ACTIONS[service]
    return any(
        text.lower().startswith(f"{service}:call") and covers_action(_just(text), action)
        for text in as_texts(statement.action)
    )


def _just(action: str) -> Statement:
    return Statement(effect="Allow", action=action, resource="*")


def _tested(statement: Statement) -> dict[str, list[str]]:
    """Return the condition keys, in lower case, and the operators that test each."""
    tested: dict[str, list[str]] = {}
    for operator, keys in statement.condition.items():
        for key in keys:
            tested.setdefault(key.lower(), []).append(operator)
    return tested


def _tests_type(statement: Statement) -> bool:
    return any(key.endswith(":bearertokentype") for key in _tested(statement))
