"""Makes boto3's clients, and turns what boto3 raises into errors of this library.

Everything in `bedrock_bearer.aws` calls AWS through this module, so a missing package, missing
credentials or a failed connection are the same error everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bedrock_bearer.errors import (
    BedrockError,
    ConfigurationError,
    ConnectError,
    ResponseDecodeError,
    TransportError,
    install_hint,
)
from bedrock_bearer.facts import LONG_TERM_PREFIX, SHORT_TERM_PREFIX
from bedrock_bearer.keys.recognition import holds_key
from bedrock_bearer.regions import region_of_environment

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

_CREDENTIALS_NEEDED = (
    "This needs AWS credentials, not an API key: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY."
)
_BAD_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_ACCESS_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})


@dataclass(frozen=True, slots=True)
class Refusal:
    """The error that an AWS service answered with.

    Attributes:
        code: AWS's name of the error, such as `AccessDenied`; may be empty.
        sentence: AWS's own message; may be empty.
        operation: the operation that was called, such as `ListUsers`.
        request_id: AWS's id of the request, or None.
    """

    code: str
    sentence: str
    operation: str
    request_id: str | None

    @property
    def is_access_denied(self) -> bool:
        """Whether a policy refused the operation."""
        return self.code in _ACCESS_DENIED

    @classmethod
    def of(cls, error: ClientError) -> Refusal:
        """Read it from boto3's `ClientError`."""
        answer = error.response.get("Error", {})
        return cls(
            code=answer.get("Code", ""),
            sentence=answer.get("Message", ""),
            operation=error.operation_name,
            request_id=error.response.get("ResponseMetadata", {}).get("RequestId"),
        )

    def __str__(self) -> str:
        return ": ".join(part for part in (self.code, self.sentence) if part)


RefusalToError = Callable[[str, Refusal], BedrockError]


def aws_session(what: str) -> Any:
    """Return a new `boto3.Session`, which reads the credentials anew.

    Args:
        what: what does not happen if this fails, for the message: "The keys were not listed".

    Raises:
        ConfigurationError: boto3 is not installed, or the AWS profile does not exist.
    """
    try:
        import boto3
    except ImportError:
        problem = f"{what}: boto3 is not installed. {install_hint('aws', 'boto3')}"
        raise ConfigurationError(problem) from None
    with aws_errors(what):
        return boto3.Session(region_name=region_of_environment())


def aws_client(
    service: str,
    what: str,
    *,
    session: Any = None,
    region: str | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Any:
    """Return boto3's client of an AWS service.

    Args:
        service: boto3's name of it, such as `iam`.
        what: what does not happen if this fails, for the message.
        session: a `boto3.Session`. Default: a new one.
        region: the AWS Region. Default: the session's, else us-east-1; IAM, STS and Organizations
            answer alike in every Region of a partition.
        settings: arguments of `botocore.config.Config`, or None.

    Raises:
        ConfigurationError: boto3 is not installed, or something that it needs is not set.
    """
    if session is None:
        session = aws_session(what)
    from botocore.config import Config

    region = region or session.region_name or "us-east-1"
    problem: str | None = None
    with aws_errors(what):
        if _has_key_as_credentials(session):
            raise ConfigurationError(
                f"{what}: the AWS credentials hold an API key of Bedrock as access key id or "
                "session token. It was not sent. IAM takes credentials such as those of a role."
            )
        try:
            return session.client(service, region_name=region, config=Config(**(settings or {})))
        except ValueError as error:
            # botocore raises it for an endpoint that is not a URL.
            problem = f"{what}: {_shown(error)}"
    raise ConfigurationError(problem)


def _has_key_as_credentials(session: Any) -> bool:
    """Return whether an API key of Bedrock would be sent as an access key's id or token."""
    # A double of a session may have clients alone.
    get_credentials = getattr(session, "get_credentials", None)
    credentials = get_credentials() if get_credentials else None
    if credentials is None:
        return False
    # The id of an access key has no lower case.
    is_key = holds_key(credentials.access_key) and not credentials.access_key.isupper()
    return is_key or (credentials.token or "").startswith((LONG_TERM_PREFIX, SHORT_TERM_PREFIX))


def _configuration_error(what: str, refusal: Refusal) -> BedrockError:
    return ConfigurationError(f"{what}: {refusal}", request_id=refusal.request_id)


def needing(permission: str) -> RefusalToError:
    """Return what makes a `ConfigurationError` of a refusal, and names the permission needed."""

    def refused(what: str, refusal: Refusal) -> BedrockError:
        hint = f" The permission {permission} is needed." if refusal.is_access_denied else ""
        return ConfigurationError(f"{what}: {refusal}.{hint}", request_id=refusal.request_id)

    return refused


@contextmanager
def aws_errors(what: str, refused: RefusalToError = _configuration_error) -> Iterator[None]:
    """Raise what boto3 raises inside the block as an error of this library.

    Args:
        what: what does not happen if it fails, for the message: "The keys were not listed".
        refused: makes the error for what the service answered, its credentials being good.
            Default: a `ConfigurationError`.

    Raises:
        ConfigurationError: there are no AWS credentials, or they are wrong or expired, or boto3
            finds an argument or a setting wrong.
        ConnectError: no connection could be made; nothing was sent.
        TransportError: the connection broke, or no answer came in time.
        ResponseDecodeError: what answered is not the service.
    """
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    try:
        yield
    except exceptions.ClientError as error:
        refusal = Refusal.of(error)
        if refusal.code in _BAD_CREDENTIALS:
            raise ConfigurationError(
                f"{what}: AWS does not accept the AWS credentials: {refusal}",
                request_id=refusal.request_id,
            ) from None
        raise refused(what, refusal) from None
    except (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
    ) as error:
        raise ConfigurationError(f"{what}: {_shown(error)}. {_CREDENTIALS_NEEDED}") from None
    except exceptions.ConnectionError as error:
        raise ConnectError(f"{what}: {_shown(error)}") from None
    except exceptions.HTTPClientError as error:
        raise TransportError(f"{what}, as far as is known: {_shown(error)}") from None
    except ResponseParserError:
        raise ResponseDecodeError(
            f"{what}, as far as is known: the answer is not in the format of AWS's API. The "
            "endpoint is not AWS's, or a stand-in that has not implemented this operation (moto "
            "has no operations for API keys)."
        ) from None
    except NotImplementedError as error:
        # moto raises it inside boto3.
        raise ConfigurationError(f"{what}: moto does not implement it: {error}") from None
    except exceptions.BotoCoreError as error:
        raise ConfigurationError(f"{what}: {_shown(error)}") from None


def _shown(error: Exception) -> str:
    """Return boto3's message, unless it shows a key that was put into another variable."""
    message = str(error)
    if not holds_key(message):
        return message
    return (
        f"{type(error).__name__}; its message is not shown, as it holds what looks like a key. "
        "Look at AWS_REGION, AWS_PROFILE, AWS_ENDPOINT_URL and the file ~/.aws/config"
    )


def failure_name(error: BaseException) -> str:
    """Return AWS's code of a `ClientError`, or the class of what else boto3 raised."""
    response = getattr(error, "response", {})
    return str(response.get("Error", {}).get("Code") or type(error).__name__)
