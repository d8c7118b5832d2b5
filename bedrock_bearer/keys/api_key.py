"""Amazon Bedrock API keys. See
https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-how.html.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime
from typing import Any, NoReturn, Self, final

from bedrock_bearer.errors import InvalidApiKeyError
from bedrock_bearer.keys.decoding import Decoded, cleaned, read, take
from bedrock_bearer.keys.description import KeyDescription, TokenType, utc_now

SHORTEST_KEY_WITH_LAST_FOUR = 16


@final
class ApiKey:
    """An Amazon Bedrock API key. Made by `ApiKey.parse`; it cannot be changed or pickled.

    Its repr and text show the type, the last four characters, the source and the fingerprint. The
    last four of a short-term key are nearly the same for all such keys; the fingerprint differs.
    """

    __slots__ = ("__secret", "_description", "_user_names")

    __secret: str
    _description: KeyDescription
    _user_names: tuple[str, ...]

    def __init__(self, secret: str, token_type: TokenType | None, source: str, decoded: Decoded):
        """Use `ApiKey.parse` or `ApiKey.opaque` instead."""
        description = KeyDescription(
            token_type=token_type,
            last_four=secret[-4:] if len(secret) >= SHORTEST_KEY_WITH_LAST_FOUR else "",
            source=source,
            issued_at=decoded.issued_at,
            expires_at=decoded.expires_at,
            region=decoded.region,
            account_id=decoded.account_id,
            user_name=decoded.user_names[0] if decoded.user_names else None,
            access_key_id=decoded.access_key_id,
            fingerprint=hashlib.sha256(secret.encode()).hexdigest()[:8],
            foreign=decoded.foreign,
        )
        object.__setattr__(self, "_ApiKey__secret", secret)
        object.__setattr__(self, "_description", description)
        object.__setattr__(self, "_user_names", decoded.user_names)

    @classmethod
    def parse(cls, text: str, *, source: str = "api_key argument") -> Self:
        """Read a key. Whitespace around it and one pair of quotes are removed.

        Args:
            text: the key as it was copied.
            source: where it came from, for messages, such as `env AWS_BEARER_TOKEN_BEDROCK`.

        Raises:
            InvalidApiKeyError: the text is not a Bedrock API key. The error says what it looks
                like and never shows it.
        """
        outcome = read(text, source)
        # A traceback that shows this frame's locals must not show the text.
        del text
        if isinstance(outcome, str):
            raise InvalidApiKeyError(outcome)
        return cls(*outcome)

    @classmethod
    def opaque(cls, text: str, *, source: str = "api_key argument") -> Self:
        """Take a key of a form that `parse` does not know, without decoding it.

        The text must be printable ASCII without whitespace, and must not look like another kind of
        secret. The token type is None if the prefix is unknown. A key that looks like another
        vendor's (`sk-...`) or like a JSON Web Token is for a gateway: a client refuses to send it
        to AWS, so `endpoint_url` must name the gateway.

        Raises:
            InvalidApiKeyError: the text cannot be a key. The text is not shown.
        """
        outcome = take(text, source)
        del text
        if isinstance(outcome, str):
            raise InvalidApiKeyError(outcome)
        return cls(*outcome)

    @property
    def description(self) -> KeyDescription:
        """Everything but the secret."""
        return self._description

    @property
    def token_type(self) -> TokenType | None:
        """Short-term or long-term; None for an opaque key of an unknown prefix."""
        return self._description.token_type

    @property
    def last_four(self) -> str:
        """The last four characters; empty for a text too short to show any."""
        return self._description.last_four

    @property
    def fingerprint(self) -> str:
        """The first eight hex digits of the key's SHA-256, which tell keys apart."""
        return self._description.fingerprint

    @property
    def source(self) -> str:
        """Where the key came from, such as `env AWS_BEARER_TOKEN_BEDROCK`."""
        return self._description.source

    @property
    def issued_at(self) -> datetime | None:
        """When a short-term key was signed, in UTC."""
        return self._description.issued_at

    @property
    def expires_at(self) -> datetime | None:
        """When a short-term key expires at the latest, in UTC.

        It expires earlier if the session that signed it does. None for a long-term key: only IAM
        stores its expiry.
        """
        return self._description.expires_at

    @property
    def region(self) -> str | None:
        """The Region that a short-term key was made in, the only one that accepts it."""
        return self._description.region

    @property
    def account_id(self) -> str | None:
        """The AWS account, decoded from the key and unverified."""
        return self._description.account_id

    @property
    def user_name(self) -> str | None:
        """The IAM user of a long-term key, decoded and unverified, without a final `+N`."""
        return self._description.user_name

    @property
    def user_name_candidates(self) -> tuple[str, ...]:
        """All names that the IAM user may have.

        IAM appends `+N` for a user's second key, and a user name may end in `+N` itself: the
        key cannot tell which.
        """
        return self._user_names

    @property
    def access_key_id(self) -> str | None:
        """The access key id that signed a short-term key."""
        return self._description.access_key_id

    def is_expired(self, now: datetime | None = None) -> bool:
        """Return whether the key is known to have expired; `now` is an aware datetime."""
        if self.expires_at is None:
            return False
        return (now or utc_now()) >= self.expires_at

    def principal_arn(self, partition: str = "aws") -> str | None:
        """Return the ARN of a long-term key's IAM user; see `KeyDescription.principal_arn`."""
        return self._description.principal_arn(partition)

    def get_secret_value(self) -> str:
        """Return the key itself. Send it; never show it."""
        return self.__secret

    def is_text(self, text: str) -> bool:
        """Return whether `text` is this key, as it was copied."""
        return hmac.compare_digest(_encoded(cleaned(text)), _encoded(self.__secret))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ApiKey):
            return NotImplemented
        return hmac.compare_digest(_encoded(self.__secret), _encoded(other.__secret))

    def __hash__(self) -> int:
        return hash((ApiKey, self.__secret))

    def __repr__(self) -> str:
        return f"<ApiKey {self._description}>"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("An ApiKey cannot be changed.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("An ApiKey cannot be changed.")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __getstate__(self) -> NoReturn:
        raise TypeError("An ApiKey cannot be pickled: the secret would be written out.")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("An ApiKey cannot be pickled: the secret would be written out.")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
