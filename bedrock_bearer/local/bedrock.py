"""A Bedrock on this machine: keys, policies, replies and faults, without I/O."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from bedrock_bearer.access.document import PolicyDocument
from bedrock_bearer.facts import TOKEN_TYPE_KEY, USE_KEY
from bedrock_bearer.keys.description import TokenType, utc_now
from bedrock_bearer.local import minting
from bedrock_bearer.local.control_plane.account import Account
from bedrock_bearer.local.control_plane.credentials import make_access_key
from bedrock_bearer.local.control_plane.iam import Iam
from bedrock_bearer.local.faults import Fault
from bedrock_bearer.local.guardrails import Guardrail
from bedrock_bearer.local.http import Document, LocalRequest, LocalResponse, whole_response
from bedrock_bearer.local.keyring import MAX_SHORT_TERM_LIFETIME, Keyring, MintedKey
from bedrock_bearer.local.models import MODELS, LocalModel, ModelCatalogue
from bedrock_bearer.local.operations import ACTION_OF_OPERATION, MODEL_OPERATIONS, find_operation
from bedrock_bearer.local.principals import (
    LIMITED_ACCESS,
    LIMITED_ACCESS_ARN,
    Principal,
    Principals,
    read_policy,
    refusal_by_policy,
)
from bedrock_bearer.local.replies import Step
from bedrock_bearer.local.runtime import Call, Runtime
from bedrock_bearer.local.service_errors import ServiceError, key_refused
from bedrock_bearer.local.validation import malformed
from bedrock_bearer.regions import partition_of

Policy = PolicyDocument | Document | str
"""A policy document: a model, the dict that AWS writes, or its JSON."""

_REGION_IN_HOST = re.compile(r"bedrock(?:-runtime)?(?:-fips)?\.([a-z]{2,8}(?:-[a-z0-9]+)+-\d+)\.")


class LocalBedrock:
    """A Bedrock on this machine. It is not AWS: its keys, replies and token counts are made up.

    It does no I/O: `handle` takes a request and returns the response. `transport.LocalTransport`
    connects it to httpx in-process, `server` to sockets. Thread-safe.

    Args:
        region: its Region, used where a request's host does not name one.
        account_id: the account of keys and users that are made without one.
        clock: returns the present moment; keys expire by it.
        models: models offered in addition to the built-in ones.
    """

    def __init__(
        self,
        *,
        region: str = "us-east-1",
        account_id: str = "123456789012",
        clock: Callable[[], datetime] = utc_now,
        models: Iterable[LocalModel] = (),
    ) -> None:
        self.region = region
        self.account_id = account_id
        self.clock = clock
        self._lock = threading.RLock()
        self._principals = Principals()
        self._keys = Keyring()
        self._account = Account(
            self._principals, self._keys, account_id, partition_of(region), lambda: self.clock()
        )
        self._account.add_administrator()
        self._iam = Iam(self._account)
        self._runtime = Runtime(ModelCatalogue((*MODELS, *models)))

    def handle(self, request: LocalRequest) -> LocalResponse:
        """Answer one request. Never raises for what a client may send."""
        request_id = str(uuid.uuid4())
        with self._lock:
            if (request.method, request.path) == ("POST", "/"):
                response = self._iam.handle(request, request_id)
            else:
                response = self._answer(request)
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
        with self._lock:
            if TokenType(token_type) is TokenType.LONG_TERM:
                user = self._ensure(
                    f"user/{user_name or minting.user_name_of_console()}", account, policies
                )
                return self._keys.mint_long_term(user, now=self.clock(), expires_in=expires_in).text
            principal = self._ensure(user_name or "dev", account, policies)
            return self._keys.mint_short_term(
                principal,
                region=region or self.region,
                now=self.clock(),
                expires_in=MAX_SHORT_TERM_LIFETIME if expires_in is None else expires_in,
            ).text

    def set_key_status(self, key: str, status: str) -> None:
        """Make a key `Active` or `Inactive`.

        Raises:
            LookupError: the key was not minted here.
            ValueError: the status is neither.
        """
        with self._lock:
            if status == "Active":
                self._keys.get(key).status = "Active"
            elif status == "Inactive":
                self._keys.get(key).status = "Inactive"
            else:
                raise ValueError(f"a key is Active or Inactive, not {status!r}")

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

    def principal_of(self, key: str) -> str:
        """Return the ARN of the principal that a key belongs to."""
        with self._lock:
            return self._keys.get(key).principal_arn

    def create_access_key(self, principal: str) -> tuple[str, str]:
        """Give a user or role an access key; return its id and its secret.

        The local IAM looks at its id and does not verify signatures. Short-term keys that AWS's
        own generator signs with it are verified, and accepted.
        """
        with self._lock:
            return make_access_key(self._account, self._principals.find(principal)[0])

    # --------------------------------------------------------------------------- policies

    def attach_policy(
        self, principal: str | None, document: Policy, *, policy_arn: str | None = None
    ) -> None:
        """Attach an identity-based policy.

        Args:
            principal: the name or ARN of a role or user; None for every principal, existing or
                made later.
            document: the policy.
            policy_arn: the ARN of a managed policy, which refusals name. Default: the policy is
                inline.

        Raises:
            LookupError: there is no such principal.
            ValueError: the policy is not valid.
        """
        policy = read_policy(document, policy_arn)
        with self._lock:
            if principal is None:
                self._principals.attach_to_everybody(policy)
                return
            for found in self._principals.find(principal):
                name = policy_arn or f"inline-{len(found.identity) + 1}"
                found.identity[name] = policy

    def set_permissions_boundary(
        self, principal: str, document: Policy | None, *, policy_arn: str | None = None
    ) -> None:
        """Set the permissions boundary of a principal, or remove it."""
        boundary = None if document is None else read_policy(document, policy_arn)
        with self._lock:
            for found in self._principals.find(principal):
                found.boundary = boundary

    def attach_session_policy(
        self, principal: str, document: Policy, *, policy_arn: str | None = None
    ) -> None:
        """Attach a session policy to a role's session."""
        policy = read_policy(document, policy_arn)
        with self._lock:
            for found in self._principals.find(principal):
                found.session.append(policy)

    def attach_service_control_policy(
        self, document: Policy, *, account_id: str | None = None, policy_arn: str | None = None
    ) -> None:
        """Attach a service control policy to an account, beside `FullAWSAccess`."""
        policy = read_policy(document, policy_arn)
        with self._lock:
            account = account_id or self.account_id
            self._principals.attach_service_control_policy(account, policy)

    def attach_resource_control_policy(
        self, document: Policy, *, account_id: str | None = None, policy_arn: str | None = None
    ) -> None:
        """Attach a resource control policy to an account, beside `RCPFullAWSAccess`."""
        policy = read_policy(document, policy_arn)
        with self._lock:
            account = account_id or self.account_id
            self._principals.attach_resource_control_policy(account, policy)

    # ------------------------------------------------------------------- replies and faults

    def script(self, *steps: Step) -> None:
        """Queue the answers to the next calls, one step for each call.

        A step is a reply, a fault, or a function that makes a reply out of the request. When
        the queue is empty, calls are answered with an echo.
        """
        with self._lock:
            self._runtime.script.append(*steps)

    def answer(self, prompt: str, reply: Step) -> None:
        """Answer this exact prompt with `reply`, every time."""
        with self._lock:
            self._runtime.script.answer(prompt, reply)

    def unused_replies(self) -> int:
        """Return how many queued steps are left."""
        with self._lock:
            return len(self._runtime.script)

    def inject(self, fault: Fault, *, times: int = 1) -> None:
        """Make the next `times` calls go wrong."""
        with self._lock:
            self._runtime.faults.queue(fault, times)

    def inject_at_rate(self, fault: Fault, rate: float) -> None:
        """Make a share of the calls go wrong, evenly spread: 0.1 means every tenth call."""
        with self._lock:
            self._runtime.faults.at_rate(fault, rate)

    def clear_faults(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._runtime.faults.clear()

    def add_guardrail(self, guardrail: Guardrail) -> None:
        """Add a guardrail, or replace the one of the same id."""
        with self._lock:
            self._runtime.guardrails.add(guardrail)

    # ---------------------------------------------------------------------------- one call

    def _answer(self, request: LocalRequest) -> LocalResponse:
        try:
            return self._answer_bedrock(request)
        except ServiceError as error:
            return error.response()
        except RecursionError:
            return malformed().response()

    def _answer_bedrock(self, request: LocalRequest) -> LocalResponse:
        operation = find_operation(request)
        if operation is None:
            return whole_response(404, b"<UnknownOperationException/>\n", "application/xml")
        name, target, version = operation
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
            self.clock(),
        )
        self._authorize(call, key, principal)
        return self._runtime.run(call)

    def _authenticate(self, request: LocalRequest, region: str) -> tuple[MintedKey, Principal]:
        authorization = request.headers.get("authorization")
        key = self._keys.check(authorization, region=region, now=self.clock())
        principal = self._principals.get(key.principal_arn)
        if principal is None:
            raise key_refused("Authentication failed: Please make sure your API Key is valid.")
        return key, principal

    def _authorize(self, call: Call, key: MintedKey, principal: Principal) -> None:
        context = {TOKEN_TYPE_KEY: key.token_type.value}
        self._require(principal, USE_KEY, context, "*")
        for resource in self._resources_of(call):
            self._require(principal, ACTION_OF_OPERATION[call.name], context, resource)

    def _require(
        self, principal: Principal, action: str, context: dict[str, str], resource: str
    ) -> None:
        sentence = self._principals.denial(principal, action, context, resource)
        if sentence is not None:
            raise refusal_by_policy(sentence, action)

    def _resources_of(self, call: Call) -> tuple[str, ...]:
        if call.name in MODEL_OPERATIONS.values():
            return self._runtime.called_model(call).resources
        if call.name == "ApplyGuardrail":
            arn = f"arn:{call.partition}:bedrock:{call.region}:{call.account_id}:guardrail/"
            return (arn + call.target.rpartition("/")[2],)
        return ("*",)

    def _region_of(self, host: str) -> str:
        found = _REGION_IN_HOST.search(host)
        return found[1] if found else self.region

    def _ensure(self, name: str, account_id: str, policies: Iterable[Policy] | None) -> Principal:
        """Return the principal of that name; make it, with its policies, if it does not exist."""
        kind, _, user_name = name.rpartition("/")
        existing = [
            p
            for p in self._principals
            if (p.name, p.account_id, p.is_user) == (user_name, account_id, kind == "user")
        ]
        if existing:
            return existing[0]
        partition = partition_of(self.region)
        add = self._principals.add_user if kind == "user" else self._principals.add_role
        principal = add(user_name, account_id, self.clock(), partition=partition)
        if policies is None:
            principal.identity[LIMITED_ACCESS_ARN] = LIMITED_ACCESS
        else:
            for number, document in enumerate(policies, 1):
                principal.identity[f"inline-{number}"] = read_policy(document)
        return principal
