"""This library's clients of a local Bedrock in the same process, without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, Unpack

from bedrock_bearer.local.bedrock import LocalBedrock
from bedrock_bearer.settings import UNSET
from bedrock_bearer.signatures import spell_out_options

if TYPE_CHECKING:
    from bedrock_bearer.async_client import AsyncBedrockClient
    from bedrock_bearer.client import BedrockClient
    from bedrock_bearer.keys.sources import AnyKey
    from bedrock_bearer.wire.attempt import Timeout
    from bedrock_bearer.wire.records import OnEvent
    from bedrock_bearer.wire.retry import RetryPolicy


REGION = "us-east-1"


class LocalClientOptions(TypedDict, total=False):
    """What a client of a local Bedrock may be given, as `BedrockClient` takes it.

    Attributes:
        api_key: the key. Default: one that is made for this client.
        region: the AWS Region. Default: us-east-1.
        endpoint_url: the host that the requests name.
        timeout: seconds for one attempt, or a `Timeout`.
        deadline: seconds for a whole call, retries included.
        retry: when to try again.
        max_connections: how many requests may be under way at once.
        max_reply_bytes: how large a reply may be.
        on_event: a function that gets the records of attempts and calls.
    """

    api_key: AnyKey | None
    region: str | None
    endpoint_url: str | None
    timeout: float | Timeout | None
    deadline: float | None
    retry: RetryPolicy | None
    max_connections: int
    max_reply_bytes: int
    on_event: OnEvent | None


@spell_out_options(LocalClientOptions, default=UNSET)
def local_client(
    bedrock: LocalBedrock | None = None, **options: Unpack[LocalClientOptions]
) -> BedrockClient:
    """Return a client of a local Bedrock.

    Args:
        bedrock: the local Bedrock; a new one if None.
        options: see `LocalClientOptions`.
    """
    from bedrock_bearer.client import BedrockClient
    from bedrock_bearer.local.transport import local_http_client

    service, options = _completed(bedrock, options)
    return BedrockClient(http_client=local_http_client(service), **options)


@spell_out_options(LocalClientOptions, default=UNSET)
def local_async_client(
    bedrock: LocalBedrock | None = None, **options: Unpack[LocalClientOptions]
) -> AsyncBedrockClient:
    """Return an async client of a local Bedrock.

    Args:
        bedrock: the local Bedrock; a new one if None.
        options: see `LocalClientOptions`.
    """
    from bedrock_bearer.async_client import AsyncBedrockClient
    from bedrock_bearer.local.transport import local_async_http_client

    service, options = _completed(bedrock, options)
    return AsyncBedrockClient(http_client=local_async_http_client(service), **options)


def _completed(
    bedrock: LocalBedrock | None, options: LocalClientOptions
) -> tuple[LocalBedrock, LocalClientOptions]:
    region = options.get("region") or REGION
    service = bedrock or LocalBedrock(region=region)
    key = options.get("api_key") or service.mint_key(region=region)
    return service, {**options, "region": region, "api_key": key}
