"""A short story of two keys and one policy, played on a local Bedrock."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from bedrock_bearer.access.build import deny_use, limit_key_age
from bedrock_bearer.access.document import PolicyDocument, read_document
from bedrock_bearer.aws.long_term_keys import console_user_name
from bedrock_bearer.facts import AGE_KEY, BEDROCK_SERVICE, CREATE_KEY
from bedrock_bearer.keys.description import TokenType
from bedrock_bearer.local.bedrock import LocalBedrock
from bedrock_bearer.local.embedded import local_client
from bedrock_bearer.local.http import Document, LocalRequest
from bedrock_bearer.local.replies import text_reply

if TYPE_CHECKING:
    from bedrock_bearer.client import BedrockClient

MODEL = "us.anthropic.claude-3-5-haiku-20241022-v1:0"
WIDTH = 88
LONG_TERM_USER = "BedrockAPIKey-abcd"
DEVELOPER = "dev"

KEY_DAYS_ALLOWED = 5

AGE_CAP = read_document(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Deny",
                "Action": CREATE_KEY,
                "Resource": "*",
                "Condition": {"NumericGreaterThan": {AGE_KEY: str(KEY_DAYS_ALLOWED)}},
            }
        ],
    }
)
"""As most published policies limit the age."""

ALLOW_IAM: Document = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "iam:*", "Resource": "*"},
}


def tell() -> Iterator[str]:
    """Play the story and yield its lines."""
    bedrock = LocalBedrock()
    short_term = bedrock.mint_key(TokenType.SHORT_TERM, user_name=DEVELOPER)
    long_term = bedrock.mint_key(TokenType.LONG_TERM, user_name=LONG_TERM_USER)
    bedrock.answer(
        "Hello",
        text_reply(
            "Hello! It's nice to meet you. How are you doing today? What can I help you with?",
            usage={"inputTokens": 8, "outputTokens": 21, "totalTokens": 29},
            latency_ms=551,
        ),
    )
    yield "A Bedrock on this machine. It is not AWS: keys, replies and token counts are made up."
    yield ""
    yield from _two_keys(bedrock, short_term, long_term)
    yield from _the_policy(bedrock, short_term)
    yield from _the_fallback(bedrock, short_term, long_term)
    yield from _five_days_and_thirty(bedrock)


def _two_keys(bedrock: LocalBedrock, short_term: str, long_term: str) -> Iterator[str]:
    yield _heading("1. Two keys, and both may call")
    for text in (short_term, long_term):
        with local_client(bedrock, api_key=text) as client:
            yield from _call(client)


def _the_policy(bedrock: LocalBedrock, short_term: str) -> Iterator[str]:
    from bedrock_bearer.errors import ShortTermKeyDeniedError

    yield _heading("2. A policy denies short-term keys")
    policy = deny_use(TokenType.SHORT_TERM)
    yield from _shown(policy)
    bedrock.attach_policy(DEVELOPER, policy)
    with local_client(bedrock, api_key=short_term) as client:
        try:
            client.converse(MODEL, "Hello")
        except ShortTermKeyDeniedError as error:
            yield f"  {error.status_code} {error.code}"
            if error.denial is not None:
                yield from _wrapped(error.denial.text, "  ")
            yield ""
            yield f"  {type(error).__name__} explains:"
            if error.governing_policy is not None:
                for line in error.governing_policy.explain().splitlines():
                    yield from _wrapped(line, "  | ")
    yield ""


def _the_fallback(bedrock: LocalBedrock, short_term: str, long_term: str) -> Iterator[str]:
    from bedrock_bearer.keys.fallback import FallbackKeys

    yield _heading("3. The other key steps in")
    keys = FallbackKeys(short_term, long_term)
    with local_client(bedrock, api_key=keys) as client:
        yield from _call(client)


def _five_days_and_thirty(bedrock: LocalBedrock) -> Iterator[str]:
    yield _heading("4. A policy limits how long a key may live, but lets one kind through")
    bedrock.attach_policy(DEVELOPER, ALLOW_IAM)
    access_key_id, _ = bedrock.create_access_key(DEVELOPER)
    yield from _shown(AGE_CAP)
    bedrock.attach_policy(DEVELOPER, AGE_CAP)
    for days in (KEY_DAYS_ALLOWED, 30, None):
        yield from _asked_for(bedrock, access_key_id, days)
    yield "  A request without an age has nothing to compare: the key that never expires is made."
    yield "  This closes the gap (bedrock-bearer policy max-age 5):"
    yield ""
    closed = limit_key_age(KEY_DAYS_ALLOWED)
    yield from _shown(closed)
    bedrock.attach_policy(DEVELOPER, closed)
    yield from _asked_for(bedrock, access_key_id, None)
    yield ""
    yield "Try it yourself: bedrock-bearer smoke --local, bedrock-bearer local serve"


def _asked_for(bedrock: LocalBedrock, access_key_id: str, days: int | None) -> Iterator[str]:
    """Ask for a key of a new user, as the console does."""
    name = console_user_name()
    _ask_iam(bedrock, access_key_id, Action="CreateUser", UserName=name)
    age = {} if days is None else {"CredentialAgeDays": str(days)}
    status, answer = _ask_iam(
        bedrock,
        access_key_id,
        Action="CreateServiceSpecificCredential",
        UserName=name,
        ServiceName=BEDROCK_SERVICE,
        **age,
    )
    yield f"  A key for {days} days: {status}" if days else f"  A key that never expires: {status}"
    if status == 200:
        ends = re.search("<ExpirationDate>(.*?)</ExpirationDate>", answer)
        yield f"    expires {ends[1]}" if ends else "    never expires"
    else:
        yield from _wrapped(answer.partition("<Message>")[2].partition("</Message>")[0], "    ")


def _call(client: BedrockClient) -> Iterator[str]:
    reply = client.converse(MODEL, "Hello")
    usage = reply.usage
    if reply.key is not None:
        yield f"  {reply.key.token_type} key ...{reply.key.last_four}: Hello"
    yield from _wrapped(reply.text, "    ")
    yield (
        f"    {usage.input_tokens} tokens in, {usage.output_tokens} out,"
        f" {usage.total_tokens} in all; {reply.metrics.latency_ms} ms"
    )
    yield ""


def _ask_iam(bedrock: LocalBedrock, access_key_id: str, **parameters: str) -> tuple[int, str]:
    """Call IAM as any client of IAM does; return the status and the body."""
    body = urlencode({"Version": "2010-05-08", **parameters})
    signed = {"authorization": f"AWS4-HMAC-SHA256 Credential={access_key_id}/"}
    response = bedrock.handle(
        LocalRequest("POST", "/", "", "iam.amazonaws.com", signed, body.encode())
    )
    return response.status, response.body.decode()


def _heading(text: str) -> str:
    return f"{text}\n{'-' * len(text)}"


def _shown(policy: PolicyDocument) -> Iterator[str]:
    """Yield each statement as JSON, one member on a line where it fits."""
    for statement in policy.to_wire()["Statement"]:
        members = []
        for name, value in statement.items():
            text = json.dumps(value)
            if len(text) + len(name) > WIDTH - 10:
                text = json.dumps(value, indent=2).replace("\n", "\n    ")
            members.append(f'    "{name}": {text}')
        yield "  {\n" + ",\n".join(members) + "\n  }"
    yield ""


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
