"""The policies of IAM users, inline and managed."""

from __future__ import annotations

import json
from urllib.parse import quote

from bedrock_bearer.access.document import read_document
from bedrock_bearer.access.evaluation import NamedPolicy
from bedrock_bearer.local.control_plane.account import ControlPlaneError
from bedrock_bearer.local.control_plane.query import (
    Parameters,
    Result,
    no_such_entity,
    page_of,
)
from bedrock_bearer.local.principals import (
    ADMINISTRATOR_ACCESS,
    LIMITED_ACCESS,
    LIMITED_ACCESS_ARN,
    Principal,
    read_policy,
)

MANAGED_POLICIES: dict[str, NamedPolicy] = {
    LIMITED_ACCESS_ARN: LIMITED_ACCESS,
    "arn:aws:iam::aws:policy/AmazonBedrockFullAccess": LIMITED_ACCESS,
    str(ADMINISTRATOR_ACCESS.arn): ADMINISTRATOR_ACCESS,
}
"""The managed policies that can be attached."""


class UserPolicies:
    """IAM's operations on the policies of one user."""

    def __init__(self) -> None:
        self.operations = {
            "AttachUserPolicy": self._attach,
            "DetachUserPolicy": self._detach,
            "ListAttachedUserPolicies": self._list_attached,
            "PutUserPolicy": self._put,
            "GetUserPolicy": self._get,
            "DeleteUserPolicy": self._delete,
            "ListUserPolicies": self._list,
        }

    def _attach(self, user: Principal, given: Parameters) -> Result:
        arn = given.get("PolicyArn", "")
        if arn not in MANAGED_POLICIES:
            raise no_such_entity(f"Policy {arn} does not exist or is not attachable.")
        user.identity[arn] = MANAGED_POLICIES[arn]
        return None

    def _detach(self, user: Principal, given: Parameters) -> Result:
        arn = given.get("PolicyArn", "")
        if user.identity.pop(arn, None) is None:
            raise no_such_entity(f"Policy {arn} was not found.")
        return None

    def _list_attached(self, user: Principal, given: Parameters) -> Result:
        arns = [name for name in user.identity if name.startswith("arn:")]
        attached = [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in arns]
        return page_of("AttachedPolicies", attached, given)

    def _put(self, user: Principal, given: Parameters) -> Result:
        try:
            policy = read_policy(given.get("PolicyDocument", ""))
        except ValueError as error:
            raise ControlPlaneError(400, "MalformedPolicyDocument", str(error)) from None
        user.identity[given.get("PolicyName", "")] = policy
        return None

    def _get(self, user: Principal, given: Parameters) -> Result:
        name = given.get("PolicyName", "")
        if name not in user.identity:
            raise no_such_entity(f"The user policy with name {name} cannot be found.")
        document = read_document(user.identity[name].document).to_wire()
        return {
            "UserName": user.name,
            "PolicyName": name,
            "PolicyDocument": quote(json.dumps(document), safe=""),
        }

    def _delete(self, user: Principal, given: Parameters) -> Result:
        name = given.get("PolicyName", "")
        if user.identity.pop(name, None) is None:
            raise no_such_entity(f"The user policy with name {name} cannot be found.")
        return None

    def _list(self, user: Principal, given: Parameters) -> Result:
        names = [name for name in user.identity if not name.startswith("arn:")]
        return page_of("PolicyNames", names, given)
