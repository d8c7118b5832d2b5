"""What a text given as an API key holds, read offline.

A short-term key is a presigned URL in base64 after `bedrock-api-key-`; a long-term key is a
service-specific credential of an IAM user, in base64 after `ABSK`. See
https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-how.html.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from bedrock_bearer.facts import (
    BEDROCK_SERVICE,
    CALL_WITH_BEARER_TOKEN,
    LONG_TERM_PREFIX,
    SHORT_TERM_PREFIX,
)
from bedrock_bearer.keys.description import TokenType

LONGEST_KEY = 32 * 1024
SHORTEST_SECRET = 20
LONGEST_PRESIGNED = 7 * 24 * 3600

_WHITESPACE = " \t\r\n\f\v"
_BASE64 = re.compile(r"[A-Za-z0-9+/]*")
_ACCESS_KEY_ID = re.compile(r"[A-Z0-9]{16,128}")
_ACCESS_KEY_ID_WITH_ACCOUNT = re.compile(r"[A-Z]{4}[Q-Z2-7][A-Z2-7]{15}")
_USER_NAME = re.compile(r"[\w+=,.@-]{1,200}", re.ASCII)
_NUMBERED = re.compile(r"([\w+=,.@-]+)\+[0-9]{1,9}", re.ASCII)
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z0-9-]{1,32}")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_SECONDS = re.compile(r"[0-9]{1,6}")
_SECRET_ACCESS_KEY = re.compile(r"[A-Za-z0-9+/]{40}")
_PLACEHOLDER = (
    r"(?i:<.*>|\$.*|%.*%|\{\{.*|\*+|\.+|x+|(?:your|my|the|insert|replace|paste)[-_].*|change-?me"
    r"|none|null|undefined|todo|secret|dummy|no-key-required)"
)

_LOOKALIKES = (
    (r"(?i:bearer\s)", "`Bearer ` and a key; give the key alone"),
    (r"(?i:(?:export )?[A-Z_]{3,64}=)", "a line NAME=value; give the value alone"),
    (r"A[KS]IA[A-Z0-9]{12,124}$", "an AWS access key id"),
    (
        r"ACCA[A-Z0-9]{12,124}$",
        "the id of a service-specific credential, not its secret (ServiceCredentialSecret)",
    ),
    (
        r"AEAA|aws-external-anthropic-api-key-",
        "a key of Claude Platform on AWS, which Bedrock does not accept",
    ),
    (r"(?:IQoJ|FwoG|FQoG)", "an AWS session token"),
    (r"arn:", "an ARN"),
    (r"(?i:https?://)", "a URL"),
    (r"env:|file:", "a source as on the command line; pass EnvironmentKey(name) or FileKey(path)"),
    (
        r"(?:~|\.{1,2})?/[\w./-]*\.\w+$|[\w-]+\.(?:key|txt)$",
        "the name of a file; FileKey(path) reads a key from one",
    ),
)
"""Texts that are pasted by mistake: how they begin, and what they are."""

_FOREIGN = (
    (r"sk-ant-", "a key of Anthropic's own API"),
    (r"sk-", "a key of OpenAI or of another vendor"),
    (r"eyJ", "a JSON Web Token"),
)
"""Keys that AWS refuses and a gateway may take: how they begin, and what they are."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What is written in a key besides its secret."""

    issued_at: datetime | None = None
    expires_at: datetime | None = None
    region: str | None = None
    account_id: str | None = None
    user_names: tuple[str, ...] = ()
    access_key_id: str | None = None
    foreign: str | None = None


def account_id_from_access_key_id(access_key_id: str) -> str | None:
    """Return the AWS account that an access key id was issued to, or None if it cannot be decoded.

    AWS does not document this: take it as a hint. Ids of the form that was issued until 2019
    (`AKIAI...`, `AKIAJ...`) do not hold the account.
    """
    if not _ACCESS_KEY_ID_WITH_ACCOUNT.fullmatch(access_key_id):
        return None
    number = int.from_bytes(base64.b32decode(access_key_id[4:])[:6], "big")
    account = (number & 0x7FFFFFFFFF80) >> 7
    return f"{account:012}" if account < 10**12 else None


def read(text: str, source: str) -> tuple[str, TokenType | None, str, Decoded] | str:
    """Return a key's text, type, source and decoded parts, or what is wrong with the text."""
    problem = _problem_of_any(text)
    if problem:
        return _sentence(problem, text, source)
    key = cleaned(text)
    token_type = _type_by_prefix(key)
    if token_type is None:
        foreign = _foreign(key)
        problem = _problem_of_foreign(foreign) if foreign else _problem_of_unknown(key)
        return _sentence(problem, text, source)
    decoded = _DECODERS[token_type](key)
    if isinstance(decoded, str):
        return _sentence(decoded, text, source)
    return key, token_type, source, decoded


def take(text: str, source: str) -> tuple[str, TokenType | None, str, Decoded] | str:
    """Return a key of any form, not decoded, or what is wrong with the text."""
    problem = _problem_of_any(text)
    if problem:
        return _sentence(problem, text, source)
    key = cleaned(text)
    return key, _type_by_prefix(key), source, Decoded(foreign=_foreign(key))


def _sentence(problem: str, text: object, source: str) -> str:
    length = f" ({len(text)} characters)" if isinstance(text, str) else ""
    return (
        f"The API key from {source} cannot be used: {problem}. The text{length} is not shown. "
        "An Amazon Bedrock API key starts with bedrock-api-key- (short-term) or ABSK (long-term)."
    )


def cleaned(text: str) -> str:
    """Return the text without whitespace around it and without one pair of quotes."""
    stripped = text.strip(_WHITESPACE)
    if len(stripped) >= 2 and stripped[0] == stripped[-1] and stripped[0] in "\"'":
        return stripped[1:-1].strip(_WHITESPACE)
    return stripped


def _type_by_prefix(key: str) -> TokenType | None:
    if key.startswith(SHORT_TERM_PREFIX):
        return TokenType.SHORT_TERM
    return TokenType.LONG_TERM if key.startswith(LONG_TERM_PREFIX) else None


def _problem_of_any(text: object) -> str | None:
    """Return why a text cannot be a key of any form, or None."""
    if not isinstance(text, str):
        return f"it is of type {type(text).__name__}, not str"
    if len(text) > LONGEST_KEY:
        return f"it is longer than {LONGEST_KEY} characters"
    key = cleaned(text)
    if not key:
        return "it is empty"
    if not key.startswith((SHORT_TERM_PREFIX, LONG_TERM_PREFIX)):
        for pattern, meaning in _LOOKALIKES:
            if re.match(pattern, key):
                return f"it looks like {meaning}"
        if re.fullmatch(_PLACEHOLDER, key):
            return "it looks like a placeholder that was never filled in"
    return _problem_of_characters(key)


def _foreign(key: str) -> str | None:
    return next((meaning for pattern, meaning in _FOREIGN if re.match(pattern, key)), None)


def _problem_of_foreign(foreign: str) -> str:
    return (
        f"it looks like {foreign}; a gateway's own key is given as ApiKey.opaque(...), with the "
        "gateway's endpoint_url"
    )


def _problem_of_characters(key: str) -> str | None:
    for position, character in enumerate(key, 1):
        if "!" <= character <= "~" and character not in "\"'":
            continue
        return f"it holds {_name_of_character(character)} at position {position}"
    return None


def _name_of_character(character: str) -> str:
    if character in _WHITESPACE:
        return "whitespace"
    if character in "\"'":
        return "a quotation mark"
    code = f"U+{ord(character):04X}"
    if ord(character) < 0x20 or ord(character) == 0x7F:
        return f"a control character ({code})"
    if character in "\u2018\u2019\u201c\u201d":
        return f"a typographic quotation mark ({code})"
    return f"a byte-order mark ({code})" if character == "\ufeff" else f"a non-ASCII one ({code})"


def _problem_of_unknown(key: str) -> str:
    if _SECRET_ACCESS_KEY.fullmatch(key):
        return "it looks like an AWS secret access key"
    for prefix in (SHORT_TERM_PREFIX, LONG_TERM_PREFIX):
        if key.lower().startswith(prefix.lower()):
            return f"its prefix is {prefix} in another case"
    return "it starts with neither prefix (ApiKey.opaque takes a key of another form)"


def _decode_base64(body: str) -> bytes | str:
    """Return the bytes, or what is wrong."""
    stem = body.rstrip("=")
    valid = _BASE64.match(stem)
    if valid is not None and valid.end() < len(stem):
        return f"its base64 ends {valid.end()} characters after the prefix"
    if len(body) % 4:
        return (
            f"its base64 has {len(body)} characters after the prefix, not a multiple of "
            "four: it was cut short when it was copied"
        )
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        return "its base64 cannot be decoded: it was cut short when it was copied"


def _decode_long_term(key: str) -> Decoded | str:
    decoded = _decode_base64(key.removeprefix(LONG_TERM_PREFIX))
    if isinstance(decoded, str):
        return decoded
    # The alias has no colon; the secret may have one.
    alias, _, secret = decoded.decode("ascii", "replace").partition(":")
    user_name, _, account_id = alias.rpartition("-at-")
    if not _ACCOUNT_ID.fullmatch(account_id) or not _USER_NAME.fullmatch(user_name):
        return "it does not decode to the user and account of a long-term key: it is damaged"
    if len(secret) < SHORTEST_SECRET or "\ufffd" in secret:
        return "the secret inside is too short or damaged: it was cut short when it was copied"
    numbered = _NUMBERED.fullmatch(user_name)
    user_names = (numbered[1], user_name) if numbered else (user_name,)
    return Decoded(account_id=account_id, user_names=user_names)


def _decode_short_term(key: str) -> Decoded | str:
    decoded = _decode_base64(key.removeprefix(SHORT_TERM_PREFIX))
    if isinstance(decoded, str):
        return decoded
    host, _, query = decoded.decode("ascii", "replace").partition("/?")
    if host != BEDROCK_SERVICE:
        return f"it does not decode to a URL of {BEDROCK_SERVICE}: it is damaged"
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=64)
    except ValueError:
        return "the URL inside has too many parameters"
    parameters = dict(pairs)
    if len(parameters) < len(pairs):
        return "a parameter of the URL inside is repeated"
    if not parameters.get("Version") or not _SIGNATURE.fullmatch(
        parameters.get("X-Amz-Signature", "")
    ):
        return "the URL inside lacks its signature or its end: it was cut short when it was copied"
    if parameters.get("Action") != CALL_WITH_BEARER_TOKEN:
        return f"the URL inside is not for the action {CALL_WITH_BEARER_TOKEN}"
    return _read_presigned(parameters)


def _read_presigned(parameters: dict[str, str]) -> Decoded | str:
    scope = parameters.get("X-Amz-Credential", "").split("/")
    if len(scope) != 5 or scope[4] != "aws4_request":
        return "X-Amz-Credential inside is not complete"
    access_key_id, _, region, service, _ = scope
    if not _ACCESS_KEY_ID.fullmatch(access_key_id) or not _REGION.fullmatch(region):
        return "X-Amz-Credential inside is damaged"
    if service != "bedrock":
        named = f" ({service})" if _REGION.fullmatch(service) else ""
        return f"it was made for another service{named} than bedrock"
    times = _read_times(parameters)
    if isinstance(times, str):
        return times
    account_id = account_id_from_access_key_id(access_key_id)
    return Decoded(*times, region, account_id, (), access_key_id)


def _read_times(parameters: dict[str, str]) -> tuple[datetime, datetime] | str:
    date, seconds = parameters.get("X-Amz-Date", ""), parameters.get("X-Amz-Expires", "")
    if not _DATE.fullmatch(date):
        return "X-Amz-Date inside is not a date"
    if not _SECONDS.fullmatch(seconds) or not 0 < int(seconds) <= LONGEST_PRESIGNED:
        return "X-Amz-Expires inside is not a number of seconds up to a week"
    try:
        issued_at = datetime.fromisoformat(date)
        return issued_at, issued_at + timedelta(seconds=int(seconds))
    except (ValueError, OverflowError):
        return "X-Amz-Date inside is not a date"


_DECODERS = {
    TokenType.SHORT_TERM: _decode_short_term,
    TokenType.LONG_TERM: _decode_long_term,
}
