"""IAM on this machine: users, their policies and their service-specific credentials.

Speaks IAM's query protocol, as https://docs.aws.amazon.com/IAM/latest/APIReference/ describes it.
Signatures are not verified: whoever signs with an unknown access key is the administrator.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

from bedrock_bearer.access import NamedPolicy, read_document
from bedrock_bearer.facts import (
    AGE_KEY,
    BEDROCK_SERVICE,
    KEYS_PER_USER,
    LONGEST_AGE_DAYS,
    SERVICE_NAME_KEY,
)
from bedrock_bearer.local import minting
from bedrock_bearer.local.http import LocalRequest, LocalResponse, whole_response
from bedrock_bearer.local.keyring import AccessKey, Keyring, MintedKey
from bedrock_bearer.local.principals import (
    FULL_ACCESS,
    LIMITED_ACCESS,
    LIMITED_ACCESS_ARN,
    Principal,
    Principals,
    read_policy,
)

NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
STS_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
PAGE_SIZE = 100
ADMINISTRATOR = "administrator"

MANAGED_POLICIES: dict[str, NamedPolicy] = {
    LIMITED_ACCESS_ARN: LIMITED_ACCESS,
    "arn:aws:iam::aws:policy/AmazonBedrockFullAccess": LIMITED_ACCESS,
    "arn:aws:iam::aws:policy/AdministratorAccess": FULL_ACCESS,
}
"""The managed policies that can be attached."""

Parameters = Mapping[str, str]
Result = dict[str, Any] | None

_ACCESS_KEY_ID = re.compile(r"Credential=([A-Z0-9]+)/")


class IamError(Exception):
    """An error that IAM answers with."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message


class Iam:
    """IAM for one account. Not thread-safe by itself: its owner holds a lock."""

    def __init__(
        self,
        principals: Principals,
        keys: Keyring,
        *,
        account_id: str,
        partition: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._principals = principals
        self._keys = keys
        self._account_id = account_id
        self._partition = partition
        self._clock = clock
        self._administrator = principals.add_user(
            ADMINISTRATOR, account_id, clock(), partition=partition
        )
        self._administrator.identity["arn:aws:iam::aws:policy/AdministratorAccess"] = FULL_ACCESS
        self._on_user: dict[str, Callable[[Principal, Parameters], Result]] = {
            "GetUser": self._get_user,
            "DeleteUser": self._delete_user,
            "AttachUserPolicy": self._attach_user_policy,
            "DetachUserPolicy": self._detach_user_policy,
            "ListAttachedUserPolicies": self._list_attached_user_policies,
            "PutUserPolicy": self._put_user_policy,
            "GetUserPolicy": self._get_user_policy,
            "DeleteUserPolicy": self._delete_user_policy,
            "ListUserPolicies": self._list_user_policies,
            "ListGroupsForUser": lambda user, given: {"Groups": [], "IsTruncated": False},
            "ListUserTags": lambda user, given: {"Tags": [], "IsTruncated": False},
            "ListMFADevices": lambda user, given: {"MFADevices": [], "IsTruncated": False},
            "CreateAccessKey": self._create_access_key,
            "ListAccessKeys": self._list_access_keys,
            "DeleteAccessKey": self._delete_access_key,
            "CreateServiceSpecificCredential": self._create_credential,
            "UpdateServiceSpecificCredential": self._update_credential,
            "ResetServiceSpecificCredential": self._reset_credential,
            "DeleteServiceSpecificCredential": self._delete_credential,
        }

    def handle(self, request: LocalRequest, request_id: str) -> LocalResponse:
        """Answer one request in IAM's query protocol."""
        given = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        action = given.get("Action", "")
        try:
            caller = self._caller(request)
            if action == "GetCallerIdentity":
                return _response(action, self._identity(caller), request_id, STS_NAMESPACE)
            return _response(action, self._run(action, given, caller), request_id, NAMESPACE)
        except IamError as error:
            return _error_response(error, request_id)

    def create_access_key(self, principal: Principal) -> tuple[str, str]:
        """Give a principal an access key; return its id and its secret."""
        prefix = "AKIA" if principal.is_user else "ASIA"
        access_key_id = minting.identifier(prefix, principal.account_id)
        secret = secrets.token_urlsafe(30)
        self._keys.access_keys[access_key_id] = AccessKey(
            access_key_id, secret, principal.arn, principal.account_id
        )
        return access_key_id, secret

    # ------------------------------------------------------------------------ who, and may he

    def _caller(self, request: LocalRequest) -> Principal:
        authorization = request.headers.get("authorization", "")
        found = _ACCESS_KEY_ID.search(authorization)
        if found is None:
            text = "Request is missing Authentication Token"
            raise IamError(403, "MissingAuthenticationToken", text)
        access_key = self._keys.access_keys.get(found[1])
        if access_key is None:
            return self._administrator
        principal = self._principals.get(access_key.principal_arn)
        if principal is None:
            text = "The security token included in the request is invalid."
            raise IamError(403, "InvalidClientTokenId", text)
        return principal

    def _identity(self, caller: Principal) -> Result:
        return {"Arn": caller.arn, "UserId": caller.unique_id, "Account": caller.account_id}

    def _run(self, action: str, given: Parameters, caller: Principal) -> Result:
        if action == "CreateUser":
            return self._create_user(given, caller)
        if action == "ListUsers":
            self._authorize(caller, action, f"arn:{self._partition}:iam::{self._account_id}:user/")
            return self._list_users(given)
        if action == "ListServiceSpecificCredentials":
            return self._list_credentials(given, caller)
        run = self._on_user.get(action)
        if run is None:
            text = f"Could not find operation {action} for version 2010-05-08"
            raise IamError(400, "InvalidAction", text)
        name = given.get("UserName") or caller.name
        self._authorize(caller, action, self._user_arn(name), given)
        return run(self._user(name), given)

    def _authorize(
        self, caller: Principal, action: str, resource: str, given: Parameters | None = None
    ) -> None:
        context: dict[str, str] = {}
        for parameter, key in _CONDITION_KEYS.items():
            if given and action == "CreateServiceSpecificCredential" and parameter in given:
                context[key] = given[parameter]
        sentence = self._principals.denial(
            caller, f"iam:{action}", context, resource, shown=_as_iam_says(resource)
        )
        if sentence is not None:
            raise IamError(403, "AccessDenied", sentence)

    def _user_arn(self, name: str) -> str:
        user = self._principals.user(name, self._account_id)
        return user.arn if user else f"arn:{self._partition}:iam::{self._account_id}:user/{name}"

    def _user(self, name: str) -> Principal:
        user = self._principals.user(name, self._account_id)
        if user is None:
            raise _no_such_entity(f"The user with name {name} cannot be found.")
        return user

    # -------------------------------------------------------------------------------- users

    def _create_user(self, given: Parameters, caller: Principal) -> Result:
        name = given.get("UserName", "")
        self._authorize(caller, "CreateUser", self._user_arn(name))
        if not re.fullmatch(r"[\w+=,.@-]{1,64}", name):
            text = "The specified value for userName is invalid."
            raise IamError(400, "ValidationError", text)
        if self._principals.user(name, self._account_id):
            text = f"User with name {name} already exists."
            raise IamError(409, "EntityAlreadyExists", text)
        user = self._principals.add_user(
            name,
            self._account_id,
            self._clock(),
            partition=self._partition,
            path=given.get("Path", "/"),
        )
        return {"User": _user_shape(user)}

    def _get_user(self, user: Principal, given: Parameters) -> Result:
        return {"User": _user_shape(user)}

    def _delete_user(self, user: Principal, given: Parameters) -> Result:
        if any(name.startswith("arn:") for name in user.identity):
            raise _delete_conflict("Cannot delete entity, must detach all policies first.")
        if user.identity:
            raise _delete_conflict("Cannot delete entity, must delete policies first.")
        if self._keys.of_user(user):
            raise _delete_conflict(
                "Cannot delete entity, must delete service specific credentials first."
            )
        if self._access_keys_of(user):
            raise _delete_conflict("Cannot delete entity, must delete access keys first.")
        self._principals.remove(user)
        return None

    def _list_users(self, given: Parameters) -> Result:
        prefix = given.get("PathPrefix", "/")
        users = [p for p in self._principals if p.is_user and p.account_id == self._account_id]
        shapes = [_user_shape(user) for user in users if user.path.startswith(prefix)]
        return _page("Users", shapes, given)

    # ----------------------------------------------------------------------------- policies

    def _attach_user_policy(self, user: Principal, given: Parameters) -> Result:
        arn = given.get("PolicyArn", "")
        if arn not in MANAGED_POLICIES:
            raise _no_such_entity(f"Policy {arn} does not exist or is not attachable.")
        user.identity[arn] = MANAGED_POLICIES[arn]
        return None

    def _detach_user_policy(self, user: Principal, given: Parameters) -> Result:
        if user.identity.pop(given.get("PolicyArn", ""), None) is None:
            raise _no_such_entity(f"Policy {given.get('PolicyArn')} was not found.")
        return None

    def _list_attached_user_policies(self, user: Principal, given: Parameters) -> Result:
        arns = [name for name in user.identity if name.startswith("arn:")]
        attached = [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in arns]
        return _page("AttachedPolicies", attached, given)

    def _put_user_policy(self, user: Principal, given: Parameters) -> Result:
        try:
            policy = read_policy(given.get("PolicyDocument", ""))
        except ValueError as error:
            raise IamError(400, "MalformedPolicyDocument", str(error)) from None
        user.identity[given.get("PolicyName", "")] = policy
        return None

    def _get_user_policy(self, user: Principal, given: Parameters) -> Result:
        name = given.get("PolicyName", "")
        if name not in user.identity:
            raise _no_such_entity(f"The user policy with name {name} cannot be found.")
        document = read_document(user.identity[name].document).to_wire()
        return {
            "UserName": user.name,
            "PolicyName": name,
            "PolicyDocument": quote(json.dumps(document), safe=""),
        }

    def _delete_user_policy(self, user: Principal, given: Parameters) -> Result:
        name = given.get("PolicyName", "")
        if user.identity.pop(name, None) is None:
            raise _no_such_entity(f"The user policy with name {name} cannot be found.")
        return None

    def _list_user_policies(self, user: Principal, given: Parameters) -> Result:
        names = [name for name in user.identity if not name.startswith("arn:")]
        return _page("PolicyNames", names, given)

    # --------------------------------------------------------------------------- access keys

    def _create_access_key(self, user: Principal, given: Parameters) -> Result:
        access_key_id, secret = self.create_access_key(user)
        return {
            "AccessKey": {
                "UserName": user.name,
                "AccessKeyId": access_key_id,
                "Status": "Active",
                "SecretAccessKey": secret,
                "CreateDate": _moment(self._clock()),
            }
        }

    def _list_access_keys(self, user: Principal, given: Parameters) -> Result:
        keys = [
            {"UserName": user.name, "AccessKeyId": access_key.id, "Status": "Active"}
            for access_key in self._access_keys_of(user)
        ]
        return _page("AccessKeyMetadata", keys, given)

    def _delete_access_key(self, user: Principal, given: Parameters) -> Result:
        access_key_id = given.get("AccessKeyId", "")
        if access_key_id not in [access_key.id for access_key in self._access_keys_of(user)]:
            text = f"The Access Key with id {access_key_id} cannot be found."
            raise _no_such_entity(text)
        del self._keys.access_keys[access_key_id]
        return None

    def _access_keys_of(self, user: Principal) -> list[AccessKey]:
        return [k for k in self._keys.access_keys.values() if k.principal_arn == user.arn]

    # ---------------------------------------------------------- service-specific credentials

    def _create_credential(self, user: Principal, given: Parameters) -> Result:
        _require_bedrock(given.get("ServiceName", ""))
        age = _age_of(given)
        if len(self._keys.of_user(user)) >= KEYS_PER_USER:
            text = f"Cannot exceed quota for ServiceSpecificCredentialsPerUser: {KEYS_PER_USER}"
            raise IamError(409, "LimitExceeded", text)
        key = self._keys.mint_long_term(user, now=self._clock(), expires_in=age)
        return {"ServiceSpecificCredential": _credential_shape(key, with_secret=True)}

    def _list_credentials(self, given: Parameters, caller: Principal) -> Result:
        if given.get("AllUsers", "").lower() == "true":
            self._authorize(caller, "ListServiceSpecificCredentials", "*")
            users = [p for p in self._principals if p.account_id == self._account_id]
        else:
            name = given.get("UserName") or caller.name
            self._authorize(caller, "ListServiceSpecificCredentials", self._user_arn(name))
            users = [self._user(name)]
        keys = [key for user in users for key in self._keys.of_user(user)]
        if given.get("ServiceName", BEDROCK_SERVICE) != BEDROCK_SERVICE:
            keys = []
        shapes = [_credential_shape(key, with_secret=False) for key in keys]
        return _page("ServiceSpecificCredentials", shapes, given)

    def _update_credential(self, user: Principal, given: Parameters) -> Result:
        key = self._credential(user, given)
        status = given.get("Status", "")
        if status == "Active":
            key.status = "Active"
        elif status == "Inactive":
            key.status = "Inactive"
        else:
            text = (
                f"1 validation error detected: Value '{status}' at 'status' failed to satisfy"
                " constraint: Member must satisfy enum value set: [Active, Inactive, Expired]"
            )
            raise IamError(400, "ValidationError", text)
        return None

    def _reset_credential(self, user: Principal, given: Parameters) -> Result:
        key = self._credential(user, given)
        self._keys.reset(key)
        return {"ServiceSpecificCredential": _credential_shape(key, with_secret=True)}

    def _delete_credential(self, user: Principal, given: Parameters) -> Result:
        self._keys.delete(self._credential(user, given))
        return None

    def _credential(self, user: Principal, given: Parameters) -> MintedKey:
        wanted = given.get("ServiceSpecificCredentialId", "")
        for key in self._keys.of_user(user):
            if key.credential_id == wanted:
                return key
        text = f"Service specific credential {wanted} does not exist"
        raise _no_such_entity(text)


_CONDITION_KEYS = {
    "ServiceName": SERVICE_NAME_KEY,
    "CredentialAgeDays": AGE_KEY,
}


def _as_iam_says(resource: str) -> str:
    """A user's ARN as IAM's own sentences name it: `user NAME`."""
    kind, _, name = resource.rpartition(":")[2].partition("/")
    return f"user {name.rpartition('/')[2]}" if kind == "user" and name else resource


def _require_bedrock(service: str) -> None:
    if service != BEDROCK_SERVICE:
        raise IamError(404, "NotSupportedService", f"The service {service} is not supported.")


def _age_of(given: Parameters) -> timedelta | None:
    text = given.get("CredentialAgeDays")
    if text is None:
        return None
    days = int(text) if text.isascii() and text.isdigit() else 0
    if 1 <= days <= LONGEST_AGE_DAYS:
        return timedelta(days=days)
    bound = (
        "greater than or equal to 1" if days < 1 else f"less than or equal to {LONGEST_AGE_DAYS}"
    )
    message = (
        f"1 validation error detected: Value '{text}' at 'credentialAgeDays' failed to satisfy"
        f" constraint: Member must have value {bound}"
    )
    raise IamError(400, "ValidationError", message)


def _no_such_entity(message: str) -> IamError:
    return IamError(404, "NoSuchEntity", message)


def _delete_conflict(message: str) -> IamError:
    return IamError(409, "DeleteConflict", message)


def _user_shape(user: Principal) -> dict[str, Any]:
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.unique_id,
        "Arn": user.arn,
        "CreateDate": _moment(user.created_at),
    }


def _credential_shape(key: MintedKey, *, with_secret: bool) -> dict[str, Any]:
    shape = {
        "CreateDate": _moment(key.created_at),
        "ServiceName": BEDROCK_SERVICE,
        "ServiceCredentialAlias": key.alias,
        "ServiceSpecificCredentialId": key.credential_id,
        "UserName": key.user_name,
        "Status": key.status,
    }
    if key.expires_at is not None:
        shape["ExpirationDate"] = _moment(key.expires_at)
    if with_secret:
        shape["ServiceCredentialSecret"] = key.text
    return shape


def _page(name: str, items: Sequence[Any], given: Parameters) -> dict[str, Any]:
    """One page of a list; the marker is the index of the next item."""
    start = _whole_number(given, "Marker", 0)
    end = start + _whole_number(given, "MaxItems", PAGE_SIZE)
    page: dict[str, Any] = {name: list(items[start:end]), "IsTruncated": end < len(items)}
    return page | ({"Marker": str(end)} if end < len(items) else {})


def _whole_number(given: Parameters, name: str, default: int) -> int:
    text = given.get(name)
    if not text:
        return default
    if text.isascii() and text.isdigit():
        return int(text)
    raise IamError(400, "ValidationError", f"{name} is not a whole number.")


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _response(action: str, result: Result, request_id: str, namespace: str) -> LocalResponse:
    inner = "" if result is None else f"<{action}Result>{_xml(result)}</{action}Result>"
    body = (
        f'<{action}Response xmlns="{namespace}">{inner}'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        f"</{action}Response>"
    )
    return whole_response(200, body.encode(), "text/xml")


def _error_response(error: IamError, request_id: str) -> LocalResponse:
    body = (
        f'<ErrorResponse xmlns="{NAMESPACE}"><Error><Type>Sender</Type><Code>{error.code}</Code>'
        f"<Message>{escape(error.message)}</Message></Error>"
        f"<RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return whole_response(error.status, body.encode(), "text/xml")


def _xml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "".join(f"<{name}>{_xml(item)}</{name}>" for name, item in value.items())
    if isinstance(value, list):
        return "".join(f"<member>{_xml(item)}</member>" for item in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return escape(str(value))
