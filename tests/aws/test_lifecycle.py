"""Long-term keys over IAM: real boto3, over HTTP, against the local Bedrock and against moto."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.iam import iam_client, local_iam, moto_iam
from support.keys import long_term_key
from support.local import Switch, statement

from bedrock_bearer import ApiKey, errors
from bedrock_bearer.access import limit_key_age
from bedrock_bearer.aws.handover import ToCommand, ToFile
from bedrock_bearer.aws.lifecycle import KeyLifecycle
from bedrock_bearer.keys.key_file import check_key_file, write_key_file
from bedrock_bearer.local import LocalBedrock, local_client
from bedrock_bearer.local.http import LocalRequest, LocalResponse
from bedrock_bearer.local.server import LocalServer
from bedrock_bearer.rotation import try_key

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Watched(Switch):
    """Notes IAM's actions."""

    actions: list[str]

    def handle(self, request: LocalRequest) -> LocalResponse:
        self.actions.append(request.body.decode().split("&")[0].removeprefix("Action="))
        return super().handle(request)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Watched, LocalServer]]:
    switch = Watched()
    with LocalServer(switch) as running:
        yield switch, running


@pytest.fixture
def bedrock(server: tuple[Watched, LocalServer]) -> LocalBedrock:
    server[0].bedrock = LocalBedrock(clock=lambda: NOW)
    server[0].actions = []
    return server[0].bedrock


@pytest.fixture
def iam(server: tuple[Watched, LocalServer], bedrock: LocalBedrock) -> Iterator[Any]:
    client = iam_client(server[1].url)
    client.create_user(UserName="app")
    yield client
    client.close()


@pytest.fixture
def lifecycle(iam: Any) -> KeyLifecycle:
    return KeyLifecycle(iam)


def administrator(bedrock: LocalBedrock, url: str, *policies: dict[str, Any]) -> KeyLifecycle:
    """Somebody who may do everything in IAM but what these policies deny."""
    bedrock.mint_key("LONG_TERM", user_name="admin", policies=[statement("Allow", "*"), *policies])
    return KeyLifecycle(iam_client(url, bedrock.create_access_key("admin")))


def accepts(bedrock: LocalBedrock, key: ApiKey) -> bool:
    with local_client(bedrock, api_key=key) as client:
        try:
            client.probe()
        except errors.ApiKeyRejectedError:
            return False
        return True


# --------------------------------------------------------------------------- made and listed


def test_a_key_is_made_that_bedrock_accepts(bedrock: LocalBedrock, lifecycle: KeyLifecycle) -> None:
    new = lifecycle.create_with_user("BedrockAPIKey-test", days=30)

    assert new.key.user_name == new.listed.user_name == "BedrockAPIKey-test"
    assert accepts(bedrock, new.key)


def test_the_secret_is_not_in_the_repr(lifecycle: KeyLifecycle) -> None:
    new = lifecycle.create("app")

    assert new.key.get_secret_value() not in repr(new)


def test_keys_are_listed_with_their_age_and_their_end(
    bedrock: LocalBedrock, lifecycle: KeyLifecycle
) -> None:
    lifecycle.create("app", days=30)
    (listed,) = lifecycle.list_keys("app")

    assert listed.age(NOW + timedelta(days=3)) == timedelta(days=3)
    assert listed.expires_at == NOW + timedelta(days=30)
    assert not listed.is_expired(NOW)
    assert listed.is_expired(NOW + timedelta(days=30))


def test_a_key_without_days_never_expires(lifecycle: KeyLifecycle) -> None:
    assert lifecycle.create("app").listed.expires_at is None


def test_the_keys_of_all_users_are_listed_page_by_page(
    bedrock: LocalBedrock, lifecycle: KeyLifecycle
) -> None:
    for number in range(230):
        bedrock.mint_key("LONG_TERM", user_name=f"user-{number}")

    assert len({key.user_name for key in lifecycle.list_keys()}) == 230


@pytest.mark.parametrize("days", [0, -1, 36_601, True, "30"])
def test_a_number_of_days_that_iam_refuses_is_refused_before(
    days: Any, lifecycle: KeyLifecycle, server: tuple[Watched, LocalServer]
) -> None:
    server[0].actions.clear()
    with pytest.raises(errors.ConfigurationError, match="1 to 36600"):
        lifecycle.create("app", days=days)

    assert server[0].actions == []


def test_a_third_key_is_refused_before_iam_is_asked_for_it(
    lifecycle: KeyLifecycle, server: tuple[Watched, LocalServer]
) -> None:
    held = [lifecycle.create("app").listed.credential_id for _ in range(2)]
    server[0].actions.clear()

    with pytest.raises(errors.KeyLimitError, match="two keys, the most that IAM allows") as caught:
        lifecycle.create("app")

    assert all(credential_id in caught.value.message for credential_id in held)
    assert server[0].actions == ["ListServiceSpecificCredentials"]


def test_a_third_key_is_a_limit_too_where_listing_is_not_allowed(
    bedrock: LocalBedrock, lifecycle: KeyLifecycle, server: tuple[Watched, LocalServer]
) -> None:
    for _ in range(2):
        lifecycle.create("app")
    limited = administrator(
        bedrock, server[1].url, statement("Deny", "iam:ListServiceSpecificCredentials")
    )

    with pytest.raises(errors.KeyLimitError, match="Cannot exceed quota"):
        limited.create("app")


def test_an_unknown_user_is_one_error(lifecycle: KeyLifecycle) -> None:
    with pytest.raises(errors.KeyLifecycleError, match="NoSuchEntity"):
        lifecycle.create("nobody")


def test_an_iam_that_cannot_be_reached_is_a_network_error() -> None:
    lifecycle = KeyLifecycle(iam_client("http://127.0.0.1:9"))

    with pytest.raises(errors.ConnectError, match="were not listed"):
        lifecycle.list_keys("app")


def test_no_credentials_are_one_error_that_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import boto3
    from botocore.session import Session

    session = Session()
    session.get_component("credential_provider").providers.clear()
    client = boto3.Session(botocore_session=session, region_name="us-east-1").client("iam")

    with pytest.raises(errors.ConfigurationError, match="AWS_PROFILE"):
        KeyLifecycle(client).list_keys()


# ------------------------------------------------------------------------------- refused


def test_a_limit_on_the_age_is_named_with_the_days_asked_for(
    bedrock: LocalBedrock, iam: Any, server: tuple[Watched, LocalServer]
) -> None:
    bedrock.mint_key("LONG_TERM", user_name="admin", policies=[limit_key_age(90).to_wire()])
    lifecycle = KeyLifecycle(iam_client(server[1].url, bedrock.create_access_key("admin")))

    with pytest.raises(errors.KeyCreationDeniedError) as caught:
        lifecycle.create("app", days=365)

    error = caught.value
    assert (error.condition_key, error.condition_value) == (
        "iam:ServiceSpecificCredentialAgeDays",
        "365",
    )
    assert error.denial is not None
    assert error.denial.action == "iam:CreateServiceSpecificCredential"
    assert "It may be iam:ServiceSpecificCredentialAgeDays (365 days was asked for)" in (
        error.message
    )


def test_a_creation_that_no_policy_allows_is_not_blamed_on_the_age(
    bedrock: LocalBedrock, iam: Any, server: tuple[Watched, LocalServer]
) -> None:
    bedrock.mint_key("LONG_TERM", user_name="nobody", policies=[])
    lifecycle = KeyLifecycle(iam_client(server[1].url, bedrock.create_access_key("nobody")))

    with pytest.raises(errors.KeyCreationDeniedError) as caught:
        lifecycle.create("app", days=365)

    error = caught.value
    assert (error.condition_key, error.condition_value) == (None, None)
    assert "No policy allows it: an Allow for iam:CreateServiceSpecificCredential" in error.message
    assert "AgeDays" not in error.message


def test_an_explicit_denial_of_a_key_without_an_end_names_the_service(
    bedrock: LocalBedrock, iam: Any, server: tuple[Watched, LocalServer]
) -> None:
    denied = statement(
        "Deny",
        "iam:CreateServiceSpecificCredential",
        Condition={
            "StringEquals": {"iam:ServiceSpecificCredentialServiceName": "bedrock.amazonaws.com"}
        },
    )
    lifecycle = administrator(bedrock, server[1].url, denied)

    with pytest.raises(errors.KeyCreationDeniedError) as caught:
        lifecycle.create("app")

    assert caught.value.condition_key == "iam:ServiceSpecificCredentialServiceName"
    assert caught.value.condition_value == "bedrock.amazonaws.com"


def test_a_user_made_for_a_refused_key_is_removed_again(
    bedrock: LocalBedrock, iam: Any, server: tuple[Watched, LocalServer]
) -> None:
    lifecycle = administrator(
        bedrock, server[1].url, statement("Deny", "iam:CreateServiceSpecificCredential")
    )

    with pytest.raises(errors.KeyCreationDeniedError, match="was removed again") as caught:
        lifecycle.create_with_user("BedrockAPIKey-test")

    assert caught.value.orphaned_user is None
    assert "BedrockAPIKey-test" not in [user["UserName"] for user in iam.list_users()["Users"]]


def test_a_user_that_cannot_be_removed_again_is_named(
    bedrock: LocalBedrock, iam: Any, server: tuple[Watched, LocalServer]
) -> None:
    lifecycle = administrator(
        bedrock,
        server[1].url,
        statement("Deny", ["iam:CreateServiceSpecificCredential", "iam:DeleteUser"]),
    )

    with pytest.raises(errors.KeyCreationDeniedError, match="is left behind") as caught:
        lifecycle.create_with_user("BedrockAPIKey-test")

    assert caught.value.orphaned_user == "BedrockAPIKey-test"
    (orphan,) = KeyLifecycle(iam).find_orphaned_users()
    assert (orphan.user_name, orphan.created_at) == ("BedrockAPIKey-test", NOW)


@pytest.mark.parametrize("method", ["create", "create_with_user"])
def test_a_key_that_a_command_may_have_stored_is_not_deleted(
    method: str, lifecycle: KeyLifecycle, tmp_path: Path
) -> None:
    user_name = "app" if method == "create" else "new"
    handover = ToCommand(f"cat > {tmp_path / 'key'}; exit 1")
    before = lifecycle.list_keys()
    with pytest.raises(errors.KeyLifecycleError, match="may have arrived") as caught:
        getattr(lifecycle, method)(user_name, handover=handover)

    (new,) = set(lifecycle.list_keys()) - set(before)
    assert ApiKey.parse((tmp_path / "key").read_text())
    assert f"key retire {new.user_name} {new.credential_id} --delete" in caught.value.message


def test_a_key_that_has_certainly_not_arrived_is_deleted_with_its_user(
    lifecycle: KeyLifecycle, tmp_path: Path
) -> None:
    before = lifecycle.list_keys()
    with pytest.raises(errors.ConfigurationError, match=r"deleted again.*was removed again"):
        lifecycle.create_with_user(handover=ToFile(str(tmp_path / "none" / "key")))

    assert lifecycle.list_keys() == before
    assert lifecycle.find_orphaned_users() == []


def test_a_user_that_exists_already_is_never_removed(lifecycle: KeyLifecycle, iam: Any) -> None:
    with pytest.raises(errors.KeyLifecycleError, match="EntityAlreadyExists"):
        lifecycle.create_with_user("app")

    assert iam.get_user(UserName="app")["User"]["UserName"] == "app"


# ------------------------------------------------------------------------ users, on moto too


@pytest.fixture(scope="module")
def moto() -> Iterator[Any]:
    with moto_iam() as client:
        yield client


def moto_policy(moto: Any, name: str) -> str:
    document = json.dumps(statement("Allow", "bedrock:*"))
    arn: str = moto.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
    return arn


def test_on_moto_a_user_made_for_a_key_that_fails_is_removed_with_its_policy(moto: Any) -> None:
    arn = moto_policy(moto, "access")

    # moto has no service-specific credentials: the creation of the key fails there.
    with pytest.raises(errors.BedrockError, match="was removed again"):
        KeyLifecycle(moto).create_with_user("BedrockAPIKey-moto", policy_arn=arn)

    assert moto.list_users()["Users"] == []


def test_on_moto_a_user_is_removed_when_its_policy_does_not_exist(moto: Any) -> None:
    with pytest.raises(errors.KeyLifecycleError, match="NoSuchEntity"):
        KeyLifecycle(moto).create_with_user("BedrockAPIKey-moto")

    assert moto.list_users()["Users"] == []


def test_orphaned_users_are_those_of_the_console_without_a_key(
    bedrock: LocalBedrock, lifecycle: KeyLifecycle, iam: Any
) -> None:
    lifecycle.create_with_user("BedrockAPIKey-used")
    iam.create_user(UserName="BedrockAPIKey-left")

    assert [user.user_name for user in lifecycle.find_orphaned_users()] == ["BedrockAPIKey-left"]


def test_an_orphaned_user_is_removed_with_its_policies(lifecycle: KeyLifecycle, iam: Any) -> None:
    new = lifecycle.create_with_user("BedrockAPIKey-left")
    lifecycle.delete("BedrockAPIKey-left", new.listed.credential_id)
    lifecycle.remove_user("BedrockAPIKey-left")

    assert lifecycle.find_orphaned_users() == []


def test_a_user_with_a_key_is_not_removed(lifecycle: KeyLifecycle, iam: Any) -> None:
    lifecycle.create_with_user("BedrockAPIKey-used")

    with pytest.raises(errors.KeyLifecycleError, match="has a key"):
        lifecycle.remove_user("BedrockAPIKey-used")

    assert len(iam.list_attached_user_policies(UserName="BedrockAPIKey-used")["AttachedPolicies"])


# ------------------------------------------------------------------- the way of one key


def test_a_deactivated_key_is_refused_and_a_reactivated_one_accepted(
    bedrock: LocalBedrock, lifecycle: KeyLifecycle
) -> None:
    new = lifecycle.create_with_user()
    name, credential_id = new.listed.user_name, new.listed.credential_id
    lifecycle.deactivate(name, credential_id)
    during = accepts(bedrock, new.key)
    lifecycle.reactivate(name, credential_id)

    assert (during, accepts(bedrock, new.key)) == (False, True)


def test_a_reset_key_has_a_new_secret_and_the_old_one_is_void(
    bedrock: LocalBedrock, lifecycle: KeyLifecycle
) -> None:
    old = lifecycle.create_with_user()
    new = lifecycle.reset(old.listed.user_name, old.listed.credential_id)

    assert new.listed == old.listed
    assert (accepts(bedrock, old.key), accepts(bedrock, new.key)) == (False, True)


def test_a_deleted_key_is_listed_no_more(lifecycle: KeyLifecycle) -> None:
    new = lifecycle.create("app")
    lifecycle.delete("app", new.listed.credential_id)

    assert lifecycle.list_keys("app") == []


# --------------------------------------------------------------------------- accepted


def test_a_key_is_accepted_though_its_user_may_not_list_invocations(
    bedrock: LocalBedrock, server: tuple[Watched, LocalServer]
) -> None:
    allow = statement("Allow", "bedrock:CallWithBearerToken")
    key = ApiKey.parse(bedrock.mint_key("LONG_TERM", policies=[allow]))

    try_key(key, region="us-east-1", endpoint_url=server[1].url)


def test_an_unknown_key_is_not_accepted(
    bedrock: LocalBedrock, server: tuple[Watched, LocalServer]
) -> None:
    key = ApiKey.parse(long_term_key())

    with pytest.raises(errors.ApiKeyRejectedError):
        try_key(key, region="us-east-1", endpoint_url=server[1].url)


# --------------------------------------------------------------------------- key files

KEY = ApiKey.parse(long_term_key())


def test_a_key_file_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    write_key_file(KEY, tmp_path / "key")

    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert (tmp_path / "key").read_text() == KEY.get_secret_value() + "\n"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_file_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("mine")

    with pytest.raises(errors.ConfigurationError, match="exists already"):
        write_key_file(KEY, tmp_path / "key")

    assert (tmp_path / "key").read_text() == "mine"


def test_a_key_file_is_replaced_on_request_and_its_mode_with_it(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("old")
    (tmp_path / "key").chmod(0o644)
    write_key_file(KEY, tmp_path / "key", replace_existing=True)

    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_link_to_a_key_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "key").symlink_to("real")
    write_key_file(KEY, tmp_path / "key", replace_existing=True)

    assert (tmp_path / "key").is_symlink()
    assert (tmp_path / "real").read_text().startswith("ABSK")


@pytest.mark.parametrize("path", ["missing/key", "."])
def test_a_key_file_that_cannot_be_written_is_found_before_there_is_a_key(
    path: str, tmp_path: Path
) -> None:
    with pytest.raises(errors.ConfigurationError, match="cannot be written"):
        check_key_file(tmp_path / path)


def test_the_iam_of_a_local_bedrock_serves_boto3_as_it_is() -> None:
    with local_iam(LocalBedrock()) as client:
        assert KeyLifecycle(client).find_orphaned_users() == []
