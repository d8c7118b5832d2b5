"""The newest boto3, with a bearer key over TLS, against the local Bedrock: a client not ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from support.local import NOVA, Clock, deny_token_type, statement

from bedrock_bearer import errors
from bedrock_bearer.client import BedrockClient
from bedrock_bearer.local import Guardrail, LocalBedrock, Reply, faults
from bedrock_bearer.local import replies as say
from bedrock_bearer.wire.retry import RetryPolicy

HELLO = [{"role": "user", "content": [{"text": "Hello"}]}]
TOOL: dict[str, Any] = {
    "toolSpec": {
        "name": "weather",
        "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
    }
}
NO_RETRIES = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5)

ClientMaker = Callable[..., Any]


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    return boto3.Session(region_name="us-east-1")


@pytest.fixture
def make_client(
    bedrock: LocalBedrock,
    servers: Any,
    session: boto3.Session,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[ClientMaker]:
    """Makes boto3 clients of the local Bedrock, with a bearer key or an access key."""
    switch, server = servers["https"]
    switch.bedrock = bedrock
    made: list[Any] = []

    def make(
        service: str, *, key: str | None = None, access_key: tuple[str, str] = ("", "")
    ) -> Any:
        if key is not None:
            monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", key)
        access_key_id, secret = access_key
        client = session.client(  # type: ignore[call-overload]
            service,
            endpoint_url=server.url,
            verify=server.ca_file,
            config=NO_RETRIES,
            aws_access_key_id=access_key_id or None,
            aws_secret_access_key=secret or None,
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def runtime(bedrock: LocalBedrock, make_client: ClientMaker) -> Any:
    return make_client("bedrock-runtime", key=bedrock.mint_key())


@pytest.fixture
def ours(bedrock: LocalBedrock, servers: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Our own client on the same socket."""
    _, server = servers["https"]
    monkeypatch.setenv("AWS_CA_BUNDLE", server.ca_file)
    with BedrockClient(
        bedrock.mint_key(),
        region="us-east-1",
        endpoint_url=server.url,
        retry=RetryPolicy(max_attempts=1),
    ) as client:
        yield client


def without_metadata(response: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in response.items() if name != "ResponseMetadata"}


CITATION = {
    "title": "A book",
    "sourceContent": [{"text": "so it is"}],
    "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 8}},
}

REPLIES = {
    "text": say.text_reply("Hi there!"),
    "tool use": say.tool_use_reply(
        "weather", {"city": "Bonn"}, tool_use_id="t1", text="Let me see"
    ),
    "reasoning": say.reasoning_reply("Hm.", "Yes."),
    "citations": say.cited_reply("So.", [CITATION]),
    "structured": say.structured_reply({"n": 1}),
    "service tier": say.text_reply("Hi", extra={"serviceTier": {"type": "flex"}}),
    "cache": say.text_reply(
        "Hi",
        usage={
            "inputTokens": 1,
            "outputTokens": 2,
            "totalTokens": 10,
            "cacheReadInputTokens": 3,
            "cacheWriteInputTokens": 4,
        },
    ),
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=list(REPLIES))
def test_boto3_reads_every_reply_as_we_do(
    bedrock: LocalBedrock, runtime: Any, ours: BedrockClient, reply: Reply
) -> None:
    bedrock.script(reply, reply)

    theirs = runtime.converse(modelId=NOVA, messages=HELLO, toolConfig={"tools": [TOOL]})

    mine = ours.converse(NOVA, HELLO, tool_config={"tools": [TOOL]})
    assert without_metadata(theirs) == mine.to_wire()


@pytest.mark.parametrize("reply", REPLIES.values(), ids=list(REPLIES))
def test_boto3_reads_every_stream_as_we_do(
    bedrock: LocalBedrock, runtime: Any, ours: BedrockClient, reply: Reply
) -> None:
    bedrock.script(reply, reply)

    with closing(runtime.converse_stream(modelId=NOVA, messages=HELLO)["stream"]) as events:
        theirs = list(events)

    with ours.converse_stream(NOVA, HELLO) as stream:
        mine = [without_padding(event.to_wire()) for event in stream]
    assert [event for pair in theirs for event in pair.values()] == mine


def without_padding(event: dict[str, Any]) -> dict[str, Any]:
    payload: Any = next(iter(event.values())) if len(event) == 1 else event
    return {name: value for name, value in payload.items() if name != "p"}


def test_boto3_goes_through_a_tool_loop(bedrock: LocalBedrock, runtime: Any) -> None:
    bedrock.script(say.tool_use_reply("weather", {"city": "Bonn"}), say.text_reply("Sunny."))
    config = {"tools": [TOOL]}

    first = runtime.converse(modelId=NOVA, messages=HELLO, toolConfig=config)
    asked = first["output"]["message"]
    use = asked["content"][0]["toolUse"]
    result = {"toolResult": {"toolUseId": use["toolUseId"], "content": [{"text": "sun"}]}}
    messages = [*HELLO, asked, {"role": "user", "content": [result]}]
    second = runtime.converse(modelId=NOVA, messages=messages, toolConfig=config)

    assert first["stopReason"] == "tool_use"
    assert second["output"]["message"]["content"] == [{"text": "Sunny."}]


CLASSES: list[tuple[str, int, type[errors.BedrockError]]] = [
    ("AccessDeniedException", 403, errors.AccessDeniedError),
    ("InternalServerException", 500, errors.InternalServerError),
    ("ModelErrorException", 424, errors.ModelError),
    ("ModelNotReadyException", 429, errors.ModelNotReadyError),
    ("ModelTimeoutException", 408, errors.ModelTimeoutError),
    ("ResourceNotFoundException", 404, errors.APIError),
    ("ServiceUnavailableException", 503, errors.ServiceUnavailableError),
    ("ThrottlingException", 429, errors.ThrottlingError),
    ("ValidationException", 400, errors.InvalidRequestError),
]


@pytest.mark.parametrize(("code", "status", "ours_is"), CLASSES)
def test_boto3_raises_the_class_that_is_modelled_and_we_raise_ours(
    bedrock: LocalBedrock,
    runtime: Any,
    ours: BedrockClient,
    code: str,
    status: int,
    ours_is: type[errors.BedrockError],
) -> None:
    bedrock.inject(faults.error(code), times=2)

    with pytest.raises(getattr(runtime.exceptions, code)) as theirs:
        runtime.converse(modelId=NOVA, messages=HELLO)
    with pytest.raises(ours_is):
        ours.converse(NOVA, HELLO)

    assert theirs.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_boto3_raises_the_exception_in_a_stream(bedrock: LocalBedrock, runtime: Any) -> None:
    bedrock.inject(faults.exception_in_stream("modelStreamErrorException"))
    stream = runtime.converse_stream(modelId=NOVA, messages=HELLO)["stream"]

    with closing(stream), pytest.raises(EventStreamError, match="modelStreamErrorException"):
        list(stream)


def test_boto3_is_refused_with_a_denied_short_term_key_and_answered_with_a_long_term_one(
    bedrock: LocalBedrock, make_client: ClientMaker
) -> None:
    short_term, long_term = bedrock.mint_key("SHORT_TERM"), bedrock.mint_key("LONG_TERM")
    bedrock.attach_policy(None, deny_token_type("SHORT_TERM"))

    with pytest.raises(ClientError, match="explicit deny in an identity-based policy"):
        make_client("bedrock-runtime", key=short_term).converse(modelId=NOVA, messages=HELLO)
    allowed = make_client("bedrock-runtime", key=long_term).converse(modelId=NOVA, messages=HELLO)

    assert allowed["stopReason"] == "end_turn"


def test_boto3_counts_tokens(runtime: Any) -> None:
    counted = runtime.count_tokens(modelId=NOVA, input={"converse": {"messages": HELLO}})

    assert (
        counted["inputTokens"]
        == runtime.converse(modelId=NOVA, messages=HELLO)["usage"]["inputTokens"]
    )


def test_boto3_applies_a_guardrail(bedrock: LocalBedrock, runtime: Any) -> None:
    bedrock.add_guardrail(Guardrail("g1", blocked_words=("secret",), message="Not that."))

    applied = runtime.apply_guardrail(
        guardrailIdentifier="g1",
        guardrailVersion="1",
        source="INPUT",
        content=[{"text": {"text": "the secret"}}],
    )

    assert applied["action"] == "GUARDRAIL_INTERVENED"
    assert applied["outputs"] == [{"text": "Not that."}]


def test_boto3_probes(runtime: Any) -> None:
    assert runtime.list_async_invokes(maxResults=1)["asyncInvokeSummaries"] == []


def test_boto3_lists_models_and_profiles(bedrock: LocalBedrock, make_client: ClientMaker) -> None:
    control = make_client("bedrock", key=bedrock.mint_key())

    models = control.list_foundation_models()["modelSummaries"]
    profiles = control.list_inference_profiles()["inferenceProfileSummaries"]

    assert NOVA in {model["modelId"] for model in models}
    assert f"us.{NOVA}" in {profile["inferenceProfileId"] for profile in profiles}


# --------------------------------------------------------------------------------------- IAM

ADMINISTRATOR = ("AKIAIOSFODNN7EXAMPLE", "secret")
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
        (lambda iam: iam.list_roles(), "InvalidAction"),
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


def test_a_user_has_no_groups_and_no_tags(iam: Any) -> None:
    iam.create_user(UserName="app", Path="/team/")

    assert iam.get_user(UserName="app")["User"]["Arn"].endswith(":user/team/app")
    assert iam.list_groups_for_user(UserName="app")["Groups"] == []
    assert iam.list_user_tags(UserName="app")["Tags"] == []
    assert iam.list_users(PathPrefix="/team/")["Users"][0]["UserName"] == "app"


def test_sts_says_who_calls(make_client: ClientMaker) -> None:
    identity = make_client("sts", access_key=ADMINISTRATOR).get_caller_identity()

    assert identity["Account"] == "123456789012"
    assert identity["Arn"] == "arn:aws:iam::123456789012:user/administrator"
