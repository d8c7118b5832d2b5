"""IAM over HTTP, called with real boto3: on the local Bedrock, and on moto."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

from bedrock_bearer.local import LocalBedrock
from bedrock_bearer.local.server import LocalServer

_CONFIG = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=5)


def iam_client(url: str, access_key: tuple[str, str] = ("AKIAADMINISTRATOREXA", "secret")) -> Any:
    """Return boto3's client of IAM at this address; it checks what it sends by AWS's model."""
    access_key_id, secret = access_key
    return boto3.client(
        "iam",
        region_name="us-east-1",
        endpoint_url=url,
        config=_CONFIG,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret,
    )


@contextmanager
def local_iam(bedrock: LocalBedrock) -> Iterator[Any]:
    """Serve a local Bedrock over HTTP and return a client of its IAM."""
    with LocalServer(bedrock) as server:
        client = iam_client(server.url)
        yield client
        client.close()


@contextmanager
def moto() -> Iterator[str]:
    """Serve moto over HTTP and return its URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@contextmanager
def moto_iam() -> Iterator[Any]:
    """Serve moto's IAM over HTTP and return a client of it."""
    with moto() as url:
        client = iam_client(url)
        yield client
        client.close()
