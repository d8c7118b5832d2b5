"""This library's clients of a local Bedrock in the same process, without a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bedrock_bearer.local.bedrock import LocalBedrock

if TYPE_CHECKING:
    from bedrock_bearer.async_client import AsyncBedrockClient
    from bedrock_bearer.client import BedrockClient


def local_client(
    bedrock: LocalBedrock | None = None,
    *,
    region: str = "us-east-1",
    api_key: Any = None,
    **options: Any,
) -> BedrockClient:
    """Return a client of a local Bedrock.

    Args:
        bedrock: the local Bedrock; a new one if None.
        region: the Region that is called.
        api_key: as `BedrockClient` takes it; a new short-term key if None.
        options: further arguments of `BedrockClient`.
    """
    from bedrock_bearer.client import BedrockClient
    from bedrock_bearer.local.transport import local_http_client

    service = bedrock or LocalBedrock(region=region)
    return BedrockClient(
        api_key or service.mint_key(region=region),
        region=region,
        http_client=local_http_client(service),
        **options,
    )


def local_async_client(
    bedrock: LocalBedrock | None = None,
    *,
    region: str = "us-east-1",
    api_key: Any = None,
    **options: Any,
) -> AsyncBedrockClient:
    """Return an async client of a local Bedrock, as `local_client` does."""
    from bedrock_bearer.async_client import AsyncBedrockClient
    from bedrock_bearer.local.transport import local_async_http_client

    service = bedrock or LocalBedrock(region=region)
    return AsyncBedrockClient(
        api_key or service.mint_key(region=region),
        region=region,
        http_client=local_async_http_client(service),
        **options,
    )
