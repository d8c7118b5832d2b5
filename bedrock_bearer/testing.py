"""Helpers for tests of code that calls Bedrock: a double, replies, errors and event streams.

>>> from bedrock_bearer.testing import FakeBedrock, error_reply
>>> bedrock = FakeBedrock(error_reply("ThrottlingException"), "Hi there!")
>>> client = bedrock.client()  # or: your_code(http_client=bedrock.http_client())
>>> client.converse("amazon.nova-micro-v1:0", "Hello").text
'Hi there!'
>>> [request.prompt for request in bedrock.requests], bedrock.waits  # no time passed
(['Hello', 'Hello'], [1.0])

Nothing is patched. In pytest, the fixture `fake_bedrock` gives a `FakeBedrock` and asserts at the
end that every reply was used:

    def test_greeting(fake_bedrock):
        fake_bedrock.reply("Hi there!")
        assert greet(fake_bedrock.client()) == "Hi there!"

Code that makes its client by itself, with `BedrockClient()`, is led to the double by environment
variables, which the fixture `served_fake_bedrock` sets (it needs the extra [local]):

    def test_greeting(served_fake_bedrock):
        served_fake_bedrock.answer("Hello", "Hi there!")
        assert greet() == "Hi there!"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, Unpack

from bedrock_bearer.facts import CALL_WITH_BEARER_TOKEN, USE_KEY
from bedrock_bearer.keys.description import TokenType
from bedrock_bearer.local import faults, framing
from bedrock_bearer.local.bedrock import LocalBedrock
from bedrock_bearer.local.embedded import REGION, LocalClientOptions
from bedrock_bearer.local.fake_clock import FakeClock
from bedrock_bearer.local.faults import Fault
from bedrock_bearer.local.http import LocalRequest, LocalResponse
from bedrock_bearer.local.keyring import EXPIRED, HEADER_MISSING, MALFORMED, REJECTED
from bedrock_bearer.local.models import CalledModel, LocalModel, ModelCatalogue
from bedrock_bearer.local.operations import Call, find_operation
from bedrock_bearer.local.replies import (
    PreparedStep,
    Reply,
    Script,
    Step,
    cited_reply,
    guardrail_reply,
    last_text,
    reasoning_reply,
    structured_reply,
    text_reply,
    tool_use_reply,
)
from bedrock_bearer.local.routes import in_the_form_of
from bedrock_bearer.local.runtime import Runtime
from bedrock_bearer.local.service_errors import (
    ServiceError,
    invalid,
    key_refused,
    unknown_operation,
)
from bedrock_bearer.local.validation import read_json
from bedrock_bearer.settings import UNSET
from bedrock_bearer.signatures import spell_out_options
from bedrock_bearer.wire.eventstream import encode_message
from bedrock_bearer.wire.retry import RetryPolicy

if TYPE_CHECKING:
    import httpx

    from bedrock_bearer.async_client import AsyncBedrockClient
    from bedrock_bearer.client import BedrockClient

__all__ = [
    "FakeBedrock",
    "FakeClock",
    "Fault",
    "RecordedRequest",
    "Reply",
    "cited_reply",
    "denial_reply",
    "encode_message",
    "error_reply",
    "event_stream",
    "faults",
    "guardrail_reply",
    "interrupted",
    "reasoning_reply",
    "refused_key_reply",
    "structured_reply",
    "synthetic_key",
    "text_reply",
    "tool_use_reply",
]

KeyProblem = Literal["missing", "malformed", "rejected", "expired"]

_SENTENCE_OF_PROBLEM: dict[str, str] = {
    "missing": HEADER_MISSING,
    "malformed": MALFORMED,
    "rejected": REJECTED,
    "expired": EXPIRED,
}

ACCOUNT = "123456789012"
DEFAULT_PRINCIPAL = "arn:aws:sts::123456789012:assumed-role/dev/dev"


def synthetic_key(
    token_type: TokenType | str = TokenType.SHORT_TERM,
    *,
    user_name: str | None = None,
    account_id: str | None = None,
    region: str | None = None,
    expires_in: timedelta | None = None,
) -> str:
    """Return a key in AWS's exact form that no service accepts; see `LocalBedrock.mint_key`.

    >>> synthetic_key("LONG_TERM", user_name="app").startswith("ABSK")
    True
    """
    return LocalBedrock().mint_key(
        token_type,
        user_name=user_name,
        account_id=account_id,
        region=region,
        expires_in=expires_in,
    )


def error_reply(
    code: str,
    message: str | None = None,
    *,
    status: int | None = None,
    retry_after_ms: int | None = None,
) -> Fault:
    """Return an error of Bedrock's such as `ThrottlingException`, with AWS's status and words.

    >>> FakeBedrock(error_reply("ValidationException", "Too long.")).client().converse("m", "Hello")
    Traceback (most recent call last):
    bedrock_bearer.errors.InvalidRequestError: Too long. (request id fake-request-1)
    """
    return faults.error(code, message, status=status, retry_after_ms=retry_after_ms)


def refused_key_reply(problem: KeyProblem) -> Fault:
    """Return the refusal of a key that is missing, malformed, rejected or expired.

    >>> bedrock = FakeBedrock(refused_key_reply("expired"))
    """
    response = key_refused(_SENTENCE_OF_PROBLEM[problem]).response()
    return Fault(f"key-{problem}", lambda _: response, replaces_reply=True)


def denial_reply(
    *,
    action: str = USE_KEY,
    effect: Literal["explicit", "implicit"] = "explicit",
    policy_type: str = "identity-based policy",
    principal_arn: str = DEFAULT_PRINCIPAL,
    resource: str | None = "*",
    policy_arn: str | None = None,
) -> Fault:
    """Return the refusal of a policy in AWS's own sentence.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html

    >>> bedrock = FakeBedrock(denial_reply(policy_type="service control policy"))
    """
    on_resource = f" on resource: {resource}" if resource else ""
    article = "an" if policy_type[:1] in "aeiou" else "a"
    explicit = f"with an explicit deny in {article} {policy_type}"
    explicit += f": {policy_arn}" if policy_arn else ""
    implicit = f"because no {policy_type} allows the {action} action"
    sentence = (
        f"User: {principal_arn} is not authorized to perform: {action}{on_resource}"
        f" {explicit if effect == 'explicit' else implicit}"
    )
    if not action.endswith(f":{CALL_WITH_BEARER_TOKEN}"):
        return faults.error("AccessDeniedException", sentence)
    response = key_refused(sentence).response()
    return Fault("denial", lambda _: response, replaces_reply=True)


def interrupted(reply: Reply | str, frames: int = 2) -> Reply:
    """Return a reply whose stream breaks off after `frames` events.

    >>> bedrock = FakeBedrock(interrupted("Hi there, and how are you?", frames=3))
    """
    whole = text_reply(reply) if isinstance(reply, str) else reply
    return whole.with_fault(faults.close_at_frame_boundary(frames))


def event_stream(events: list[tuple[str, dict[str, Any]]]) -> bytes:
    """Return the bytes of a ConverseStream response: the name and payload of each event.

    >>> body = event_stream([("messageStart", {"role": "assistant"})])
    """
    return framing.stream_response(events).body


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request that a `FakeBedrock` received.

    Attributes:
        operation: such as `ConverseStream`.
        model_id: the model or guardrail that the path names; else empty.
        body: the JSON of the request.
        headers: names in lower case, without `authorization`.
        query: the query string.
    """

    operation: str
    model_id: str
    body: dict[str, Any]
    headers: dict[str, str]
    query: str

    @property
    def prompt(self) -> str:
        """The text of the last message."""
        return last_text(self.body)


class FakeBedrock:
    """A test double of Bedrock: it gives the replies it was told, and records the requests.

    It takes any key and any model, and refuses the requests that AWS would refuse. Each call of a
    model uses one step; CountTokens and the probe need none. A call without a step raises an
    AssertionError.

    >>> bedrock = FakeBedrock("Hi there!", tool_use_reply("weather", {"city": "Bonn"}))
    >>> client = bedrock.client()
    >>> client.converse("m", "Hello").text, client.converse("m", "And now?").tool_uses[0].name
    ('Hi there!', 'weather')
    >>> bedrock.requests[1].prompt
    'And now?'
    >>> bedrock.assert_all_used()

    Attributes:
        requests: every request, in order.
        clock: the clock of its clients; retries wait on it, so no time passes.
    """

    def __init__(self, *steps: Step) -> None:
        self.requests: list[RecordedRequest] = []
        self.clock = FakeClock()
        self._runtime = Runtime(_AnyModel())
        self._runtime.script = self._script = _Script()
        self.reply(*steps)

    def reply(self, *steps: Step) -> None:
        """Add steps, one for each of the next calls."""
        self._script.append(*steps)

    def answer(self, prompt: str, step: Step) -> None:
        """Answer this exact prompt with `step`, every time, once the other steps are used."""
        self._script.answer(prompt, step)

    @property
    def waits(self) -> list[float]:
        """The seconds that its clients' retries would have waited."""
        return self.clock.waits

    def assert_all_used(self) -> None:
        """Assert that every step was used."""
        if self._script:
            raise AssertionError(
                f"{len(self._script)} of the replies of this FakeBedrock were never asked for"
            )

    @spell_out_options(LocalClientOptions, default=UNSET)
    def client(self, **options: Unpack[LocalClientOptions]) -> BedrockClient:
        """Return a client of this double.

        Args:
            options: see `LocalClientOptions`.
        """
        from bedrock_bearer.client import BedrockClient

        return BedrockClient(http_client=self.http_client(), **self._options(options))

    @spell_out_options(LocalClientOptions, default=UNSET)
    def async_client(self, **options: Unpack[LocalClientOptions]) -> AsyncBedrockClient:
        """Return an async client of this double.

        Args:
            options: see `LocalClientOptions`.
        """
        from bedrock_bearer.async_client import AsyncBedrockClient

        return AsyncBedrockClient(http_client=self.async_http_client(), **self._options(options))

    def http_client(self) -> httpx.Client:
        """Return an httpx client whose every request comes here."""
        from bedrock_bearer.local.transport import local_http_client

        return local_http_client(self, on_delay=self.clock.move)

    def async_http_client(self) -> httpx.AsyncClient:
        """Return an async httpx client whose every request comes here."""
        from bedrock_bearer.local.transport import local_async_http_client

        return local_async_http_client(self, on_delay=self.clock.move)

    def retry_policy(
        self,
        *,
        max_attempts: int = 3,
        retry_broken_replies: bool = True,
        retry_read_timeouts: bool = False,
    ) -> RetryPolicy:
        """Return a `RetryPolicy` that waits on this double's clock, so that no time passes."""
        return RetryPolicy(
            max_attempts, retry_broken_replies, retry_read_timeouts, self.clock.clock, lambda: 1.0
        )

    @contextmanager
    def serve(self, *, tls: bool = False) -> Iterator[dict[str, str]]:
        """Serve this double on loopback, for clients that the tested code makes by itself.

        Yields the environment variables that lead a client to it, `BedrockClient()` and boto3
        alike; set them with `monkeypatch.setenv`. boto3 needs `tls`. A call without a step,
        or with a function that raises, is answered with a ValidationException; the error itself is
        raised at the end.

        Needs the extra [local].
        """
        from bedrock_bearer.local.server import LocalServer

        failures: list[Exception] = []
        with LocalServer(_Served(self, failures), tls=tls) as server:
            key = synthetic_key(TokenType.LONG_TERM)
            yield {**server.variables(REGION), "AWS_BEARER_TOKEN_BEDROCK": key}
        if failures:
            raise failures[0]

    def handle(self, request: LocalRequest) -> LocalResponse:
        """Answer one request."""
        operation = find_operation(request)
        name, target, version = operation or ("", "", "")
        self.requests.append(_recorded(request, name, target))
        number = len(self.requests)
        if operation is None:
            response = unknown_operation()
        else:
            self._script.operation = name
            call = Call(request, name, target, version, REGION, "aws", ACCOUNT)
            response = self._run(call)
        return response.with_headers({"x-amzn-RequestId": f"fake-request-{number}"})

    def _run(self, call: Call) -> LocalResponse:
        try:
            response = self._runtime.run(call)
        except ServiceError as error:
            response = error.response()
        return in_the_form_of(call.name, response)

    def _options(self, options: LocalClientOptions) -> LocalClientOptions:
        retry = options.get("retry")
        policy = self.retry_policy() if retry is None else replace(retry, clock=self.clock.clock)
        defaults: LocalClientOptions = {"region": REGION}
        if "api_key" not in options:
            defaults["api_key"] = synthetic_key(TokenType.LONG_TERM)
        return {**defaults, **options, "retry": policy}


class _AnyModel(ModelCatalogue):
    """Finds every model; none has a limit that a request could exceed."""

    def find(self, requested: str, *, partition: str, region: str, account: str) -> CalledModel:
        provider = "Anthropic" if "anthropic." in requested else ""
        model = LocalModel(
            requested, requested, provider, context_tokens=10**9, output_tokens=10**9
        )
        return CalledModel(requested, model, (model.arn(partition, region),))


class _Script(Script):
    """A script in which no step may be missing."""

    operation = ""

    def next_step(self, request: Mapping[str, Any]) -> PreparedStep:
        step = super().next_step(request)
        if step is None:
            raise AssertionError(
                f"this FakeBedrock has no reply left for {self.operation}"
                f" of {last_text(request)[:80]!r}"
            )
        return step


class _Served:
    """A double behind a server: what it cannot answer is told at the end."""

    def __init__(self, bedrock: FakeBedrock, failures: list[Exception]) -> None:
        self._bedrock = bedrock
        self._failures = failures

    def handle(self, request: LocalRequest) -> LocalResponse:
        try:
            return self._bedrock.handle(request)
        except Exception as error:  # noqa: BLE001 - a step may be a function of the test's own
            self._failures.append(error)
            return invalid(f"{type(error).__name__}: {error}").response()


def _recorded(request: LocalRequest, operation: str, target: str) -> RecordedRequest:
    headers = {name: text for name, text in request.headers.items() if name not in _SECRETS}
    try:
        body = read_json(request.body)
    except ServiceError:
        body = {}
    return RecordedRequest(operation, target, body, headers, request.query)


_SECRETS = ("authorization", "x-api-key")
