"""The account that the control plane manages: who calls it, and what they may do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bedrock_bearer.local.http import LocalRequest
from bedrock_bearer.local.keyring import AccessKey, Keyring
from bedrock_bearer.local.principals import ADMINISTRATOR_ACCESS, Principal, Principals

ADMINISTRATOR = "administrator"

_ACCESS_KEY_ID = re.compile(r"Credential=([A-Z0-9]+)/")


class ControlPlaneError(Exception):
    """An error that AWS answers with; each protocol writes it in its own way."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Account:
    """One account's principals and keys. Not thread-safe by itself: its owner holds a lock."""

    principals: Principals
    keys: Keyring
    id: str
    partition: str
    clock: Callable[[], datetime]

    def add_administrator(self) -> None:
        """Add the user that signs with access keys this account does not know."""
        user = self.principals.add_user(
            ADMINISTRATOR, self.id, self.clock(), partition=self.partition
        )
        policy = ADMINISTRATOR_ACCESS
        user.identity[str(policy.arn)] = policy

    def user(self, name: str) -> Principal | None:
        """Return the IAM user of that name, or None."""
        return self.principals.user(name, self.id)

    def access_keys_of(self, user: Principal) -> list[AccessKey]:
        """Return the access keys of a principal."""
        return [key for key in self.keys.access_keys.values() if key.principal_arn == user.arn]

    def caller_of(self, request: LocalRequest) -> Principal:
        """Return the principal whose access key signed a request.

        The signature itself is not verified. An access key that is not known means the
        administrator.
        """
        found = _ACCESS_KEY_ID.search(request.headers.get("authorization", ""))
        if found is None:
            text = "Request is missing Authentication Token"
            raise ControlPlaneError(403, "MissingAuthenticationToken", text)
        access_key = self.keys.access_keys.get(found[1])
        arn = access_key.principal_arn if access_key else self._administrator_arn
        principal = self.principals.get(arn)
        if principal is None:
            text = "The security token included in the request is invalid."
            raise ControlPlaneError(403, "InvalidClientTokenId", text)
        return principal

    @property
    def _administrator_arn(self) -> str:
        return f"arn:{self.partition}:iam::{self.id}:user/{ADMINISTRATOR}"

    def authorize(
        self,
        caller: Principal,
        action: str,
        resource: str,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        """Refuse an action that the caller's policies do not allow."""
        sentence = self.principals.denial(
            caller, action, context or {}, resource, shown=_in_a_sentence(resource)
        )
        if sentence is not None:
            raise ControlPlaneError(403, "AccessDenied", sentence)


def _in_a_sentence(resource: str) -> str:
    """Return a user's ARN as IAM's own sentences name it: `user NAME`."""
    kind, _, name = resource.rpartition(":")[2].partition("/")
    return f"user {name.rpartition('/')[2]}" if kind == "user" and name else resource
