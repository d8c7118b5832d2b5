"""The access keys and the service-specific credentials (long-term API keys) of IAM users."""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from bedrock_bearer.facts import BEDROCK_SERVICE, KEYS_PER_USER, LONGEST_AGE_DAYS
from bedrock_bearer.local import minting
from bedrock_bearer.local.control_plane.account import Account, ControlPlaneError
from bedrock_bearer.local.control_plane.query import (
    Operations,
    Parameters,
    Result,
    is_whole_number,
    no_such_entity,
    page_of,
    timestamp,
)
from bedrock_bearer.local.keyring import AccessKey, MintedKey
from bedrock_bearer.local.principals import Principal


def make_access_key(account: Account, principal: Principal) -> tuple[str, str]:
    """Give a principal an access key; return its id and its secret."""
    prefix = "AKIA" if principal.is_user else "ASIA"
    access_key_id = minting.identifier(prefix, principal.account_id)
    secret = secrets.token_urlsafe(30)
    account.keys.access_keys[access_key_id] = AccessKey(
        access_key_id, secret, principal.arn, principal.account_id
    )
    return access_key_id, secret


class Credentials:
    """IAM's operations on the credentials of one user."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._keys = account.keys
        self.operations: Operations = {
            "CreateAccessKey": self._create_access_key,
            "ListAccessKeys": self._list_access_keys,
            "DeleteAccessKey": self._delete_access_key,
            "CreateServiceSpecificCredential": self._create,
            "UpdateServiceSpecificCredential": self._update,
            "ResetServiceSpecificCredential": self._reset,
            "DeleteServiceSpecificCredential": self._delete,
        }

    # --------------------------------------------------------------------------- access keys

    def _create_access_key(self, user: Principal, given: Parameters) -> Result:
        access_key_id, secret = make_access_key(self._account, user)
        return {
            "AccessKey": {
                "UserName": user.name,
                "AccessKeyId": access_key_id,
                "Status": "Active",
                "SecretAccessKey": secret,
                "CreateDate": timestamp(self._account.clock()),
            }
        }

    def _list_access_keys(self, user: Principal, given: Parameters) -> Result:
        keys = [
            {"UserName": user.name, "AccessKeyId": access_key.id, "Status": "Active"}
            for access_key in self._account.access_keys_of(user)
        ]
        return page_of("AccessKeyMetadata", keys, given)

    def _delete_access_key(self, user: Principal, given: Parameters) -> Result:
        access_key_id = given.get("AccessKeyId", "")
        if access_key_id not in [key.id for key in self._account.access_keys_of(user)]:
            raise no_such_entity(f"The Access Key with id {access_key_id} cannot be found.")
        del self._keys.access_keys[access_key_id]
        return None

    # ---------------------------------------------------------- service-specific credentials

    def list_of_account(self, given: Parameters) -> Result:
        """Return the keys of all users, without their secrets."""
        return self._list(self._account.all(is_user=True), given)

    def list_of_user(self, user: Principal, given: Parameters) -> Result:
        """Return the keys of one user, without their secrets."""
        return self._list([user], given)

    def _list(self, users: list[Principal], given: Parameters) -> Result:
        keys = [(user, key) for user in users for key in self._keys.of_user(user)]
        if given.get("ServiceName", BEDROCK_SERVICE) != BEDROCK_SERVICE:
            keys = []
        shapes = [_shape(user, key, with_secret=False) for user, key in keys]
        return page_of("ServiceSpecificCredentials", shapes, given)

    def _create(self, user: Principal, given: Parameters) -> Result:
        _require_bedrock(given.get("ServiceName", ""))
        age = _age_of(given)
        if len(self._keys.of_user(user)) >= KEYS_PER_USER:
            text = (
                "Cannot exceed quota for ContextSpecificCredentialsPerUserPerContext: "
                f"{KEYS_PER_USER}"
            )
            raise ControlPlaneError(409, "LimitExceeded", text)
        key = self._keys.mint_long_term(user, now=self._account.clock(), expires_in=age)
        return {"ServiceSpecificCredential": _shape(user, key, with_secret=True)}

    def _update(self, user: Principal, given: Parameters) -> Result:
        key = self._find(user, given)
        status = given.get("Status", "")
        if status not in ("Active", "Inactive"):
            text = (
                f"1 validation error detected: Value '{status}' at 'status' failed to satisfy"
                " constraint: Member must satisfy enum value set: [Active, Inactive, Expired]"
            )
            raise ControlPlaneError(400, "ValidationError", text)
        key.status = status
        return None

    def _reset(self, user: Principal, given: Parameters) -> Result:
        key = self._find(user, given)
        self._keys.reset(key)
        return {"ServiceSpecificCredential": _shape(user, key, with_secret=True)}

    def _delete(self, user: Principal, given: Parameters) -> Result:
        self._keys.delete(self._find(user, given))
        return None

    def _find(self, user: Principal, given: Parameters) -> MintedKey:
        wanted = given.get("ServiceSpecificCredentialId", "")
        for key in self._keys.of_user(user):
            if key.credential_id == wanted:
                return key
        raise no_such_entity(f"Service specific credential {wanted} does not exist")


def _require_bedrock(service: str) -> None:
    if service != BEDROCK_SERVICE:
        raise no_such_entity(f"No such service {service} is supported.")


def _age_of(given: Parameters) -> timedelta | None:
    text = given.get("CredentialAgeDays")
    if text is None:
        return None
    days = int(text) if is_whole_number(text) else 0
    if 1 <= days <= LONGEST_AGE_DAYS:
        return timedelta(days=days)
    bound = (
        "greater than or equal to 1" if days < 1 else f"less than or equal to {LONGEST_AGE_DAYS}"
    )
    message = (
        f"1 validation error detected: Value '{text}' at 'credentialAgeDays' failed to satisfy"
        f" constraint: Member must have value {bound}"
    )
    raise ControlPlaneError(400, "ValidationError", message)


def _shape(user: Principal, key: MintedKey, *, with_secret: bool) -> dict[str, Any]:
    shape = {
        "CreateDate": timestamp(key.created_at),
        "ServiceName": BEDROCK_SERVICE,
        "ServiceCredentialAlias": key.alias,
        "ServiceSpecificCredentialId": key.credential_id,
        "UserName": user.name,
        "Status": key.status,
    }
    if key.expires_at is not None:
        shape["ExpirationDate"] = timestamp(key.expires_at)
    if with_secret:
        shape["ServiceCredentialSecret"] = key.text
    return shape
