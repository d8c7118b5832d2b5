"""A statement, and where it stands."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bedrock_bearer.access.document import Statement


@dataclass(frozen=True, slots=True)
class LocatedStatement:
    """A statement of a policy document, and where it stands.

    Attributes:
        policy_type: the kind of policy, in AWS's words (`service control policy`).
        policy_index: which policy of that kind, counted from 0 as they were given.
        statement_index: which statement of that policy, counted from 0.
        statement: the statement itself.
        policy_arn: the ARN of the policy, where it is known.
        policy_name: its name or the file it was read from, where it is known.
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

    def looks_at(self, condition_key: str) -> bool:
        """Return whether a condition of the statement tests this key."""
        keys = [key.lower() for keys in self.statement.condition.values() for key in keys]
        return condition_key.lower() in keys

    def describe(self) -> str:
        """Say on one line which statement this is and what it says."""
        policy = self.policy_arn or self.policy_name or f"number {self.policy_index}"
        sid = f" ({self.sid})" if self.sid else ""
        return (
            f"Statement[{self.statement_index}]{sid} of {self.policy_type} {policy}: "
            f"{json.dumps(self.statement.to_wire())}"
        )
