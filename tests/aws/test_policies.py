"""Reading a principal's policies: real boto3, over HTTP, against moto."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from click.testing import CliRunner, Result
from support.iam import iam_client, moto
from support.keys import long_term_key

from bedrock_bearer import errors
from bedrock_bearer.access import (
    GoverningPolicy,
    NamedPolicy,
    deny_use,
    evaluate,
    fetch_policies,
    locate,
)
from bedrock_bearer.access.denial import Denial
from bedrock_bearer.cli import cli

ACCOUNT = "123456789012"
USER = f"arn:aws:iam::{ACCOUNT}:user/team/dev"
ACTION = "bedrock:CallWithBearerToken"
SHORT_TERM = {"bedrock:bearerTokenType": "SHORT_TERM"}


def allow(*actions: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": statement}


ALLOW = allow("bedrock:*")
DENY = deny_use("SHORT_TERM").to_wire()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with moto() as url:
        yield url


@pytest.fixture
def aws(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An AWS without anything in it, which boto3 finds in the environment."""
    httpx.post(f"{server}/moto-api/reset")
    use_credentials(monkeypatch, ("AKIAADMINISTRATOREXA", "secret"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_REGION", raising=False)
    yield server
    # moto's state is that of the process: others find it empty, and asking for nothing.
    httpx.post(f"{server}/moto-api/reset")
    httpx.post(f"{server}/moto-api/reset-auth", content=b"1000000")


def use_credentials(monkeypatch: pytest.MonkeyPatch, access_key: tuple[str, str]) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", access_key[0])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", access_key[1])


@pytest.fixture
def iam(aws: str) -> Iterator[Any]:
    client = iam_client(aws)
    client.create_user(UserName="dev", Path="/team/")
    yield client
    client.close()


def managed(iam: Any, name: str, document: Any) -> str:
    created = iam.create_policy(PolicyName=name, PolicyDocument=json.dumps(document))
    return str(created["Policy"]["Arn"])


def names(policies: Any) -> list[str | None]:
    return [policy.name for policy in policies]


# ------------------------------------------------------------------------------------------- users


def test_a_users_own_policies_and_its_groups_are_read(iam: Any) -> None:
    iam.put_user_policy(UserName="dev", PolicyName="own", PolicyDocument=json.dumps(ALLOW))
    iam.attach_user_policy(UserName="dev", PolicyArn=managed(iam, "attached", ALLOW))
    iam.create_group(GroupName="all")
    iam.add_user_to_group(GroupName="all", UserName="dev")
    iam.put_group_policy(GroupName="all", PolicyName="inline", PolicyDocument=json.dumps(DENY))
    iam.attach_group_policy(GroupName="all", PolicyArn=managed(iam, "shared", ALLOW))

    fetched = fetch_policies(USER)

    assert names(fetched.policies.identity) == [
        "own of the user dev",
        "attached",
        "inline of the group all",
        "shared",
    ]
    assert fetched.principal_arn == USER
    assert fetched.unread == []


def test_the_permissions_boundary_is_a_layer_of_its_own(iam: Any) -> None:
    boundary = managed(iam, "limit", allow("s3:*"))
    # moto knows boundaries of roles only.
    iam.create_role(
        RoleName="batch",
        AssumeRolePolicyDocument=json.dumps(ALLOW),
        PermissionsBoundary=boundary,
    )
    iam.put_role_policy(RoleName="batch", PolicyName="own", PolicyDocument=json.dumps(ALLOW))

    fetched = fetch_policies(f"arn:aws:iam::{ACCOUNT}:role/batch")

    assert names(fetched.policies.boundary) == ["limit"]
    decision = evaluate(fetched.policies, ACTION, SHORT_TERM)
    assert decision.policy_type == "permissions boundary"


def test_the_version_in_force_is_read(iam: Any) -> None:
    arn = managed(iam, "attached", ALLOW)
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(DENY), SetAsDefault=True)
    iam.attach_user_policy(UserName="dev", PolicyArn=arn)

    (policy,) = fetch_policies(USER).policies.identity

    assert isinstance(policy, NamedPolicy)
    assert policy.arn == arn
    decision = evaluate([policy], ACTION, SHORT_TERM)
    assert decision.effect == "explicit"


def test_a_refusal_is_located_in_what_was_read(iam: Any) -> None:
    iam.put_user_policy(UserName="dev", PolicyName="own", PolicyDocument=json.dumps(ALLOW))
    iam.attach_user_policy(UserName="dev", PolicyArn=managed(iam, "attached", DENY))
    denial = Denial.parse(
        f"User: {USER} is not authorized to perform: {ACTION} on resource: * "
        "with an explicit deny in an identity-based policy"
    )
    assert denial is not None

    governing = GoverningPolicy.from_denial(denial, None)
    (located,) = locate(governing or denial, fetch_policies(USER).policies)

    assert located.policy_name == "attached"


def test_a_principal_that_does_not_exist_is_named(iam: Any) -> None:
    with pytest.raises(errors.ConfigurationError, match="IAM has no user nobody"):
        fetch_policies(f"arn:aws:iam::{ACCOUNT}:user/nobody")


# ------------------------------------------------------------------------------------------- roles


@pytest.mark.parametrize(
    "principal",
    [f"arn:aws:iam::{ACCOUNT}:role/job/batch", f"arn:aws:sts::{ACCOUNT}:assumed-role/batch/run-1"],
)
def test_a_role_or_a_session_of_it_has_the_roles_policies(principal: str, iam: Any) -> None:
    iam.create_role(RoleName="batch", Path="/job/", AssumeRolePolicyDocument=json.dumps(ALLOW))
    iam.put_role_policy(RoleName="batch", PolicyName="own", PolicyDocument=json.dumps(ALLOW))
    iam.attach_role_policy(RoleName="batch", PolicyArn=managed(iam, "attached", DENY))

    fetched = fetch_policies(principal)

    assert names(fetched.policies.identity) == ["own of the role batch", "attached"]
    is_session = "assumed-role" in principal
    unread = ["session policies and session tags: AWS does not show them"]
    assert fetched.unread == unread * is_session


@pytest.mark.parametrize("kind", ["root", "federated-user/x", "nothing"])
def test_a_principal_without_policies_of_its_own_is_refused(kind: str, aws: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="not an IAM user or role"):
        fetch_policies(f"arn:aws:iam::{ACCOUNT}:{kind}")


# ------------------------------------------------------------------------------------- who asks


def credentials_of(iam: Any, user: str, *actions: str) -> tuple[str, str]:
    document = json.dumps(allow(*actions))
    iam.put_user_policy(UserName=user, PolicyName="reads", PolicyDocument=document)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def enforce_policies(aws: str) -> None:
    """From now on moto refuses what the caller's own policies do not allow, as AWS does."""
    httpx.post(f"{aws}/moto-api/reset-auth", content=b"0").raise_for_status()


def test_without_a_principal_it_is_the_caller(
    aws: str, iam: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_credentials(monkeypatch, credentials_of(iam, "dev", "*"))

    fetched = fetch_policies()

    assert fetched.principal_arn == USER
    assert names(fetched.policies.identity) == ["reads of the user dev"]


def test_what_may_not_be_read_is_listed_and_the_rest_is_read(
    aws: str, iam: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam.attach_user_policy(UserName="dev", PolicyArn=managed(iam, "attached", ALLOW))
    reads = ("sts:*", "iam:ListUserPolicies", "iam:GetUserPolicy", "iam:ListAttachedUserPolicies")
    use_credentials(monkeypatch, credentials_of(iam, "dev", *reads))
    enforce_policies(aws)

    fetched = fetch_policies(USER)

    assert names(fetched.policies.identity) == ["reads of the user dev"]
    asked = [line.partition("(")[0] for line in fetched.unread]
    assert asked == [
        "iam:GetUser",
        "iam:GetPolicy",
        "iam:ListGroupsForUser",
        "organizations:DescribeOrganization",
    ]
    assert "iam:GetPolicy(PolicyArn=arn:aws:iam::123456789012:policy/attached): AccessDenied" in (
        fetched.unread
    )


def test_a_document_that_is_not_valid_is_listed(iam: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bedrock_bearer.aws.policies.read_document", refuse)
    iam.put_user_policy(UserName="dev", PolicyName="own", PolicyDocument=json.dumps(ALLOW))

    fetched = fetch_policies(USER)

    assert fetched.policies.identity == []
    assert fetched.unread == ["own of the user dev: not valid"]


def refuse(_: object) -> None:
    raise ValueError("not valid")


def test_without_credentials_nothing_is_asked(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")

    with pytest.raises(errors.ConfigurationError, match="credentials"):
        fetch_policies(USER)


def test_a_session_of_boto3_may_be_given(iam: Any) -> None:
    iam.put_user_policy(UserName="dev", PolicyName="own", PolicyDocument=json.dumps(ALLOW))

    fetched = fetch_policies(USER, session=boto3.Session(region_name="eu-central-1"))

    assert names(fetched.policies.identity) == ["own of the user dev"]


# ----------------------------------------------------------------------------------- organisations


def test_each_level_of_the_organisation_is_read_for_an_account_of_it(aws: str) -> None:
    organizations = boto3.client("organizations", region_name="us-east-1")
    organizations.create_organization(FeatureSet="ALL")
    root = organizations.list_roots()["Roots"][0]["Id"]
    unit = organizations.create_organizational_unit(ParentId=root, Name="unit")
    status = organizations.create_account(AccountName="a", Email="a@example.com")
    account = status["CreateAccountStatus"]["AccountId"]
    unit_id = unit["OrganizationalUnit"]["Id"]
    organizations.move_account(AccountId=account, SourceParentId=root, DestinationParentId=unit_id)
    organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    policy = organizations.create_policy(
        Name="no-short-term",
        Description="",
        Type="SERVICE_CONTROL_POLICY",
        Content=json.dumps(DENY),
    )["Policy"]["PolicySummary"]
    organizations.attach_policy(PolicyId=policy["Id"], TargetId=unit_id)

    fetched = fetch_policies(f"arn:aws:iam::{account}:user/dev")

    levels: Any = fetched.policies.service_control
    assert ["no-short-term" in names(level) for level in levels] == [False, True, False]
    decision = evaluate(fetched.policies, ACTION, SHORT_TERM)
    assert decision.policy_type == "service control policy"
    assert decision.statement is not None
    assert decision.statement.policy_arn == policy["Arn"]
    (of_another_account,) = [line for line in fetched.unread if "identity" in line]
    assert account in of_another_account


def test_no_organisation_is_no_gap(iam: Any) -> None:
    assert fetch_policies(USER).unread == []


# ----------------------------------------------------------------------------------------- a shell


def explain(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["policy", "explain", "--from-aws", *arguments], input=text)


def test_the_statement_that_denies_is_found_in_aws(iam: Any) -> None:
    iam.put_user_policy(UserName="dev", PolicyName="own", PolicyDocument=json.dumps(DENY))
    text = (
        f"User: {USER} is not authorized to perform: {ACTION} on resource: * "
        "with an explicit deny in an identity-based policy"
    )

    result = explain("--message", "-", "--token-type", "SHORT_TERM", "--json", text=text)

    answer = json.loads(result.stdout)
    assert (result.exit_code, answer["certainty"]) == (4, "located")
    assert answer["statements"][0]["policy"] == "own of the user dev"
    assert (answer["principal_arn"], answer["unread"]) == (USER, [])


@pytest.mark.parametrize(("token_type", "code"), [("SHORT_TERM", 4), ("LONG_TERM", 0)])
def test_a_call_is_decided_by_what_aws_holds(
    token_type: str, code: int, iam: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    iam.put_user_policy(UserName="dev", PolicyName="own", PolicyDocument=json.dumps(ALLOW))
    iam.attach_user_policy(UserName="dev", PolicyArn=managed(iam, "attached", DENY))
    monkeypatch.setenv("THE_KEY", long_term_key(user_name="dev"))

    result = explain("--key", "env:THE_KEY", "--token-type", token_type)

    assert result.exit_code == code
    assert f"by arn:aws:iam::{ACCOUNT}:user/dev" in result.stdout


@pytest.mark.parametrize(("region", "code"), [("eu-west-1", 0), ("us-east-1", 4), (None, 8)])
def test_a_rule_on_the_region_is_decided_where_the_region_is_known(
    region: str | None, code: int, iam: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_there = {"StringNotEquals": {"aws:RequestedRegion": "eu-west-1"}}
    deny = {"Effect": "Deny", "Action": ACTION, "Resource": "*", "Condition": only_there}
    rule = {"Version": "2012-10-17", "Statement": [ALLOW["Statement"], deny]}
    iam.put_user_policy(UserName="dev", PolicyName="own", PolicyDocument=json.dumps(rule))
    monkeypatch.setenv("THE_KEY", long_term_key(user_name="dev"))
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    if region is not None:
        monkeypatch.setenv("AWS_REGION", region)

    assert explain("--key", "env:THE_KEY").exit_code == code


def test_what_was_not_read_is_said(aws: str, iam: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    use_credentials(monkeypatch, credentials_of(iam, "dev", "sts:*"))
    enforce_policies(aws)

    result = explain("--token-type", "SHORT_TERM")

    assert result.exit_code == 8
    assert "Not read: iam:ListUserPolicies(UserName=dev): AccessDenied" in result.stderr
    assert "undecided: it depends on " in result.stdout
    assert "identity-based policy" in result.stdout


def test_without_boto3_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)

    result = explain("--token-type", "SHORT_TERM")

    assert result.exit_code == 3
    assert "bedrock-bearer[aws]" in result.stderr
