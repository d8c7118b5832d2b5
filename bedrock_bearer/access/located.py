"""A statement, and where it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bedrock_bearer.access.conditions import Context, about_key, holds

if TYPE_CHECKING:
    from bedrock_bearer.access.document import Statement


@dataclass(frozen=True, slots=True)
class LocatedStatement:
    """A statement of a policy document, and where it is.

    Attributes:
        policy_type: the kind of policy, in AWS's words (`service control policy`).
        policy_index: which policy of that kind, counted from 0 as they were given.
        statement_index: which statement of that policy, counted from 0.
        statement: the statement itself.
        policy_arn: the ARN of the policy, if known.
        policy_name: its name or the file it was read from, if known.
    """

    policy_type: str
    policy_index: int
    statement_index: int
    statement: Statement
    policy_arn: str | None = None
    policy_name: str | None = None

    @property
    def sid(self) -> str | None:
        """The statement's own name, or None."""
        return self.statement.sid

    @property
    def condition_keys(self) -> tuple[str, ...]:
        """The condition keys that the statement tests; empty if it is unconditional."""
        keys = [key for keys in self.statement.condition.values() for key in keys]
        return tuple({key.lower(): key for key in reversed(keys)}.values())[::-1]

    def looks_at(self, condition_key: str) -> bool:
        """Return whether a condition of the statement tests this key."""
        return condition_key.lower() in (key.lower() for key in self.condition_keys)

    def matches_value(self, condition_key: str, value: str) -> bool:
        """Return whether all that the statement tests of this key holds for a value."""
        tests = about_key(self.statement.condition, condition_key)
        context = Context({condition_key.lower(): value})
        return holds(tests, context, with_variables=False) is not False

    def describe(self) -> str:
        """Say on one line which statement this is and what it says."""
        policy = self.policy_arn or self.policy_name or f"number {self.policy_index}"
        sid = f" ({self.sid})" if self.sid else ""
        return (
            f"Statement[{self.statement_index}]{sid} of {self.policy_type} {policy}: "
            f"{json.dumps(self.to_document()['statement'])}"
        )

    def to_document(self) -> dict[str, Any]:
        """Return the statement and its place, as JSON has them."""
        return {
            "policy": self.policy_arn or self.policy_name,
            "policy_type": self.policy_type,
            "index": self.statement_index,
            "sid": self.sid,
            "statement": self.statement.to_wire(),
        }
