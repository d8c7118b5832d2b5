"""Organizations of the local Bedrock, called with real boto3."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.local import ADMINISTRATOR, HELLO, NOVA, ClientMaker, deny_token_type, statement

from bedrock_bearer.local import LocalBedrock

ACCOUNT = "123456789012"


@pytest.fixture
def organizations(make_client: ClientMaker) -> Any:
    return make_client("organizations", access_key=ADMINISTRATOR)


def policies_of(organizations: Any, target: str) -> list[Any]:
    pages = organizations.get_paginator("list_policies_for_target").paginate(
        TargetId=target, Filter="SERVICE_CONTROL_POLICY"
    )
    return [
        json.loads(organizations.describe_policy(PolicyId=one["Id"])["Policy"]["Content"])
        for page in pages
        for one in page["Policies"]
    ]


def test_an_account_without_an_organisation_says_so(organizations: Any) -> None:
    with pytest.raises(organizations.exceptions.AWSOrganizationsNotInUseException):
        organizations.describe_organization()


def test_policies_are_read_level_by_level(bedrock: LocalBedrock, organizations: Any) -> None:
    unit = bedrock.add_organizational_unit("teams")
    bedrock.move_account(unit)
    bedrock.attach_service_control_policy(
        deny_token_type("LONG_TERM"), target=bedrock.root_of_organization()
    )
    bedrock.attach_service_control_policy(deny_token_type("SHORT_TERM"))

    described = organizations.describe_organization()["Organization"]
    (root,) = organizations.list_roots()["Roots"]
    (parent,) = organizations.list_parents(ChildId=ACCOUNT)["Parents"]
    (above,) = organizations.list_parents(ChildId=unit)["Parents"]

    assert described["MasterAccountId"] != ACCOUNT
    assert parent == {"Id": unit, "Type": "ORGANIZATIONAL_UNIT"}
    assert above == {"Id": root["Id"], "Type": "ROOT"}
    full_access, at_root = policies_of(organizations, root["Id"])
    assert full_access["Statement"][0]["Effect"] == "Allow"
    assert at_root == deny_token_type("LONG_TERM")
    assert policies_of(organizations, unit) == [full_access]
    assert policies_of(organizations, ACCOUNT) == [full_access, deny_token_type("SHORT_TERM")]
    children = organizations.list_children(ParentId=unit, ChildType="ACCOUNT")["Children"]
    assert [child["Id"] for child in children] == [ACCOUNT]
    units = organizations.list_organizational_units_for_parent(ParentId=root["Id"])
    assert [one["Name"] for one in units["OrganizationalUnits"]] == ["teams"]


def test_a_policy_at_the_root_decides_on_calls(
    bedrock: LocalBedrock, make_client: ClientMaker
) -> None:
    runtime = make_client("bedrock-runtime", key=bedrock.mint_key("LONG_TERM"))
    assert runtime.converse(modelId=NOVA, messages=HELLO)["stopReason"] == "end_turn"
    root = bedrock.root_of_organization()
    bedrock.attach_service_control_policy(deny_token_type("LONG_TERM"), target=root)

    with pytest.raises(ClientError, match="explicit deny in a service control policy"):
        runtime.converse(modelId=NOVA, messages=HELLO)


def test_a_level_without_full_access_has_to_allow(
    bedrock: LocalBedrock, make_client: ClientMaker
) -> None:
    runtime = make_client("bedrock-runtime", key=bedrock.mint_key("LONG_TERM"))
    unit = bedrock.add_organizational_unit("teams")
    bedrock.move_account(unit)

    bedrock.attach_service_control_policy(
        statement("Allow", "s3:*"), target=unit, keep_full_access=False
    )

    with pytest.raises(ClientError, match="because no service control policy allows"):
        runtime.converse(modelId=NOVA, messages=HELLO)


def test_a_resource_control_policy_is_listed_as_one(
    bedrock: LocalBedrock, organizations: Any
) -> None:
    arn = (
        "arn:aws:organizations::999999999999:policy/o-abcdefghij/resource_control_policy/p-12345678"
    )
    bedrock.attach_resource_control_policy(statement("Deny", "s3:*", Principal="*"), policy_arn=arn)

    listed = organizations.list_policies_for_target(
        TargetId=ACCOUNT, Filter="RESOURCE_CONTROL_POLICY"
    )["Policies"]

    assert [one["Id"] for one in listed] == ["p-RCPFullAWSAccess", "p-12345678"]
    targets = organizations.list_targets_for_policy(PolicyId="p-12345678")["Targets"]
    assert [target["TargetId"] for target in targets] == [ACCOUNT]


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda o: o.list_parents(ChildId="210987654321"), "ChildNotFoundException"),
        (lambda o: o.describe_policy(PolicyId="p-00000000"), "PolicyNotFoundException"),
        (
            lambda o: o.list_policies_for_target(
                TargetId="210987654321", Filter="SERVICE_CONTROL_POLICY"
            ),
            "TargetNotFoundException",
        ),
        (
            lambda o: o.list_children(ParentId="r-none", ChildType="ACCOUNT"),
            "ParentNotFoundException",
        ),
        (lambda o: o.list_accounts(), "UnknownOperationException"),
    ],
)
def test_organizations_says_what_is_wrong(
    bedrock: LocalBedrock, organizations: Any, call: Any, code: str
) -> None:
    bedrock.root_of_organization()

    with pytest.raises(ClientError) as caught:
        call(organizations)

    assert caught.value.response["Error"]["Code"] == code


def test_reading_the_organisation_may_be_refused(bedrock: LocalBedrock, organizations: Any) -> None:
    bedrock.root_of_organization()
    bedrock.attach_policy("administrator", statement("Deny", "organizations:*"))

    with pytest.raises(organizations.exceptions.AccessDeniedException, match="explicit deny"):
        organizations.describe_organization()


def test_an_unknown_target_is_named_with_those_that_exist(bedrock: LocalBedrock) -> None:
    root = bedrock.root_of_organization()

    with pytest.raises(LookupError, match=f"no 'ou-none'; known are: {root}"):
        bedrock.move_account("ou-none")
