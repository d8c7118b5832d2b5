"""The account that the control plane manages: who calls it, and what they may do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bedrock_bearer.facts import IAM_REGIONS
from bedrock_bearer.local.authorization import Authorization
from bedrock_bearer.local.http import LocalRequest
from bedrock_bearer.local.keyring import AccessKey, Keyring
from bedrock_bearer.local.principals import (
    ADMINISTRATOR_ACCESS,
    LIMITED_ACCESS,
    Principal,
    Principals,
)

ADMINISTRATOR = "administrator"

_CREDENTIAL = re.compile(r"Credential=(?P<id>\w+)/(?:\d+/(?P<region>[\w-]+)/(?P<service>[\w-]+)/)?")


class ControlPlaneError(Exception):
    """An error that AWS answers with; each protocol writes it in its own way."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Signature:
    """What the signature of a request says: the access key, and the scope it was made for."""

    access_key_id: str
    region: str | None
    service: str | None


def signature_of(request: LocalRequest) -> Signature | None:
    """Return what a request's signature says, or None if it is not signed."""
    found = _CREDENTIAL.search(request.headers.get("authorization", ""))
    return Signature(found["id"], found["region"], found["service"]) if found else None


@dataclass(frozen=True, slots=True)
class Account:
    """One account's principals and keys. Not thread-safe by itself: its owner holds a lock."""

    principals: Principals
    keys: Keyring
    authorization: Authorization
    id: str
    partition: str
    clock: Callable[[], datetime]

    @property
    def global_region(self) -> str:
        """The Region that holds the services without a Region, such as IAM."""
        return IAM_REGIONS.get(self.partition, "us-east-1")

    def arn(self, resource: str) -> str:
        """Return the ARN of something in IAM, such as `user/app`."""
        return f"arn:{self.partition}:iam::{self.id}:{resource}"

    def add_administrator(self) -> None:
        """Add the user that signs with access keys this account does not know."""
        user = self.principals.add(
            ADMINISTRATOR, self.id, self.clock(), is_user=True, partition=self.partition
        )
        self.principals.attach(user, ADMINISTRATOR_ACCESS)

    def find_or_add(self, name: str, account_id: str, policies: list[Any] | None) -> Principal:
        """Return the role, or `user/NAME`; add it with these policies if it does not exist."""
        kind, _, name = name.rpartition("/")
        is_user = kind == "user"
        existing = self.principals.find_one(name, account_id, is_user=is_user)
        if existing is not None:
            return existing
        principal = self.principals.add(
            name, account_id, self.clock(), is_user=is_user, partition=self.partition
        )
        for policy in [LIMITED_ACCESS] if policies is None else policies:
            self.principals.attach(principal, policy)
        return principal

    def find(self, name: str, *, is_user: bool) -> Principal | None:
        """Return the user or the role of that name, or None."""
        return self.principals.find_one(name, self.id, is_user=is_user)

    def all(self, *, is_user: bool) -> list[Principal]:
        """Return the users or the roles of this account."""
        return [p for p in self.principals if p.is_user == is_user and p.account_id == self.id]

    def access_keys_of(self, user: Principal) -> list[AccessKey]:
        """Return the access keys of a principal."""
        return [key for key in self.keys.access_keys.values() if key.principal_arn == user.arn]

    def caller_of(self, request: LocalRequest) -> Principal:
        """Return the principal whose access key signed a request.

        The signature itself is not verified. An access key that is not known means the
        administrator.
        """
        signature = signature_of(request)
        if signature is None:
            text = "Request is missing Authentication Token"
            raise ControlPlaneError(403, "MissingAuthenticationToken", text)
        access_key = self.keys.access_keys.get(signature.access_key_id)
        arn = access_key.principal_arn if access_key else self.arn(f"user/{ADMINISTRATOR}")
        principal = self.principals.get(arn)
        if principal is None:
            text = "The security token included in the request is invalid."
            raise ControlPlaneError(403, "InvalidClientTokenId", text)
        return principal

    def authorize(
        self,
        caller: Principal,
        action: str,
        resource: str,
        context: Mapping[str, Any] | None = None,
        *,
        region: str | None = None,
        code: str = "AccessDenied",
    ) -> None:
        """Raise AWS's refusal of an action that the caller's policies do not allow."""
        sentence = self.authorization.refusal(
            caller,
            action,
            context or {},
            resource,
            region=region or self.global_region,
            shown=_in_a_sentence(resource),
        )
        if sentence is not None:
            raise ControlPlaneError(403, code, sentence)


def _in_a_sentence(resource: str) -> str:
    """Return a resource as IAM's own sentences name it: `user NAME` for a user's ARN."""
    kind, _, name = resource.rpartition(":")[2].partition("/")
    if kind in ("user", "role", "group") and ":iam:" in resource and name:
        return f"{kind} {name.rpartition('/')[2]}"
    return resource
