"""The local control plane answers whatever a client sends."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.control_plane.organizations import TARGET_PREFIX
from bedrock_bearer.local.http import LocalRequest, LocalResponse

SIGNED = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261125/us-east-1/iam/aws4_request"
ANY_TEXT = st.text(max_size=20) | st.sampled_from(
    ["dev", "app", "administrator", "9" * 5000, "0", "-1", "{0}", "[[" * 500, "\ud800", "%00"]
)
ACTIONS = st.sampled_from(
    [
        "GetUser",
        "CreateUser",
        "UpdateUser",
        "GetRole",
        "CreateRole",
        "ListRoles",
        "PutRolePolicy",
        "GetRolePolicy",
        "AttachUserPolicy",
        "PutUserPermissionsBoundary",
        "TagUser",
        "CreateGroup",
        "AddUserToGroup",
        "CreatePolicy",
        "GetPolicyVersion",
        "CreateServiceSpecificCredential",
        "ListServiceSpecificCredentials",
        "SimulatePrincipalPolicy",
        "GetContextKeysForPrincipalPolicy",
        "GetCallerIdentity",
    ]
)
NAMES = st.sampled_from(
    [
        "UserName",
        "NewUserName",
        "RoleName",
        "GroupName",
        "PolicyName",
        "PolicyArn",
        "PolicyDocument",
        "VersionId",
        "PermissionsBoundary",
        "PolicySourceArn",
        "ActionNames.member.1",
        "ActionNames.member.x",
        "ResourceArns.member.99999999999",
        "ContextEntries.member.1.ContextKeyName",
        "ContextEntries.member.1.ContextKeyValues.member.1",
        "PolicyInputList.member.1",
        "Tags.member.1.Key",
        "CredentialAgeDays",
        "ServiceName",
        "MaxItems",
        "Marker",
        "Path",
    ]
)


@pytest.fixture(scope="module")
def bedrock() -> LocalBedrock:
    bedrock = LocalBedrock(authorization_ids=True)
    bedrock.mint_key()
    bedrock.mint_key("LONG_TERM", user_name="app")
    bedrock.root_of_organization()
    return bedrock


def asked(
    bedrock: LocalBedrock, method: str, path: str, body: bytes, query: str = "", **headers: str
) -> LocalResponse:
    signed = {"authorization": SIGNED, **{n.replace("_", "-"): v for n, v in headers.items()}}
    return bedrock.handle(LocalRequest(method, path, query, "127.0.0.1", signed, body))


@given(ACTIONS, st.dictionaries(NAMES, ANY_TEXT, max_size=6))
def test_iam_answers_any_parameters(
    bedrock: LocalBedrock, action: str, parameters: dict[str, str]
) -> None:
    body = urlencode({"Action": action, **parameters}, errors="replace").encode()

    assert asked(bedrock, "POST", "/", body).status in (200, 400, 403, 404, 409)


@given(
    st.sampled_from(["ListParents", "ListPoliciesForTarget", "DescribePolicy", "ListRoots", "x"]),
    st.dictionaries(
        st.sampled_from(["ChildId", "TargetId", "Filter", "PolicyId", "NextToken", "MaxResults"]),
        ANY_TEXT | st.integers() | st.none() | st.lists(st.none()),
    )
    | st.lists(st.none()),
)
def test_organizations_answers_any_document(
    bedrock: LocalBedrock, operation: str, document: Any
) -> None:
    response = asked(
        bedrock, "POST", "/", json.dumps(document).encode(), x_amz_target=TARGET_PREFIX + operation
    )

    assert response.status in (200, 400, 403)


@given(ANY_TEXT, st.sampled_from(["", "/policy", "/other"]), ANY_TEXT)
def test_iam_toolbox_answers_any_id(
    bedrock: LocalBedrock, authorization_id: str, tail: str, uri: str
) -> None:
    path = f"/authorization-details/{authorization_id}{tail}"

    response = asked(bedrock, "GET", path, b"", urlencode({"policyUri": uri}, errors="replace"))

    assert response.status in (400, 404)


@given(ANY_TEXT, ANY_TEXT)
def test_validate_policy_answers_any_document(
    bedrock: LocalBedrock, policy: str, policy_type: str
) -> None:
    for kind in (policy_type, "IDENTITY_POLICY"):
        body = json.dumps({"policyDocument": policy, "policyType": kind}).encode()

        assert asked(bedrock, "POST", "/policy/validation", body).status in (200, 400)
