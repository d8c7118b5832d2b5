"""HTTP requests and responses of the local Bedrock, independent of how they are carried."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol

Document = Mapping[str, Any]
"""A JSON object."""

MAX_BODY_BYTES = 25_000_000
"""The largest body that Bedrock takes."""


class Cut(StrEnum):
    """Where a connection is broken off."""

    BEFORE_HEADERS = "before headers"
    IN_HEADERS = "in headers"
    AFTER_HEADERS = "after headers"
    AFTER_CHUNKS = "after the chunks of the response"


@dataclass(frozen=True, slots=True)
class LocalRequest:
    """One HTTP request.

    Attributes:
        method: upper case.
        path: percent-encoded as it was sent, without the query.
        query: without the question mark.
        host: the `Host` header.
        headers: names in lower case.
        body: whole, or cut just beyond what the service takes.
    """

    method: str
    path: str
    query: str
    host: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class LocalResponse:
    """One HTTP response, and the fault that is to happen while it is sent.

    Attributes:
        status: the HTTP status.
        headers: names as AWS spells them; a stream has no `Content-Length`.
        chunks: the body, sent in these parts.
        delay: seconds before the first byte of the response.
        body_delay: seconds between the headers and the first byte of the body.
        chunk_delay: seconds between two chunks.
        cut: where the connection is broken off, or None.
    """

    status: int
    headers: Mapping[str, str]
    chunks: tuple[bytes, ...] = ()
    delay: float = 0.0
    body_delay: float = 0.0
    chunk_delay: float = 0.0
    cut: Cut | None = None

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.chunks)

    def with_headers(self, headers: Mapping[str, str]) -> LocalResponse:
        """Return this response with `headers` added."""
        return replace(self, headers={**self.headers, **headers})


class Service(Protocol):
    """Anything that answers requests: a `LocalBedrock` or a test's double."""

    def handle(self, request: LocalRequest) -> LocalResponse:
        """Answer one request."""


def whole_response(status: int, body: bytes, content_type: str) -> LocalResponse:
    """Return a response whose body comes in one piece."""
    headers = {"Content-Type": content_type, "Content-Length": str(len(body))}
    return LocalResponse(status, headers, (body,))


def json_response(status: int, document: Document) -> LocalResponse:
    """Return a JSON response, written as AWS writes it: UTF-8, no spaces."""
    return whole_response(status, json_bytes(document), "application/json")


def json_bytes(document: Document) -> bytes:
    """Return `document` as JSON, written as AWS writes it: UTF-8, no spaces."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
