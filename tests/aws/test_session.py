"""boto3's clients, and what their failures become."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions
from moto import mock_aws
from support.iam import iam_client
from support.keys import long_term_key

from bedrock_bearer import errors
from bedrock_bearer.aws.lifecycle import KeyLifecycle
from bedrock_bearer.aws.session import Refusal, aws_client, aws_errors, failure_name


def client_error(code: str) -> exceptions.ClientError:
    answer: Any = {
        "Error": {"Code": code, "Message": "AWS's sentence."},
        "ResponseMetadata": {"RequestId": "r-1"},
    }
    return exceptions.ClientError(answer, "ListUsers")


def test_a_missing_boto3_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)

    with pytest.raises(errors.ConfigurationError, match=r"Install boto3, or bedrock-bearer\[aws\]"):
        aws_client("iam", "The users were not listed")


def test_an_unknown_profile_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")

    with pytest.raises(errors.ConfigurationError, match="no-such-profile"):
        aws_client("iam", "The users were not listed")


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
def test_a_key_of_bedrock_is_not_sent_in_place_of_aws_credentials(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAADMINISTRATOREXA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv(name, long_term_key())

    with pytest.raises(errors.ConfigurationError, match="It was not sent") as caught:
        aws_client("iam", "The users were not listed")
    assert long_term_key() not in str(caught.value)


@pytest.mark.parametrize(
    ("raised", "becomes"),
    [
        (exceptions.NoCredentialsError(), errors.ConfigurationError),
        (exceptions.ProfileNotFound(profile="x"), errors.ConfigurationError),
        (client_error("InvalidClientTokenId"), errors.ConfigurationError),
        (client_error("ServiceFailure"), errors.ConfigurationError),
        (exceptions.ConnectTimeoutError(endpoint_url="https://iam"), errors.ConnectError),
        (exceptions.EndpointConnectionError(endpoint_url="https://iam"), errors.ConnectError),
        (exceptions.ReadTimeoutError(endpoint_url="https://iam"), errors.TransportError),
        (exceptions.ConnectionClosedError(endpoint_url="https://iam"), errors.TransportError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
def test_each_failure_of_boto3_is_one_error_that_says_what_did_not_happen(
    raised: Exception, becomes: type[errors.BedrockError]
) -> None:
    with (
        pytest.raises(becomes, match="The users were not listed") as caught,
        aws_errors("The users were not listed"),
    ):
        raise raised

    assert type(caught.value) is becomes
    assert caught.value.__cause__ is None


def test_a_refusal_becomes_the_error_that_the_caller_makes_of_it() -> None:
    def refused(what: str, refusal: Refusal) -> errors.BedrockError:
        assert refusal == Refusal("AccessDenied", "AWS's sentence.", "ListUsers", "r-1")
        assert refusal.is_access_denied
        return errors.KeyLifecycleError(f"{what}: {refusal}")

    with (
        pytest.raises(errors.KeyLifecycleError, match="not listed: AccessDenied: AWS's sentence"),
        aws_errors("The users were not listed", refused),
    ):
        raise client_error("AccessDenied")


def test_an_answer_that_is_not_from_aws_is_a_decode_error() -> None:
    from botocore.parsers import ResponseParserError

    with (
        pytest.raises(errors.ResponseDecodeError, match="moto has no operations for API keys"),
        aws_errors("The users were not listed"),
    ):
        raise ResponseParserError("<html>")


def test_what_moto_has_not_implemented_is_said_plainly() -> None:
    with (
        mock_aws(),
        pytest.raises(errors.ConfigurationError, match="moto does not implement it") as caught,
    ):
        KeyLifecycle(iam_client("https://iam.amazonaws.com")).list_keys("app")

    assert "list_service_specific_credentials" in caught.value.message


def test_a_failed_connection_names_the_host() -> None:
    with (
        pytest.raises(errors.ConnectError, match=r"127\.0\.0\.1:9"),
        aws_errors("The users were not listed"),
    ):
        iam_client("http://127.0.0.1:9").list_users()


def test_a_failure_has_awss_code_or_the_class_of_the_exception_as_its_name() -> None:
    names = [failure_name(client_error("AccessDenied")), failure_name(exceptions.NoRegionError())]

    assert names == ["AccessDenied", "NoRegionError"]


@pytest.mark.parametrize("form", ["{}", "https://{}.example.com", "http://user:{}@127.0.0.1:9/"])
@pytest.mark.parametrize("variable", ["AWS_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"])
def test_a_key_in_the_wrong_variable_is_not_shown(
    variable: str, form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = long_term_key()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIAADMINISTRATOREXA",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        variable: form.format(key),
    }.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(errors.BedrockError) as caught:
        KeyLifecycle().list_keys("app")

    shown = "".join(traceback.format_exception(caught.value))
    assert not [at for at in range(len(key) - 19) if key[at : at + 20] in shown]
