"""IAM and STS of the local Bedrock, called with real boto3."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from support.local import ADMINISTRATOR, HELLO, NOVA, ClientMaker, Clock, deny_token_type, statement

from bedrock_bearer.local import LocalBedrock

BEDROCK = "bedrock.amazonaws.com"
LIMITED_ACCESS = "arn:aws:iam::aws:policy/AmazonBedrockLimitedAccess"


@pytest.fixture
def iam(make_client: ClientMaker) -> Any:
    """IAM as the administrator."""
    return make_client("iam", access_key=ADMINISTRATOR)


def create_key(iam: Any, user: str, **options: Any) -> dict[str, Any]:
    created: dict[str, Any] = iam.create_service_specific_credential(
        UserName=user, ServiceName=BEDROCK, **options
    )["ServiceSpecificCredential"]
    return created


def test_a_key_created_over_iam_calls_bedrock(iam: Any, make_client: ClientMaker) -> None:
    iam.create_user(UserName="app")
    iam.attach_user_policy(UserName="app", PolicyArn=LIMITED_ACCESS)

    key = create_key(iam, "app")["ServiceCredentialSecret"]

    runtime = make_client("bedrock-runtime", key=key)
    assert runtime.converse(modelId=NOVA, messages=HELLO)["stopReason"] == "end_turn"


def test_a_key_of_a_user_without_policies_is_refused_implicitly(
    iam: Any, make_client: ClientMaker
) -> None:
    iam.create_user(UserName="app")
    runtime = make_client("bedrock-runtime", key=create_key(iam, "app")["ServiceCredentialSecret"])

    with pytest.raises(ClientError, match="because no identity-based policy allows"):
        runtime.converse(modelId=NOVA, messages=HELLO)


def test_an_age_policy_lets_five_days_pass_and_denies_thirty(
    bedrock: LocalBedrock, iam: Any
) -> None:
    iam.create_user(UserName="app")
    bedrock.attach_policy(
        "administrator",
        statement(
            "Deny",
            "iam:CreateServiceSpecificCredential",
            Condition={"NumericGreaterThan": {"iam:ServiceSpecificCredentialAgeDays": "7"}},
        ),
    )

    created = create_key(iam, "app", CredentialAgeDays=5)
    with pytest.raises(ClientError) as caught:
        create_key(iam, "app", CredentialAgeDays=30)

    assert (created["ExpirationDate"] - created["CreateDate"]).days == 5
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    assert caught.value.response["Error"]["Message"] == (
        "User: arn:aws:iam::123456789012:user/administrator is not authorized to perform:"
        " iam:CreateServiceSpecificCredential on resource: user app with an explicit deny in an"
        " identity-based policy"
    )


def test_a_policy_may_be_for_one_service_name(bedrock: LocalBedrock, iam: Any) -> None:
    iam.create_user(UserName="app")
    bedrock.attach_policy(
        "administrator",
        statement(
            "Deny",
            "iam:CreateServiceSpecificCredential",
            Condition={"StringEquals": {"iam:ServiceSpecificCredentialServiceName": BEDROCK}},
        ),
    )

    with pytest.raises(ClientError, match="AccessDenied"):
        create_key(iam, "app")


def test_a_third_key_is_refused(iam: Any) -> None:
    iam.create_user(UserName="app")
    create_key(iam, "app")
    create_key(iam, "app")

    with pytest.raises(iam.exceptions.LimitExceededException) as caught:
        create_key(iam, "app")

    assert caught.value.response["Error"]["Message"] == (
        "Cannot exceed quota for ContextSpecificCredentialsPerUserPerContext: 2"
    )


def test_a_key_expires_after_its_days(bedrock: LocalBedrock, make_client: ClientMaker) -> None:
    clock = Clock()
    bedrock.clock = clock
    iam = make_client("iam", access_key=ADMINISTRATOR)
    iam.create_user(UserName="app")
    iam.attach_user_policy(UserName="app", PolicyArn=LIMITED_ACCESS)
    key = create_key(iam, "app", CredentialAgeDays=5)["ServiceCredentialSecret"]
    runtime = make_client("bedrock-runtime", key=key)
    assert runtime.converse(modelId=NOVA, messages=HELLO)["stopReason"] == "end_turn"

    clock.move(days=5)

    with pytest.raises(ClientError, match="Bearer Token has expired"):
        runtime.converse(modelId=NOVA, messages=HELLO)


def test_a_rotation_by_the_book(iam: Any, make_client: ClientMaker) -> None:
    iam.create_user(UserName="app")
    iam.attach_user_policy(UserName="app", PolicyArn=LIMITED_ACCESS)
    old, new = create_key(iam, "app"), create_key(iam, "app")
    whose = {"UserName": "app", "ServiceSpecificCredentialId": old["ServiceSpecificCredentialId"]}

    iam.update_service_specific_credential(**whose, Status="Inactive")
    listed = iam.list_service_specific_credentials(UserName="app")["ServiceSpecificCredentials"]
    refused = make_client("bedrock-runtime", key=old["ServiceCredentialSecret"])
    accepted = make_client("bedrock-runtime", key=new["ServiceCredentialSecret"])

    assert [key["Status"] for key in listed] == ["Inactive", "Active"]
    assert not any("ServiceCredentialSecret" in key for key in listed)
    with pytest.raises(ClientError, match="Authentication failed"):
        refused.converse(modelId=NOVA, messages=HELLO)
    assert accepted.converse(modelId=NOVA, messages=HELLO)["stopReason"] == "end_turn"

    iam.delete_service_specific_credential(**whose)
    left = iam.list_service_specific_credentials(UserName="app")["ServiceSpecificCredentials"]
    assert [key["ServiceCredentialAlias"] for key in left] == [new["ServiceCredentialAlias"]]


def test_a_reset_keeps_the_id_and_changes_the_secret(iam: Any) -> None:
    iam.create_user(UserName="app")
    old = create_key(iam, "app")
    identity = old["ServiceSpecificCredentialId"]

    new = iam.reset_service_specific_credential(
        UserName="app", ServiceSpecificCredentialId=identity
    )["ServiceSpecificCredential"]

    assert new["ServiceSpecificCredentialId"] == identity
    assert new["ServiceCredentialSecret"] != old["ServiceCredentialSecret"]


def test_a_reset_of_an_inactive_key_leaves_it_inactive(iam: Any) -> None:
    iam.create_user(UserName="app")
    whose = {
        "UserName": "app",
        "ServiceSpecificCredentialId": create_key(iam, "app")["ServiceSpecificCredentialId"],
    }
    iam.update_service_specific_credential(**whose, Status="Inactive")

    reset = iam.reset_service_specific_credential(**whose)["ServiceSpecificCredential"]

    assert reset["Status"] == "Inactive"


def test_a_principal_of_ones_own_is_held_to_its_policies(
    bedrock: LocalBedrock, make_client: ClientMaker
) -> None:
    bedrock.mint_key(user_name="dev", policies=[statement("Allow", "iam:ListUsers")])
    iam = make_client("iam", access_key=bedrock.create_access_key("dev"))

    assert iam.list_users()["Users"][0]["UserName"] == "administrator"
    with pytest.raises(ClientError, match="because no identity-based policy allows the iam:"):
        iam.create_user(UserName="app")


def test_users_are_paged(iam: Any) -> None:
    for number in range(5):
        iam.create_user(UserName=f"user-{number}")

    pages = list(iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 2}))

    assert [len(page["Users"]) for page in pages] == [2, 2, 2]


def test_all_users_keys_are_listed_at_once(iam: Any) -> None:
    for name in ("one", "two"):
        iam.create_user(UserName=name)
        create_key(iam, name)

    listed = iam.list_service_specific_credentials(AllUsers=True, ServiceName=BEDROCK)

    assert {key["UserName"] for key in listed["ServiceSpecificCredentials"]} == {"one", "two"}


def test_a_user_is_deleted_only_when_nothing_hangs_on_it(iam: Any) -> None:
    iam.create_user(UserName="app")
    iam.put_user_policy(UserName="app", PolicyName="p", PolicyDocument='{"Statement": []}')
    key = create_key(iam, "app")

    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_user(UserName="app")
    iam.delete_user_policy(UserName="app", PolicyName="p")
    iam.delete_service_specific_credential(
        UserName="app", ServiceSpecificCredentialId=key["ServiceSpecificCredentialId"]
    )
    iam.delete_user(UserName="app")

    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_user(UserName="app")


def test_policies_of_a_user_can_be_read_back(iam: Any) -> None:
    document = {"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}
    iam.create_user(UserName="app")
    iam.attach_user_policy(UserName="app", PolicyArn=LIMITED_ACCESS)
    iam.put_user_policy(
        UserName="app",
        PolicyName="p",
        PolicyDocument='{"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}',
    )

    attached = iam.list_attached_user_policies(UserName="app")["AttachedPolicies"]

    assert [policy["PolicyArn"] for policy in attached] == [LIMITED_ACCESS]
    assert iam.list_user_policies(UserName="app")["PolicyNames"] == ["p"]
    assert iam.get_user_policy(UserName="app", PolicyName="p")["PolicyDocument"] == document


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (lambda iam: iam.create_user(UserName="administrator"), "EntityAlreadyExists"),
        (lambda iam: iam.get_user(UserName="nobody"), "NoSuchEntity"),
        (lambda iam: create_key(iam, "nobody"), "NoSuchEntity"),
        (lambda iam: create_key(iam, "administrator", CredentialAgeDays=36601), "ValidationError"),
        (lambda iam: iam.list_account_aliases(), "InvalidAction"),
        (
            lambda iam: iam.detach_user_policy(UserName="administrator", PolicyArn=LIMITED_ACCESS),
            "NoSuchEntity",
        ),
        (
            lambda iam: iam.get_user_policy(UserName="administrator", PolicyName="p"),
            "NoSuchEntity",
        ),
        (
            lambda iam: iam.delete_user_policy(UserName="administrator", PolicyName="p"),
            "NoSuchEntity",
        ),
        (
            lambda iam: iam.delete_service_specific_credential(
                UserName="administrator", ServiceSpecificCredentialId="ACCA" + "A" * 16
            ),
            "NoSuchEntity",
        ),
        (
            lambda iam: iam.list_service_specific_credentials(UserName="nobody"),
            "NoSuchEntity",
        ),
        (
            lambda iam: iam.create_service_specific_credential(
                UserName="administrator", ServiceName="codecommit.amazonaws.com"
            ),
            "NoSuchEntity",
        ),
        (
            lambda iam: iam.attach_user_policy(
                UserName="administrator", PolicyArn="arn:aws:iam::aws:policy/None"
            ),
            "NoSuchEntity",
        ),
        (
            lambda iam: iam.put_user_policy(
                UserName="administrator", PolicyName="p", PolicyDocument="{"
            ),
            "MalformedPolicyDocument",
        ),
    ],
)
def test_iam_says_what_is_wrong(iam: Any, call: Callable[[Any], Any], code: str) -> None:
    with pytest.raises(ClientError) as caught:
        call(iam)

    assert caught.value.response["Error"]["Code"] == code


def test_access_keys_are_created_listed_and_deleted(iam: Any, make_client: ClientMaker) -> None:
    iam.create_user(UserName="app")
    created = iam.create_access_key(UserName="app")["AccessKey"]
    mine = make_client("sts", access_key=(created["AccessKeyId"], created["SecretAccessKey"]))

    assert mine.get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:user/app"
    listed = iam.list_access_keys(UserName="app")["AccessKeyMetadata"]
    assert [key["AccessKeyId"] for key in listed] == [created["AccessKeyId"]]
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_user(UserName="app")

    iam.delete_access_key(UserName="app", AccessKeyId=created["AccessKeyId"])
    assert iam.list_access_keys(UserName="app")["AccessKeyMetadata"] == []
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.delete_access_key(UserName="app", AccessKeyId=created["AccessKeyId"])


def test_a_user_that_is_gone_calls_no_more(
    bedrock: LocalBedrock, iam: Any, make_client: ClientMaker
) -> None:
    key = bedrock.mint_key(user_name="user/app", policies=[])
    iam.delete_user(UserName="app")

    with pytest.raises(ClientError, match="Authentication failed"):
        make_client("bedrock-runtime", key=key).converse(modelId=NOVA, messages=HELLO)


def test_a_policy_is_detached(iam: Any) -> None:
    iam.create_user(UserName="app")
    iam.attach_user_policy(UserName="app", PolicyArn=LIMITED_ACCESS)
    with pytest.raises(iam.exceptions.DeleteConflictException):
        iam.delete_user(UserName="app")

    iam.detach_user_policy(UserName="app", PolicyArn=LIMITED_ACCESS)
    iam.delete_user(UserName="app")

    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["administrator"]


def test_a_user_has_its_path_no_groups_and_no_tags(iam: Any) -> None:
    iam.create_user(UserName="app", Path="/team/")

    assert iam.get_user(UserName="app")["User"]["Arn"].endswith(":user/team/app")
    assert iam.list_groups_for_user(UserName="app")["Groups"] == []
    assert iam.list_user_tags(UserName="app")["Tags"] == []
    assert iam.list_users(PathPrefix="/team/")["Users"][0]["UserName"] == "app"


def test_sts_says_who_calls(make_client: ClientMaker) -> None:
    identity = make_client("sts", access_key=ADMINISTRATOR).get_caller_identity()

    assert identity["Account"] == "123456789012"
    assert identity["Arn"] == "arn:aws:iam::123456789012:user/administrator"


def test_a_role_with_its_policies_and_boundary_can_be_read(bedrock: LocalBedrock, iam: Any) -> None:
    bedrock.mint_key(user_name="dev")
    bedrock.attach_policy("dev", deny_token_type("SHORT_TERM"))
    bedrock.set_permissions_boundary("dev", statement("Allow", "bedrock:*"))

    role = iam.get_role(RoleName="dev")["Role"]
    attached = iam.list_attached_role_policies(RoleName="dev")["AttachedPolicies"]
    inline = iam.list_role_policies(RoleName="dev")["PolicyNames"]

    assert role["Arn"] == "arn:aws:iam::123456789012:role/dev"
    assert [policy["PolicyArn"] for policy in attached] == [LIMITED_ACCESS]
    document = iam.get_role_policy(RoleName="dev", PolicyName=inline[0])["PolicyDocument"]
    assert document == deny_token_type("SHORT_TERM")
    boundary = role["PermissionsBoundary"]["PermissionsBoundaryArn"]
    assert document_of(iam, boundary) == statement("Allow", "bedrock:*")


def document_of(iam: Any, arn: str) -> Any:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]


def test_a_policy_of_everybody_is_read_as_a_principals_own(bedrock: LocalBedrock, iam: Any) -> None:
    bedrock.mint_key(user_name="dev", policies=[])
    bedrock.attach_policy(None, deny_token_type("LONG_TERM"))

    (name,) = iam.list_role_policies(RoleName="dev")["PolicyNames"]

    document = iam.get_role_policy(RoleName="dev", PolicyName=name)["PolicyDocument"]
    assert document == deny_token_type("LONG_TERM")


def test_a_group_gives_its_users_its_policies(
    bedrock: LocalBedrock, iam: Any, make_client: ClientMaker
) -> None:
    key = bedrock.mint_key("LONG_TERM", user_name="app", policies=[])
    iam.create_group(GroupName="callers")
    iam.attach_group_policy(GroupName="callers", PolicyArn=LIMITED_ACCESS)
    iam.add_user_to_group(GroupName="callers", UserName="app")
    runtime = make_client("bedrock-runtime", key=key)

    assert runtime.converse(modelId=NOVA, messages=HELLO)["stopReason"] == "end_turn"
    assert [g["GroupName"] for g in iam.list_groups_for_user(UserName="app")["Groups"]] == [
        "callers"
    ]
    assert iam.list_attached_group_policies(GroupName="callers")["AttachedPolicies"]
    assert [u["UserName"] for u in iam.get_group(GroupName="callers")["Users"]] == ["app"]

    iam.remove_user_from_group(GroupName="callers", UserName="app")
    with pytest.raises(ClientError, match="because no identity-based policy allows"):
        runtime.converse(modelId=NOVA, messages=HELLO)
    iam.detach_group_policy(GroupName="callers", PolicyArn=LIMITED_ACCESS)
    iam.delete_group(GroupName="callers")
    assert iam.list_groups()["Groups"] == []


def test_a_managed_policy_can_be_made_and_attached(iam: Any) -> None:
    document = statement("Allow", "bedrock:*")
    made = iam.create_policy(PolicyName="Mine", PolicyDocument=json.dumps(document))["Policy"]
    iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")

    iam.attach_role_policy(RoleName="r", PolicyArn=made["Arn"])

    assert document_of(iam, made["Arn"]) == document
    with pytest.raises(iam.exceptions.EntityAlreadyExistsException):
        iam.create_policy(PolicyName="Mine", PolicyDocument=json.dumps(document))
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_policy_version(PolicyArn=made["Arn"], VersionId="v2")


def test_a_boundary_is_put_and_deleted_over_iam(iam: Any) -> None:
    iam.create_role(RoleName="r", AssumeRolePolicyDocument="{}")

    iam.put_role_permissions_boundary(RoleName="r", PermissionsBoundary=LIMITED_ACCESS)
    bounded = iam.get_role(RoleName="r")["Role"]
    iam.delete_role_permissions_boundary(RoleName="r")

    assert bounded["PermissionsBoundary"]["PermissionsBoundaryArn"] == LIMITED_ACCESS
    assert "PermissionsBoundary" not in iam.get_role(RoleName="r")["Role"]
    iam.delete_role(RoleName="r")
    assert "r" not in [role["RoleName"] for role in iam.list_roles()["Roles"]]


def test_a_tag_is_a_condition_key(
    bedrock: LocalBedrock, iam: Any, make_client: ClientMaker
) -> None:
    key = bedrock.mint_key("LONG_TERM", user_name="app")
    no_keys = {"StringEquals": {"aws:PrincipalTag/keys": "none"}}
    bedrock.attach_policy("app", statement("Deny", "bedrock:*", Condition=no_keys))
    runtime = make_client("bedrock-runtime", key=key)
    assert runtime.converse(modelId=NOVA, messages=HELLO)["stopReason"] == "end_turn"

    iam.tag_user(UserName="app", Tags=[{"Key": "keys", "Value": "none"}])

    assert iam.list_user_tags(UserName="app")["Tags"] == [{"Key": "keys", "Value": "none"}]
    with pytest.raises(ClientError, match="explicit deny"):
        runtime.converse(modelId=NOVA, messages=HELLO)


def test_a_renamed_user_keeps_the_old_name_in_its_keys(iam: Any, make_client: ClientMaker) -> None:
    iam.create_user(UserName="old")
    iam.attach_user_policy(UserName="old", PolicyArn=LIMITED_ACCESS)
    key = create_key(iam, "old")

    iam.update_user(UserName="old", NewUserName="new")

    (listed,) = iam.list_service_specific_credentials(UserName="new")["ServiceSpecificCredentials"]
    assert (listed["UserName"], listed["ServiceCredentialAlias"]) == (
        "new",
        "old-at-123456789012",
    )
    runtime = make_client("bedrock-runtime", key=key["ServiceCredentialSecret"])
    assert runtime.converse(modelId=NOVA, messages=HELLO)["stopReason"] == "end_turn"


def test_a_renamed_user_keeps_its_access_keys(
    bedrock: LocalBedrock, iam: Any, make_client: ClientMaker
) -> None:
    iam.create_user(UserName="old")
    own = make_client("iam", access_key=bedrock.create_access_key("old"))
    iam.attach_user_policy(UserName="old", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")

    iam.update_user(UserName="old", NewUserName="new")

    assert own.get_user(UserName="new")["User"]["Arn"].endswith(":user/new")


@pytest.mark.parametrize(
    ("new_name", "code"), [("taken", "EntityAlreadyExists"), ("a b", "ValidationError")]
)
def test_a_user_keeps_its_name_where_the_new_one_will_not_do(
    iam: Any, new_name: str, code: str
) -> None:
    iam.create_user(UserName="app")
    iam.create_user(UserName="taken")
    with pytest.raises(ClientError) as caught:
        iam.update_user(UserName="app", NewUserName=new_name)

    assert caught.value.response["Error"]["Code"] == code
    assert iam.get_user(UserName="app")["User"]["UserName"] == "app"


def test_a_key_takes_no_status_that_does_not_exist(iam: Any) -> None:
    iam.create_user(UserName="app")
    id_of_key = create_key(iam, "app")["ServiceSpecificCredentialId"]
    with pytest.raises(ClientError, match="enum value set"):
        iam.update_service_specific_credential(
            UserName="app", ServiceSpecificCredentialId=id_of_key, Status="Asleep"
        )


def test_a_group_is_made_once_and_not_deleted_with_users_in_it(iam: Any) -> None:
    iam.create_user(UserName="app")
    iam.create_group(GroupName="callers")
    iam.add_user_to_group(GroupName="callers", UserName="app")

    refused: dict[str, Callable[[], Any]] = {
        "EntityAlreadyExists": lambda: iam.create_group(GroupName="callers"),
        "NoSuchEntity": lambda: iam.add_user_to_group(GroupName="callers", UserName="nobody"),
        "DeleteConflict": lambda: iam.delete_group(GroupName="callers"),
    }
    for code, call in refused.items():
        with pytest.raises(ClientError) as caught:
            call()
        assert caught.value.response["Error"]["Code"] == code
    assert [group["GroupName"] for group in iam.list_groups()["Groups"]] == ["callers"]


def test_a_user_made_again_goes_on_counting_its_keys(iam: Any) -> None:
    iam.create_user(UserName="app")
    first = create_key(iam, "app")
    iam.delete_service_specific_credential(
        UserName="app", ServiceSpecificCredentialId=first["ServiceSpecificCredentialId"]
    )
    iam.delete_user(UserName="app")

    iam.create_user(UserName="app")

    assert create_key(iam, "app")["ServiceCredentialAlias"] == "app+1-at-123456789012"


@pytest.mark.parametrize(("days", "outcome"), [(5, "made"), (30, "refused"), (None, "made")])
def test_an_age_cap_without_a_null_test_lets_never_expiring_keys_through(
    bedrock: LocalBedrock, iam: Any, days: int | None, outcome: str
) -> None:
    iam.create_user(UserName="app")
    too_old = {"NumericGreaterThan": {"iam:ServiceSpecificCredentialAgeDays": "5"}}
    bedrock.attach_policy(
        "administrator",
        statement("Deny", "iam:CreateServiceSpecificCredential", Condition=too_old),
    )
    age = {} if days is None else {"CredentialAgeDays": days}

    if outcome == "made":
        assert ("ExpirationDate" in create_key(iam, "app", **age)) == (days is not None)
    else:
        with pytest.raises(ClientError, match="explicit deny"):
            create_key(iam, "app", **age)


def test_an_access_key_reads_the_control_plane_of_bedrock(
    bedrock: LocalBedrock, make_client: ClientMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)
    bedrock.mint_key(user_name="dev")
    control = make_client("bedrock", access_key=bedrock.create_access_key("dev"))

    assert control.list_foundation_models()["modelSummaries"]
