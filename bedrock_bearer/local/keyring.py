"""The keys that the local Bedrock knows, and the check of the key in a request."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bedrock_bearer.facts import LONG_TERM_PREFIX, LONGEST_SHORT_TERM_SECONDS, SHORT_TERM_PREFIX
from bedrock_bearer.keys.description import TokenType
from bedrock_bearer.local import minting
from bedrock_bearer.local.presigned import read_presigned
from bedrock_bearer.local.principals import Principal
from bedrock_bearer.local.service_errors import Layer, ServiceError, key_refused

MAX_SHORT_TERM_LIFETIME = timedelta(seconds=LONGEST_SHORT_TERM_SECONDS)

HEADER_MISSING = "Authorization header is missing"
MALFORMED = "Invalid API Key format: Must start with pre-defined prefix"
REJECTED = "Authentication failed: Please make sure your API Key is valid."
EXPIRED = "Bearer Token has expired"
SIGNATURE_NOT_KNOWN = "The security token included in the request is invalid."


@dataclass(slots=True)
class MintedKey:
    """A key, as the service stores it.

    Attributes:
        text: the key itself.
        region: the only Region that accepts it, or None for any.
        expires_at: None if it never expires.
        credential_id: the id of a long-term key's service-specific credential.
        alias: the public part of a long-term key.
        status: `Active` or `Inactive`.
    """

    text: str
    token_type: TokenType
    principal_arn: str
    account_id: str
    created_at: datetime
    expires_at: datetime | None
    region: str | None = None
    credential_id: str = ""
    alias: str = ""
    status: str = "Active"

    def __repr__(self) -> str:
        return f"MintedKey({self.token_type}, ...{self.text[-4:]}, {self.principal_arn})"


@dataclass(frozen=True, slots=True)
class AccessKey:
    """An access key of IAM. It signs requests to AWS, and short-term keys."""

    id: str
    secret: str = field(repr=False)
    principal_arn: str
    account_id: str


class Keyring:
    """Every key minted here. Not thread-safe by itself: its owner holds a lock.

    Attributes:
        access_keys: the access keys by their ids. A short-term key signed with one of them is
            accepted as well.
    """

    def __init__(self) -> None:
        self._by_text: dict[str, MintedKey] = {}
        self._aliases: set[str] = set()
        self.access_keys: dict[str, AccessKey] = {}

    def mint_short_term(
        self, principal: Principal, *, region: str, now: datetime, expires_in: timedelta
    ) -> MintedKey:
        """Mint a short-term key; a negative `expires_in` gives a key that has expired."""
        prefix = "AKIA" if principal.is_user else "ASIA"
        lifetime = expires_in if expires_in > timedelta() else MAX_SHORT_TERM_LIFETIME
        issued_at = min(now, now + expires_in - lifetime)
        text = minting.short_term_key(
            minting.identifier(prefix, principal.account_id),
            region=region,
            issued_at=issued_at,
            expires_in=lifetime,
        )
        return self._add(
            MintedKey(
                text,
                TokenType.SHORT_TERM,
                principal.arn,
                principal.account_id,
                issued_at,
                issued_at + lifetime,
                region,
            )
        )

    def mint_long_term(
        self, user: Principal, *, now: datetime, expires_in: timedelta | None
    ) -> MintedKey:
        """Mint a long-term key, however many the user has already.

        No alias is used twice: a user made again after its deletion goes on with `+1`.
        """
        number = 0
        while (alias := minting.alias_of(user.name, user.account_id, number)) in self._aliases:
            number += 1
        self._aliases.add(alias)
        return self._add(
            MintedKey(
                minting.long_term_key(alias),
                TokenType.LONG_TERM,
                user.arn,
                user.account_id,
                now,
                None if expires_in is None else now + expires_in,
                credential_id=minting.identifier("ACCA", user.account_id),
                alias=alias,
            )
        )

    def of_user(self, user: Principal) -> list[MintedKey]:
        """Return the long-term keys of a user, oldest first."""
        return [
            key
            for key in self._by_text.values()
            if key.credential_id and key.principal_arn == user.arn
        ]

    def get(self, text: str) -> MintedKey:
        """Return the key with that text.

        Raises:
            LookupError: it was not minted here, or it was deleted. The message does not show it.
        """
        key = self._by_text.get(text)
        if key is None:
            raise LookupError("this key was not minted here, or it was deleted")
        return key

    def reset(self, key: MintedKey) -> None:
        """Give a long-term key a new secret; the old text is no longer accepted."""
        del self._by_text[key.text]
        key.text = minting.long_term_key(key.alias)
        self._add(key)

    def move(self, old_arn: str, new_arn: str) -> None:
        """Give all keys of a user that was renamed its new ARN; they keep the alias they have."""
        for key in self._by_text.values():
            if key.principal_arn == old_arn:
                key.principal_arn = new_arn
        for access_key in list(self.access_keys.values()):
            if access_key.principal_arn == old_arn:
                self.access_keys[access_key.id] = replace(access_key, principal_arn=new_arn)

    def delete(self, key: MintedKey) -> None:
        """Delete a key."""
        del self._by_text[key.text]

    def check(self, authorization: str | None, *, region: str, now: datetime) -> MintedKey:
        """Return the key of an `Authorization` header, or raise AWS's refusal of it."""
        if not authorization:
            raise key_refused(HEADER_MISSING)
        scheme, _, text = authorization.partition(" ")
        if scheme.startswith("AWS4-"):
            raise ServiceError(
                "UnrecognizedClientException", SIGNATURE_NOT_KNOWN, layer=Layer.AUTHENTICATION
            )
        if scheme.lower() != "bearer" or not text.startswith((SHORT_TERM_PREFIX, LONG_TERM_PREFIX)):
            raise key_refused(MALFORMED)
        key = self._by_text.get(text) or self._presigned(text)
        if key is None or key.status != "Active" or key.region not in (None, region):
            raise key_refused(REJECTED)
        if key.expires_at is not None and now >= key.expires_at:
            raise key_refused(EXPIRED)
        return key

    def _presigned(self, text: str) -> MintedKey | None:
        """Return a short-term key that was signed with one of the access keys, or None."""
        read = read_presigned(text)
        access_key = self.access_keys.get(read.access_key_id) if read else None
        if read is None or access_key is None or not read.is_signed_with(access_key.secret):
            return None
        return MintedKey(
            text,
            TokenType.SHORT_TERM,
            access_key.principal_arn,
            access_key.account_id,
            read.issued_at,
            read.expires_at,
            read.region,
        )

    def _add(self, key: MintedKey) -> MintedKey:
        self._by_text[key.text] = key
        return key
