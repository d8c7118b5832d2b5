"""A Bedrock on this machine: keys, policies, replies and faults, without I/O."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Literal

from bedrock_bearer.access.preflight import (
    PROFILE_ARN_KEY,
    REQUESTED_REGION_KEY,
    requested_region,
)
from bedrock_bearer.aws.long_term_keys import console_user_name
from bedrock_bearer.facts import TOKEN_TYPE_KEY, USE_KEY
from bedrock_bearer.keys.description import TokenType, utc_now
from bedrock_bearer.local.attachments import Policy, PolicyAttachments
from bedrock_bearer.local.authorization import Authorization
from bedrock_bearer.local.control_plane.account import Account, signature_of
from bedrock_bearer.local.control_plane.credentials import make_access_key
from bedrock_bearer.local.control_plane.plane import ControlPlane
from bedrock_bearer.local.faults import Fault
from bedrock_bearer.local.guardrails import Guardrail
from bedrock_bearer.local.http import LocalRequest, LocalResponse
from bedrock_bearer.local.keyring import (
    MAX_SHORT_TERM_LIFETIME,
    REJECTED,
    Keyring,
    MintedKey,
)
from bedrock_bearer.local.models import MODELS, LocalModel, ModelCatalogue
from bedrock_bearer.local.operations import (
    ACTION_OF_OPERATION,
    CALLS_OF_A_MODEL,
    Call,
    find_operation,
)
from bedrock_bearer.local.principals import Principal, Principals, read_policy
from bedrock_bearer.local.replies import Step
from bedrock_bearer.local.routes import in_the_form_of
from bedrock_bearer.local.runtime import Runtime
from bedrock_bearer.local.service_errors import (
    ServiceError,
    key_refused,
    refusal_by_policy,
    unknown_operation,
)
from bedrock_bearer.regions import partition_of

_REGION_IN_HOST = re.compile(r"bedrock(?:-runtime)?(?:-fips)?\.([a-z]{2,8}(?:-[a-z0-9]+)+-\d+)\.")


class LocalBedrock(PolicyAttachments):
    """A Bedrock on this machine. It is not AWS: its keys, replies and token counts are made up.

    It does no I/O: `handle` takes a request and returns the response. `transport.LocalTransport`
    connects it to httpx in-process, `server` to sockets. Thread-safe.

    Args:
        region: its Region, used where a request's host does not name one.
        account_id: the account of keys and users that are made without one.
        clock: returns the present moment; keys expire by it.
        models: models offered in addition to the built-in ones.
        authorization_ids: whether denials carry an authorization id, which IAM Toolbox explains
            for 24 hours.
    """

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        account_id: str = "123456789012",
        clock: Callable[[], datetime] = utc_now,
        models: Iterable[LocalModel] = (),
        authorization_ids: bool = False,
    ) -> None:
        self.region = region
        self.account_id = account_id
        self.clock = clock
        self._principals = Principals()
        self._keys = Keyring()
        partition = partition_of(region)
        self._authorization = Authorization(
            self._principals, lambda: self.clock(), gives_ids=authorization_ids
        )
        account = Account(
            self._principals,
            self._keys,
            self._authorization,
            account_id,
            partition,
            lambda: self.clock(),
        )
        account.add_administrator()
        super().__init__(account, threading.RLock())
        self._control_plane = ControlPlane(self._account)
        self._runtime = Runtime(ModelCatalogue((*MODELS, *models)))

    def handle(self, request: LocalRequest) -> LocalResponse:
        """Answer one request. Never raises for what a client may send."""
        request_id = str(uuid.uuid4())
        with self._lock:
            response = self._control_plane.handle(request, request_id) or self._answer(request)
        date = format_datetime(self.clock().astimezone(UTC), usegmt=True)
        return response.with_headers({"Date": date, "x-amzn-RequestId": request_id})

    def accepts_key_of(self, request: LocalRequest) -> bool:
        """Return whether the key in a request's header is good."""
        with self._lock:
            try:
                self._authenticate(request, self._region_of(request.host))
            except ServiceError:
                return False
            return True

    # ------------------------------------------------------------------------------- keys

    def mint_key(
        self,
        token_type: TokenType | str = TokenType.SHORT_TERM,
        *,
        user_name: str | None = None,
        account_id: str | None = None,
        region: str | None = None,
        expires_in: timedelta | None = None,
        policies: Iterable[Policy] | None = None,
    ) -> str:
        """Mint a synthetic key and return its text.

        A short-term key belongs to the role `dev` unless `user_name` says otherwise (a name
        means a role, `user/NAME` an IAM user), a long-term key to a fresh IAM user such as
        `BedrockAPIKey-a1b2`.

        Args:
            token_type: SHORT_TERM or LONG_TERM.
            user_name: the principal; it is made if it does not exist.
            account_id: twelve digits.
            region: the Region that accepts a short-term key. Default: the local Bedrock's own.
            expires_in: how long the key lives; negative for a key that has expired. Default: 12
                hours for a short-term key, no end for a long-term key.
            policies: the identity policies of a principal that is made here. Default: all of
                Bedrock, as `AmazonBedrockLimitedAccess` allows it.
        """
        account = account_id or self.account_id
        given = None if policies is None else [read_policy(document) for document in policies]
        with self._lock:
            if TokenType(token_type) is TokenType.LONG_TERM:
                name = f"user/{user_name or console_user_name()}"
                user = self._account.find_or_add(name, account, given)
                return self._keys.mint_long_term(user, now=self.clock(), expires_in=expires_in).text
            principal = self._account.find_or_add(user_name or "dev", account, given)
            return self._keys.mint_short_term(
                principal,
                region=region or self.region,
                now=self.clock(),
                expires_in=MAX_SHORT_TERM_LIFETIME if expires_in is None else expires_in,
            ).text

    def set_key_status(self, key: str, status: Literal["Active", "Inactive"]) -> None:
        """Make a key `Active` or `Inactive`.

        Raises:
            LookupError: the key was not minted here.
            ValueError: the status is neither.
        """
        if status not in ("Active", "Inactive"):
            raise ValueError(f"a key is Active or Inactive, not {status!r}")
        with self._lock:
            self._keys.get(key).status = status

    def reset_key(self, key: str) -> str:
        """Give a long-term key a new secret and return the new text; the old one is invalid."""
        with self._lock:
            minted = self._keys.get(key)
            if minted.token_type is not TokenType.LONG_TERM:
                raise ValueError("only a long-term key can be reset")
            self._keys.reset(minted)
            return minted.text

    def delete_key(self, key: str) -> None:
        """Delete a key: it is no longer accepted."""
        with self._lock:
            self._keys.delete(self._keys.get(key))

    def create_access_key(self, principal: str) -> tuple[str, str]:
        """Give a user or role an access key; return its id and its secret.

        The local IAM looks at its id and does not verify signatures. Short-term keys that AWS's
        own generator signs with it are verified, and accepted.
        """
        with self._lock:
            return make_access_key(self._account, self._principals.find(principal)[0])

    # ------------------------------------------------------------------- replies and faults

    def script(self, *steps: Step) -> None:
        """Queue the answers to the next calls, one step for each call.

        A step is a reply, a fault, a text, or a function that makes a reply out of the request.
        When the queue is empty, calls are answered with an echo.
        """
        with self._lock:
            self._runtime.script.append(*steps)

    def answer(self, prompt: str, reply: Step) -> None:
        """Answer this exact prompt with `reply`, every time."""
        with self._lock:
            self._runtime.script.answer(prompt, reply)

    def inject(self, fault: Fault, *, times: int = 1) -> None:
        """Make the next `times` calls go wrong."""
        with self._lock:
            self._runtime.faults.queue(fault, times)

    def inject_at_rate(self, fault: Fault, rate: float) -> None:
        """Make a share of the calls go wrong, evenly spread: 0.1 means every tenth call."""
        with self._lock:
            self._runtime.faults.at_rate(fault, rate)

    def add_inference_profile(self, name: str, model_id: str) -> str:
        """Add an application inference profile and return its ARN.

        Args:
            name: its name.
            model_id: the model, or the inference profile, that it stands for.

        Raises:
            LookupError: there is no such model.
        """
        with self._lock:
            place = {"partition": partition_of(self.region), "region": self.region}
            return self._runtime.models.add_profile(
                name, model_id, account=self.account_id, **place
            )

    def add_guardrail(self, guardrail: Guardrail) -> None:
        """Add a guardrail, or replace the one of the same id."""
        with self._lock:
            self._runtime.guardrails.add(guardrail)

    # ---------------------------------------------------------------------------- one call

    def _answer(self, request: LocalRequest) -> LocalResponse:
        operation = find_operation(request)
        if operation is None:
            return unknown_operation()
        try:
            response = self._answer_bedrock(request, *operation)
        except ServiceError as error:
            response = error.response()
        return in_the_form_of(operation[0], response)

    def _answer_bedrock(
        self, request: LocalRequest, name: str, target: str, version: str
    ) -> LocalResponse:
        region = self._region_of(request.host)
        key, principal = self._authenticate(request, region)
        call = Call(
            request,
            name,
            target,
            version,
            region,
            partition_of(region),
            principal.account_id,
        )
        self._authorize(call, key, principal)
        return self._runtime.run(call)

    def _authenticate(
        self, request: LocalRequest, region: str
    ) -> tuple[MintedKey | None, Principal]:
        """Return the API key and its principal; no key if an access key signed the request."""
        signature = signature_of(request)
        if signature is not None and signature.access_key_id in self._keys.access_keys:
            return None, self._account.caller_of(request)
        authorization = request.headers.get("authorization")
        if authorization is None and "x-api-key" in request.headers:
            # The clients of Anthropic's Messages send their key in this header.
            authorization = f"Bearer {request.headers['x-api-key']}"
        key = self._keys.check(authorization, region=region, now=self.clock())
        principal = self._principals.get(key.principal_arn)
        if principal is None:
            raise key_refused(REJECTED)
        return key, principal

    def _authorize(self, call: Call, key: MintedKey | None, principal: Principal) -> None:
        context = {}
        if key is not None:
            context[TOKEN_TYPE_KEY] = key.token_type.value
            if not principal.is_user:
                # A short-term key of a role comes from a session, which was begun without MFA.
                context["aws:TokenIssueTime"] = key.created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
                context["aws:MultiFactorAuthPresent"] = "false"
            self._require(principal, USE_KEY, context, "*", call.region)
        for resource in self._resources_of(call):
            action = ACTION_OF_OPERATION[call.name]
            if ":foundation-model/" in resource:
                context[REQUESTED_REGION_KEY] = requested_region(resource)
            self._require(principal, action, context, resource, call.region)
            if ":inference-profile/" in resource or ":application-inference-profile/" in resource:
                # The models that follow are called through this profile.
                context[PROFILE_ARN_KEY] = resource

    def _require(
        self,
        principal: Principal,
        action: str,
        context: dict[str, str],
        resource: str,
        region: str,
    ) -> None:
        sentence = self._authorization.refusal(
            principal, action, context, resource, region=region, through_endpoint=True
        )
        if sentence is not None:
            raise refusal_by_policy(sentence, action)

    def _resources_of(self, call: Call) -> tuple[str, ...]:
        if call.name in CALLS_OF_A_MODEL:
            return self._runtime.called_model(call).resources
        if call.name == "GetInferenceProfile":
            is_arn = call.target.startswith("arn:")
            return (call.target if is_arn else call.arn("inference-profile", call.target),)
        if call.name == "ApplyGuardrail":
            return (call.arn("guardrail", call.target.rpartition("/")[2]),)
        return ("*",)

    def _region_of(self, host: str) -> str:
        found = _REGION_IN_HOST.search(host)
        return found[1] if found else self.region
