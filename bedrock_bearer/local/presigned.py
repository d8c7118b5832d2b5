"""Short-term keys signed with an access key of the local IAM.

AWS's own generator makes such keys offline; the service verifies the signature as described in
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

from bedrock_bearer.facts import (
    BEDROCK_SERVICE,
    CALL_WITH_BEARER_TOKEN,
    LONGEST_SHORT_TERM_SECONDS,
    SHORT_TERM_PREFIX,
)

_EMPTY_BODY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class PresignedKey:
    """The content of a short-term key, and its signature."""

    access_key_id: str
    region: str
    issued_at: datetime
    expires_at: datetime
    scope: str
    parameters: tuple[tuple[str, str], ...] = field(repr=False)
    signature: str = field(repr=False)

    def is_signed_with(self, secret: str) -> bool:
        """Return whether this secret access key made the signature."""
        query = "&".join(f"{quote(n, safe='')}={quote(v, safe='')}" for n, v in self.parameters)
        request = f"POST\n/\n{query}\nhost:{BEDROCK_SERVICE}\n\nhost\n{_EMPTY_BODY}"
        moment = self.issued_at.strftime("%Y%m%dT%H%M%SZ")
        hashed = hashlib.sha256(request.encode()).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{moment}\n{self.scope}\n{hashed}"
        key = f"AWS4{secret}".encode()
        for part in self.scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        expected = hmac.digest(key, text.encode(), "sha256").hex()
        return hmac.compare_digest(expected.encode(), self.signature.encode())


def read_presigned(text: str) -> PresignedKey | None:
    """Read a short-term key without verifying it; None if it is not one."""
    try:
        url = base64.b64decode(text.removeprefix(SHORT_TERM_PREFIX), validate=True).decode()
        host, _, query = url.partition("/?")
        given = dict(parse_qsl(query, keep_blank_values=True))
        # The version is added after signing.
        del given["Version"]
        signature = given.pop("X-Amz-Signature")
        access_key_id, scope = given["X-Amz-Credential"].split("/", 1)
        _, region, service, _ = scope.split("/")
        issued_at = datetime.strptime(given["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        lifetime = int(given["X-Amz-Expires"])
    except (KeyError, ValueError):
        return None
    if host != BEDROCK_SERVICE or service != "bedrock":
        return None
    if given.get("Action") != CALL_WITH_BEARER_TOKEN or lifetime > LONGEST_SHORT_TERM_SECONDS:
        return None
    return PresignedKey(
        access_key_id,
        region,
        issued_at,
        issued_at + timedelta(seconds=lifetime),
        scope,
        tuple(sorted(given.items())),
        signature,
    )
